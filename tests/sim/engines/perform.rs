//! Performing what the engines ask for.

use std::{collections::VecDeque, rc::Rc};

use timecoin::{
    consensus::{self, EvidenceKind, Record},
    engine::{Effect, Event, Happening},
    wire::Fault,
};

use crate::world::Sight;

use super::{Engines, Item, Packet};

/// How long storage takes until it serves a block, in microseconds.
const STORED_US: u64 = 3_000;
/// How long an answer is waited for, in microseconds.
const ANSWER_US: u64 = 3_000_000;

impl Engines {
    /// Performs effects in order; a crash loses those that are left.
    pub(super) fn perform(&mut self, node: usize, effects: Vec<Effect>) {
        let mut todo: VecDeque<Effect> = effects.into();
        let life = self.nodes[node].life;
        while let Some(effect) = todo.pop_front() {
            if self.nodes[node].engine.is_none() || self.nodes[node].life != life {
                return;
            }
            let is_point = matches!(
                effect,
                Effect::Persist(_) | Effect::Broadcast { .. } | Effect::Commit(_)
            );
            if self.watcher.is_some() {
                self.tell(node, &effect);
            }
            self.perform_one(node, effect, &mut todo);
            if let Some(left) = self.nodes[node].crash_after.filter(|_| is_point) {
                self.nodes[node].crash_after = Some(left - 1).filter(|left| *left > 0);
                if left == 1 {
                    self.crash(node);
                    return;
                }
            }
        }
    }

    /// Shows an effect to whoever watches.
    fn tell(&mut self, node: usize, effect: &Effect) {
        let same = match effect.clone() {
            Effect::Persist(record) => consensus::Effect::Persist(Box::new(record)),
            Effect::Broadcast { message, block } => {
                let block = block.map(Box::new);
                consensus::Effect::Broadcast { message, block }
            }
            Effect::SetTimer { timer, at } => consensus::Effect::SetTimer { timer, at },
            Effect::FetchBody { height, digest } => consensus::Effect::FetchBody { height, digest },
            Effect::SendDecided { peer, height } => consensus::Effect::PeerBehind { peer, height },
            Effect::Evidence(evidence) => consensus::Effect::Evidence(evidence),
            Effect::Note(note) => consensus::Effect::Note(note),
            Effect::Commit(committed) => {
                let (height, txs) = (committed.block.height(), committed.block.transactions.len());
                let certificate = &committed.certificate;
                let words = format!(
                    "DECIDES height {height}: {} in round {}, signed by {:?}, {txs} transactions",
                    committed.hash.short(),
                    certificate.round,
                    certificate.signers().collect::<Vec<_>>()
                );
                return self.show(node, &Sight::Says(words));
            }
            Effect::RequestBlocks(request) => {
                let from = self.index_of(&request.peer);
                let words = format!("  asks node {from:?} for blocks from height {}", request.start);
                return self.show(node, &Sight::Says(words));
            }
            Effect::Held(hold) => {
                let words = format!("  signs nothing: {}", hold.reason());
                return self.show(node, &Sight::Says(words));
            }
            Effect::Happened(happening) => {
                return self.show(node, &Sight::Says(format!("  {happening:?}")));
            }
            _ => return,
        };
        self.show(node, &Sight::Does(&same));
    }

    fn perform_one(&mut self, node: usize, effect: Effect, todo: &mut VecDeque<Effect>) {
        let life = self.nodes[node].life;
        match effect {
            Effect::Sign { request, statement } => {
                let signature = self.nodes[node].key.sign(&statement.bytes());
                if let Some(delay) = self.sign_delay_us {
                    let after = delay(self.queue.sequence());
                    let item = Item::Signed {
                        node,
                        life,
                        request,
                        signature,
                    };
                    self.push(after, item);
                } else {
                    let now = self.clock(node);
                    let signature = Some(signature);
                    if let Some(engine) = self.nodes[node].engine.as_mut() {
                        todo.extend(engine.step(now, Event::Signed { request, signature }));
                    }
                }
            }
            Effect::Persist(record) => {
                if let Record::Body(block) = &record {
                    let digest = block.hash();
                    self.laws.on_body(node, digest);
                    self.nodes[node].proposals.insert(digest, Rc::new(block.clone()));
                }
                self.nodes[node].disk.append(record);
            }
            Effect::Broadcast { message, block } => {
                self.nodes[node].disk.sync();
                self.laws.on_sent(node, &message);
                self.laws.on_leaving(node, &message, self.nodes[node].disk.log());
                self.send_to_all(
                    node,
                    None,
                    &Packet::Consensus(Rc::new(message), block.map(Rc::new)),
                );
            }
            Effect::Forward { from, message, block } => {
                let from = self.index_of(&from);
                self.send_to_all(
                    node,
                    from,
                    &Packet::Consensus(Rc::new(message), block.map(Rc::new)),
                );
            }
            Effect::SetTimer { timer, at } => {
                self.nodes[node].timers.insert(timer, at);
                let after = at.micros().saturating_sub(self.now);
                let item = Item::Timer {
                    node,
                    life,
                    timer,
                    at,
                };
                self.push(after, item);
            }
            Effect::FetchBody { digest, .. } => {
                let count = self.nodes.len() as u64;
                let to = (node as u64 + 1 + self.draw() % (count - 1).max(1)) % count;
                self.post(node, to as usize, &Packet::GetBody(digest));
            }
            Effect::Commit(committed) => self.commit(node, &committed),
            Effect::SendDecided { peer, height } => {
                self.nodes[node].disk.sync();
                let stored = self.nodes[node].disk.stored(height);
                let decision =
                    stored.map(|stored| Rc::new((stored.certificate.clone(), stored.block.clone())));
                if let (Some(to), Some(decision)) = (self.index_of(&peer), decision) {
                    self.post(node, to, &Packet::Decided(decision));
                }
            }
            Effect::RequestBlocks(request) => {
                if let Some(to) = self.index_of(&request.peer) {
                    self.nodes[node]
                        .asked
                        .insert((request.peer, request.start), request);
                    self.post(node, to, &Packet::GetBlocks(request));
                    self.push(ANSWER_US, Item::Unanswered { node, life, request });
                }
            }
            Effect::AskStatus { peer } => {
                if let Some(to) = self.index_of(&peer) {
                    self.post(node, to, &Packet::GetStatus);
                }
            }
            Effect::Relay {
                transactions,
                except,
                push: _,
            } => {
                let except = except.and_then(|except| self.index_of(&except));
                self.send_to_all(node, except, &Packet::Transactions(Rc::new(transactions)));
            }
            Effect::Offer { peer, transactions } => {
                if let Some(to) = self.index_of(&peer) {
                    self.post(node, to, &Packet::Transactions(Rc::new(transactions)));
                }
            }
            Effect::FetchTransactions { peer, txids } => {
                if let Some(to) = self.index_of(&peer) {
                    self.post(node, to, &Packet::GetTransactions(Rc::new(txids)));
                }
            }
            Effect::Pooled(transactions) => {
                let pooled = transactions.into_iter().map(|one| (one.txid(), one));
                self.nodes[node].pooled.extend(pooled);
            }
            Effect::Unpooled(gone) => {
                for (txid, _) in gone {
                    self.nodes[node].pooled.remove(&txid);
                }
            }
            Effect::Evidence(evidence) => {
                let offender = self.index_of(&evidence.offender);
                let is_honest = offender.is_some_and(|offender| !self.nodes[offender].is_byzantine);
                self.laws.on_evidence(offender, is_honest, evidence.kind);
                // A bad proposal convinces only those who saw it.
                if evidence.kind != EvidenceKind::BadProposal {
                    self.send_to_all(node, None, &Packet::Evidence(Rc::new(evidence)));
                }
            }
            Effect::SafetyViolation { height, ours, theirs } => self.laws.broken.push(format!(
                "O1: node {node} was shown two certificates of height {height}: {:?} and {:?}",
                ours.block_hash, theirs.block_hash
            )),
            Effect::Happened(
                happening @ (Happening::StoreUnreadable { .. } | Happening::ExecutionMismatch { .. }),
            ) => self.laws.broken.push(format!("O5: node {node}: {happening:?}")),
            Effect::Held(hold) if hold.is_safety_stop() => {
                self.laws
                    .broken
                    .push(format!("O3: node {node} stopped signing: {hold:?}"));
            }
            Effect::Blame { peer, fault } => {
                let honest = self
                    .index_of(&peer)
                    .filter(|peer| !self.nodes[*peer].is_byzantine);
                if let Some(peer) = honest.filter(|_| fault != Fault::EmptyPromise) {
                    self.laws
                        .broken
                        .push(format!("O3: node {node} blames honest node {peer} for {fault:?}"));
                }
            }
            Effect::CallForKey
            | Effect::Reply { .. }
            | Effect::Held(_)
            | Effect::Note(_)
            | Effect::Happened(_) => {}
        }
    }

    fn commit(&mut self, node: usize, committed: &timecoin::engine::CommittedBlock) {
        self.nodes[node].disk.sync();
        let height = committed.block.height();
        let (validators, domain) = &self.sets[&height];
        self.laws
            .on_decided(node, &committed.certificate, domain, validators);
        let commitment = committed.connected.delta.commitment;
        let first = *self.commitments.entry(height).or_insert(commitment);
        if first != commitment || commitment != committed.block.header.utxo_commitment {
            self.laws
                .broken
                .push(format!("O5: node {node} has other coins at {height}"));
        }
        let (block, certificate) = (committed.block.clone(), committed.certificate.clone());
        let one = &mut self.nodes[node];
        let is_logged = one
            .disk
            .log()
            .iter()
            .rev()
            .any(|record| matches!(record, Record::Decided(logged) if logged.height == height));
        assert!(is_logged, "a decision is told before it is durable");
        one.disk.commit(block, certificate, committed.connected.clone());
        self.note_set(height, node);
        let life = self.nodes[node].life;
        let flushed = self.flush_after_us + self.draw() % 300_000;
        self.push(STORED_US, Item::Stored { node, life, height });
        self.push(flushed, Item::Flushed { node, life, height });
    }
}

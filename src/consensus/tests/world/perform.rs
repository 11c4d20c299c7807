//! Performing what the machines ask for: the disk, the clock, and the way out to the network.

use std::{collections::VecDeque, rc::Rc};

use timecoin::{
    chain::{Block, CommitCertificate},
    consensus::{Effect, Event, Record, Tip},
    crypto::Verified,
};

use super::super::toy_ledger::verified;
use super::{Item, Sight, World};

impl World {
    /// Performs effects in order; a crash loses those that are left, and so does a broken law: two
    /// decisions may come in one breath, and on a fork the second has nothing to stand on.
    pub(crate) fn perform(&mut self, node: usize, effects: Vec<Effect>) {
        let mut todo: VecDeque<Effect> = effects.into();
        let life = self.nodes[node].life;
        while let Some(effect) = todo.pop_front() {
            let is_gone = self.nodes[node].machine.is_none() || self.nodes[node].life != life;
            if is_gone || !self.laws.broken.is_empty() {
                return;
            }
            if let Some(trace) = &mut self.trace {
                trace.push(format!("{} {node} {effect:?}", self.now));
            }
            self.show(node, &Sight::Does(&effect));
            let is_point = matches!(effect, Effect::Persist(_) | Effect::Broadcast { .. });
            self.perform_one(node, effect, &mut todo);
            if is_point {
                self.points += 1;
                let left = &mut self.nodes[node].crash_after;
                if let Some(count) = left {
                    *count -= 1;
                    if *count == 0 {
                        *left = None;
                        self.crash(node);
                        return;
                    }
                }
            }
        }
    }

    /// Nothing leaves before everything that was written is on the disk.
    fn sync(&mut self, node: usize) {
        let one = &mut self.nodes[node];
        one.synced = one.disk.len();
    }

    fn perform_one(&mut self, node: usize, effect: Effect, todo: &mut VecDeque<Effect>) {
        match effect {
            Effect::Sign { request, statement } => {
                let signature = self.nodes[node].key.sign(&statement.bytes());
                match self.sign_delay_us {
                    Some(delay) => {
                        let life = self.nodes[node].life;
                        let after = delay(self.queue.sequence());
                        let signed = Item::Signed {
                            node,
                            life,
                            request,
                            signature,
                        };
                        self.push(after, signed);
                    }
                    None => {
                        let now = self.clock(node);
                        let one = &mut self.nodes[node];
                        let event = Event::Signed { request, signature };
                        todo.extend(one.machine.as_mut().unwrap().step(now, event, &mut one.ledger));
                    }
                }
            }
            Effect::Persist(record) => {
                if let Record::Body(block) = &*record {
                    let digest = self.digest_of(block);
                    self.laws.on_body(node, digest);
                    self.bodies
                        .entry(digest)
                        .or_insert_with(|| Rc::new(verified(block.clone())));
                }
                self.nodes[node].disk.push(*record);
            }
            Effect::Broadcast { message, block } => {
                self.sync(node);
                if !self.nodes[node].is_byzantine {
                    self.laws.on_sent(node, &message);
                    self.laws.on_leaving(node, &message, &self.nodes[node].disk);
                }
                if self.remembers {
                    self.nodes[node].sent.push(message.clone());
                }
                self.send(node, None, &message, block);
            }
            Effect::Forward { from, message, block } => {
                if self.forwards {
                    self.sync(node);
                    self.send(node, Some(from), &message, block);
                }
            }
            Effect::SetTimer { timer, at } => {
                let life = self.nodes[node].life;
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
            Effect::FetchBody { digest, .. } => self.push(2_000, Item::Fetched { to: node, digest }),
            Effect::Decide { block, certificate } => self.decide(node, &block, certificate, todo),
            Effect::PeerBehind { peer, height } => {
                if self.remembers {
                    self.nodes[node].behind.push((peer, height));
                }
                if let Some(to) = self.index_of(&peer).filter(|_| self.answers) {
                    self.push(2_000, Item::Blocks { to, above: node });
                }
            }
            Effect::Behind { .. } => {
                let longest = (0..self.nodes.len())
                    .max_by_key(|node| self.nodes[*node].chain.len())
                    .unwrap();
                let item = Item::Blocks {
                    to: node,
                    above: longest,
                };
                self.push(5_000, item);
            }
            Effect::Evidence(evidence) => {
                let offender = self.index_of(&evidence.offender);
                let is_honest = offender.is_some_and(|offender| !self.nodes[offender].is_byzantine);
                self.laws.on_evidence(offender, is_honest, evidence.kind);
                self.nodes[node].evidence.push(evidence);
            }
            Effect::Doppelganger(message) => {
                self.nodes[node].doppelgangers += 1;
                if !self.nodes[node].is_byzantine {
                    self.laws
                        .on_alarm(node, "O3", &format!("doppelganger {:?}", message.position()));
                }
            }
            Effect::SafetyViolation { ours, theirs } => {
                self.nodes[node].violations += 1;
                if !self.nodes[node].is_byzantine {
                    let both = format!("two certificates: {ours:?}, {theirs:?}");
                    self.laws.on_alarm(node, "O1", &both);
                }
            }
            Effect::Note(note) => {
                if self.remembers {
                    self.nodes[node].notes.push(note);
                }
            }
        }
    }

    fn decide(
        &mut self,
        node: usize,
        block: &Verified<Block>,
        certificate: CommitCertificate,
        todo: &mut VecDeque<Effect>,
    ) {
        self.sync(node);
        let (validators, domain) = match &self.plan {
            Some(plan) => plan.at(certificate.height),
            None => (&self.validators, &self.domain),
        };
        if !self.nodes[node].is_byzantine {
            self.laws.on_decided(node, &certificate, domain, validators);
        }
        let is_logged =
            self.nodes[node].disk.iter().rev().any(
                |record| matches!(record, Record::Decided(logged) if logged.height == certificate.height),
            );
        assert!(is_logged, "a decision is told before it is durable");
        let now = self.clock(node);
        let digest = self.digest_of(block);
        let validators = self.set_at(certificate.height.next()).0.clone();
        let one = &mut self.nodes[node];
        one.ledger.connect_as(block, digest);
        one.chain.push((Block::clone(block), certificate.clone()));
        let (height, hash, timestamp) = one.ledger.tip();
        let tip = Tip {
            height,
            hash,
            timestamp,
            certificate: Some(certificate),
            decided_at: Some(now.mono),
        };
        let machine = one.machine.as_mut().unwrap();
        todo.extend(machine.advance(now, tip, validators, &mut one.ledger));
        if (one.chain.len() as u64) < self.work_below {
            let event = Event::Work(Some(now.mono));
            todo.extend(machine.step(now, event, &mut one.ledger));
        }
    }
}

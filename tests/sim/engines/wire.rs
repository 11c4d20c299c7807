//! The virtual network: packets, what is checked when they arrive, and answers to questions.

use std::{collections::BTreeMap, rc::Rc};

use timecoin::{
    chain::{Block, BlockHash, Height, Params, SharedTransaction, check_block_limits, check_body},
    consensus::{Body, ConsensusMessage, MessageContext, Step},
    crypto::{Hash256, Signature, Verified},
    engine::{Arrival, Event, Source},
    sync::{Failure, Request},
};

use crate::world::Sight;

use super::{Engines, Item, Packet, verified_block};

/// What was checked already: a message or a body comes to every node, and often, and whether it
/// holds is the same for all of them.
#[derive(Default)]
pub(super) struct Checked {
    /// Those that hold, by signature and set.
    messages: BTreeMap<(Signature, Hash256), Verified<ConsensusMessage>>,
    /// By the digest they came under.
    bodies: BTreeMap<BlockHash, (Rc<Block>, Body)>,
}

impl Checked {
    fn message(
        &mut self,
        message: &ConsensusMessage,
        context: MessageContext<'_>,
    ) -> Option<Verified<ConsensusMessage>> {
        let key = (*message.signature(), context.domain.vset_hash);
        if let Some(known) = self.messages.get(&key).filter(|known| ***known == *message) {
            return Some(known.clone());
        }
        let checked = Verified::check(message.clone(), context).ok()?;
        self.messages.insert(key, checked.clone());
        Some(checked)
    }

    /// As the verifier of `timed` judges the body that came with a proposal of `digest`.
    fn body(&mut self, digest: BlockHash, block: Rc<Block>, chain_id: &Hash256, params: &Params) -> Body {
        let known = self.bodies.get(&digest);
        if let Some((_, body)) = known.filter(|(known, _)| Rc::ptr_eq(known, &block) || *known == block) {
            return body.clone();
        }
        let body = if digest != block.hash() || check_body(&block).is_err() {
            Body::Mismatch
        } else if check_block_limits(&block, params).is_err() {
            Body::Invalid(Box::new((*block).clone()))
        } else {
            match verified_block((*block).clone(), chain_id) {
                Some(block) => Body::Valid(Box::new(block)),
                None => Body::Invalid(Box::new((*block).clone())),
            }
        };
        self.bodies.insert(digest, (block, body.clone()));
        body
    }
}

impl Engines {
    pub(super) fn send_to_all(&mut self, node: usize, except: Option<usize>, packet: &Packet) {
        for to in 0..self.nodes.len() {
            if to != node && Some(to) != except {
                self.post(node, to, packet);
            }
        }
    }

    pub(super) fn post(&mut self, from: usize, to: usize, packet: &Packet) {
        for after in (self.link)(self.now, from, to).into_iter().flatten() {
            let packet = packet.clone();
            self.push(after, Item::Deliver { from, to, packet });
        }
    }

    pub(super) fn deliver(&mut self, from: usize, to: usize, packet: Packet) {
        if self.nodes[to].is_byzantine {
            if let Packet::Consensus(message, block) = packet {
                self.with_mind(|mind, world| mind.hear(world, to, &message, block.as_deref()));
            }
            return;
        }
        if self.nodes[to].engine.is_none() {
            return;
        }
        if let Packet::Consensus(message, _) = &packet {
            self.show(to, &Sight::Arrives(Some(from), message));
        }
        let peer = self.nodes[from].id;
        match packet {
            Packet::Consensus(message, block) => self.deliver_message(from, to, &message, block),
            Packet::Decided(decision) => {
                let block = verified_block(decision.1.clone(), &self.chain_id);
                let certificate = decision.0.clone();
                let is_his = block
                    .as_ref()
                    .is_some_and(|block| block.hash() == certificate.block_hash);
                let event = Event::Decided {
                    from: peer,
                    certificate,
                    block: block.filter(|_| is_his).map(Box::new),
                };
                self.step(to, event);
            }
            Packet::GetBody(digest) => {
                let one = &self.nodes[to];
                let stored = || {
                    one.disk
                        .stored_of(digest)
                        .map(|stored| Rc::new(stored.block.clone()))
                };
                if let Some(block) = one.proposals.get(&digest).cloned().or_else(stored) {
                    self.post(to, from, &Packet::Body(block));
                }
            }
            Packet::Body(block) => {
                if let Some(block) = verified_block((*block).clone(), &self.chain_id) {
                    self.step(to, Event::Fetched(Box::new(block)));
                }
            }
            Packet::GetBlocks(request) => self.answer_blocks(to, from, &request),
            Packet::Blocks(start, blocks, certificate) => {
                if self.nodes[to].asked.remove(&(peer, start)).is_none() {
                    return;
                }
                self.step(to, Event::BlocksReceived { peer, start });
                let chain_id = self.chain_id;
                let blocks = blocks
                    .iter()
                    .filter_map(|block| verified_block(block.clone(), &chain_id));
                let event = Event::Blocks {
                    peer,
                    blocks: blocks.collect(),
                    certificate,
                };
                self.step(to, event);
            }
            Packet::GetStatus => {
                let disk = &self.nodes[to].disk;
                self.post(to, from, &Packet::Status(disk.tip(), disk.certificate()));
            }
            Packet::Status(height, certificate) => {
                let event = Event::Status {
                    peer,
                    height,
                    certificate,
                };
                self.step(to, event);
            }
            Packet::Evidence(evidence) => {
                let set = self.sets.get(&evidence.height);
                let holds = set.is_some_and(|(validators, domain)| {
                    evidence.verify(MessageContext { domain, validators }).is_ok()
                });
                if holds {
                    self.step(to, Event::Evidence(Box::new((*evidence).clone())));
                }
            }
            Packet::GetTransactions(txids) => {
                let pooled = &self.nodes[to].pooled;
                let known = txids.iter().filter_map(|txid| pooled.get(txid).cloned());
                self.post(to, from, &Packet::Transactions(Rc::new(known.collect())));
            }
            Packet::Transactions(transactions) => {
                let arrivals = transactions
                    .iter()
                    .filter_map(|one| self.arrival(one, Source::Peer(peer)));
                let event = Event::Transactions(arrivals.collect());
                self.step(to, event);
            }
        }
    }

    pub(super) fn arrival(&self, transaction: &SharedTransaction, source: Source) -> Option<Arrival> {
        let transaction = Verified::check(transaction.clone(), &self.chain_id).ok()?;
        Some(Arrival { transaction, source })
    }

    /// As the verifier of `timed` does: a window of heights, signatures, the body.
    fn deliver_message(
        &mut self,
        from: usize,
        to: usize,
        message: &ConsensusMessage,
        block: Option<Rc<Block>>,
    ) {
        let peer = self.nodes[from].id;
        let Some(engine) = &self.nodes[to].engine else {
            return;
        };
        let (tip, height) = (engine.tip(), message.height());
        let next = tip.next();
        let set = if height == next || height == next.next() {
            engine.validators()
        } else if height == tip && message.step() == Step::Commit {
            engine.validators_of_tip()
        } else {
            return self.step(to, Event::OffHeight { from: peer, height });
        };
        let domain = timecoin::consensus::SigningDomain {
            chain_id: self.chain_id,
            vset_hash: set.hash(),
        };
        let context = MessageContext {
            domain: &domain,
            validators: set,
        };
        let Some(message) = self.checked.message(message, context) else {
            return;
        };
        let (chain_id, params) = (&self.chain_id, &self.genesis.params);
        let body = match (&*message, block) {
            (ConsensusMessage::PrePrepare(proposal), Some(block)) => {
                Some(self.checked.body(proposal.digest, block, chain_id, params))
            }
            _ => None,
        };
        let event = Event::Consensus {
            from: peer,
            message,
            vset_hash: domain.vset_hash,
            body,
        };
        self.step(to, event);
    }

    fn answer_blocks(&mut self, node: usize, to: usize, request: &Request) {
        let disk = &self.nodes[node].disk;
        let mut blocks = Vec::new();
        let mut certificate = None;
        let mut height = request.start;
        while let Some(stored) = disk
            .stored(height)
            .filter(|_| (blocks.len() as u64) < request.count)
        {
            blocks.push(stored.block.clone());
            certificate = Some(stored.certificate.clone());
            height = height.next();
        }
        self.post(
            node,
            to,
            &Packet::Blocks(request.start, Rc::new(blocks), certificate),
        );
    }

    pub(super) fn give_up(&mut self, node: usize, life: u32, request: &Request) {
        let one = &mut self.nodes[node];
        let is_open = one.life == life && one.asked.get(&(request.peer, request.start)) == Some(request);
        if is_open && one.engine.is_some() {
            one.asked.remove(&(request.peer, request.start));
            let event = Event::BlocksFailed {
                peer: request.peer,
                start: request.start,
                failure: Failure::Broken,
            };
            self.step(node, event);
        }
    }

    pub(super) fn submit(&mut self, node: usize, transaction: SharedTransaction) {
        if let Some(arrival) = self.arrival(&transaction, Source::Local(0)) {
            self.step(node, Event::Transactions(vec![arrival]));
        }
    }

    /// The heights that honest nodes stand at.
    pub(super) fn tips(&self) -> Vec<Height> {
        let honest = self.nodes.iter().filter(|node| !node.is_byzantine);
        honest.map(|node| node.disk.tip()).collect()
    }
}

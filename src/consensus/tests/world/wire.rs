//! The virtual network: what is sent, to whom it goes, and what arrives.

use std::rc::Rc;

use timecoin::{
    chain::{Block, BlockHash, Height},
    consensus::{CertificateContext, ConsensusMessage, Event, MessageContext},
    crypto::{NodeId, Verified},
};

use super::super::toy_ledger::verified;
use super::{Adversary, Envelope, Item, Parcel, Sight, World, body_of};

impl World {
    pub(super) fn send(
        &mut self,
        node: usize,
        origin: Option<NodeId>,
        message: &ConsensusMessage,
        block: Option<Box<Block>>,
    ) {
        let message = self.try_check(message).expect("a message that verifies");
        let block = block.map(|block| self.proposed(&message, *block));
        let parcel = Parcel { message, block };
        for to in 0..self.nodes.len() {
            if to == node || origin.is_some_and(|origin| self.nodes[to].id == origin) {
                continue;
            }
            self.post(node, to, &parcel);
        }
    }

    fn post(&mut self, from: usize, to: usize, parcel: &Parcel) {
        let envelope = Envelope {
            at: self.now,
            from,
            to,
            message: &parcel.message,
        };
        for after in (self.network)(&envelope).into_iter().flatten() {
            self.messages += 1;
            let item = Item::Deliver {
                to,
                from,
                parcel: parcel.clone(),
            };
            self.push(after, item);
        }
    }

    /// The block that `message` brings, as everybody holds it; hashed only when it is new.
    fn proposed(&mut self, message: &ConsensusMessage, block: Block) -> Rc<Verified<Block>> {
        let known = match message {
            ConsensusMessage::PrePrepare(proposal) => self.bodies.get(&proposal.digest),
            ConsensusMessage::Vote(_) | ConsensusMessage::ViewChange(_) => None,
        };
        match known.filter(|known| Block::eq(known, &block)) {
            Some(known) => known.clone(),
            None => self.shared(block),
        }
    }

    /// The block as everybody holds it.
    pub(super) fn shared(&mut self, block: Block) -> Rc<Verified<Block>> {
        let digest = self.digest_of(&block);
        let known = self.bodies.get(&digest).filter(|known| Block::eq(known, &block));
        if let Some(known) = known {
            return known.clone();
        }
        let block = Rc::new(verified(block));
        self.bodies.insert(digest, block.clone());
        block
    }

    /// The hash of a block, computed once, however many nodes hold it.
    pub(super) fn digest_of(&mut self, block: &Block) -> BlockHash {
        let hashed = self.hashed.entry(block.header.height).or_default();
        let known = hashed.iter().find(|(header, _)| *header == block.header);
        if let Some((_, digest)) = known {
            return *digest;
        }
        let digest = block.hash();
        hashed.push((block.header.clone(), digest));
        digest
    }

    /// Checks a message's signatures once, however often it is sent.
    pub(crate) fn check(&mut self, message: ConsensusMessage) -> Verified<ConsensusMessage> {
        let checked = self.try_check(&message).expect("a message that verifies");
        Verified::clone(&checked)
    }

    fn try_check(&mut self, message: &ConsensusMessage) -> Option<Rc<Verified<ConsensusMessage>>> {
        let (first, _) = message.signature().as_bytes().split_first_chunk()?;
        let key = u64::from_le_bytes(*first);
        if let Some(known) = self.checked.get(&key)
            && ***known == *message
        {
            return Some(known.clone());
        }
        let (validators, domain) = self.set_at(message.height());
        let checked = Rc::new({
            let context = MessageContext { domain, validators };
            Verified::check(message.clone(), context).ok()?
        });
        self.checked.insert(key, checked.clone());
        Some(checked)
    }

    /// Everything that was ever said, in no order.
    pub(crate) fn archive(&self) -> impl Iterator<Item = &ConsensusMessage> {
        self.checked.values().map(|message| &***message)
    }

    /// The adversary speaks: to one node, over the network, if the signatures hold.
    pub(crate) fn say(&mut self, from: usize, to: usize, message: ConsensusMessage, block: Option<Block>) {
        let Some(message) = self.try_check(&message) else {
            return;
        };
        let block = block.map(|block| self.proposed(&message, block));
        self.post(from, to, &Parcel { message, block });
    }

    pub(super) fn with_adversary(&mut self, act: impl FnOnce(&mut dyn Adversary, &mut Self)) {
        if let Some(mut adversary) = self.adversary.take() {
            act(adversary.as_mut(), self);
            self.adversary = Some(adversary);
        }
    }

    /// A message arrives.
    pub(super) fn deliver(&mut self, to: usize, from: usize, parcel: &Parcel) {
        if self.nodes[to].is_puppet() {
            self.with_adversary(|adversary, world| {
                let block = parcel.block.as_ref().map(|block| &***block);
                adversary.on_heard(world, to, &parcel.message, block);
            });
            return;
        }
        if self.nodes[to].machine.is_none() {
            return;
        }
        let height = parcel.message.height();
        if self.nodes[to].is_twin && self.node_of(height, parcel.message.signer()) == self.original_of(to) {
            return; // It would learn of its twin, and stop.
        }
        if let (Some(takes), ConsensusMessage::PrePrepare(proposal)) = (self.validation_us, &**parcel.message)
            && !self.laws.has_body(to, proposal.digest)
        {
            self.nodes[to].busy_until = self.now + takes(self.queue.sequence());
        }
        if self.watcher.is_some() {
            self.show(to, &Sight::Arrives(Some(from), &parcel.message));
        }
        if self.is_checkable(to, height) {
            let event = Event::Message {
                from: Some(self.nodes[from].id),
                message: Verified::clone(&parcel.message),
                body: body_of(parcel),
            };
            self.step(to, event);
        } else {
            let above = self.original_of(from).unwrap_or(from);
            self.push(2_000, Item::Blocks { to, above });
        }
    }

    /// The first node with the key of `node`: of a twin, whose twin it is.
    fn original_of(&self, node: usize) -> Option<usize> {
        self.index_of(&self.nodes[node].id)
    }

    /// Whether `node` knows the set that signed at `height`: of a height beyond its own only if the
    /// set stays. What it cannot check, it takes for a sign that the sender is ahead.
    fn is_checkable(&self, node: usize, height: Height) -> bool {
        let Some(plan) = &self.plan else { return true };
        let own = Height::new(self.nodes[node].chain.len() as u64 + 1);
        height <= own || plan.at(height).1 == plan.at(own).1
    }

    /// A decision arrives, from whom nobody need know: it proves itself.
    pub(super) fn deliver_decision(
        &mut self,
        to: usize,
        decision: &(timecoin::chain::CommitCertificate, Block),
    ) {
        let (certificate, block) = decision;
        let (validators, domain) = self.set_at(certificate.height);
        let context = CertificateContext { domain, validators };
        if let Ok(certificate) = Verified::check(certificate.clone(), context) {
            let event = Event::Decided {
                certificate,
                block: Some(Box::new(verified(block.clone()))),
            };
            self.step(to, event);
        }
    }

    /// Catch-up: every block that `above` has and `to` lacks, as DECIDED.
    pub(super) fn give_blocks(&mut self, to: usize, above: usize) {
        loop {
            let before = self.nodes[to].chain.len();
            let Some((block, certificate)) = self.nodes[above].chain.get(before).cloned() else {
                return;
            };
            self.deliver_decision(to, &(certificate, block));
            if self.nodes[to].chain.len() == before {
                return;
            }
        }
    }
}

//! What a test, or an adversary, says in somebody's name.

use std::collections::BTreeSet;

use timecoin::{
    chain::{Block, BlockHash, CommitCertificate, Height, TimestampMs},
    consensus::{
        Body, ConsensusMessage, Event, Machine, PrePrepare, PreparedCert, Round, Signer, SigningDomain, Step,
        ViewChange, ViewChangeHeader, Vote,
    },
    crypto::{Signature, Verified},
};

use super::World;

impl World {
    /// Who `node` is at `height`; of a node that sits out, nobody.
    fn signer(&self, node: usize, height: u64) -> Signer {
        if self.plan.is_none() {
            return node as Signer;
        }
        let set = self.set_at(Height::new(height)).0;
        let key = self.nodes[node].id;
        set.signer_of(&key).unwrap_or(Signer::MAX)
    }

    fn domain_at(&self, height: u64) -> &SigningDomain {
        self.set_at(Height::new(height)).1
    }

    /// Whether `node` is a validator of `height`.
    pub(crate) fn is_member(&self, node: usize, height: u64) -> bool {
        usize::from(self.signer(node, height)) < self.quorum().n()
    }

    pub(crate) fn vote(&self, signer: usize, step: Step, height: u64, round: u32, digest: BlockHash) -> Vote {
        let mut vote = Vote {
            step,
            height: Height::new(height),
            round: Round::new(round),
            digest,
            signer: self.signer(signer, height),
            signature: Signature::from_bytes([0; 64]),
        };
        vote.signature = self.nodes[signer]
            .key
            .sign(&vote.signing_bytes(self.domain_at(height)));
        vote
    }

    pub(crate) fn prepared(
        &self,
        signers: &[usize],
        height: u64,
        round: u32,
        digest: BlockHash,
    ) -> PreparedCert {
        let signatures = signers
            .iter()
            .map(|signer| {
                (
                    self.signer(*signer, height),
                    self.vote(*signer, Step::Prepare, height, round, digest).signature,
                )
            })
            .collect();
        PreparedCert {
            height: Height::new(height),
            round: Round::new(round),
            digest,
            signatures,
        }
    }

    pub(crate) fn certificate(
        &self,
        signers: &[usize],
        height: u64,
        round: u32,
        digest: BlockHash,
    ) -> CommitCertificate {
        let signatures = signers
            .iter()
            .map(|signer| {
                (
                    self.signer(*signer, height),
                    self.vote(*signer, Step::Commit, height, round, digest).signature,
                )
            })
            .collect();
        CommitCertificate {
            height: Height::new(height),
            round,
            block_hash: digest,
            signatures,
        }
    }

    pub(crate) fn view_change(
        &self,
        signer: usize,
        height: u64,
        round: u32,
        lock: Option<PreparedCert>,
    ) -> ViewChange {
        let mut header = ViewChangeHeader {
            height: Height::new(height),
            round: Round::new(round),
            prepared: lock.as_ref().map(|lock| (lock.round, lock.digest)),
            signer: self.signer(signer, height),
            signature: Signature::from_bytes([0; 64]),
        };
        header.signature = self.nodes[signer]
            .key
            .sign(&header.signing_bytes(self.domain_at(height)));
        ViewChange {
            header,
            certificate: lock,
        }
    }

    pub(crate) fn pre_prepare(
        &self,
        signer: usize,
        height: u64,
        round: u32,
        digest: BlockHash,
        view_changes: Vec<ViewChangeHeader>,
        prepared: Option<PreparedCert>,
    ) -> PrePrepare {
        let mut message = PrePrepare {
            height: Height::new(height),
            round: Round::new(round),
            digest,
            signer: self.signer(signer, height),
            signature: Signature::from_bytes([0; 64]),
            view_changes,
            prepared,
        };
        message.signature = self.nodes[signer]
            .key
            .sign(&message.signing_bytes(self.domain_at(height)));
        message
    }

    /// Delivers a message to `to` at once, as from its signer.
    pub(crate) fn give(&mut self, to: usize, message: ConsensusMessage, body: Option<Block>) {
        let from = self.nodes[usize::from(message.signer())].id;
        let body = body.map(|block| Body::Valid(Box::new(Verified::clone(&self.shared(block)))));
        let message = self.check(message);
        let event = Event::Message {
            from: Some(from),
            message,
            body,
        };
        self.step(to, event);
    }

    /// Who leads `round` of `height`.
    pub(crate) fn leader(&self, height: u64, round: u32) -> usize {
        let height = Height::new(height);
        let signer = self.set_at(height).0.proposer(height, Round::new(round)).unwrap();
        self.node_of(height, signer).unwrap()
    }

    /// A block that is valid on `node`'s tip, made by the leader of `round`.
    pub(crate) fn block(&self, node: usize, round: u32, salt: u64) -> Block {
        let ledger = &self.nodes[node].ledger;
        let (height, _, parent) = ledger.tip();
        let leader = self.leader(height.next().get(), round);
        let timestamp = TimestampMs::new(self.clock(node).wall.get().max(parent.get() + 1));
        let prev_commit = self.nodes[node]
            .machine
            .as_ref()
            .and_then(Machine::tip_certificate);
        ledger.make(
            self.nodes[leader].id,
            Round::new(round),
            timestamp,
            prev_commit,
            salt,
        )
    }

    /// Messages that `node` sent at `height`, of one step, without resends.
    pub(crate) fn sent(&self, node: usize, height: u64, step: Step) -> Vec<ConsensusMessage> {
        let mut seen = BTreeSet::new();
        self.nodes[node]
            .sent
            .iter()
            .filter(|message| message.height().get() == height && message.step() == step)
            .filter(|message| seen.insert(*message.signature()))
            .cloned()
            .collect()
    }
}

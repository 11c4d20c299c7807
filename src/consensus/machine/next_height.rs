//! Messages of the next height, kept until this one is decided: of every validator at most one of
//! each kind, so that nobody can push out another's (§6).

use std::collections::BTreeMap;

use crate::{
    consensus::{Body, ConsensusMessage, Signer, Step, ValidatorSet},
    crypto::NodeId,
};

use super::Machine;

/// One kept message.
pub(super) struct Kept {
    pub from: Option<NodeId>,
    pub message: ConsensusMessage,
    pub body: Option<Body>,
}

/// The buffer.
pub(super) struct NextHeight {
    bytes_max: usize,
    bytes: usize,
    /// By (replay order, signer): PRE-PREPAREs first, VIEW-CHANGEs last.
    kept: BTreeMap<(u8, Signer), Kept>,
}

fn replay_order(step: Step) -> u8 {
    match step {
        Step::PrePrepare => 0,
        Step::Prepare => 1,
        Step::Commit => 2,
        Step::ViewChange => 3,
    }
}

fn body_bytes(body: Option<&Body>) -> usize {
    match body {
        Some(Body::Valid(block)) => block.body_bytes(),
        Some(Body::Invalid(block)) => block.body_bytes(),
        Some(Body::Mismatch) | None => 0,
    }
}

impl NextHeight {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            bytes: 0,
            kept: BTreeMap::new(),
        }
    }

    /// Keeps the message if it is of a later round than what the signer has here, and fits.
    fn keep(&mut self, kept: Kept) -> bool {
        let key = (replay_order(kept.message.step()), kept.message.signer());
        let known = self.kept.get(&key);
        if known.is_some_and(|known| known.message.round() >= kept.message.round()) {
            return false;
        }
        let freed = known.map_or(0, |known| body_bytes(known.body.as_ref()));
        let bytes = self.bytes - freed + body_bytes(kept.body.as_ref());
        if bytes > self.bytes_max {
            return false;
        }
        self.bytes = bytes;
        self.kept.insert(key, kept);
        true
    }

    /// Everything, in the order in which it is replayed.
    pub(super) fn take(&mut self) -> Vec<Kept> {
        self.bytes = 0;
        std::mem::take(&mut self.kept).into_values().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }
}

impl Machine {
    pub(super) fn buffer(&mut self, from: Option<NodeId>, message: ConsensusMessage, body: Option<Body>) {
        if let ConsensusMessage::PrePrepare(proposal) = &message {
            let validators: &ValidatorSet = &self.current.validators;
            if validators.proposer(proposal.height, proposal.round) != Some(proposal.signer) {
                return self.drop_because("proposal for the next height, not from its leader");
            }
        }
        if !self.next.keep(Kept { from, message, body }) {
            self.drop_because("next height's buffer holds a later one, or is full");
        }
    }
}

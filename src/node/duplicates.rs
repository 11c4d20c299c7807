//! Consensus messages that came a moment ago, byte for byte: from their signer and from each
//! validator that passed them on. Checking a signature costs more than all else about a vote.
//!
//! Only what the engine has taken is remembered, and for less time than passes between two resends
//! (docs/CONSENSUS.md R9): a message that the engine had no use for yet comes through again.

use std::collections::{HashSet, VecDeque};

use crate::{
    chain::BlockHash,
    consensus::{ConsensusMessage, Mono, Position, Signer},
    crypto::Signature,
};

/// Shorter than the shortest pause between two resends.
const REMEMBER_US: u64 = 200_000;
/// Messages remembered: three a round of each of a thousand validators.
const REMEMBERED_MAX: usize = 4_096;

/// All fields of a message that has no attachments.
type Key = (Position, Signer, BlockHash, Signature);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Duplicates {
    known: HashSet<Key>,
    order: VecDeque<(u64, Key)>,
}

fn key(message: &ConsensusMessage) -> Option<Key> {
    match message {
        ConsensusMessage::Vote(vote) => Some((message.position(), vote.signer, vote.digest, vote.signature)),
        ConsensusMessage::PrePrepare(proposal)
            if proposal.view_changes.is_empty() && proposal.prepared.is_none() =>
        {
            Some((
                message.position(),
                proposal.signer,
                proposal.digest,
                proposal.signature,
            ))
        }
        ConsensusMessage::PrePrepare(_) | ConsensusMessage::ViewChange(_) => None,
    }
}

impl Duplicates {
    /// True if just this message was taken a moment ago.
    pub(super) fn is_known(&mut self, message: &ConsensusMessage, now: Mono) -> bool {
        while self
            .order
            .front()
            .is_some_and(|(at, _)| now.micros().saturating_sub(*at) >= REMEMBER_US)
        {
            self.forget_oldest();
        }
        key(message).is_some_and(|key| self.known.contains(&key))
    }

    /// The engine took it.
    pub(super) fn taken(&mut self, message: &ConsensusMessage, now: Mono) {
        let Some(key) = key(message) else { return };
        if self.known.insert(key) {
            self.order.push_back((now.micros(), key));
            if self.order.len() > REMEMBERED_MAX {
                self.forget_oldest();
            }
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, key)) = self.order.pop_front() {
            self.known.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        chain::Height,
        consensus::{Round, Step, Vote},
        crypto::Hash256,
    };

    fn vote(height: u64, signature: u8) -> ConsensusMessage {
        ConsensusMessage::Vote(Vote {
            step: Step::Prepare,
            height: Height::new(height),
            round: Round::ZERO,
            digest: BlockHash::from_hash(Hash256::from_bytes([3; 32])),
            signer: 1,
            signature: Signature::from_bytes([signature; 64]),
        })
    }

    #[test]
    fn only_the_same_bytes_are_a_duplicate_and_a_resend_comes_through() {
        let mut duplicates = Duplicates::default();
        let at = |us| Mono::from_micros(1_000 + us);
        assert!(!duplicates.is_known(&vote(1, 1), at(0)));
        duplicates.taken(&vote(1, 1), at(0));
        assert!(duplicates.is_known(&vote(1, 1), at(REMEMBER_US - 1)));
        assert!(!duplicates.is_known(&vote(1, 2), at(1)));
        assert!(!duplicates.is_known(&vote(2, 1), at(1)));
        assert!(!duplicates.is_known(&vote(1, 1), at(REMEMBER_US)));
        for height in 0..10 * REMEMBERED_MAX as u64 {
            duplicates.taken(&vote(height, 1), at(REMEMBER_US));
        }
        assert_eq!(duplicates.known.len(), REMEMBERED_MAX);
    }
}

//! Consensus messages that came before, byte for byte: from their signer and from each validator that
//! passed them on. Checking a signature costs more than all else about a vote, and a VIEW-CHANGE has dozens.
//!
//! What the engine took a moment ago is dropped; less time is remembered for that than passes between two
//! resends (docs/CONSENSUS.md R9), so that a message that the engine had no use for yet comes through again. It is
//! not checked again then: where many validators share few cores, copies come late, and checking each
//! of them would make the next ones later still, until no round is in time.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::{
    consensus::{ConsensusMessage, Mono},
    crypto::{Hash256, HashWriter, Verified},
    wire::codec,
};

/// Shorter than the shortest pause between two resends.
const REMEMBER_US: u64 = 200_000;
/// Messages remembered: three a round of each of a thousand validators.
const REMEMBERED_MAX: usize = 4_096;
/// What checked messages may take together, encoded.
const CHECKED_BYTES_MAX: usize = 8 << 20;

/// Hash of a message with everything that is attached to it.
pub(super) type Id = Hash256;

/// The id of a message, and its length encoded.
pub(super) fn id(message: &ConsensusMessage) -> Option<(Id, usize)> {
    let bytes = codec::encode(message).ok()?;
    let id = HashWriter::new("timed/came-before").bytes(&bytes).finish();
    Some((id, bytes.len()))
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Duplicates {
    known: HashSet<Id>,
    order: VecDeque<(u64, Id)>,
}

impl Duplicates {
    /// True if just this message was taken a moment ago.
    pub(super) fn is_known(&mut self, message: &ConsensusMessage, now: Mono) -> bool {
        id(message).is_some_and(|(id, _)| self.has(&id, now))
    }

    /// True if what has this id was taken a moment ago.
    pub(super) fn has(&mut self, id: &Id, now: Mono) -> bool {
        while self
            .order
            .front()
            .is_some_and(|(at, _)| now.micros().saturating_sub(*at) >= REMEMBER_US)
        {
            self.forget_oldest();
        }
        self.known.contains(id)
    }

    /// The engine took it.
    pub(super) fn taken(&mut self, message: &ConsensusMessage, now: Mono) {
        if let Some((id, _)) = id(message) {
            self.add(id, now);
        }
    }

    /// What has this id was taken.
    pub(super) fn add(&mut self, id: Id, now: Mono) {
        if self.known.insert(id) {
            self.order.push_back((now.micros(), id));
            if self.order.len() > REMEMBERED_MAX {
                self.forget_oldest();
            }
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, id)) = self.order.pop_front() {
            self.known.remove(&id);
        }
    }
}

/// Messages whose signatures were checked, and under which set. Oldest first they make room.
#[derive(Debug, Default)]
pub(super) struct Checked {
    messages: HashMap<Id, (Verified<ConsensusMessage>, Hash256)>,
    order: VecDeque<(Id, usize)>,
    bytes: usize,
}

impl Checked {
    /// The same message as it was checked under the set with this hash.
    pub(super) fn find(&self, id: &Id, set: &Hash256) -> Option<Verified<ConsensusMessage>> {
        let (found, under) = self.messages.get(id)?;
        (under == set).then(|| found.clone())
    }

    /// It was checked under the set with this hash.
    pub(super) fn insert(
        &mut self,
        (id, bytes): (Id, usize),
        message: &Verified<ConsensusMessage>,
        set: Hash256,
    ) {
        if self.messages.insert(id, (message.clone(), set)).is_none() {
            self.order.push_back((id, bytes));
            self.bytes += bytes;
        }
        while self.bytes > CHECKED_BYTES_MAX || self.order.len() > REMEMBERED_MAX {
            let Some((oldest, bytes)) = self.order.pop_front() else {
                break;
            };
            self.messages.remove(&oldest);
            self.bytes -= bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        chain::{BlockHash, Height},
        consensus::{MessageContext, Round, SigningDomain, Step, ValidatorSet, Vote},
        crypto::{SecretKey, Signature},
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

    #[test]
    fn what_is_known_by_its_id_alone_is_forgotten_as_soon_and_bounded_alike() {
        let mut duplicates = Duplicates::default();
        let at = |us| Mono::from_micros(1_000 + us);
        let one = |n: u64| HashWriter::new("timed/test").u64(n).finish();
        duplicates.add(one(1), at(0));
        assert!(duplicates.has(&one(1), at(REMEMBER_US - 1)));
        assert!(!duplicates.has(&one(2), at(REMEMBER_US - 1)));
        assert!(!duplicates.has(&one(1), at(REMEMBER_US)));
        for n in 0..10 * REMEMBERED_MAX as u64 {
            duplicates.add(one(n), at(REMEMBER_US));
        }
        assert_eq!(duplicates.known.len(), REMEMBERED_MAX);
    }

    #[test]
    fn what_was_checked_is_found_under_its_set_only_and_the_oldest_make_room() {
        let key = SecretKey::from_seed(&[7; 32]);
        let set = ValidatorSet::new(vec![key.public_key()]);
        let domain = SigningDomain {
            chain_id: Hash256::ZERO,
            vset_hash: set.hash(),
        };
        let signed = |height| {
            let mut vote = Vote {
                step: Step::Prepare,
                height: Height::new(height),
                round: Round::ZERO,
                digest: BlockHash::from_hash(Hash256::from_bytes([3; 32])),
                signer: 0,
                signature: Signature::from_bytes([0; 64]),
            };
            vote.signature = key.sign(&vote.signing_bytes(&domain));
            ConsensusMessage::Vote(vote)
        };
        let context = || MessageContext {
            domain: &domain,
            validators: &set,
        };
        let mut checked = Checked::default();
        let first = Verified::check(signed(1), context()).unwrap();
        checked.insert(id(&first).unwrap(), &first, domain.vset_hash);
        assert_eq!(
            checked.find(&id(&signed(1)).unwrap().0, &domain.vset_hash),
            Some(first)
        );
        assert_eq!(checked.find(&id(&signed(1)).unwrap().0, &Hash256::ZERO), None);
        assert_eq!(
            checked.find(&id(&vote(1, 9)).unwrap().0, &domain.vset_hash),
            None,
            "another signature"
        );
        for height in 2..REMEMBERED_MAX as u64 + 2 {
            let next = Verified::check(signed(height), context()).unwrap();
            checked.insert(id(&next).unwrap(), &next, domain.vset_hash);
        }
        assert_eq!(checked.messages.len(), REMEMBERED_MAX);
        assert_eq!(checked.find(&id(&signed(1)).unwrap().0, &domain.vset_hash), None);
        assert!(
            checked
                .find(&id(&signed(2)).unwrap().0, &domain.vset_hash)
                .is_some()
        );
        assert!(checked.bytes <= CHECKED_BYTES_MAX);
    }
}

//! The validators of one height, and who leads which round.

use std::sync::Arc;

use crate::{
    chain::{Height, validator_set_hash},
    crypto::{Hash256, PublicKey},
};

use super::{Quorum, Round};

/// At most this many validators in a set: signer indexes are `u16`, and a certificate of every
/// signature stays under 300 kB.
pub const VALIDATORS_MAX: usize = 4096;

/// The validators of one height: consensus keys, strictly ascending. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidatorSet {
    keys: Arc<[PublicKey]>,
    hash: Hash256,
}

/// Position of a validator in the set of its height.
pub type Signer = u16;

impl ValidatorSet {
    /// Sorts `keys`, drops duplicates, and keeps at most [`VALIDATORS_MAX`].
    pub fn new(mut keys: Vec<PublicKey>) -> Self {
        keys.sort_unstable();
        keys.dedup();
        keys.truncate(VALIDATORS_MAX);
        let hash = validator_set_hash(&keys);
        Self {
            keys: keys.into(),
            hash,
        }
    }

    /// Hash of the set; stands in headers and in every signed consensus message.
    pub fn hash(&self) -> Hash256 {
        self.hash
    }

    /// Number of validators.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// True for the set of nobody.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Keys, ascending; the index is the [`Signer`].
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// The key of `signer`, if the index is inside the set.
    pub fn key(&self, signer: Signer) -> Option<&PublicKey> {
        self.keys.get(usize::from(signer))
    }

    /// The index of `key`, if it is a member.
    pub fn signer_of(&self, key: &PublicKey) -> Option<Signer> {
        self.keys
            .binary_search(key)
            .ok()
            .and_then(|index| Signer::try_from(index).ok())
    }

    /// The quorum arithmetic of this set.
    pub fn quorum(&self) -> Quorum {
        Quorum::of(self.keys.len())
    }

    /// Who proposes in round `round` of `height`: (height + round) mod n. `None` for an empty set.
    pub fn proposer(&self, height: Height, round: Round) -> Option<Signer> {
        let n = self.keys.len() as u64;
        let turn = height.get().checked_rem(n)? + u64::from(round.get()).checked_rem(n)?;
        Signer::try_from(turn % n).ok()
    }

    /// The key of [`ValidatorSet::proposer`].
    pub fn proposer_key(&self, height: Height, round: Round) -> Option<&PublicKey> {
        self.proposer(height, round).and_then(|signer| self.key(signer))
    }
}

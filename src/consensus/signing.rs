//! The bytes that a validator signs: a fixed layout, never a codec's output.
//!
//! `"TIMECOIN-BFT\0" ‖ 0x01 ‖ chain_id ‖ vset_hash ‖ type u8 ‖ h u64le ‖ r u32le ‖ digest(32)`, then
//! for a VIEW-CHANGE `has u8 ‖ pr u32le ‖ pdigest(32)` and for a PRE-PREPARE `justification_hash(32)`.
//! Chain id and validator set are part of it, so a signature counts on one chain and in one set only.

use bincode::{Decode, Encode};

use crate::{
    chain::{BlockHash, Height},
    crypto::Hash256,
};

use super::{Position, Round, Step};

/// First bytes of everything a consensus key signs as a vote.
pub const PREFIX: &[u8; 13] = b"TIMECOIN-BFT\0";
const LAYOUT: u8 = 1;

/// The chain and validator set that signatures of one height are bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct SigningDomain {
    /// Genesis hash.
    pub chain_id: Hash256,
    /// Hash of the validator set of the height.
    pub vset_hash: Hash256,
}

/// What a consensus key says with one signature, field by field: whoever holds the key computes the signed
/// bytes from this alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Statement {
    /// Chain and set.
    pub domain: SigningDomain,
    /// Height spoken of.
    pub height: Height,
    /// Round spoken in; for a VIEW-CHANGE, the round entered.
    pub round: Round,
    /// The rest.
    pub says: Says,
}

/// The part of a [`Statement`] that differs by step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Says {
    /// VIEW-CHANGE.
    ViewChange {
        /// Round and digest of the lock.
        prepared: Option<(Round, BlockHash)>,
    },
    /// PRE-PREPARE.
    PrePrepare {
        /// The block.
        digest: BlockHash,
        /// Hash of what justifies it; zero in round 0.
        justification: Hash256,
    },
    /// PREPARE.
    Prepare {
        /// The block.
        digest: BlockHash,
    },
    /// COMMIT.
    Commit {
        /// The block.
        digest: BlockHash,
    },
}

impl Statement {
    /// Where the signature stands.
    pub const fn position(&self) -> Position {
        Position {
            height: self.height,
            round: self.round,
            step: match self.says {
                Says::ViewChange { .. } => Step::ViewChange,
                Says::PrePrepare { .. } => Step::PrePrepare,
                Says::Prepare { .. } => Step::Prepare,
                Says::Commit { .. } => Step::Commit,
            },
        }
    }

    /// The exact bytes to sign.
    pub fn bytes(&self) -> Vec<u8> {
        let Self {
            domain,
            height,
            round,
            says,
        } = self;
        match says {
            Says::ViewChange { prepared } => view_change_bytes(domain, *height, *round, *prepared),
            Says::PrePrepare {
                digest,
                justification,
            } => pre_prepare_bytes(domain, *height, *round, digest, justification),
            Says::Prepare { digest } => vote_bytes(domain, Step::Prepare, *height, *round, digest),
            Says::Commit { digest } => vote_bytes(domain, Step::Commit, *height, *round, digest),
        }
    }

    /// False for what no validator may say whatever it signed before: a round that is none, the zero
    /// digest, a VIEW-CHANGE into the first round or from the future.
    pub fn is_well_formed(&self) -> bool {
        let fits = match self.says {
            Says::ViewChange { prepared } => {
                self.round > Round::ZERO
                    && prepared.is_none_or(|(round, digest)| round < self.round && !digest.is_zero())
            }
            Says::PrePrepare { digest, .. } | Says::Prepare { digest } | Says::Commit { digest } => {
                !digest.is_zero()
            }
        };
        fits && self.round.is_valid() && self.height > Height::GENESIS
    }

    /// True if this VIEW-CHANGE forgets a COMMIT of the same height in `round` to `digest` (E5).
    pub fn forgets(&self, committed: (Round, BlockHash)) -> bool {
        let (round, digest) = committed;
        match self.says {
            Says::ViewChange { prepared } if self.round > round => {
                prepared.is_none_or(|(known, named)| known < round || (known == round && named != digest))
            }
            _ => false,
        }
    }
}

fn base(domain: &SigningDomain, step: Step, height: Height, round: Round, digest: &BlockHash) -> Vec<u8> {
    let kind = match step {
        Step::ViewChange => 0u8,
        Step::PrePrepare => 1,
        Step::Prepare => 2,
        Step::Commit => 3,
    };
    let mut bytes = Vec::with_capacity(192);
    bytes.extend_from_slice(PREFIX);
    bytes.push(LAYOUT);
    bytes.extend_from_slice(domain.chain_id.as_bytes());
    bytes.extend_from_slice(domain.vset_hash.as_bytes());
    bytes.push(kind);
    bytes.extend_from_slice(&height.get().to_le_bytes());
    bytes.extend_from_slice(&round.get().to_le_bytes());
    bytes.extend_from_slice(digest.as_bytes());
    bytes
}

/// Signing bytes of a PREPARE or COMMIT.
pub fn vote_bytes(
    domain: &SigningDomain,
    step: Step,
    height: Height,
    round: Round,
    digest: &BlockHash,
) -> Vec<u8> {
    base(domain, step, height, round, digest)
}

/// Signing bytes of a PRE-PREPARE.
pub fn pre_prepare_bytes(
    domain: &SigningDomain,
    height: Height,
    round: Round,
    digest: &BlockHash,
    justification_hash: &Hash256,
) -> Vec<u8> {
    let mut bytes = base(domain, Step::PrePrepare, height, round, digest);
    bytes.extend_from_slice(justification_hash.as_bytes());
    bytes
}

/// Signing bytes of a VIEW-CHANGE into `round`; the digest field is zero.
pub fn view_change_bytes(
    domain: &SigningDomain,
    height: Height,
    round: Round,
    prepared: Option<(Round, BlockHash)>,
) -> Vec<u8> {
    let zero = BlockHash::from_hash(Hash256::ZERO);
    let mut bytes = base(domain, Step::ViewChange, height, round, &zero);
    let (has, round, digest) = match prepared {
        Some((round, digest)) => (1u8, round.get(), digest),
        None => (0, 0, zero),
    };
    bytes.push(has);
    bytes.extend_from_slice(&round.to_le_bytes());
    bytes.extend_from_slice(digest.as_bytes());
    bytes
}

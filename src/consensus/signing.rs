//! The bytes that a validator signs: a fixed layout, never a codec's output.
//!
//! `"TIMECOIN-BFT\0" ‖ 0x01 ‖ chain_id ‖ vset_hash ‖ type u8 ‖ h u64le ‖ r u32le ‖ digest(32)`, then
//! for a VIEW-CHANGE `has u8 ‖ pr u32le ‖ pdigest(32)` and for a PRE-PREPARE `justification_hash(32)`.
//! Chain id and validator set are part of it, so a signature counts on one chain and in one set only.

use crate::{
    chain::{BlockHash, Height},
    crypto::Hash256,
};

use super::{Round, Step};

/// First bytes of everything a consensus key signs as a vote.
pub const PREFIX: &[u8; 13] = b"TIMECOIN-BFT\0";
const LAYOUT: u8 = 1;

/// The chain and validator set that signatures of one height are bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SigningDomain {
    /// Genesis hash.
    pub chain_id: Hash256,
    /// Hash of the validator set of the height.
    pub vset_hash: Hash256,
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

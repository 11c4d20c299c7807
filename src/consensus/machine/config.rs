//! What a machine is told: once, and at every new tip.

use crate::{
    chain::{BlockHash, CommitCertificate, Height, Params, TimestampMs},
    consensus::{Mono, Timing},
    crypto::{Hash256, PublicKey},
};

/// What a machine is told once.
#[derive(Debug, Clone)]
pub struct MachineConfig {
    /// Genesis hash.
    pub chain_id: Hash256,
    /// Durations, from genesis.
    pub timing: Timing,
    /// Our consensus key; `None` for a node that only follows.
    pub me: Option<PublicKey>,
    /// A proposal from further ahead of our clock than it takes to hold it this long is dropped.
    pub drift_ms: u64,
    /// R9: how often our messages are sent again.
    pub resend_ms: u64,
    /// R8: how long a leader's link may be down.
    pub leader_grace_ms: u64,
    /// Bound of all bodies buffered for the next height, in bytes.
    pub next_height_bytes_max: usize,
}

/// R9 of every network, in milliseconds.
const RESEND_MS: u64 = 500;
/// R8 of every network, in milliseconds: longer than a reconnect, shorter than any T0 of a profile
/// that people wait for.
const LEADER_GRACE_MS: u64 = 500;
/// How far ahead of our clock a proposal may be (R1), in milliseconds.
const DRIFT_MS: u64 = 10_000;
/// Bodies kept for the next height, in blocks of the largest size (§6).
const NEXT_HEIGHT_BLOCKS_MAX: usize = 2;

impl MachineConfig {
    /// What every node of a network uses.
    pub fn new(chain_id: Hash256, params: &Params, me: Option<PublicKey>) -> Self {
        let block_bytes = usize::try_from(params.max_block_bytes).unwrap_or(usize::MAX);
        Self {
            chain_id,
            timing: Timing::from_params(params),
            me,
            drift_ms: DRIFT_MS,
            resend_ms: RESEND_MS,
            leader_grace_ms: LEADER_GRACE_MS,
            next_height_bytes_max: block_bytes.saturating_mul(NEXT_HEIGHT_BLOCKS_MAX),
        }
    }
}

/// The newest final block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tip {
    /// Its height.
    pub height: Height,
    /// Its hash; the chain id at genesis.
    pub hash: BlockHash,
    /// Its timestamp; what comes next is later.
    pub timestamp: TimestampMs,
    /// Its certificate; `None` at genesis only.
    pub certificate: Option<CommitCertificate>,
    /// When it was decided; `None` after a start or a catch-up, where R0 counts from now.
    pub decided_at: Option<Mono>,
}

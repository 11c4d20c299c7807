//! Every duration of the protocol: how long a round lasts, and when a block is due.
//!
//! T(r) = min(T0 · 2^r, Tmax). The cap is safe only because round timers are gated (R7b): a node
//! cannot outrun the quorum, so rounds do not drift apart while it waits.

use crate::chain::Params;

use super::{Mono, Round};

/// The durations of one network, in milliseconds; they stand in genesis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// T0: how long round 0 lasts.
    pub proposal_timeout_ms: u64,
    /// Tmax: the longest a round lasts.
    pub view_change_timeout_ms: u64,
    /// A block is made at least this often.
    pub block_interval_ms: u64,
    /// Blocks are at least this far apart.
    pub min_block_interval_ms: u64,
    /// How long a waiting transaction waits for company.
    pub batch_window_ms: u64,
    /// How long a proposer may not know of a transaction before others wait for it.
    pub gossip_grace_ms: u64,
}

impl Timing {
    /// The durations that genesis names.
    pub const fn from_params(params: &Params) -> Self {
        Self {
            proposal_timeout_ms: params.proposal_timeout_ms,
            view_change_timeout_ms: params.view_change_timeout_ms,
            block_interval_ms: params.block_interval_ms,
            min_block_interval_ms: params.min_block_interval_ms,
            batch_window_ms: params.batch_window_ms,
            gossip_grace_ms: params.gossip_grace_ms,
        }
    }

    /// T(r), in milliseconds. Doubling saturates, so that no round number overflows it.
    pub const fn round_timeout_ms(&self, round: Round) -> u64 {
        let doubled = match 1u64.checked_shl(round.get()) {
            Some(factor) => self.proposal_timeout_ms.saturating_mul(factor),
            None => u64::MAX,
        };
        if doubled < self.view_change_timeout_ms {
            doubled
        } else {
            self.view_change_timeout_ms
        }
    }

    /// R0: when the block after the one decided at `decided_at` is due, if the oldest transaction
    /// that a proposal would take was offered to the proposer at `waiting_since`.
    pub fn work_at(&self, decided_at: Mono, waiting_since: Option<Mono>, is_proposer: bool) -> Mono {
        let empty_at = decided_at.plus_ms(self.block_interval_ms);
        let Some(since) = waiting_since else {
            return empty_at;
        };
        let grace_ms = if is_proposer { 0 } else { self.gossip_grace_ms };
        let earliest = decided_at.plus_ms(self.min_block_interval_ms);
        earliest
            .max(since.plus_ms(grace_ms))
            .plus_ms(self.batch_window_ms)
            .min(empty_at)
    }
}

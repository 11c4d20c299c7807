//! What the machine asks of the ledger, synchronously.
//!
//! The engine implements it over its chain state and pool; tests bring small ones. Every method is
//! deterministic in the finalized state and its arguments.

use crate::{
    chain::{Block, CommitCertificate, TimestampMs},
    crypto::Verified,
};

use super::Round;

/// The verdict on a proposed block in the context of the tip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It may be voted for.
    Valid,
    /// Its timestamp lies ahead of our clock by more than the drift; it is valid from then on.
    EarlyUntil(TimestampMs),
    /// It is wrong whatever the clock says; the sentence names the rule.
    Invalid(String),
}

/// The ledger as consensus sees it.
pub trait Application {
    /// Judges a block proposed for the first time: links to the tip, content, roots, limits, and
    /// the clock. Height, round, proposer and set hashes in the header are the machine's to check.
    fn validate_fresh(&mut self, block: &Verified<Block>, now: TimestampMs) -> Verdict;

    /// Judges a block that a quorum prepared in an earlier round: as above, without the clock.
    fn validate_reproposal(&mut self, block: &Verified<Block>) -> Verdict;

    /// Builds a block on the tip from the pool, for us as proposer in `round`, carrying
    /// `prev_commit` (`None` only at height 1). `None` if no valid block can be built now.
    fn build(
        &mut self,
        round: Round,
        now: TimestampMs,
        prev_commit: Option<CommitCertificate>,
    ) -> Option<Verified<Block>>;
}

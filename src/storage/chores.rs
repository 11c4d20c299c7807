//! What the writer does when no window is due: old blocks go, lists of the transaction index are merged, and the
//! engine gives back the space of what was replaced.
//!
//! Nobody waits for either. What the disk refuses is said once, and tried again after the next flush.

use super::{
    prune::Pruner,
    shared::Shared,
    tx_index::merge::Merger,
    writer::{FlushOptions, StoreEvent},
};
use crate::chain::Height;

/// Turns of tidying for each change: with one, ten thousand small blocks took 4.6 times the space of their data,
/// with four 1.95 times (docs/PERFORMANCE.md).
const TURNS_OF_CHANGE: usize = 4;
/// Turns of tidying at once: a window that became due meanwhile waits for them.
const TIDY_TURNS: usize = 500;
/// Most turns that may be owed: what a burst left is tidied within some seconds, and no longer.
const OWED_MAX: usize = 200_000;

/// All of them, on the writer's thread.
pub(super) struct Chores {
    pruner: Pruner,
    merger: Merger,
    /// The disk refused to merge or to tidy when the database stood here.
    refused_at: Option<Height>,
    /// Turns of tidying that the changes so far are worth.
    owed: usize,
}

impl Chores {
    pub(super) fn new(options: &FlushOptions, shared: &Shared, report: &dyn Fn(StoreEvent)) -> Self {
        let merger = Merger::load(shared.backend.as_ref()).unwrap_or_else(|error| {
            report(StoreEvent::NotTidied(error));
            Merger::default()
        });
        Self {
            pruner: Pruner::new(options.keep_blocks, options.snapshot_every),
            merger,
            refused_at: None,
            owed: 0,
        }
    }

    /// Blocks with transactions were written.
    pub(super) fn written(&mut self, blocks: impl IntoIterator<Item = Height>) {
        self.merger.written(blocks);
    }

    /// So many changes were made.
    pub(super) fn changed(&mut self, operations: usize) {
        let turns = TURNS_OF_CHANGE * operations;
        self.owed = self.owed.saturating_add(turns).min(OWED_MAX);
    }

    pub(super) fn is_due(&self, shared: &Shared) -> bool {
        self.pruner.is_due(shared) || self.may_merge(shared) || self.may_tidy(shared)
    }

    fn may_tidy(&self, shared: &Shared) -> bool {
        self.owed > 0 && self.refused_at != Some(shared.flushed_height())
    }

    fn may_merge(&self, shared: &Shared) -> bool {
        let flushed = shared.flushed_height();
        self.refused_at != Some(flushed) && self.merger.is_due(shared.pruned_below(), flushed)
    }

    /// One turn of what is due.
    pub(super) fn turn(&mut self, shared: &Shared, report: &dyn Fn(StoreEvent)) {
        if self.pruner.is_due(shared) {
            if let Err(error) = self.pruner.turn(shared) {
                report(StoreEvent::NotPruned(error));
            }
        } else if !self.merge(shared, report) && self.may_tidy(shared) {
            let turns = self.owed.min(TIDY_TURNS);
            self.owed -= turns;
            if let Err(error) = shared.backend.tidy(turns) {
                self.refused_at = Some(shared.flushed_height());
                report(StoreEvent::NotTidied(error.into()));
            }
        }
    }

    /// One step of merging, if there is one: also after each window, because under load one follows the other.
    /// True if there was.
    pub(super) fn merge(&mut self, shared: &Shared, report: &dyn Fn(StoreEvent)) -> bool {
        if !self.may_merge(shared) {
            return false;
        }
        let flushed = shared.flushed_height();
        let backend = shared.backend.as_ref();
        if let Err(error) = self.merger.step(backend, shared.pruned_below(), flushed) {
            self.refused_at = Some(flushed);
            report(StoreEvent::NotTidied(error));
        }
        true
    }
}

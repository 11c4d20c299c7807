//! What the writer does when no window is due: old blocks go, and lists of the transaction index are merged.
//!
//! Nobody waits for either. What the disk refuses is said once, and tried again after the next flush.

use super::{
    prune::Pruner,
    shared::Shared,
    tx_index::merge::Merger,
    writer::{FlushOptions, StoreEvent},
};
use crate::chain::Height;

/// Both, on the writer's thread.
pub(super) struct Chores {
    pruner: Pruner,
    merger: Merger,
    /// The disk refused to merge when the database stood here.
    refused_at: Option<Height>,
}

impl Chores {
    pub(super) fn new(options: &FlushOptions, shared: &Shared, report: &dyn Fn(StoreEvent)) -> Self {
        let merger = Merger::load(shared.backend.as_ref()).unwrap_or_else(|error| {
            report(StoreEvent::NotMerged(error));
            Merger::default()
        });
        Self {
            pruner: Pruner::new(options.keep_blocks, options.snapshot_every),
            merger,
            refused_at: None,
        }
    }

    /// Blocks with transactions were written.
    pub(super) fn written(&mut self, blocks: impl IntoIterator<Item = Height>) {
        self.merger.written(blocks);
    }

    pub(super) fn is_due(&self, shared: &Shared) -> bool {
        self.pruner.is_due(shared) || self.may_merge(shared)
    }

    fn may_merge(&self, shared: &Shared) -> bool {
        let flushed = shared.flushed_height();
        self.refused_at != Some(flushed) && self.merger.is_due(shared.pruned_below(), flushed)
    }

    /// One turn of what is due.
    pub(super) fn turn(&mut self, shared: &Shared, report: &dyn Fn(StoreEvent)) {
        if !self.pruner.is_due(shared) {
            self.merge(shared, report);
        } else if let Err(error) = self.pruner.turn(shared) {
            report(StoreEvent::NotPruned(error));
        }
    }

    /// One step of merging, if there is one: also after each window, because under load one follows the other.
    pub(super) fn merge(&mut self, shared: &Shared, report: &dyn Fn(StoreEvent)) {
        if !self.may_merge(shared) {
            return;
        }
        let flushed = shared.flushed_height();
        let backend = shared.backend.as_ref();
        if let Err(error) = self.merger.step(backend, shared.pruned_below(), flushed) {
            self.refused_at = Some(flushed);
            report(StoreEvent::NotMerged(error));
        }
    }
}

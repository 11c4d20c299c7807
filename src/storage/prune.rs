//! Old blocks that an operator no longer keeps.
//!
//! They change nothing: no coin, no state, no tip, no undo record that is kept. First one row, the lowest
//! height, says durably that they are gone, and readers are told; then their rows go. A crash in between leaves
//! rows that nobody looks at; the next start finds them by their headers, which go last, and deletes them.
//! The writer's thread does it between two flushes, and only when none is due. Where their transactions stood
//! is deleted with the lists that hold it ([`super::tx_index`]).

use crate::chain::Height;

use super::{
    StoreError,
    backend::{Cursor, Op, Table},
    flush::{self, Target, UNDO_BLOCKS},
    schema::{self, StoredHeader},
    shared::Shared,
};

/// Fewest newest blocks that are kept: the deepest repair that there can be needs them.
pub const KEEP_BLOCKS_MIN: u64 = UNDO_BLOCKS;

/// Heights in one turn, and how many have to be due before one begins: two waits for the disk each.
const TURN_HEIGHTS: u64 = 100;

/// What the writer knows of pruning.
#[derive(Debug)]
pub(super) struct Pruner {
    /// Newest blocks kept; 0 for all.
    keep: u64,
    /// A snapshot is written at multiples of this; 0 for none.
    snapshot_every: u64,
    /// Rows of blocks below the lowest one may be here.
    has_leftovers: bool,
    /// The disk refused when the database stood here.
    refused_at: Option<Height>,
}

impl Pruner {
    /// Keeps the newest `keep` blocks; all for 0, and never less than [`KEEP_BLOCKS_MIN`].
    pub(super) fn new(keep: u64, snapshot_every: u64) -> Self {
        Self {
            snapshot_every,
            keep: if keep == 0 { 0 } else { keep.max(KEEP_BLOCKS_MIN) },
            has_leftovers: true,
            refused_at: None,
        }
    }

    /// True if [`Pruner::turn`] has something to do.
    pub(super) fn is_due(&self, shared: &Shared) -> bool {
        self.keep > 0
            && self.refused_at != Some(shared.flushed_height())
            && (self.has_leftovers || self.goal(shared).is_some())
    }

    /// The lowest height after the next turn; `None` while too few are due.
    fn goal(&self, shared: &Shared) -> Option<Height> {
        let flushed = shared.flushed_height();
        let first_kept = flushed.next().checked_sub(self.keep)?;
        // Whoever joins by one of the two newest snapshots needs its block, and all above.
        let first_kept = match self.snapshot_every {
            0 => first_kept,
            every => first_kept.min(Height::new((flushed.get() / every).saturating_sub(1) * every)),
        };
        let goal = shared
            .pruned_below()
            .max(Height::GENESIS.next())
            .saturating_add(TURN_HEIGHTS);
        (goal <= first_kept).then_some(goal)
    }

    /// Deletes what earlier turns or an earlier process left; when nothing is left, gives up the next heights.
    pub(super) fn turn(&mut self, shared: &Shared) -> Result<(), StoreError> {
        let done = self.try_turn(shared);
        self.refused_at = done.is_err().then(|| shared.flushed_height());
        done
    }

    fn try_turn(&mut self, shared: &Shared) -> Result<(), StoreError> {
        let target = shared.target();
        if self.has_leftovers {
            self.has_leftovers = delete_below(&target, shared.pruned_below())?;
            return Ok(());
        }
        let Some(goal) = self.goal(shared) else {
            return Ok(());
        };
        let mark = Op::put(Table::Meta, schema::META_PRUNED, schema::encode(&goal));
        target.backend.apply(&[mark])?;
        target.backend.flush()?;
        shared.set_pruned_below(goal);
        self.has_leftovers = true;
        Ok(())
    }
}

/// Deletes rows of some blocks below `lowest`; gives false once there are none. Block 0 stays.
fn delete_below(target: &Target<'_>, lowest: Height) -> Result<bool, StoreError> {
    let backend = target.backend;
    let first = schema::height_key(Height::GENESIS);
    let cursor = Cursor {
        prefix: &[],
        after: Some(&first),
    };
    let page = backend.page(Table::Headers, cursor, TURN_HEIGHTS as usize)?;
    let (mut rows, mut headers) = (Vec::new(), Vec::new());
    for (key, value) in page {
        let undecodable =
            |_| StoreError::corrupt(backend.path(), "a header below the kept ones does not decode");
        if schema::height_of_key(&key).map_err(undecodable)? >= lowest {
            break;
        }
        let StoredHeader { header, .. } = schema::decode(&value).map_err(undecodable)?;
        rows.push(Op::delete(Table::Hashes, header.hash().as_bytes().as_slice()));
        headers.push(Op::delete(Table::Bodies, key.clone()));
        headers.push(Op::delete(Table::Headers, key));
    }
    if headers.is_empty() {
        return Ok(false);
    }
    flush::sort(&mut rows);
    for ops in [rows, headers] {
        flush::apply_chunked(backend, &ops)?;
        backend.flush()?;
    }
    Ok(true)
}

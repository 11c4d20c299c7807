//! One flush: the net effect of a window of blocks, written so that a crash anywhere in it leaves
//! the state before or the state after.
//!
//! 1. Rows that only get added (headers, bodies, indexes, undo records) go to the database and are made
//!    durable. Beyond the tip nobody looks, and written again they are the same.
//! 2. Rows that change (coins, evidence, the tip) go to the redo file, durably, with the undo records that are
//!    old enough to go.
//! 3. They go to the database, the tip last, and are made durable.
//! 4. The redo file goes.

use std::sync::Arc;

use crate::{
    chain::{Coin, OutPoint},
    crypto::HashKeyed,
};

use super::{
    StoreError,
    backend::{Backend, Op, Table},
    disk::Disk,
    pending::PendingBlock,
    redo::RedoFile,
    schema::{self, StoredState},
};

/// Undo records kept: the deepest repair that there can be.
pub const UNDO_BLOCKS: u64 = 1_000;

/// Operations in one batch: a reader waits for one batch at most, and must not notice.
const CHUNK_OPS: usize = 250;

/// Bytes of values in one batch, for the same reason; a larger value goes alone.
const CHUNK_BYTES: usize = 1 << 20;

const _: () = assert!(CHUNK_OPS <= super::backend::BATCH_OPS_MAX);

/// Where a flush goes.
pub(super) struct Target<'a> {
    pub(super) backend: &'a dyn Backend,
    pub(super) disk: &'a dyn Disk,
    pub(super) redo: &'a RedoFile,
    pub(super) generation: u64,
}

/// Writes a window of blocks, ascending by height without gaps, and evidence beside it. Returns the
/// number of database operations.
pub(super) fn write(
    target: &Target<'_>,
    window: &[Arc<PendingBlock>],
    evidence: Vec<Op>,
) -> Result<usize, StoreError> {
    let mut archive = Vec::new();
    for block in window {
        schema::archive_ops(block.hash, &block.block, Some(&block.certificate), &mut archive);
        archive.push(schema::undo_op(block.height(), &block.delta, &block.before));
    }
    sort(&mut archive);
    if !archive.is_empty() {
        apply_chunked(target.backend, &archive)?;
        target.backend.flush()?;
    }
    let mut changes = net_changes(window);
    changes.splice(0..0, evidence);
    if changes.is_empty() {
        return Ok(archive.len());
    }
    target.redo.write(target.disk, target.generation, &changes)?;
    apply_chunked(target.backend, &changes)?;
    target.backend.flush()?;
    target.redo.remove(target.disk)?;
    Ok(archive.len() + changes.len())
}

/// Completes a flush that a crash interrupted. Has to run before anything is read.
pub(super) fn recover(target: &Target<'_>) -> Result<bool, StoreError> {
    let Some(changes) = target.redo.read(target.disk, target.generation)? else {
        return Ok(false);
    };
    apply_chunked(target.backend, &changes)?;
    target.backend.flush()?;
    target.redo.remove(target.disk)?;
    Ok(true)
}

/// Applies many changes in batches small enough for readers beside it. Not atomic.
pub(super) fn apply_chunked(backend: &dyn Backend, ops: &[Op]) -> Result<(), StoreError> {
    let mut start = 0;
    while start < ops.len() {
        let mut bytes = 0;
        let count = ops[start..]
            .iter()
            .take(CHUNK_OPS)
            .take_while(|op| {
                bytes += op.value.as_ref().map_or(0, Vec::len);
                bytes <= CHUNK_BYTES
            })
            .count()
            .max(1);
        backend.apply(&ops[start..start + count])?;
        start += count;
    }
    Ok(())
}

/// Changes in place, the tip last. Coins both made and spent within the window do not appear.
fn net_changes(window: &[Arc<PendingBlock>]) -> Vec<Op> {
    let mut made: HashKeyed<OutPoint, Coin> = HashKeyed::default();
    let mut gone: Vec<(OutPoint, Coin)> = Vec::new();
    let mut ops = Vec::new();
    for block in window {
        for (outpoint, coin) in &block.delta.spent {
            if made.remove(outpoint).is_none() {
                gone.push((*outpoint, *coin));
            }
        }
        made.extend(block.delta.created.iter().copied());
        if let Some(old) = block.height().checked_sub(UNDO_BLOCKS) {
            ops.push(Op::delete(Table::Undo, schema::height_key(old)));
        }
    }
    for (outpoint, coin) in &gone {
        schema::spend_ops(outpoint, coin, &mut ops);
    }
    for (outpoint, coin) in &made {
        schema::create_ops(outpoint, coin, &mut ops);
    }
    sort(&mut ops);
    if let Some(last) = window.last() {
        let changed = |changed: &dyn Fn(&PendingBlock) -> bool| window.iter().any(|block| changed(block));
        if changed(&|block| !block.before.masternodes.is_empty()) {
            let registry = schema::encode(&*last.state.registry);
            ops.push(Op::put(Table::Meta, schema::META_REGISTRY, registry));
        }
        if changed(&|block| !block.before.history.is_empty()) {
            let history = schema::encode(&*last.state.history);
            ops.push(Op::put(Table::Meta, schema::META_HISTORY, history));
        }
        let state = schema::encode(&StoredState::of(&last.state));
        ops.push(Op::put(Table::Meta, schema::META_TIP, state));
    }
    ops
}

/// In key order a tree is walked once, not jumped about in. No key occurs twice.
pub(super) fn sort(ops: &mut [Op]) {
    ops.sort_unstable_by(|one, other| (one.table, &one.key).cmp(&(other.table, &other.key)));
}

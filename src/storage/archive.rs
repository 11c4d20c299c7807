//! Blocks below the lowest one that is here, added to a database that began with a snapshot.
//!
//! They change nothing: no coin, no state, no tip. Their rows only get added and are made durable first;
//! then one row, the lowest height, says that they are here. A crash in between leaves rows that nobody
//! looks at, and written again they are the same. The writer's thread does it between two flushes, and
//! only when none is due.

use std::sync::Arc;

use crate::chain::{Block, BlockHash, CommitCertificate, Height};

use super::{
    StoreError,
    backend::{Op, Table},
    flush::{self, Target},
    reader::StoreReader,
    schema,
    shared::Shared,
};

/// A final block from below a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedBlock {
    /// The block.
    pub block: Block,
    /// Its hash.
    pub hash: BlockHash,
    /// What decided it: the certificate that its child carries.
    pub certificate: CommitCertificate,
}

/// Rows that wait for the writer.
#[derive(Debug)]
pub(super) struct Rows {
    ops: Vec<Op>,
    /// The lowest block among them.
    lowest: Height,
    /// Those with transactions.
    pub(super) listed: Vec<Height>,
}

/// Adds `blocks`, ascending without gaps, which have to end right below the lowest block that is here,
/// and waits until they are durable. Gives the lowest height then.
pub(super) fn add(shared: &Arc<Shared>, blocks: &[ArchivedBlock]) -> Result<Height, StoreError> {
    let here = shared.pruned_below();
    if let Some(rows) = rows_below(&StoreReader::new(Arc::clone(shared)), here, blocks)? {
        shared.queue.archive(rows)?;
    }
    Ok(shared.pruned_below())
}

/// The rows of `blocks`; `None` if there are none.
fn rows_below(
    reader: &StoreReader,
    here: Height,
    blocks: &[ArchivedBlock],
) -> Result<Option<Rows>, StoreError> {
    let Some(child) = reader.header(here)? else {
        return Ok(None);
    };
    let (mut height, mut parent) = (here, child.header.prev_hash);
    let (mut ops, mut listed) = (Vec::new(), Vec::new());
    for archived in blocks.iter().rev() {
        let ArchivedBlock {
            block,
            hash,
            certificate,
        } = archived;
        let below = height.prev().filter(|below| *below != Height::GENESIS);
        if below != Some(block.header.height) || *hash != parent || certificate.block_hash != parent {
            return Err(StoreError::NotBelow {
                lowest: height,
                found: block.header.height,
            });
        }
        schema::archive_ops(*hash, block, Some(certificate), &mut ops);
        (height, parent) = (block.header.height, block.header.prev_hash);
        listed.extend((!block.transactions.is_empty()).then_some(height));
    }
    flush::sort(&mut ops);
    Ok((height < here).then_some(Rows {
        ops,
        lowest: height,
        listed,
    }))
}

/// Writes them: what is in them first, that they are here second. Gives the lowest height then.
pub(super) fn write(target: &Target<'_>, rows: &Rows) -> Result<Height, StoreError> {
    flush::apply_chunked(target.backend, &rows.ops)?;
    target.backend.flush()?;
    let (mark, lowest) = match rows.lowest > Height::GENESIS.next() {
        true => (
            Op::put(Table::Meta, schema::META_PRUNED, schema::encode(&rows.lowest)),
            rows.lowest,
        ),
        // Without a mark, all are here.
        false => (Op::delete(Table::Meta, schema::META_PRUNED), Height::GENESIS),
    };
    target.backend.apply(&[mark])?;
    target.backend.flush()?;
    Ok(lowest)
}

#[cfg(test)]
mod tests;

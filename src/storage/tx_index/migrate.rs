//! A database of layout 2, whose index had a row for each transaction, becomes one of layout 3.
//!
//! Only the index changed, and it says nothing that the blocks do not: their lists are written, the old rows go,
//! and the version is raised last. Cut short, it begins again.

use super::{
    super::{
        StoreError,
        backend::{Backend, Cursor, Op, PAGE_ENTRIES_MAX, Table},
        flush,
        schema::{self, StoredBody},
    },
    block_op,
};

/// Layout that this turns into the next one.
pub(in crate::storage) const FROM: u32 = 2;
/// The layout that it makes.
const TO: u32 = 3;
/// Bytes of a key of the old index: a whole id.
const OLD_KEY_BYTES: usize = 32;
/// Bodies read at once.
const BODIES: usize = 16;

/// Makes the index anew. The database must be nobody else's meanwhile.
///
/// # Errors
/// [`StoreError::Backend`], [`StoreError::Corrupt`].
pub(in crate::storage) fn migrate(backend: &dyn Backend) -> Result<(), StoreError> {
    tracing::info!("the transaction index is made anew; a large database takes minutes");
    each_page(backend, Table::Bodies, BODIES, |bodies| {
        let mut ops = Vec::new();
        for (key, value) in bodies {
            let undecodable = |_| StoreError::corrupt(backend.path(), "a body does not decode");
            let height = schema::height_of_key(key).map_err(undecodable)?;
            let body: StoredBody = schema::decode(value).map_err(undecodable)?;
            ops.extend(block_op(height, &body.transactions));
        }
        flush::apply_chunked(backend, &ops)
    })?;
    backend.flush()?;
    each_page(backend, Table::Transactions, PAGE_ENTRIES_MAX, |rows| {
        let old = rows.iter().filter(|(key, _)| key.len() == OLD_KEY_BYTES);
        let ops: Vec<Op> = old
            .map(|(key, _)| Op::delete(Table::Transactions, key.clone()))
            .collect();
        flush::apply_chunked(backend, &ops)
    })?;
    backend.flush()?;
    let version = Op::put(Table::Meta, schema::META_SCHEMA, schema::encode(&TO));
    backend.apply(&[version])?;
    backend.flush()?;
    tracing::info!("the transaction index is made");
    Ok(())
}

fn each_page(
    backend: &dyn Backend,
    table: Table,
    limit: usize,
    mut visit: impl FnMut(&[super::super::backend::Entry]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let cursor = Cursor {
            prefix: &[],
            after: after.as_deref(),
        };
        let page = backend.page(table, cursor, limit)?;
        visit(&page)?;
        match page.last() {
            Some((last, _)) => after = Some(last.clone()),
            None => return Ok(()),
        }
    }
}

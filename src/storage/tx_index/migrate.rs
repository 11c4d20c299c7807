//! A database of layout 2, whose index had a row for each transaction, becomes one of layout 3.
//!
//! Only the index changed, and it says nothing that the blocks do not: their lists are written, the old rows go,
//! and the version is raised last. Cut short, it begins again.

use super::{
    super::{
        StoreError,
        backend::{Backend, Op, PAGE_ENTRIES_MAX, Table, pages},
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
    for bodies in pages(backend, Table::Bodies, &[], BODIES) {
        let mut ops = Vec::new();
        for (key, value) in bodies? {
            let undecodable = |_| StoreError::corrupt(backend.path(), "a body does not decode");
            let height = schema::height_of_key(&key).map_err(undecodable)?;
            let body: StoredBody = schema::decode(&value).map_err(undecodable)?;
            ops.extend(block_op(height, &body.transactions));
        }
        flush::apply_chunked(backend, &ops)?;
    }
    backend.flush()?;
    for rows in pages(backend, Table::Transactions, &[], PAGE_ENTRIES_MAX) {
        let old = rows?.into_iter().filter(|(key, _)| key.len() == OLD_KEY_BYTES);
        let ops: Vec<Op> = old.map(|(key, _)| Op::delete(Table::Transactions, key)).collect();
        flush::apply_chunked(backend, &ops)?;
    }
    backend.flush()?;
    let version = Op::put(Table::Meta, schema::META_SCHEMA, schema::encode(&TO));
    backend.apply(&[version])?;
    backend.flush()?;
    tracing::info!("the transaction index is made");
    Ok(())
}

//! What the chain store asks of a database: ordered byte keys in a few tables, and nothing more.
//!
//! A batch is not atomic across a crash and does not have to be: the redo file above it makes a
//! whole flush so ([`super::redo`]). An engine is added by implementing [`Backend`] and passing the
//! conformance suite.

use std::path::{Path, PathBuf};

/// Most operations in one [`Backend::apply`]. An engine may hold a batch in memory and lock readers
/// out for its length: batches of 4 000 made sled hold 3 to 7 GB after a million entries.
pub const BATCH_OPS_MAX: usize = 1_000;

/// Most entries in one page.
pub const PAGE_ENTRIES_MAX: usize = 1_000;

/// The tables. Keys and values are in [`super::schema`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// Header and certificate by height.
    Headers = 0,
    /// Body by height.
    Bodies = 1,
    /// Height by block hash.
    Hashes = 2,
    /// Lists of where transactions stand ([`super::tx_index`]).
    Transactions = 3,
    /// Coin by outpoint.
    Utxos = 4,
    /// Outpoints by address.
    Addresses = 5,
    /// How to undo each of the last blocks, by height.
    Undo = 6,
    /// Evidence by its hash.
    Evidence = 7,
    /// Tip, schema version, chain id, state and counters.
    Meta = 8,
}

impl Table {
    /// All tables; the position of each is its number.
    pub const ALL: [Self; 9] = [
        Self::Headers,
        Self::Bodies,
        Self::Hashes,
        Self::Transactions,
        Self::Utxos,
        Self::Addresses,
        Self::Undo,
        Self::Evidence,
        Self::Meta,
    ];

    /// Name in the database. Never changes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Headers => "headers",
            Self::Bodies => "bodies",
            Self::Hashes => "hashes",
            Self::Transactions => "transactions",
            Self::Utxos => "utxos",
            Self::Addresses => "addresses",
            Self::Undo => "undo",
            Self::Evidence => "evidence",
            Self::Meta => "meta",
        }
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Op {
    /// Where.
    pub table: Table,
    /// Which key.
    pub key: Vec<u8>,
    /// The new value; `None` removes the key, present or not.
    pub value: Option<Vec<u8>>,
}

impl Op {
    /// Sets a key.
    pub fn put(table: Table, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self {
            table,
            key: key.into(),
            value: Some(value.into()),
        }
    }

    /// Removes a key.
    pub fn delete(table: Table, key: impl Into<Vec<u8>>) -> Self {
        Self {
            table,
            key: key.into(),
            value: None,
        }
    }
}

/// Key and value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// Which entries of a table a page walks over, ascending by key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cursor<'a> {
    /// Only keys that start with this; empty for all.
    pub prefix: &'a [u8],
    /// Only keys above this one: the last key of the page before.
    pub after: Option<&'a [u8]>,
}

/// Pages over all rows of a table that start with `prefix`, ascending, of at most `limit` rows each. Rows that
/// change meanwhile may be met before or after it. Ends after the first error.
pub fn pages<'a>(
    backend: &'a dyn Backend,
    table: Table,
    prefix: &'a [u8],
    limit: usize,
) -> impl Iterator<Item = Result<Vec<Entry>, BackendError>> + 'a {
    let mut after: Option<Vec<u8>> = None;
    let mut has_failed = false;
    std::iter::from_fn(move || {
        if has_failed {
            return None;
        }
        let cursor = Cursor {
            prefix,
            after: after.as_deref(),
        };
        let page = backend.page(table, cursor, limit);
        match &page {
            Ok(rows) => after = Some(rows.last()?.0.clone()),
            Err(_) => has_failed = true,
        }
        Some(page)
    })
}

/// What a database can answer with instead of data.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// What was read is not what was written.
    #[error("database {path} is corrupt: {what}; run `timed db check`, then `timed resync`", path = .path.display())]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// What the engine said.
        what: String,
    },
    /// No room left. Nothing is damaged.
    #[error("no space left for database {path}; free some, then restart the node", path = .path.display())]
    DiskFull {
        /// The database.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("database {path}: {what}; check disk and permissions, then restart the node", path = .path.display())]
    Io {
        /// The database.
        path: PathBuf,
        /// What the engine said.
        what: String,
    },
    /// The engine panicked; it is not used again by this process.
    #[error("database {path} stopped: {what}; restart the node, and if it stops again run `timed db check`", path = .path.display())]
    Panicked {
        /// The database.
        path: PathBuf,
        /// The panic's message.
        what: String,
    },
    /// A caller exceeded [`BATCH_OPS_MAX`].
    #[error(
        "a batch of {ops} operations exceeds the limit of {BATCH_OPS_MAX}; this is a bug, please report it"
    )]
    BatchTooLarge {
        /// How many it had.
        ops: usize,
    },
}

/// A database engine. All methods may block; none is called from a runtime worker.
pub trait Backend: Send + Sync + 'static {
    /// Name of the engine.
    fn name(&self) -> &'static str;

    /// Where it is on disk; empty for memory.
    fn path(&self) -> &Path;

    /// The value of a key.
    ///
    /// # Errors
    /// Any of [`BackendError`] but `BatchTooLarge`; so for all reads.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, BackendError>;

    /// The values of many keys, in their order.
    ///
    /// # Errors
    /// As [`Backend::get`].
    fn get_many(&self, table: Table, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, BackendError> {
        keys.iter().map(|key| self.get(table, key)).collect()
    }

    /// True if the key is present.
    ///
    /// # Errors
    /// As [`Backend::get`].
    fn contains(&self, table: Table, key: &[u8]) -> Result<bool, BackendError>;

    /// Applies at most [`BATCH_OPS_MAX`] changes, in order. Durable after [`Backend::flush`] only,
    /// and neither a reader beside it nor a crash need see all of them or none.
    ///
    /// # Errors
    /// Any of [`BackendError`].
    fn apply(&self, ops: &[Op]) -> Result<(), BackendError>;

    /// At most `limit` entries (itself at most [`PAGE_ENTRIES_MAX`]), ascending by key. A page that
    /// is shorter than the limit is the last.
    ///
    /// # Errors
    /// As [`Backend::get`].
    fn page(&self, table: Table, cursor: Cursor<'_>, limit: usize) -> Result<Vec<Entry>, BackendError>;

    /// The entry with the highest key.
    ///
    /// # Errors
    /// As [`Backend::get`].
    fn last(&self, table: Table) -> Result<Option<Entry>, BackendError>;

    /// Makes everything applied so far durable.
    ///
    /// # Errors
    /// Any of [`BackendError`] but `BatchTooLarge`.
    fn flush(&self) -> Result<(), BackendError>;

    /// Does a part of what gives back the space of replaced and deleted rows, for an engine that does it only
    /// when asked. `turns` bounds it: each takes about as long as one change.
    ///
    /// # Errors
    /// Any of [`BackendError`] but `BatchTooLarge`.
    fn tidy(&self, turns: usize) -> Result<(), BackendError> {
        let _ = turns;
        Ok(())
    }

    /// Bytes on disk, or held for memory.
    ///
    /// # Errors
    /// As [`Backend::get`].
    fn size_bytes(&self) -> Result<u64, BackendError>;
}

/// Refuses a batch that is too large, whatever the engine.
pub(super) fn check_batch(ops: &[Op]) -> Result<(), BackendError> {
    if ops.len() > BATCH_OPS_MAX {
        return Err(BackendError::BatchTooLarge { ops: ops.len() });
    }
    Ok(())
}

#[cfg(test)]
mod tests;

//! The [`Backend`] on sled: the only file that names it.
//!
//! What was learnt the hard way is held here: the cache is set (its default is 1 GiB), changes go in
//! one by one, nothing flushes behind our back, what sled keeps beside its log is synced by us, a panic
//! inside sled becomes an error, and a full disk is told from a damaged file.
//!
//! Why one by one: `apply_batch` holds a lock that every reader of the process waits for, starves
//! sled's garbage collection, and is not atomic across a crash anyway. Measured on 384 000
//! transactions in sorted keys: 7 to 13 microseconds an operation in batches of 250, 4 to 7 alone.

mod blobs;

use std::{
    any::Any,
    io,
    ops::Bound,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use blobs::Blobs;

use super::{
    backend::{Backend, BackendError, Cursor, Entry, Op, PAGE_ENTRIES_MAX, Table, check_batch},
    failpoint,
};

/// Page cache of one database, unless asked for otherwise. Larger buys faster flushes at the price of
/// memory, of which sled takes three to four times this. The coins that blocks spend are mostly in the
/// decoded cache above it or never reach the database, so this one may be small.
pub const CACHE_BYTES: u64 = 16_000_000;

/// One sled database with one tree a table.
pub struct SledBackend {
    db: sled::Db,
    trees: Vec<sled::Tree>,
    /// One row that is written again and again ([`Backend::tidy`]).
    scratch: sled::Tree,
    path: PathBuf,
    blobs: Blobs,
    /// Set by a panic: sled's locks may be poisoned or worse.
    is_broken: AtomicBool,
}

impl SledBackend {
    /// Opens or creates the database at `path` with a page cache of `cache_bytes`.
    ///
    /// # Errors
    /// [`BackendError`]; a damaged database is reported and left as it is.
    pub fn open(path: &Path, cache_bytes: u64) -> Result<Self, BackendError> {
        let opened = catch_unwind(|| -> sled::Result<_> {
            let db = sled::Config::new()
                .path(path)
                .cache_capacity(cache_bytes)
                .flush_every_ms(None)
                .open()?;
            let trees = Table::ALL
                .iter()
                .map(|table| db.open_tree(table.name()))
                .collect::<sled::Result<Vec<_>>>()?;
            let scratch = db.open_tree("scratch")?;
            Ok((db, trees, scratch))
        });
        let (db, trees, scratch) = match opened {
            Ok(result) => result.map_err(|error| typed(path, error))?,
            Err(panic) => {
                return Err(BackendError::Corrupt {
                    path: path.to_owned(),
                    what: panic_text(panic.as_ref()),
                });
            }
        };
        Ok(Self {
            db,
            trees,
            scratch,
            path: path.to_owned(),
            blobs: Blobs::in_database(path),
            is_broken: AtomicBool::new(false),
        })
    }

    /// Runs a sled call; a panic inside is caught, and the last one.
    fn call<T>(&self, call: impl FnOnce() -> sled::Result<T>) -> Result<T, BackendError> {
        let panicked = |what| BackendError::Panicked {
            path: self.path.clone(),
            what,
        };
        if self.is_broken.load(Ordering::Acquire) {
            return Err(panicked("it has stopped before".to_owned()));
        }
        match catch_unwind(AssertUnwindSafe(call)) {
            Ok(result) => result.map_err(|error| typed(&self.path, error)),
            Err(panic) => {
                self.is_broken.store(true, Ordering::Release);
                Err(panicked(panic_text(panic.as_ref())))
            }
        }
    }

    fn tree(&self, table: Table) -> &sled::Tree {
        &self.trees[table as usize]
    }
}

impl Backend for SledBackend {
    fn name(&self) -> &'static str {
        "sled"
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, BackendError> {
        self.call(|| Ok(self.tree(table).get(key)?.map(|value| value.to_vec())))
    }

    fn contains(&self, table: Table, key: &[u8]) -> Result<bool, BackendError> {
        self.call(|| self.tree(table).contains_key(key))
    }

    fn apply(&self, ops: &[Op]) -> Result<(), BackendError> {
        check_batch(ops)?;
        self.call(|| {
            failpoint::pass()?;
            for op in ops {
                let tree = self.tree(op.table);
                match &op.value {
                    Some(value) => tree.insert(&op.key, value.as_slice())?,
                    None => tree.remove(&op.key)?,
                };
            }
            Ok(())
        })
    }

    fn page(&self, table: Table, cursor: Cursor<'_>, limit: usize) -> Result<Vec<Entry>, BackendError> {
        let start = match cursor.after {
            Some(after) if after >= cursor.prefix => Bound::Excluded(after),
            _ => Bound::Included(cursor.prefix),
        };
        self.call(|| {
            let mut entries = Vec::new();
            let range = self.tree(table).range::<&[u8], _>((start, Bound::Unbounded));
            for entry in range.take(limit.min(PAGE_ENTRIES_MAX)) {
                let (key, value) = entry?;
                if !key.starts_with(cursor.prefix) {
                    break;
                }
                entries.push((key.to_vec(), value.to_vec()));
            }
            Ok(entries)
        })
    }

    fn last(&self, table: Table) -> Result<Option<Entry>, BackendError> {
        self.call(|| {
            let last = self.tree(table).last()?;
            Ok(last.map(|(key, value)| (key.to_vec(), value.to_vec())))
        })
    }

    fn flush(&self) -> Result<(), BackendError> {
        self.call(|| {
            failpoint::pass()?;
            self.blobs.sync()?;
            self.db.flush().map(|_| ())
        })
    }

    /// sled moves one page out of a half-empty segment of its log whenever it writes a page anew, which is
    /// every tenth change of that page. Its own thread would move more, and would also flush behind our back;
    /// without it segments wait half empty. So a row of no meaning is changed.
    fn tidy(&self, turns: usize) -> Result<(), BackendError> {
        self.call(|| {
            for turn in 0..turns as u64 {
                self.scratch.insert(b"", &turn.to_be_bytes())?;
            }
            Ok(())
        })
    }

    fn size_bytes(&self) -> Result<u64, BackendError> {
        self.call(|| self.db.size_on_disk())
    }
}

fn typed(path: &Path, error: sled::Error) -> BackendError {
    let path = path.to_owned();
    match error {
        sled::Error::Io(source) if is_disk_full(&source) => BackendError::DiskFull { path },
        sled::Error::Io(source) if source.kind() == io::ErrorKind::InvalidData => BackendError::Corrupt {
            path,
            what: source.to_string(),
        },
        sled::Error::Io(source) => BackendError::Io {
            path,
            what: source.to_string(),
        },
        sled::Error::Corruption { .. }
        | sled::Error::CollectionNotFound(_)
        | sled::Error::Unsupported(_)
        | sled::Error::ReportableBug(_) => BackendError::Corrupt {
            path,
            what: error.to_string(),
        },
    }
}

fn is_disk_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("it panicked")
        .to_owned()
}

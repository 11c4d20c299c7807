//! What can be wrong with the chain store, told apart by what the operator has to do.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{chain::Height, crypto::Hash256};

use super::backend::BackendError;

/// An error of the chain store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database engine's own.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// What is stored contradicts itself. Exit code 65. Nothing was deleted.
    #[error("{file}: {what}; run `timed db check`, then `timed resync`", file = .file.display())]
    Corrupt {
        /// Database or file.
        file: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// Written by a newer program. Exit code 69.
    #[error(
        "database {file} has schema {found}, this binary knows {known}; nothing was changed: run the newer binary, or move the directory blocks/ aside, and this one fetches the chain from peers and judges it again",
        file = .file.display()
    )]
    Newer {
        /// Database or file.
        file: PathBuf,
        /// Its schema.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// Written by an older program, whose chain this one does not continue. Exit code 69.
    #[error(
        "database {file} has schema {found}, this binary knows {known} and cannot continue such a chain; start the network anew with `timed init` or `timed devnet files`, or run the older binary",
        file = .file.display()
    )]
    Older {
        /// Database.
        file: PathBuf,
        /// Its schema.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// The database belongs to another chain. Exit code 65.
    #[error(
        "database {file} belongs to chain {found}, the genesis file makes chain {expected}; use another --data-dir or the genesis file of that chain",
        file = .file.display()
    )]
    OtherChain {
        /// The database.
        file: PathBuf,
        /// Whose it is.
        found: Hash256,
        /// Whose was expected.
        expected: Hash256,
    },
    /// No room left. Nothing is damaged.
    #[error("no space left for {path}; free some, then restart the node", path = .path.display())]
    DiskFull {
        /// What could not be written.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("{path}: {doing}: {source}; check disk and permissions, then restart the node", path = .path.display())]
    Io {
        /// File or directory.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A rebuild is under way, or is not. Nothing was changed.
    #[error("{what}; look at `timed status`, or at resync.intent in blocks/")]
    Busy {
        /// What stands against it.
        what: String,
    },
    /// A block was committed out of order.
    #[error("block {found} cannot follow block {tip}; this is a bug, please report it")]
    NotNext {
        /// The last committed height.
        tip: Height,
        /// The height that was given.
        found: Height,
    },
    /// A block from below a snapshot was archived out of order.
    #[error("block {found} is not the parent of block {lowest}; this is a bug, please report it")]
    NotBelow {
        /// The lowest height before it.
        lowest: Height,
        /// The height that was given.
        found: Height,
    },
    /// The writer has stopped, by an earlier error or at shutdown.
    #[error("the database takes no more blocks: {why}")]
    Stopped {
        /// Why.
        why: String,
    },
}

impl StoreError {
    /// True if free space is all that is missing.
    pub const fn is_disk_full(&self) -> bool {
        matches!(
            self,
            Self::DiskFull { .. } | Self::Backend(BackendError::DiskFull { .. })
        )
    }

    pub(super) fn io(path: &Path, doing: &'static str, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            _ => Self::Io { path, doing, source },
        }
    }

    pub(super) fn corrupt(file: &Path, what: impl Into<String>) -> Self {
        Self::Corrupt {
            file: file.to_owned(),
            what: what.into(),
        }
    }
}

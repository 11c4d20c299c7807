//! What can be wrong with the consensus log, told apart by what the operator has to do.

use std::{io, path::PathBuf};

/// An error of the consensus log.
#[derive(Debug, thiserror::Error)]
pub enum WalError {
    /// The directory does not exist: a key without its log. The node runs as observer.
    #[error(
        "consensus log directory {dir} is missing; the node signs nothing until it has watched the chain go on (docs/OPERATIONS.md, \"observer\")",
        dir = .dir.display()
    )]
    DirectoryMissing {
        /// Where the log should be.
        dir: PathBuf,
    },
    /// The directory exists and holds no log. The node runs as observer.
    #[error(
        "consensus log directory {dir} holds no log; the node signs nothing until it has watched the chain go on (docs/OPERATIONS.md, \"observer\")",
        dir = .dir.display()
    )]
    Empty {
        /// The directory.
        dir: PathBuf,
    },
    /// `create` found a log. A log is never overwritten: it holds what we have signed.
    #[error("{dir} already holds a consensus log; it is never overwritten, use another data directory", dir = .dir.display())]
    AlreadyExists {
        /// The directory.
        dir: PathBuf,
    },
    /// Something in the middle does not read back. Exit code 65.
    #[error(
        "consensus log is corrupt: {file}, offset {offset}: {what}; restore the file from this disk, or move {dir} aside and start: the node observes until the chain has moved on (where the others cannot move on without it, `{repair}`)",
        file = .file.display(), dir = .file.parent().unwrap_or(.file).display()
    )]
    Corrupt {
        /// The segment.
        file: PathBuf,
        /// Byte offset in it.
        offset: u64,
        /// What does not fit.
        what: &'static str,
        /// The repairing command.
        repair: &'static str,
    },
    /// Written by a newer program. Exit code 69.
    #[error("consensus log {file} has format {found}, this binary knows {known}; run the newer binary", file = .file.display())]
    Newer {
        /// The segment.
        file: PathBuf,
        /// Its format.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// The file system refused. The log that met this writes nothing more.
    #[error("{path}: {doing}: {source}; check disk and permissions, then restart the node", path = .path.display())]
    Io {
        /// File or directory.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// An earlier write or fsync went wrong; nothing can be promised any more by this process.
    #[error("the consensus log stopped after an earlier disk error; check the disk, then restart the node")]
    Poisoned,
    /// The payload of one record exceeds [`super::RECORD_BYTES_MAX`].
    #[error("a record of {bytes} bytes exceeds the limit of {max}; this is a bug, please report it")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The record type is reserved for the log itself.
    #[error("record type {kind} is reserved (limit {max}); this is a bug, please report it")]
    ReservedKind {
        /// The type asked for.
        kind: u8,
        /// The highest that may be used.
        max: u8,
    },
}

impl WalError {
    /// True if the log is absent rather than damaged: the node then observes instead of exiting.
    pub const fn is_missing(&self) -> bool {
        matches!(self, Self::DirectoryMissing { .. } | Self::Empty { .. })
    }
}

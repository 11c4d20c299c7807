//! Why a node does not start. Each says what to do, and the command line gives each its exit code.

use std::path::PathBuf;

use crate::{
    chain::Height,
    network::NetworkError,
    storage::{StoreError, lock::LockError, wal::WalError},
};

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Another instance holds the data directory, or it cannot be locked.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The consensus log cannot be read.
    #[error(transparent)]
    Wal(#[from] WalError),
    /// A record of the consensus log cannot be understood.
    #[error(
        "a record of height {height} in the consensus log {dir} cannot be read: {reason}; it was written by another version: run that one, or restore the directory", dir = .dir.display()
    )]
    Record {
        /// The log.
        dir: PathBuf,
        /// Height of the record.
        height: u64,
        /// What does not fit.
        reason: String,
    },
    /// The key's signing state was given away from here.
    #[error(
        "the signing state of this key was given away from here ({}), so it may sign elsewhere, and this node does not start. If the key moved, leave this copy off, or follow the chain with it: --observer. To have the key back: `timed signer state export` where it is now, then `timed signer state import` here", path.display()
    )]
    GivenAway {
        /// The mark.
        path: PathBuf,
    },
    /// The mark of a state that was given away cannot be read or written.
    #[error("{}: {source}; check the disk and who owns the directory", path.display())]
    Mark {
        /// The mark.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The chain database cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A block that the log says is final does not connect to the database.
    #[error(
        "block {height} of the consensus log does not connect to the chain in {dir}: {reason}; stop, keep both directories, and run `timed resync`", dir = .dir.display()
    )]
    Replay {
        /// The database.
        dir: PathBuf,
        /// The block.
        height: Height,
        /// What differs.
        reason: String,
    },
    /// The network cannot be started.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A thread cannot be started.
    #[error("thread {name} cannot be started: {source}; raise the limit of tasks (TasksMax, ulimit -u)")]
    Thread {
        /// Its name.
        name: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

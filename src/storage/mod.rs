//! What we remember: the consensus log, and the chain in a database that may be deleted and rebuilt.
//!
//! Nothing here decides what is true: blocks arrive with their change, and records of the log are
//! opaque. Nothing is ever deleted to get out of trouble, and there is no fallback to memory.
//!
//! From the top down: [`Store`] and [`StoreReader`] (final blocks in, answers out), the unflushed
//! blocks over the database (`pending`), one writer thread (`writer`) with its all-or-nothing flush
//! (`flush`, `redo`), keys and values ([`schema`]), the engine ([`backend`]: [`sled_backend`], [`memory`]).
//! Beside them [`wal`], which none of these touches.

mod archive;
pub mod atomic_file;
pub mod backend;
mod chores;
pub mod disk;
mod error;
pub mod failpoint;
mod flush;
pub mod generation;
pub mod lock;
pub mod memory;
mod pending;
mod prune;
mod reader;
pub mod rebuild;
mod redo;
pub mod schema;
mod shared;
pub mod sled_backend;
mod snapshot;
mod store;
mod tx_index;
pub mod wal;
mod writer;

pub use archive::ArchivedBlock;
pub use error::StoreError;
pub use flush::UNDO_BLOCKS;
pub use prune::KEEP_BLOCKS_MIN;
pub use reader::{AddressPage, CoinPage, FinalTransaction, StoreReader, StoredBlock};
pub use redo::REDO_FILE;
pub use snapshot::{LoadError, SnapshotFile, SnapshotLoader, Snapshots, claimed_state, page_hash};
pub use store::{CommitBatch, Store, StoreOptions, StoreStats};
pub use tx_index::prefix_of as txid_prefix;
pub use writer::{FlushOptions, Flushed, StoreEvent};

#[cfg(test)]
mod test_backend;
#[cfg(test)]
pub(crate) mod test_disk;
#[cfg(test)]
mod tests;

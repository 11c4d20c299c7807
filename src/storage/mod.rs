//! What we remember: the consensus log, and the chain in a database that may be deleted and rebuilt.
//!
//! Nothing here decides what is true: blocks arrive with their delta, and records of the log are
//! opaque. Nothing is ever deleted to get out of trouble, and there is no fallback to memory.

pub mod atomic_file;
pub mod backend;
pub mod disk;
pub mod lock;
pub mod memory;
pub mod sled;
pub mod wal;

#[cfg(test)]
mod test_disk;
#[cfg(test)]
mod tests;

//! The consensus write-ahead log: what this validator has signed, locked and decided.
//!
//! It is a directory of its own and no database: one append and one `fdatasync` make guard, signed
//! bytes, body and lock durable together (docs/CONSENSUS.md §8), and nothing that repairs or
//! rebuilds the chain database ever touches it. It never interprets a payload, never retries after a
//! disk error, and never throws away a record that it cannot prove to be unsynced.
//!
//! ```text
//! consensus/wal-0000000000000007.log     sealed: every record synced before the next file was born
//! consensus/wal-0000000000000008.log     last: records, then zeros up to the preallocated end
//!
//! segment  magic 8 │ format u32 │ mark u32 │ sequence u64 │ prev_crc u32 │ crc32c u32
//! record   mark u32 │ len u32 │ crc32c u32 │ prev_crc u32 │ type u8 │ height u64 │ payload
//! ```
//!
//! `prev_crc` chains each record to the one before it, across segments. `mark` is random per
//! segment: it finds the next record behind damage, and since nobody else knows it, no payload that
//! a peer made can pose as one. The top bit of `type` says "first record of one sync".
//!
//! **What a crash can leave, and how it is told from rot.** Only the last sync can be torn. Damage
//! with nothing valid behind it is a torn tail: it is cut off. Damage followed by records of the
//! same sync, with at least one whole sector of it still zero, is a torn write whose later sectors
//! reached the disk first: cut off too. Everything else is rot, and the log refuses to open.

mod error;
mod format;
mod log;
mod scan;
mod segment;

#[cfg(test)]
mod tests;

pub use error::WalError;
pub use format::{KIND_MAX, RECORD_BYTES_MAX, Record};
pub use log::{Recovered, Synced, Wal, WalOptions, WalStats};
pub use scan::TornTail;

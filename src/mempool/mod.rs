//! What waits: valid transactions that no block has yet.
//!
//! One owner changes the pool (the engine), so several claims are taken all or none without locks.
//! Time comes as an argument. First seen wins: there is no replacement, hence no race about which
//! of two payments counts. Admission is [`Mempool::admit`]; it refuses with a typed reason that
//! says whether the sender is to blame. Transactions may spend outputs of others in the pool.
//!
//! No hash map is ever iterated: order comes from fee rates, ages and heights alone.

mod claims;
mod entry;
mod floor;
mod limits;
mod orphans;
mod pool;
mod recent;
mod refusal;
mod select;
mod slots;
mod stats;

#[cfg(test)]
mod attack_tests;
#[cfg(test)]
mod eviction_tests;
#[cfg(test)]
mod order_tests;
#[cfg(test)]
mod tests;

pub use entry::FeeRate;
pub use floor::fee_at;
pub use limits::{CHAIN_MAX, EXPIRY_MS, HEAP_BYTES_MAX, PoolLimits, RECENT_MAX, TXS_MAX};
pub use orphans::{
    ORPHAN_BYTES_MAX, ORPHAN_EXPIRY_MS, ORPHANS_MAX, Orphans, PEER_ORPHAN_BYTES_MAX, PEER_ORPHANS_MAX,
};
pub use pool::{Admitted, Arrived, Committed, Context, Mempool};
pub use refusal::{DuplicateOf, Refusal};
pub use stats::{
    AGE_BANDS_MS, CHEAPEST_MAX, Cheap, FeeRates, PoolDetail, PoolStats, RATE_BUCKETS, RateBucket,
};

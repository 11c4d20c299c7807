//! What waits to be put into a block.

use serde::{Deserialize, Serialize};

/// The pool. Fee rates are in base units per 1000 bytes, so that integers suffice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MempoolStatus {
    /// Transactions held.
    pub txs: u64,
    /// Cap on them.
    pub txs_max: u64,
    /// Heap estimate in bytes.
    pub bytes: u64,
    /// Cap on it.
    pub bytes_max: u64,
    /// Transactions admitted in the last second.
    pub in_per_s: u32,
    /// Transactions that left by finality in the last second.
    pub out_per_s: u32,
    /// Admissions per second over the last minute, oldest first, at most 60.
    pub in_history: Vec<u32>,
    /// The lowest rate in the pool.
    pub fee_min: Option<u64>,
    /// The middle rate.
    pub fee_p50: Option<u64>,
    /// The rate that 95 of 100 stay below.
    pub fee_p95: Option<u64>,
    /// The rate below which nothing is admitted now.
    pub fee_floor: u64,
    /// Age of the oldest transaction.
    pub oldest_ms: Option<u64>,
    /// Transactions pushed out by better ones in the last minute.
    pub evicted_per_min: u32,
    /// Transactions refused in the last minute.
    pub refused_per_min: u32,
    /// Transactions the next block would take.
    pub next_block_txs: Option<u32>,
    /// Bytes the next block would take.
    pub next_block_bytes: Option<u64>,
    /// Transactions accepted since the process began.
    pub accepted_total: u64,
}

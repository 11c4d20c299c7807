//! What waits to be put into a block.

use serde::{Deserialize, Serialize};

use crate::crypto::Hash256;

/// How many transactions [`MempoolStatus::cheapest`] names at most.
pub const CHEAPEST_MAX: usize = 8;

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
    /// How full the pool is by the fuller of both caps, in thousandths.
    pub pressure_permille: u64,
    /// Canonical bytes of what waits, as blocks count them.
    pub wire_bytes: u64,
    /// Fees of what waits, in base units.
    pub fees_units: u64,
    /// When the pool is full at the pace of the last ten seconds; `None` while it does not fill.
    pub full_in_ms: Option<u64>,
    /// Transactions that left by finality, per second over the last minute, oldest first, at most 60.
    pub out_history: Vec<u32>,
    /// What waits by fee rate, ascending; the last band has no upper end.
    pub rate_bands: Vec<RateBand>,
    /// What waits by age, youngest first; the last band has no upper end.
    pub age_bands: Vec<AgeBand>,
    /// Those that pay least, the cheapest first, at most [`CHEAPEST_MAX`].
    pub cheapest: Vec<WaitingTx>,
    /// Refusals since the process began by reason, ascending by reason.
    pub refused: Vec<ReasonCount>,
    /// Left in a final block since the process began.
    pub confirmed_total: u64,
    /// Left because a block spent their inputs otherwise.
    pub conflicting_total: u64,
    /// Left for dearer ones.
    pub evicted_total: u64,
    /// Left for age or height.
    pub expired_total: u64,
    /// Left because they turned out invalid when a block was built.
    pub invalid_total: u64,
    /// Transactions that wait for a parent to arrive.
    pub orphans: u64,
    /// Cap on them.
    pub orphans_max: u64,
    /// Their canonical bytes.
    pub orphan_bytes: u64,
}

/// One bar of the histogram of fee rates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateBand {
    /// Lowest rate in it, units per byte.
    pub from: u64,
    /// Transactions.
    pub txs: u64,
    /// Their canonical bytes.
    pub bytes: u64,
}

/// One band of ages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgeBand {
    /// Younger than this; `None` for the oldest band.
    pub below_ms: Option<u64>,
    /// Transactions.
    pub txs: u64,
}

/// One transaction that waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingTx {
    /// Its id.
    pub txid: Hash256,
    /// What it pays, in base units per 1000 bytes.
    pub fee_rate: u64,
    /// Its canonical bytes.
    pub bytes: u64,
    /// Inputs.
    pub inputs: u32,
    /// Outputs.
    pub outputs: u32,
    /// When it came, by the clock of this node, in unix ms.
    pub since_unix_ms: u64,
}

/// How often something was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasonCount {
    /// The refusal's code, as `POST /tx` says it.
    pub reason: String,
    /// How often.
    pub count: u64,
}

//! Figures for people: how full, how fast, how old, how dear.

use std::{collections::BTreeMap, sync::Arc};

use crate::chain::{TimestampMs, TxId};

use super::{FeeRate, Mempool, PoolLimits};

/// Lower bounds of the fee rate histogram, units per byte.
pub const RATE_BUCKETS: [u64; 12] = [0, 1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000];

/// Upper bounds of the age bands, ms; the last band is everything older.
pub const AGE_BANDS_MS: [u64; 5] = [1_000, 10_000, 60_000, 600_000, 3_600_000];

/// One bar of the fee rate histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RateBucket {
    /// Transactions in it.
    pub count: u64,
    /// Their canonical bytes.
    pub bytes: u64,
}

/// Fee rates of what waits, units per 1000 bytes, in the order in which blocks would take it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeeRates {
    /// The lowest.
    pub min: u64,
    /// The middle one.
    pub p50: u64,
    /// 95 of 100 are not above it.
    pub p95: u64,
}

/// How many of those that pay least are named.
pub const CHEAPEST_MAX: usize = 8;

/// One of those that pay least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cheap {
    /// Its id.
    pub txid: TxId,
    /// What it pays, units per 1000 bytes.
    pub per_kb: u64,
    /// Its canonical bytes.
    pub bytes: u64,
    /// Inputs.
    pub inputs: usize,
    /// Outputs.
    pub outputs: usize,
    /// When it came.
    pub entered_ms: TimestampMs,
}

/// What came and went since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) admitted: u64,
    pub(super) confirmed: u64,
    pub(super) conflicting: u64,
    pub(super) evicted: u64,
    pub(super) expired: u64,
    pub(super) dropped: u64,
    pub(super) refused: BTreeMap<&'static str, u64>,
}

/// What takes a walk over the pool to know; looked up a few times a second at most.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PoolDetail {
    /// Fee rates of what waits; `None` while nothing does.
    pub fee_rates: Option<FeeRates>,
    /// Transactions by age, bands of [`AGE_BANDS_MS`], then older.
    pub ages: [u64; AGE_BANDS_MS.len() + 1],
    /// Transactions that the next block would take.
    pub next_block_txs: u64,
    /// Their canonical bytes.
    pub next_block_bytes: u64,
    /// Those that pay least, the first to be pushed out first; at most [`CHEAPEST_MAX`].
    pub cheapest: Vec<Cheap>,
}

/// The pool at one moment. Rates per second are differences of two of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolStats {
    /// Transactions waiting.
    pub count: usize,
    /// Their canonical bytes.
    pub bytes: u64,
    /// Estimated heap, bytes.
    pub heap_bytes: usize,
    /// The caps.
    pub limits: PoolLimits,
    /// The fuller of both caps, in thousandths.
    pub pressure_permille: u64,
    /// Sum of fees, units.
    pub fees_units: u64,
    /// Lowest fee rate that is taken, units per 1000 bytes.
    pub floor_per_kb: u64,
    /// What a walk over the pool found, perhaps a moment ago.
    pub detail: Arc<PoolDetail>,
    /// When the oldest came.
    pub oldest_ms: Option<TimestampMs>,
    /// Transactions by fee rate, from each bound of [`RATE_BUCKETS`] up.
    pub rates: [RateBucket; RATE_BUCKETS.len()],
    /// Taken in since the start.
    pub admitted: u64,
    /// Left in a block.
    pub confirmed: u64,
    /// Left because a block spent their inputs otherwise.
    pub conflicting: u64,
    /// Left for dearer ones.
    pub evicted: u64,
    /// Left for age or height.
    pub expired: u64,
    /// Left because a proposer found them invalid.
    pub dropped: u64,
    /// Refused, by [`super::Refusal::code`], ascending.
    pub refused: Vec<(&'static str, u64)>,
    /// Transactions that wait for a parent.
    pub orphans: usize,
    /// Their canonical bytes.
    pub orphan_bytes: usize,
}

/// Index of the histogram bar of `rate`.
pub(super) fn bucket(rate: FeeRate) -> usize {
    let is_reached = |bound: &u64| u128::from(rate.fee) >= u128::from(*bound) * u128::from(rate.size);
    RATE_BUCKETS.partition_point(is_reached).saturating_sub(1)
}

impl Mempool {
    /// How full the pool is by the fuller of both caps, in thousandths.
    pub fn pressure_permille(&self) -> u64 {
        let share = |have: usize, cap: usize| (have as u128 * 1000 / cap.max(1) as u128) as u64;
        share(self.len(), self.limits.txs_max).max(share(self.heap_bytes, self.limits.heap_bytes_max))
    }

    fn fee_rates(&self) -> Option<FeeRates> {
        let last = self.by_score.len().checked_sub(1)?;
        let mut rates = self.by_score.iter().map(|((rate, _), _)| rate.per_kb());
        let min = rates.next()?;
        // What `next` took counts: positions are counted from the second one on.
        let (middle, high) = (last / 2, last * 95 / 100);
        let p50 = middle.checked_sub(1).map_or(Some(min), |skip| rates.nth(skip))?;
        let p95 = (high - middle)
            .checked_sub(1)
            .map_or(Some(p50), |skip| rates.nth(skip))?;
        Some(FeeRates { min, p50, p95 })
    }

    /// What takes a walk over the pool, for blocks of at most `bytes_max` and `count_max`.
    pub fn detail(&self, now: TimestampMs, bytes_max: usize, count_max: usize) -> PoolDetail {
        let mut ages = [0; AGE_BANDS_MS.len() + 1];
        for (entered_ms, _) in self.by_age.keys() {
            let age = now.ms_since(*entered_ms);
            ages[AGE_BANDS_MS.partition_point(|bound| *bound <= age)] += 1;
        }
        let (next_block_txs, next_block_bytes) = self.would_select(bytes_max, count_max);
        PoolDetail {
            fee_rates: self.fee_rates(),
            ages,
            next_block_txs,
            next_block_bytes,
            cheapest: self.cheapest(),
        }
    }

    fn cheapest(&self) -> Vec<Cheap> {
        let slots = self.by_score.iter().take(CHEAPEST_MAX);
        slots
            .filter_map(|(_, slot)| self.slots.get(*slot))
            .map(|entry| Cheap {
                txid: entry.transaction.txid(),
                per_kb: entry.rate().per_kb(),
                bytes: entry.size(),
                inputs: entry.transaction.inputs.len(),
                outputs: entry.transaction.outputs.len(),
                entered_ms: entry.entered_ms,
            })
            .collect()
    }

    /// The figures now, with a `detail` made before.
    pub fn stats(&self, detail: Arc<PoolDetail>) -> PoolStats {
        let counters = &self.counters;
        PoolStats {
            count: self.len(),
            bytes: self.rates.iter().map(|bar| bar.bytes).sum(),
            heap_bytes: self.heap_bytes,
            limits: self.limits,
            pressure_permille: self.pressure_permille(),
            fees_units: self.fees_units,
            floor_per_kb: self.floor.per_kb(),
            detail,
            oldest_ms: self.oldest_ms(),
            rates: self.rates,
            admitted: counters.admitted,
            confirmed: counters.confirmed,
            conflicting: counters.conflicting,
            evicted: counters.evicted,
            expired: counters.expired,
            dropped: counters.dropped,
            refused: counters
                .refused
                .iter()
                .map(|(code, count)| (*code, *count))
                .collect(),
            orphans: self.orphans.len(),
            orphan_bytes: self.orphans.bytes(),
        }
    }
}

//! The section on what waits.

use std::collections::VecDeque;

use crate::{
    control::{self, AgeBand, MempoolStatus, RateBand, ReasonCount, WaitingTx},
    mempool::{AGE_BANDS_MS, ORPHANS_MAX, PoolStats, RATE_BUCKETS},
};

use super::{Inputs, meter::Meter};

/// Seconds whose pace says when the pool will be full.
const PACE_S: u64 = 10;

/// What came and went.
#[derive(Debug, Default)]
pub(super) struct Memory {
    admitted: Meter,
    confirmed: Meter,
    evicted: Meter,
    refused: Meter,
    /// Everything that came in or went out, by count and by estimated heap.
    fill: Fill,
}

/// How fast the pool fills: what it held over the last seconds.
#[derive(Debug, Default)]
struct Fill {
    /// (millisecond, transactions, heap bytes), ascending.
    samples: VecDeque<(u64, u64, u64)>,
}

impl Fill {
    fn observe(&mut self, now_ms: u64, txs: u64, bytes: u64) {
        if self
            .samples
            .back()
            .is_some_and(|(last, ..)| last / 1_000 >= now_ms / 1_000)
        {
            return;
        }
        self.samples.push_back((now_ms, txs, bytes));
        while self.samples.len() > PACE_S as usize + 1 {
            self.samples.pop_front();
        }
    }

    /// Milliseconds until the first cap is reached, if it goes on like this.
    fn full_in_ms(&self, txs_max: u64, bytes_max: u64) -> Option<u64> {
        let (&(start, txs_then, bytes_then), &(end, txs, bytes)) =
            (self.samples.front()?, self.samples.back()?);
        let reached = |then: u64, now: u64, cap: u64| {
            let gained = now.checked_sub(then).filter(|gained| *gained > 0)?;
            let ms = u128::from(cap.saturating_sub(now)) * u128::from(end - start) / u128::from(gained);
            u64::try_from(ms).ok()
        };
        let by_count = reached(txs_then, txs, txs_max);
        let by_bytes = reached(bytes_then, bytes, bytes_max);
        by_count.into_iter().chain(by_bytes).min()
    }
}

/// Fills the section.
pub(super) fn section(memory: &mut Memory, inputs: &Inputs) -> MempoolStatus {
    let pool = &inputs.view.pool;
    let now_ms = inputs.at.mono_ms;
    memory.admitted.observe(now_ms, pool.admitted);
    memory.confirmed.observe(now_ms, pool.confirmed);
    memory.evicted.observe(now_ms, pool.evicted);
    memory
        .refused
        .observe(now_ms, pool.refused.iter().map(|(_, count)| count).sum());
    let last_second = |meter: &Meter| meter.per_s(1).map_or(0, |rate| rate.round() as u32);
    let last_minute = |meter: &Meter| u32::try_from(meter.per_min()).unwrap_or(u32::MAX);
    let (txs, txs_max) = (pool.count as u64, pool.limits.txs_max as u64);
    let (bytes, bytes_max) = (pool.heap_bytes as u64, pool.limits.heap_bytes_max as u64);
    memory.fill.observe(now_ms, txs, bytes);
    let fee_rates = pool.detail.fee_rates;
    MempoolStatus {
        txs,
        txs_max,
        bytes,
        bytes_max,
        in_per_s: last_second(&memory.admitted),
        out_per_s: last_second(&memory.confirmed),
        in_history: memory.admitted.history(),
        fee_min: fee_rates.map(|rates| rates.min),
        fee_p50: fee_rates.map(|rates| rates.p50),
        fee_p95: fee_rates.map(|rates| rates.p95),
        fee_floor: pool.floor_per_kb,
        oldest_ms: pool
            .oldest_ms
            .map(|oldest| inputs.at.unix_ms.saturating_sub(oldest.get())),
        evicted_per_min: last_minute(&memory.evicted),
        refused_per_min: last_minute(&memory.refused),
        next_block_txs: u32::try_from(pool.detail.next_block_txs).ok(),
        next_block_bytes: Some(pool.detail.next_block_bytes),
        accepted_total: pool.admitted,
        pressure_permille: pool.pressure_permille,
        wire_bytes: pool.bytes,
        fees_units: pool.fees_units,
        full_in_ms: memory.fill.full_in_ms(txs_max, bytes_max),
        out_history: memory.confirmed.history(),
        rate_bands: rate_bands(pool),
        age_bands: age_bands(pool),
        cheapest: cheapest(pool),
        refused: pool
            .refused
            .iter()
            .map(|(reason, count)| ReasonCount {
                reason: (*reason).to_owned(),
                count: *count,
            })
            .collect(),
        confirmed_total: pool.confirmed,
        conflicting_total: pool.conflicting,
        evicted_total: pool.evicted,
        expired_total: pool.expired,
        invalid_total: pool.dropped,
        orphans: pool.orphans as u64,
        orphans_max: ORPHANS_MAX as u64,
        orphan_bytes: pool.orphan_bytes as u64,
    }
}

fn rate_bands(pool: &PoolStats) -> Vec<RateBand> {
    let bars = RATE_BUCKETS.iter().zip(&pool.rates);
    bars.map(|(from, bar)| RateBand {
        from: *from,
        txs: bar.count,
        bytes: bar.bytes,
    })
    .collect()
}

fn age_bands(pool: &PoolStats) -> Vec<AgeBand> {
    let ends = AGE_BANDS_MS.iter().copied().map(Some).chain([None]);
    ends.zip(&pool.detail.ages)
        .map(|(below_ms, txs)| AgeBand { below_ms, txs: *txs })
        .collect()
}

fn cheapest(pool: &PoolStats) -> Vec<WaitingTx> {
    let rows = pool.detail.cheapest.iter().take(control::CHEAPEST_MAX);
    rows.map(|cheap| WaitingTx {
        txid: *cheap.txid.as_hash(),
        fee_rate: cheap.per_kb,
        bytes: cheap.bytes,
        inputs: u32::try_from(cheap.inputs).unwrap_or(u32::MAX),
        outputs: u32::try_from(cheap.outputs).unwrap_or(u32::MAX),
        since_unix_ms: cheap.entered_ms.get(),
    })
    .collect()
}

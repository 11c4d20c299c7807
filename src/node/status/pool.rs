//! The section on what waits.

use crate::{control::MempoolStatus, mempool::PoolStats};

use super::{Inputs, Known, meter::Meter};

/// What came and went.
#[derive(Debug, Default)]
pub(super) struct Memory {
    admitted: Meter,
    confirmed: Meter,
    evicted: Meter,
    refused: Meter,
}

/// Fills the section.
pub(super) fn section(memory: &mut Memory, known: &Known, inputs: &Inputs) -> MempoolStatus {
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
    let (next_block_txs, next_block_bytes) = next_block(pool, known);
    MempoolStatus {
        txs: pool.count as u64,
        txs_max: pool.limits.txs_max as u64,
        bytes: pool.heap_bytes as u64,
        bytes_max: pool.limits.heap_bytes_max as u64,
        in_per_s: last_second(&memory.admitted),
        out_per_s: last_second(&memory.confirmed),
        in_history: memory.admitted.history(),
        fee_min: pool.fee_rates.map(|rates| rates.min),
        fee_p50: pool.fee_rates.map(|rates| rates.p50),
        fee_p95: pool.fee_rates.map(|rates| rates.p95),
        fee_floor: pool.floor_per_kb,
        oldest_ms: pool
            .oldest_ms
            .map(|oldest| inputs.at.unix_ms.saturating_sub(oldest.get())),
        evicted_per_min: last_minute(&memory.evicted),
        refused_per_min: last_minute(&memory.refused),
        next_block_txs,
        next_block_bytes,
        accepted_total: pool.admitted,
    }
}

/// What the next block would take, where that is certain: everything, as long as it fits; or as many
/// as a block may hold, if even all bytes would fit.
fn next_block(pool: &PoolStats, known: &Known) -> (Option<u32>, Option<u64>) {
    let (txs, bytes) = (pool.count as u64, pool.bytes);
    let (txs_max, bytes_max) = (known.params.max_block_txs, known.params.max_block_bytes);
    if bytes > bytes_max {
        return (None, None);
    }
    let taken = u32::try_from(txs.min(txs_max)).ok();
    (taken, (txs <= txs_max).then_some(bytes))
}

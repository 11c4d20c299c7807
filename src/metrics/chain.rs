//! The chain: heights, blocks, and how long a transaction waits until it is final.

use super::{
    kinds::{Counter, CounterBy, FloatGauge, Gauge, Histogram},
    labels::BlockSource,
    register::Registrar,
};

/// Seconds from acceptance to finality; the goal is 0.1 at p95.
pub(super) const FINALITY_BUCKETS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
/// Bytes of one block; the limit is 4 MB.
const SIZE_BUCKETS: &[f64] = &[1e3, 1e4, 1e5, 2.5e5, 5e5, 1e6, 2e6, 4e6];
/// Transactions of one block; the limit is 20 000.
const COUNT_BUCKETS: &[f64] = &[0.0, 1.0, 10.0, 100.0, 500.0, 1000.0, 5000.0, 20000.0];
/// Seconds between two blocks.
const INTERVAL_BUCKETS: &[f64] = &[0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0, 60.0, 600.0];

/// Heights, blocks, transactions made final.
#[derive(Debug)]
pub struct ChainMetrics {
    /// `timed_chain_finalized_height`.
    pub finalized_height: Gauge,
    /// `timed_chain_last_block_timestamp_seconds`: the block's own timestamp.
    pub last_block_timestamp_seconds: FloatGauge,
    /// `timed_chain_blocks_behind`.
    pub blocks_behind: Gauge,
    /// `timed_blocks_applied_total`.
    pub blocks_applied: CounterBy<BlockSource>,
    /// `timed_blocks_produced_total`: final blocks that this node proposed.
    pub blocks_produced: Counter,
    /// `timed_block_size_bytes`.
    pub block_size_bytes: Histogram,
    /// `timed_block_transactions`.
    pub block_transactions: Histogram,
    /// `timed_block_interval_seconds`.
    pub block_interval_seconds: Histogram,
    /// `timed_transactions_finalized_total`.
    pub transactions_finalized: Counter,
    /// `timed_finality_seconds`: from acceptance here to final here.
    pub finality_seconds: Histogram,
    /// `timed_utxo_entries`.
    pub utxo_entries: Gauge,
    /// `timed_supply_coins`.
    pub supply_coins: FloatGauge,
}

impl ChainMetrics {
    pub(super) fn register(registrar: &mut Registrar) -> Self {
        Self {
            finalized_height: registrar
                .gauge("timed_chain_finalized_height", "Height of the last final block"),
            last_block_timestamp_seconds: registrar.float_gauge(
                "timed_chain_last_block_timestamp_seconds",
                "Timestamp of the last final block, as Unix time",
            ),
            blocks_behind: registrar.gauge(
                "timed_chain_blocks_behind",
                "Blocks between this node and the best height that peers report",
            ),
            blocks_applied: registrar.counter_by(
                "timed_blocks_applied_total",
                "Final blocks applied, by where they came from",
            ),
            blocks_produced: registrar.counter(
                "timed_blocks_produced_total",
                "Final blocks that this node proposed",
            ),
            block_size_bytes: registrar.histogram(
                "timed_block_size_bytes",
                "Size of final blocks",
                SIZE_BUCKETS,
            ),
            block_transactions: registrar.histogram(
                "timed_block_transactions",
                "Transactions in final blocks",
                COUNT_BUCKETS,
            ),
            block_interval_seconds: registrar.histogram(
                "timed_block_interval_seconds",
                "Time between two final blocks",
                INTERVAL_BUCKETS,
            ),
            transactions_finalized: registrar.counter(
                "timed_transactions_finalized_total",
                "Transactions in final blocks",
            ),
            finality_seconds: registrar.histogram(
                "timed_finality_seconds",
                "Time from the acceptance of a transaction here until its block was final here",
                FINALITY_BUCKETS,
            ),
            utxo_entries: registrar.gauge("timed_utxo_entries", "Unspent outputs in the state"),
            supply_coins: registrar.float_gauge("timed_supply_coins", "All money that there is, in TIME"),
        }
    }
}

//! What waits for a block, and what was turned away.

use super::{
    kinds::{Counter, CounterBy, FloatGauge, Gauge},
    labels::RejectReason,
    register::Registrar,
};

/// What waits.
#[derive(Debug)]
pub struct MempoolMetrics {
    /// `timed_mempool_txs`.
    pub txs: Gauge,
    /// `timed_mempool_bytes`: estimated heap.
    pub bytes: Gauge,
    /// `timed_mempool_limit_txs`.
    pub limit_txs: Gauge,
    /// `timed_mempool_limit_bytes`.
    pub limit_bytes: Gauge,
    /// `timed_mempool_oldest_age_seconds`.
    pub oldest_age_seconds: FloatGauge,
    /// `timed_mempool_accepted_total`.
    pub accepted: Counter,
    /// `timed_mempool_rejected_total`.
    pub rejected: CounterBy<RejectReason>,
}

impl MempoolMetrics {
    pub(super) fn register(registrar: &mut Registrar) -> Self {
        Self {
            txs: registrar.gauge("timed_mempool_txs", "Transactions that wait"),
            bytes: registrar.gauge("timed_mempool_bytes", "Estimated memory of the pool"),
            limit_txs: registrar.gauge("timed_mempool_limit_txs", "Most transactions the pool holds"),
            limit_bytes: registrar.gauge("timed_mempool_limit_bytes", "Most memory the pool takes"),
            oldest_age_seconds: registrar.float_gauge(
                "timed_mempool_oldest_age_seconds",
                "Age of the transaction that has waited longest; 0 when none waits",
            ),
            accepted: registrar.counter("timed_mempool_accepted_total", "Transactions accepted"),
            rejected: registrar.counter_by("timed_mempool_rejected_total", "Transactions refused, by why"),
        }
    }
}

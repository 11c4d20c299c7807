//! What is remembered, and how the node catches up.

use super::{
    kinds::{Counter, CounterBy, Gauge, Histogram},
    labels::{CacheResult, StorageOp, SyncResult},
    register::Registrar,
};

/// Seconds of one flush.
const WRITE_BUCKETS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Database, disk, catching up.
#[derive(Debug)]
pub struct StorageMetrics {
    /// `timed_storage_size_bytes`.
    pub size_bytes: Gauge,
    /// `timed_storage_flush_duration_seconds`.
    pub flush_seconds: Histogram,
    /// `timed_storage_errors_total`.
    pub errors: CounterBy<StorageOp>,
    /// `timed_storage_cache_requests_total`.
    pub cache_requests: CounterBy<CacheResult>,
    /// `timed_storage_unflushed_blocks`.
    pub unflushed_blocks: Gauge,
    /// `timed_disk_free_bytes`.
    pub disk_free_bytes: Gauge,
    /// `timed_disk_size_bytes`.
    pub disk_size_bytes: Gauge,
    /// `timed_sync_active`.
    pub sync_active: Gauge,
    /// `timed_sync_target_height`.
    pub sync_target_height: Gauge,
    /// `timed_sync_requests_total`.
    pub sync_requests: CounterBy<SyncResult>,
    /// `timed_sync_blocks_total`.
    pub sync_blocks: Counter,
}

impl StorageMetrics {
    pub(super) fn register(registrar: &mut Registrar) -> Self {
        Self {
            size_bytes: registrar.gauge("timed_storage_size_bytes", "Size of the database on disk"),
            flush_seconds: registrar.histogram(
                "timed_storage_flush_duration_seconds",
                "Time of one flush of the state to the database",
                WRITE_BUCKETS,
            ),
            errors: registrar.counter_by("timed_storage_errors_total", "Database errors, by operation"),
            cache_requests: registrar.counter_by(
                "timed_storage_cache_requests_total",
                "Reads of unspent outputs, by whether the cache had them",
            ),
            unflushed_blocks: registrar.gauge(
                "timed_storage_unflushed_blocks",
                "Final blocks that are in the consensus log but not yet in the database",
            ),
            disk_free_bytes: registrar.gauge("timed_disk_free_bytes", "Free space under the data directory"),
            disk_size_bytes: registrar.gauge("timed_disk_size_bytes", "Size of that file system"),
            sync_active: registrar.gauge("timed_sync_active", "1 while the node catches up"),
            sync_target_height: registrar.gauge("timed_sync_target_height", "Height it catches up to"),
            sync_requests: registrar.counter_by(
                "timed_sync_requests_total",
                "Requests for blocks, by how they ended",
            ),
            sync_blocks: registrar.counter("timed_sync_blocks_total", "Blocks received by catching up"),
        }
    }
}

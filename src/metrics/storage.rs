//! What is remembered, and how the node catches up.

use super::{kinds::Gauge, register::Registrar};

/// Database, disk, catching up.
#[derive(Debug)]
pub struct StorageMetrics {
    /// `timed_storage_size_bytes`.
    pub size_bytes: Gauge,
    /// `timed_disk_free_bytes`.
    pub disk_free_bytes: Gauge,
    /// `timed_disk_size_bytes`.
    pub disk_size_bytes: Gauge,
    /// `timed_sync_active`.
    pub sync_active: Gauge,
    /// `timed_sync_target_height`.
    pub sync_target_height: Gauge,
    /// `timed_backfill_blocks_left`.
    pub backfill_blocks_left: Gauge,
}

impl StorageMetrics {
    pub(super) fn register(registrar: &mut Registrar) -> Self {
        Self {
            size_bytes: registrar.gauge("timed_storage_size_bytes", "Size of the database on disk"),
            disk_free_bytes: registrar.gauge("timed_disk_free_bytes", "Free space under the data directory"),
            disk_size_bytes: registrar.gauge("timed_disk_size_bytes", "Size of that file system"),
            sync_active: registrar.gauge("timed_sync_active", "1 while the node catches up"),
            sync_target_height: registrar.gauge("timed_sync_target_height", "Height it catches up to"),
            backfill_blocks_left: registrar.gauge(
                "timed_backfill_blocks_left",
                "Blocks below a snapshot that are still to be fetched; 0 if none are, or none are asked for",
            ),
        }
    }
}

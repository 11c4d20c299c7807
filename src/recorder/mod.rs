//! The flight recorder: what a node showed of itself, kept for a day, so that what happened at 03:12
//! can be looked at in the morning or sent to somebody else as one file.
//!
//! A thread of its own takes the newest snapshot once a second and the events since, and appends them
//! to segments of a fixed size. Two tapes run side by side: the fine one keeps every second as long
//! as its bytes last, the coarse one keeps fewer snapshots and the events that matter for the whole
//! day. Both drop their oldest segment for a new one, so the directory never grows over its limit.
//!
//! A snapshot is kept section by section, each compressed against what it was before; every minute
//! one stands for itself, so that any moment is found without reading from the beginning. Every record
//! has a checksum. What a crash tore is cut off at the next start. Nothing here is synced: a recording
//! may lose its last seconds with the machine's power, and must never make a validator wait for its
//! disk. An error of the disk is told once and tried again later; the node does not notice.

mod error;
mod export;
mod record;
mod recording;
mod sections;
mod tape;
mod task;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use error::RecorderError;
pub use export::export;
pub use recording::{Mark, Moments, Recording};
pub use task::Recorder;
#[cfg(test)]
pub(crate) use task::record;

/// Name of the recorder's directory in a data directory.
pub const DIRECTORY: &str = "recorder";
/// The least size of a recording: below it a segment would be too small to hold a minute.
pub const SIZE_MB_MIN: u64 = 8;

/// The `[recorder]` section of the config.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether the node records itself.
    pub enabled: bool,
    /// Most space the recording takes, in millions of bytes.
    pub size_mb: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            size_mb: 64,
        }
    }
}

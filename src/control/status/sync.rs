//! How the node catches up.

use serde::{Deserialize, Serialize};

use crate::crypto::PublicKey;

/// What catching up does now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncState {
    /// No peer has told a height yet.
    #[default]
    Discovering,
    /// Fetching blocks.
    Blocks,
    /// At the tip that peers show.
    AtTip,
    /// Behind, and nobody to fetch from.
    NoSource,
}

impl SyncState {
    /// The word on screen.
    pub fn word(self) -> &'static str {
        match self {
            SyncState::Discovering => "discovering",
            SyncState::Blocks => "fetching blocks",
            SyncState::AtTip => "at tip",
            SyncState::NoSource => "no source",
        }
    }
}

/// Catching up as a whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SyncStatus {
    /// What it does now.
    pub state: SyncState,
    /// True while too far behind to vote (docs/CONSENSUS.md §7).
    pub syncing: bool,
    /// The highest height with a certificate that was seen.
    pub target: Option<u64>,
    /// Target minus own height.
    pub blocks_behind: u64,
    /// The height at which this catch-up began.
    pub from: u64,
    /// Blocks per second over the last seconds.
    pub blocks_per_s: Option<f32>,
    /// Bytes per second over the last seconds.
    pub bytes_per_s: Option<u64>,
    /// Time left at this rate.
    pub eta_ms: Option<u64>,
    /// Blocks per second of the last minute, oldest first, at most 60.
    pub rate_history: Vec<u32>,
    /// Whom blocks are asked from, ascending by node id.
    pub sources: Vec<SyncSource>,
}

/// One peer that blocks are asked from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SyncSource {
    /// Its network key.
    pub id: PublicKey,
    /// Its name, where known.
    pub name: Option<String>,
    /// The heights asked for now, both ends included.
    pub range: Option<(u64, u64)>,
    /// Blocks per second it delivered lately.
    pub blocks_per_s: Option<f32>,
    /// Requests that failed.
    pub errors: u32,
}

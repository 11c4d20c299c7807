//! How the node catches up.

use serde::{Deserialize, Serialize};

use super::super::words::grouped;
use crate::crypto::PublicKey;

/// What catching up does now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncState {
    /// No peer has told a height yet.
    #[default]
    WaitingPeers,
    /// Peers claim more than we have; they are asked to prove it.
    Sampling,
    /// Fetching pages of a snapshot.
    Snapshot,
    /// Fetching blocks, many at once.
    Blocks,
    /// The last few blocks, one after the other.
    CatchUp,
    /// At the tip that peers prove.
    Synced,
    /// Behind, and it does not go on; [`SyncStatus::stalled_because`] says why.
    Stalled,
    /// Two certificates at one height, or a block that gives another state here: a human chooses.
    Halted,
}

impl SyncState {
    /// The word on screen.
    pub fn word(self) -> &'static str {
        match self {
            SyncState::WaitingPeers => "waiting for peers",
            SyncState::Sampling => "asking peers",
            SyncState::Snapshot => "fetching a snapshot",
            SyncState::Blocks => "fetching blocks",
            SyncState::CatchUp => "catching up",
            SyncState::Synced => "at tip",
            SyncState::Stalled => "stalled",
            SyncState::Halted => "halted",
        }
    }

    /// True while blocks or pages are on their way.
    pub fn is_moving(self) -> bool {
        matches!(self, SyncState::Snapshot | SyncState::Blocks | SyncState::CatchUp)
    }
}

/// Catching up as a whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SyncStatus {
    /// What it does now.
    pub state: SyncState,
    /// Why it does not go on, with the height that is missing; empty unless stalled or halted.
    #[serde(default)]
    pub stalled_because: String,
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
    /// Bytes per second that came in the lane of blocks, over the last seconds; none while not catching up.
    pub bytes_per_s: Option<u64>,
    /// Time left at this rate.
    pub eta_ms: Option<u64>,
    /// Blocks per second of the last minute, oldest first, at most 60.
    pub rate_history: Vec<u32>,
    /// Whom blocks are asked from, ascending by node id.
    pub sources: Vec<SyncSource>,
    /// Ranges asked for and not answered.
    #[serde(default)]
    pub in_flight: u32,
    /// Bytes of blocks that came and wait for those before them.
    #[serde(default)]
    pub buffered_bytes: u64,
    /// Times that a range was also asked of somebody else because its holder was slow.
    #[serde(default)]
    pub stalls: u64,
    /// Pages of the snapshot that came, and all of them; `None` without one.
    #[serde(default)]
    pub snapshot_pages: Option<(u64, u64)>,
    /// The resync under way.
    #[serde(default)]
    pub resync: Option<super::super::ResyncStatus>,
    /// Older blocks that are fetched into a database that began with a snapshot; `None` unless some were
    /// missing at the start of this run and `sync.backfill` is on.
    #[serde(default)]
    pub backfill: Option<BackfillStatus>,
}

/// How far the blocks below a snapshot are here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackfillStatus {
    /// The lowest block that is here; 1 once all are.
    pub lowest: u64,
    /// What it waits for, or why it ended; empty while blocks come and when all are here.
    pub waits_for: String,
}

impl BackfillStatus {
    /// Blocks that are still missing.
    pub fn missing(&self) -> u64 {
        self.lowest.saturating_sub(1)
    }

    /// What an operator reads: how many of the blocks up to `height` are here, and what it waits for.
    pub fn line(&self, height: u64) -> String {
        if self.missing() == 0 {
            return "backfill complete".to_owned();
        }
        let here = height.saturating_sub(self.missing());
        let line = format!("backfill {} of {}", grouped(here), grouped(height));
        match self.waits_for.as_str() {
            "" => line,
            what => format!("{line}, waits for {what}"),
        }
    }
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

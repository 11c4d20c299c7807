//! Rebuilding the chain database beside the old one: what is asked for, what it will cost, how far it is.
//!
//! Keys, consensus log, guard, configuration, bans and address book are never part of it.

use serde::{Deserialize, Serialize};

use super::Moment;

/// Where the new database comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResyncMode {
    /// From the blocks of the old database, each judged again. Needs no peer; the first choice.
    Reindex,
    /// From a snapshot that peers serve, proved by the certificate of its block, then blocks.
    Snapshot,
    /// From the blocks of peers, from genesis on.
    Full,
}

impl ResyncMode {
    /// All modes, the first choice first.
    pub const ALL: [Self; 3] = [Self::Reindex, Self::Snapshot, Self::Full];

    /// The word on the command line, on screen and in the intent file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Reindex => "reindex",
            Self::Snapshot => "snapshot",
            Self::Full => "full",
        }
    }

    /// The mode of that word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.word() == word)
    }

    /// What it does, in a sentence.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Reindex => "judges every block of the old database again; needs no peer",
            Self::Snapshot => "fetches the coins from peers, proved by a certificate, then the newest blocks",
            Self::Full => "fetches every block from peers and judges it again",
        }
    }
}

impl std::fmt::Display for ResyncMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// What a resync would do to this node. A dialog shows it, `--dry-run` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResyncPlan {
    /// The mode.
    pub mode: ResyncMode,
    /// Name of the network: what an operator types to confirm.
    pub network: String,
    /// Height of the old database, which the new one has to reach before it takes its place.
    pub height: u64,
    /// Bytes of the old database.
    pub db_bytes: u64,
    /// Free bytes of its file system.
    pub free_bytes: Option<u64>,
    /// Free bytes that it takes: old and new stand beside each other for a while.
    pub needed_bytes: u64,
    /// How long votes stop at about a rate that was measured; `None`, shown as unknown, without one.
    pub votes_stop_ms: Option<u64>,
    /// Why it cannot be done now, with what to do; `None` if it can.
    pub obstacle: Option<String>,
    /// What follows from it, a sentence each, the gravest first.
    pub consequences: Vec<String>,
}

/// Which step a resync is at. Each is resumed after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResyncStep {
    /// The new database is filled; the old one is whole beside it.
    Building,
    /// The new one is verified and takes the place of the old one.
    Switching,
    /// The old one is deleted.
    Cleaning,
}

impl ResyncStep {
    /// The word on screen.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Building => "building the new database",
            Self::Switching => "switching to the new database",
            Self::Cleaning => "deleting the old database",
        }
    }
}

/// A resync under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResyncStatus {
    /// The mode.
    pub mode: ResyncMode,
    /// The step.
    pub step: ResyncStep,
    /// Height that the new database has to reach.
    pub target: u64,
    /// When this process took it up.
    pub since: Moment,
    /// Pages of the snapshot that came, and all of them; `None` before the first, and without one.
    pub pages: Option<(u64, u64)>,
    /// True until the switch: then the old database can still be gone back to.
    pub can_cancel: bool,
}

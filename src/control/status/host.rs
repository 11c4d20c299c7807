//! What the node uses of its host, whether its loops run, and the verdict for `/health`.

use serde::{Deserialize, Serialize};

/// Figures of the process and its disk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ResourceStatus {
    /// Resident memory.
    pub rss_bytes: Option<u64>,
    /// Share of one core used over the last seconds, in percent (may exceed 100).
    pub cpu_percent: Option<f32>,
    /// CPU time used since the process began.
    pub cpu_ms: Option<u64>,
    /// Free bytes on the data directory's file system.
    pub disk_free_bytes: Option<u64>,
    /// Size of that file system.
    pub disk_size_bytes: Option<u64>,
    /// When it is full if it fills as it did over the last hours; `None` while it does not fill, or
    /// before an hour has been seen.
    pub disk_full_in_ms: Option<u64>,
    /// Open file descriptors.
    pub fds: Option<u32>,
    /// Threads.
    pub threads: Option<u32>,
    /// Bytes of the block database.
    pub db_bytes: Option<u64>,
    /// Bytes of the consensus log.
    pub wal_bytes: Option<u64>,
    /// Median fsync of the consensus log over the last samples.
    pub wal_fsync_p50_us: Option<u64>,
    /// 99th percentile of the same.
    pub wal_fsync_p99_us: Option<u64>,
    /// Log lines that were dropped because their reader was too slow.
    pub log_lines_dropped: u64,
    /// True after a panic in the console thread; the node went on without it.
    pub console_crashed: bool,
}

/// One loop of the node and when it last went round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskTick {
    /// Name of the loop, such as `consensus`.
    pub name: String,
    /// True if the node cannot do its work without it.
    pub critical: bool,
    /// When it last went round, on the monotonic clock.
    pub tick_mono_ms: u64,
}

/// The one word of `/health`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthWord {
    /// All checks hold.
    Ok,
    /// Catching up.
    Syncing,
    /// Works, but something wants attention.
    Degraded,
    /// No quorum: restarting this node would not help.
    Stalled,
    /// Must not go on like this: a loop is stuck or signing stopped for safety.
    Unhealthy,
    /// Not yet through its start.
    #[default]
    Starting,
}

impl HealthWord {
    /// The word in JSON.
    pub fn word(self) -> &'static str {
        match self {
            HealthWord::Ok => "ok",
            HealthWord::Syncing => "syncing",
            HealthWord::Degraded => "degraded",
            HealthWord::Stalled => "stalled",
            HealthWord::Unhealthy => "unhealthy",
            HealthWord::Starting => "starting",
        }
    }
}

/// The verdict: live decides `/health`, ready decides `/ready`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HealthStatus {
    /// The word for people and scripts.
    pub word: HealthWord,
    /// False if a restart or a human is needed: `/health` answers 503.
    pub live: bool,
    /// False if the node cannot serve its purpose now: `/ready` answers 503.
    pub ready: bool,
    /// What was looked at, in a fixed order.
    pub checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Its name, such as `consensus_loop`.
    pub name: String,
    /// Whether it holds.
    pub ok: bool,
    /// What was seen, in words.
    pub detail: String,
    /// When it last changed its verdict, in unix ms; 0 if never.
    pub since_unix_ms: u64,
}

//! The ring of log lines that the Logs screen reads. Telemetry writes it, faces read it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use serde::{Deserialize, Serialize};

use super::{Batch, Ring};

/// How grave a line is, gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// A human must act.
    Error,
    /// A human may wonder.
    Warn,
    /// Outcomes.
    Info,
    /// Steps.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// All of them, gravest first.
    pub const ALL: [LogLevel; 5] = [
        LogLevel::Error,
        LogLevel::Warn,
        LogLevel::Info,
        LogLevel::Debug,
        LogLevel::Trace,
    ];

    /// The word on screen and in a filter.
    pub fn word(self) -> &'static str {
        match self {
            LogLevel::Error => "ERROR",
            LogLevel::Warn => "WARN",
            LogLevel::Info => "INFO",
            LogLevel::Debug => "DEBUG",
            LogLevel::Trace => "TRACE",
        }
    }
}

/// One line. Text may hold anything a peer sent; faces strip it before they draw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Its number in this run, ascending without gaps.
    pub seq: u64,
    /// When, in unix ms.
    pub unix_ms: u64,
    /// How grave.
    pub level: LogLevel,
    /// The room it comes from, such as `timecoin::consensus`.
    pub target: String,
    /// The constant message.
    pub message: String,
    /// Its fields as `name=value`, in the order they were given, spans' fields first.
    pub fields: String,
}

/// The last lines of the log.
#[derive(Debug)]
pub struct LogRing {
    ring: Ring<Arc<LogLine>>,
    /// Lines ever written, by level in the order of [`LogLevel::ALL`].
    counts: [AtomicU64; LogLevel::ALL.len()],
}

impl LogRing {
    /// How many lines are kept: some minutes of a busy node, about 2 MB.
    pub const LINES_MAX: usize = 5_000;

    /// An empty ring.
    pub fn new() -> Self {
        Self {
            ring: Ring::new(Self::LINES_MAX),
            counts: Default::default(),
        }
    }

    /// Appends a line; its `seq` is set here.
    pub fn push(&self, line: LogLine) {
        self.counts[line.level as usize].fetch_add(1, Ordering::Relaxed);
        self.ring.push_with(|seq| Arc::new(LogLine { seq, ..line }));
    }

    /// Up to `limit` lines from `cursor` on.
    pub fn since(&self, cursor: u64, limit: usize) -> Batch<Arc<LogLine>> {
        self.ring.since(cursor, limit)
    }

    /// How many lines of `level` passed the filter since the node started.
    pub fn count(&self, level: LogLevel) -> u64 {
        self.counts[level as usize].load(Ordering::Relaxed)
    }

    /// How many lines were ever written.
    pub fn next(&self) -> u64 {
        self.ring.next()
    }
}

impl Default for LogRing {
    fn default() -> Self {
        Self::new()
    }
}

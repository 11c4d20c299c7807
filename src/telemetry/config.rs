//! The `[log]` section of the config.

use serde::{Deserialize, Serialize};

/// How lines are written to the file and to stderr.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One readable line each.
    #[default]
    Text,
    /// One JSON object each.
    Json,
    /// As text; on stderr with the priorities that the system's journal reads, and without the time.
    Journald,
}

/// What is logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// A level (`error`, `warn`, `info`, `debug`, `trace`) or targets (`info,timecoin::consensus=debug`).
    pub level: String,
    /// `text`, `json` or `journald`; text is `journald` by itself where stderr is the journal.
    pub format: Format,
    /// Daily files kept before the oldest is removed.
    pub files_max: usize,
    /// Millions of bytes that all log files together may take.
    pub size_max_mb: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: Format::Text,
            files_max: 7,
            size_max_mb: 1_000,
        }
    }
}

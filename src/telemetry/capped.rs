//! A rolling log that never takes more than its share of the disk, whatever is logged.
//!
//! The appender rolls by day only; this looks after every megabyte whether all files together have grown
//! beyond the cap, and removes the oldest. If today's file alone has, nothing more is written today: a log
//! that fills the disk stops the validator, one that ends early only annoys.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// Bytes after which is looked again.
const LOOK_EVERY: u64 = 1 << 20;
/// Seconds of a day.
const DAY_S: u64 = 86_400;
/// What every log file's name begins with.
pub(super) const PREFIX: &str = "timed.";

/// A writer into `directory` that keeps all log files there below a size.
pub(super) struct Capped<W> {
    inner: W,
    directory: PathBuf,
    bytes_max: u64,
    /// Bytes given since the last look; at first, enough to look.
    since: u64,
    /// The day on which the cap was reached by one file alone.
    full_on: Option<u64>,
    day: fn() -> u64,
}

impl<W: Write> Capped<W> {
    pub(super) fn new(inner: W, directory: &Path, bytes_max: u64) -> Self {
        Self {
            inner,
            directory: directory.to_owned(),
            bytes_max,
            since: LOOK_EVERY,
            full_on: None,
            day: today,
        }
    }

    /// Makes room, and says whether there is any.
    fn look(&mut self) {
        let mut files = log_files(&self.directory);
        let mut total: u64 = files.iter().map(|(_, bytes)| bytes).sum();
        while total > self.bytes_max && files.len() > 1 {
            let (oldest, bytes) = files.remove(0);
            if fs::remove_file(self.directory.join(oldest)).is_err() {
                break;
            }
            total -= bytes;
        }
        let is_full = total > self.bytes_max;
        if is_full && self.full_on.is_none() {
            // The last thing that is written; whoever reads the file learns why it ends.
            let _ = self
                .inner
                .write_all(b"log files have reached telemetry.size_max_mb: nothing more is written today\n");
        }
        self.full_on = is_full.then(self.day);
    }
}

impl<W: Write> Write for Capped<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.full_on.is_some_and(|day| day != (self.day)()) {
            // A new day has a new file; what was written before is looked at after it has begun.
            self.full_on = None;
            self.since = 0;
        } else if self.since >= LOOK_EVERY {
            self.since = 0;
            self.look();
        }
        self.since += bytes.len() as u64;
        if self.full_on.is_some() {
            return Ok(bytes.len());
        }
        self.inner.write_all(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn today() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs() / DAY_S)
}

/// Log files with their sizes, oldest first: their names hold the day. The link to the newest is none.
fn log_files(directory: &Path) -> Vec<(String, u64)> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut files: Vec<(String, u64)> = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .filter_map(|entry| {
            Some((
                entry.file_name().into_string().ok()?,
                entry.metadata().ok()?.len(),
            ))
        })
        .filter(|(name, _)| name.starts_with(PREFIX) && name.ends_with(".log"))
        .collect();
    files.sort();
    files
}

#[cfg(test)]
pub(super) fn on_day<W: Write>(mut capped: Capped<W>, day: fn() -> u64) -> Capped<W> {
    capped.day = day;
    capped
}

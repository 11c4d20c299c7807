//! What a process uses of the machine, as the kernel tells it in `/proc`.

#[cfg(test)]
mod tests;

use std::{fs, os::unix::fs::MetadataExt, path::Path, time::Duration};

/// Length of a clock tick in `/proc/<pid>/stat`: the kernel fixes it at 1/100 s for user space.
const TICK: Duration = Duration::from_millis(10);
/// A database has a few directories; deeper ones are not ours.
const DEPTH_MAX: usize = 8;

/// Memory and time of one process. Zero where nothing could be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProcessFigures {
    /// Memory it holds now (VmRSS), bytes.
    pub resident_bytes: u64,
    /// The most it ever held (VmHWM), bytes.
    pub resident_peak_bytes: u64,
    /// Time on a core, user and system together.
    pub cpu: Duration,
}

impl ProcessFigures {
    /// Reads the figures of a process.
    pub fn of(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        Self {
            resident_bytes: kib_of(&status, "VmRSS:") * 1024,
            resident_peak_bytes: kib_of(&status, "VmHWM:") * 1024,
            cpu: cpu_of(&stat),
        }
    }
}

/// Open file descriptors of a process; 0 where nothing could be read.
pub(super) fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// Threads of a process; 0 where nothing could be read.
pub(super) fn threads(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

/// The value in KiB of a line of `/proc/<pid>/status`.
fn kib_of(status: &str, key: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix(key)?.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// utime and stime of `/proc/<pid>/stat`: fields 14 and 15, counted behind the name, which may hold
/// spaces and parentheses.
fn cpu_of(stat: &str) -> Duration {
    let Some((_, fields)) = stat.rsplit_once(')') else {
        return Duration::ZERO;
    };
    let ticks: u32 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u32>().ok())
        .sum();
    TICK * ticks
}

/// Bytes that a directory takes on disk, in allocated blocks.
pub(super) fn directory_bytes(path: &Path) -> u64 {
    fn below(path: &Path, depth: usize) -> u64 {
        let Ok(entries) = fs::read_dir(path) else {
            return 0;
        };
        entries
            .flatten()
            .map(|entry| match entry.metadata() {
                Ok(meta) if meta.is_dir() && depth < DEPTH_MAX => below(&entry.path(), depth + 1),
                // st_blocks counts 512 bytes, whatever the file system's own blocks are.
                Ok(meta) => meta.blocks() * 512,
                Err(_) => 0,
            })
            .sum()
    }
    below(path, 0)
}

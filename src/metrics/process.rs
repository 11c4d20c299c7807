//! The process as the kernel sees it, read from `/proc/self` at each scrape.
//!
//! Only `/proc/self` is read: a hardened unit (`ProcSubset=pid`) hides everything else. On a system
//! without it the figures are left out rather than invented.

use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};

use super::register::Registrar;

/// Clock ticks per second in `/proc/self/stat`. Linux shows user space 100 on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;

/// What the kernel says about this process.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ProcessFigures {
    /// User and system time since start.
    pub cpu_seconds: f64,
    /// Resident memory.
    pub resident_bytes: u64,
    /// Address space.
    pub virtual_bytes: u64,
    /// Threads.
    pub threads: u64,
    /// Open file descriptors.
    pub open_fds: u64,
    /// Most file descriptors the process may open (soft limit).
    pub max_fds: u64,
}

impl ProcessFigures {
    /// Reads `/proc/self`; `None` where there is none.
    pub fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let mut figures = Self::parse(&stat, &status, &limits)?;
        figures.open_fds = fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64);
        Some(figures)
    }

    /// All but the descriptor count, from the three files' text.
    pub(super) fn parse(stat: &str, status: &str, limits: &str) -> Option<Self> {
        // The second field is the command in parentheses and may hold spaces, so count from behind it.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |index: usize| fields.get(index)?.parse::<u64>().ok();
        let kilobytes = |name: &str| -> u64 {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
                .unwrap_or(0)
        };
        let max_fds = limits
            .lines()
            .find_map(|line| {
                line.strip_prefix("Max open files")?
                    .split_whitespace()
                    .next()?
                    .parse()
                    .ok()
            })
            .unwrap_or(0);
        Some(Self {
            cpu_seconds: (ticks(11)? + ticks(12)?) as f64 / TICKS_PER_SECOND,
            resident_bytes: kilobytes("VmRSS:") * 1024,
            virtual_bytes: kilobytes("VmSize:") * 1024,
            threads: kilobytes("Threads:"),
            open_fds: 0,
            max_fds,
        })
    }
}

#[derive(Debug)]
struct ProcessCollector {
    start: f64,
}

/// Name, kind, help of what the collector writes, in order.
const DEFINED: &[(&str, &str, &str)] = &[
    (
        "process_cpu_seconds_total",
        "counter",
        "User and system time of this process",
    ),
    ("process_resident_memory_bytes", "gauge", "Resident memory"),
    ("process_virtual_memory_bytes", "gauge", "Address space"),
    ("process_threads", "gauge", "Threads"),
    ("process_open_fds", "gauge", "Open file descriptors"),
    (
        "process_max_fds",
        "gauge",
        "Most file descriptors this process may open",
    ),
    (
        "process_start_time_seconds",
        "gauge",
        "When this process started, as Unix time",
    ),
];

pub(super) fn register(registrar: &mut Registrar) {
    let start = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64());
    registrar.collector(ProcessCollector { start }, DEFINED);
}

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Some(figures) = ProcessFigures::read() else {
            return Ok(());
        };
        let gauges = [
            figures.resident_bytes,
            figures.virtual_bytes,
            figures.threads,
            figures.open_fds,
            figures.max_fds,
        ];
        for (index, (name, _, help)) in DEFINED.iter().enumerate() {
            match index {
                0 => write(
                    &mut encoder,
                    name.trim_end_matches("_total"),
                    help,
                    &ConstCounter::new(figures.cpu_seconds),
                )?,
                6 => write(&mut encoder, name, help, &ConstGauge::new(self.start))?,
                gauge => write(&mut encoder, name, help, &ConstGauge::new(gauges[gauge - 1]))?,
            }
        }
        Ok(())
    }
}

fn write(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    metric: &impl EncodeMetric,
) -> Result<(), std::fmt::Error> {
    // The registry ends a help text with a full stop; a collector has to do so itself.
    let help = format!("{help}.");
    let encoder = encoder.encode_descriptor(name, &help, None, metric.metric_type())?;
    metric.encode(encoder)
}

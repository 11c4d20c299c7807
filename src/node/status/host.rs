//! What the node uses of its host. Reading it blocks, so it is read on a thread for that, and the
//! last figures stand ready for everybody else.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;

use crate::{
    control::{Clock, ResourceStatus},
    metrics::ProcessFigures,
    storage::Store,
};

use super::super::spawner::Tasks;

/// How often the process is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// Disk and databases are looked at each time this many looks have passed.
const DISK_EVERY: u64 = 5;
/// Free space is remembered each time this long has passed, for this many times: a day.
const SPACE_EVERY_MS: u64 = 10 * 60_000;
const SPACE_SAMPLES_MAX: usize = 144;
/// Less than this says nothing about a rate.
const SPACE_SPAN_MIN_MS: u64 = 60 * 60_000;
/// CPU use is the average over this many looks.
const CPU_SAMPLES_MAX: usize = 3;

/// The figures of the host.
pub(in crate::node) struct Host {
    clock: Clock,
    data_dir: PathBuf,
    store: Arc<Store>,
    newest: ArcSwap<ResourceStatus>,
    /// When the database's writer last had nothing to do, or got on with it.
    storage_ms: AtomicU64,
    sampler: Mutex<Sampler>,
}

#[derive(Debug, Default)]
struct Sampler {
    looks: u64,
    /// (when in ms, CPU time in ms), oldest first.
    cpu: VecDeque<(u64, u64)>,
    flushed: Option<u64>,
    disk: ResourceStatus,
    space: Space,
}

/// How fast the disk fills: what was free over the last day.
#[derive(Debug, Default)]
pub(super) struct Space {
    /// (millisecond, free bytes), ascending.
    samples: VecDeque<(u64, u64)>,
}

impl Space {
    pub(super) fn observe(&mut self, now_ms: u64, free: u64) {
        let is_due = |(last, _): &(u64, u64)| now_ms.saturating_sub(*last) >= SPACE_EVERY_MS;
        if self.samples.back().is_none_or(is_due) {
            self.samples.push_back((now_ms, free));
        }
        if self.samples.len() > SPACE_SAMPLES_MAX {
            self.samples.pop_front();
        }
    }

    /// Milliseconds until nothing is left of `free`, if it goes on as since the oldest sample.
    pub(super) fn full_in_ms(&self, now_ms: u64, free: u64) -> Option<u64> {
        let (then_ms, before) = *self.samples.front()?;
        let passed_ms = now_ms
            .checked_sub(then_ms)
            .filter(|passed| *passed >= SPACE_SPAN_MIN_MS)?;
        let taken = before.checked_sub(free).filter(|taken| *taken > 0)?;
        u64::try_from(u128::from(free) * u128::from(passed_ms) / u128::from(taken)).ok()
    }
}

impl Host {
    /// The first figures are read at once, which blocks.
    pub(in crate::node) fn new(clock: Clock, data_dir: PathBuf, store: Arc<Store>) -> Self {
        let host = Self {
            clock,
            data_dir,
            store,
            newest: ArcSwap::default(),
            storage_ms: AtomicU64::new(clock.now().mono_ms),
            sampler: Mutex::default(),
        };
        host.look();
        host
    }

    /// Keeps the figures fresh.
    pub(in crate::node) async fn watch(self: Arc<Self>, tasks: Arc<Tasks>) {
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            let this = Arc::clone(&self);
            if tasks.blocking(move || this.look()).await.is_none() {
                return;
            }
        }
    }

    /// The last figures.
    pub(super) fn figures(&self) -> Arc<ResourceStatus> {
        self.newest.load_full()
    }

    /// When the database was last known to get on, in ms.
    pub(super) fn storage_ms(&self) -> u64 {
        self.storage_ms.load(Ordering::Relaxed)
    }

    fn look(&self) {
        let mut sampler = self.sampler.lock().unwrap_or_else(PoisonError::into_inner);
        let now_ms = self.clock.now().mono_ms;
        self.look_at_storage(&mut sampler, now_ms);
        sampler.looks += 1;
        let mut figures = sampler.disk.clone();
        if let Some(process) = ProcessFigures::read() {
            let cpu_ms = (process.cpu_seconds * 1000.0) as u64;
            figures.rss_bytes = Some(process.resident_bytes);
            figures.cpu_ms = Some(cpu_ms);
            figures.cpu_percent = sampler.cpu_percent(now_ms, cpu_ms);
            figures.fds = u32::try_from(process.open_fds).ok();
            figures.threads = u32::try_from(process.threads).ok();
        }
        self.newest.store(Arc::new(figures));
    }

    fn look_at_storage(&self, sampler: &mut Sampler, now_ms: u64) {
        if let Ok(stats) = self.store.stats() {
            let flushed = Some(stats.flushed_height.get());
            if stats.pending_blocks == 0 || sampler.flushed != flushed {
                self.storage_ms.store(now_ms, Ordering::Relaxed);
            }
            sampler.flushed = flushed;
            sampler.disk.db_bytes = Some(stats.size_bytes);
        }
        if sampler.looks.is_multiple_of(DISK_EVERY) {
            let volume = rustix::fs::statvfs(&self.data_dir).ok();
            let bytes = volume.map(|volume| {
                (
                    volume.f_bavail * volume.f_frsize,
                    volume.f_blocks * volume.f_frsize,
                )
            });
            sampler.disk.disk_free_bytes = bytes.map(|(free, _)| free);
            sampler.disk.disk_size_bytes = bytes.map(|(_, size)| size);
            sampler.disk.disk_full_in_ms = bytes.and_then(|(free, _)| {
                sampler.space.observe(now_ms, free);
                sampler.space.full_in_ms(now_ms, free)
            });
            sampler.disk.wal_bytes = bytes_in(&self.data_dir.join("consensus"));
        }
    }
}

impl Sampler {
    /// Share of one core since the oldest sample.
    fn cpu_percent(&mut self, now_ms: u64, cpu_ms: u64) -> Option<f32> {
        let percent = self.cpu.front().and_then(|(then_ms, before_ms)| {
            let passed_ms = now_ms.checked_sub(*then_ms).filter(|passed| *passed > 0)?;
            Some(cpu_ms.saturating_sub(*before_ms) as f32 * 100.0 / passed_ms as f32)
        });
        self.cpu.push_back((now_ms, cpu_ms));
        if self.cpu.len() > CPU_SAMPLES_MAX {
            self.cpu.pop_front();
        }
        percent
    }
}

/// Bytes of the files of one directory; `None` if it cannot be read.
fn bytes_in(dir: &Path) -> Option<u64> {
    let files = std::fs::read_dir(dir).ok()?.filter_map(Result::ok);
    Some(
        files
            .filter_map(|file| file.metadata().ok())
            .filter(|meta| meta.is_file())
            .map(|meta| meta.len())
            .sum(),
    )
}

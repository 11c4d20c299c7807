//! The recorder's thread.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::{self, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    Config, RecorderError,
    tape::{Grain, Tape},
};
use crate::control::{Event, EventKind, NodeHandle, Status};

/// How often the newest snapshot is taken.
const EVERY: Duration = Duration::from_secs(1);
/// The least time between two snapshots of the coarse tape.
const COARSE_MIN_MS: u64 = 10_000;
/// The longest: a day of them fits the smallest tape.
const COARSE_MAX_MS: u64 = 300_000;
/// What the coarse tape shall last for.
const DAY_MS: u64 = 86_400_000;
/// Events taken at once.
const EVENTS_MAX: usize = 1_024;
/// After an error of the disk, how long nothing is tried.
const PAUSE: Duration = Duration::from_secs(60);
/// Below this much free space nothing is recorded: a validator needs it more.
const FREE_MIN: u64 = 256 << 20;
/// Of the size, what the fine tape gets of four parts; the coarse one has the rest.
const FINE_PARTS: u64 = 3;

/// A recorder that runs. Dropping it ends it.
#[derive(Debug)]
pub struct Recorder {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Begins to record into `dir`.
    ///
    /// # Errors
    /// [`RecorderError::Thread`] if the system gives no thread. Errors of the disk are told in the log
    /// and tried again: they are no reason not to run.
    pub fn start(config: &Config, dir: PathBuf, node: NodeHandle) -> Result<Self, RecorderError> {
        let bytes_max = config.size_mb.max(super::SIZE_MB_MIN) * 1_000_000;
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || run(&dir, bytes_max, &node, &stopped))
            .map_err(RecorderError::Thread)?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Takes what is there and ends.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the recorder had panicked");
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.end();
    }
}

fn run(dir: &Path, bytes_max: u64, node: &NodeHandle, stopped: &mpsc::Receiver<()>) {
    let mut deck: Option<Deck> = None;
    let mut paused_until: Option<Instant> = None;
    let mut told = false;
    let mut events_from = 0;
    loop {
        let ends = !matches!(stopped.recv_timeout(EVERY), Err(RecvTimeoutError::Timeout));
        let batch = node.events.since(events_from, EVENTS_MAX);
        events_from = batch.next;
        let status = node.status();
        let is_short = status
            .resources
            .disk_free_bytes
            .is_some_and(|free| free < FREE_MIN);
        if paused_until.is_none_or(|until| Instant::now() >= until) && !is_short {
            let recorded = match &mut deck {
                Some(deck) => deck.take(&status, &batch.items),
                None => Deck::open(dir, bytes_max)
                    .and_then(|opened| deck.insert(opened).take(&status, &batch.items)),
            };
            match recorded {
                Ok(()) => {
                    paused_until = None;
                    told = false;
                }
                Err(error) => {
                    // Told once, not every minute for a week.
                    if !std::mem::replace(&mut told, true) {
                        tracing::warn!(%error, "the flight recorder pauses");
                    }
                    deck = None;
                    paused_until = Some(Instant::now() + PAUSE);
                }
            }
        }
        if ends {
            return;
        }
    }
}

/// Records a list of moments, as a running node would have.
///
/// # Errors
/// [`RecorderError::Io`].
#[cfg(test)]
pub(crate) fn record(dir: &Path, moments: &[(Status, Vec<Event>)]) -> Result<(), RecorderError> {
    let mut deck = Deck::open(dir, super::SIZE_MB_MIN * 1_000_000)?;
    moments
        .iter()
        .try_for_each(|(status, events)| deck.take(status, events))
}

/// Both tapes.
#[derive(Debug)]
pub(super) struct Deck {
    fine: Tape,
    coarse: Tape,
    coarse_bytes_max: u64,
    revision: u64,
    /// When the coarse tape last took a snapshot, and how long it waits for the next.
    coarse_at_ms: Option<u64>,
    coarse_every_ms: u64,
    /// What a coarse snapshot takes, on the average of the last ones.
    coarse_bytes: u64,
    kept: Vec<Event>,
}

impl Deck {
    pub(super) fn open(dir: &Path, bytes_max: u64) -> Result<Self, RecorderError> {
        let fine = bytes_max / 4 * FINE_PARTS;
        let coarse = bytes_max - fine;
        Ok(Self {
            fine: Tape::open(dir, Grain::Fine, fine)?,
            coarse: Tape::open(dir, Grain::Coarse, coarse)?,
            coarse_bytes_max: coarse,
            revision: 0,
            coarse_at_ms: None,
            coarse_every_ms: COARSE_MIN_MS,
            coarse_bytes: 0,
            kept: Vec::new(),
        })
    }

    /// Takes the snapshot, if it is a new one, and the events since the last time.
    pub(super) fn take(&mut self, status: &Status, events: &[Event]) -> Result<(), RecorderError> {
        let now = status.at.unix_ms;
        if status.revision != self.revision && status.revision > 0 {
            self.revision = status.revision;
            self.fine.snapshot(status)?;
            let since = self.coarse_at_ms.map_or(u64::MAX, |at| now.abs_diff(at));
            if since >= self.coarse_every_ms {
                let bytes = self.coarse.snapshot(status)?;
                self.coarse_at_ms = Some(now);
                self.pace(bytes);
                self.coarse.events(&std::mem::take(&mut self.kept))?;
            }
        }
        self.kept
            .extend(events.iter().filter(|event| matters(&event.kind)).cloned());
        let over = self.kept.len().saturating_sub(EVENTS_MAX);
        self.kept.drain(..over);
        self.fine.events(events)
    }

    /// How long to wait so that the coarse tape lasts for a day.
    fn pace(&mut self, bytes: u64) {
        self.coarse_bytes = match self.coarse_bytes {
            0 => bytes,
            average => (average * 31 + bytes) / 32,
        };
        let snapshots = (self.coarse_bytes_max / self.coarse_bytes.max(1)).max(1);
        self.coarse_every_ms = (DAY_MS / snapshots).clamp(COARSE_MIN_MS, COARSE_MAX_MS);
    }
}

/// What the coarse tape keeps: everything but the even course of blocks.
fn matters(kind: &EventKind) -> bool {
    !matches!(
        kind,
        EventKind::Proposed { .. } | EventKind::Final { round: 0, .. }
    )
}

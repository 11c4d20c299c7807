//! No place in the code may fill the log alone: each has a number of lines a minute, what is beyond it is left
//! out, and once a minute somebody says how much that was. So whatever an attacker makes a node repeat, the
//! lines that explain it are still there.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tracing::{Event, Level, Metadata, Subscriber, callsite::Identifier};
use tracing_subscriber::{Layer, layer::Context};

/// The time that lines are counted over.
pub(super) const WINDOW: Duration = Duration::from_secs(60);
/// Errors and warnings of one place in that time: each says something that a person should look at.
pub(super) const WARNINGS_MAX: u32 = 60;
/// Routine lines of one place: ten blocks a second have one each.
pub(super) const ROUTINE_MAX: u32 = 1_200;

/// What one place has written lately. There are as many as the code has places that log.
#[derive(Debug)]
struct Site {
    metadata: &'static Metadata<'static>,
    since: Instant,
    lines: u32,
    left_out: u64,
}

/// All places that have written.
#[derive(Debug, Default)]
pub(super) struct CallSites {
    sites: Mutex<HashMap<Identifier, Site>>,
}

/// The most lines of a level; whoever asks for details gets them all, within the size of the log.
fn most(level: Level) -> Option<u32> {
    match level {
        Level::ERROR | Level::WARN => Some(WARNINGS_MAX),
        Level::INFO => Some(ROUTINE_MAX),
        _ => None,
    }
}

impl CallSites {
    /// Whether a line of this place may be written now.
    fn admits(&self, metadata: &'static Metadata<'static>, now: Instant) -> bool {
        let Some(most) = most(*metadata.level()) else {
            return true;
        };
        let mut sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
        let site = sites.entry(metadata.callsite()).or_insert(Site {
            metadata,
            since: now,
            lines: 0,
            left_out: 0,
        });
        if now.duration_since(site.since) >= WINDOW {
            (site.since, site.lines) = (now, 0);
        }
        if site.lines >= most {
            site.left_out += 1;
            return false;
        }
        site.lines += 1;
        true
    }

    /// Says for each place how many of its lines were left out since this was said last.
    pub(super) fn tell(&self) {
        let left_out: Vec<(&'static Metadata<'static>, u64)> = {
            let mut sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
            sites
                .values_mut()
                .filter(|site| site.left_out > 0)
                .map(|site| (site.metadata, std::mem::take(&mut site.left_out)))
                .collect()
        };
        for (metadata, lines) in left_out {
            tracing::warn!(
                lines,
                of = metadata.target(),
                at = metadata.line().unwrap_or(0),
                level = %metadata.level(),
                "log lines of one kind left out: too many a minute"
            );
        }
    }
}

/// The layer that asks.
pub(super) struct Limited(pub(super) std::sync::Arc<CallSites>);

impl<S: Subscriber> Layer<S> for Limited {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        self.0.admits(event.metadata(), Instant::now())
    }
}

/// Tells what was left out, once a minute and at the end.
pub(super) struct Teller {
    /// Closed to end it.
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Teller {
    /// A machine that has no thread left logs without this.
    pub(super) fn start(sites: std::sync::Arc<CallSites>) -> Self {
        let (stop, stopped) = mpsc::channel::<()>();
        let begun = std::thread::Builder::new()
            .name("log-limits".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(WINDOW) == Err(mpsc::RecvTimeoutError::Timeout) {
                    sites.tell();
                }
                sites.tell();
            });
        Self {
            stop: Some(stop),
            thread: begun.ok(),
        }
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

//! The engine's own thread: events in, timers, signatures, effects out.
//!
//! It reads the ledger synchronously and is never awaited by anybody, so a slow disk read can delay
//! consensus but never a runtime worker, and a slow runtime can never delay consensus. Votes have a
//! queue of their own and are always taken first.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use crossbeam_channel::{Receiver, Sender, TryRecvError};

use crate::{
    chain::{Height, History},
    consensus::{Mono, Now, ValidatorSet},
    engine::{Effect, Engine, EngineView, Event},
    metrics::{Metrics, labels::SignResult},
    signer::{Signer, Wish},
    storage::failpoint,
};

use super::{
    clock::NodeClock,
    performer::Work,
    pool_file::{PoolFile, Waiting},
    timers::Timers,
};

/// How often the engine gets a [`Event::Tick`]: ranges are asked for, transactions expire.
const TICK_MS: u64 = 100;
/// A new view is published at most this often; screens draw 4 times a second.
const VIEW_EVERY_MS: u64 = 25;
/// How often what waits is written to its file, if it is not what it was.
const SAVE_EVERY_MS: u64 = 60_000;
/// Bulk events taken in a row before the clock and the vote queue are looked at again.
const BULK_RUN: usize = 8;
/// Iterations between looks at the deadlines while votes keep coming.
const VOTE_RUN: usize = 64;

/// The validator sets that incoming messages are checked under. Published by the driver, read by
/// the verifier.
#[derive(Debug, Clone)]
pub(super) struct Window {
    /// The tip; messages are taken for it (late COMMITs) and the two heights above.
    pub(super) tip: Height,
    /// Set that decided the tip.
    pub(super) before: ValidatorSet,
    /// Set of the height above the tip.
    pub(super) current: ValidatorSet,
    /// Sets of the last periods, which evidence is judged under.
    pub(super) history: Arc<History>,
}

/// What other threads read of the engine.
#[derive(Debug)]
pub(super) struct Shared {
    /// The newest view.
    pub(super) view: ArcSwap<EngineView>,
    /// The lowest fee rate that the pool takes, in units per 1000 bytes.
    pub(super) floor_per_kb: Arc<std::sync::atomic::AtomicU64>,
    /// What the verifier checks under.
    pub(super) window: ArcSwap<Window>,
    /// When the loop last went round, on the node's monotonic clock, in microseconds.
    pub(super) ticked: std::sync::atomic::AtomicU64,
    /// The same of the performer's loop.
    pub(super) performed: Arc<std::sync::atomic::AtomicU64>,
    /// The longest that a timer fired after its deadline since the watchdog last looked, in ms.
    pub(super) late_ms: std::sync::atomic::AtomicU64,
}

/// The thread's state.
pub(super) struct Driver {
    pub(super) engine: Engine,
    pub(super) signer: Option<Arc<dyn Signer>>,
    pub(super) clock: NodeClock,
    pub(super) votes: Receiver<Event>,
    pub(super) bulk: Receiver<Event>,
    pub(super) work: Sender<Work>,
    pub(super) shared: Arc<Shared>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) timers: Timers,
    pub(super) view_at: Mono,
    pub(super) view_is_old: bool,
    pub(super) tick_at: Mono,
    /// Nothing more is taken.
    pub(super) stopping: bool,
    /// Where the pool is kept over a restart.
    pub(super) pool_file: Arc<PoolFile>,
    /// Takes what waits to whoever writes it, with its number.
    pub(super) pool_saves: tokio::sync::mpsc::Sender<(u64, Waiting)>,
    /// The last one was not written.
    pub(super) pool_save_failed: Arc<AtomicBool>,
    pub(super) saved: SavedState,
}

/// What of the pool is in its file.
#[derive(Debug, Default)]
pub(super) struct SavedState {
    at: Mono,
    /// Number of the state handed over last.
    number: u64,
    edition: (u64, usize),
}

impl Driver {
    /// Runs until [`Event::Stop`] was taken and both queues are closed or drained.
    pub(super) fn run(mut self) {
        let now = self.clock.now();
        let effects = self.engine.start(now);
        self.perform(effects);
        while !self.stopping {
            failpoint::stop_if_asked();
            let now = self.clock.now();
            self.shared
                .ticked
                .store(now.mono.micros(), std::sync::atomic::Ordering::Relaxed);
            self.fire_due(now);
            let Some(event) = self.next_event() else { break };
            if let Some(event) = event {
                self.handle(event);
            }
            for _ in 0..VOTE_RUN {
                let Ok(event) = self.votes.try_recv() else { break };
                self.handle(event);
            }
            for _ in 0..BULK_RUN {
                if !self.votes.is_empty() {
                    break;
                }
                let Ok(event) = self.bulk.try_recv() else { break };
                self.handle(event);
            }
            self.publish();
            self.save_pool_if_due();
        }
        self.view_is_old = true;
        self.view_at = Mono::default();
        self.publish();
        self.save_pool();
    }

    fn waiting(&self) -> Waiting {
        let waiting = self.engine.pool().waiting();
        waiting
            .map(|(transaction, since)| ((**transaction).clone(), since))
            .collect()
    }

    /// Hands what waits to whoever writes files. Each is a handle, so this takes a moment and no more.
    fn save_pool_if_due(&mut self) {
        let now = self.clock.now().mono;
        if now.ms_since(self.saved.at) < SAVE_EVERY_MS {
            return;
        }
        self.saved.at = now;
        let edition = self.engine.pool().edition();
        if edition == self.saved.edition && !self.pool_save_failed.swap(false, Ordering::Relaxed) {
            return;
        }
        let number = self.saved.number + 1;
        // Full: the one before is being written still, and this one comes in its turn.
        if self.pool_saves.try_send((number, self.waiting())).is_ok() {
            (self.saved.number, self.saved.edition) = (number, edition);
        }
    }

    fn save_pool(&self) {
        let path = self.pool_file.path().display();
        match self.pool_file.save(self.saved.number + 1, &self.waiting()) {
            Ok(transactions) => tracing::info!(transactions, "pool saved for the next start"),
            Err(error) => tracing::warn!(%error, %path, "pool not saved: it starts as it was a minute ago"),
        }
    }

    fn fire_due(&mut self, now: Now) {
        while let Some((at, timer)) = self.timers.pop_due(now.mono) {
            let late_ms = now.mono.ms_since(at);
            self.shared
                .late_ms
                .fetch_max(late_ms, std::sync::atomic::Ordering::Relaxed);
            self.handle(Event::Timer(timer));
        }
        if now.mono >= self.tick_at {
            self.tick_at = now.mono.plus_ms(TICK_MS);
            self.handle(Event::Tick);
            self.view_is_old = true;
        }
    }

    /// The next event, votes first. `Some(None)`: a deadline came first. `None`: nobody is left who
    /// could send any.
    fn next_event(&mut self) -> Option<Option<Event>> {
        match self.votes.try_recv() {
            Ok(event) => return Some(Some(event)),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => {}
        }
        if let Ok(event) = self.bulk.try_recv() {
            return Some(Some(event));
        }
        let mut wake = self
            .timers
            .next()
            .map_or(self.tick_at, |next| next.min(self.tick_at));
        if self.view_is_old {
            wake = wake.min(self.view_at.plus_ms(VIEW_EVERY_MS));
        }
        let wait = Duration::from_micros(wake.micros_since(self.clock.now().mono));
        let mut select = crossbeam_channel::Select::new();
        select.recv(&self.votes);
        select.recv(&self.bulk);
        match select.ready_timeout(wait) {
            Ok(_) => Some(self.votes.try_recv().or_else(|_| self.bulk.try_recv()).ok()),
            Err(crossbeam_channel::ReadyTimeoutError) => Some(None),
        }
    }

    fn handle(&mut self, event: Event) {
        self.stopping |= matches!(event, Event::Stop);
        let before = self.engine.tip();
        let effects = self.engine.step(self.clock.now(), event);
        self.perform(effects);
        if self.engine.tip() != before {
            self.timers.forget_through(self.engine.tip());
        }
        self.view_is_old = true;
    }

    /// Signs and sets timers here; everything else goes to the performer, in order.
    fn perform(&mut self, effects: Vec<Effect>) {
        let mut queue = std::collections::VecDeque::from(effects);
        let mut group = Vec::with_capacity(queue.len());
        while let Some(effect) = queue.pop_front() {
            match effect {
                Effect::Sign { request, statement } => {
                    let started = self.clock.now().mono;
                    let signature =
                        self.signer.as_ref().and_then(|signer| match signer.sign(&Wish::Vote(statement)) {
                            Ok(signature) => Some(signature),
                            Err(error) => {
                                tracing::error!(%error, "consensus signer did not sign; this vote is skipped");
                                None
                            }
                        });
                    let now = self.clock.now();
                    let took_us = now.mono.micros_since(started);
                    self.metrics
                        .consensus
                        .signer_seconds
                        .observe(took_us as f64 / 1e6);
                    self.metrics
                        .consensus
                        .signer_requests
                        .inc(if signature.is_some() {
                            SignResult::Ok
                        } else {
                            SignResult::Error
                        });
                    queue.extend(self.engine.step(now, Event::Signed { request, signature }));
                }
                Effect::SetTimer { timer, at } => self.timers.set(timer, at),
                other => group.push(other),
            }
        }
        self.refresh_window();
        if !group.is_empty() && self.work.send(Work::Effects(group)).is_err() {
            // The performer ended first only if it failed; it has said why.
            self.stopping = true;
        }
    }

    fn refresh_window(&self) {
        let tip = self.engine.tip();
        let known = self.shared.window.load();
        if known.tip != tip {
            let current = self.engine.validators().clone();
            let before = self.engine.validators_of_tip().clone();
            let history = Arc::clone(self.engine.history());
            self.shared.window.store(Arc::new(Window {
                tip,
                before,
                current,
                history,
            }));
        }
    }

    fn publish(&mut self) {
        let now = self.clock.now();
        if self.view_is_old && now.mono >= self.view_at.plus_ms(VIEW_EVERY_MS) {
            self.view_at = now.mono;
            self.view_is_old = false;
            self.shared.floor_per_kb.store(
                self.engine.pool().floor_per_kb(),
                std::sync::atomic::Ordering::Relaxed,
            );
            self.shared.view.store(Arc::new(self.engine.view(now)));
        }
    }
}

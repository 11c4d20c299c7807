//! The watchdog: every 5 s it verifies that no deadline of consensus was missed. It drives nothing:
//! exact deadlines do (docs/CONSENSUS.md §5). What it finds is counted, logged and raises an alarm.
//!
//! It has a thread of its own, so that whatever stalls the engine or the runtime does not stall it.

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use crate::{
    chain::Height,
    consensus::{Mono, Phase, Round, WaitingFor},
    control::WatchdogStatus,
    engine::EngineView,
    metrics::Metrics,
};

use super::{clock::NodeClock, driver::Shared};

/// How often it looks.
const EVERY: Duration = Duration::from_secs(5);
/// A deadline served later than this was missed: well below any T0 of a profile that people wait
/// for, well above what a loaded host's scheduler takes.
const LATE_MS: u64 = 250;
/// The engine and its performer go round several times a second; one that has not for this long is
/// stuck.
const STUCK_MS: u64 = 5_000;

/// What the watchdog has found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    status: Mutex<WatchdogStatus>,
}

impl Findings {
    pub(super) fn status(&self) -> WatchdogStatus {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The watchdog.
pub(super) struct Watchdog {
    clock: NodeClock,
    shared: Arc<Shared>,
    metrics: Arc<Metrics>,
    findings: Arc<Findings>,
    memory: Memory,
}

/// What was reported already, so that one missed deadline is counted once.
#[derive(Debug, Default)]
struct Memory {
    round: Option<(Height, Round)>,
    due: Option<Height>,
    /// A deadline was reported while the engine stood still: the timer will say so again when it
    /// fires at last.
    expects_late: bool,
    is_engine_stuck: bool,
    is_performer_stuck: bool,
}

/// A deadline that was missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Missed {
    what: &'static str,
    late_ms: u64,
}

/// What it looks at.
#[derive(Debug, Clone, Copy)]
struct Sight<'a> {
    now: Mono,
    view: &'a EngineView,
    /// The latest that a timer fired since the last look.
    late_ms: u64,
}

impl Watchdog {
    pub(super) fn new(
        clock: NodeClock,
        shared: Arc<Shared>,
        metrics: Arc<Metrics>,
        findings: Arc<Findings>,
    ) -> Self {
        Self {
            clock,
            shared,
            metrics,
            findings,
            memory: Memory::default(),
        }
    }

    /// Runs on its own thread until `stop` is closed or gets anything.
    pub(super) fn run(mut self, stop: &Receiver<()>) {
        while stop.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
            self.look();
        }
    }

    fn look(&mut self) {
        let view = self.shared.view.load_full();
        let sight = Sight {
            now: self.clock.mono(),
            view: &view,
            late_ms: self.shared.late_ms.swap(0, Ordering::Relaxed),
        };
        let missed = self.memory.inspect(sight);
        let mut status = self
            .findings
            .status
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        status.checks += 1;
        for found in &missed {
            status.missed_total += 1;
            status.last_missed_mono_ms = Some(self.clock.face_ms(sight.now));
            status.last_late_ms = found.late_ms;
        }
        drop(status);
        for Missed { what, late_ms } in missed {
            self.metrics.consensus.deadlines_missed.inc();
            tracing::error!(
                what,
                late_ms,
                height = view.machine.height.get(),
                round = view.machine.round.get(),
                "consensus deadline missed; is the host overloaded or was it suspended?"
            );
        }
        self.look_at_loops(sight.now);
    }

    fn look_at_loops(&mut self, now: Mono) {
        let age_ms = |micros: u64| now.ms_since(Mono::from_micros(micros));
        let loops = [
            ("engine", &self.shared.ticked, &mut self.memory.is_engine_stuck),
            (
                "performer",
                &*self.shared.performed,
                &mut self.memory.is_performer_stuck,
            ),
        ];
        for (name, tick, was_stuck) in loops {
            let age_ms = age_ms(tick.load(Ordering::Relaxed));
            let is_stuck = age_ms > STUCK_MS;
            match (*was_stuck, is_stuck) {
                (false, true) => {
                    tracing::error!(name, age_ms, "loop does not go round; see /health, and the disk");
                }
                (true, false) => tracing::info!(name, "loop goes round again"),
                (true, true) | (false, false) => {}
            }
            *was_stuck = is_stuck;
        }
    }
}

impl Memory {
    fn inspect(&mut self, sight: Sight<'_>) -> Vec<Missed> {
        let mut missed = Vec::new();
        if sight.late_ms > LATE_MS && !std::mem::take(&mut self.expects_late) {
            missed.push(Missed {
                what: "a timer fired late",
                late_ms: sight.late_ms,
            });
        }
        let machine = &sight.view.machine;
        let is_at_work = !machine.is_syncing
            && !machine.is_halted
            && !sight.view.validators.is_empty()
            && machine.phase != Phase::Finalized
            // With a certificate and no body, nothing else happens at the height meanwhile (R4).
            && !matches!(machine.waiting_for, WaitingFor::Body(_));
        if !is_at_work {
            return missed;
        }
        let place = (machine.height, machine.round);
        if let Some(deadline) = machine
            .deadline
            .filter(|_| machine.is_armed && self.round != Some(place))
            && let Some(late_ms) = self.passed(sight, deadline)
        {
            self.round = Some(place);
            missed.push(Missed {
                what: "the time of a round was up and nothing followed",
                late_ms,
            });
        }
        if !machine.is_due
            && self.due != Some(machine.height)
            && let Some(late_ms) = self.passed(sight, machine.work_at)
        {
            self.due = Some(machine.height);
            missed.push(Missed {
                what: "a block was due and the round was not begun",
                late_ms,
            });
        }
        missed
    }

    /// How long ago a deadline passed that nobody served, by a view that was made after it, or
    /// because no view has been made for too long.
    fn passed(&mut self, sight: Sight<'_>, deadline: Mono) -> Option<u64> {
        let limit = deadline.plus_ms(LATE_MS);
        if sight.view.at > limit {
            return Some(sight.view.at.ms_since(deadline));
        }
        let is_stale = sight.now.ms_since(sight.view.at) > STUCK_MS;
        if is_stale && sight.now > limit {
            self.expects_late = true;
            return Some(sight.now.ms_since(deadline));
        }
        None
    }
}

#[cfg(test)]
mod tests;

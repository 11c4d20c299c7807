//! The engine's deadlines: exact, owned by its thread, one entry per timer.

use std::collections::{BTreeMap, BTreeSet};

use crate::consensus::{Mono, Timer};

/// Deadlines ordered by instant. Setting a timer again moves it.
#[derive(Debug, Default)]
pub(super) struct Timers {
    by_time: BTreeSet<(Mono, Timer)>,
    by_timer: BTreeMap<Timer, Mono>,
}

impl Timers {
    /// Sets or moves a timer.
    pub(super) fn set(&mut self, timer: Timer, at: Mono) {
        if let Some(before) = self.by_timer.insert(timer, at) {
            self.by_time.remove(&(before, timer));
        }
        self.by_time.insert((at, timer));
    }

    /// The next deadline.
    pub(super) fn next(&self) -> Option<Mono> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes one timer that is due.
    pub(super) fn pop_due(&mut self, now: Mono) -> Option<(Mono, Timer)> {
        let (at, timer) = *self.by_time.first()?;
        if at > now {
            return None;
        }
        self.by_time.pop_first();
        self.by_timer.remove(&timer);
        Some((at, timer))
    }

    /// Forgets timers of heights at or below `height`: they can change nothing any more.
    pub(super) fn forget_through(&mut self, height: crate::chain::Height) {
        self.by_time.retain(|(_, timer)| timer.height() > height);
        self.by_timer.retain(|timer, _| timer.height() > height);
    }
}

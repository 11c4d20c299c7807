//! Keep-alive: one ping under way at a time, and what its echoes say about the line.

use std::time::Duration;

use tokio::time::Instant;

/// A ping leaves this long after the last one, if that was answered.
pub const PING_INTERVAL: Duration = Duration::from_secs(10);
/// A ping that is not answered within this is missed.
pub const PONG_DEADLINE: Duration = Duration::from_secs(20);
/// Pings missed in a row that end a session: a dead line is noticed within 40 s.
pub const PINGS_MISSED_MAX: u32 = 2;

/// Smoothed round-trip figures of one session.
#[derive(Debug, Default, Clone)]
pub(super) struct KeepAlive {
    outstanding: Option<(u64, Instant)>,
    last_missed: Option<u64>,
    /// Pings in a row without an answer in time.
    pub(super) missed: u32,
    /// Smoothed round trip, weight 1/8 for the newest, in microseconds.
    pub(super) rtt_us: Option<u64>,
    /// Lowest round trip in microseconds.
    pub(super) rtt_min_us: Option<u64>,
    /// Mean deviation, weight 1/4 for the newest, in microseconds.
    pub(super) jitter_us: u64,
}

/// What the keep-alive wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PingStep {
    /// Send a ping with a fresh nonce.
    Send,
    /// The last ping may still be answered until then.
    Wait(Instant),
    /// The line is dead.
    GiveUp,
}

/// What a pong means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Echo {
    /// Of the ping under way, after this long.
    InTime(Duration),
    /// Of the ping before it: the line lives, but says nothing about its length.
    Late,
    /// Of no ping that we sent.
    Wrong,
}

impl KeepAlive {
    /// What to do now.
    pub(super) fn step(&mut self, now: Instant) -> PingStep {
        if let Some((nonce, sent)) = self.outstanding {
            if now < sent + PONG_DEADLINE {
                return PingStep::Wait(sent + PONG_DEADLINE);
            }
            self.outstanding = None;
            self.last_missed = Some(nonce);
            self.missed += 1;
            if self.missed >= PINGS_MISSED_MAX {
                return PingStep::GiveUp;
            }
        }
        PingStep::Send
    }

    /// Notes that a ping with `nonce` leaves; returns when to look again.
    pub(super) fn sent(&mut self, nonce: u64, now: Instant) -> Instant {
        self.outstanding = Some((nonce, now));
        now + PING_INTERVAL
    }

    /// Takes a pong.
    pub(super) fn pong(&mut self, nonce: u64, now: Instant) -> Echo {
        if self.last_missed == Some(nonce) {
            self.last_missed = None;
            self.missed = 0;
            return Echo::Late;
        }
        let Some((_, sent)) = self.outstanding.filter(|(expected, _)| *expected == nonce) else {
            return Echo::Wrong;
        };
        self.outstanding = None;
        self.missed = 0;
        let rtt = now.saturating_duration_since(sent);
        let us = u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX);
        match self.rtt_us {
            None => self.rtt_us = Some(us),
            Some(smooth) => {
                self.jitter_us = (self.jitter_us * 3 + smooth.abs_diff(us)) / 4;
                self.rtt_us = Some((smooth * 7 + us) / 8);
            }
        }
        self.rtt_min_us = Some(self.rtt_min_us.map_or(us, |min| min.min(us)));
        Echo::InTime(rtt)
    }
}

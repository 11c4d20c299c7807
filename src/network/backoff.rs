//! How long to wait before dialling again.

use std::time::Duration;

/// First wait: four nodes that start together find each other in well under a second.
pub(super) const BACKOFF_FIRST: Duration = Duration::from_millis(100);
/// Longest wait for a configured peer.
pub(super) const BACKOFF_CAP: Duration = Duration::from_secs(60);
/// Longest wait on loopback, where a dial costs nothing and a restart is seldom far away.
pub(super) const BACKOFF_CAP_LOOPBACK: Duration = Duration::from_secs(1);
/// A session that lasted this long makes up for all failures before it.
pub(super) const BACKOFF_HEALTHY_AFTER: Duration = Duration::from_secs(60);
/// Failures that remain on the account after a session that did not last.
const FAILURES_AFTER_SHORT_SESSION: u32 = 3;

/// Doubling waits with jitter.
#[derive(Debug)]
pub(super) struct Backoff {
    failures: u32,
    cap: Duration,
}

impl Backoff {
    /// No failures yet.
    pub(super) fn new(loopback: bool) -> Self {
        Self {
            failures: 0,
            cap: if loopback {
                BACKOFF_CAP_LOOPBACK
            } else {
                BACKOFF_CAP
            },
        }
    }

    /// The next wait. `random` spreads it: over the upper half of the interval for the first few
    /// tries, over all of it (full jitter) once the interval is a second or more.
    pub(super) fn next_wait(&mut self, random: u64) -> Duration {
        let interval = BACKOFF_FIRST
            .saturating_mul(1 << self.failures.min(16))
            .min(self.cap);
        self.failures = self.failures.saturating_add(1);
        let part = |whole: Duration| {
            let whole = u64::try_from(whole.as_millis()).unwrap_or(u64::MAX);
            Duration::from_millis(random % whole.max(1))
        };
        if interval < Duration::from_secs(1) || self.cap == BACKOFF_CAP_LOOPBACK {
            interval / 2 + part(interval / 2)
        } else {
            part(interval).max(BACKOFF_FIRST)
        }
    }

    /// A session ended after `lasted`.
    pub(super) fn session_ended(&mut self, lasted: Duration) {
        self.failures = if lasted >= BACKOFF_HEALTHY_AFTER {
            0
        } else {
            self.failures.min(FAILURES_AFTER_SHORT_SESSION)
        };
    }
}

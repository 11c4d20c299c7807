//! What the service manager is told, if there is one: ready, how the node stands, that it lives,
//! that it stops (docs/OPERATIONS.md, "systemd").
//!
//! The manager restarts a node that stops pinging, so a ping is sent only while every critical loop
//! goes round and the snapshot that says so is fresh. A stalled chain is no reason: a restart would
//! not bring the others back.

use std::time::Duration;

use sd_notify::NotifyState;

use crate::{
    config::Environment,
    control::{NodeHandle, Status},
};

/// How often the line of `systemctl status` changes.
const STATUS_EVERY: Duration = Duration::from_secs(10);
/// A snapshot older than this is not believed: the task that makes it is stuck.
const SNAPSHOT_AGE_MAX: Duration = Duration::from_secs(10);
/// Asked for beyond the stop's own budget, so that the manager never kills a flush.
const STOP_MARGIN: Duration = Duration::from_secs(20);

/// The service manager that started this process.
pub(super) struct Manager {
    /// Without a sign of life for this long, the manager restarts us.
    watchdog: Option<Duration>,
}

impl Manager {
    /// `None` if nobody asked to be told.
    pub(super) fn find() -> Option<Self> {
        Environment::variable("NOTIFY_SOCKET")?;
        Some(Self {
            watchdog: sd_notify::watchdog_enabled().filter(|period| !period.is_zero()),
        })
    }

    /// The stop has begun and takes at most `budget`.
    pub(super) fn stopping(&self, budget: Duration) {
        let longest = u32::try_from((budget + STOP_MARGIN).as_micros()).unwrap_or(u32::MAX);
        tell(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(longest)]);
    }

    /// Says that the node is ready, then pings and reports for ever. Ready means that storage is
    /// open, sockets are bound and the guard is loaded; not "in sync", since a long sync is no failed
    /// start.
    pub(super) async fn report(&self, node: &NodeHandle) -> std::convert::Infallible {
        tell(&[NotifyState::Ready]);
        // Two pings in a period, so that one that comes late costs nothing.
        let every = self.watchdog.map_or(STATUS_EVERY, |period| period / 2);
        let mut ticks = tokio::time::interval(every.min(STATUS_EVERY));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let status = node.status();
            let line = sentence(&status);
            match self.watchdog {
                Some(period) if goes_round(&status, node.clock.now().mono_ms, period) => {
                    tell(&[NotifyState::Watchdog, NotifyState::Status(&line)]);
                }
                Some(_) => tell(&[NotifyState::Status(
                    "a critical loop is stuck; /health says which",
                )]),
                None => tell(&[NotifyState::Status(&line)]),
            }
        }
    }
}

/// Whether every critical loop has gone round within half the watchdog's `period`.
fn goes_round(status: &Status, now_mono_ms: u64, period: Duration) -> bool {
    let within =
        |then_ms: u64, limit: Duration| u128::from(now_mono_ms.saturating_sub(then_ms)) <= limit.as_millis();
    let half = (period / 2).max(SNAPSHOT_AGE_MAX);
    within(status.at.mono_ms, SNAPSHOT_AGE_MAX)
        && status
            .tasks
            .iter()
            .filter(|task| task.critical)
            .all(|task| within(task.tick_mono_ms, half))
}

/// One line for `systemctl status`.
fn sentence(status: &Status) -> String {
    let consensus = &*status.consensus;
    let peers = status.peers.rows.len();
    if !consensus.waiting_for.is_empty() {
        return format!(
            "Height {}, {} peers, {}",
            status.chain.height, peers, consensus.waiting_for
        );
    }
    format!(
        "Height {}, round {}, {} of {} validators online, {} peers",
        status.chain.height,
        consensus.round,
        consensus.validators.iter().filter(|row| row.online).count(),
        consensus.n,
        peers,
    )
}

/// A manager that cannot be told is not worth stopping for.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::control::TaskTick;

    fn status(snapshot_ms: u64, ticks: &[(&str, bool, u64)]) -> Status {
        let mut status = Status::default();
        status.at.mono_ms = snapshot_ms;
        let ticks = ticks.iter().map(|(name, critical, tick_mono_ms)| TaskTick {
            name: (*name).to_owned(),
            critical: *critical,
            tick_mono_ms: *tick_mono_ms,
        });
        status.tasks = Arc::new(ticks.collect());
        status
    }

    #[test]
    fn a_stuck_critical_loop_or_a_stale_snapshot_ends_the_pings() {
        let period = Duration::from_secs(60);
        let now = 100_000;
        let healthy = [("consensus", true, 99_000), ("storage", true, 71_000)];
        assert!(goes_round(&status(99_500, &healthy), now, period));
        let engine_stuck = [("consensus", true, 69_000), ("storage", true, 99_000)];
        assert!(!goes_round(&status(99_500, &engine_stuck), now, period));
        let bystander_stuck = [("consensus", true, 99_000), ("console", false, 0)];
        assert!(goes_round(&status(99_500, &bystander_stuck), now, period));
        assert!(!goes_round(&status(89_000, &healthy), now, period));
    }

    #[test]
    fn a_short_watchdog_does_not_ask_for_more_than_the_loops_promise() {
        let ticks = [("consensus", true, 95_000)];
        assert!(goes_round(
            &status(99_900, &ticks),
            100_000,
            Duration::from_secs(2)
        ));
    }
}

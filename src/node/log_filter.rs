//! A log level that an operator changes while the node runs is lent, not given: it goes back by itself,
//! so that a debug level that somebody forgot does not fill a disk.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use crate::control::{Clock, LogFilter, LogFilterError, Moment};

/// How long another level holds: long enough to see a thing happen, short enough to be forgotten.
pub(super) const LENT: Duration = Duration::from_secs(600);

/// The live filter, with the way back.
pub(super) struct LentFilter {
    inner: Arc<dyn LogFilter>,
    clock: Clock,
    lent: Mutex<Option<Lent>>,
    changed: Notify,
}

struct Lent {
    /// The filter that the node was started with.
    base: String,
    until: Instant,
    /// The same moment, for people.
    shown: Moment,
}

impl LentFilter {
    pub(super) fn new(inner: Arc<dyn LogFilter>, clock: Clock) -> Self {
        Self {
            inner,
            clock,
            lent: Mutex::new(None),
            changed: Notify::new(),
        }
    }

    /// Puts the first filter back in force whenever it is time.
    pub(super) async fn give_back(self: Arc<Self>) {
        loop {
            let until = self.lent().as_ref().map(|lent| lent.until);
            match until {
                None => self.changed.notified().await,
                Some(until) => tokio::select! {
                    () = self.changed.notified() => {}
                    () = tokio::time::sleep_until(until) => self.return_if_due(),
                },
            }
        }
    }

    fn return_if_due(&self) {
        let mut lent = self.lent();
        let Some(due) = lent.take_if(|lent| lent.until <= Instant::now()) else {
            return;
        };
        match self.inner.set(&due.base) {
            Ok(()) => tracing::info!(filter = due.base, "log level back as it was"),
            Err(error) => tracing::warn!(%error, "log level not put back"),
        }
    }

    fn lent(&self) -> std::sync::MutexGuard<'_, Option<Lent>> {
        self.lent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogFilter for LentFilter {
    fn current(&self) -> String {
        self.inner.current()
    }

    fn set(&self, filter: &str) -> Result<(), LogFilterError> {
        let mut lent = self.lent();
        let base = match lent.as_ref() {
            Some(lent) => lent.base.clone(),
            None => self.inner.current(),
        };
        self.inner.set(filter)?;
        *lent = (self.inner.current() != base).then(|| Lent {
            base,
            until: Instant::now() + LENT,
            shown: later(self.clock.now()),
        });
        self.changed.notify_one();
        Ok(())
    }

    fn until(&self) -> Option<Moment> {
        self.lent().as_ref().map(|lent| lent.shown)
    }
}

fn later(now: Moment) -> Moment {
    let ms = LENT.as_millis() as u64;
    Moment {
        unix_ms: now.unix_ms + ms,
        mono_ms: now.mono_ms + ms,
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;

    use super::*;

    #[derive(Default)]
    struct Plain(Mutex<String>);

    impl LogFilter for Plain {
        fn current(&self) -> String {
            self.0.lock().unwrap().clone()
        }

        fn set(&self, filter: &str) -> Result<(), LogFilterError> {
            filter.clone_into(&mut self.0.lock().unwrap());
            Ok(())
        }
    }

    fn lent() -> (Arc<LentFilter>, JoinSet<()>) {
        let plain = Plain(Mutex::new("info".to_owned()));
        let filter = Arc::new(LentFilter::new(Arc::new(plain), Clock::start()));
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&filter).give_back());
        (filter, tasks)
    }

    async fn pass(time: Duration) {
        tokio::task::yield_now().await;
        tokio::time::advance(time).await;
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn another_level_goes_back_by_itself() {
        let (filter, _tasks) = lent();
        assert_eq!(filter.until(), None);
        filter.set("debug").unwrap();
        assert!(filter.until().is_some());
        pass(LENT - Duration::from_secs(1)).await;
        assert_eq!(filter.current(), "debug");
        pass(Duration::from_secs(2)).await;
        assert_eq!(filter.current(), "info");
        assert_eq!(filter.until(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_change_starts_the_time_anew_and_keeps_the_first_way_back() {
        let (filter, _tasks) = lent();
        filter.set("debug").unwrap();
        pass(Duration::from_secs(500)).await;
        filter.set("trace").unwrap();
        pass(Duration::from_secs(500)).await;
        assert_eq!(filter.current(), "trace");
        pass(Duration::from_secs(101)).await;
        assert_eq!(filter.current(), "info");
    }

    #[tokio::test(start_paused = true)]
    async fn going_back_by_hand_ends_the_loan() {
        let (filter, _tasks) = lent();
        filter.set("debug").unwrap();
        filter.set("info").unwrap();
        assert_eq!(filter.until(), None);
        pass(2 * LENT).await;
        assert_eq!(filter.current(), "info");
    }
}

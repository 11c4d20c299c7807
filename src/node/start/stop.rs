//! The stop: in order, each step in its time, and told while it happens.

use std::{
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{
    super::{people::People, performer::Work, spawner::Tasks},
    Event, Node, StopStatus,
};

/// How long a thread has to take the word to stop.
const TELL_BUDGET: Duration = Duration::from_secs(1);
/// A step of the stop gets this long even if those before it used up the budget.
const STEP_BUDGET_MIN: Duration = Duration::from_millis(500);
/// How long tasks have to end once everything else did.
const TASKS_BUDGET: Duration = Duration::from_secs(3);

impl Node {
    /// Stops in order. Gives false if a step had to be left behind or a flush failed.
    pub async fn stop(mut self, reason: &str) -> bool {
        tracing::info!(reason, "shutting down");
        let mut steps = Steps::new(&self.people, reason);
        let mut clean = true;
        let votes = self.votes.clone();
        let told = move || votes.send_timeout(Event::Stop, TELL_BUDGET).is_ok();
        if self.tasks.blocking(told).await != Some(true) {
            tracing::error!("the engine does not take the word to stop; it is left behind");
        }
        clean &= steps
            .run("leave consensus", join(self.engine.take(), &self.tasks))
            .await;
        let work = self.work.clone();
        // Fails only if the performer is gone already.
        let _ = self
            .tasks
            .blocking(move || work.send_timeout(Work::Stop, TELL_BUDGET))
            .await;
        clean &= steps
            .run(
                "finish the consensus log",
                join(self.performer.take(), &self.tasks),
            )
            .await;
        let store = Arc::clone(&self.store);
        let flush = async {
            let flushed = self.tasks.blocking(move || store.flush()).await;
            match flushed {
                Some(Ok(())) => true,
                Some(Err(error)) => {
                    tracing::error!(%error, "the chain database was not flushed; the consensus log has the rest");
                    false
                }
                None => false,
            }
        };
        clean &= steps.run("flush storage", flush).await;
        let network = self.network.clone();
        let close = async {
            network.shutdown().await;
            true
        };
        clean &= steps.run("close sessions", close).await;
        let tasks = Arc::clone(&self.tasks);
        clean &= steps
            .run("end tasks", async { tasks.stop(TASKS_BUDGET).await })
            .await;
        let tasks = Arc::clone(&self.tasks);
        let verifiers = std::mem::take(&mut self.verifiers);
        let join_verifiers = async {
            let mut clean = true;
            for verifier in verifiers {
                clean &= join(Some(verifier), &tasks).await;
            }
            clean
        };
        clean &= steps.run("end verifiers", join_verifiers).await;
        tracing::info!(took_ms = steps.took_ms(), clean, "All tasks shut down gracefully");
        drop(self.lock);
        clean
    }
}

async fn join(thread: Option<JoinHandle<()>>, tasks: &Tasks) -> bool {
    let Some(thread) = thread else { return true };
    let name = thread.thread().name().unwrap_or("thread").to_owned();
    match tasks.blocking(move || thread.join().is_ok()).await {
        Some(true) => true,
        _ => {
            tracing::error!(name, "thread ended by a panic; see the log above it");
            false
        }
    }
}

/// The steps of a stop, as logged and shown.
struct Steps<'a> {
    people: &'a People,
    began: Instant,
    budget: Duration,
    status: StopStatus,
}

impl<'a> Steps<'a> {
    fn new(people: &'a People, reason: &str) -> Self {
        let status = people.begin_stop(reason);
        Self {
            people,
            began: Instant::now(),
            budget: Duration::from_millis(status.budget_ms),
            status,
        }
    }

    async fn run(&mut self, step: &str, work: impl Future<Output = bool>) -> bool {
        let started = Instant::now();
        self.people.step_began(&mut self.status, step);
        // Half of what is left: a step that hangs must not take the time of those after it.
        let left = self.budget.saturating_sub(self.began.elapsed()) / 2;
        let ok = tokio::time::timeout(left.max(STEP_BUDGET_MIN), work)
            .await
            .unwrap_or_else(|_| {
                tracing::error!(step, "stop step ran out of time and is left behind");
                false
            });
        let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(step, took_ms, ok, "stop step done");
        self.people.step_ended(&mut self.status, step, took_ms, ok);
        ok
    }

    fn took_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

//! What people hold of the node: the handle, and the tasks that keep it fresh and carry out commands.

use std::{sync::Arc, time::Duration};

use crossbeam_channel::Sender;
use tokio::sync::{mpsc, watch};

use crate::{
    control::{
        CommandRequest, EventRing, LogFilter, LogRing, NodeHandle, NodeStatus, Status, StepState, StopStatus,
        StopStep, Watchers,
    },
    engine::Event,
    metrics::Metrics,
    network::Network,
    storage::Store,
};

use super::{
    bodies::Bodies, clock::NodeClock, driver::Shared, evidence::EvidenceBook, facts::Facts, names::Names,
    spawner::Tasks, tickets::Tickets, verifier::Verifier,
};

/// Commands waiting to be carried out. When full, the caller is told that the node is busy.
const COMMANDS_MAX: usize = 4_096;

/// Everything that the tasks for people read.
pub(super) struct PeopleParts {
    pub(super) identity: NodeStatus,
    pub(super) clock: NodeClock,
    pub(super) facts: Arc<Facts>,
    pub(super) shared: Arc<Shared>,
    pub(super) network: Network,
    pub(super) bodies: Arc<Bodies>,
    pub(super) evidence: Arc<EvidenceBook>,
    pub(super) tickets: Arc<Tickets>,
    pub(super) verifier: Arc<Verifier>,
    pub(super) store: Arc<Store>,
    pub(super) bulk: Sender<Event>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) events: Arc<EventRing>,
    pub(super) logs: Arc<LogRing>,
    pub(super) log_filter: Arc<dyn LogFilter>,
    pub(super) tasks: Arc<Tasks>,
    pub(super) names: Names,
    pub(super) stop_budget: Duration,
}

/// The tasks for people.
pub(super) struct People {
    clock: NodeClock,
    stop_asked: watch::Receiver<Option<String>>,
    stop: watch::Sender<Option<Arc<StopStatus>>>,
    budget: Duration,
}

/// Starts them.
pub(super) fn start(parts: PeopleParts) -> (People, NodeHandle) {
    let (status, statuses) = watch::channel(Arc::new(Status::default()));
    let (commands, _commands_in) = mpsc::channel::<CommandRequest>(COMMANDS_MAX);
    let (_ask, stop_asked) = watch::channel(None);
    let (stop, _) = watch::channel(None);
    let people = People {
        clock: parts.clock,
        stop_asked,
        stop,
        budget: parts.stop_budget,
    };
    let clock = parts.clock;
    let facts = Arc::clone(&parts.facts);
    let query = super::query::Nothing;
    let handle = NodeHandle {
        status: statuses,
        commands,
        events: parts.events,
        logs: parts.logs,
        query: Arc::new(query),
        watchers: Watchers::new(),
        clock: parts.clock.faces(),
    };
    parts.tasks.start("status", async move {
        let mut every = tokio::time::interval(Duration::from_millis(250));
        loop {
            every.tick().await;
            let mut next = Status {
                at: clock.faces().now(),
                ..Status::default()
            };
            next.chain = Arc::new(facts.chain());
            next.node = Arc::new(parts.identity.clone());
            status.send_replace(Arc::new(next));
        }
    });
    (people, handle)
}

impl People {
    /// Resolves with the reason once a command asked for a stop.
    pub(super) async fn stop_requested(&self) -> String {
        let mut asked = self.stop_asked.clone();
        match asked.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => std::future::pending().await,
        }
    }

    /// The stop begins.
    pub(super) fn begin_stop(&self, reason: &str) -> StopStatus {
        let status = StopStatus {
            started: self.clock.faces().now(),
            budget_ms: u64::try_from(self.budget.as_millis()).unwrap_or(u64::MAX),
            reason: reason.to_owned(),
            steps: Vec::new(),
        };
        self.stop.send_replace(Some(Arc::new(status.clone())));
        status
    }

    /// A step began.
    pub(super) fn step_began(&self, status: &mut StopStatus, step: &str) {
        status.steps.push(StopStep {
            name: step.to_owned(),
            state: StepState::Running,
            took_ms: None,
        });
        self.stop.send_replace(Some(Arc::new(status.clone())));
    }

    /// It ended.
    pub(super) fn step_ended(&self, status: &mut StopStatus, step: &str, took_ms: u64, ok: bool) {
        if let Some(entry) = status.steps.iter_mut().find(|entry| entry.name == step) {
            entry.state = if ok { StepState::Done } else { StepState::Failed };
            entry.took_ms = Some(took_ms);
        }
        self.stop.send_replace(Some(Arc::new(status.clone())));
    }
}

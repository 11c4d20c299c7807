//! What people hold of the node: the handle, and the tasks that keep it fresh and carry out commands.

use std::{io, sync::Arc, thread::JoinHandle, time::Duration};

use crossbeam_channel::Sender;
use tokio::sync::{mpsc, watch};

use crate::{
    chain::Genesis,
    control::{
        EventRing, LogFilter, LogRing, NodeHandle, NodeStatus, Status, StepState, StopStatus, StopStep,
        Watchers,
    },
    crypto::PublicKey,
    engine::Event,
    metrics::Metrics,
    network::Network,
    storage::Store,
};

use super::{
    backfill,
    bodies::Bodies,
    clock::NodeClock,
    driver::Shared,
    evidence::EvidenceBook,
    facts::Facts,
    log_filter::LentFilter,
    names::Names,
    operator::{Operator, Submissions},
    query::Lookups,
    resync::Resync,
    screen::Screen,
    spawner::Tasks,
    status::{Alarms, Heights, Host, Known, Sources, StatusBuilder, StatusTask},
    tickets::Tickets,
    watchdog::{Findings, Watchdog},
};

/// Commands waiting to be carried out. When full, the caller is told that the node is busy.
const COMMANDS_MAX: usize = 4_096;

/// Everything that the tasks for people read.
pub(super) struct PeopleParts<'a> {
    pub(super) identity: NodeStatus,
    pub(super) genesis: &'a Genesis,
    pub(super) me: Option<PublicKey>,
    /// Most sessions.
    pub(super) peers_max: usize,
    pub(super) clock: NodeClock,
    pub(super) facts: Arc<Facts>,
    pub(super) heights: Arc<Heights>,
    pub(super) shared: Arc<Shared>,
    pub(super) network: Network,
    pub(super) bodies: Arc<Bodies>,
    pub(super) evidence: Arc<EvidenceBook>,
    pub(super) tickets: Arc<Tickets>,
    pub(super) screen: Arc<Screen>,
    pub(super) store: Arc<Store>,
    pub(super) resync: Arc<Resync>,
    pub(super) backfill: Arc<backfill::Shown>,
    pub(super) bulk: Sender<Event>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) events: Arc<EventRing>,
    pub(super) logs: Arc<LogRing>,
    pub(super) log_filter: Arc<dyn LogFilter>,
    /// Log lines that were dropped so far.
    pub(super) log_lines_dropped: Arc<dyn Fn() -> u64 + Send + Sync>,
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
    watchdog: Option<(Sender<()>, JoinHandle<()>)>,
}

/// Starts them. Reads the host's figures once, which blocks for a moment.
///
/// # Errors
/// If the watchdog's thread cannot be started.
pub(super) fn start(parts: PeopleParts<'_>) -> io::Result<(People, NodeHandle)> {
    let faces = parts.clock.faces();
    let alarms = Arc::new(Alarms::default());
    let findings = Arc::new(Findings::default());
    let watchers = Watchers::new();
    let (publish, status) = watch::channel(Arc::new(Status::default()));
    let (commands, commands_in) = mpsc::channel(COMMANDS_MAX);
    let (ask_stop, stop_asked) = watch::channel(None);
    let (stop, stopping) = watch::channel(None);

    let (stop_watchdog, until) = crossbeam_channel::bounded(1);
    let watchdog = Watchdog::new(
        parts.clock,
        Arc::clone(&parts.shared),
        Arc::clone(&parts.metrics),
        Arc::clone(&findings),
    );
    let watchdog = std::thread::Builder::new()
        .name("watchdog".to_owned())
        .spawn(move || watchdog.run(&until))?;

    let host = Arc::new(Host::new(
        faces,
        parts.identity.data_dir.clone(),
        Arc::clone(&parts.store),
    ));
    parts
        .tasks
        .start("host", Arc::clone(&host).watch(Arc::clone(&parts.tasks)));
    let known = Known {
        identity: parts.identity,
        me: parts.me,
        names: parts.names.clone(),
        params: parts.genesis.params,
        peers_max: u32::try_from(parts.peers_max).unwrap_or(u32::MAX),
        clock: parts.clock,
    };
    let log_filter = Arc::new(LentFilter::new(parts.log_filter, faces));
    parts
        .tasks
        .start("log filter", Arc::clone(&log_filter).give_back());
    let builder = StatusBuilder::new(known, Arc::clone(&alarms), Arc::clone(&parts.events));
    let sources = Sources {
        clock: parts.clock,
        shared: parts.shared,
        facts: parts.facts,
        heights: parts.heights,
        network: parts.network.clone(),
        evidence: Arc::clone(&parts.evidence),
        bodies: Arc::clone(&parts.bodies),
        metrics: parts.metrics,
        host,
        resync: Arc::clone(&parts.resync),
        backfill: parts.backfill,
        watchdog: findings,
        log_filter: log_filter.clone(),
        log_lines_dropped: parts.log_lines_dropped,
        stop: stopping.clone(),
    };
    let mut task = StatusTask::new(builder, sources, Arc::clone(&alarms), watchers.clone(), publish);
    // Whoever asks first gets an answer, not an empty snapshot.
    task.publish();
    parts.tasks.start("status", task.run());

    parts.resync.stop_at(ask_stop.clone());
    let operator = Operator {
        clock: faces,
        events: Arc::clone(&parts.events),
        alarms,
        log_filter,
        peers: Arc::new(parts.network.clone()),
        status: status.clone(),
        resync: parts.resync,
        ask_stop,
        stop: stopping,
        pool: Arc::new(Submissions {
            chain_id: parts.genesis.chain_id(),
            bodies: Arc::clone(&parts.bodies),
            tickets: parts.tickets,
            screen: parts.screen,
            engine: parts.bulk,
        }),
        tasks: Arc::clone(&parts.tasks),
    };
    parts.tasks.start("operator", operator.run(commands_in));

    let network = parts.network;
    let handle = NodeHandle {
        status,
        commands,
        events: parts.events,
        logs: parts.logs,
        query: Arc::new(Lookups {
            reader: parts.store.reader(),
            bodies: parts.bodies,
            evidence: parts.evidence,
            names: parts.names,
            network: parts.genesis.network,
            bans: Box::new(move || network.bans()),
            clock: parts.clock,
            genesis: parts.genesis.coins().collect(),
        }),
        watchers,
        clock: faces,
    };
    let people = People {
        clock: parts.clock,
        stop_asked,
        stop,
        budget: parts.stop_budget,
        watchdog: Some((stop_watchdog, watchdog)),
    };
    Ok((people, handle))
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

impl Drop for People {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.watchdog.take() {
            drop(stop);
            // It is woken by that and ends at once; a panic of it has been logged.
            let _ = thread.join();
        }
    }
}

//! The task that takes snapshots: often while somebody watches, seldom otherwise, and at once when
//! a block became final or the round moved on and somebody is there to see it.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use crate::{
    consensus::{Mono, Phase},
    control::{LogFilter, Moment, ResourceStatus, Status, StopStatus, TaskTick, Watchers},
    engine::EngineView,
    metrics::{Metrics, labels::LaneLabel},
    network::Network,
    wire::PeerInfo,
};

use super::{
    super::{
        backfill, bodies::Bodies, clock::NodeClock, driver::Shared, evidence::EvidenceBook, facts::Facts,
        resync::Resync, watchdog::Findings,
    },
    Alarms, Heights, Host, Inputs, Proof, Proposal, StatusBuilder, Totals,
};

/// Time between snapshots while somebody watches: screens draw data 4 times a second.
const WATCHED: Duration = Duration::from_millis(250);
/// Time between snapshots while nobody does: health, alarms and metrics want one a second.
const UNWATCHED: Duration = Duration::from_secs(1);
/// How often a watched node is looked at for something worth a snapshot of its own, which is also
/// the least time between two.
const GLANCE: Duration = Duration::from_millis(20);

/// Where the task reads.
pub(in crate::node) struct Sources {
    pub(in crate::node) clock: NodeClock,
    pub(in crate::node) shared: Arc<Shared>,
    pub(in crate::node) facts: Arc<Facts>,
    pub(in crate::node) heights: Arc<Heights>,
    pub(in crate::node) network: Network,
    pub(in crate::node) evidence: Arc<EvidenceBook>,
    pub(in crate::node) bodies: Arc<Bodies>,
    pub(in crate::node) metrics: Arc<Metrics>,
    pub(in crate::node) host: Arc<Host>,
    pub(in crate::node) resync: Arc<Resync>,
    pub(in crate::node) backfill: Arc<backfill::Shown>,
    pub(in crate::node) watchdog: Arc<Findings>,
    pub(in crate::node) log_filter: Arc<dyn LogFilter>,
    /// Log lines that were dropped so far.
    pub(in crate::node) log_lines_dropped: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// How far a stop has come.
    pub(in crate::node) stop: watch::Receiver<Option<Arc<StopStatus>>>,
}

/// Takes snapshots and publishes them.
pub(in crate::node) struct StatusTask {
    builder: StatusBuilder,
    sources: Sources,
    alarms: Arc<Alarms>,
    watchers: Watchers,
    publish: watch::Sender<Arc<Status>>,
    proofs: Arc<Vec<Proof>>,
    /// Edition of the book that they are from.
    proofs_edition: u64,
    proposal: Option<Proposal>,
    /// Messages that all sessions have carried so far, and when that last grew, in ms.
    traffic: (u64, u64),
}

/// What deserves a snapshot at once when it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sign {
    final_height: u64,
    height: u64,
    round: u32,
    phase: Phase,
    is_armed: bool,
}

impl StatusTask {
    /// A task that publishes to `publish` while `watchers` says who looks.
    pub(in crate::node) fn new(
        builder: StatusBuilder,
        sources: Sources,
        alarms: Arc<Alarms>,
        watchers: Watchers,
        publish: watch::Sender<Arc<Status>>,
    ) -> Self {
        Self {
            builder,
            sources,
            alarms,
            watchers,
            publish,
            proofs: Arc::default(),
            proofs_edition: 0,
            proposal: None,
            traffic: (0, 0),
        }
    }

    /// Runs until it is dropped.
    pub(in crate::node) async fn run(mut self) {
        let mut watchers = self.watchers.subscribe();
        let mut stop = self.sources.stop.clone();
        let alarms = Arc::clone(&self.alarms);
        let mut glances = interval(GLANCE);
        glances.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let sign = self.sign();
            self.publish();
            let built = Instant::now();
            loop {
                let is_watched = *watchers.borrow_and_update() > 0;
                let due = built + if is_watched { WATCHED } else { UNWATCHED };
                tokio::select! {
                    () = sleep_until(due) => break,
                    _ = glances.tick(), if is_watched => {
                        if self.sign() != sign && built.elapsed() >= GLANCE {
                            break;
                        }
                    }
                    Ok(()) = watchers.changed() => {}
                    Ok(()) = stop.changed() => break,
                    () = alarms.acknowledged() => break,
                }
            }
        }
    }

    /// Takes one snapshot now.
    pub(in crate::node) fn publish(&mut self) {
        let inputs = self.look();
        let status = self.builder.build(inputs);
        self.publish.send_replace(Arc::new(status));
    }

    fn sign(&self) -> Sign {
        let view = self.sources.shared.view.load();
        Sign {
            final_height: self.sources.facts.height(),
            height: view.machine.height.get(),
            round: view.machine.round.get(),
            phase: view.machine.phase,
            is_armed: view.machine.is_armed,
        }
    }

    fn look(&mut self) -> Inputs {
        let sources = &self.sources;
        // First what is final, then the engine: it can only be as far or further.
        let chain = sources.facts.chain();
        let view = sources.shared.view.load_full();
        let at = sources.clock.faces().now();
        let peers = sources.network.peers();
        let consensus = &sources.metrics.consensus;
        let totals = Totals {
            view_changes: consensus.view_changes.get(),
            double_sign_prevented: consensus.double_sign_prevented.get(),
            block_bytes: sources.metrics.p2p.receive_bytes.get(LaneLabel::Blocks),
        };
        let proposal = proposal(&view, self.proposal, &sources.bodies);
        let edition = sources.evidence.edition();
        let proofs = match edition == self.proofs_edition {
            true => Arc::clone(&self.proofs),
            false => Arc::new(sources.evidence.all().iter().map(Proof::of).collect()),
        };
        self.proofs_edition = edition;
        let traffic = traffic(&peers, self.traffic, at);
        let inputs = Inputs {
            at,
            chain,
            heights: Arc::clone(&sources.heights),
            dialled: sources.network.dialled(),
            twins: sources.network.twins(),
            reachability: sources.network.reachability(),
            bans: sources.network.bans_in_force(),
            proofs: Arc::clone(&proofs),
            proposal,
            totals,
            resources: resources(sources, &self.watchers),
            watchdog: sources.watchdog.status(),
            tasks: ticks(sources, traffic.1),
            log_filter: sources.log_filter.current(),
            log_filter_until: sources.log_filter.until(),
            stop: sources.stop.borrow().clone(),
            resync: sources.resync.status(),
            backfill: sources.backfill.status(),
            peers,
            view,
        };
        self.proposal = proposal;
        self.proofs = proofs;
        self.traffic = traffic;
        inputs
    }
}

/// The size of what is accepted; a block is looked at once.
fn proposal(view: &EngineView, before: Option<Proposal>, bodies: &Bodies) -> Option<Proposal> {
    let digest = view.machine.accepted?;
    before.filter(|before| before.digest == digest).or_else(|| {
        let block = bodies.proposal(&digest)?;
        Some(Proposal {
            digest,
            txs: u32::try_from(block.transactions.len()).unwrap_or(u32::MAX),
            bytes: block.body_bytes() as u64,
        })
    })
}

/// Sessions that are up exchange pings: if nothing moves on any of them, the network is stuck.
fn traffic(peers: &[PeerInfo], (before, since_ms): (u64, u64), at: Moment) -> (u64, u64) {
    let messages = peers
        .iter()
        .map(|peer| peer.rx_messages.wrapping_add(peer.tx_messages))
        .sum();
    match peers.is_empty() || messages != before {
        true => (messages, at.mono_ms),
        false => (before, since_ms),
    }
}

fn resources(sources: &Sources, watchers: &Watchers) -> ResourceStatus {
    let fsync = sources.facts.fsync_percentiles();
    ResourceStatus {
        wal_fsync_p50_us: fsync.map(|(p50, _)| p50),
        wal_fsync_p99_us: fsync.map(|(_, p99)| p99),
        log_lines_dropped: (sources.log_lines_dropped)(),
        console_crashed: watchers.has_crashed(),
        ..(*sources.host.figures()).clone()
    }
}

fn ticks(sources: &Sources, network_ms: u64) -> Vec<TaskTick> {
    let face_ms = |micros: u64| sources.clock.face_ms(Mono::from_micros(micros));
    let tick = |name: &str, tick_mono_ms| TaskTick {
        name: name.to_owned(),
        critical: true,
        tick_mono_ms,
    };
    vec![
        tick(
            "consensus",
            face_ms(sources.shared.ticked.load(Ordering::Relaxed)),
        ),
        tick(
            "performer",
            face_ms(sources.shared.performed.load(Ordering::Relaxed)),
        ),
        tick("network", network_ms),
        tick("storage", sources.host.storage_ms()),
    ]
}

//! Starting and stopping: who is started after whom, and who is stopped before whom.
//!
//! Up: lock, log and database, performer, network, verifier, engine, then those who serve people.
//! Down, the other way round: the engine signs nothing more and ends, what it asked for is
//! performed, the log and the database are flushed, sessions say goodbye, tasks end. Each step is
//! timed, logged and shown.

mod stop;
mod tending;

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use arc_swap::ArcSwap;
use crossbeam_channel::Sender;
use tokio::{runtime::Handle, sync::Semaphore};

use crate::{
    chain::{BlockHash, Genesis, Height},
    consensus::ValidatorSet,
    control::{ChainStatus, EventRing, LogFilter, LogRing, Mode, NodeHandle, NodeStatus, StopStatus},
    crypto::{Hash256, SecretKey},
    engine::{Engine, EngineConfig, Event, Ledger, SigningHold, Start},
    mempool::PoolLimits,
    metrics::Metrics,
    network::{self, DIALLED_PEERS_MAX, Network, NetworkConfig, NetworkError, PeerEvent, Surroundings},
    signer::{Signer, Wish},
    storage::{Snapshots, Store, StoreOptions, lock::DataDirLock, rebuild::Origin},
    wire::{ChainIdentity, LocalTip, MasternodeProof, capability},
};

use tending::{announce, heartbeat, rebroadcast, watch_peers};

use super::{
    NodeError, backfill,
    backfill::BackfillTask,
    barrier::Barrier,
    bodies::Bodies,
    clock::NodeClock,
    compact::Filling,
    disk_floor,
    driver::{Driver, Shared, Window},
    evidence::EvidenceBook,
    facts::Facts,
    gossip::{ASKS_MAX, Gossip},
    key_watch::{KeyWatch, SIGNING_MAX},
    names::Names,
    open::{self, Opened},
    people::{self, People, PeopleParts},
    performer::{Hands, Performer, WORK_QUEUE_MAX, Work},
    pool_file::PoolFile,
    ready::ReadyTask,
    reindex::Reindex,
    requests::Requests,
    resync::Resync,
    screen::Screen,
    serve::{READS_MAX, Serve, URGENT_READS_MAX},
    signer_link::SignerLink,
    snapshot::SnapshotFetch,
    spawner::Tasks,
    starting::{Starting, TellStart},
    status::Heights,
    tickets::Tickets,
    timers::Timers,
    verifier::Verifier,
};

/// Consensus events waiting for the engine. When full, a vote is dropped and counted: R9 repeats it.
const VOTES_MAX: usize = 8_192;
/// Batches of transactions and hints waiting for the engine. When full, the batch is dropped and
/// counted; a submission is answered with "busy".
const BULK_MAX: usize = 1_024;
/// How long a node listens for a second holder of its key before it signs: 2 × T0 within these.
const LISTEN_MS: std::ops::RangeInclusive<u64> = 1_000..=10_000;
/// A chain that has not grown for less than this does not stand still, however short its interval.
const STALL_AFTER_MIN: Duration = Duration::from_secs(60);

/// What a node is started with.
pub struct NodeOptions {
    /// Name people see.
    pub name: String,
    /// The chain.
    pub genesis: Genesis,
    /// Holds `keys/`, `consensus/`, `blocks/`, `peers/`.
    pub data_dir: PathBuf,
    /// Network identity.
    pub node_key: SecretKey,
    /// The consensus key, if this node has one.
    pub signer: Option<Arc<dyn Signer>>,
    /// Sign nothing, whatever the key.
    pub observer: bool,
    /// Decide and take nothing above this height.
    pub halt_at: Option<Height>,
    /// Do not listen for a second holder of the key before signing.
    pub skip_doppelganger: bool,
    /// Whom to talk to.
    pub network: NetworkConfig,
    /// Caps of the pool.
    pub pool: PoolLimits,
    /// Flush and cache sizes.
    pub store: StoreOptions,
    /// The address of HTTP, for display.
    pub rpc_listen: Option<String>,
    /// The log file, for display.
    pub log_file: Option<PathBuf>,
    /// What the Logs screen reads.
    pub logs: Arc<LogRing>,
    /// The live filter.
    pub log_filter: Arc<dyn LogFilter>,
    /// Log lines that were dropped so far.
    pub log_lines_dropped: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// What an operator should know from the start, such as a key that is not encrypted.
    pub warnings: Vec<String>,
    /// Is told how far the start is.
    pub on_start_step: TellStart,
    /// How long a graceful stop may take.
    pub stop_budget: Duration,
    /// A block that the operator vouches for: a snapshot of it needs no other proof.
    pub trusted: Option<(Height, BlockHash)>,
    /// Whether blocks below a snapshot that this node began with are fetched.
    pub backfill: bool,
    /// Whether this process may start again by itself, which a resync takes.
    pub may_restart: bool,
}

/// A running node.
pub struct Node {
    handle: NodeHandle,
    metrics: Arc<Metrics>,
    people: People,
    votes: Sender<Event>,
    work: Sender<Work>,
    engine: Option<JoinHandle<()>>,
    performer: Option<JoinHandle<()>>,
    verifiers: Vec<JoinHandle<()>>,
    store: Arc<Store>,
    network: Network,
    tasks: Arc<Tasks>,
    clock: NodeClock,
    lock: DataDirLock,
    resync: Arc<Resync>,
}

fn thread(name: &'static str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, NodeError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map_err(|source| NodeError::Thread { name, source })
}

/// What this node can do for its peers beside what every node can, as bits of [`capability`]. Whether it
/// lacks blocks may change while it runs: the network tells that from its tip.
fn own_capabilities(options: &NodeOptions) -> u64 {
    let own = [
        (capability::KEY_CALLS, true),
        (
            capability::MASTERNODE,
            options.signer.is_some() && !options.observer,
        ),
        (capability::SNAPSHOT, options.store.flush.snapshot_every > 0),
        (capability::PRUNED, options.store.flush.keep_blocks > 0),
    ];
    own.iter()
        .filter(|(_, has)| *has)
        .fold(0, |bits, (bit, _)| bits | bit)
}

/// Starts a node on `runtime`. Returns once its sockets are bound and its log has been replayed.
///
/// # Errors
/// [`NodeError`], with everything that was started ended again.
pub async fn start(options: NodeOptions, runtime: Handle) -> Result<Node, NodeError> {
    let clock = NodeClock::start();
    let genesis = &options.genesis;
    let chain_id = genesis.chain_id();
    let me = options.signer.as_ref().map(|signer| signer.public_key());
    let metrics = Metrics::new(genesis.network.name());
    let events = Arc::new(EventRing::new());
    let tasks = Arc::new(Tasks::new(runtime.clone()));
    let starting = Starting::new(Arc::clone(&options.on_start_step));
    let (work, work_in) = crossbeam_channel::bounded(WORK_QUEUE_MAX);
    let (votes, votes_in) = crossbeam_channel::bounded(VOTES_MAX);
    let (bulk, bulk_in) = crossbeam_channel::bounded(BULK_MAX);

    let who = open::Me {
        key: me,
        may_sign: !options.observer && options.signer.as_ref().is_none_or(|signer| signer.holds_key()),
    };
    let opening = (
        options.data_dir.clone(),
        genesis.clone(),
        options.store,
        work.clone(),
    );
    let opened = runtime
        .spawn_blocking(move || {
            let (data_dir, genesis, store, work) = opening;
            let mut starting = starting;
            let opened = open::open(&data_dir, &genesis, who, store, work, &mut starting);
            opened.map(|opened| (opened, starting))
        })
        .await
        .map_err(|error| NodeError::Thread {
            name: "open",
            source: std::io::Error::other(error),
        })??;
    let (opened, mut starting) = opened;
    starting.begin("read the last heights");
    let Opened {
        lock,
        wal,
        mark,
        store,
        recovered,
        tip,
        mut holds,
        has_signed,
        rebuild,
    } = opened;
    if options.observer {
        holds.insert(SigningHold::Observer);
    }
    let lack = options.signer.as_ref().and_then(|signer| signer.lack());
    if lack.is_some() {
        holds.insert(SigningHold::SignerLost);
    }
    let store = Arc::new(store);
    let reader = store.reader();
    let state = reader.state();
    let names = Names::of_state(&state);
    let validators = ValidatorSet::new(state.validators());

    let heights = Arc::new(Heights::load(&reader)?);
    let facts = Arc::new(Facts::new(
        clock,
        names.clone(),
        me,
        Arc::clone(&metrics),
        Arc::clone(&events),
        Arc::clone(&heights),
        ChainStatus {
            height: state.tip.height.get(),
            hash: *state.tip.hash.as_hash(),
            utxo_commitment: state.commitment.digest(),
            timestamp_ms: state.tip.timestamp_ms.get(),
            utxos: Some(state.totals.utxo_count),
            supply: Some(state.totals.supply.units()),
            ..ChainStatus::default()
        },
    ));
    let local_tip = Arc::new(ArcSwap::from_pointee(LocalTip {
        height: state.tip.height.get(),
        hash: *state.tip.hash.as_hash(),
        finalized_height: state.tip.height.get(),
        pruned_below: reader.pruned_below().get(),
        validators: state.validators_len(),
    }));
    let resync = Arc::new(Resync::new(
        options.data_dir.join("blocks"),
        genesis.network.name().to_owned(),
        Arc::clone(&store),
        clock.faces().now(),
        options.may_restart,
        rebuild,
    ));
    let (outboxes, inboxes) = network::queues();
    let prover = options.signer.clone();
    let may_prove = !options.observer;
    let unproved = Arc::new(AtomicBool::new(false));
    let left_unproved = Arc::clone(&unproved);
    let members = names.clone();
    let around = Surroundings {
        node_key: options.node_key.clone(),
        chain: ChainIdentity::new(genesis.network, chain_id),
        tip: Arc::clone(&local_tip),
        prove: Arc::new(move |request| {
            let signer = prover.as_ref().filter(|_| may_prove)?;
            let signature = signer.sign(&Wish::Session(*request));
            left_unproved.fetch_or(signature.is_err(), std::sync::atomic::Ordering::Relaxed);
            let signature = signature.ok()?;
            Some(MasternodeProof {
                key: signer.public_key(),
                signature,
            })
        }),
        is_member: Arc::new(move |key| members.is_current(key)),
        metrics: Arc::clone(&metrics),
        spawner: tasks.clone(),
    };
    let network_config = NetworkConfig {
        directory: Some(options.data_dir.join("peers")),
        allow_private: options.network.allow_private || genesis.network == crate::chain::Network::Devnet,
        stall_after: Duration::from_millis(3 * genesis.params.block_interval_ms).max(STALL_AFTER_MIN),
        capabilities: options.network.capabilities | own_capabilities(&options),
        ..options.network.clone()
    };
    let allow_private = network_config.allow_private;
    starting.begin("listen for peers");
    let network = Network::start(network_config, around, outboxes).await?;

    starting.begin("start the engine");
    let (asks, asks_in) = tokio::sync::mpsc::channel(ASKS_MAX);
    let gossip = Arc::new(Gossip::new(network.clone(), asks));
    let bodies = Arc::new(Bodies::new());
    let evidence = Arc::new(EvidenceBook::open(&reader, work.clone())?);
    let mut ledger = Ledger::new(
        chain_id,
        genesis.params,
        me,
        (*state).clone(),
        Arc::new(reader.clone()),
        options.pool,
    );
    if let Some(certificate) = tip.certificate.clone() {
        ledger.remember_tip(certificate);
    }
    for evidence in &evidence.all() {
        ledger.note_evidence(evidence);
    }
    let bodies_of_ours = Arc::clone(&bodies);
    let tickets = Arc::new(Tickets::default());

    let listen_ms = match options.skip_doppelganger {
        true => 0,
        false => (2 * genesis.params.proposal_timeout_ms).clamp(*LISTEN_MS.start(), *LISTEN_MS.end()),
    };
    let config = EngineConfig {
        chain_id,
        params: genesis.params,
        me,
        holds,
        listen_ms,
        has_signed,
        // What the database held before it is built anew: no votes below.
        certified: rebuild
            .filter(|intent| intent.runs_on_new())
            .map_or(Height::GENESIS, |intent| intent.target),
    };
    let engine = Engine::new(config, Start { tip, recovered }, ledger).halting_at(options.halt_at);
    let shared = Arc::new(Shared {
        view: ArcSwap::from_pointee(engine.view(clock.now())),
        window: ArcSwap::from_pointee(Window {
            tip: engine.tip(),
            before: engine.validators_of_tip().clone(),
            current: validators,
            history: Arc::clone(&state.history),
        }),
        ticked: AtomicU64::new(clock.mono().micros()),
        performed: Arc::new(AtomicU64::new(clock.mono().micros())),
        late_ms: AtomicU64::new(0),
        floor_per_kb: Arc::new(AtomicU64::new(engine.pool().floor_per_kb())),
    });
    let screen = Arc::new(Screen {
        reader: reader.clone(),
        floor_per_kb: Arc::clone(&shared.floor_per_kb),
        bodies: Arc::clone(&bodies),
        metrics: Arc::clone(&metrics),
    });
    let mut run = [0; 32];
    getrandom::fill(&mut run).map_err(|error| NetworkError::Random(error.to_string()))?;
    let key_watch = Arc::new(KeyWatch {
        chain_id,
        signer: options.signer.clone().filter(|_| !options.observer),
        node_id: options.node_key.public_key(),
        run: Hash256::from_bytes(run),
        network: network.clone(),
        shared: Arc::clone(&shared),
        engine: votes.clone(),
        clock,
        tasks: Arc::clone(&tasks),
        last: Mutex::default(),
        signing: Arc::new(Semaphore::new(SIGNING_MAX)),
    });
    let verifier = Arc::new(Verifier {
        checked: Default::default(),
        chain_id,
        params: genesis.params,
        clock,
        shared: Arc::clone(&shared),
        bodies: Arc::clone(&bodies),
        screen: Arc::clone(&screen),
        gossip: Arc::clone(&gossip),
        key_watch: Arc::clone(&key_watch),
        evidence: Arc::clone(&evidence),
        votes: votes.clone(),
        bulk: bulk.clone(),
        tasks: Arc::clone(&tasks),
        filling: Filling::default(),
    });
    let performer = Performer {
        barrier: Barrier::new(wal, mark),
        hands: Hands {
            store: Arc::clone(&store),
            resync: Arc::clone(&resync),
            log_dir: options.data_dir.join("consensus"),
            tip: local_tip,
            gossip: Arc::clone(&gossip),
            key_watch,
            bodies: Arc::clone(&bodies),
            evidence: Arc::clone(&evidence),
            tickets: Arc::clone(&tickets),
            facts: Arc::clone(&facts),
            metrics: Arc::clone(&metrics),
            clock,
            engine: votes.clone(),
            untold: Default::default(),
            untold_height: None,
        },
        work: work_in,
        ticked: Arc::clone(&shared.performed),
    };
    let pool_file = Arc::new(PoolFile::new(
        &options.data_dir,
        chain_id,
        Arc::clone(&bodies_of_ours),
    ));
    let (pool_saves, mut pools) = tokio::sync::mpsc::channel(1);
    let pool_save_failed = Arc::new(AtomicBool::new(false));
    let driver = Driver {
        engine,
        signer: options.signer.clone(),
        clock,
        votes: votes_in,
        bulk: bulk_in,
        work: work.clone(),
        shared: Arc::clone(&shared),
        metrics: Arc::clone(&metrics),
        timers: Timers::default(),
        view_at: Default::default(),
        view_is_old: true,
        tick_at: Default::default(),
        stopping: false,
        pool_file: Arc::clone(&pool_file),
        pool_saves,
        pool_save_failed: Arc::clone(&pool_save_failed),
        saved: Default::default(),
    };

    let serve = Serve {
        network: network.clone(),
        reader: reader.clone(),
        bodies: Arc::clone(&bodies),
        tasks: Arc::clone(&tasks),
        shares: Arc::default(),
        snapshots: Arc::new(Snapshots::new(&options.data_dir.join("blocks"))),
    };
    tasks.start("serve", serve.clone().run(inboxes.serve, READS_MAX));
    tasks.start("serve consensus", serve.run(inboxes.urgent, URGENT_READS_MAX));
    let requests = Requests {
        network: network.clone(),
        reader: reader.clone(),
        verifier: Arc::clone(&verifier),
        votes: votes.clone(),
        tasks: Arc::clone(&tasks),
        tries: Default::default(),
        fetching: Arc::default(),
        blamed: Arc::default(),
    };
    tasks.start("requests", requests.run(asks_in));
    tasks.start(
        "peers",
        watch_peers(
            inboxes.peers,
            votes.clone(),
            Arc::clone(&facts),
            Arc::clone(&tasks),
        ),
    );
    if let Some(signer) = options.signer.clone().filter(|_| !options.observer) {
        let ready = ReadyTask {
            chain_id,
            signer,
            reader: reader.clone(),
            shared: Arc::clone(&shared),
            engine: bulk.clone(),
            tasks: Arc::clone(&tasks),
        };
        tasks.start("ready", ready.run());
    }
    if let Some(signer) = options.signer.clone().filter(|signer| !signer.holds_key()) {
        let link = SignerLink {
            signer,
            is_lost: lack.is_some(),
            unproved,
            proved_again: None,
            network: network.clone(),
            engine: votes.clone(),
            metrics: Arc::clone(&metrics),
        };
        tasks.start("signer", link.watch());
    }
    tasks.start(
        "heartbeat",
        heartbeat(network.clone(), bulk.clone(), Arc::clone(&tasks)),
    );

    let identity = NodeStatus {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        network: genesis.network.name().to_owned(),
        chain_id,
        node_id: Some(network.node_id()),
        validator_id: me,
        name: options.name.clone(),
        address: None,
        mode: Mode::Full,
        started: clock.faces().now(),
        start: starting.finish(),
        warnings: options.warnings,
        pid: std::process::id(),
        data_dir: options.data_dir.clone(),
        log_file: options.log_file.clone(),
        log_filter: options.log_filter.current(),
        log_filter_until: None,
        p2p_listen: network.listening().to_string(),
        rpc_listen: options.rpc_listen.clone(),
    };
    let backfill_shown = Arc::<backfill::Shown>::default();
    let peers_max = options.network.inbound_max + options.network.reserved_max + DIALLED_PEERS_MAX;
    let (people, handle) = people::start(PeopleParts {
        identity,
        genesis,
        me,
        peers_max,
        clock,
        facts: Arc::clone(&facts),
        heights,
        shared: Arc::clone(&shared),
        network: network.clone(),
        bodies,
        evidence,
        tickets,
        screen,
        store: Arc::clone(&store),
        resync: Arc::clone(&resync),
        backfill: Arc::clone(&backfill_shown),
        bulk,
        metrics: Arc::clone(&metrics),
        events,
        logs: options.logs,
        log_filter: options.log_filter,
        log_lines_dropped: options.log_lines_dropped,
        tasks: Arc::clone(&tasks),
        names,
        stop_budget: options.stop_budget,
    })
    .map_err(|source| NodeError::Thread {
        name: "watchdog",
        source,
    })?;

    if let Some(intent) = rebuild.filter(|intent| intent.origin == Origin::OldBlocks)
        && let Some(from) = intent.from
    {
        let reindex = Reindex {
            blocks: options.data_dir.join("blocks"),
            from,
            target: intent.target,
            genesis: genesis.clone(),
            me: network.node_id(),
            verifier: Arc::clone(&verifier),
            shared: Arc::clone(&shared),
            votes: votes.clone(),
        };
        let stopping = Arc::clone(&tasks);
        thread("reindex", move || reindex.run(&|| stopping.is_stopping()))?;
    }
    if let Some(intent) = rebuild.filter(|intent| !intent.runs_on_new()) {
        let fetch = SnapshotFetch {
            network: network.clone(),
            allow_private,
            tasks: Arc::clone(&tasks),
            genesis: genesis.clone(),
            blocks: options.data_dir.join("blocks"),
            intent,
            reader: store.reader(),
            trusted: options.trusted,
            resync: Arc::clone(&resync),
        };
        tasks.start("snapshot", fetch.run());
    }
    if options.backfill {
        let backfill = BackfillTask {
            network: network.clone(),
            store: Arc::clone(&store),
            genesis: genesis.block().hash(),
            blocks: options.data_dir.join("blocks"),
            resync: Arc::clone(&resync),
            shared: Arc::clone(&shared),
            facts,
            clock,
            tasks: Arc::clone(&tasks),
            shown: backfill_shown,
        };
        tasks.start("backfill", backfill.run());
    }
    let (consensus_verifier, restorer) = (Arc::clone(&verifier), Arc::clone(&verifier));
    tasks.start("pool file", {
        let (tasks, expiry_ms) = (Arc::clone(&tasks), options.pool.expiry_ms);
        async move {
            let file = Arc::clone(&pool_file);
            let _ = tasks.blocking(move || restorer.restore(&file, expiry_ms)).await;
            while let Some((number, waiting)) = pools.recv().await {
                let file = Arc::clone(&pool_file);
                let saved = tasks.blocking(move || file.save(number, &waiting)).await;
                if let Some(Err(error)) = saved {
                    pool_save_failed.store(true, Ordering::Relaxed);
                    tracing::warn!(%error, "the pool was not written to its file; tried again in a minute");
                }
            }
        }
    });
    tasks.start(
        "disk floor",
        disk_floor::watch(options.data_dir.clone(), votes.clone(), Arc::clone(&tasks)),
    );
    tasks.start(
        "announce",
        announce(Arc::clone(&gossip), Arc::clone(&bodies_of_ours)),
    );
    tasks.start(
        "rebroadcast",
        rebroadcast(Arc::clone(&gossip), Arc::clone(&bodies_of_ours), clock),
    );
    let verifiers = vec![
        thread("verify-votes", move || {
            consensus_verifier.run_consensus(inboxes.consensus, inboxes.strangers)
        })?,
        thread("verify-txs", move || verifier.run_gossip(inboxes.gossip))?,
    ];
    let performer = thread("performer", move || performer.run())?;
    let engine = thread("engine", move || driver.run())?;
    Ok(Node {
        handle,
        metrics,
        people,
        votes,
        work,
        engine: Some(engine),
        performer: Some(performer),
        verifiers,
        store,
        network,
        tasks,
        clock,
        lock,
        resync,
    })
}

impl Node {
    /// What faces hold of it.
    pub fn handle(&self) -> &NodeHandle {
        &self.handle
    }

    /// The node's counters.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Resolves with the reason once a command asked for a stop.
    pub async fn stop_requested(&self) -> String {
        self.people.stop_requested().await
    }

    /// True if a command asked that the process start again once this node has stopped.
    pub fn wants_restart(&self) -> bool {
        self.resync.wants_restart()
    }

    /// Milliseconds since the node began.
    pub fn uptime_ms(&self) -> u64 {
        self.clock.faces().now().mono_ms
    }
}

//! What all tasks of the network share, and the register of live sessions.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::BytesMut;
use dashmap::{DashMap, Entry};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::oneshot,
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    crypto::{NodeId, PublicKey},
    metrics::labels::{DropReason, LaneLabel},
    wire::{
        Budget, Busy, Direction, Fault, GetMasternodes, Lane, Message, Outgoing, Purpose, capability,
        keep_new_connection,
        limits::{PACKET_PAYLOAD_MAX_BYTES, SENDING_BUDGET_BYTES, SENDING_RESERVED_BYTES},
    },
};

use super::{
    CloseReason, HandshakeError, NetworkConfig, Outboxes, PeerEvent, SendError, Surroundings, Task,
    bans::Bans,
    discovery::{BOOK_FILE, Discovery},
    eviction::{self, Candidate},
    handshake::unix_ms,
    quota::AllQuotas,
    reachability::Reach,
    reader,
    requests::Waiter,
    session::{Agreed, Session},
    standing::{Standings, Verdict},
    tls::TlsIdentity,
    twins::Twins,
    writer,
};

/// The registry of masternodes is asked for once this many peers are up, or all configured ones if
/// they are fewer.
const MASTERNODES_ASK_PEERS: usize = 3;
/// Masternodes asked for on the first page.
const MASTERNODES_ASK_LIMIT: u16 = 500;

/// Nodes with one consensus key that have sessions at a time: a masternode, and the one that it moves to.
const SESSIONS_PER_KEY_MAX: usize = 2;

/// The list of bans, in the directory of the network.
const BANS_FILE: &str = "bans.json";

/// How often discouragements are saved.
const SAVE_BANS_EVERY: Duration = Duration::from_secs(60);
/// Slots are scarce when four in five are taken.
const SCARCE: (usize, usize) = (4, 5);

/// Shared by all tasks.
pub(super) struct Core {
    pub(super) config: NetworkConfig,
    pub(super) around: Surroundings,
    pub(super) our_id: NodeId,
    pub(super) tls: TlsIdentity,
    pub(super) queues: Outboxes,
    pub(super) budget: Arc<Budget>,
    /// What answers that wait to be sent may take together.
    pub(super) sending: Arc<Budget>,
    /// Where we listen.
    pub(super) listening: SocketAddr,
    pub(super) bans: Bans,
    pub(super) standings: Standings,
    pub(super) quotas: AllQuotas,
    pub(super) twins: Twins,
    pub(super) discovery: Discovery,
    pub(super) reach: Reach,
    pub(super) sessions: DashMap<NodeId, Arc<Session>>,
    /// Cancelled when the network stops: no new sessions from then on.
    pub(super) stopping: CancellationToken,
    pub(super) tracker: TaskTracker,
    /// New for every start of the program.
    pub(super) run_nonce: u64,
    next_generation: AtomicU64,
    /// State of the nonce generator; see [`Core::random`].
    nonce: AtomicU64,
    masternodes_asked: AtomicBool,
    /// Held while slots are counted and one is taken.
    admission: Mutex<()>,
}

impl Core {
    pub(super) fn new(
        config: NetworkConfig,
        around: Surroundings,
        tls: TlsIdentity,
        queues: Outboxes,
        listening: SocketAddr,
        seed: u64,
        book_key: [u8; 32],
    ) -> Self {
        let book_file = config
            .directory
            .as_ref()
            .map(|directory| directory.join(BOOK_FILE));
        let bans_file = config
            .directory
            .as_ref()
            .map(|directory| directory.join(BANS_FILE));
        Self {
            bans: Bans::open(bans_file, unix_ms()),
            standings: Standings::default(),
            quotas: AllQuotas::default(),
            twins: Twins::default(),
            discovery: Discovery::open(book_file, book_key),
            reach: Reach::default(),
            config,
            our_id: around.node_key.public_key(),
            around,
            tls,
            queues,
            budget: Arc::new(Budget::default()),
            sending: Arc::new(Budget::new(
                SENDING_BUDGET_BYTES - SENDING_RESERVED_BYTES,
                SENDING_BUDGET_BYTES - SENDING_RESERVED_BYTES,
                SENDING_BUDGET_BYTES,
            )),
            listening,
            sessions: DashMap::new(),
            stopping: CancellationToken::new(),
            tracker: TaskTracker::new(),
            run_nonce: seed,
            next_generation: AtomicU64::new(1),
            nonce: AtomicU64::new(seed),
            masternodes_asked: AtomicBool::new(false),
            admission: Mutex::new(()),
        }
    }

    /// Starts a task that shutdown waits for.
    pub(super) fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let task: Task = Box::pin(self.tracker.track_future(task));
        self.around.spawner.spawn(name, task);
    }

    /// A number for nonces and jitter: unpredictable from the system, or from the seed that the
    /// system gave at start if it gives no more. Nothing secret depends on it.
    pub(super) fn random(&self) -> u64 {
        getrandom::u64().unwrap_or_else(|_| {
            let mut x = self.nonce.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            x ^ (x >> 31)
        })
    }

    /// What this node can do for its peers now, as bits of [`capability`]: whether it lacks blocks, its tip
    /// says.
    pub(super) fn capabilities(&self) -> u64 {
        match self.around.tip.load().pruned_below > 1 {
            true => self.config.capabilities | capability::PRUNED,
            false => self.config.capabilities,
        }
    }

    /// Whether the key that a session proved is a registered masternode's now. Anybody can prove a key
    /// of its own; and who registers, or leaves the registry, keeps its session.
    pub(super) fn is_masternode(&self, session: &Session) -> bool {
        self.validator(session).is_some()
    }

    /// The key that a session proved, if it is a registered masternode's now.
    pub(super) fn validator(&self, session: &Session) -> Option<PublicKey> {
        session
            .agreed
            .validator
            .filter(|key| (self.around.is_member)(key))
    }

    /// Charges a fault to the node behind a session, and does what follows from it. A session that is
    /// closed for one already is not charged with what else was in the same message.
    pub(super) fn fault(&self, session: &Session, fault: Fault, detail: &str) {
        if session.closing.is_cancelled() {
            return;
        }
        self.around.metrics.p2p.faults.inc();
        let node = session.node_id();
        let verdict = self
            .standings
            .charge(node, fault, self.is_masternode(session), Instant::now());
        tracing::debug!(peer = %node.short(), fault = fault.name(), ?verdict, detail, "Peer fault");
        match verdict {
            Verdict::Noted | Verdict::Quarantine => {}
            Verdict::Disconnect | Verdict::Pause => {
                session.close(CloseReason::Fault(fault, detail.to_owned()));
            }
            Verdict::Discourage(evidence) => {
                let reason = format!("{}: {detail}", fault.name());
                self.bans.discourage(node, &reason, &evidence, unix_ms());
                self.bans.note_met(node, session.ip(), session.agreed.validator);
                session.close(CloseReason::Fault(fault, detail.to_owned()));
            }
        }
    }

    /// A registered masternode is not discouraged: neither is one that registered since it was, which a node
    /// that catches up learns late.
    fn welcome(&self, node: &NodeId) {
        if self.bans.encourage(node) {
            self.standings.forgive(node);
            tracing::debug!(peer = %node.short(), "Discouraged peer is a registered masternode now");
        }
    }

    /// The registry may have grown.
    pub(super) fn welcome_registered(&self) {
        for node in self.bans.registered(|key| (self.around.is_member)(key)) {
            self.welcome(&node);
        }
    }

    /// Ends a session for a reason; if that is a fault, the node is charged with it.
    pub(super) fn close(&self, session: &Session, reason: CloseReason) {
        match &reason {
            // Only the first reason counts: what breaks on the way out is nobody's fault.
            _ if session.closing.is_cancelled() => {}
            CloseReason::Fault(fault, detail) => self.fault(session, *fault, detail),
            CloseReason::SlowReader => self.fault(session, Fault::SlowReader, "does not read"),
            _ => {}
        }
        session.close(reason);
    }

    /// Whether an inbound node that is discouraged finds no slot: they are for others when scarce.
    fn is_unwelcome(&self, session: &Session, others: usize) -> bool {
        session.direction() == Direction::Inbound
            && !self.is_masternode(session)
            && others * SCARCE.1 >= self.config.inbound_max * SCARCE.0
            && self.bans.is_discouraged(&session.node_id(), unix_ms())
    }

    /// Queues an answer. What there is no memory or no room for is answered Busy. Gives the bytes of the
    /// answer that travel, 0 for none.
    pub(super) fn answer(&self, session: &Session, mut message: Outgoing) -> Result<usize, SendError> {
        let (bytes, request_id) = (message.len(), message.request_id());
        if bytes > PACKET_PAYLOAD_MAX_BYTES {
            let purpose = match self.is_masternode(session) {
                true => Purpose::Consensus,
                false => Purpose::Common,
            };
            let Some(permit) = self.sending.try_take(bytes, purpose) else {
                self.around
                    .metrics
                    .p2p
                    .messages_dropped
                    .inc(DropReason::QueueFull);
                return session.send(&Message::Busy(Busy), request_id).map(|()| 0);
            };
            message = message.holding(permit);
        }
        match session.queue(message) {
            Ok(()) => Ok(bytes),
            Err(SendError::QueueFull(_)) => session.send(&Message::Busy(Busy), request_id).map(|()| 0),
            Err(error) => Err(error),
        }
    }

    /// The live session with a node.
    pub(super) fn session(&self, node_id: &NodeId) -> Option<Arc<Session>> {
        self.sessions.get(node_id).map(|entry| Arc::clone(entry.value()))
    }

    /// The facts of a session, and its node's standing.
    pub(super) fn info(&self, session: &Session) -> crate::wire::PeerInfo {
        crate::wire::PeerInfo {
            score: self.standings.points(&session.node_id(), Instant::now()),
            validator: self.validator(session),
            ..session.info()
        }
    }

    /// Saves discouragements from time to time, and once more at the end. Bans are saved when made.
    pub(super) async fn save_bans(self: Arc<Self>) {
        loop {
            let last = tokio::select! {
                () = self.stopping.cancelled() => true,
                () = tokio::time::sleep(SAVE_BANS_EVERY) => false,
            };
            if self.bans.is_changed() {
                let core = Arc::clone(&self);
                match tokio::task::spawn_blocking(move || core.bans.save(unix_ms())).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::warn!(%error, "discouraged peers not saved"),
                    Err(error) => tracing::error!(%error, "discouraged peers not saved"),
                }
            }
            if last {
                return;
            }
        }
    }

    /// All live sessions at one moment.
    pub(super) fn all_sessions(&self) -> Vec<Arc<Session>> {
        self.sessions
            .iter()
            .map(|entry| Arc::clone(entry.value()))
            .collect()
    }

    /// Makes a session of a connection that passed the handshake and enters it into the register,
    /// if it has a slot and is the one to keep. [`Core::run`] must follow.
    pub(super) async fn admit(
        &self,
        agreed: Agreed,
        address: SocketAddr,
    ) -> Result<Arc<Session>, HandshakeError> {
        let mut events = self
            .queues
            .peers
            .reserve_many(2)
            .await
            .map_err(|_| HandshakeError::Stopping)?;
        if self
            .bans
            .of_node(&agreed.peer_id, address.ip(), unix_ms())
            .is_some()
        {
            return Err(HandshakeError::Banned);
        }
        if let Some(left) = self.standings.pause(&agreed.peer_id, Instant::now()) {
            return Err(HandshakeError::Paused(left));
        }
        let masternode = agreed
            .validator
            .as_ref()
            .is_some_and(|key| (self.around.is_member)(key));
        if masternode {
            self.welcome(&agreed.peer_id);
        }
        let generation = self.next_generation.fetch_add(1, Ordering::Relaxed);
        let quotas = self.quotas.of(
            agreed.peer_id,
            masternode,
            self.config.rate_limits,
            self.around.tip.load().validators,
            Instant::now(),
        );
        let session = Session::new(
            agreed,
            generation,
            address,
            self.our_id,
            quotas,
            self.config.capabilities,
        );
        let session = Arc::new(session);
        let node_id = session.node_id();

        let _alone = self.admission.lock().unwrap_or_else(PoisonError::into_inner);
        if self.key_is_busy(&session) {
            return Err(HandshakeError::NoSlot);
        }
        let free_slot = self.has_slot(&session) || self.make_room_for(&session);
        match self.sessions.entry(node_id) {
            Entry::Occupied(mut entry) => {
                let old = Arc::clone(entry.get());
                // Strangers can make themselves look like it, and nobody need care.
                if session.agreed.hello.run_nonce != old.agreed.hello.run_nonce
                    && self.twins.replaced(node_id, Instant::now())
                    && self.is_masternode(&session)
                {
                    tracing::error!(
                        peer = %node_id,
                        "node key in use twice: two processes answer to it; stop one of them"
                    );
                }
                if !self.replaces(&session, &old) {
                    return Err(HandshakeError::Duplicate(node_id));
                }
                entry.insert(Arc::clone(&session));
                old.close(CloseReason::Replaced);
                if let Some(event) = events.next() {
                    event.send(PeerEvent::Down {
                        node_id,
                        generation: old.generation,
                        reason: old.close_reason(),
                    });
                }
            }
            Entry::Vacant(_) if !free_slot => return Err(HandshakeError::NoSlot),
            Entry::Vacant(entry) => {
                entry.insert(Arc::clone(&session));
            }
        }
        if let Some(event) = events.next() {
            event.send(PeerEvent::Up {
                node_id,
                generation,
                info: Box::new(session.info()),
                validator: session.agreed.validator,
            });
        }
        if self.stopping.is_cancelled() {
            session.close(CloseReason::Shutdown);
        }
        // A ban that came between the question above and the register found no session to close.
        if self.bans.of_node(&node_id, address.ip(), unix_ms()).is_some() {
            session.close(CloseReason::Banned);
        }
        Ok(session)
    }

    /// Whether `new` takes the place of `old`, a session with the same node.
    fn replaces(&self, new: &Session, old: &Session) -> bool {
        let restarted = new.agreed.hello.run_nonce != old.agreed.hello.run_nonce;
        if old.closing.is_cancelled() || old.keep_alive().missed > 0 {
            return true;
        }
        if restarted && self.twins.is_twin(&old.node_id(), Instant::now()) {
            // A key in use twice looks like a node that restarts all the time: the one that is here
            // stays.
            return false;
        }
        restarted || keep_new_connection(&old.dialer, &new.dialer, &self.our_id, &new.node_id())
    }

    /// Starts the two tasks of an admitted session. `slot` is held until they end.
    pub(super) fn run<S>(
        self: &Arc<Self>,
        session: &Arc<Session>,
        stream: S,
        buffer: BytesMut,
        slot: impl Send + 'static,
    ) where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let address = session.address;
        if session.direction() == Direction::Inbound {
            tracing::info!(peer = %session.node_id().short(), "New peer connection from: {address}");
        }
        tracing::info!(peer = %session.node_id().short(), "Handshake accepted from {address}");
        tracing::info!(
            peer = %session.node_id(),
            %address,
            direction = ?session.direction(),
            validator = session.agreed.validator.map(|key| key.short()),
            agent = session.agreed.hello.user_agent,
            height = session.agreed.hello.height,
            "Peer connected"
        );
        let (source, sink) = tokio::io::split(stream);
        let (written, writer_done) = oneshot::channel::<()>();
        let (core, of) = (Arc::clone(self), Arc::clone(session));
        self.spawn("session writer", async move {
            writer::write(core, of, sink).await;
            drop(written);
        });
        let (core, of) = (Arc::clone(self), Arc::clone(session));
        self.spawn("session reader", async move {
            reader::read(Arc::clone(&core), Arc::clone(&of), source, buffer).await;
            of.close(CloseReason::Closed);
            of.requests.close();
            // Comes back when the writer has dropped its end, with or without a word.
            let _ = writer_done.await;
            core.end_session(&of).await;
            drop(slot);
        });
        self.hear_of(session);
        self.ask_for_masternodes();
    }

    /// Asks somebody to leave for a newcomer, if there is somebody who may be asked. A masternode has
    /// slots of its own, and who is discouraged takes nobody's place.
    fn make_room_for(&self, session: &Session) -> bool {
        if self.is_masternode(session)
            || self.sessions.contains_key(&session.node_id())
            || self.bans.is_discouraged(&session.node_id(), unix_ms())
        {
            return false;
        }
        let now = Instant::now();
        let candidates = self
            .all_sessions()
            .into_iter()
            .filter(|one| one.direction() == Direction::Inbound && !self.is_masternode(one))
            .filter(|one| !one.closing.is_cancelled())
            .map(|one| Candidate {
                node_id: one.node_id(),
                ip: one.ip(),
                since: one.since,
                rtt_min_us: one.keep_alive().rtt_min_us,
                points: self.standings.points(&one.node_id(), now),
            })
            .collect();
        let evicted = eviction::choose(candidates).and_then(|node_id| self.session(&node_id));
        match evicted {
            Some(evicted) => {
                evicted.close(CloseReason::Evicted);
                true
            }
            None => false,
        }
    }

    /// Whether other nodes hold as many sessions with the key that this one proved as may be. What a
    /// masternode may do beyond others, above all take memory that votes need, it may do once.
    fn key_is_busy(&self, session: &Session) -> bool {
        let Some(key) = session.agreed.validator else {
            return false;
        };
        let others = self
            .sessions
            .iter()
            .filter(|entry| entry.agreed.validator == Some(key) && entry.node_id() != session.node_id())
            .filter(|entry| !entry.closing.is_cancelled());
        others.count() >= SESSIONS_PER_KEY_MAX
    }

    fn has_slot(&self, session: &Session) -> bool {
        if session.direction() == Direction::Outbound {
            return true;
        }
        let inbound = self
            .sessions
            .iter()
            .filter(|entry| entry.direction() == Direction::Inbound && !entry.closing.is_cancelled());
        let (masternodes, others) = inbound.fold((0, 0), |(masternodes, others), entry| {
            if self.is_masternode(&entry) {
                (masternodes + 1, others)
            } else {
                (masternodes, others + 1)
            }
        });
        if self.is_masternode(session) {
            // A masternode may also take a common slot.
            masternodes + others < self.config.inbound_max + self.config.reserved_max
        } else {
            others < self.config.inbound_max && !self.is_unwelcome(session, others)
        }
    }

    async fn end_session(&self, session: &Arc<Session>) {
        let reason = session.close_reason();
        self.around.metrics.p2p.disconnects.inc(reason.label());
        tracing::info!(peer = %session.node_id().short(), address = %session.address, %reason, "Peer disconnected");
        // Fails only if the node has dropped its end of the queue, and wants no events.
        let event = self.queues.peers.reserve().await;
        let node_id = session.node_id();
        let ours = |_: &NodeId, live: &Arc<Session>| live.generation == session.generation;
        if self.sessions.remove_if(&node_id, ours).is_some()
            && let Ok(event) = event
        {
            event.send(PeerEvent::Down {
                node_id,
                generation: session.generation,
                reason,
            });
        }
    }

    /// Asks everybody for the masternode registry, once, when enough peers are up.
    fn ask_for_masternodes(&self) {
        let enough = self.config.peers.len().clamp(1, MASTERNODES_ASK_PEERS);
        if self.sessions.len() < enough || self.masternodes_asked.swap(true, Ordering::Relaxed) {
            return;
        }
        tracing::info!(
            peers = self.sessions.len(),
            "Broadcasting GetMasternodes to all peers"
        );
        let ask = Message::GetMasternodes(GetMasternodes {
            registry_height: Default::default(),
            after: None,
            limit: MASTERNODES_ASK_LIMIT,
        });
        for session in self.all_sessions() {
            if let Err(error) = session.ask(&ask, Waiter::Queue) {
                tracing::debug!(peer = %session.node_id().short(), %error, "GetMasternodes not sent");
            }
        }
    }
}

/// The label under which a lane is counted.
pub(super) fn lane_label(lane: Lane) -> LaneLabel {
    match lane {
        Lane::Control => LaneLabel::Control,
        Lane::Consensus => LaneLabel::Consensus,
        Lane::Blocks => LaneLabel::Blocks,
        Lane::Tx => LaneLabel::Transactions,
        Lane::State => LaneLabel::Bulk,
    }
}

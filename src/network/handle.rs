//! The network as the node sees it.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use dashmap::{DashMap, Entry};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};

use crate::{
    crypto::{NodeId, PublicKey},
    wire::{Ban, BanTarget, Direction, Message, Outgoing, PeerInfo, Reachability},
};

use super::{
    BanError, BansInForce, CloseReason, DIALLED_PEERS_MAX, Inbound, NetworkConfig, NetworkError, Outboxes,
    PeerAddress, RequestError, SendError, Surroundings, core::Core, descriptors, dialer, dialer::Dialled,
    handshake::unix_ms, listener, requests::Waiter, session::Session, tls::TlsIdentity,
};

/// Sessions have this long to say goodbye when the network stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

/// The sessions of this node. Cheap to clone.
#[derive(Clone)]
pub struct Network {
    core: Arc<Core>,
    dialled: Arc<DashMap<PeerAddress, Dialled>>,
}

/// What an unban did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unbanned {
    /// What was lifted; empty if nothing was there.
    pub lifted: Vec<Ban>,
    /// Whether it had fault points, or a pause, that are forgiven now.
    pub forgiven: bool,
    /// Another ban that still keeps it out: of a range in which it lies, or in which the node was seen.
    pub still: Option<Ban>,
}

/// A session, as far as choosing receivers needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The node.
    pub node_id: NodeId,
    /// The consensus key that it proved for this session, if that is a registered masternode's now.
    pub validator: Option<PublicKey>,
    /// The consensus key that it proved for this session, whoever's that is.
    pub proved: Option<PublicKey>,
    /// Bits of [`crate::wire::capability`].
    pub capabilities: u64,
}

impl Network {
    /// Binds the listening socket, then accepts and dials until [`Network::shutdown`].
    ///
    /// # Errors
    /// [`NetworkError`]: the address is taken, the key is refused, or the configuration asks for too
    /// much.
    pub async fn start(
        config: NetworkConfig,
        around: Surroundings,
        queues: Outboxes,
    ) -> Result<Self, NetworkError> {
        if config.peers.len() > DIALLED_PEERS_MAX {
            return Err(NetworkError::TooManyPeers {
                count: config.peers.len(),
                max: DIALLED_PEERS_MAX,
            });
        }
        descriptors::reserve(&config)?;
        let tls = TlsIdentity::new(&around.node_key)?;
        let mut book_key = [0; 32];
        getrandom::fill(&mut book_key).map_err(|error| NetworkError::Random(error.to_string()))?;
        let seed = getrandom::u64().map_err(|error| NetworkError::Random(error.to_string()))?;
        let socket = listener::bind(config.listen).await?;
        let listening = socket.local_addr().unwrap_or(config.listen);
        let peers = config.peers.clone();
        let core = Arc::new(Core::new(config, around, tls, queues, listening, seed, book_key));
        core.spawn("network listener", listener::listen(Arc::clone(&core), socket));
        core.spawn("bans", Arc::clone(&core).save_bans());
        if core.config.discovery {
            core.spawn("discovery", Arc::clone(&core).discover());
            core.spawn("reachability", Arc::clone(&core).watch_reachability());
        }
        let network = Self {
            core,
            dialled: Arc::default(),
        };
        for peer in peers {
            network.dial(peer);
        }
        Ok(network)
    }

    /// Our node id.
    pub fn node_id(&self) -> NodeId {
        self.core.our_id
    }

    /// Where we listen; with the real port if port 0 was asked for.
    pub fn listening(&self) -> SocketAddr {
        self.core.listening
    }

    /// Keeps a connection to `peer` from now on. False if it is dialled already, or too many are.
    pub fn dial(&self, peer: PeerAddress) -> bool {
        if self.dialled.len() >= DIALLED_PEERS_MAX {
            return false;
        }
        let Entry::Vacant(entry) = self.dialled.entry(peer.clone()) else {
            return false;
        };
        let dialled = Dialled::default();
        entry.insert(dialled.clone());
        self.core
            .spawn("dialer", dialer::dial(Arc::clone(&self.core), peer, dialled));
        true
    }

    /// Stops dialling `peer`; a session with it stays. False if it was not dialled.
    pub fn undial(&self, peer: &PeerAddress) -> bool {
        match self.dialled.remove(peer) {
            Some((_, dialled)) => {
                dialled.removed.cancel();
                true
            }
            None => false,
        }
    }

    /// Peers that are dialled, in no order, and who answered at each address last: behind a proxy or a
    /// name that is another node than its session tells.
    pub fn dialled(&self) -> Vec<(PeerAddress, Option<NodeId>)> {
        let pairs = self.dialled.iter();
        pairs
            .map(|entry| (entry.key().clone(), entry.value().answered()))
            .collect()
    }

    /// Whether others can dial this node, as far as it knows; unknown without discovery.
    pub fn reachability(&self) -> Reachability {
        self.core.reach.verdict(Instant::now())
    }

    /// Addresses in the book.
    pub fn known_addresses(&self) -> usize {
        self.core.discovery.known()
    }

    /// Number of live sessions.
    pub fn peer_count(&self) -> usize {
        self.core.sessions.len()
    }

    /// All live sessions, ascending by node id.
    pub fn peers(&self) -> Vec<PeerInfo> {
        let mut peers: Vec<_> = self
            .core
            .all_sessions()
            .iter()
            .map(|session| self.core.info(session))
            .collect();
        peers.sort_unstable_by_key(|peer| peer.node_id);
        peers
    }

    /// The live session with one node.
    pub fn peer(&self, node_id: &NodeId) -> Option<PeerInfo> {
        self.core.session(node_id).map(|session| self.core.info(&session))
    }

    /// True while there is a session with that node.
    pub fn is_connected(&self, node_id: &NodeId) -> bool {
        self.core.sessions.contains_key(node_id)
    }

    /// Queues a notice for one peer. Never waits.
    ///
    /// # Errors
    /// [`SendError`].
    pub fn send(&self, peer: &NodeId, message: &Message) -> Result<(), SendError> {
        self.live(peer)?.send(message, 0)
    }

    /// Queues a notice for every peer that `choose` picks; it is encoded once and its bytes are
    /// shared. Returns how many queues took it.
    ///
    /// # Errors
    /// [`SendError::Codec`] if it does not encode. Full queues are not an error: each peer's is its
    /// own affair.
    pub fn broadcast(&self, message: &Message, choose: impl Fn(&Link) -> bool) -> Result<usize, SendError> {
        let encoded: Outgoing = message.encode(0)?;
        let sessions = self.core.all_sessions();
        let chosen = sessions.iter().filter(|session| choose(&self.link(session)));
        Ok(chosen
            .filter(|session| session.queue(encoded.clone()).is_ok())
            .count())
    }

    /// The session with a peer.
    pub fn link_to(&self, peer: &NodeId) -> Option<Link> {
        self.core.session(peer).map(|session| self.link(&session))
    }

    /// True if there is a session that `choose` picks.
    pub fn has_link(&self, choose: impl Fn(&Link) -> bool) -> bool {
        self.core
            .all_sessions()
            .iter()
            .any(|session| choose(&self.link(session)))
    }

    /// Asks one peer and waits for its answer, which may be Busy or NotFound. Dropping the future
    /// gives the request up; a late answer is then no fault of the peer.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn request(
        &self,
        peer: &NodeId,
        message: &Message,
        deadline: Duration,
    ) -> Result<Inbound, RequestError> {
        let session = self.live(peer)?;
        let (caller, answer) = oneshot::channel();
        let id = session.ask(message, Waiter::Caller(caller))?;
        let mut given_up = GiveUp {
            session: &session,
            id: Some(id),
        };
        match timeout(deadline, answer).await {
            Ok(Ok(answer)) => {
                given_up.id = None;
                answer
            }
            Ok(Err(_)) => Err(RequestError::Disconnected),
            Err(_) => Err(RequestError::Timeout(deadline)),
        }
    }

    /// Answers a request from the serve queue, over the session it came from and no other.
    ///
    /// # Errors
    /// [`SendError`].
    pub fn respond(&self, to: &Inbound, answer: &Message) -> Result<(), SendError> {
        self.respond_to(&to.peer, to.generation, to.request_id, answer)
            .map(|_| ())
    }

    /// As [`Network::respond`], for whoever has taken the request apart. Encodes and compresses, which
    /// takes a while for a large answer. Gives the bytes of the answer that travel; 0 if there was no
    /// memory for it, and the peer was told Busy.
    ///
    /// # Errors
    /// [`SendError`].
    pub fn respond_to(
        &self,
        peer: &NodeId,
        generation: u64,
        request_id: u64,
        answer: &Message,
    ) -> Result<usize, SendError> {
        let session = self.live(peer)?;
        if session.generation != generation {
            return Err(SendError::NotConnected(*peer));
        }
        let mut message = answer.encode(request_id)?;
        if session.compresses() {
            message = message.compressed();
        }
        let bytes = self.core.answer(&session, message)?;
        if matches!(answer, Message::Blocks(_)) {
            session.quotas().served(bytes, Instant::now());
        }
        Ok(bytes)
    }

    /// Charges a fault to a peer; a fatal one ends its session.
    pub fn blame(&self, peer: &NodeId, fault: crate::wire::Fault, detail: &str) {
        if let Some(session) = self.core.session(peer) {
            self.core.fault(&session, fault, detail);
        }
    }

    /// Closes the session with a node. False if there is none. A configured peer is dialled again.
    pub fn disconnect(&self, peer: &NodeId) -> bool {
        match self.core.session(peer) {
            Some(session) => {
                session.close(CloseReason::Operator);
                true
            }
            None => false,
        }
    }

    /// Bans, closes what is hit, and saves the list. Gives how many sessions were closed. Blocks on the
    /// disk.
    ///
    /// # Errors
    /// [`BanError::Full`]: nothing changed. [`BanError::NotSaved`]: it holds, until a restart.
    pub fn ban(&self, ban: Ban) -> Result<usize, BanError> {
        let target = ban.target;
        self.core.bans.ban(ban)?;
        let hit = |session: &&Arc<Session>| target.hits(Some(&session.node_id()), session.ip());
        let sessions = self.core.all_sessions();
        let closed = sessions.iter().filter(hit);
        let closed = closed
            .inspect(|session| {
                session.close(CloseReason::Banned);
                let node = session.node_id();
                self.core
                    .bans
                    .note_met(node, session.ip(), session.agreed.validator);
            })
            .count();
        self.core.bans.save(unix_ms())?;
        Ok(closed)
    }

    /// Where a node was seen, as far as this program knows.
    fn addresses_of(&self, node: &NodeId) -> Vec<IpAddr> {
        let live = self.core.session(node).map(|session| session.ip());
        let mut addresses: Vec<IpAddr> = live.into_iter().chain(self.core.bans.met_at(node)).collect();
        addresses.extend(self.core.discovery.addresses_of(node));
        let dialled = self
            .dialled
            .iter()
            .filter(|entry| entry.key().expected == Some(*node) || entry.value().answered() == Some(*node));
        addresses.extend(dialled.filter_map(|entry| entry.key().host.parse::<IpAddr>().ok()));
        addresses
    }

    /// Lifts a ban and whatever the program holds against a node; of a range, against all that came from
    /// there. Blocks on the disk.
    ///
    /// # Errors
    /// [`BanError::NotSaved`]: it is lifted, until a restart.
    pub fn unban(&self, target: &BanTarget) -> Result<Unbanned, BanError> {
        let seen_at = match target {
            BanTarget::Node(id) => self.addresses_of(id),
            BanTarget::Range(_) => Vec::new(),
        };
        let lifted = self.core.bans.unban(target);
        let nodes = lifted.iter().filter_map(|ban| match ban.target {
            BanTarget::Node(id) => Some(id),
            BanTarget::Range(_) => None,
        });
        let forgiven = nodes.filter(|id| self.core.standings.forgive(id)).count() > 0
            || matches!(target, BanTarget::Node(id) if self.core.standings.forgive(id));
        let now_ms = unix_ms();
        let still = match target {
            BanTarget::Node(_) => seen_at
                .into_iter()
                .find_map(|ip| self.core.bans.of_address(ip, now_ms)),
            BanTarget::Range(range) => {
                let list = self.core.bans.list(now_ms).into_iter();
                let mut wider =
                    list.filter(|ban| matches!(ban.target, BanTarget::Range(other) if other.covers(range)));
                wider.next()
            }
        };
        self.core.bans.save(now_ms)?;
        Ok(Unbanned {
            lifted,
            forgiven,
            still,
        })
    }

    /// Lifts all bans and discouragements; gives how many. Blocks on the disk.
    ///
    /// # Errors
    /// [`BanError::NotSaved`]: they are lifted, until a restart.
    pub fn clear_bans(&self) -> Result<usize, BanError> {
        let count = self.core.bans.clear();
        self.core.standings.forgive_all();
        self.core.bans.save(unix_ms())?;
        Ok(count)
    }

    /// Who is kept out, newest first: at most 10 000 bans and 4 096 discouragements.
    pub fn bans(&self) -> Vec<Ban> {
        self.core.bans.list(unix_ms())
    }

    /// The head of that list; cheap while nothing changes.
    pub fn bans_in_force(&self) -> BansInForce {
        self.core.bans.shown(unix_ms())
    }

    /// Nodes whose key two processes seem to use, ascending.
    pub fn twins(&self) -> Vec<NodeId> {
        let is_masternode = |node: &NodeId| {
            let session = self.core.session(node);
            session.is_some_and(|session| self.core.is_masternode(&session))
        };
        let twins = self.core.twins.list(Instant::now());
        twins.into_iter().filter(is_masternode).collect()
    }

    /// Memory that half-received and queued messages of all peers take, in bytes.
    pub fn reassembly_bytes(&self) -> usize {
        self.core.budget.used_bytes()
    }

    /// Stops listening and dialling, says goodbye to every peer and waits for the tasks to end.
    pub async fn shutdown(&self) {
        self.core.stopping.cancel();
        for session in self.core.all_sessions() {
            session.close(CloseReason::Shutdown);
        }
        self.core.tracker.close();
        if timeout(SHUTDOWN_TIMEOUT, self.core.tracker.wait()).await.is_err() {
            tracing::warn!(
                tasks = self.core.tracker.len(),
                "Network tasks still running; leaving them behind"
            );
        }
    }

    /// What its tasks share.
    #[cfg(test)]
    pub(super) fn core(&self) -> &Core {
        &self.core
    }

    /// Tasks that have not ended.
    #[cfg(test)]
    pub(super) fn core_tasks(&self) -> usize {
        self.core.tracker.len()
    }

    /// The counters.
    #[cfg(test)]
    pub(super) fn core_metrics(&self) -> &crate::metrics::Metrics {
        &self.core.around.metrics
    }

    /// True while the session with that node proves the key of a registered masternode.
    pub fn is_masternode(&self, node_id: &NodeId) -> bool {
        self.core
            .session(node_id)
            .is_some_and(|session| self.core.is_masternode(&session))
    }

    /// True for a node that we dialled, which it cannot choose, or that is a registered masternode.
    pub fn is_preferred(&self, node_id: &NodeId) -> bool {
        self.core.session(node_id).is_some_and(|session| {
            session.direction() == Direction::Outbound || self.core.is_masternode(&session)
        })
    }

    fn link(&self, session: &Session) -> Link {
        Link {
            node_id: session.node_id(),
            validator: self.core.validator(session),
            proved: session.agreed.validator,
            capabilities: session.agreed.hello.capabilities,
        }
    }

    fn live(&self, peer: &NodeId) -> Result<Arc<Session>, SendError> {
        self.core.session(peer).ok_or(SendError::NotConnected(*peer))
    }
}

/// Gives a request up when its caller goes away.
struct GiveUp<'a> {
    session: &'a Session,
    id: Option<u64>,
}

impl Drop for GiveUp<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.session.requests.cancel(id);
        }
    }
}

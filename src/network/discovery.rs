//! Finding peers: asks those we know, dials those we heard of, and keeps the outbound side of the node
//! diverse and alive.
//!
//! Outbound sessions are the ones an attacker cannot choose for us, so they come from different
//! neighbourhoods, two of them are kept over a restart, and when the chain stands still some are exchanged.
//! None of this runs with `network.discovery = false`.

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, interval, timeout};

use crate::{
    crypto::NodeId,
    wire::{
        BoundedVec, Direction, Endpoint, Fault, GetPeers, IpRange, Message, PeerRecord, Peers, Role,
        address_group, capability, is_dialable, limits,
    },
};

use super::{
    CloseReason, HandshakeError,
    book::Book,
    connect::connect,
    core::Core,
    dialer::{CONNECT_TIMEOUT, open},
    file,
    handshake::unix_ms,
    requests::Waiter,
    session::Session,
    socket,
};

/// The address book, in the directory of the network.
pub(super) const BOOK_FILE: &str = "book.json";
/// How often the outbound side is looked after.
const STEP: Duration = Duration::from_secs(1);
/// Dials under way at once.
const DIALS_MAX: usize = 8;
/// With more addresses than this, nobody is asked for more.
const BOOK_ENOUGH: usize = 1_000;
/// How long after asking a peer it is asked again: half of what it grants.
const ASK_AGAIN: Duration = Duration::from_secs(120);
/// The second question to a peer comes sooner: what it had not heard at first it may know by now.
const ASK_SOON: Duration = Duration::from_secs(5);
/// How often an address that we only heard of is tried, for the book's sake.
const FEELER_EVERY: Duration = Duration::from_secs(120);
/// How often the book is saved.
const SAVE_EVERY: Duration = Duration::from_secs(120);
/// How long our own record is used before it is signed anew.
const RECORD_EVERY_S: u64 = 3_600;
/// Outbound sessions with masternodes that a masternode wants: those bring votes without a detour.
const MASTERNODES_WANTED: usize = 8;
/// Sessions exchanged when the chain stands still.
const ROTATE: usize = 2;
/// The same neighbourhood gets the same answer for so long: asking often does not show the whole book.
const ANSWER_FOR: Duration = Duration::from_secs(24 * 3_600);
/// Neighbourhoods whose answers are kept; with more, they are made anew.
const ANSWERS_MAX: usize = 1_024;

/// How a peer was asked, over all its sessions: one on a bad line begins many, and grants no more for it.
#[derive(Debug, Clone, Copy)]
struct Greeted {
    generation: u64,
    times: u32,
    last: Instant,
}

/// What discovery remembers.
#[derive(Debug)]
pub(super) struct Discovery {
    path: Option<PathBuf>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    book: Book,
    dialling: HashSet<SocketAddr>,
    record: Option<PeerRecord>,
    answers: HashMap<IpRange, (Instant, Vec<PeerRecord>)>,
}

impl Discovery {
    /// With the book as saved; with an empty one under `key` if it cannot be read. Blocks.
    pub(super) fn open(path: Option<PathBuf>, key: [u8; 32]) -> Self {
        let saved = path.as_ref().and_then(|path| match file::read(path) {
            Ok(None) => None,
            Ok(Some(bytes)) => Book::from_bytes(&bytes).or_else(|| {
                tracing::warn!(path = %path.display(), "the address book cannot be read: starting with an empty one, from the configured peers");
                file::set_aside(path);
                None
            }),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the address book cannot be read: starting with an empty one");
                None
            }
        });
        Self {
            path,
            inner: Mutex::new(Inner {
                book: saved.unwrap_or_else(|| Book::new(key)),
                dialling: HashSet::new(),
                record: None,
                answers: HashMap::new(),
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // The tables are consistent after every call; a panic elsewhere does not spoil them.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many addresses are known.
    pub(super) fn known(&self) -> usize {
        self.lock().book.len()
    }

    /// Where a node listens, as far as the book knows.
    pub(super) fn addresses_of(&self, node: &NodeId) -> Vec<IpAddr> {
        self.lock().book.addresses_of(node)
    }

    /// A dial of ours, by configuration or by discovery, reached a node.
    pub(super) fn answered(&self, address: SocketAddr, node: NodeId, is_masternode: bool) {
        self.lock().book.answered(address, node, is_masternode, now_s());
    }

    fn save(&self) {
        let Some(path) = &self.path else { return };
        let bytes = self.lock().book.to_bytes();
        if let Err(error) = file::replace(path, &bytes) {
            tracing::warn!(path = %path.display(), %error, "the address book was not saved");
        }
    }
}

fn now_s() -> u64 {
    unix_ms() / 1_000
}

impl Core {
    /// Where others reach us, as far as we know; signed.
    fn own_record(&self) -> Option<PeerRecord> {
        let address = self.config.external.unwrap_or(self.listening);
        if !is_dialable(&address, self.config.allow_private) {
            return None;
        }
        let mut inner = self.discovery.lock();
        let now_s = now_s();
        if let Some(record) = &inner.record
            && record.seq + RECORD_EVERY_S > now_s
            && record.seq <= now_s
        {
            return Some(record.clone());
        }
        let mut record = PeerRecord {
            node_id: self.our_id,
            addresses: BoundedVec::truncated(vec![Endpoint::from(address)]),
            seq: now_s,
            capabilities: self.capabilities(),
            signature: crate::crypto::Signature::from_bytes([0; 64]),
        };
        let bytes = record.signing_bytes(&self.around.chain.genesis_hash);
        record.signature = self.around.node_key.sign(&bytes);
        inner.record = Some(record.clone());
        Some(record)
    }

    /// Whom we know, for a peer that asks.
    pub(super) fn tell_peers(&self, session: &Session, get: &GetPeers, request_id: u64) {
        if !self.config.discovery {
            // A full lane: the peer's own timeout tells it.
            let _ = session.send(&Message::NotFound(crate::wire::NotFound), request_id);
            return;
        }
        let own = self.own_record();
        let group = address_group(session.ip());
        let now = Instant::now();
        let mut inner = self.discovery.lock();
        let kept = inner
            .answers
            .get(&group)
            .filter(|(at, _)| !self.config.allow_private && now.duration_since(*at) < ANSWER_FOR)
            .map(|(_, records)| records.clone());
        let mut records = kept.unwrap_or_else(|| {
            let sample = inner
                .book
                .sample(limits::PEERS_PER_ANSWER_MAX, &mut || self.random());
            if inner.answers.len() >= ANSWERS_MAX {
                inner.answers.clear();
            }
            inner.answers.insert(group, (now, sample.clone()));
            sample
        });
        drop(inner);
        let (fresh_s, now_ms) = (now_s(), unix_ms());
        records
            .retain(|record| record.is_fresh(fresh_s) && !self.bans.is_discouraged(&record.node_id, now_ms));
        records.extend(own);
        let most = usize::from(get.max).min(limits::PEERS_PER_ANSWER_MAX);
        records.reverse();
        records.truncate(most);
        let answer = Message::Peers(Peers {
            records: BoundedVec::truncated(records),
        });
        let _ = session.send(&answer, request_id);
    }

    /// Records came, asked for or not.
    pub(super) fn learn_peers(&self, session: &Session, peers: &Peers, is_answer: bool) {
        if !self.config.discovery {
            return;
        }
        if !is_answer && peers.records.len() > limits::PEERS_UNASKED_MAX {
            return self.fault(session, Fault::Spam, "many peer records, unasked");
        }
        let now_s = now_s();
        let allowed = session.quotas().records(peers.records.len(), Instant::now());
        for record in peers.records.iter().take(allowed) {
            if record.node_id == self.our_id {
                continue;
            }
            if !record.is_signed(&self.around.chain.genesis_hash) {
                return self.fault(
                    session,
                    Fault::InvalidSignature,
                    "a peer record that does not hold",
                );
            }
            // One of the clocks is wrong, and it may be ours.
            if record.is_from_the_future(now_s) {
                continue;
            }
            let mut inner = self.discovery.lock();
            for endpoint in record.addresses.iter() {
                let address = SocketAddr::from(*endpoint);
                if is_dialable(&address, self.config.allow_private) {
                    inner
                        .book
                        .hear(address, Some(record.node_id), Some(record), session.ip(), now_s);
                }
            }
        }
    }

    /// A peer dialled us and says where it listens: hearsay, from itself.
    pub(super) fn hear_of(&self, session: &Session) {
        if self.config.discovery
            && session.direction() == Direction::Inbound
            && let Some(address) = session.listen_address()
            && is_dialable(&address, self.config.allow_private)
        {
            let node = Some(session.node_id());
            self.discovery
                .lock()
                .book
                .hear(address, node, None, session.ip(), now_s());
        }
    }

    /// Sends our own record.
    fn tell_own_record(&self, session: &Session) {
        if let Some(record) = self.own_record() {
            let own = Message::Peers(Peers {
                records: BoundedVec::truncated(vec![record]),
            });
            let _ = session.send(&own, 0);
        }
    }

    /// Asks for the records of others.
    fn ask_for_peers(&self, session: &Session) {
        if self.discovery.known() < BOOK_ENOUGH {
            let ask = Message::GetPeers(GetPeers {
                max: limits::PEERS_PER_ANSWER_MAX as u16,
            });
            if let Err(error) = session.ask(&ask, Waiter::Queue) {
                tracing::debug!(peer = %session.node_id().short(), %error, "GetPeers not sent");
            }
        }
    }

    /// Tells a new session of ourselves, and asks its node for others when that is due. Gives what to
    /// remember of a node that was not greeted lately.
    fn greet(&self, session: &Session, before: Option<&mut Greeted>, now: Instant) -> Option<Greeted> {
        let first = before.is_none();
        let mut fresh = Greeted {
            generation: session.generation,
            times: 0,
            last: now,
        };
        let known = before.unwrap_or(&mut fresh);
        let pause = match known.times {
            0 => Duration::ZERO,
            1 => ASK_SOON,
            _ => ASK_AGAIN,
        };
        let is_due = now.duration_since(known.last) >= pause;
        if first || is_due || known.generation != session.generation {
            self.tell_own_record(session);
        }
        known.generation = session.generation;
        if is_due {
            (known.times, known.last) = (known.times.saturating_add(1), now);
            self.ask_for_peers(session);
        }
        first.then_some(fresh)
    }

    fn outbound(&self) -> Vec<Arc<Session>> {
        let mut sessions = self.all_sessions();
        sessions.retain(|session| session.direction() == Direction::Outbound);
        sessions
    }

    /// Picks an address for one more outbound session and dials it. False if there is none.
    fn dial_one(self: &Arc<Self>, anchors: &mut Vec<SocketAddr>, is_feeler: bool) -> bool {
        let sessions = self.all_sessions();
        let mut inner = self.discovery.lock();
        if inner.dialling.len() >= DIALS_MAX {
            return false;
        }
        let masternodes = sessions
            .iter()
            .filter(|session| session.direction() == Direction::Outbound && self.is_masternode(session))
            .count();
        let is_one = self.config.capabilities & capability::MASTERNODE != 0;
        let wants_masternode = is_one && !is_feeler && masternodes < MASTERNODES_WANTED;
        let mut busy: HashSet<SocketAddr> = inner.dialling.clone();
        busy.insert(self.listening);
        busy.extend(self.config.external);
        for session in &sessions {
            busy.extend(session.listen_address());
            busy.insert(session.address);
        }
        let mut groups: HashSet<IpRange> = HashSet::new();
        if !self.config.allow_private {
            let outbound = sessions
                .iter()
                .filter(|session| session.direction() == Direction::Outbound)
                .map(|session| session.ip());
            let dialling = inner.dialling.iter().map(SocketAddr::ip);
            groups = outbound.chain(dialling).map(address_group).collect();
        }
        let now_ms = unix_ms();
        // Some tries: what is banned, discouraged or connected already is passed over.
        for _ in 0..DIALS_MAX {
            let anchor = if is_feeler { None } else { anchors.pop() };
            // Only of a node that answered there is it known that the address is its own; what others sign
            // must not keep us from dialling.
            let (address, node) = match anchor {
                Some(anchor) => (anchor, None),
                None => match inner.book.choose(
                    &busy,
                    &groups,
                    is_feeler,
                    wants_masternode,
                    now_ms / 1_000,
                    &mut || self.random(),
                ) {
                    Some(entry) => (entry.address, entry.node.filter(|_| entry.tried)),
                    None => return false,
                },
            };
            let is_out = node.is_some_and(|node| {
                self.sessions.contains_key(&node)
                    || node == self.our_id
                    || self.bans.is_discouraged(&node, now_ms)
                    || self.bans.of_node(&node, address.ip(), now_ms).is_some()
            });
            if is_out || self.bans.of_address(address.ip(), now_ms).is_some() || !busy.insert(address) {
                busy.insert(address);
                continue;
            }
            inner.dialling.insert(address);
            inner.book.dialling(&address, now_ms / 1_000);
            drop(inner);
            let core = Arc::clone(self);
            self.spawn("discovery dial", async move {
                core.dial_found(address, is_feeler).await
            });
            return true;
        }
        false
    }

    async fn dial_found(self: Arc<Self>, address: SocketAddr, is_feeler: bool) {
        self.around.metrics.p2p.dials.inc();
        let attempt = async {
            let stream = timeout(CONNECT_TIMEOUT, open(address))
                .await
                .unwrap_or(Err(HandshakeError::Timeout(CONNECT_TIMEOUT)))?;
            socket::tune(&stream);
            connect(&self, stream, address, Role::Dialer, None, ()).await
        };
        let result = tokio::select! {
            () = self.stopping.cancelled() => Err(HandshakeError::Stopping),
            result = attempt => result,
        };
        // It is there too if we are connected already, and who it is says the session that stays.
        let found = match &result {
            Ok(session) => Some((session.node_id(), self.is_masternode(session))),
            Err(HandshakeError::Duplicate(node)) => {
                let session = self.sessions.get(node).map(|session| Arc::clone(&session));
                Some((*node, session.is_some_and(|session| self.is_masternode(&session))))
            }
            Err(_) => None,
        };
        let mut inner = self.discovery.lock();
        inner.dialling.remove(&address);
        if let Some((node, is_masternode)) = found {
            inner.book.answered(address, node, is_masternode, now_s());
        }
        match &result {
            Ok(_) | Err(HandshakeError::Duplicate(_)) => {}
            Err(HandshakeError::Stopping) => {}
            Err(error) => {
                tracing::debug!(%address, %error, "Peer not reached");
                inner.book.failed(&address, now_s());
            }
        }
        drop(inner);
        if let Ok(session) = result
            && is_feeler
            && self.outbound().len() > self.config.outbound_max
        {
            session.close(CloseReason::Surplus);
        }
    }

    /// Exchanges two outbound sessions, not the oldest two and no masternodes.
    fn rotate(&self) {
        let mut sessions = self.outbound();
        sessions.retain(|session| !self.is_masternode(session));
        sessions.sort_unstable_by_key(|session| session.since);
        for session in sessions.iter().skip(2).rev().take(ROTATE) {
            session.close(CloseReason::Surplus);
        }
    }

    /// Looks after the outbound side until the network stops.
    pub(super) async fn discover(self: Arc<Self>) {
        let mut anchors = self.discovery.lock().book.anchors().to_vec();
        let mut greeted: HashMap<NodeId, Greeted> = HashMap::new();
        let (mut feeler_at, mut save_at) = (Instant::now() + FEELER_EVERY, Instant::now() + SAVE_EVERY);
        let mut tip = (self.around.tip.load().height, Instant::now());
        let mut every = interval(STEP);
        loop {
            let stopping = tokio::select! {
                () = self.stopping.cancelled() => true,
                _ = every.tick() => false,
            };
            let now = Instant::now();
            if stopping || now >= save_at {
                save_at = now + SAVE_EVERY;
                let mut best = self.outbound();
                best.sort_unstable_by_key(|session| session.since);
                let best = best.iter().take(2).map(|session| session.address).collect();
                self.discovery.lock().book.set_anchors(best);
                let core = Arc::clone(&self);
                if let Err(error) = tokio::task::spawn_blocking(move || core.discovery.save()).await {
                    tracing::error!(%error, "the address book was not saved");
                }
            }
            if stopping {
                return;
            }
            let sessions = self.all_sessions();
            greeted.retain(|node, before| {
                now.duration_since(before.last) < ASK_AGAIN || self.sessions.contains_key(node)
            });
            for session in &sessions {
                let before = greeted.get_mut(&session.node_id());
                if let Some(first) = self.greet(session, before, now) {
                    greeted.insert(session.node_id(), first);
                }
            }
            let outbound = self.outbound().len() + self.discovery.lock().dialling.len();
            for _ in outbound..self.config.outbound_max {
                if !self.dial_one(&mut anchors, false) {
                    break;
                }
            }
            if now >= feeler_at {
                feeler_at = now + FEELER_EVERY;
                self.dial_one(&mut anchors, true);
            }
            let height = self.around.tip.load().height;
            if height != tip.0 {
                tip = (height, now);
                self.welcome_registered();
            } else if now.duration_since(tip.1) >= self.config.stall_after {
                tip.1 = now;
                self.rotate();
            }
        }
    }
}

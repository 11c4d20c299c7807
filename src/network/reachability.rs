//! Whether others can reach this node: found out from those it has reached itself.
//!
//! A peer that is asked dials back to the address that the question came from, at the port that the asker
//! names, and looks whether the asker's own key answers there. It dials nowhere else, so nobody can be made to
//! knock at a third party's door; it does so for few at a time, and for one node seldom. A peer that came to us by
//! itself is proof enough, and nobody is asked then.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, oneshot},
    time::{Instant, interval, timeout},
};

use crate::{
    crypto::NodeId,
    wire::{
        Busy, Direction, Endpoint, GetReachable, Message, NotFound, Reachability, Reachable, capability,
        is_dialable,
    },
};

use super::{
    Inbound, RequestError,
    core::Core,
    dialer::{CONNECT_TIMEOUT, open},
    handshake::probe,
    requests::Waiter,
    session::Session,
};

/// How often is looked whom to ask.
const STEP: Duration = Duration::from_secs(5);
/// A session this young is not asked yet: it may be one of two that close each other.
const SETTLED_AFTER: Duration = Duration::from_secs(3);
/// How long after asking a peer it is asked again: twice what it grants.
const ASK_AGAIN: Duration = Duration::from_secs(600);
/// Peers that are asked in one round.
const ASKED_MAX: usize = 3;
/// How long an answer may take: a dial and a handshake at the other end.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// How long an answer, or a peer that came by itself, counts.
const COUNTS_FOR: Duration = Duration::from_secs(1_800);
/// Dials for others at once.
const PROBES_MAX: usize = 4;

/// What is known of our own reachability, and the dials that are made for others.
#[derive(Debug)]
pub(super) struct Reach {
    inner: Mutex<Inner>,
    probes: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Inner {
    /// When a peer last came to us by itself.
    came: Option<Instant>,
    /// What each peer that was asked found, and when it was asked; of those that have a session.
    asked: HashMap<NodeId, Asked>,
}

#[derive(Debug, Clone, Copy)]
struct Asked {
    at: Instant,
    found: Option<Found>,
}

#[derive(Debug, Clone, Copy)]
struct Found {
    at: Instant,
    address: SocketAddr,
    is_reached: bool,
}

impl Default for Reach {
    fn default() -> Self {
        Self {
            inner: Mutex::default(),
            probes: Arc::new(Semaphore::new(PROBES_MAX)),
        }
    }
}

impl Reach {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // The tables are consistent after every call; a panic elsewhere does not spoil them.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What follows from what was found lately.
    pub(super) fn verdict(&self, now: Instant) -> Reachability {
        self.lock().verdict(now)
    }
}

impl Inner {
    fn verdict(&self, now: Instant) -> Reachability {
        let counts = |at: Instant| now.duration_since(at) < COUNTS_FOR;
        if self.came.is_some_and(counts) {
            return Reachability::Reached;
        }
        let found = self.asked.values().filter_map(|asked| asked.found);
        let found: Vec<Found> = found.filter(|found| counts(found.at)).collect();
        if found.iter().any(|found| found.is_reached) {
            return Reachability::Reached;
        }
        // The newest names the address: ours may have changed.
        match found.iter().max_by_key(|found| found.at) {
            None => Reachability::Unknown,
            Some(newest) => Reachability::NotReached {
                address: newest.address,
                asked: u32::try_from(found.len()).unwrap_or(u32::MAX),
            },
        }
    }
}

impl Core {
    /// Asks whom we dialled, now and then, until the network stops.
    pub(super) async fn watch_reachability(self: Arc<Self>) {
        let mut every = interval(STEP);
        let mut told = Reachability::Unknown;
        loop {
            tokio::select! {
                () = self.stopping.cancelled() => return,
                _ = every.tick() => {}
            }
            for session in self.whom_to_ask(Instant::now()) {
                let core = Arc::clone(&self);
                self.spawn(
                    "reachability",
                    async move { core.ask_whether_reached(&session).await },
                );
            }
            let verdict = self.reach.verdict(Instant::now());
            if verdict != told {
                match verdict {
                    Reachability::NotReached { address, asked } => tracing::warn!(
                        %address,
                        asked,
                        "peers cannot dial this node: open the port, or set network.external_address; until then it only has the sessions that it opens itself"
                    ),
                    Reachability::Reached => tracing::info!("peers can dial this node"),
                    Reachability::Unknown => {}
                }
                told = verdict;
            }
        }
    }

    /// Notes who came by itself, and gives the peers that are asked now.
    fn whom_to_ask(&self, now: Instant) -> Vec<Arc<Session>> {
        let sessions = self.all_sessions();
        let mut inner = self.reach.lock();
        let is_one_of_others = |session: &&Arc<Session>| {
            let anywhere = SocketAddr::new(session.ip(), 1);
            session.direction() == Direction::Inbound && is_dialable(&anywhere, self.config.allow_private)
        };
        if sessions.iter().any(|session| is_one_of_others(&session)) {
            inner.came = Some(now);
        }
        inner
            .asked
            .retain(|_, asked| now.duration_since(asked.at) < COUNTS_FOR);
        if inner
            .came
            .is_some_and(|came| now.duration_since(came) < COUNTS_FOR)
        {
            return Vec::new();
        }
        let mut chosen: Vec<_> = sessions
            .into_iter()
            .filter(|session| {
                let before = inner.asked.get(&session.node_id());
                session.direction() == Direction::Outbound
                    && session.agreed.hello.capabilities & capability::DIALS_BACK != 0
                    && now.duration_since(session.since) >= SETTLED_AFTER
                    && before.is_none_or(|asked| now.duration_since(asked.at) >= ASK_AGAIN)
            })
            .collect();
        chosen.sort_unstable_by_key(|session| session.since);
        chosen.truncate(ASKED_MAX);
        for session in &chosen {
            let found = inner.asked.get(&session.node_id()).and_then(|asked| asked.found);
            inner.asked.insert(session.node_id(), Asked { at: now, found });
        }
        chosen
    }

    pub(super) async fn ask_whether_reached(&self, session: &Session) {
        let port = self.config.external.unwrap_or(self.listening).port();
        let (caller, answer) = oneshot::channel::<Result<Inbound, RequestError>>();
        let question = Message::GetReachable(GetReachable { port });
        let Ok(id) = session.ask(&question, Waiter::Caller(caller)) else {
            return;
        };
        let Ok(Ok(Ok(answer))) = timeout(ANSWER_WITHIN, answer).await else {
            session.requests.cancel(id);
            return;
        };
        // Busy and "not from me" say nothing of us.
        if let Message::Reachable(Reachable { is_reached, address }) = answer.message {
            let address = SocketAddr::from(address);
            // Seen at another address than the one that we were told is ours, a failure is of that one.
            let is_ours = self
                .config
                .external
                .is_none_or(|external| is_reached || external.ip().to_canonical() == address.ip());
            if is_ours {
                let at = Instant::now();
                let found = Some(Found {
                    at,
                    address,
                    is_reached,
                });
                self.reach
                    .lock()
                    .asked
                    .insert(session.node_id(), Asked { at, found });
            }
        }
    }

    /// A peer asks whether it can be dialled.
    pub(super) fn dial_back(self: &Arc<Self>, session: &Arc<Session>, get: GetReachable, request_id: u64) {
        let address = SocketAddr::new(session.ip().to_canonical(), get.port);
        let decline = |message: &Message| {
            // A full lane: the peer's own timeout tells it.
            let _ = session.send(message, request_id);
        };
        if session.direction() == Direction::Outbound || !is_dialable(&address, self.config.allow_private) {
            return decline(&Message::NotFound(NotFound));
        }
        let Ok(slot) = Arc::clone(&self.reach.probes).try_acquire_owned() else {
            return decline(&Message::Busy(Busy));
        };
        let (core, session) = (Arc::clone(self), Arc::clone(session));
        self.spawn("dial back", async move {
            let attempt = async {
                let stream = timeout(CONNECT_TIMEOUT, open(address)).await.ok()?.ok()?;
                probe(&core, stream, session.node_id()).await.ok()
            };
            let is_reached = tokio::select! {
                () = core.stopping.cancelled() => return,
                reached = attempt => reached.is_some(),
            };
            tracing::debug!(peer = %session.node_id().short(), %address, is_reached, "Peer dialled back");
            let answer = Message::Reachable(Reachable {
                is_reached,
                address: Endpoint::from(address),
            });
            let _ = session.send(&answer, request_id);
            drop(slot);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(10_000);

    fn node(n: u8) -> NodeId {
        crate::crypto::PublicKey::from_bytes([n; 32])
    }

    fn found(at: Instant, is_reached: bool) -> Asked {
        let address = SocketAddr::from(([203, 0, 113, 7], 24_100));
        let found = Found {
            at,
            address,
            is_reached,
        };
        Asked {
            at,
            found: Some(found),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_got_through_outweighs_those_that_did_not_and_old_words_count_for_nothing() {
        tokio::time::advance(START).await;
        let now = Instant::now();
        let mut inner = Inner::default();
        assert_eq!(inner.verdict(now), Reachability::Unknown);
        inner.asked.insert(node(1), Asked { at: now, found: None });
        assert_eq!(inner.verdict(now), Reachability::Unknown, "who says nothing");
        inner.asked.insert(node(2), found(now, false));
        inner.asked.insert(node(3), found(now, false));
        let address = SocketAddr::from(([203, 0, 113, 7], 24_100));
        assert_eq!(inner.verdict(now), Reachability::NotReached { address, asked: 2 });
        inner.asked.insert(node(4), found(now, true));
        assert_eq!(inner.verdict(now), Reachability::Reached);
        let later = now + COUNTS_FOR;
        assert_eq!(inner.verdict(later), Reachability::Unknown);
        inner.asked.clear();
        inner.came = Some(now);
        assert_eq!(
            inner.verdict(later - Duration::from_secs(1)),
            Reachability::Reached
        );
        assert_eq!(inner.verdict(later), Reachability::Unknown);
    }
}

//! The queues from the sessions to the node, and what happens when one is full.
//!
//! A session never waits for any of them: one slow consumer must not hold up the votes that come
//! over the same socket.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::mpsc;

use crate::{
    crypto::{NodeId, PublicKey},
    wire::{Message, PeerInfo, Permit, limits::REQUESTS_WAITING_MAX},
};

use super::CloseReason;

/// Consensus messages of masternodes waiting for the verifier. When full, the newest is dropped and counted; its
/// sender repeats it within a second (docs/CONSENSUS.md R9).
pub const CONSENSUS_QUEUE_MAX: usize = 4096;
/// The same of everybody else, read when there is none of a masternode: whoever connects can forge votes as
/// fast as the line goes. When full, the newest is dropped and counted.
pub const STRANGERS_QUEUE_MAX: usize = 512;
/// Transactions and other notices waiting. When full, the newest is dropped and counted; it is
/// announced again by others.
pub const GOSSIP_QUEUE_MAX: usize = 2048;
/// Requests of peers waiting to be served. When full, the peer is told Busy.
pub const SERVE_QUEUE_MAX: usize = 256;
/// Of these, what consensus of masternodes waits for. They have a queue of their own: bulk is slow.
pub const URGENT_QUEUE_MAX: usize = 256;
/// Peers coming and going. When full, the next handshake waits for room: no event is ever lost.
pub const PEER_EVENTS_MAX: usize = 1024;

/// A message from a peer, decoded and within its limits; not yet judged.
#[derive(Debug)]
pub struct Inbound {
    /// Who sent it.
    pub peer: NodeId,
    /// The session it came over.
    pub generation: u64,
    /// Zero for a notice; else what [`super::Network::respond`] needs.
    pub request_id: u64,
    /// The message.
    pub message: Message,
    /// The message's share of the memory budget: keep it as long as the message.
    pub permit: Option<Permit>,
    /// The request's place among those of its session that wait: keep it until it is served.
    pub waiting: Option<Place>,
}

/// Places for requests of one session that wait to be served.
#[derive(Debug, Default)]
pub(super) struct Places(Arc<AtomicUsize>);

impl Places {
    /// One of them, if there is one.
    pub(super) fn take(&self) -> Option<Place> {
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |taken| {
                (taken < REQUESTS_WAITING_MAX).then_some(taken + 1)
            })
            .ok()
            .map(|_| Place(Arc::clone(&self.0)))
    }
}

/// One of a session's places for requests; dropping it gives it back.
#[derive(Debug)]
pub struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A peer came or went. For each node the events alternate, beginning with `Up`.
#[derive(Debug)]
pub enum PeerEvent {
    /// A session stands.
    Up {
        /// The node.
        node_id: NodeId,
        /// Number of the session.
        generation: u64,
        /// What is known about it.
        info: Box<PeerInfo>,
        /// The consensus key it proved for this session.
        validator: Option<PublicKey>,
    },
    /// The session is gone.
    Down {
        /// The node.
        node_id: NodeId,
        /// Number of the session.
        generation: u64,
        /// Why.
        reason: CloseReason,
    },
}

/// The node's ends of the queues.
#[derive(Debug)]
pub struct Inboxes {
    /// Peers coming and going.
    pub peers: mpsc::Receiver<PeerEvent>,
    /// Consensus messages of masternodes.
    pub consensus: mpsc::Receiver<Inbound>,
    /// Consensus messages of everybody else.
    pub strangers: mpsc::Receiver<Inbound>,
    /// Transactions, announcements, evidence, and answers that nobody waits for by name.
    pub gossip: mpsc::Receiver<Inbound>,
    /// Requests of peers; answer with [`super::Network::respond`].
    pub serve: mpsc::Receiver<Inbound>,
    /// Of these, what consensus of masternodes waits for.
    pub urgent: mpsc::Receiver<Inbound>,
}

/// The sessions' ends of the queues.
#[derive(Debug, Clone)]
pub struct Outboxes {
    pub(super) peers: mpsc::Sender<PeerEvent>,
    pub(super) consensus: mpsc::Sender<Inbound>,
    pub(super) strangers: mpsc::Sender<Inbound>,
    pub(super) gossip: mpsc::Sender<Inbound>,
    pub(super) serve: mpsc::Sender<Inbound>,
    pub(super) urgent: mpsc::Sender<Inbound>,
}

/// All six queues.
pub fn queues() -> (Outboxes, Inboxes) {
    let (peers, peers_in) = mpsc::channel(PEER_EVENTS_MAX);
    let (consensus, consensus_in) = mpsc::channel(CONSENSUS_QUEUE_MAX);
    let (strangers, strangers_in) = mpsc::channel(STRANGERS_QUEUE_MAX);
    let (gossip, gossip_in) = mpsc::channel(GOSSIP_QUEUE_MAX);
    let (serve, serve_in) = mpsc::channel(SERVE_QUEUE_MAX);
    let (urgent, urgent_in) = mpsc::channel(URGENT_QUEUE_MAX);
    let outboxes = Outboxes {
        peers,
        consensus,
        strangers,
        gossip,
        serve,
        urgent,
    };
    let inboxes = Inboxes {
        peers: peers_in,
        consensus: consensus_in,
        strangers: strangers_in,
        gossip: gossip_in,
        serve: serve_in,
        urgent: urgent_in,
    };
    (outboxes, inboxes)
}

//! The queues from the sessions to the node, and what happens when one is full.
//!
//! A session never waits for any of them: one slow consumer must not hold up the votes that come
//! over the same socket.

use tokio::sync::mpsc;

use crate::{
    crypto::{NodeId, PublicKey},
    wire::{Message, PeerInfo, Permit},
};

use super::CloseReason;

/// Consensus messages waiting for the verifier. When full, the newest is dropped and counted; its
/// sender repeats it within a second (docs/CONSENSUS.md R9).
pub const CONSENSUS_QUEUE_MAX: usize = 4096;
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
    /// Consensus messages.
    pub consensus: mpsc::Receiver<Inbound>,
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
    pub(super) gossip: mpsc::Sender<Inbound>,
    pub(super) serve: mpsc::Sender<Inbound>,
    pub(super) urgent: mpsc::Sender<Inbound>,
}

/// All five queues.
pub fn queues() -> (Outboxes, Inboxes) {
    let (peers, peers_in) = mpsc::channel(PEER_EVENTS_MAX);
    let (consensus, consensus_in) = mpsc::channel(CONSENSUS_QUEUE_MAX);
    let (gossip, gossip_in) = mpsc::channel(GOSSIP_QUEUE_MAX);
    let (serve, serve_in) = mpsc::channel(SERVE_QUEUE_MAX);
    let (urgent, urgent_in) = mpsc::channel(URGENT_QUEUE_MAX);
    let outboxes = Outboxes {
        peers,
        consensus,
        gossip,
        serve,
        urgent,
    };
    let inboxes = Inboxes {
        peers: peers_in,
        consensus: consensus_in,
        gossip: gossip_in,
        serve: serve_in,
        urgent: urgent_in,
    };
    (outboxes, inboxes)
}

//! What is known about a connected peer: plain facts for screens, metrics and choices.

use core::net::SocketAddr;

use crate::crypto::{Hash256, NodeId, PublicKey};

/// Who opened the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// They dialled us.
    Inbound,
    /// We dialled them.
    Outbound,
}

/// Whether others can dial this node, as far as it knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reachability {
    /// Nobody came by itself lately, and nobody who was asked could tell.
    #[default]
    Unknown,
    /// Somebody did.
    Reached,
    /// Nobody who was asked could.
    NotReached {
        /// Where the last of them tried.
        address: SocketAddr,
        /// How many tried.
        asked: u32,
    },
}

/// A connected peer at one moment. Height and tip are what it says, never evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerInfo {
    /// Its proven identity.
    pub node_id: NodeId,
    /// Number of this session; grows with every session of the process.
    pub generation: u64,
    /// The other end of the socket.
    pub address: SocketAddr,
    /// Where it says it listens: the socket's address with its own port.
    pub listen_address: Option<SocketAddr>,
    /// Who dialled.
    pub direction: Direction,
    /// The consensus key that it proved for this session.
    pub validator: Option<PublicKey>,
    /// Agreed wire version.
    pub version: u16,
    /// Printable ASCII, at most 64 bytes.
    pub user_agent: String,
    /// Bits of [`super::capability`].
    pub capabilities: u64,
    /// Last height that it told.
    pub height: u64,
    /// Tip hash of its Hello.
    pub tip_hash: Hash256,
    /// Finalized height of its Hello.
    pub finalized_height: u64,
    /// Lowest height whose body it serves.
    pub pruned_below: u64,
    /// Its clock minus ours, in milliseconds, when it connected.
    pub clock_skew_ms: i64,
    /// How long the session has been up, in milliseconds.
    pub connected_ms: u64,
    /// Smoothed round-trip time in microseconds; `None` before the first pong.
    pub rtt_us: Option<u64>,
    /// Lowest round-trip time in microseconds.
    pub rtt_min_us: Option<u64>,
    /// Mean deviation of the round-trip time in microseconds.
    pub jitter_us: u64,
    /// Pings in a row without an answer in time.
    pub missed_pings: u32,
    /// Bytes received in this session.
    pub rx_bytes: u64,
    /// Bytes sent in this session.
    pub tx_bytes: u64,
    /// Messages received.
    pub rx_messages: u64,
    /// Messages sent.
    pub tx_messages: u64,
    /// Bytes waiting to be sent.
    pub queued_bytes: u64,
    /// Fault points of the node, over all its sessions: 0 is spotless.
    pub score: u32,
}

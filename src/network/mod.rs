//! Who we talk to: encrypted sessions with proven peers, over TCP.
//!
//! Identity is the key that a peer proves in the TLS handshake, never its address. Each session has
//! one reader task and one writer task; neither waits for the other, for another session or for the
//! node. Five lanes with their own queues keep votes ahead of bulk. What comes in goes to six
//! bounded queues ([`queues`]), where consensus has its own.
//!
//! This room knows nothing of blocks or votes: it carries `wire` messages and counts.

mod address;
mod backoff;
mod bans;
mod book;
mod close;
mod config;
mod connect;
mod core;
mod descriptors;
mod dialer;
mod discovery;
mod error;
mod eviction;
mod file;
mod handle;
mod handshake;
mod listener;
mod origins;
mod outbox;
mod queues;
mod quota;
mod reachability;
mod reader;
mod requests;
mod rtt;
mod session;
mod socket;
mod spawner;
mod standing;
mod tls;
mod twins;
mod writer;

#[cfg(test)]
mod tests;

pub use address::{ParsePeerAddressError, PeerAddress};
pub use bans::{BANS_SHOWN_MAX, BanError, BansInForce, DISCOURAGED_MAX, OPERATOR_BANS_MAX};
pub use close::CloseReason;
pub use config::{DIALLED_PEERS_MAX, Membership, NetworkConfig, ProofSource, Surroundings};
pub use error::{HandshakeError, NetworkError, RequestError, SendError};
pub use handle::{Link, Network, Unbanned};
pub use handshake::HANDSHAKE_DEADLINE;
pub use listener::HANDSHAKES_MAX;
pub use queues::{
    CONSENSUS_QUEUE_MAX, GOSSIP_QUEUE_MAX, Inbound, Inboxes, Outboxes, PEER_EVENTS_MAX, PeerEvent, Place,
    SERVE_QUEUE_MAX, STRANGERS_QUEUE_MAX, URGENT_QUEUE_MAX, queues,
};
pub use rtt::{PING_INTERVAL, PINGS_MISSED_MAX, PONG_DEADLINE};
pub use spawner::{Spawner, Task};

//! What can go wrong between this node and its peers.

use std::{io, net::SocketAddr, time::Duration};

use crate::{
    crypto::NodeId,
    wire::{CodecError, FrameError, Lane, Refusal},
};

/// The network cannot start.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// Another program listens there.
    #[error("{address} is in use by another program; stop it or choose another address with --listen")]
    AddressInUse {
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another address with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The node key is refused by the TLS library.
    #[error("node key cannot be used for tls: {0}; make a new one with `timed keys generate`")]
    Key(String),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(String),
    /// The system allows too few open files for the sessions that are configured.
    #[error(
        "the sessions that are configured need {needed} open files and the system allows {allowed}; raise it (`ulimit -n`, LimitNOFILE= of the unit), or lower network.inbound_max"
    )]
    TooFewFiles {
        /// How many it takes.
        needed: u64,
        /// How many there may be.
        allowed: u64,
    },
    /// More peers are configured than this node dials.
    #[error("{count} peers are configured, at most {max} are dialled; shorten network.peers")]
    TooManyPeers {
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
}

/// A connection that did not become a session.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The connection broke or could not be made.
    #[error("connection: {0}")]
    Io(#[from] io::Error),
    /// TLS refused the other end, or the other end us.
    #[error("tls: {0}")]
    Tls(io::Error),
    /// Nothing came in time.
    #[error("handshake not complete within {0:?}")]
    Timeout(Duration),
    /// The two nodes do not fit.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The peer's first message breaks the framing rules.
    #[error("hello: {0}")]
    Frame(#[from] FrameError),
    /// The peer's first message is not a Hello.
    #[error("hello: {0}")]
    Codec(#[from] CodecError),
    /// The peer closed with a reason.
    #[error("peer said goodbye: {0}")]
    Goodbye(&'static str),
    /// A session with that node exists, and it is the one to keep.
    #[error("already connected to {0}")]
    Duplicate(NodeId),
    /// The operator banned it.
    #[error("banned")]
    Banned,
    /// A masternode whose last session ended by a fault: not yet.
    #[error("paused for another {0:?}")]
    Paused(Duration),
    /// No slot is free.
    #[error("no free slot")]
    NoSlot,
    /// The network is stopping.
    #[error("shutting down")]
    Stopping,
}

/// A message that was not queued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// No session with that node, or another one than meant.
    #[error("not connected to {0}")]
    NotConnected(NodeId),
    /// The peer takes messages more slowly than they are made.
    #[error("queue of lane {0:?} is full")]
    QueueFull(Lane),
    /// The message is larger than a message may be.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The message does not encode.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// A request without an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// It was not sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// Too many requests to this peer are open.
    #[error("too many open requests to this peer")]
    TooMany,
    /// The message is no request.
    #[error("not a request")]
    NotARequest,
    /// Nothing came in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The session ended first.
    #[error("disconnected")]
    Disconnected,
    /// The answer was announced, but other messages take all the memory there is for them.
    #[error("no memory for the answer now")]
    NoMemory,
}

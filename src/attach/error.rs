//! Why an attachment fails.

use std::{io, path::PathBuf};

use super::protocol::PROTO;

/// What goes wrong between a client and a node.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// Nothing listens at the path.
    #[error("no node answers at {}: {source}; start it, or name its socket or --data-dir", path.display())]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The two programs do not understand each other.
    #[error(
        "the node is timed {version} with attach protocol {proto}, this program is timed {} with protocol {PROTO}; use the program of the same version as the node",
        env!("CARGO_PKG_VERSION")
    )]
    Protocol {
        /// The node's version.
        version: String,
        /// The node's protocol.
        proto: u32,
    },
    /// What listens there is no node.
    #[error("what answers at {} is no timed; name the socket of a node", path.display())]
    NotTimed {
        /// The socket.
        path: PathBuf,
    },
    /// The node let us go.
    #[error("the node closed the connection: {reason}")]
    Closed {
        /// Why, in its words.
        reason: String,
    },
    /// A frame over its limit.
    #[error("a frame of {length} bytes is over the limit of {limit}; use programs of the same version")]
    TooLong {
        /// Its length.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// Bytes that are no message.
    #[error("a message that cannot be read: {reason}; use programs of the same version")]
    Malformed {
        /// What is wrong.
        reason: String,
    },
    /// The other side is silent.
    #[error("no answer within {seconds} s; the node may be stopped or very busy, see its log")]
    Silent {
        /// How long was waited.
        seconds: u64,
    },
    /// The connection broke.
    #[error("the connection broke: {0}; the node may have stopped")]
    Io(#[from] io::Error),
    /// Another process answers on the socket.
    #[error("another node answers at {}; give this one a data directory of its own", path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// The socket cannot be made.
    #[error("no socket at {}: {source}; check who owns the directory, or set attach.dir", path.display())]
    Listen {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No path is short enough for a socket.
    #[error("{} is too long for a socket and there is no XDG_RUNTIME_DIR; set attach.dir to a shorter path", path.display())]
    PathTooLong {
        /// The path.
        path: PathBuf,
    },
    /// The system gives no thread.
    #[error("no thread for the socket: {0}; check `ulimit -u`")]
    Thread(io::Error),
}

//! What is said over the socket. The node speaks first.
//!
//! ```text
//! node   → Hello                      who it is; its first bytes keep their layout for ever
//! client → Hello, Request::Subscribe  what it wants to see
//! node   → Notice::Update …           one full snapshot, then what changed; events, log lines
//! client → Request::Command           node → Notice::Reply with the same id
//! ```

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{AttachError, frame};
use crate::control::{Command, CommandError, Event, LAYOUT, LogLevel, LogLine, Reply, Status, StatusDelta};

/// Version of everything below but the head of [`Hello`]. Raised whenever a message, or a section of
/// the snapshot, changes its layout.
pub const PROTO: u32 = LAYOUT as u32;

/// What every hello begins with, whatever its version.
const MAGIC: [u8; 8] = *b"timed-at";
/// Longest version text that is believed.
const VERSION_MAX: usize = 128;

/// Who speaks. On the socket: magic, protocol and version in a layout that never changes, so that two
/// programs that do not understand each other can still say so; then the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// The protocol it speaks.
    pub proto: u32,
    /// Version of the program.
    pub version: String,
    /// The rest.
    pub about: About,
}

/// The part of a hello that both must speak the same protocol for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The network.
    pub network: String,
    /// The node's id, as hex; empty from a client.
    pub node_id: String,
    /// Which run of the node this is; two runs differ.
    pub run: u64,
    /// How events name commands that come over this connection.
    pub me: String,
    /// What can be asked for: `commands` is missing on the read-only socket.
    pub caps: Vec<String>,
}

/// The capability of a socket that takes commands.
pub(super) const CAP_COMMANDS: &str = "commands";

impl Hello {
    /// Whether commands are taken.
    pub fn takes_commands(&self) -> bool {
        self.about.caps.iter().any(|cap| cap == CAP_COMMANDS)
    }

    /// The frame's bytes.
    pub(super) fn to_frame(&self) -> Result<Vec<u8>, AttachError> {
        let version = &self.version.as_bytes()[..self.version.len().min(VERSION_MAX)];
        let mut body = MAGIC.to_vec();
        body.extend(self.proto.to_le_bytes());
        body.push(version.len() as u8);
        body.extend(version);
        let about = frame::encode(&self.about)?;
        body.extend(&about[4..]);
        let mut bytes = (body.len() as u32).to_le_bytes().to_vec();
        bytes.extend(body);
        Ok(bytes)
    }

    /// Reads a hello; of another protocol only its head.
    ///
    /// # Errors
    /// [`AttachError::Protocol`] for another protocol, [`AttachError::Malformed`] for no hello.
    pub(super) fn from_frame(bytes: &[u8]) -> Result<Self, AttachError> {
        let malformed = || AttachError::Malformed {
            reason: "no hello".to_owned(),
        };
        let rest = bytes.strip_prefix(&MAGIC).ok_or_else(malformed)?;
        let (proto, rest) = rest.split_first_chunk::<4>().ok_or_else(malformed)?;
        let proto = u32::from_le_bytes(*proto);
        let (length, rest) = rest.split_first().ok_or_else(malformed)?;
        let (version, rest) = rest
            .split_at_checked(usize::from(*length))
            .ok_or_else(malformed)?;
        let version = crate::control::words::printable(&String::from_utf8_lossy(version));
        if proto != PROTO {
            return Err(AttachError::Protocol { version, proto });
        }
        Ok(Self {
            proto,
            version,
            about: frame::decode(rest)?,
        })
    }
}

/// Which sections of the snapshot a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sections(u16);

impl Sections {
    /// All there are.
    pub const ALL: Self = Self(u16::MAX);
    /// Who the node is, whether it signs, and how far a stop is.
    pub const NODE: Self = Self(1);
    /// Chain and consensus.
    pub const CONSENSUS: Self = Self(1 << 1);
    /// Peers.
    pub const PEERS: Self = Self(1 << 2);
    /// Pool.
    pub const MEMPOOL: Self = Self(1 << 3);
    /// Catching up.
    pub const SYNC: Self = Self(1 << 4);
    /// Host, health, alarms, loops.
    pub const HOST: Self = Self(1 << 5);

    /// These and those.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// What changed of the sections that are wanted.
    pub(super) fn delta(self, before: &Status, after: &Status) -> StatusDelta {
        let mut delta = StatusDelta::between(before, after);
        if !self.has(Self::NODE) {
            delta.node = None;
            delta.signing = None;
            delta.stop = None;
        }
        if !self.has(Self::CONSENSUS) {
            delta.chain = None;
            delta.consensus = None;
        }
        if !self.has(Self::PEERS) {
            delta.peers = None;
        }
        if !self.has(Self::MEMPOOL) {
            delta.mempool = None;
        }
        if !self.has(Self::SYNC) {
            delta.sync = None;
        }
        if !self.has(Self::HOST) {
            delta.resources = None;
            delta.health = None;
            delta.alarms = None;
            delta.tasks = None;
        }
        delta
    }
}

/// What a client wants to see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribe {
    /// Sections of the snapshot.
    pub sections: Sections,
    /// Most rows of the list of peers.
    pub peers_max: u32,
    /// The least grave log lines wanted; `None` for none at all.
    pub log_level: Option<LogLevel>,
    /// First event wanted; `None` for none at all.
    pub events_from: Option<u64>,
    /// First log line wanted.
    pub logs_from: u64,
}

impl Subscribe {
    /// Everything, as a console wants it.
    pub fn everything() -> Self {
        Self {
            sections: Sections::ALL,
            peers_max: 1_000,
            log_level: Some(LogLevel::Trace),
            events_from: Some(0),
            logs_from: 0,
        }
    }

    /// Snapshots only.
    pub fn snapshots(sections: Sections) -> Self {
        Self {
            sections,
            log_level: None,
            events_from: None,
            ..Self::everything()
        }
    }
}

/// From client to node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Show me this from now on. Once, right after the hello.
    Subscribe(Subscribe),
    /// Do this.
    Command {
        /// The client's number for it.
        id: u64,
        /// What.
        command: Command,
    },
}

/// From node to client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Notice {
    /// What changed since the last update; the first one holds everything that is wanted.
    Update(Box<StatusDelta>),
    /// What happened.
    Events {
        /// Oldest first.
        items: Vec<Event>,
        /// Events that were gone before this client took them.
        missed: u64,
        /// Number of the event that comes next.
        next: u64,
    },
    /// What was logged, of the levels that are wanted.
    Logs {
        /// Oldest first.
        items: Vec<Arc<LogLine>>,
        /// Lines that were gone before this client took them.
        missed: u64,
        /// Number of the line that comes next.
        next: u64,
    },
    /// What came of a command.
    Reply {
        /// The client's number for it.
        id: u64,
        /// What.
        outcome: Result<Reply, CommandError>,
    },
    /// The node lets the client go.
    Bye {
        /// Why.
        reason: String,
    },
}

//! Who is connected. Names and versions come from peers and hold no control characters.

use serde::{Deserialize, Serialize};

use crate::{crypto::PublicKey, wire::Ban};
use std::sync::Arc;

/// All sessions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PeersStatus {
    /// Established sessions, ascending by node id.
    pub rows: Vec<PeerRow>,
    /// How many sessions are allowed at most.
    pub max: u32,
    /// Sessions they opened.
    pub inbound: u32,
    /// Sessions we opened.
    pub outbound: u32,
    /// Configured peers that are not connected now.
    pub missing: Vec<String>,
    /// Bans by the operator and discouragements by the program, in force.
    pub banned: u32,
    /// The newest of them, newest first, at most 256; the whole list is a look-up.
    pub bans: Arc<Vec<Ban>>,
    /// Median of the clock offsets peers show against ours; `None` with no sample.
    pub clock_offset_ms: Option<i64>,
    /// Nodes whose key two processes seem to use, by name where there is one, ascending by key.
    #[serde(default)]
    pub twins: Vec<String>,
}

/// Who opened a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// They dialled us.
    Inbound,
    /// We dialled them.
    Outbound,
}

impl Direction {
    /// `in` or `out`.
    pub fn word(self) -> &'static str {
        match self {
            Direction::Inbound => "in",
            Direction::Outbound => "out",
        }
    }
}

/// One session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerRow {
    /// Its network key.
    pub id: PublicKey,
    /// Its name, where the set or config knows one.
    pub name: Option<String>,
    /// Who opened the session.
    pub direction: Direction,
    /// `ip:port`.
    pub address: String,
    /// The height it last told of.
    pub height: Option<u64>,
    /// Round trip.
    pub rtt_ms: Option<u32>,
    /// Bytes received in this session.
    pub rx_bytes: u64,
    /// Bytes sent in this session.
    pub tx_bytes: u64,
    /// Bytes received per second now.
    pub rx_rate: u64,
    /// Bytes sent per second now.
    pub tx_rate: u64,
    /// When the session was established, on the monotonic clock.
    pub connected_mono_ms: u64,
    /// What it says it runs.
    pub agent: String,
    /// The validator it proved to be, if it did.
    pub validator: Option<PublicKey>,
    /// Capabilities it announced.
    pub capabilities: Vec<String>,
    /// Fault points it has gathered: 0 is spotless, from 20 on it is disconnected, from 50 on it is
    /// discouraged. Half of them are forgiven every ten minutes.
    pub score: u32,
}

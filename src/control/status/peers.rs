//! Who is connected. Names and versions come from peers and hold no control characters.

use serde::{Deserialize, Serialize};

use crate::crypto::PublicKey;

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
    /// Banned addresses and ids.
    pub banned: u32,
    /// Median of the clock offsets peers show against ours; `None` with no sample.
    pub clock_offset_ms: Option<i64>,
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
    /// Fault points it has gathered.
    pub score: u32,
}

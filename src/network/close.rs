//! Why sessions end.

use std::fmt;

use crate::{
    metrics::labels::DisconnectReason,
    wire::{Fault, GoodbyeCode},
};

/// Why a session ended, in the order in which one would ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseReason {
    /// This node stops.
    Shutdown,
    /// Our operator closed it.
    Operator,
    /// Our operator banned the node or where it comes from.
    Banned,
    /// Not needed: discovery only looked whether somebody is there, or exchanges its peers.
    Surplus,
    /// All slots were taken, and a newcomer got its slot.
    Evicted,
    /// Another connection to the same node stays instead.
    Replaced,
    /// The peer said goodbye.
    Goodbye(GoodbyeCode),
    /// The peer did something wrong; the sentence says what.
    Fault(Fault, String),
    /// The peer did not take what we sent for ten seconds, or its queue overflowed.
    SlowReader,
    /// The peer did not answer pings.
    Timeout,
    /// The connection broke or was closed without a word.
    Closed,
}

impl CloseReason {
    /// What the peer is told, if there is still a way to tell it.
    pub(super) fn goodbye(&self) -> Option<GoodbyeCode> {
        match self {
            Self::Shutdown => Some(GoodbyeCode::Shutdown),
            Self::Operator => Some(GoodbyeCode::Operator),
            Self::Banned => Some(GoodbyeCode::Banned),
            Self::Surplus | Self::Evicted => Some(GoodbyeCode::NoSlot),
            Self::Replaced => Some(GoodbyeCode::Duplicate),
            Self::Fault(..) => Some(GoodbyeCode::Fault),
            Self::SlowReader => Some(GoodbyeCode::SlowReader),
            Self::Timeout => Some(GoodbyeCode::Timeout),
            Self::Goodbye(_) | Self::Closed => None,
        }
    }

    /// The label it is counted under.
    pub(super) fn label(&self) -> DisconnectReason {
        match self {
            Self::Shutdown => DisconnectReason::Shutdown,
            Self::Operator => DisconnectReason::Operator,
            Self::Replaced | Self::Goodbye(GoodbyeCode::Duplicate) => DisconnectReason::Replaced,
            Self::Fault(..) => DisconnectReason::Protocol,
            Self::SlowReader => DisconnectReason::SlowReader,
            Self::Timeout => DisconnectReason::Timeout,
            Self::Banned | Self::Goodbye(GoodbyeCode::Banned) => DisconnectReason::Banned,
            Self::Goodbye(_) | Self::Closed | Self::Surplus | Self::Evicted => DisconnectReason::Closed,
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shutdown => f.write_str("this node stops"),
            Self::Operator => f.write_str("closed by the operator"),
            Self::Banned => f.write_str("banned by the operator"),
            Self::Surplus => f.write_str("not needed"),
            Self::Evicted => f.write_str("its slot went to a newcomer"),
            Self::Replaced => f.write_str("replaced by another connection"),
            Self::Goodbye(code) => write!(f, "peer said goodbye: {}", code.name()),
            Self::Fault(fault, detail) => write!(f, "{}: {detail}", fault.name()),
            Self::SlowReader => f.write_str("peer does not read"),
            Self::Timeout => f.write_str("peer does not answer pings"),
            Self::Closed => f.write_str("connection closed"),
        }
    }
}

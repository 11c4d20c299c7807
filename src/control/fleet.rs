//! The nodes of a devnet and the links between them, as plain data: what the Devnet screen shows and
//! what it may ask for. Only a devnet has one; a node knows nothing of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};

use super::CommandError;

/// All nodes and links at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FleetStatus {
    /// Ascending by number, no gaps.
    pub nodes: Vec<FleetNode>,
    /// Every pair once, ascending; empty in a devnet without links of its own.
    pub links: Vec<FleetLink>,
    /// Transactions per second that the traffic is to make.
    pub traffic_per_s: f64,
    /// Where its files are.
    pub dir: String,
}

/// One node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FleetNode {
    /// Its name.
    pub name: String,
    /// What it does.
    pub state: FleetState,
    /// True for the node in this process, which cannot be acted on from outside.
    pub is_here: bool,
    /// Its process, while it has one.
    pub pid: Option<u32>,
    /// Its last final block, as far as it told lately.
    pub height: Option<u64>,
    /// Resident memory.
    pub rss_bytes: Option<u64>,
    /// Share of one core, in percent.
    pub cpu_percent: Option<f32>,
    /// `ip:port` of its HTTP.
    pub http: String,
    /// How it ended, or what it waits for; empty if there is nothing to say.
    pub note: String,
}

/// What a node's process does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FleetState {
    /// It has a process that does not answer yet.
    #[default]
    Starting,
    /// It answers.
    Running,
    /// Frozen by a signal; its connections stay open.
    Paused,
    /// Asked to stop in order.
    Stopping,
    /// It has no process, as somebody wanted.
    Down,
    /// It ended though nobody asked.
    Failed,
}

impl FleetState {
    /// The word on screen.
    pub fn word(self) -> &'static str {
        match self {
            FleetState::Starting => "starting",
            FleetState::Running => "running",
            FleetState::Paused => "paused",
            FleetState::Stopping => "stopping",
            FleetState::Down => "down",
            FleetState::Failed => "failed",
        }
    }

    /// Whether there is a process that could end.
    pub fn has_process(self) -> bool {
        !matches!(self, FleetState::Down | FleetState::Failed)
    }
}

/// The link between two nodes, both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetLink {
    /// The lower number.
    pub a: u16,
    /// The higher number.
    pub b: u16,
    /// How it is.
    pub weather: LinkWeather,
}

/// How a link is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkWeather {
    /// As fast as the machine.
    #[default]
    Open,
    /// A second each way, with loss: a bad line to the other side of the world.
    Slow,
    /// Nothing passes.
    Cut,
}

impl LinkWeather {
    /// The word on screen.
    pub fn word(self) -> &'static str {
        match self {
            LinkWeather::Open => "open",
            LinkWeather::Slow => "slow",
            LinkWeather::Cut => "cut",
        }
    }
}

/// What may be asked of a devnet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FleetCommand {
    /// Start a node that is down.
    Start {
        /// Its number.
        node: u16,
    },
    /// Ask a node to stop in order.
    Stop {
        /// Its number.
        node: u16,
    },
    /// End a node without warning, as a power cut would.
    Kill {
        /// Its number.
        node: u16,
    },
    /// Freeze a node.
    Pause {
        /// Its number.
        node: u16,
    },
    /// Let a frozen node go on.
    Resume {
        /// Its number.
        node: u16,
    },
    /// Change links.
    Links {
        /// Pairs of numbers, in any order.
        links: Vec<(u16, u16)>,
        /// How they are from now on.
        weather: LinkWeather,
    },
    /// Change the traffic.
    Traffic {
        /// Transactions per second; 0 makes none.
        per_s: f64,
    },
}

/// A command on its way to the devnet.
#[derive(Debug)]
pub struct FleetRequest {
    /// What to do.
    pub command: FleetCommand,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Result<(), CommandError>>,
}

/// What a console holds of the devnet that its node belongs to. Cheap to clone.
#[derive(Clone, Debug)]
pub struct FleetHandle {
    /// The newest state.
    pub status: watch::Receiver<Arc<FleetStatus>>,
    /// Where commands go. Bounded; full means [`CommandError::Busy`].
    pub commands: mpsc::Sender<FleetRequest>,
}

impl FleetHandle {
    /// Sends a command without waiting; the answer comes on the receiver.
    ///
    /// # Errors
    /// [`CommandError::Busy`] if too many wait, [`CommandError::Stopping`] if the devnet has ended.
    pub fn send(
        &self,
        command: FleetCommand,
    ) -> Result<oneshot::Receiver<Result<(), CommandError>>, CommandError> {
        let (reply, answer) = oneshot::channel();
        let request = FleetRequest { command, reply };
        self.commands.try_send(request).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => CommandError::Busy,
            mpsc::error::TrySendError::Closed(_) => CommandError::Stopping,
        })?;
        Ok(answer)
    }
}

//! The one snapshot of a running node. Everything a person can see of it stands here.
//!
//! A figure that is not known is `None`, never a made-up number. Sections are shared by `Arc`, so a
//! section that did not change costs nothing to publish again. Ages are differences against
//! [`Status::at`] on the monotonic clock.

mod chain;
mod consensus;
mod host;
mod mempool;
mod node;
mod peers;
mod sync;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use chain::{BlockLine, ChainStatus, FINALITY_SAMPLES_MAX, LAST_BLOCKS_MAX};
pub use consensus::{
    ConsensusStatus, HISTORY_HEIGHTS, HeightMark, HeightTrace, LATE_AFTER_MS, Mark, Phase, QUIET_AFTER_MS,
    RoundEnd, RoundStats, RoundTrace, SILENT_HEIGHTS, SigningStatus, TRACE_EVENTS_MAX, Tally, TimerStatus,
    TraceEvent, TraceKind, ValidatorRow, VoteCell, WatchdogStatus,
};
pub use host::{Check, HealthStatus, HealthWord, ResourceStatus, TaskTick};
pub use mempool::{AgeBand, CHEAPEST_MAX, MempoolStatus, RateBand, ReasonCount, WaitingTx};
pub use node::{Mode, NodeStatus, StartStep, StepState, StopStatus, StopStep};
pub use peers::{Direction, PeerRow, PeersStatus};
pub use sync::{BackfillStatus, SyncSource, SyncState, SyncStatus};

use super::{Alarm, Moment};

/// Version of the layout of [`Status`], of events, log lines, commands and replies as bytes: on the
/// console socket and in recordings. Raised with every change of any of them; the golden table of
/// `attach::tests::layout` fails until it is.
pub const LAYOUT: u8 = 5;

/// Everything that is shown of a node, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// When this snapshot was taken.
    pub at: Moment,
    /// Counts snapshots; a reader that sees the same number has seen this one.
    pub revision: u64,
    /// Who this node is.
    pub node: Arc<NodeStatus>,
    /// What is final.
    pub chain: Arc<ChainStatus>,
    /// What is being agreed on.
    pub consensus: Arc<ConsensusStatus>,
    /// Whether this node signs, and if not, why.
    pub signing: SigningStatus,
    /// Who is connected.
    pub peers: Arc<PeersStatus>,
    /// What waits.
    pub mempool: Arc<MempoolStatus>,
    /// How it catches up.
    pub sync: Arc<SyncStatus>,
    /// What it uses of its host.
    pub resources: Arc<ResourceStatus>,
    /// The verdict of [`super::assess`] for `/health` and `/ready`.
    pub health: Arc<HealthStatus>,
    /// Alarms that are up, most severe first, then oldest first.
    pub alarms: Arc<Vec<Alarm>>,
    /// The loops of the node and when each last ran.
    pub tasks: Arc<Vec<TaskTick>>,
    /// Present from the moment a stop was asked for.
    pub stop: Option<Arc<StopStatus>>,
}

/// A node that has just begun is given this long to find its peers before it is called lonely.
const START_GRACE_MS: u64 = 15_000;

impl Status {
    /// Whether the node began so lately that missing peers mean nothing yet: 15 s.
    pub fn has_just_begun(&self) -> bool {
        self.at.since_ms(self.node.started) < START_GRACE_MS
    }
}

//! What changed between two snapshots, section by section: what a socket carries and a recorder keeps.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Alarm, ChainStatus, ConsensusStatus, HealthStatus, MempoolStatus, Moment, NodeStatus, PeersStatus,
    ResourceStatus, SigningStatus, Status, StopStatus, SyncStatus, TaskTick,
};

/// The sections of a snapshot that differ from an earlier one; the others are `None`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StatusDelta {
    /// When the later snapshot was taken.
    pub at: Moment,
    /// Its number.
    pub revision: u64,
    /// Who the node is.
    pub node: Option<Arc<NodeStatus>>,
    /// What is final.
    pub chain: Option<Arc<ChainStatus>>,
    /// What is being agreed on.
    pub consensus: Option<Arc<ConsensusStatus>>,
    /// Whether it signs.
    pub signing: Option<SigningStatus>,
    /// Who is connected.
    pub peers: Option<Arc<PeersStatus>>,
    /// What waits.
    pub mempool: Option<Arc<MempoolStatus>>,
    /// How it catches up.
    pub sync: Option<Arc<SyncStatus>>,
    /// What it uses of its host.
    pub resources: Option<Arc<ResourceStatus>>,
    /// The verdict.
    pub health: Option<Arc<HealthStatus>>,
    /// Alarms that are up.
    pub alarms: Option<Arc<Vec<Alarm>>>,
    /// Loops.
    pub tasks: Option<Arc<Vec<TaskTick>>>,
    /// How far a stop is; the outer option is for "unchanged".
    pub stop: Option<Option<Arc<StopStatus>>>,
}

impl StatusDelta {
    /// What [`StatusDelta::apply`] turns `before` into `after` with. A section that is the same
    /// allocation costs nothing to compare.
    pub fn between(before: &Status, after: &Status) -> Self {
        // Named one by one, so that a new section cannot be forgotten here.
        let Status {
            at,
            revision,
            node,
            chain,
            consensus,
            signing,
            peers,
            mempool,
            sync,
            resources,
            health,
            alarms,
            tasks,
            stop,
        } = after;
        Self {
            at: *at,
            revision: *revision,
            node: changed(&before.node, node),
            chain: changed(&before.chain, chain),
            consensus: changed(&before.consensus, consensus),
            signing: (before.signing != *signing).then(|| signing.clone()),
            peers: changed(&before.peers, peers),
            mempool: changed(&before.mempool, mempool),
            sync: changed(&before.sync, sync),
            resources: changed(&before.resources, resources),
            health: changed(&before.health, health),
            alarms: changed(&before.alarms, alarms),
            tasks: changed(&before.tasks, tasks),
            stop: (before.stop != *stop).then(|| stop.clone()),
        }
    }

    /// Brings a snapshot up to date.
    pub fn apply(self, status: &mut Status) {
        status.at = self.at;
        status.revision = self.revision;
        put(&mut status.node, self.node);
        put(&mut status.chain, self.chain);
        put(&mut status.consensus, self.consensus);
        put(&mut status.signing, self.signing);
        put(&mut status.peers, self.peers);
        put(&mut status.mempool, self.mempool);
        put(&mut status.sync, self.sync);
        put(&mut status.resources, self.resources);
        put(&mut status.health, self.health);
        put(&mut status.alarms, self.alarms);
        put(&mut status.tasks, self.tasks);
        put(&mut status.stop, self.stop);
    }
}

fn changed<T: PartialEq>(before: &Arc<T>, after: &Arc<T>) -> Option<Arc<T>> {
    (!Arc::ptr_eq(before, after) && before != after).then(|| Arc::clone(after))
}

fn put<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

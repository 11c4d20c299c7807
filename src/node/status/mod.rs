//! The one place that fills [`Status`]: everything that people see of this node.
//!
//! [`StatusBuilder::build`] is a function of what it is handed and of what it remembers of earlier
//! looks; it reads no clock and asks nobody. What is not known stays empty. Sections that did not
//! change are the same `Arc` as before, so that publishing them again costs nothing.
//! [`StatusTask`] gathers what it is handed, as often as somebody watches.

mod consensus;
mod heights;
mod host;
mod meter;
mod peers;
mod pool;
mod presence;
mod rounds;
mod scale;
mod signing;
mod sync;
mod task;
#[cfg(test)]
mod tests;
mod votes;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

pub(super) use heights::Heights;
pub(super) use host::Host;
pub(super) use task::{Sources, StatusTask};

use crate::{
    chain::{BlockHash, Params},
    consensus::{Evidence, EvidenceKind},
    control::{
        AlarmBook, AlarmChange, BackfillStatus, ChainStatus, EventKind, EventRing, Moment, NodeStatus,
        ResourceStatus, ResyncStatus, Severity, Status, StopStatus, TaskTick, WatchdogStatus, assess,
        explain,
    },
    crypto::{NodeId, PublicKey},
    engine::EngineView,
    network::{BansInForce, PeerAddress},
    wire::{PeerInfo, Reachability},
};

use super::{clock::NodeClock, names::Names};

/// What is known for the life of the process.
pub(super) struct Known {
    /// Name, addresses, paths; its warnings are those that do not depend on the validator set.
    pub(super) identity: NodeStatus,
    /// Our consensus key.
    pub(super) me: Option<PublicKey>,
    pub(super) names: Names,
    pub(super) params: Params,
    /// Most sessions.
    pub(super) peers_max: u32,
    pub(super) clock: NodeClock,
}

/// What one look is made of.
pub(super) struct Inputs {
    pub(super) at: Moment,
    pub(super) view: Arc<EngineView>,
    pub(super) chain: ChainStatus,
    pub(super) heights: Arc<Heights>,
    pub(super) peers: Vec<PeerInfo>,
    /// Who is kept out.
    pub(super) bans: BansInForce,
    /// With who answered there last.
    pub(super) dialled: Vec<(PeerAddress, Option<NodeId>)>,
    /// Node keys that two processes seem to use.
    pub(super) twins: Vec<NodeId>,
    /// Whether others can dial this node.
    pub(super) reachability: Reachability,
    pub(super) proofs: Arc<Vec<Proof>>,
    pub(super) proposal: Option<Proposal>,
    pub(super) totals: Totals,
    pub(super) resources: ResourceStatus,
    pub(super) watchdog: WatchdogStatus,
    pub(super) tasks: Vec<TaskTick>,
    pub(super) log_filter: String,
    pub(super) log_filter_until: Option<Moment>,
    pub(super) stop: Option<Arc<StopStatus>>,
    pub(super) resync: Option<ResyncStatus>,
    pub(super) backfill: Option<BackfillStatus>,
}

/// Evidence, as far as the screen needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Proof {
    pub(super) kind: EvidenceKind,
    pub(super) offender: PublicKey,
    pub(super) height: u64,
    pub(super) round: u32,
}

impl Proof {
    pub(super) fn of(evidence: &Evidence) -> Self {
        Self {
            kind: evidence.kind,
            offender: evidence.offender,
            height: evidence.height.get(),
            round: evidence
                .messages
                .first()
                .map_or(0, |message| message.round().get()),
        }
    }

    /// A bad proposal is a fault, but nobody contradicted itself.
    pub(super) fn is_equivocation(&self) -> bool {
        self.kind != EvidenceKind::BadProposal
    }
}

/// The size of a proposed block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Proposal {
    pub(super) digest: BlockHash,
    pub(super) txs: u32,
    pub(super) bytes: u64,
}

/// Counts since the process began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) view_changes: u64,
    pub(super) double_sign_prevented: u64,
    /// Bytes that came in the lane of blocks.
    pub(super) block_bytes: u64,
}

/// The alarms, shared with whoever acknowledges them.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    book: Mutex<AlarmBook>,
    acknowledged: Notify,
}

impl Alarms {
    /// Marks all that are up as seen; the next snapshot shows it.
    pub(super) fn acknowledge(&self) {
        self.book().acknowledge();
        self.acknowledged.notify_one();
    }

    async fn acknowledged(&self) {
        self.acknowledged.notified().await;
    }

    fn book(&self) -> MutexGuard<'_, AlarmBook> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes snapshots, each from the one before.
pub(super) struct StatusBuilder {
    known: Known,
    alarms: Arc<Alarms>,
    events: Arc<EventRing>,
    last: Status,
    consensus: consensus::Memory,
    peers: peers::Memory,
    pool: pool::Memory,
    sync: sync::Memory,
}

impl StatusBuilder {
    pub(super) fn new(known: Known, alarms: Arc<Alarms>, events: Arc<EventRing>) -> Self {
        Self {
            known,
            alarms,
            events,
            last: Status::default(),
            consensus: consensus::Memory::default(),
            peers: peers::Memory::default(),
            pool: pool::Memory::default(),
            sync: sync::Memory::default(),
        }
    }

    /// The snapshot of this moment.
    pub(super) fn build(&mut self, inputs: Inputs) -> Status {
        let known = &self.known;
        let before = &self.last;
        let consensus = consensus::section(&mut self.consensus, known, &inputs);
        let peers = peers::section(&mut self.peers, known, &inputs);
        let mempool = pool::section(&mut self.pool, &inputs);
        let sync = sync::section(&mut self.sync, known, &inputs);
        let mut status = Status {
            at: inputs.at,
            revision: before.revision + 1,
            node: kept(&before.node, node(known, &inputs)),
            signing: signing::signing(
                &inputs.view,
                known.me.as_ref(),
                inputs.totals.double_sign_prevented,
            ),
            chain: kept(&before.chain, inputs.chain),
            consensus: Arc::new(consensus),
            peers: kept(&before.peers, peers),
            mempool: kept(&before.mempool, mempool),
            sync: kept(&before.sync, sync),
            resources: kept(&before.resources, inputs.resources),
            health: Arc::clone(&before.health),
            alarms: Arc::clone(&before.alarms),
            tasks: kept(&before.tasks, inputs.tasks),
            stop: inputs.stop,
        };
        let explanation = explain(&status);
        let consensus = Arc::make_mut(&mut status.consensus);
        consensus.waiting_for = explanation.waiting_for;
        consensus.hint = explanation.hint;
        if *before.consensus == *status.consensus {
            status.consensus = Arc::clone(&before.consensus);
        }
        // Sessions that close and loops that end are the stop itself, not news.
        let (changes, up) = match status.stop.is_some() {
            true => (Vec::new(), before.alarms.to_vec()),
            false => {
                let mut book = self.alarms.book();
                (book.observe(&status), book.alarms())
            }
        };
        status.alarms = kept(&before.alarms, up);
        status.health = kept(&before.health, assess(&status, &before.health));
        if status.signing.signing && !before.signing.signing {
            tracing::info!("this node signs");
            let signing = true;
            self.events.push(
                status.at,
                EventKind::Signing {
                    signing,
                    reason: String::new(),
                },
            );
        }
        for change in &changes {
            tell(change);
            self.events.push(status.at, change.event());
        }
        self.last = status.clone();
        status
    }
}

fn node(known: &Known, inputs: &Inputs) -> NodeStatus {
    let mut node = known.identity.clone();
    node.mode = signing::mode(&inputs.view, known.me.as_ref());
    node.warnings
        .extend(signing::warning_of_size(inputs.view.validators.len()));
    node.warnings.extend(peers::unreached(inputs.reachability));
    node.log_filter.clone_from(&inputs.log_filter);
    node.log_filter_until = inputs.log_filter_until;
    node
}

/// The section that was published before, if nothing in it changed.
fn kept<T: PartialEq>(before: &Arc<T>, now: T) -> Arc<T> {
    match **before == now {
        true => Arc::clone(before),
        false => Arc::new(now),
    }
}

fn tell(change: &AlarmChange) {
    match change {
        AlarmChange::Raised(alarm) => match alarm.severity {
            Severity::Warn => tracing::warn!(alarm = alarm.kind.label(), text = alarm.text, "alarm raised"),
            Severity::Crit => tracing::error!(alarm = alarm.kind.label(), text = alarm.text, "alarm raised"),
        },
        AlarmChange::Cleared { kind, lasted_ms } => {
            tracing::info!(alarm = kind.label(), lasted_ms, "alarm cleared");
        }
    }
}

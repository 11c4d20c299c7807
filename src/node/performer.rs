//! Performs the engine's effects, in order, on the thread that owns the consensus log.
//!
//! Here stands the promise of docs/CONSENSUS.md §8: an effect that follows a `Persist` is performed
//! only after the record is durable. Effects that wait together share one fsync. If the log cannot
//! be made durable, nothing that depends on it is ever sent: the log is poisoned, signing stops, and
//! reads go on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use crate::{
    chain::Height,
    consensus::{Evidence, Record},
    crypto::NodeId,
    engine::{CommittedBlock, Effect, Event, SigningHold},
    metrics::{
        Metrics,
        labels::{Label, RejectReason},
    },
    storage::{CommitBatch, Store, wal},
    wire::{LocalTip, Message},
};

use super::{
    bodies::Bodies, clock::NodeClock, codec, evidence::EvidenceBook, facts::Facts, gossip::Gossip,
    tickets::Tickets,
};

/// Groups of effects that may wait for the performer; when full, the engine waits: it must not run
/// ahead of its own log.
pub(super) const WORK_QUEUE_MAX: usize = 1_024;
/// The loop goes round at least this often, for the watchdog.
const TICK: Duration = Duration::from_secs(1);
/// Groups performed together, sharing one fsync.
const GROUP_MAX: usize = 64;
/// Bytes of records after which a group is synced early.
const GROUP_BYTES_MAX: usize = 8 << 20;

/// Why records are not durable.
#[derive(Debug, thiserror::Error)]
enum PersistError {
    #[error(transparent)]
    Log(#[from] wal::WalError),
    #[error(transparent)]
    Record(#[from] codec::RecordError),
}

/// What comes to the performer.
pub(super) enum Work {
    /// Effects of one step of the engine, in order.
    Effects(Vec<Effect>),
    /// Storage has everything up to this height on disk: the log may forget it.
    Flushed(Height),
    /// Storage failed: it takes no more blocks.
    StoreFailed,
    /// Evidence that a peer sent and that holds; `None`: found by ourselves.
    Evidence(Evidence, Option<NodeId>),
    /// Nothing comes any more.
    Stop,
}

/// The thread's state.
pub(super) struct Performer {
    pub(super) wal: Option<wal::Wal>,
    /// The record with the highest position we signed; survives pruning.
    pub(super) mark: Option<wal::Record>,
    pub(super) store: Arc<Store>,
    /// What the network tells peers about us.
    pub(super) tip: Arc<ArcSwap<LocalTip>>,
    pub(super) gossip: Arc<Gossip>,
    pub(super) bodies: Arc<Bodies>,
    pub(super) evidence: Arc<EvidenceBook>,
    pub(super) tickets: Arc<Tickets>,
    pub(super) facts: Arc<Facts>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: NodeClock,
    pub(super) work: Receiver<Work>,
    /// To the engine: the vote queue, because these are never dropped.
    pub(super) engine: Sender<Event>,
    pub(super) failed: bool,
    /// When the loop last went round, in microseconds of the node's monotonic clock.
    pub(super) ticked: Arc<AtomicU64>,
}

impl Performer {
    /// Runs until [`Work::Stop`] or until nobody can send any more.
    pub(super) fn run(mut self) {
        loop {
            self.ticked.store(self.clock.mono().micros(), Ordering::Relaxed);
            let first = match self.work.recv_timeout(TICK) {
                Ok(first) => first,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let mut group = Vec::new();
            let mut last = false;
            let more: Vec<Work> = self.work.try_iter().take(GROUP_MAX).collect();
            for work in std::iter::once(first).chain(more) {
                match work {
                    Work::Effects(effects) => group.extend(effects),
                    Work::Flushed(height) => self.prune(height),
                    Work::Evidence(evidence, from) => self.keep_evidence(evidence, from),
                    Work::StoreFailed => self.stop_signing(SigningHold::DiskFloor),
                    Work::Stop => last = true,
                }
            }
            self.perform(group);
            if last {
                break;
            }
        }
    }

    /// Appends every record of the group, makes them durable once, then performs the rest in order.
    /// What stands before the first record needs no fsync and goes out at once.
    fn perform(&mut self, group: Vec<Effect>) {
        let first = group
            .iter()
            .position(|effect| matches!(effect, Effect::Persist(_)));
        let mut rest = group;
        let depends = first.map(|at| rest.split_off(at)).unwrap_or_default();
        for effect in rest {
            self.perform_one(effect);
        }
        if depends.is_empty() {
            return;
        }
        let durable = self.persist(&depends);
        for effect in depends {
            match effect {
                Effect::Persist(record) => {
                    if let Record::Body(block) = &record {
                        self.bodies.proposed(block);
                    }
                }
                other if durable || !needs_the_log(&other) => self.perform_one(other),
                other => drop(other),
            }
        }
    }

    /// True once every record among the effects is on disk.
    fn persist(&mut self, effects: &[Effect]) -> bool {
        if self.failed {
            return false;
        }
        match self.try_persist(effects) {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(
                    %error,
                    "consensus log failed: nothing is signed or sent any more; check the disk, then restart"
                );
                self.metrics.consensus.wal_errors.inc();
                self.failed = true;
                self.stop_signing(SigningHold::LogFailed);
                false
            }
        }
    }

    fn try_persist(&mut self, effects: &[Effect]) -> Result<(), PersistError> {
        // A node without a log is an observer: it signs nothing, so that nothing need be remembered.
        let Some(log) = &mut self.wal else { return Ok(()) };
        let mut waiting = 0;
        for effect in effects {
            let Effect::Persist(record) = effect else { continue };
            let entry = codec::to_log(record)?;
            waiting += entry.payload.len();
            if matches!(record, Record::Signed(_) | Record::RaisedTo(_)) {
                self.mark = Some(entry.clone());
                self.metrics.consensus.last_signed_height.set(entry.height);
            }
            log.append(entry.kind, entry.height, entry.payload)?;
            if waiting > GROUP_BYTES_MAX {
                waiting = 0;
                log.sync()?;
            }
        }
        let synced = log.sync()?;
        if synced.records > 0 {
            self.metrics
                .consensus
                .wal_fsync_seconds
                .observe(synced.took.as_secs_f64());
            self.metrics.consensus.wal_bytes.inc_by(synced.bytes as u64);
            self.facts.fsync_took(synced.took);
        }
        Ok(())
    }

    /// Storage holds everything up to `height`: its records go, but never the high-water mark.
    fn prune(&mut self, height: Height) {
        let Some(log) = &mut self.wal else { return };
        if self.failed {
            return;
        }
        let carry: Vec<wal::Record> = self
            .mark
            .iter()
            .filter(|mark| mark.height <= height.get())
            .cloned()
            .collect();
        if let Err(error) = log.prune_through(height.get(), &carry) {
            tracing::error!(%error, "consensus log could not be pruned");
            self.failed = true;
            self.metrics.consensus.wal_errors.inc();
            self.stop_signing(SigningHold::LogFailed);
        }
    }

    fn perform_one(&mut self, effect: Effect) {
        match effect {
            Effect::Broadcast { message, block } => {
                if let Some(message) = Message::from_consensus(message, block) {
                    self.gossip.to_validators(&message, None);
                }
            }
            Effect::Forward { from, message, block } => {
                if let Some(message) = Message::from_consensus(message, block) {
                    self.gossip.to_validators(&message, Some(from));
                }
            }
            Effect::Commit(block) => self.commit(&block),
            Effect::FetchBody { height, digest } => self.gossip.fetch_body(height, digest),
            Effect::SendDecided { peer, height } => self.gossip.send_decided(peer, height),
            Effect::RequestBlocks(request) => self.gossip.request_blocks(request),
            Effect::Relay { transactions, except } => self.gossip.relay(transactions, except),
            Effect::Offer { peer, transactions } => self.gossip.offer(peer, transactions),
            Effect::Reply { ticket, verdict } => self.tickets.answer(ticket, verdict),
            Effect::Pooled(transactions) => {
                self.metrics.mempool.accepted.inc_by(transactions.len() as u64);
                self.bodies.pooled(transactions, self.clock.mono());
            }
            Effect::Unpooled(gone) => {
                for (txid, reason) in gone {
                    if let Some(label) = reason.and_then(RejectReason::named) {
                        self.metrics.mempool.rejected.inc(label);
                    }
                    self.bodies.unpooled(&txid, reason);
                }
            }
            Effect::Evidence(evidence) => self.keep_evidence(evidence, None),
            Effect::Held(hold) => self.facts.held(hold),
            Effect::SafetyViolation { height, ours, theirs } => {
                self.facts.safety_violation(height, &ours, &theirs);
            }
            Effect::Blame { peer, fault } => self.gossip.blame(peer, fault),
            Effect::Note(note) => self.facts.note(&note),
            Effect::Happened(happening) => self.facts.happened(&happening),
            // The driver performs these; a record stands behind the barrier above.
            Effect::Sign { .. } | Effect::SetTimer { .. } | Effect::Persist(_) => {}
        }
    }

    /// The record is durable: hand the block to storage, and let everybody see it.
    fn commit(&mut self, committed: &Arc<CommittedBlock>) {
        let height = committed.block.height();
        let batch = CommitBatch {
            block: committed.block.clone(),
            certificate: committed.certificate.clone(),
            connected: committed.connected.clone(),
        };
        if let Err(error) = self.store.commit(batch) {
            tracing::error!(%error, %height, "storage refused a final block; it stays in the consensus log");
            self.stop_signing(SigningHold::DiskFloor);
            return;
        }
        let now = self.clock.faces().now();
        let took = self
            .bodies
            .finalized(&committed.block, now.unix_ms, self.clock.mono());
        self.facts.finalized(committed, now, &took);
        self.tip.store(Arc::new(LocalTip {
            height: height.get(),
            hash: *committed.hash.as_hash(),
            finalized_height: height.get(),
            pruned_below: 0,
        }));
        // Lost if the queue is full; the next one says the same and more.
        let _ = self.engine.try_send(Event::Committed(height));
    }

    /// The engine must hear it; blocking on its queue would deadlock if it waits for ours.
    fn stop_signing(&self, hold: SigningHold) {
        self.facts.held(hold);
        if let Err(error) = self.engine.try_send(Event::Signing(hold, true)) {
            tracing::error!(%error, "the engine could not be told to stop signing; nothing it signs is sent");
        }
    }

    fn keep_evidence(&mut self, evidence: Evidence, from: Option<NodeId>) {
        if !self.evidence.insert(&evidence) {
            return;
        }
        let bytes = codec::evidence_bytes(&evidence);
        if let Err(error) = self.store.add_evidence(evidence.height, &evidence.id(), bytes) {
            tracing::error!(%error, "evidence could not be stored");
        }
        self.facts.evidence(&evidence);
        self.gossip.to_validators(&Message::Evidence(evidence), from);
    }
}

/// False for effects that say nothing a crash could make untrue.
fn needs_the_log(effect: &Effect) -> bool {
    match effect {
        Effect::Broadcast { .. } | Effect::Commit(_) | Effect::SendDecided { .. } | Effect::Persist(_) => {
            true
        }
        Effect::Sign { .. }
        | Effect::Forward { .. }
        | Effect::SetTimer { .. }
        | Effect::FetchBody { .. }
        | Effect::RequestBlocks(_)
        | Effect::Relay { .. }
        | Effect::Offer { .. }
        | Effect::Reply { .. }
        | Effect::Pooled(_)
        | Effect::Unpooled(_)
        | Effect::Evidence(_)
        | Effect::Held(_)
        | Effect::SafetyViolation { .. }
        | Effect::Blame { .. }
        | Effect::Note(_)
        | Effect::Happened(_) => false,
    }
}

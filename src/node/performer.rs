//! Performs the engine's effects, in order, on the thread that owns the consensus log.
//!
//! Everything goes through the [`Barrier`], which keeps the promise of docs/CONSENSUS.md §8. Effects
//! that wait together share one fsync. If the log cannot be made durable, nothing that depends on it
//! is ever sent, signing stops, and reads go on.

use std::{
    collections::BTreeSet,
    path::PathBuf,
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
    consensus::{ConsensusMessage, Evidence, EvidenceKind, Record},
    crypto::NodeId,
    engine::{CommittedBlock, Effect, Event, SigningHold},
    metrics::{
        Metrics,
        labels::{Label, RejectReason},
    },
    storage::{CommitBatch, Store},
    wire::{LocalTip, Message},
};

use super::{
    barrier::{Barrier, BarrierError},
    bodies::Bodies,
    clock::NodeClock,
    conflict,
    evidence::EvidenceBook,
    facts::Facts,
    gossip::Gossip,
    key_watch::KeyWatch,
    resync::{Resync, ResyncError},
    tickets::Tickets,
};

/// Groups of effects that may wait for the performer; when full, the engine waits: it must not run
/// ahead of its own log.
pub(super) const WORK_QUEUE_MAX: usize = 1_024;
/// The loop goes round at least this often, for the watchdog.
const TICK: Duration = Duration::from_secs(1);
/// Groups performed together, sharing one fsync.
const GROUP_MAX: usize = 64;
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
    pub(super) barrier: Barrier,
    pub(super) hands: Hands,
    pub(super) work: Receiver<Work>,
    /// When the loop last went round, in microseconds of the node's monotonic clock.
    pub(super) ticked: Arc<AtomicU64>,
}

/// What performs effects once the barrier let them through.
pub(super) struct Hands {
    pub(super) store: Arc<Store>,
    pub(super) resync: Arc<Resync>,
    /// `consensus/` of the data directory.
    pub(super) log_dir: PathBuf,
    /// What the network tells peers about us.
    pub(super) tip: Arc<ArcSwap<LocalTip>>,
    pub(super) gossip: Arc<Gossip>,
    pub(super) key_watch: Arc<KeyWatch>,
    pub(super) bodies: Arc<Bodies>,
    pub(super) evidence: Arc<EvidenceBook>,
    pub(super) tickets: Arc<Tickets>,
    pub(super) facts: Arc<Facts>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: NodeClock,
    /// To the engine: the vote queue, because these are never dropped.
    pub(super) engine: Sender<Event>,
    /// Holds that the engine has not been told of: its queue was full.
    pub(super) untold: BTreeSet<SigningHold>,
    /// The highest height that is stored and that the engine was not told of yet.
    pub(super) untold_height: Option<Height>,
}

impl Performer {
    /// Runs until [`Work::Stop`] or until nobody can send any more.
    pub(super) fn run(mut self) {
        loop {
            self.ticked
                .store(self.hands.clock.mono().micros(), Ordering::Relaxed);
            self.hands.tell_holds();
            self.hands.tell_height();
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
                    Work::Flushed(height) => {
                        self.prune(height);
                        self.hands.end_resync(height);
                    }
                    Work::Evidence(evidence, from) => self.hands.keep_evidence(evidence, from),
                    Work::StoreFailed => self.hands.stop_signing(SigningHold::StoreFailed),
                    Work::Stop => last = true,
                }
            }
            self.perform(group);
            if last {
                break;
            }
        }
    }

    fn perform(&mut self, group: Vec<Effect>) {
        let Self { barrier, hands, .. } = self;
        match barrier.pass(group, &mut |effect| hands.perform(effect)) {
            Ok(durable) => {
                let (consensus, synced) = (&hands.metrics.consensus, durable.synced);
                if let Some(height) = durable.signed {
                    consensus.last_signed_height.set(height);
                }
                if synced.records > 0 {
                    consensus.wal_fsync_seconds.observe(synced.took.as_secs_f64());
                    consensus.wal_bytes.inc_by(synced.bytes as u64);
                    hands.facts.fsync_took(synced.took);
                }
            }
            Err(error) => hands.log_failed(&error),
        }
    }

    fn prune(&mut self, height: Height) {
        if let Err(error) = self.barrier.prune(height) {
            self.hands.log_failed(&error);
        }
    }
}

impl Hands {
    /// Deleting the old database takes time, and this thread has none: a thread does it.
    fn end_resync(&self, height: Height) {
        if !self.resync.is_due(height) {
            return;
        }
        let (resync, engine) = (Arc::clone(&self.resync), self.engine.clone());
        let ending = move || match resync.on_flushed(height) {
            Ok(()) => {}
            Err(error @ ResyncError::OtherChain { .. }) => {
                tracing::error!(%error, "resync stopped");
                let _ = engine.send(Event::Signing(SigningHold::SafetyViolation, true));
            }
            Err(error) => {
                tracing::error!(%error, "resync could not be ended; it ends at the next start");
            }
        };
        if let Err(error) = std::thread::Builder::new()
            .name("resync".to_owned())
            .spawn(ending)
        {
            tracing::error!(%error, "no thread to end the resync; it ends at the next start");
        }
    }

    fn log_failed(&mut self, error: &BarrierError) {
        tracing::error!(
            %error,
            "consensus log failed: nothing is signed or sent any more; check the disk, then restart"
        );
        self.metrics.consensus.wal_errors.inc();
        self.stop_signing(SigningHold::LogFailed);
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Broadcast {
                message: ConsensusMessage::PrePrepare(proposal),
                block: Some(block),
            } => {
                // After a restart too, when its record is not made again.
                self.bodies.serve(&block);
                self.gossip.propose(proposal, block, None);
            }
            Effect::Forward {
                from,
                message: ConsensusMessage::PrePrepare(proposal),
                block: Some(block),
            } => {
                // Whoever gets it from us asks us for what it lacks.
                self.bodies.serve(&block);
                self.gossip.propose(proposal, block, Some(from));
            }
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
            Effect::AskStatus { peer } => self.gossip.ask_status(peer),
            Effect::CallForKey => self.key_watch.call(),
            Effect::Relay {
                transactions,
                except,
                push,
            } => {
                if push {
                    self.bodies.submitted_here(&transactions, self.clock.mono());
                }
                self.gossip.relay(transactions, except, push);
            }
            Effect::Offer { peer, transactions } => self.gossip.offer(peer, transactions),
            Effect::FetchTransactions { peer, txids } => {
                let (now, is_preferred) = (self.clock.mono(), self.gossip.is_preferred(&peer));
                let unknown = txids
                    .into_iter()
                    .filter(|id| self.bodies.should_ask(id, peer, is_preferred, now));
                self.gossip.fetch_transactions(peer, unknown.collect());
            }
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
                // Before anybody hears of it: it has to survive whatever happens next.
                if let Err(error) = conflict::keep(&self.log_dir, height, &ours, &theirs) {
                    tracing::error!(%error, "both certificates could not be kept; do not restart this node");
                }
                self.facts.safety_violation(height, &ours, &theirs);
            }
            Effect::Blame { peer, fault } => self.gossip.blame(peer, fault),
            Effect::Note(note) => self.facts.note(&note),
            Effect::Happened(happening) => self.facts.happened(&happening),
            Effect::Persist(Record::Body(block)) => self.bodies.proposed(&block),
            // The driver performs these; the other records are of no use outside the log.
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
            self.stop_signing(SigningHold::StoreFailed);
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
            pruned_below: self.store.pruned_below().get(),
            validators: committed.connected.state.validators_len(),
        }));
        self.untold_height = Some(height);
        self.tell_height();
    }

    /// A full queue: said again at the next turn, because there may be no next block before it is heard.
    fn tell_height(&mut self) {
        let engine = &self.engine;
        self.untold_height = self
            .untold_height
            .filter(|height| engine.try_send(Event::Committed(*height)).is_err());
    }

    /// The engine must hear it, and says it on. Waiting for its queue could deadlock: it may be
    /// waiting for ours.
    fn stop_signing(&mut self, hold: SigningHold) {
        self.untold.insert(hold);
        self.tell_holds();
    }

    fn tell_holds(&mut self) {
        let engine = &self.engine;
        self.untold
            .retain(|hold| engine.try_send(Event::Signing(*hold, true)).is_err());
    }

    fn keep_evidence(&mut self, evidence: Evidence, from: Option<NodeId>) {
        let Some(gone) = self.evidence.insert(&evidence) else {
            return;
        };
        for old in gone {
            if let Err(error) = self.store.forget_evidence(old.height, &old.id()) {
                tracing::error!(%error, "old evidence could not be deleted");
            }
        }
        let bytes = evidence.to_bytes();
        if let Err(error) = self.store.add_evidence(evidence.height, &evidence.id(), bytes) {
            tracing::error!(%error, "evidence could not be stored");
        }
        self.facts.evidence(&evidence);
        // What we found ourselves the engine has told us. A full queue: somebody else's block has it.
        if from.is_some() {
            let _ = self.engine.try_send(Event::Evidence(Box::new(evidence.clone())));
        }
        // A bad proposal's fault may lie in its block, and then convinces only those who saw it; the
        // others see the proposal themselves.
        if evidence.kind != EvidenceKind::BadProposal {
            self.gossip.to_validators(&Message::Evidence(evidence), from);
        }
    }
}

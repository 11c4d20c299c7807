//! What happened, told once: to the log in the words operators grep for, to the event ring, to the
//! counters, and to the part of the snapshot that speaks of final blocks.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    chain::{CommitCertificate, Height},
    consensus::{Evidence, EvidenceKind, Note, ViewChangeCause},
    control::{
        BlockLine, ChainStatus, Direction, EventKind, EventRing, FINALITY_SAMPLES_MAX, LAST_BLOCKS_MAX,
        Moment, SyncState,
    },
    crypto::{NodeId, PublicKey},
    engine::{CommittedBlock, Happening, SigningHold},
    metrics::{Metrics, labels},
    wire::{self, PeerInfo},
};

use super::{clock::NodeClock, names::Names, status::Heights};

/// fsync samples kept for the figures on screen.
const FSYNC_SAMPLES_MAX: usize = 256;

/// Where facts are told.
pub(super) struct Facts {
    pub(super) clock: NodeClock,
    pub(super) names: Names,
    pub(super) me: Option<PublicKey>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) events: Arc<EventRing>,
    heights: Arc<Heights>,
    chain: Mutex<ChainStatus>,
    fsyncs: Mutex<VecDeque<u64>>,
    /// Live sessions: the key each proved and its address, to name them when they end.
    peers: Mutex<BTreeMap<NodeId, (Option<PublicKey>, String)>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Facts {
    pub(super) fn new(
        clock: NodeClock,
        names: Names,
        me: Option<PublicKey>,
        metrics: Arc<Metrics>,
        events: Arc<EventRing>,
        heights: Arc<Heights>,
        chain: ChainStatus,
    ) -> Self {
        Self {
            clock,
            names,
            me,
            metrics,
            events,
            heights,
            chain: Mutex::new(chain),
            fsyncs: Mutex::new(VecDeque::new()),
            peers: Mutex::new(BTreeMap::new()),
        }
    }

    /// What is final and durable, for the snapshot.
    pub(super) fn chain(&self) -> ChainStatus {
        locked(&self.chain).clone()
    }

    /// Height of the last block that is final and durable.
    pub(super) fn height(&self) -> u64 {
        locked(&self.chain).height
    }

    /// Median and 99th percentile of the last log fsyncs, in microseconds.
    pub(super) fn fsync_percentiles(&self) -> Option<(u64, u64)> {
        let mut samples: Vec<u64> = locked(&self.fsyncs).iter().copied().collect();
        samples.sort_unstable();
        let last = samples.len().checked_sub(1)?;
        Some((samples[last / 2], samples[last * 99 / 100]))
    }

    /// A sync of the log took so long.
    pub(super) fn fsync_took(&self, took: Duration) {
        let mut samples = locked(&self.fsyncs);
        if samples.len() == FSYNC_SAMPLES_MAX {
            samples.pop_front();
        }
        samples.push_back(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    fn tell(&self, kind: EventKind) {
        self.events.push(self.clock.faces().now(), kind);
    }

    /// A block is final: its record is durable and storage has it.
    ///
    /// `took_us` holds, for each of its transactions that waited here, the time since acceptance.
    pub(super) fn finalized(&self, committed: &CommittedBlock, at: Moment, took_us: &[u64]) {
        self.heights.finalized(committed, at.mono_ms);
        let before = &committed.connected.before;
        if !before.masternodes.is_empty() || before.history.added_set.is_some() {
            self.names.refresh(&committed.connected.state);
        }
        let header = &committed.block.header;
        let (height, hash) = (header.height, committed.hash);
        let txs = u32::try_from(committed.block.transactions.len()).unwrap_or(u32::MAX);
        let finality_ms = committed
            .finality_us
            .map(|us| u32::try_from(us / 1000).unwrap_or(u32::MAX));
        let round = committed.certificate.round;
        tracing::info!(round, txs, "Block {hash} committed at height {height}");
        tracing::info!(round, txs, "Block {hash} finalized at height {height}");
        tracing::info!(height = height.get(), round, txs, finality_ms, "Block finalized");
        if let Some(period) = committed.connected.closed_epoch {
            tracing::info!(
                period = period + 1,
                "Started new block reward period at {}",
                header.timestamp_ms
            );
        }
        let chain = &self.metrics.chain;
        chain.finalized_height.set(height.get());
        chain.last_block_timestamp_seconds.set(at.unix_ms as f64 / 1000.0);
        chain.block_transactions.observe(f64::from(txs));
        chain.transactions_finalized.inc_by(u64::from(txs));
        let size = committed.block.body_bytes() as u64;
        chain.block_size_bytes.observe(size as f64);
        chain
            .utxo_entries
            .set(committed.connected.state.totals.utxo_count);
        chain.blocks_applied.inc(if committed.by_sync {
            labels::BlockSource::Sync
        } else {
            labels::BlockSource::Consensus
        });
        if let Some(us) = committed.finality_us {
            self.metrics.consensus.height_seconds.observe(us as f64 / 1e6);
        }
        for us in took_us {
            chain.finality_seconds.observe(*us as f64 / 1e6);
        }
        let line = BlockLine {
            height: height.get(),
            hash: *hash.as_hash(),
            finalized: at,
            txs,
            size_bytes: size,
            proposer: self.names.of(&header.proposer),
            is_ours: self.me == Some(header.proposer),
            round,
            finality_ms,
        };
        {
            let mut status = locked(&self.chain);
            if let Some(before) = status.finalized.filter(|_| finality_ms.is_some()) {
                chain
                    .block_interval_seconds
                    .observe(at.since_ms(before) as f64 / 1000.0);
            }
            status.height = height.get();
            status.hash = *hash.as_hash();
            status.utxo_commitment = header.utxo_commitment;
            status.timestamp_ms = header.timestamp_ms.get();
            status.finalized = Some(at);
            status.blocks_this_run += 1;
            status.last_blocks.insert(0, line);
            status.last_blocks.truncate(LAST_BLOCKS_MAX);
            if let Some(ms) = finality_ms {
                if status.finality_ms.len() == FINALITY_SAMPLES_MAX {
                    status.finality_ms.remove(0);
                }
                status.finality_ms.push(ms);
            }
            status.utxos = Some(committed.connected.state.totals.utxo_count);
            status.supply = Some(committed.connected.state.totals.supply.units());
        }
        let votes = u32::try_from(committed.certificate.signatures.len()).unwrap_or(u32::MAX);
        let n = u32::try_from(committed.connected.state.validators_len()).unwrap_or(u32::MAX);
        self.tell(EventKind::Final {
            height: height.get(),
            hash: *hash.as_hash(),
            round,
            txs,
            votes,
            n,
            finality_ms,
        });
    }

    /// A fact of consensus.
    pub(super) fn note(&self, note: &Note) {
        let consensus = &self.metrics.consensus;
        match note {
            Note::Proposing { height, round } => {
                tracing::info!(
                    round = round.get(),
                    "[BFT] Producing new block at height {height}"
                );
                tracing::info!(height = height.get(), round = round.get(), "Block produced");
                self.metrics.chain.blocks_produced.inc();
            }
            Note::Accepted {
                height,
                round,
                digest,
                txs,
            } => {
                tracing::info!(round = round.get(), "Block {digest} proposed at height {height}");
                consensus.proposals.inc(labels::ProposalResult::Accepted);
                self.tell(EventKind::Proposed {
                    height: height.get(),
                    round: round.get(),
                    leader: self.names.leader(*height, *round),
                    txs: u32::try_from(*txs).unwrap_or(u32::MAX),
                });
            }
            Note::Refused {
                height,
                round,
                reason,
            } => {
                tracing::warn!(
                    height = height.get(),
                    round = round.get(),
                    reason,
                    "proposal refused"
                );
                consensus.proposals.inc(labels::ProposalResult::Rejected);
            }
            Note::Prepared {
                height,
                round,
                digest,
            } => {
                tracing::debug!(height = height.get(), round = round.get(), %digest, "prepared; lock moved");
            }
            Note::ViewChange { height, to, cause } => {
                let reason = match cause {
                    ViewChangeCause::ProposalTimeout => "no proposal in time",
                    ViewChangeCause::VoteTimeout => "too few votes in time",
                    ViewChangeCause::Join => "others moved on",
                    ViewChangeCause::BadProposal => "bad proposal",
                    ViewChangeCause::LeaderDown => "leader is gone",
                };
                tracing::warn!(height = height.get(), round = to.get(), reason, "view change");
                consensus.view_changes.inc();
                if matches!(
                    cause,
                    ViewChangeCause::ProposalTimeout | ViewChangeCause::VoteTimeout
                ) {
                    self.heights.timer_fired(*height);
                }
                if *cause == ViewChangeCause::ProposalTimeout {
                    consensus.proposals.inc(labels::ProposalResult::Missed);
                }
                self.tell(EventKind::ViewChange {
                    height: height.get(),
                    from: to.get().saturating_sub(1),
                    to: to.get(),
                    reason: reason.to_owned(),
                });
            }
            Note::DoubleSignPrevented(position) => {
                tracing::error!(
                    height = position.height.get(),
                    round = position.round.get(),
                    step = ?position.step,
                    "sign guard refused to contradict an earlier signature; is a second node using this key?"
                );
                consensus.double_sign_prevented.inc();
            }
            Note::Dropped(what) => tracing::debug!(what, "consensus message dropped"),
        }
    }

    /// Every block below the snapshot that this node began with is here.
    pub(super) fn backfilled(&self) {
        tracing::info!("backfill complete: every block from 1 on is here");
        self.tell(EventKind::Backfilled);
    }

    /// A fact of the engine.
    pub(super) fn happened(&self, happening: &Happening) {
        match happening {
            Happening::ConsensusActivated { connected, n } => {
                tracing::info!(connected, n, "Consensus activated");
            }
            Happening::Syncing { active, target } => {
                tracing::info!(active, target = target.get(), "synchronising");
                let state = if *active {
                    SyncState::Blocks
                } else {
                    SyncState::Synced
                };
                let target = active.then_some(target.get());
                self.tell(EventKind::Sync {
                    state,
                    height: self.height(),
                    target,
                });
            }
            Happening::StoreUnreadable { height, reason } => {
                tracing::error!(
                    height = height.get(),
                    reason,
                    "the chain database did not answer; this node stands still: check the disk, then restart"
                );
            }
            Happening::RaisedTo { height } => {
                tracing::warn!(
                    height = height.get(),
                    "this node does not know what it signed: it signs again once this height is final"
                );
            }
            Happening::ExecutionMismatch { height, reason } => {
                tracing::error!(
                    height = height.get(),
                    reason,
                    "a certified block does not connect here; this node stopped signing: keep its data and report it"
                );
            }
        }
    }

    /// A reason to sign nothing arose.
    pub(super) fn held(&self, hold: SigningHold) {
        if hold.is_safety_stop() {
            tracing::error!(reason = hold.reason(), "this node stopped signing");
        } else {
            tracing::info!(reason = hold.reason(), "this node does not sign");
        }
        self.tell(EventKind::Signing {
            signing: false,
            reason: hold.reason().to_owned(),
        });
    }

    /// Two certificates for different blocks at one height.
    pub(super) fn safety_violation(
        &self,
        height: Height,
        ours: &CommitCertificate,
        theirs: &CommitCertificate,
    ) {
        tracing::error!(
            height = height.get(),
            ours = %ours.block_hash,
            theirs = %theirs.block_hash,
            "SAFETY VIOLATION: two certificates at one height; signing stopped, both are kept in consensus/; keep all data"
        );
    }

    /// A session came up.
    pub(super) fn peer_up(&self, peer: &PeerInfo) {
        self.tell(EventKind::PeerUp {
            id: peer.node_id,
            name: peer.validator.as_ref().and_then(|key| self.names.known(key)),
            direction: match peer.direction {
                wire::Direction::Inbound => Direction::Inbound,
                wire::Direction::Outbound => Direction::Outbound,
            },
            address: peer.address.to_string(),
        });
        let named = (peer.validator, peer.address.to_string());
        locked(&self.peers).insert(peer.node_id, named);
    }

    /// A session ended.
    pub(super) fn peer_down(&self, peer: &NodeId, reason: &str) {
        let (validator, address) = locked(&self.peers).remove(peer).unwrap_or_default();
        let name = validator.as_ref().and_then(|key| self.names.known(key));
        self.tell(EventKind::PeerDown {
            id: *peer,
            name,
            address,
            reason: reason.to_owned(),
        });
    }

    /// A validator contradicted itself.
    pub(super) fn evidence(&self, evidence: &Evidence) {
        let crime = crime(evidence.kind);
        let validator = self.names.of(&evidence.offender);
        let round = evidence
            .messages
            .first()
            .map_or(0, |message| message.round().get());
        tracing::error!(
            height = evidence.height.get(),
            round,
            validator,
            crime,
            "evidence of misbehaviour"
        );
        self.metrics.consensus.evidence.inc();
        self.tell(EventKind::Evidence {
            height: evidence.height.get(),
            round,
            validator,
            crime: crime.to_owned(),
        });
    }
}

/// What was done, in words.
pub(super) const fn crime(kind: EvidenceKind) -> &'static str {
    match kind {
        EvidenceKind::Prepares => "two prepares in one round",
        EvidenceKind::Commits => "two commits in one round",
        EvidenceKind::PrePrepares => "two proposals in one round",
        EvidenceKind::ViewChanges => "two view changes into one round",
        EvidenceKind::Amnesia => "forgot its commit",
        EvidenceKind::BadProposal => "invalid proposal",
    }
}

//! Coming back after a crash (§8): the log's records become guard, lock, bodies and votes again.
//!
//! Our own messages are put back into our own tallies. Without that, nodes that all crash after
//! COMMIT would each count only the others, and the height would hang for ever.

use std::collections::BTreeMap;

use crate::{
    chain::{Block, BlockHash, CommitCertificate, Height},
    consensus::{ConsensusMessage, Phase, Position, PreparedCert, Record, Round, Step, Vote, guard::Guard},
    crypto::Verified,
};

use super::{Context, Machine};

/// What the log held, sorted by height.
#[derive(Debug, Default)]
pub struct Recovered {
    guard: Guard,
    heights: BTreeMap<Height, HeightLog>,
}

/// What the log held of one height besides our messages, which the guard keeps.
#[derive(Debug, Default)]
struct HeightLog {
    lock: Option<PreparedCert>,
    bodies: BTreeMap<BlockHash, Verified<Block>>,
    decided: Option<CommitCertificate>,
}

impl Recovered {
    /// A log without records.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Sorts the log's `records`, which are in the order in which they were written. Those at or
    /// below `tip` only raise the guard. `verify` checks a logged body again, because it was out of
    /// our hands; a body that it refuses is fetched from a peer when it is needed.
    pub fn from_records(
        records: impl IntoIterator<Item = Record>,
        tip: Height,
        mut verify: impl FnMut(Block) -> Option<Verified<Block>>,
    ) -> Self {
        let mut recovered = Self::default();
        for record in records.into_iter().filter(|record| !is_lost(record)) {
            let height = record.height();
            match record {
                Record::Signed(message) => recovered.guard.restore(message),
                Record::RaisedTo(height) => recovered.guard.raise_to(height),
                Record::Lost => recovered.guard.forget(),
                // A signer's log under a node of its own: what was said there is not said again.
                Record::Vouched(..) => recovered.guard.raise_to(height),
                Record::Body(_) | Record::Lock(_) | Record::Decided(_) if height <= tip => {}
                Record::Body(block) => {
                    if let Some(block) = verify(block) {
                        recovered.height(height).bodies.insert(block.hash(), block);
                    }
                }
                Record::Lock(lock) => {
                    let log = recovered.height(height);
                    if log.lock.as_ref().is_none_or(|known| known.round <= lock.round) {
                        log.lock = Some(lock);
                    }
                }
                Record::Decided(certificate) => recovered.height(height).decided = Some(certificate),
            }
        }
        recovered.guard.prune_below(tip.next());
        recovered
    }

    /// The highest position that the log holds a signature for.
    pub fn last_signed(&self) -> Option<Position> {
        self.guard.last()
    }

    fn height(&mut self, height: Height) -> &mut HeightLog {
        self.heights.entry(height).or_default()
    }

    pub(super) fn take_guard(&mut self) -> Guard {
        std::mem::take(&mut self.guard)
    }

    fn take(&mut self, height: Height) -> HeightLog {
        self.heights = self.heights.split_off(&height);
        self.heights.remove(&height).unwrap_or_default()
    }
}

/// Planted faults: what a log without a memory of votes, or of locks, would not give back.
fn is_lost(record: &Record) -> bool {
    if is_mutant!(LockLost) {
        return matches!(record, Record::Lock(_));
    }
    is_mutant!(NoLog) && matches!(record, Record::Signed(_) | Record::Lock(_))
}

impl Machine {
    /// Puts back what the log held of the height that begins.
    pub(super) fn restore(&mut self, context: &mut Context<'_>) {
        let height = self.current.height;
        let log = self.recovered.take(height);
        let own: Vec<ConsensusMessage> = self
            .guard
            .own_of(height)
            .filter(|message| Some(message.signer()) == self.current.me)
            .cloned()
            .collect();

        for (digest, block) in log.bodies {
            self.current.bodies.insert(digest, block);
            self.current.bodies.set_logged(digest);
        }
        let locked = log.lock.as_ref().map(|lock| lock.round);
        let signed = self
            .guard
            .last()
            .filter(|last| last.height == height)
            .map(|last| last.round);
        let round = signed.max(locked).unwrap_or(Round::ZERO);
        self.current.round.round = round;
        self.guard.enter(height, round);
        if let Some(lock) = log.lock {
            self.restore_lock(context, lock);
        }
        let mut proposal = None;
        for message in own.into_iter().filter(|_| !is_mutant!(OwnVotesNotReplayed)) {
            match message {
                ConsensusMessage::Vote(vote) => self.on_vote(context, None, vote),
                ConsensusMessage::ViewChange(view_change) => {
                    self.current.view_changes.insert(view_change, context.now.mono);
                }
                ConsensusMessage::PrePrepare(message) if message.round == round => proposal = Some(message),
                ConsensusMessage::PrePrepare(_) => {}
            }
        }
        if !is_mutant!(AcceptedForgotten) {
            self.restore_acceptance(round);
        }
        if (self.is_signed_here() || round > Round::ZERO) && !is_mutant!(OwnVotesNotReplayed) {
            self.current.round.armed = true;
            self.arm(context);
        }
        if let Some(certificate) = log.decided {
            self.current.deciding = Some(certificate);
        } else if let Some(proposal) = proposal {
            self.on_pre_prepare(context, None, proposal, None);
        }
    }

    fn restore_lock(&mut self, context: &mut Context<'_>, lock: PreparedCert) {
        for (signer, signature) in &lock.signatures {
            let (signer, signature) = (*signer, *signature);
            let PreparedCert {
                height,
                round,
                digest,
                ..
            } = lock;
            let vote = Vote {
                step: Step::Prepare,
                height,
                round,
                digest,
                signer,
                signature,
            };
            self.on_vote(context, None, vote);
        }
        self.current.is_lock_logged = true;
        self.current.lock = Some(lock);
    }

    /// accepted := what we sent PREPARE or COMMIT for in this round, or locked in it.
    fn restore_acceptance(&mut self, round: Round) {
        let voted = |step: Step| {
            let cast = match step {
                Step::Commit => &self.current.commits,
                Step::ViewChange | Step::PrePrepare | Step::Prepare => &self.current.prepares,
            };
            self.current
                .me
                .and_then(|me| cast.cast(me, round))
                .map(|cast| cast.digest)
        };
        let locked = self
            .current
            .lock
            .as_ref()
            .filter(|lock| lock.round == round)
            .map(|lock| lock.digest);
        let committed = voted(Step::Commit);
        self.current.round.accepted = committed.or_else(|| voted(Step::Prepare)).or(locked);
        self.current.round.phase = match (committed, self.current.round.accepted) {
            (Some(_), _) => Phase::Commit,
            (None, Some(_)) => Phase::Prepare,
            (None, None) => Phase::PrePrepare,
        };
    }
}

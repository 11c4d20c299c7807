//! What people see of the machine: plain data, copied out when a status is made.

use crate::{
    chain::{BlockHash, Height},
    consensus::{Mono, Phase, Position, Round, Signer, ViewChangeCause},
    crypto::PublicKey,
};

use super::{Machine, height::Fate};

/// Rounds of the height in progress that are remembered for display.
const PAST_ROUNDS_MAX: usize = 16;
/// Moments that are remembered for display, over heights.
const TIMELINE_MAX: usize = 64;

/// A snapshot of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Height in progress.
    pub height: Height,
    /// Round in progress.
    pub round: Round,
    /// Phase in it.
    pub phase: Phase,
    /// A view change that still waits for its quorum (R7b).
    pub is_view_change: bool,
    /// Whether the round's timer runs.
    pub is_armed: bool,
    /// When it fires.
    pub deadline: Option<Mono>,
    /// When the round began.
    pub round_since: Mono,
    /// Leader of the round; `None` for an empty set.
    pub proposer: Option<Signer>,
    /// Our own index; `None` if we only follow.
    pub me: Option<Signer>,
    /// Whether we may sign at all.
    pub may_sign: bool,
    /// Stopped for ever: two certificates at one height.
    pub is_halted: bool,
    /// Catching up.
    pub is_syncing: bool,
    /// The proposal accepted in this round.
    pub accepted: Option<BlockHash>,
    /// Our lock.
    pub lock: Option<(Round, BlockHash)>,
    /// Highest position we signed.
    pub last_signed: Option<Position>,
    /// When a block is due (R0).
    pub work_at: Mono,
    /// True from then on.
    pub is_due: bool,
    /// Votes counted.
    pub tallies: Tallies,
    /// One entry per validator, in the order of the set.
    pub marks: Vec<Mark>,
    /// What is missing to go on.
    pub waiting_for: WaitingFor,
    /// Rounds of this height that were left, oldest first, at most 16.
    pub past_rounds: Vec<RoundPast>,
    /// What happened lately, oldest first, at most 64.
    pub timeline: Vec<TimelineEntry>,
    /// Messages kept for the next height.
    pub buffered_next: usize,
    /// COMMITs of the height before that came after it was decided (R10), in order of arrival.
    pub late_commits: Vec<(Signer, Mono)>,
}

/// Votes counted for the current round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tallies {
    /// PREPAREs for the accepted block.
    pub prepares: usize,
    /// COMMITs of this round for the accepted block.
    pub commits: usize,
    /// Validators in this round or beyond, by their VIEW-CHANGEs.
    pub view_changes: usize,
    /// How many of each it takes.
    pub quorum: usize,
    /// Number of validators.
    pub n: usize,
}

/// One validator's part in the current round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Who.
    pub key: PublicKey,
    /// Whether a session that proved this key is up; always true for ourselves.
    pub is_up: bool,
    /// PREPARE in this round: for what, and when it arrived.
    pub prepare: Option<(BlockHash, Mono)>,
    /// COMMIT in this round.
    pub commit: Option<(BlockHash, Mono)>,
    /// Highest VIEW-CHANGE at this height.
    pub view_change: Option<(Round, Mono)>,
}

/// What a height waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitingFor {
    /// Nothing waits to be put into a block; the next one is due at `work_at`.
    Work,
    /// The leader's proposal.
    Proposal(Signer),
    /// A proposal's block, or one that a certificate names.
    Body(BlockHash),
    /// A proposal that is early by our clock.
    Clock(BlockHash),
    /// PREPAREs of one of these, as many as the tally lacks.
    Prepares(Vec<Signer>),
    /// COMMITs of these.
    Commits(Vec<Signer>),
    /// VIEW-CHANGEs of these.
    ViewChanges(Vec<Signer>),
    /// The ledger, to connect the decided block.
    Connect,
    /// Catching up.
    Sync,
    /// An operator: the machine has stopped.
    Operator,
    /// Validators: the set is empty.
    Validators,
}

/// A round that was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoundPast {
    /// Which.
    pub round: Round,
    /// Who led it.
    pub proposer: Option<Signer>,
    /// When it began.
    pub began_at: Mono,
    /// When we left it.
    pub left_at: Mono,
    /// How far it got.
    pub phase: Phase,
    /// What was accepted in it.
    pub accepted: Option<BlockHash>,
    /// Why we left; `None` if a proposal of a later round took us along.
    pub cause: Option<ViewChangeCause>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineEntry {
    /// When.
    pub at: Mono,
    /// At which height.
    pub height: Height,
    /// What.
    pub moment: Moment,
}

/// What can stand in the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// A height began.
    Height(Height),
    /// A later round began.
    Round {
        /// Which.
        round: Round,
        /// Why; `None` if a proposal took us along.
        cause: Option<ViewChangeCause>,
    },
    /// The round's timer was started.
    Armed {
        /// Which.
        round: Round,
    },
    /// We proposed.
    Proposing {
        /// In which round.
        round: Round,
        /// What.
        digest: BlockHash,
    },
    /// A proposal was accepted.
    Proposal {
        /// In which round.
        round: Round,
        /// What.
        digest: BlockHash,
    },
    /// A quorum of PREPAREs was there.
    Prepared {
        /// In which round.
        round: Round,
        /// For what.
        digest: BlockHash,
    },
    /// A quorum of COMMITs or a certificate was there.
    Committed {
        /// In which round.
        round: Round,
        /// For what.
        digest: BlockHash,
    },
    /// The height was decided.
    Decided {
        /// In which round.
        round: Round,
        /// What.
        digest: BlockHash,
    },
}

impl Machine {
    /// Copies out what people may want to see.
    pub fn view(&self) -> View {
        let current = &self.current;
        let state = current.round;
        let quorum = current.quorum();
        let counted = |votes: &crate::consensus::votes::Votes| {
            state
                .accepted
                .map_or(0, |digest| votes.count(state.round, digest))
        };
        View {
            height: current.height,
            round: state.round,
            phase: state.phase,
            is_view_change: state.round > Round::ZERO && !state.armed && state.phase == Phase::PrePrepare,
            is_armed: state.armed,
            deadline: current.deadline,
            round_since: current.round_since,
            proposer: current.leader(),
            me: current.me,
            may_sign: self.can_sign(),
            is_halted: self.is_halted,
            is_syncing: self.is_syncing,
            accepted: state.accepted,
            lock: current.lock.as_ref().map(|lock| (lock.round, lock.digest)),
            last_signed: self.guard.last(),
            work_at: self.work_at(),
            is_due: current.is_due,
            tallies: Tallies {
                prepares: counted(&current.prepares),
                commits: counted(&current.commits),
                view_changes: current.view_changes.count_from(state.round),
                quorum: quorum.votes(),
                n: quorum.n(),
            },
            marks: self.marks(),
            waiting_for: self.waiting_for(),
            past_rounds: current.past_rounds.iter().cloned().collect(),
            timeline: current.timeline.iter().cloned().collect(),
            buffered_next: self.next.len(),
            late_commits: self.late_commits.clone(),
        }
    }

    fn marks(&self) -> Vec<Mark> {
        let current = &self.current;
        let round = current.round.round;
        let mark = |(signer, key): (Signer, &PublicKey)| Mark {
            key: *key,
            is_up: current.me == Some(signer) || self.links.get(key).is_some_and(|link| link.is_up),
            prepare: current
                .prepares
                .cast(signer, round)
                .map(|cast| (cast.digest, cast.at)),
            commit: current
                .commits
                .cast(signer, round)
                .map(|cast| (cast.digest, cast.at)),
            view_change: current
                .view_changes
                .get(signer)
                .map(|entry| (entry.header.round, entry.at)),
        };
        (0..).zip(current.validators.keys()).map(mark).collect()
    }

    fn waiting_for(&self) -> WaitingFor {
        let current = &self.current;
        let state = current.round;
        if self.is_halted {
            return WaitingFor::Operator;
        }
        if self.is_syncing {
            return WaitingFor::Sync;
        }
        let Some(leader) = current.leader() else {
            return WaitingFor::Validators;
        };
        if let Some(certificate) = &current.deciding {
            return WaitingFor::Body(certificate.block_hash);
        }
        let missing = |has: &dyn Fn(Signer) -> bool| -> Vec<Signer> {
            (0..)
                .zip(current.validators.keys())
                .map(|(signer, _)| signer)
                .filter(|one| !has(*one))
                .collect()
        };
        match state.phase {
            Phase::Finalized => WaitingFor::Connect,
            Phase::Prepare => WaitingFor::Prepares(missing(&|signer| {
                current.prepares.cast(signer, state.round).is_some()
            })),
            Phase::Commit => WaitingFor::Commits(missing(&|signer| {
                current.commits.cast(signer, state.round).is_some()
            })),
            Phase::PrePrepare => {
                if let Some(proposal) = current.proposals.get(&state.round) {
                    match proposal.fate {
                        Fate::WaitsForBody => return WaitingFor::Body(proposal.message.digest),
                        Fate::Held => return WaitingFor::Clock(proposal.message.digest),
                        Fate::Settled => {}
                    }
                }
                if state.round > Round::ZERO && !state.armed {
                    return WaitingFor::ViewChanges(missing(&|signer| {
                        let entry = current.view_changes.get(signer);
                        entry.is_some_and(|entry| entry.header.round >= state.round)
                    }));
                }
                if state.round == Round::ZERO && !current.is_due {
                    return WaitingFor::Work;
                }
                WaitingFor::Proposal(leader)
            }
        }
    }

    pub(super) fn remember_round(&mut self, past: RoundPast) {
        if self.current.past_rounds.len() >= PAST_ROUNDS_MAX {
            self.current.past_rounds.pop_front();
        }
        self.current.past_rounds.push_back(past);
    }

    pub(super) fn mark(&mut self, at: Mono, moment: Moment) {
        if self.current.timeline.len() >= TIMELINE_MAX {
            self.current.timeline.pop_front();
        }
        self.current.timeline.push_back(TimelineEntry {
            at,
            height: self.current.height,
            moment,
        });
    }
}

//! The rounds of one height as a trace: what happened when, in offsets from each round's start.
//!
//! The machine remembers the votes of its current round only. What earlier rounds of the height
//! held is kept here from look to look.

use std::collections::BTreeMap;

use crate::{
    chain::{BlockHash, Height},
    consensus::{Moment as Happened, Mono, Round, RoundPast, Signer, Timing, View, ViewChangeCause},
    control::{HeightTrace, RoundEnd, RoundTrace, TRACE_EVENTS_MAX, TraceEvent, TraceKind},
};

use super::{super::names::Names, scale::Scale};

/// Rounds of one height whose votes are remembered; the machine itself remembers as many.
const ROUNDS_MAX: usize = 16;

/// One vote: for what, and when it came.
type Vote = Option<(BlockHash, Mono)>;

/// What rounds of a height held when they were last looked at.
#[derive(Debug, Clone, Default)]
pub(super) struct RoundMemory {
    height: u64,
    rounds: BTreeMap<u32, Votes>,
}

/// The votes of one round, in the order of the set.
#[derive(Debug, Clone, Default)]
struct Votes {
    prepares: Vec<Vote>,
    commits: Vec<Vote>,
    view_changes: Vec<Option<Mono>>,
}

impl Votes {
    fn of(view: &View) -> Self {
        let entered = |mark: &crate::consensus::Mark| {
            mark.view_change
                .filter(|(round, _)| *round == view.round)
                .map(|(_, at)| at)
        };
        Self {
            prepares: view.marks.iter().map(|mark| mark.prepare).collect(),
            commits: view.marks.iter().map(|mark| mark.commit).collect(),
            view_changes: view.marks.iter().map(entered).collect(),
        }
    }

    /// What most of them are for: what the others accepted, if we have nothing.
    fn favourite(&self) -> Option<BlockHash> {
        let mut counts: BTreeMap<BlockHash, usize> = BTreeMap::new();
        for (digest, _) in self.prepares.iter().chain(&self.commits).flatten() {
            *counts.entry(*digest).or_default() += 1;
        }
        counts
            .into_iter()
            .max_by_key(|(digest, count)| (*count, std::cmp::Reverse(*digest)))
            .map(|(digest, _)| digest)
    }

    fn earliest(&self) -> Option<Mono> {
        self.prepares
            .iter()
            .chain(&self.commits)
            .flatten()
            .map(|(_, at)| *at)
            .min()
    }
}

/// What a round's votes are compared with: what we accepted, or what most others vote for while we
/// have accepted nothing.
pub(super) fn reference(view: &View) -> Option<BlockHash> {
    view.accepted.or_else(|| Votes::of(view).favourite())
}

/// When the round in progress began: round 0 with its first sign of work, not with the idle time
/// before it.
pub(super) fn began(view: &View) -> Mono {
    match view.round {
        Round::ZERO => first_work(view)
            .or_else(|| Votes::of(view).earliest())
            .unwrap_or(view.round_since),
        _ => view.round_since,
    }
}

fn first_work(view: &View) -> Option<Mono> {
    let of_round_0 = |moment: &Happened| {
        matches!(
            moment,
            Happened::Armed { round: Round::ZERO }
                | Happened::Proposing {
                    round: Round::ZERO,
                    ..
                }
                | Happened::Proposal {
                    round: Round::ZERO,
                    ..
                }
        )
    };
    moments(view)
        .find(|(_, moment)| of_round_0(moment))
        .map(|(at, _)| at)
}

/// What happened at the height of `view`, oldest first.
pub(super) fn moments(view: &View) -> impl Iterator<Item = (Mono, &Happened)> {
    view.timeline
        .iter()
        .filter(|entry| entry.height == view.height)
        .map(|entry| (entry.at, &entry.moment))
}

/// When a height was decided, if that is remembered.
pub(super) fn decided_at(view: &View, height: u64) -> Option<Mono> {
    view.timeline
        .iter()
        .rev()
        .find(|entry| entry.height.get() == height && matches!(entry.moment, Happened::Decided { .. }))
        .map(|entry| entry.at)
}

/// Adds COMMITs that came after the decision to the round that decided; each once.
pub(super) fn add_late_commits(
    round: &mut RoundTrace,
    began: Mono,
    commits: impl Iterator<Item = (Signer, Mono)>,
) {
    for (signer, at) in commits {
        let is_known = round
            .events
            .iter()
            .any(|event| event.kind == TraceKind::Commit && event.validator == Some(signer));
        if !is_known && round.events.len() < TRACE_EVENTS_MAX {
            round.commits += 1;
            round.events.push(TraceEvent {
                offset_us: at.micros_since(began),
                kind: TraceKind::Commit,
                validator: Some(signer),
            });
        }
    }
}

impl RoundMemory {
    /// Remembers the votes of the round in progress.
    pub(super) fn note(&mut self, view: &View) {
        if self.height != view.height.get() {
            *self = Self {
                height: view.height.get(),
                rounds: BTreeMap::new(),
            };
        }
        self.rounds.insert(view.round.get(), Votes::of(view));
        if self.rounds.len() > ROUNDS_MAX {
            self.rounds.pop_first();
        }
    }
}

/// What a trace needs besides the view itself.
pub(super) struct Surroundings<'a> {
    pub(super) memory: &'a RoundMemory,
    pub(super) names: &'a Names,
    pub(super) timing: &'a Timing,
    pub(super) scale: &'a Scale,
}

/// The rounds of the height of `view`.
pub(super) fn trace(view: &View, around: &Surroundings<'_>) -> HeightTrace {
    let empty = Votes::default();
    let remembered = |round: Round| match around.memory.height == view.height.get() {
        true => around.memory.rounds.get(&round.get()).unwrap_or(&empty),
        false => &empty,
    };
    let mut rounds: Vec<RoundTrace> = view
        .past_rounds
        .iter()
        .map(|past| past_round(view, past, remembered(past.round), around))
        .collect();
    rounds.push(last_round(view, around));
    HeightTrace {
        height: view.height.get(),
        rounds,
    }
}

fn past_round(view: &View, past: &RoundPast, votes: &Votes, around: &Surroundings<'_>) -> RoundTrace {
    let began = match past.round {
        Round::ZERO => first_work(view)
            .or_else(|| votes.earliest())
            .unwrap_or(past.began_at),
        _ => past.began_at,
    };
    let timed_out = matches!(
        past.cause,
        Some(ViewChangeCause::ProposalTimeout | ViewChangeCause::VoteTimeout)
    );
    let reference = past.accepted.or_else(|| votes.favourite());
    let mut events = votes_as_events(votes, reference, began);
    events.extend(own_events(view, past.round, began));
    if timed_out {
        events.push(own(TraceKind::TimerFired, past.left_at, began));
    }
    let end = match timed_out {
        true => RoundEnd::TimedOut,
        false => RoundEnd::ViewChanged,
    };
    round_trace(
        view.height,
        past.round,
        began,
        Some((past.left_at, end)),
        votes,
        events,
        around,
    )
}

fn last_round(view: &View, around: &Surroundings<'_>) -> RoundTrace {
    let votes = Votes::of(view);
    let began = began(view);
    let mut events = votes_as_events(&votes, reference(view), began);
    events.extend(own_events(view, view.round, began));
    let end = moments(view).find_map(|(at, moment)| match moment {
        Happened::Decided { round, .. } if *round == view.round => Some((at, RoundEnd::Decided)),
        Happened::Decided { .. } => Some((at, RoundEnd::Overtaken)),
        _ => None,
    });
    round_trace(view.height, view.round, began, end, &votes, events, around)
}

fn round_trace(
    height: Height,
    round: Round,
    began: Mono,
    end: Option<(Mono, RoundEnd)>,
    votes: &Votes,
    mut events: Vec<TraceEvent>,
    around: &Surroundings<'_>,
) -> RoundTrace {
    events.sort_by_key(|event| (event.offset_us, event.kind as u8, event.validator));
    events.truncate(TRACE_EVENTS_MAX);
    RoundTrace {
        round: round.get(),
        leader: around.names.leader(height, round),
        started: around.scale.moment(began),
        timeout_ms: around.timing.round_timeout_ms(round),
        took_us: end.map(|(at, _)| at.micros_since(began)),
        end: end.map(|(_, end)| end),
        prepares: count(votes.prepares.iter()),
        commits: count(votes.commits.iter()),
        view_changes: count(votes.view_changes.iter()),
        events,
    }
}

fn count<'a, T: 'a>(votes: impl Iterator<Item = &'a Option<T>>) -> u32 {
    votes.flatten().count() as u32
}

fn own(kind: TraceKind, at: Mono, began: Mono) -> TraceEvent {
    TraceEvent {
        offset_us: at.micros_since(began),
        kind,
        validator: None,
    }
}

fn votes_as_events(votes: &Votes, reference: Option<BlockHash>, began: Mono) -> Vec<TraceEvent> {
    let mut events = Vec::new();
    let mut push = |kind, at: Mono, index: usize| {
        events.push(TraceEvent {
            offset_us: at.micros_since(began),
            kind,
            validator: u16::try_from(index).ok(),
        });
    };
    for (index, vote) in votes.prepares.iter().enumerate() {
        match vote {
            Some((digest, at)) if Some(*digest) == reference => push(TraceKind::Prepare, *at, index),
            Some((_, at)) => push(TraceKind::PrepareOther, *at, index),
            None => {}
        }
    }
    for (index, vote) in votes.commits.iter().enumerate() {
        match vote {
            Some((digest, at)) if Some(*digest) == reference => push(TraceKind::Commit, *at, index),
            Some((_, at)) => push(TraceKind::CommitOther, *at, index),
            None => {}
        }
    }
    for (index, at) in votes.view_changes.iter().enumerate() {
        if let Some(at) = at {
            push(TraceKind::ViewChange, *at, index);
        }
    }
    events
}

/// What our own machine did in a round.
fn own_events(view: &View, wanted: Round, began: Mono) -> Vec<TraceEvent> {
    moments(view)
        .filter_map(|(at, moment)| {
            let (kind, round) = match moment {
                Happened::Armed { round } => (TraceKind::TimerArmed, round),
                Happened::Proposal { round, .. } => (TraceKind::PrePrepare, round),
                Happened::Prepared { round, .. } => (TraceKind::Prepared, round),
                Happened::Decided { round, .. } => (TraceKind::Decided, round),
                Happened::Height(_)
                | Happened::Round { .. }
                | Happened::Proposing { .. }
                | Happened::Committed { .. } => return None,
            };
            (*round == wanted).then(|| own(kind, at, began))
        })
        .collect()
}

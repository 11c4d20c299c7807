//! The section on what is being agreed on.

use std::collections::VecDeque;

use crate::{
    consensus::{Mono, Phase as MachinePhase, Quorum, Timing, View},
    control::{ConsensusStatus, HeightTrace, Moment, Phase, TimerStatus, ValidatorRow},
    engine::EngineView,
};

use super::{
    Inputs, Known,
    heights::Record,
    presence::Presence,
    rounds::{self, RoundMemory, Surroundings},
    scale::Scale,
    votes,
};

/// Heights whose traces are kept: the last ones, and as many more that took more than round 0. Those are
/// what one wants to look back at, and on a quick chain eight heights are over in a second.
const PREVIOUS_MAX: usize = 8;
const TROUBLED_MAX: usize = 8;

/// What the section remembers from look to look.
#[derive(Debug, Default)]
pub(super) struct Memory {
    rounds: RoundMemory,
    /// Traces of heights that were decided, newest first, each with the start of its last round.
    previous: VecDeque<(Mono, HeightTrace)>,
    presence: Presence,
    /// The height in progress with the moment it was first seen at, and since when its block is due.
    height: Option<(u64, Moment)>,
    due_since: Option<Mono>,
}

/// Fills the section but for its two sentences.
pub(super) fn section(memory: &mut Memory, known: &Known, inputs: &Inputs) -> ConsensusStatus {
    let engine = &*inputs.view;
    let view = &engine.machine;
    let scale = memory.follow(known, inputs);
    let timing = Timing::from_params(&known.params);
    let quorum = Quorum::of(engine.validators.len());
    let began = rounds::began(view);
    let votes = votes::matrix(view, began, &inputs.proofs);
    let current = rounds::trace(view, &memory.around(known, &timing, &scale));
    let own = inputs.heights.own_votes(known.me.as_ref(), inputs.at.mono_ms);
    let is_idle = engine.sync.active || engine.validators.is_empty();
    let due = memory.due_since.unwrap_or(view.work_at);
    ConsensusStatus {
        activated: engine.activated,
        height: view.height.get(),
        round: view.round.get(),
        phase: phase(view.phase),
        view_changing: view.is_view_change,
        round_started: scale.moment(began),
        timer: TimerStatus {
            armed: view.is_armed && view.deadline.is_some(),
            total_ms: timing.round_timeout_ms(view.round),
            deadline_mono_ms: view.deadline.map(|deadline| scale.mono_ms(deadline)),
        },
        leader: view.proposer,
        is_our_turn: view.me.is_some() && view.me == view.proposer,
        we_lead_in: we_lead_in(view, engine.validators.len()),
        n: engine.validators.len() as u32,
        quorum: quorum.votes() as u32,
        f: quorum.f() as u32,
        min_masternodes: u32::try_from(known.params.min_masternodes).unwrap_or(u32::MAX),
        validators: validators(memory, known, inputs, &scale, &votes),
        digest: view.accepted.map(|digest| *digest.as_hash()),
        proposal_txs: proposal(inputs).map(|(txs, _)| txs),
        proposal_bytes: proposal(inputs).map(|(_, bytes)| bytes),
        prepares: votes.prepare_tally,
        commits: votes.commit_tally,
        view_changes: votes.view_change_tally,
        lock: view.lock.map(|(round, digest)| (round.get(), *digest.as_hash())),
        current,
        previous: memory.previous.iter().map(|(_, trace)| trace.clone()).collect(),
        stats: inputs.heights.stats(&known.names),
        view_changes_total: inputs.totals.view_changes,
        evidence_total: inputs
            .proofs
            .iter()
            .filter(|proof| proof.is_equivocation())
            .count() as u64,
        own_missed: own.missed,
        own_missed_in_row: own.missed_in_row,
        due_mono_ms: (!is_idle).then(|| scale.mono_ms(due)),
        overdue_ms: match memory.due_since.filter(|_| !is_idle) {
            Some(due) => inputs.at.mono_ms.saturating_sub(scale.mono_ms(due)),
            None => 0,
        },
        t0_ms: known.params.proposal_timeout_ms,
        tmax_ms: known.params.view_change_timeout_ms,
        block_interval_ms: known.params.block_interval_ms,
        watchdog: inputs.watchdog,
        waiting_for: String::new(),
        hint: String::new(),
    }
}

impl Memory {
    /// Notes what has happened since the last look; gives the scale of the height in progress.
    fn follow(&mut self, known: &Known, inputs: &Inputs) -> Scale {
        let engine = &*inputs.view;
        let view = &engine.machine;
        let height = view.height.get();
        let anchor = match self.height {
            Some((seen, anchor)) if seen == height => anchor,
            _ => {
                self.height = Some((height, inputs.at));
                self.due_since = None;
                inputs.at
            }
        };
        self.due_since = match view.is_due {
            // A block stays due, whatever the pool says later.
            true => Some(
                self.due_since
                    .map_or(engine.at, |since| since.min(engine.at))
                    .min(view.work_at),
            ),
            false => None,
        };
        let scale = Scale::new(known.clock, anchor);
        self.keep_previous(known, engine, &scale);
        self.rounds.note(view);
        let views = || std::iter::once(view).chain(engine.past.iter().map(|past| &**past));
        self.presence.note(
            &engine.validators,
            views(),
            &inputs.peers,
            &engine.connected,
            inputs.at.mono_ms,
        );
        for seen in views() {
            inputs.heights.saw(seen.height.get(), votes::voters(seen));
        }
        self.note_late_commits(view, inputs);
        scale
    }

    /// COMMITs that came after their height was decided: they stand in its certificate, and in its
    /// trace, where it is remembered.
    fn note_late_commits(&mut self, view: &View, inputs: &Inputs) {
        let Some(height) = view.height.get().checked_sub(1) else {
            return;
        };
        let Some(decided) = rounds::decided_at(view, height) else {
            return;
        };
        let commits = || view.late_commits.iter().copied();
        inputs.heights.came_later(
            height,
            commits().map(|(signer, at)| (signer, at.ms_since(decided))),
        );
        if let Some((began, trace)) = self
            .previous
            .front_mut()
            .filter(|(_, trace)| trace.height == height)
            && let Some(round) = trace.rounds.last_mut()
        {
            rounds::add_late_commits(round, *began, commits());
        }
    }

    /// Traces of heights decided since the last look.
    fn keep_previous(&mut self, known: &Known, engine: &EngineView, scale: &Scale) {
        let newest = self.previous.front().map_or(0, |(_, trace)| trace.height);
        let timing = Timing::from_params(&known.params);
        let fresh: Vec<(Mono, HeightTrace)> = engine
            .past
            .iter()
            .filter(|past| past.height.get() > newest)
            .map(|past| {
                (
                    rounds::began(past),
                    rounds::trace(past, &self.around(known, &timing, scale)),
                )
            })
            .collect();
        for trace in fresh.into_iter().rev() {
            self.previous.push_front(trace);
        }
        let mut keeps = worth_keeping();
        self.previous.retain(|(_, trace)| keeps(trace));
    }

    fn around<'a>(&'a self, known: &'a Known, timing: &'a Timing, scale: &'a Scale) -> Surroundings<'a> {
        Surroundings {
            memory: &self.rounds,
            names: &known.names,
            timing,
            scale,
        }
    }
}

/// Which traces are kept, asked newest first.
fn worth_keeping() -> impl FnMut(&HeightTrace) -> bool {
    let (mut asked, mut troubled) = (0, 0);
    move |trace| {
        asked += 1;
        if asked <= PREVIOUS_MAX {
            return true;
        }
        let is_troubled = trace.rounds.last().is_some_and(|round| round.round > 0);
        troubled += usize::from(is_troubled);
        is_troubled && troubled <= TROUBLED_MAX
    }
}

fn phase(phase: MachinePhase) -> Phase {
    match phase {
        MachinePhase::PrePrepare => Phase::PrePrepare,
        MachinePhase::Prepare => Phase::Prepare,
        MachinePhase::Commit => Phase::Commit,
        MachinePhase::Finalized => Phase::Finalized,
    }
}

/// Heights until we lead a round 0: leaders follow each other in the order of the set.
fn we_lead_in(view: &View, n: usize) -> Option<u64> {
    let n = n as u64;
    let me = u64::from(view.me?);
    let leads = view.height.get().checked_rem(n)?;
    Some((me + n - leads) % n)
}

fn proposal(inputs: &Inputs) -> Option<(u32, u64)> {
    let accepted = inputs.view.machine.accepted?;
    let proposal = inputs.proposal.filter(|proposal| proposal.digest == accepted)?;
    Some((proposal.txs, proposal.bytes))
}

fn validators(
    memory: &Memory,
    known: &Known,
    inputs: &Inputs,
    scale: &Scale,
    votes: &votes::Matrix,
) -> Vec<ValidatorRow> {
    let engine = &*inputs.view;
    let now_ms = inputs.at.mono_ms;
    let caught = |key: &_, height| {
        inputs
            .proofs
            .iter()
            .any(|proof| proof.offender == *key && proof.height == height && proof.is_equivocation())
    };
    let records = inputs.heights.records(&engine.validators, &caught, now_ms);
    let remembered_ms = 2 * known.params.view_change_timeout_ms;
    let row = |(index, (key, record)): (usize, (&_, Record))| {
        let is_self = known.me.as_ref() == Some(key);
        let voted_ms = memory.presence.voted(key).map(|at| scale.mono_ms(at));
        // A vote that others passed on tells of somebody without a session here; one from before a
        // session closed tells nothing any more.
        let left_ms = memory.presence.left_ms(key);
        let is_recent = voted_ms.is_some_and(|at| {
            now_ms.saturating_sub(at) <= remembered_ms && left_ms.is_none_or(|left| at > left)
        });
        let cell = |cells: &[_]| cells.get(index).copied().unwrap_or_default();
        ValidatorRow {
            index: u16::try_from(index).unwrap_or(u16::MAX),
            id: *key,
            name: known.names.of(key),
            is_self,
            online: is_self || engine.connected.contains(key) || is_recent,
            last_seen_mono_ms: voted_ms.max(memory.presence.received_ms(key)),
            last_signed_height: record.last_signed,
            silent_heights: record.silent,
            pre_prepare: cell(&votes.pre_prepares),
            prepare: cell(&votes.prepares),
            commit: cell(&votes.commits),
            view_change: cell(&votes.view_changes),
            history: record.history,
            has_evidence: inputs
                .proofs
                .iter()
                .any(|proof| proof.offender == *key && proof.is_equivocation()),
        }
    };
    engine
        .validators
        .keys()
        .iter()
        .zip(records)
        .enumerate()
        .map(row)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::RoundTrace;

    #[test]
    fn heights_that_took_more_than_one_round_are_remembered_longer() {
        let trace = |height, round| HeightTrace {
            height,
            rounds: vec![RoundTrace {
                round,
                leader: String::new(),
                started: Moment::default(),
                timeout_ms: 0,
                took_us: None,
                end: None,
                prepares: 0,
                commits: 0,
                view_changes: 0,
                events: Vec::new(),
            }],
        };
        // Newest first; every third one took a second round.
        let mut previous: Vec<HeightTrace> = (0..60)
            .rev()
            .map(|height| trace(height, u32::from(height % 3 == 0)))
            .collect();
        let mut keeps = worth_keeping();
        previous.retain(|trace| keeps(trace));
        let heights: Vec<u64> = previous.iter().map(|trace| trace.height).collect();
        assert_eq!(
            heights,
            [59, 58, 57, 56, 55, 54, 53, 52, 51, 48, 45, 42, 39, 36, 33, 30]
        );
    }
}

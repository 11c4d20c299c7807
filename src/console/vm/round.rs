//! One round as screens show it, live from the snapshot or from the trace of an earlier height.
//!
//! On a healthy chain a round lasts milliseconds and then nothing is due for seconds, so a screen
//! that only ever showed the height in progress would show an empty one. Hence the calm rule: the
//! last decided round stays on show until the next one is late enough to be worth watching.

use crate::{
    control::{
        ConsensusStatus, HeightTrace, LATE_AFTER_MS, Mark, Moment, Phase, RoundEnd, RoundTrace, Status,
        Tally, TraceKind, VoteCell,
    },
    crypto::Hash256,
};

/// A round under way for this long is on show instead of the last decided one.
const WORTH_WATCHING_MS: u64 = 300;
const LATE_AFTER_US: u64 = LATE_AFTER_MS * 1_000;

/// What one validator did in the round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Cells {
    pub(in super::super) pre_prepare: VoteCell,
    pub(in super::super) prepare: VoteCell,
    pub(in super::super) commit: VoteCell,
    pub(in super::super) view_change: VoteCell,
}

/// A round on show.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in super::super) struct RoundView {
    pub(in super::super) height: u64,
    pub(in super::super) round: u32,
    /// True for the height in progress.
    pub(in super::super) is_live: bool,
    pub(in super::super) phase: Phase,
    pub(in super::super) view_changing: bool,
    /// Name of the leader.
    pub(in super::super) leader: String,
    pub(in super::super) digest: Option<Hash256>,
    /// When each phase was entered, as an offset into the round.
    pub(in super::super) entered_us: [Option<u64>; 4],
    /// How long the round has run, or ran; `None` while nothing runs.
    pub(in super::super) elapsed_us: Option<u64>,
    pub(in super::super) timeout_ms: u64,
    /// How it ended, if it did.
    pub(in super::super) end: Option<RoundEnd>,
    pub(in super::super) prepares: Tally,
    pub(in super::super) commits: Tally,
    pub(in super::super) view_changes: Tally,
    /// By index of the validator.
    pub(in super::super) cells: Vec<Cells>,
}

/// The heights that can be shown, newest first.
pub(in super::super) fn heights(status: &Status) -> Vec<u64> {
    let consensus = &status.consensus;
    let mut heights: Vec<u64> = consensus.previous.iter().map(|trace| trace.height).collect();
    if consensus.height > 0 {
        heights.insert(0, consensus.height);
    }
    heights
}

/// The rounds of a height that can be shown, ascending.
pub(in super::super) fn rounds(status: &Status, height: u64) -> Vec<u32> {
    trace(&status.consensus, height)
        .map(|trace| trace.rounds.iter().map(|round| round.round).collect())
        .unwrap_or_default()
}

/// The rounds of a height.
pub(in super::super) fn trace(consensus: &ConsensusStatus, height: u64) -> Option<&HeightTrace> {
    std::iter::once(&consensus.current)
        .chain(&consensus.previous)
        .find(|trace| trace.height == height && !trace.rounds.is_empty())
}

/// The round to show: the one asked for, else by the calm rule.
pub(in super::super) fn shown(
    status: &Status,
    now: Moment,
    height: Option<u64>,
    round: Option<u32>,
) -> RoundView {
    let consensus = &*status.consensus;
    let by_rule = match is_worth_watching(consensus, now) {
        true => consensus.height,
        false => consensus
            .previous
            .first()
            .map_or(consensus.height, |trace| trace.height),
    };
    let height = height
        .filter(|height| heights(status).contains(height))
        .unwrap_or(by_rule);
    if height == consensus.height && round.is_none_or(|round| round == consensus.round) {
        return live(consensus, now);
    }
    let Some(trace) = trace(consensus, height) else {
        return live(consensus, now);
    };
    let traced = match round {
        Some(round) => trace.rounds.iter().find(|traced| traced.round == round),
        None => decisive(trace),
    };
    match traced {
        Some(traced) => from_trace(status, height, traced),
        None => live(consensus, now),
    }
}

/// The round that decided, else the last.
fn decisive(trace: &HeightTrace) -> Option<&RoundTrace> {
    trace
        .rounds
        .iter()
        .find(|round| round.end == Some(RoundEnd::Decided))
        .or_else(|| trace.rounds.last())
}

fn is_worth_watching(consensus: &ConsensusStatus, now: Moment) -> bool {
    let busy_for = match consensus.due_mono_ms {
        Some(due) => now.mono_ms.saturating_sub(due),
        None => match consensus.timer.armed {
            true => now.since_ms(consensus.round_started),
            false => 0,
        },
    };
    consensus.round > 0 || consensus.view_changing || busy_for > WORTH_WATCHING_MS
}

/// The height in progress.
fn live(consensus: &ConsensusStatus, now: Moment) -> RoundView {
    let leader = consensus
        .leader
        .and_then(|index| consensus.validators.get(usize::from(index)));
    let proposal_us = leader
        .and_then(|row| row.pre_prepare.offset_us)
        .or_else(|| consensus.digest.map(|_| 0));
    let runs = consensus.timer.armed
        || consensus.view_changing
        || consensus.phase != Phase::PrePrepare
        || consensus.due_mono_ms.is_some_and(|due| due <= now.mono_ms);
    let entered = [
        runs.then_some(0),
        (consensus.phase != Phase::PrePrepare)
            .then_some(proposal_us)
            .flatten(),
        match consensus.phase {
            Phase::Commit | Phase::Finalized => consensus.prepares.quorum_at_us,
            Phase::PrePrepare | Phase::Prepare => None,
        },
        match consensus.phase {
            Phase::Finalized => consensus.commits.quorum_at_us,
            Phase::PrePrepare | Phase::Prepare | Phase::Commit => None,
        },
    ];
    RoundView {
        height: consensus.height,
        round: consensus.round,
        is_live: true,
        phase: consensus.phase,
        view_changing: consensus.view_changing,
        leader: leader.map_or_else(String::new, |row| row.name.clone()),
        digest: consensus.digest,
        entered_us: entered,
        elapsed_us: runs.then(|| now.since_ms(consensus.round_started) * 1_000),
        timeout_ms: consensus.timer.total_ms,
        end: None,
        prepares: consensus.prepares,
        commits: consensus.commits,
        view_changes: consensus.view_changes,
        cells: consensus
            .validators
            .iter()
            .map(|row| Cells {
                pre_prepare: row.pre_prepare,
                prepare: calm(row.prepare, consensus.prepares.quorum_at_us),
                commit: calm(row.commit, consensus.commits.quorum_at_us),
                view_change: row.view_change,
            })
            .collect(),
    }
}

/// A vote just behind the quorum counts as in time.
fn calm(cell: VoteCell, quorum_at_us: Option<u64>) -> VoteCell {
    let mark = match (cell.mark, cell.offset_us, quorum_at_us) {
        (Mark::ThisBlock | Mark::Late, Some(at), Some(quorum)) => match at > quorum + LATE_AFTER_US {
            true => Mark::Late,
            false => Mark::ThisBlock,
        },
        (mark, _, _) => mark,
    };
    VoteCell { mark, ..cell }
}

/// A round of the past.
fn from_trace(status: &Status, height: u64, trace: &RoundTrace) -> RoundView {
    let consensus = &*status.consensus;
    let mut view = RoundView {
        height,
        round: trace.round,
        leader: trace.leader.clone(),
        elapsed_us: trace.took_us,
        timeout_ms: trace.timeout_ms,
        end: trace.end,
        digest: status
            .chain
            .last_blocks
            .iter()
            .find(|block| block.height == height && block.round == trace.round)
            .map(|block| block.hash),
        cells: vec![Cells::default(); consensus.validators.len()],
        ..RoundView::default()
    };
    view.entered_us[0] = Some(0);
    let first_at = |kind: TraceKind| {
        trace
            .events
            .iter()
            .find(|event| event.kind == kind)
            .map(|event| event.offset_us)
    };
    view.prepares.quorum_at_us = first_at(TraceKind::Prepared);
    view.commits.quorum_at_us = first_at(TraceKind::Decided);
    view.entered_us[1] = first_at(TraceKind::PrePrepare);
    view.entered_us[2] = view.prepares.quorum_at_us;
    view.entered_us[3] = view.commits.quorum_at_us;
    view.phase = match view.entered_us {
        [_, _, _, Some(_)] => Phase::Finalized,
        [_, _, Some(_), None] => Phase::Commit,
        [_, Some(_), None, None] => Phase::Prepare,
        _ => Phase::PrePrepare,
    };
    for event in &trace.events {
        let Some(cells) = event
            .validator
            .and_then(|index| view.cells.get_mut(usize::from(index)))
        else {
            continue;
        };
        let this = VoteCell {
            mark: Mark::ThisBlock,
            offset_us: Some(event.offset_us),
            other: None,
        };
        let other = VoteCell {
            mark: Mark::OtherBlock,
            ..this
        };
        match event.kind {
            TraceKind::PrePrepare => cells.pre_prepare = this,
            TraceKind::Prepare => {
                cells.prepare = this;
                if cells.pre_prepare.mark == Mark::None {
                    cells.pre_prepare = VoteCell {
                        offset_us: None,
                        ..this
                    };
                }
                view.prepares.votes += 1;
            }
            TraceKind::PrepareOther => {
                cells.prepare = other;
                view.prepares.other += 1;
            }
            TraceKind::Commit => {
                cells.commit = this;
                view.commits.votes += 1;
            }
            TraceKind::CommitOther => {
                cells.commit = other;
                view.commits.other += 1;
            }
            TraceKind::ViewChange => {
                cells.view_change = this;
                view.view_changes.votes += 1;
            }
            TraceKind::Prepared | TraceKind::Decided | TraceKind::TimerArmed | TraceKind::TimerFired => {}
        }
    }
    // The counts of the trace include votes that came after its list of events was full.
    view.prepares.votes = view.prepares.votes.max(trace.prepares.min(consensus.n));
    view.commits.votes = view.commits.votes.max(trace.commits.min(consensus.n));
    view.view_changes.votes = view.view_changes.votes.max(trace.view_changes.min(consensus.n));
    for cells in &mut view.cells {
        cells.prepare = calm(cells.prepare, view.prepares.quorum_at_us);
        cells.commit = calm(cells.commit, view.commits.quorum_at_us);
    }
    view
}

//! The votes of the round in progress: a cell per validator and kind, and the tallies.

use crate::{
    chain::BlockHash,
    consensus::{EvidenceKind, Mark as Seen, Moment as Happened, Mono, Signer, View},
    control::{LATE_AFTER_MS, Mark, Tally, VoteCell},
};

use super::{Proof, rounds};

/// All cells of one round, in the order of the set, with their tallies.
#[derive(Debug, Clone, Default)]
pub(super) struct Matrix {
    pub(super) pre_prepares: Vec<VoteCell>,
    pub(super) prepares: Vec<VoteCell>,
    pub(super) commits: Vec<VoteCell>,
    pub(super) view_changes: Vec<VoteCell>,
    pub(super) prepare_tally: Tally,
    pub(super) commit_tally: Tally,
    pub(super) view_change_tally: Tally,
}

/// Reads the votes of the round in progress, with offsets from `began`.
pub(super) fn matrix(view: &View, began: Mono, proofs: &[Proof]) -> Matrix {
    let quorum = view.tallies.quorum;
    let reference = rounds::reference(view);
    let caught = |seen: &Seen, kinds: &[EvidenceKind]| {
        proofs.iter().any(|proof| {
            proof.offender == seen.key
                && proof.height == view.height.get()
                && proof.round == view.round.get()
                && kinds.contains(&proof.kind)
        })
    };
    let column = |vote: fn(&Seen) -> Option<(BlockHash, Mono)>, kind: EvidenceKind| {
        let cells = view
            .marks
            .iter()
            .map(|seen| cell(vote(seen), reference, began, caught(seen, &[kind])))
            .collect();
        settle(cells, quorum)
    };
    let (prepares, prepare_tally) = column(|seen| seen.prepare, EvidenceKind::Prepares);
    let (commits, commit_tally) = column(|seen| seen.commit, EvidenceKind::Commits);
    let view_changes = view
        .marks
        .iter()
        .map(|seen| {
            let entered = seen.view_change.filter(|(round, _)| *round >= view.round);
            match caught(seen, &[EvidenceKind::ViewChanges, EvidenceKind::Amnesia]) {
                true => equivocated(entered.map(|(_, at)| at.micros_since(began))),
                false => entered.map_or_else(VoteCell::default, |(_, at)| this_block(at.micros_since(began))),
            }
        })
        .collect();
    let (view_changes, view_change_tally) = settle(view_changes, quorum);
    let pre_prepares = pre_prepares(view, began, &prepares, &|seen| {
        caught(seen, &[EvidenceKind::PrePrepares, EvidenceKind::BadProposal])
    });
    Matrix {
        pre_prepares,
        prepares,
        commits,
        view_changes: view_changes.into_iter().map(calm).collect(),
        prepare_tally,
        commit_tally,
        view_change_tally,
    }
}

fn cell(
    vote: Option<(BlockHash, Mono)>,
    reference: Option<BlockHash>,
    began: Mono,
    is_caught: bool,
) -> VoteCell {
    match vote {
        _ if is_caught => equivocated(vote.map(|(_, at)| at.micros_since(began))),
        Some((digest, at)) if Some(digest) == reference => this_block(at.micros_since(began)),
        Some((digest, at)) => VoteCell {
            mark: Mark::OtherBlock,
            offset_us: Some(at.micros_since(began)),
            other: Some(*digest.as_hash()),
        },
        None => VoteCell::default(),
    }
}

fn this_block(offset_us: u64) -> VoteCell {
    VoteCell {
        mark: Mark::ThisBlock,
        offset_us: Some(offset_us),
        other: None,
    }
}

fn equivocated(offset_us: Option<u64>) -> VoteCell {
    VoteCell {
        mark: Mark::Equivocated,
        offset_us,
        other: None,
    }
}

/// A view change counts whenever it comes: it is never late.
fn calm(cell: VoteCell) -> VoteCell {
    match cell.mark {
        Mark::Late => VoteCell {
            mark: Mark::ThisBlock,
            ..cell
        },
        Mark::None | Mark::ThisBlock | Mark::OtherBlock | Mark::Equivocated => cell,
    }
}

/// Tells when the quorum was complete, and marks what came much after it.
fn settle(mut cells: Vec<VoteCell>, quorum: usize) -> (Vec<VoteCell>, Tally) {
    // Whoever contradicted itself still counts once (docs/CONSENSUS.md §9).
    let counts = |cell: &VoteCell| {
        matches!(cell.mark, Mark::ThisBlock | Mark::Late | Mark::Equivocated) && cell.offset_us.is_some()
    };
    let mut offsets: Vec<u64> = cells
        .iter()
        .filter(|cell| counts(cell))
        .filter_map(|cell| cell.offset_us)
        .collect();
    offsets.sort_unstable();
    let quorum_at_us = quorum.checked_sub(1).and_then(|last| offsets.get(last).copied());
    if let Some(complete) = quorum_at_us {
        let in_time = complete + LATE_AFTER_MS * 1_000;
        for cell in &mut cells {
            if cell.mark == Mark::ThisBlock && cell.offset_us.is_some_and(|at| at > in_time) {
                cell.mark = Mark::Late;
            }
        }
    }
    let tally = Tally {
        votes: offsets.len() as u32,
        other: cells.iter().filter(|cell| cell.mark == Mark::OtherBlock).count() as u32,
        quorum_at_us,
    };
    (cells, tally)
}

/// Who showed a proposal: the leader by making it, everybody else by voting for it.
fn pre_prepares(
    view: &View,
    began: Mono,
    prepares: &[VoteCell],
    caught: &dyn Fn(&Seen) -> bool,
) -> Vec<VoteCell> {
    let proposed = rounds::moments(view).find_map(|(at, moment)| match moment {
        Happened::Proposing { round, .. } | Happened::Proposal { round, .. } if *round == view.round => {
            Some(at.micros_since(began))
        }
        _ => None,
    });
    let shown = |(index, (seen, prepare)): (usize, (&Seen, &VoteCell))| {
        let leads = view.proposer.map(usize::from) == Some(index);
        match (leads, prepare.mark) {
            (true, _) if caught(seen) => equivocated(proposed),
            (true, _) if proposed.is_some() => this_block(proposed.unwrap_or_default()),
            (_, Mark::None) => VoteCell::default(),
            (_, Mark::OtherBlock) => *prepare,
            (_, Mark::ThisBlock | Mark::Late | Mark::Equivocated) => VoteCell {
                mark: Mark::ThisBlock,
                ..*prepare
            },
        }
    };
    view.marks.iter().zip(prepares).enumerate().map(shown).collect()
}

/// Those whose vote of this height was seen in `view`.
pub(super) fn voters(view: &View) -> impl Iterator<Item = Signer> {
    view.marks
        .iter()
        .enumerate()
        .filter(|(_, seen)| seen.prepare.is_some() || seen.commit.is_some() || seen.view_change.is_some())
        .filter_map(|(index, _)| Signer::try_from(index).ok())
}

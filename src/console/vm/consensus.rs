//! The Consensus screen: who voted for what and when, who is missing, and where the time went.

mod detail;
mod panels;
mod timeline;
mod votes;

use super::{
    super::{
        model::{Model, VoteSort},
        theme::Role,
    },
    round::{self, Cells, RoundView},
};
use crate::{
    control::{HeightMark, Mark, ValidatorRow, VoteCell},
    crypto::PublicKey,
};

pub(in super::super) use detail::detail;
pub(in super::super) use panels::{quorum, rounds, rounds_wanted, timeouts};
pub(in super::super) use timeline::timeline;
pub(in super::super) use votes::{votes, votes_wanted};

/// The glyph of a vote.
pub(super) fn mark(mark: Mark) -> (&'static str, Role) {
    match mark {
        Mark::None => ("·", Role::VoteNone),
        Mark::ThisBlock => ("●", Role::VoteThis),
        Mark::OtherBlock => ("◆", Role::VoteOther),
        Mark::Late => ("◌", Role::VoteLate),
        Mark::Equivocated => ("✖", Role::VoteBad),
    }
}

fn history_mark(mark: HeightMark) -> (&'static str, Role) {
    match mark {
        HeightMark::Signed => ("●", Role::VoteThis),
        HeightMark::Late => ("◌", Role::VoteLate),
        HeightMark::Missed => ("·", Role::VoteNone),
        HeightMark::Equivocated => ("✖", Role::VoteBad),
    }
}

/// The round on show.
fn view(model: &Model) -> RoundView {
    let shown = model.shown();
    round::shown(&shown.status, shown.now, model.votes.height, model.votes.round)
}

/// The validators of the table in the order it shows them.
pub(in super::super) fn order(model: &Model) -> Vec<PublicKey> {
    let view = view(model);
    ordered(model, &view).into_iter().map(|(row, _)| row.id).collect()
}

fn ordered<'a>(model: &'a Model, view: &RoundView) -> Vec<(&'a ValidatorRow, Cells)> {
    let validators = &model.shown().status.consensus.validators;
    let mut rows: Vec<(&ValidatorRow, Cells)> = validators
        .iter()
        .enumerate()
        .filter(|(_, row)| model.votes.filter.passes(&[&row.name, &row.id.to_string()]))
        .map(|(at, row)| (row, view.cells.get(at).copied().unwrap_or_default()))
        .collect();
    // Those without a stamp come last, as the slowest of all.
    let stamp = |cell: VoteCell| cell.offset_us.unwrap_or(u64::MAX);
    match model.votes.sort {
        VoteSort::Index => {}
        VoteSort::Name => rows.sort_by(|a, b| a.0.name.cmp(&b.0.name)),
        VoteSort::Prepare => rows.sort_by_key(|(_, cells)| stamp(cells.prepare)),
        VoteSort::Commit => rows.sort_by_key(|(_, cells)| stamp(cells.commit)),
        VoteSort::Silent => rows.sort_by_key(|(row, _)| std::cmp::Reverse(row.silent_heights)),
    }
    if model.votes.reverse {
        rows.reverse();
    }
    rows
}

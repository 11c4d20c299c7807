//! Selection, scrolling and looking back. Selections follow ids, never row numbers, so a table that
//! re-sorts under the cursor keeps the cursor on what the operator chose.

use std::sync::Arc;

use super::super::{
    format::grouped,
    keymap::{Action, Screen},
    model::{Model, ToastKind},
    vm,
};
use crate::{
    control::{Ban, LogLine, PeerRow},
    crypto::PublicKey,
};

/// Columns one step to the side takes in the log.
const SIDE_STEP: usize = 8;
/// Log lines are cut when they are written, so this reaches the end of the longest.
const SIDE_MAX: usize = 4_096;

pub(super) fn step(model: &mut Model, action: Action) {
    match action {
        Action::HeightOlder | Action::HeightNewer | Action::RoundOlder | Action::RoundNewer => {
            look_back(model, action);
            return;
        }
        _ => {}
    }
    match model.screen {
        Screen::Overview => {
            let max = vm::overview::told(model.shown()).len().saturating_sub(1);
            model.events_scroll = moved(model.events_scroll, max, model.page, action);
        }
        Screen::Consensus => {
            let ids = vm::consensus::order(model);
            model.votes.selected = moved_id(&ids, model.votes.selected, model.page, action);
        }
        Screen::Peers if model.peers.in_bans => {
            let bans = &model.shown().status.peers.bans;
            let last = bans.len().saturating_sub(1);
            let at = selected_ban_at(model).unwrap_or(0);
            let to = moved(at, last, model.page, action);
            model.peers.ban = bans.get(to).map(|ban| ban.target);
        }
        Screen::Peers => {
            let ids = vm::peers::order(model);
            model.peers.selected = moved_id(&ids, model.peers.selected, model.page, action);
        }
        Screen::Logs => step_logs(model, action),
        Screen::Devnet => {
            let last = model
                .fleet
                .as_ref()
                .map_or(0, |fleet| fleet.nodes.len())
                .saturating_sub(1);
            model.fleet_at = moved(usize::from(model.fleet_at), last, model.page, action) as u16;
        }
        Screen::Mempool | Screen::Sync => {}
    }
}

fn moved(at: usize, last: usize, page: usize, action: Action) -> usize {
    let page = page.max(1);
    let half = (page / 2).max(1);
    match action {
        Action::Up => at.saturating_sub(1),
        Action::Down => at + 1,
        Action::PageUp => at.saturating_sub(page),
        Action::PageDown => at + page,
        Action::HalfUp => at.saturating_sub(half),
        Action::HalfDown => at + half,
        Action::Top => 0,
        Action::Bottom => last,
        _ => at,
    }
    .min(last)
}

fn moved_id(
    ids: &[PublicKey],
    selected: Option<PublicKey>,
    page: usize,
    action: Action,
) -> Option<PublicKey> {
    let last = ids.len().checked_sub(1)?;
    let at = selected.and_then(|id| ids.iter().position(|other| *other == id));
    let to = match at {
        Some(at) => moved(at, last, page, action),
        None if action == Action::Bottom => last,
        None => 0,
    };
    ids.get(to).copied()
}

fn step_logs(model: &mut Model, action: Action) {
    match action {
        Action::Left => model.log.right = model.log.right.saturating_sub(SIDE_STEP),
        Action::Right => model.log.right = (model.log.right + SIDE_STEP).min(SIDE_MAX),
        Action::Bottom => model.log.selected = None,
        Action::FindNext | Action::FindPrevious => find(model, action),
        _ => {
            let seqs: Vec<u64> = shown_lines(model).map(|line| line.seq).collect();
            let Some(last) = seqs.len().checked_sub(1) else {
                model.log.selected = None;
                return;
            };
            let at = match model.log.selected {
                None => last,
                Some(seq) => seqs.partition_point(|other| *other <= seq).saturating_sub(1),
            };
            let to = moved(at, last, model.page, action);
            // Moving down past the newest line follows again.
            let follows = to == last && matches!(action, Action::Down | Action::PageDown | Action::HalfDown);
            model.log.selected = (!follows).then(|| seqs[to]);
        }
    }
}

fn shown_lines(model: &Model) -> impl DoubleEndedIterator<Item = &Arc<LogLine>> {
    model.shown().logs.iter().filter(|line| model.log.shows(line))
}

fn find(model: &mut Model, action: Action) {
    if model.log.find.is_empty() {
        return;
    }
    let at = model.log.selected;
    let found = match action {
        Action::FindNext => shown_lines(model)
            .find(|line| at.is_some_and(|at| line.seq > at) && model.log.finds(line))
            .map(|line| line.seq),
        _ => shown_lines(model)
            .rev()
            .find(|line| at.is_none_or(|at| line.seq < at) && model.log.finds(line))
            .map(|line| line.seq),
    };
    match found {
        Some(seq) => model.log.selected = Some(seq),
        None => {
            let text = model.log.find.text().to_owned();
            model.toast(
                ToastKind::Info,
                match action {
                    Action::FindNext => format!("no newer {text}"),
                    _ => format!("no older {text}"),
                },
            );
        }
    }
}

fn look_back(model: &mut Model, action: Action) {
    let heights = vm::round::heights(&model.shown().status);
    let shown = vm::round::shown(
        &model.shown().status,
        model.shown().now,
        model.votes.height,
        model.votes.round,
    );
    match action {
        Action::HeightOlder => {
            let older = heights
                .iter()
                .copied()
                .filter(|height| *height < shown.height)
                .max();
            if older.is_some() {
                model.votes.height = older;
                model.votes.round = None;
            }
        }
        Action::HeightNewer => {
            model.votes.height = heights
                .iter()
                .copied()
                .filter(|height| *height > shown.height)
                .min();
            model.votes.round = None;
        }
        Action::RoundOlder | Action::RoundNewer => {
            let rounds = vm::round::rounds(&model.shown().status, shown.height);
            let to = match action {
                Action::RoundOlder => rounds.iter().copied().filter(|round| *round < shown.round).max(),
                _ => rounds.iter().copied().filter(|round| *round > shown.round).min(),
            };
            if to.is_some() {
                model.votes.height = Some(shown.height);
                model.votes.round = to;
            }
        }
        _ => {}
    }
}

/// Lets go of a height that the node has forgotten, rather than show another one in its name.
pub(super) fn forget_height(model: &mut Model) {
    let Some(height) = model.votes.height else { return };
    if vm::round::heights(&model.shown().status).contains(&height) {
        return;
    }
    model.votes.height = None;
    model.votes.round = None;
    let text = match model.session.replay {
        None => format!(
            "height {} is no longer remembered; r looks in the recording",
            grouped(height)
        ),
        Some(_) => format!("height {} is not remembered at this moment", grouped(height)),
    };
    model.toast(ToastKind::Info, text);
}

/// The validator the cursor is on, or the first in order.
pub(super) fn selected_validator(model: &Model) -> Option<PublicKey> {
    let ids = vm::consensus::order(model);
    model
        .votes
        .selected
        .filter(|id| ids.contains(id))
        .or_else(|| ids.first().copied())
}

/// The peer the cursor is on, or the first in order.
pub(super) fn selected_peer(model: &Model) -> Option<&PeerRow> {
    let ids = vm::peers::order(model);
    let id = model
        .peers
        .selected
        .filter(|id| ids.contains(id))
        .or_else(|| ids.first().copied())?;
    model.shown().status.peers.rows.iter().find(|row| row.id == id)
}

fn selected_ban_at(model: &Model) -> Option<usize> {
    let target = model.peers.ban?;
    let bans = &model.shown().status.peers.bans;
    bans.iter().position(|ban| ban.target == target)
}

/// The ban the cursor is on, or the newest.
pub(super) fn selected_ban(model: &Model) -> Option<&Ban> {
    let bans = &model.shown().status.peers.bans;
    bans.get(selected_ban_at(model).unwrap_or(0))
}

/// The log line the cursor is on, or the newest.
pub(super) fn selected_line(model: &Model) -> Option<&Arc<LogLine>> {
    match model.log.selected {
        Some(seq) => shown_lines(model).rev().find(|line| line.seq <= seq),
        None => shown_lines(model).next_back(),
    }
}

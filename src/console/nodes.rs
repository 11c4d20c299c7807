//! Several nodes side by side: one row each, Enter opens one, Esc comes back. A table of its own
//! before the screens, not one of them.

use std::collections::VecDeque;

use super::{
    format::{UNKNOWN, duration, fit, grouped, pad, wrapped_in},
    key::Key,
    model::Model,
    text::Row,
    theme::Role,
    vm::{Line, Panel, frame, span},
};
use crate::control::Severity;

/// From this many columns on the list has all of its own.
const WIDE: usize = 106;
/// Lines of the selected node's note below a narrow list.
const NOTE_LINES_MAX: usize = 3;

/// What a key of the list does. Fed from [`KEYS`], as its footer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NodesAction {
    Up,
    Down,
    Open,
    Leave,
    Help,
    Theme,
    Redraw,
    Suspend,
}

/// Every key of the list, with its words for the footer.
pub(super) const KEYS: &[(&[Key], &str, &str, NodesAction)] = &[
    (&[Key::Char('j'), Key::Down], "j ↓", "down", NodesAction::Down),
    (&[Key::Char('k'), Key::Up], "k ↑", "up", NodesAction::Up),
    (&[Key::Enter], "Enter", "open", NodesAction::Open),
    (&[Key::Char('t')], "t", "theme", NodesAction::Theme),
    (&[Key::Char('?')], "?", "help", NodesAction::Help),
    (
        &[Key::Char('q'), Key::Ctrl('c')],
        "q",
        "leave; the nodes go on",
        NodesAction::Leave,
    ),
    (&[Key::Ctrl('l')], "^L", "redraw", NodesAction::Redraw),
    (&[Key::Ctrl('z')], "^Z", "suspend", NodesAction::Suspend),
];

/// What a key does in the list.
pub(super) fn lookup(key: Key) -> Option<NodesAction> {
    KEYS.iter()
        .find(|(keys, ..)| keys.contains(&key))
        .map(|(.., action)| *action)
}

/// One node's row.
struct NodeRow {
    role: Role,
    glyph: &'static str,
    state: String,
    name: String,
    height: String,
    round: String,
    peers: String,
    pool: String,
    last: String,
    note: String,
    note_role: Role,
}

fn row_of(model: &Model, label: &str) -> NodeRow {
    let status = &model.live.status;
    let (level, word) = frame::state(status);
    let known = status.revision > 0;
    let name = match status.node.name.as_str() {
        "" => label,
        name => name,
    };
    let or_unknown = |text: String| if known { text } else { UNKNOWN.to_owned() };
    let alarm = status
        .alarms
        .iter()
        .find(|alarm| !alarm.acked)
        .or(status.alarms.first());
    let (note, note_role) = match (&model.session.lost, alarm) {
        (Some(lost), _) => (lost.reason.clone(), Role::Err),
        (None, _) if model.silent_ms().is_some() => {
            ("no word from it; what is shown is old".to_owned(), Role::Err)
        }
        (None, Some(alarm)) => (
            alarm.text.clone(),
            match alarm.severity {
                Severity::Crit => Role::Err,
                Severity::Warn => Role::Warn,
            },
        ),
        (None, None) => (status.consensus.waiting_for.clone(), Role::Dim),
    };
    let (role, glyph, state) = match (&model.session.lost, model.silent_ms()) {
        (Some(lost), _) => (Role::Err, "✖", format!("GONE {}", duration(lost.for_s * 1_000))),
        (None, Some(ms)) => (Role::Err, "✖", format!("STALE {}", duration(ms))),
        (None, None) if known => (level.role(), level.glyph(), word.to_owned()),
        (None, None) => (Role::Dim, "○", "CONNECTING".to_owned()),
    };
    let last = status
        .chain
        .finalized
        .map_or_else(|| UNKNOWN.to_owned(), |at| duration(model.live.now.since_ms(at)));
    NodeRow {
        role,
        glyph,
        state,
        name: fit(name, 16),
        height: or_unknown(grouped(status.chain.height)),
        round: or_unknown(format!(
            "r{} {}",
            status.consensus.round,
            status.consensus.phase.word()
        )),
        peers: or_unknown(status.peers.rows.len().to_string()),
        pool: or_unknown(grouped(status.mempool.txs)),
        last,
        note,
        note_role,
    }
}

/// The list, as wide and high as there is room.
pub(super) fn panel(models: &[(&Model, String)], selected: usize, width: usize, height: usize) -> Panel {
    let highest = models
        .iter()
        .map(|(model, _)| model.live.status.chain.height)
        .max();
    let mut panel = Panel {
        title: Row::new()
            .strong(format!("Nodes  {}", models.len()))
            .dim(match highest {
                Some(height) if height > 0 => format!("  highest {}", grouped(height)),
                _ => String::new(),
            }),
        focused: true,
        ..Panel::default()
    };
    // Below this, what tells least of a node in trouble leaves its room to the note.
    let wide = width >= WIDE;
    let name_room = if wide { 16 } else { 12 };
    let cells = |row: Row, height: &str, peers: &str, pool: &str, last: &str| match wide {
        true => row.text(format!("  {height:>11}  {peers:>5}  {pool:>7}  {last:>10}  ")),
        false => row.text(format!("  {height:>9}  {last:>8}")),
    };
    let head = Row::new().dim(format!("  {}  {:<14}", pad("node", name_room), "state"));
    let mut head = cells(
        head,
        "height",
        "peers",
        "pool",
        if wide { "last final" } else { "final" },
    );
    for piece in &mut head.pieces {
        piece.role = Role::Dim;
    }
    panel.lines.push(Line::from(head));
    let whole = match models.get(selected).filter(|_| !wide) {
        Some((model, label)) => {
            let row = row_of(model, label);
            let lines = wrapped_in(&row.note, width, NOTE_LINES_MAX);
            lines
                .into_iter()
                .map(|line| Row::of(row.note_role, line))
                .collect()
        }
        None => Vec::new(),
    };
    // The selected node's note is there in full where there is room below the list.
    let below = match height > models.len() + whole.len() + 2 {
        true => whole,
        false => Vec::new(),
    };
    let visible = height.saturating_sub(1).max(1);
    let first = (selected + 1).saturating_sub(visible);
    panel.title = panel.title.append(span(first, visible, models.len()));
    for (index, (model, label)) in models.iter().enumerate().skip(first).take(visible) {
        let row = row_of(model, label);
        let text = Row::new()
            .with(row.role, format!("{} ", row.glyph))
            .strong(format!("{}  ", pad(&fit(&row.name, name_room), name_room)))
            .with(row.role, pad(&row.state, 14));
        let mut text = cells(text, &row.height, &row.peers, &row.pool, &row.last);
        let room = width.saturating_sub(text.width() + 1);
        if wide && room >= 22 {
            text = text.text(pad(&fit(&row.round, 18), 18));
        }
        let room = width.saturating_sub(text.width() + 2);
        if room >= 12 {
            text = text.text("  ").with(row.note_role, fit(&row.note, room));
        }
        panel.lines.push(Line {
            row: text,
            right: Row::new(),
            selected: index == selected,
        });
    }
    if !below.is_empty() {
        panel.lines.push(Row::new().into());
        panel.lines.extend(below.into_iter().map(Line::from));
    }
    panel
}

/// The keys of the list, over it.
pub(super) fn help() -> Panel {
    let mut panel = Panel {
        title: Row::new().strong("Help").dim("  the list of nodes"),
        focused: true,
        ..Panel::default()
    };
    for (_, label, word, _) in KEYS {
        let row = Row::new().with(Role::Accent, pad(label, 7)).text(*word);
        panel.lines.push(row.into());
    }
    for (role, sign, word) in [
        (Role::Ok, "●", "well; the word says what it does"),
        (Role::Warn, "▲", "look when you can"),
        (Role::Err, "✖", "look now; GONE: no link, STALE: no word over it"),
    ] {
        panel
            .lines
            .push(Row::new().with(role, pad(sign, 7)).dim(word).into());
    }
    panel
}

/// The top row: what this is, and the clock.
pub(super) fn header(models: &[(&Model, String)]) -> (Row, Row) {
    let networks: VecDeque<&str> = models
        .iter()
        .map(|(model, _)| model.live.status.node.network.as_str())
        .filter(|network| !network.is_empty())
        .collect();
    let network = match networks.front() {
        Some(first) if networks.iter().all(|network| network == first) => (*first).to_owned(),
        Some(_) => "several networks".to_owned(),
        None => String::new(),
    };
    let now = models
        .iter()
        .map(|(model, _)| model.live.now.unix_ms)
        .max()
        .unwrap_or(0);
    let left = Row::new()
        .with(Role::Accent, " ⧗ ")
        .strong("timed")
        .text(format!("  {network}"));
    (
        left,
        Row::of(Role::Text, format!("{}Z ", super::format::clock(now))),
    )
}

/// The bottom row: as many keys as have room, in the order of the table.
pub(super) fn footer(width: usize) -> Row {
    let mut row = Row::new().text(" ");
    for (_, label, word, _) in KEYS {
        let hint = Row::new().with(Role::Accent, *label).dim(format!(" {word}"));
        if row.width() + hint.width() > width {
            break;
        }
        row = row.append(hint).text("   ");
    }
    row
}

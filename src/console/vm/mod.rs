//! View-models: from the snapshot to the words, numbers and glyphs of one screen. Pure functions;
//! they know widths, not positions.

mod bar;
pub(super) mod card;
pub(super) mod consensus;
pub(super) mod devnet;
pub(super) mod dialog;
pub(super) mod frame;
pub(super) mod help;
pub(super) mod link;
pub(super) mod logs;
pub(super) mod mempool;
pub(super) mod overview;
pub(super) mod palette;
pub(super) mod peers;
pub(super) mod round;
pub(super) mod sync;
pub(super) mod timebar;

use super::{model::Pick, text::Row, theme::Role};
use crate::control::{Severity, Status, Tally};

/// What a panel shows.
#[derive(Clone, Debug, Default)]
pub(super) struct Panel {
    /// Set into the upper edge.
    pub(super) title: Row,
    /// Set into the lower edge, at the right.
    pub(super) foot: Row,
    pub(super) focused: bool,
    pub(super) lines: Vec<Line>,
    /// Lines that can be clicked, by their place.
    pub(super) picks: Vec<(usize, Pick)>,
}

/// One line of a panel.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    pub(super) row: Row,
    /// Set at the right end.
    pub(super) right: Row,
    pub(super) selected: bool,
}

impl From<Row> for Line {
    fn from(row: Row) -> Self {
        Self {
            row,
            ..Self::default()
        }
    }
}

impl Panel {
    fn titled(title: Row) -> Self {
        Self {
            title,
            ..Self::default()
        }
    }

    fn line(&mut self, row: impl Into<Line>) {
        self.lines.push(row.into());
    }

    /// A line that can be clicked.
    fn pick(&mut self, line: Line, pick: Pick) {
        self.picks.push((self.lines.len(), pick));
        self.lines.push(line);
    }
}

/// How well a thing is: its glyph, and its role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Ok,
    Busy,
    Warn,
    Crit,
    Unknown,
}

impl Level {
    pub(super) fn glyph(self) -> &'static str {
        match self {
            Level::Ok => "●",
            Level::Busy => "◐",
            Level::Warn => "▲",
            Level::Crit => "✖",
            Level::Unknown => "○",
        }
    }

    pub(super) fn role(self) -> Role {
        match self {
            Level::Ok => Role::Ok,
            Level::Busy => Role::Accent,
            Level::Warn => Role::Warn,
            Level::Crit => Role::Err,
            Level::Unknown => Role::Dim,
        }
    }

    fn of(severity: Severity) -> Self {
        match severity {
            Severity::Warn => Level::Warn,
            Severity::Crit => Level::Crit,
        }
    }
}

/// Which rows of a list are on show, where that is not all of them: `1–6 of 14`.
pub(super) fn span(first: usize, room: usize, rows: usize) -> Row {
    match rows > room {
        true => Row::of(
            Role::Dim,
            format!("  {}–{} of {rows}", first + 1, (first + room).min(rows)),
        ),
        false => Row::new(),
    }
}

/// Whether a terminal of this size has no room for screens and gets a card.
pub(in crate::console) fn is_card((width, height): (u16, u16)) -> bool {
    width < 60 || height < 20
}

/// What the height waits for, without the place that the panel's title gives already.
fn waiting_words(status: &Status) -> &str {
    let consensus = &status.consensus;
    let text = consensus.waiting_for.as_str();
    let place = format!(
        "height {} round {}",
        super::format::grouped(consensus.height),
        consensus.round
    );
    text.strip_prefix(&place)
        .map_or(text, |rest| rest.trim_start_matches([' ', ':']))
}

/// Votes that came, validators there are, votes that decide: `3/7 quorum 5`, the same wherever votes
/// are counted.
fn tally_words(tally: Tally, n: u32, quorum: u32) -> String {
    match n {
        0 => super::format::UNKNOWN.to_owned(),
        n => format!("{}/{n} quorum {quorum}", tally.votes),
    }
}

/// Columns that [`tally_words`] needs at most.
fn tally_width(n: u32, quorum: u32) -> usize {
    format!("{n}/{n} quorum {quorum}").len()
}

/// The same beside a round on show: whole where that is another one than the round in progress.
fn waiting_beside<'a>(status: &'a Status, view: &round::RoundView) -> &'a str {
    match view.is_live {
        true => waiting_words(status),
        false => &status.consensus.waiting_for,
    }
}

/// How many validators can be counted on.
fn online(status: &Status) -> u32 {
    status.consensus.reachable(status.at)
}

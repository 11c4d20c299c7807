//! The vote matrix: one row per validator, with what it sent and when.

use super::super::{
    super::{
        format::{UNKNOWN, age, duration, fit, grouped, offset, or_unknown, pad, pad_left, wrapped_in},
        model::{Model, Pick, Shown, VoteSort},
        text::Row,
        theme::Role,
    },
    Line, Panel,
    round::{Cells, RoundView},
    span, waiting_beside,
};
use crate::control::{Mark, RoundEnd, SILENT_HEIGHTS, Status, ValidatorRow, words::counted};

use super::{history_mark, mark, ordered, view};

/// Which columns a width has room for.
struct Columns {
    name: usize,
    /// Columns of each vote mark.
    mark: usize,
    /// Columns of each time stamp; 0 shows none.
    stamp: usize,
    history: usize,
    seen: bool,
}

impl Columns {
    fn of(width: usize) -> Self {
        Self {
            name: if width >= 100 { 13 } else { 10 },
            mark: if width >= 90 { 4 } else { 3 },
            stamp: match width {
                90.. => 9,
                70.. => 8,
                _ => 0,
            },
            history: match width {
                110.. => 20,
                76.. => 12,
                _ => 0,
            },
            seen: width >= 90,
        }
    }
}

/// The vote matrix.
pub(in crate::console) fn votes(model: &Model, width: usize, height: usize) -> Panel {
    let shown = model.shown();
    let status = &*shown.status;
    let consensus = &status.consensus;
    let view = view(model);
    let rows = ordered(model, &view);
    let columns = Columns::of(width);

    let mut title = Row::new()
        .strong("Votes")
        .dim("  ·  ")
        .text(format!("height {}", grouped(view.height)))
        .dim("  round ")
        .text(view.round.to_string());
    title = match (view.is_live, model.votes.height.is_some(), view.end) {
        (false, true, _) => title.with(Role::Warn, "  looking back"),
        (false, false, Some(RoundEnd::Decided)) => title.with(Role::Ok, "  ✓ final"),
        _ if view.view_changing => title.with(Role::Warn, "  view change"),
        _ => title,
    };
    if width >= 90 {
        title = title
            .dim("  ·  ")
            .text(counted(u64::from(consensus.n), "validator"))
            .dim(format!("  quorum {}  f {}", consensus.quorum, consensus.f));
    } else {
        title = title.dim(format!("  quorum {}", consensus.quorum));
    }
    if model.votes.sort != VoteSort::Index || model.votes.reverse {
        // The one that was silent longest comes first unless it is reversed.
        let falls = (model.votes.sort == VoteSort::Silent) != model.votes.reverse;
        let arrow = if falls { "↓" } else { "↑" };
        title = title.dim(format!("  ·  sort {} {arrow}", model.votes.sort.word()));
    }
    if !model.votes.filter.is_empty() {
        title = title.with(
            Role::Accent,
            format!("  / {}", fit(model.votes.filter.text(), 16)),
        );
    }
    let mut panel = Panel::titled(title);
    panel.focused = true;

    let mut head = Row::new().dim(format!("   {} ", pad("validator", columns.name)));
    for kind in ["PP", "PR", "CM", "VC"] {
        head = head.dim(pad(kind, columns.mark));
    }
    if columns.stamp > 0 {
        let width = columns.stamp;
        head = head.dim(format!(
            "{} {} ",
            pad_left("prepare", width),
            pad_left("commit", width)
        ));
    }
    if columns.history > 0 {
        let words = match columns.history {
            16.. => format!("last {} heights", columns.history),
            few => format!("last {few}"),
        };
        head = head.dim(format!(" {}", pad(&words, columns.history + 1)));
    }
    if columns.seen {
        head = head.dim(format!(" {}", pad_left("seen", 6)));
    }
    panel.line(head.dim("  note"));

    // Sentences are cut to one line each rather than hide a validator.
    let is_past = is_past(model, &view);
    let below = match is_past {
        true => Vec::new(),
        false => [(2, 2), (2, 1)]
            .into_iter()
            .map(|lines| explainer(status, &view, width, lines))
            .find(|below| rows.len() + below.len() + 2 <= height)
            .unwrap_or_else(|| explainer(status, &view, width, (1, 1))),
    };
    // Header above, the explainer and the legend below; the legend yields to a validator.
    let has_legend = rows.len() + below.len() + 2 <= height;
    let room = height
        .saturating_sub(1 + below.len() + usize::from(has_legend))
        .max(1);
    let at = model
        .votes
        .selected
        .and_then(|id| rows.iter().position(|(row, _)| row.id == id));
    let first = at.map_or(0, |at| (at + 1).saturating_sub(room));
    // Before the rest of the title, whose end narrow screens cut.
    let mut title = std::mem::take(&mut panel.title);
    let rest = title.pieces.split_off(1);
    panel.title = title.append(span(first, room, rows.len()));
    panel.title.pieces.extend(rest);
    for (row, cells) in rows.iter().skip(first).take(room) {
        let line = Line {
            row: vote_row(status, shown, &view, is_past, row, cells, &columns, width),
            right: Row::new(),
            selected: model.votes.selected == Some(row.id),
        };
        panel.pick(line, Pick::Validator(row.id));
    }
    if rows.is_empty() {
        panel.line(Row::of(
            Role::Dim,
            match consensus.n {
                0 => "   the validator set is not known yet",
                _ => "   no validator matches the filter",
            },
        ));
    }
    while panel.lines.len() + below.len() + usize::from(has_legend) < height {
        panel.line(Row::new());
    }
    for row in below {
        panel.line(row);
    }
    if has_legend {
        panel.line(legend(&view, width));
    }
    panel
}

/// Validators that a screen gives a row each before other panels get room.
const ROWS_WANTED: usize = 10;

/// Lines that the matrix needs to show up to [`ROWS_WANTED`] validators and all it has to say.
pub(in crate::console) fn votes_wanted(model: &Model, width: usize) -> usize {
    let view = view(model);
    let rows = ordered(model, &view).len().clamp(1, ROWS_WANTED);
    let below = match is_past(model, &view) {
        true => 0,
        false => explainer(&model.shown().status, &view, width, (2, 1)).len(),
    };
    rows + below + 2
}

/// Whether the operator looks at a round that is over: what holds now says nothing about it.
fn is_past(model: &Model, view: &RoundView) -> bool {
    model.votes.height.is_some() && !view.is_live
}

/// What the height waits for and what would help, in so many lines each at most; nothing while it waits
/// for nobody.
fn explainer(
    status: &Status,
    view: &RoundView,
    width: usize,
    (waits_max, hint_max): (usize, usize),
) -> Vec<Row> {
    let mut rows = Vec::new();
    for (role, sign, text, lines_max) in [
        (Role::Warn, "▲ ", waiting_beside(status, view), waits_max),
        (Role::Accent, "→ ", status.consensus.hint.as_str(), hint_max),
    ] {
        if text.is_empty() {
            continue;
        }
        let lines = wrapped_in(text, width.saturating_sub(3), lines_max);
        for (number, line) in lines.into_iter().enumerate() {
            let sign = if number == 0 { sign } else { "  " };
            rows.push(Row::new().text(" ").with(role, sign).with(role, line));
        }
    }
    rows
}

fn legend(view: &RoundView, width: usize) -> Row {
    let block = match view.digest {
        Some(digest) => format!(" block {}", digest.short()),
        None => " block".to_owned(),
    };
    let mut row = Row::new().text(" ");
    for (glyph, role, word) in [
        ("●", Role::VoteThis, block.as_str()),
        ("◆", Role::VoteOther, " other block"),
        ("◌", Role::VoteLate, " late"),
        ("·", Role::VoteNone, " none yet"),
        ("✖", Role::VoteBad, " contradicts itself"),
        ("★", Role::Accent, " leader"),
        ("▸", Role::Accent, " this node"),
    ] {
        if row.width() + word.chars().count() + 4 > width {
            break;
        }
        row = row.with(role, glyph).dim(word).text("   ");
    }
    row
}

#[allow(
    clippy::too_many_arguments,
    reason = "what a row is made of, each of its own kind"
)]
fn vote_row(
    status: &Status,
    shown: &Shown,
    view: &RoundView,
    is_past: bool,
    row: &ValidatorRow,
    cells: &Cells,
    columns: &Columns,
    width: usize,
) -> Row {
    let leads = row.name == view.leader;
    let (sign, sign_role) = match (leads, row.is_self) {
        (true, _) => ("★", Role::Accent),
        (_, true) => ("▸", Role::Accent),
        _ => (" ", Role::Text),
    };
    let name_role = match (
        is_past || status.consensus.is_reachable(row, status.at),
        row.is_self,
    ) {
        (false, _) => Role::Dim,
        (_, true) => Role::Strong,
        _ => Role::Text,
    };
    let mut out = Row::new()
        .text(" ")
        .with(sign_role, sign)
        .text(" ")
        .with(name_role, pad(&row.name, columns.name))
        .text(" ");
    for cell in [cells.pre_prepare, cells.prepare, cells.commit, cells.view_change] {
        let (glyph, role) = mark(cell.mark);
        out = out.with(role, glyph).text(" ".repeat(columns.mark - 1));
    }
    if columns.stamp > 0 {
        for cell in [cells.prepare, cells.commit] {
            let (text, role) = match cell.offset_us {
                Some(us) => (offset(us), Role::Text),
                None if view.is_live => ("…".to_owned(), Role::Dim),
                None => (UNKNOWN.to_owned(), Role::Dim),
            };
            out = out.with(role, pad_left(&text, columns.stamp)).text(" ");
        }
    }
    if columns.history > 0 {
        out = out.text(" ");
        let skip = row.history.len().saturating_sub(columns.history);
        out = out.text(" ".repeat(columns.history.saturating_sub(row.history.len())));
        for past in &row.history[skip..] {
            let (glyph, role) = history_mark(*past);
            out = out.with(role, glyph);
        }
        out = out.text(" ");
    }
    if columns.seen {
        let seen = match row.is_self || is_past {
            true => UNKNOWN.to_owned(),
            false => or_unknown(row.last_seen_mono_ms, |at| {
                age(shown.now.mono_ms.saturating_sub(at))
            }),
        };
        out = out.dim(format!(" {}", pad_left(&seen, 6)));
    }
    let room = width.saturating_sub(out.width() + 2);
    let (note, role) = match is_past {
        true => past_note(view, row, cells, leads),
        false => note(status, shown, row, cells, leads),
    };
    out.text("  ").with(role, fit(&note, room))
}

/// The most important thing to say about what a validator did in a round that is over.
fn past_note(view: &RoundView, row: &ValidatorRow, cells: &Cells, leads: bool) -> (String, Role) {
    let all = [cells.pre_prepare, cells.prepare, cells.commit, cells.view_change];
    if all.iter().any(|cell| cell.mark == Mark::Equivocated) {
        return ("contradicted itself".to_owned(), Role::VoteBad);
    }
    if all.iter().any(|cell| cell.mark == Mark::OtherBlock) {
        return ("another block".to_owned(), Role::VoteOther);
    }
    if all.iter().all(|cell| cell.mark == Mark::None) {
        return match leads {
            true => ("leader, no proposal".to_owned(), Role::Warn),
            false => ("no vote".to_owned(), Role::Warn),
        };
    }
    if view.end == Some(RoundEnd::Decided) && cells.commit.mark == Mark::None {
        return ("no commit".to_owned(), Role::Warn);
    }
    if all.iter().any(|cell| cell.mark == Mark::Late) {
        return ("late".to_owned(), Role::VoteLate);
    }
    let words = match (row.is_self, leads) {
        (true, true) => "this node, leader",
        (true, false) => "this node",
        (false, true) => "leader",
        (false, false) => "",
    };
    (words.to_owned(), Role::Dim)
}

/// The most important thing to say about a validator.
fn note(status: &Status, shown: &Shown, row: &ValidatorRow, cells: &Cells, leads: bool) -> (String, Role) {
    let all = [cells.pre_prepare, cells.prepare, cells.commit, cells.view_change];
    if row.has_evidence || all.iter().any(|cell| cell.mark == Mark::Equivocated) {
        return ("contradicted itself: proof kept".to_owned(), Role::VoteBad);
    }
    if !status.consensus.is_reachable(row, status.at) {
        let word = if row.online { "silent" } else { "offline" };
        let text = match row.last_seen_mono_ms {
            Some(at) => format!("{word} {}", duration(shown.now.mono_ms.saturating_sub(at))),
            None => "not seen yet".to_owned(),
        };
        return (text, Role::Warn);
    }
    if let Some(cell) = all.iter().find(|cell| cell.mark == Mark::OtherBlock) {
        let text = match cell.other {
            Some(digest) => format!("other block {}", digest.short()),
            None => "another block".to_owned(),
        };
        return (text, Role::VoteOther);
    }
    if row.silent_heights >= SILENT_HEIGHTS && !row.is_self {
        return (
            format!("silent {}", counted(u64::from(row.silent_heights), "height")),
            Role::Warn,
        );
    }
    if row.is_self {
        return match (status.signing.signing, leads) {
            (false, _) => (format!("this node: {}", status.signing.reason), Role::Warn),
            (true, true) => ("this node, leader".to_owned(), Role::Dim),
            (true, false) => ("this node".to_owned(), Role::Dim),
        };
    }
    if all.iter().any(|cell| cell.mark == Mark::Late) {
        return ("late".to_owned(), Role::VoteLate);
    }
    (if leads { "leader".to_owned() } else { String::new() }, Role::Dim)
}

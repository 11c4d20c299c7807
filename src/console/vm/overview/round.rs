//! The round in progress, or the last one that decided: phases, votes, and what it waits for.

use super::super::{
    super::{
        format::{
            duration, fit, grouped, offset, or_unknown, pad, pad_left, percent, quantile, seconds, span_us,
            wrapped_in,
        },
        model::Shown,
        text::Row,
        theme::Role,
    },
    Line, Panel, bar,
    round::{self, RoundView},
    tally_width, tally_words, waiting_beside,
};
use crate::control::{Mark, Phase, RoundEnd, Status, Tally};

/// Lines that a sentence may take.
const SENTENCE_LINES_MAX: usize = 2;

const PHASES: [Phase; 4] = [Phase::PrePrepare, Phase::Prepare, Phase::Commit, Phase::Finalized];

/// The title of the round panel, and what stands at the right of its first line.
fn round_title(view: &RoundView, status: &Status) -> Row {
    if status.revision == 0 {
        return Row::new().strong("Round");
    }
    let height = grouped(view.height);
    let mut row = Row::new()
        .strong(if view.is_live { "Round" } else { "Last round" })
        .dim("  ·  ")
        .text(format!("height {height}"))
        .dim("  round ")
        .text(view.round.to_string());
    if !view.leader.is_empty() {
        row = row.dim("  leader ").text(fit(&view.leader, 16));
        if status.consensus.is_our_turn && view.is_live {
            row = row.with(Role::Accent, " ▸ our turn");
        }
    }
    row
}

/// Elapsed and timeout of a live round; how a past one ended.
fn round_clock(view: &RoundView, status: &Status, shown: &Shown) -> Row {
    if view.view_changing {
        return Row::of(Role::Warn, "view change");
    }
    match (view.is_live, view.end) {
        (true, _) => match view.elapsed_us {
            Some(us) if view.timeout_ms > 0 => Row::new()
                .text(seconds(us / 1_000))
                .dim(format!(" / {} s", seconds(view.timeout_ms))),
            Some(us) => Row::new().text(span_us(us)),
            None => next_due(status, shown),
        },
        (false, Some(RoundEnd::Decided)) => {
            let took = view.commits.quorum_at_us.or(view.elapsed_us);
            Row::new().with(Role::Ok, "✓ ").text(or_unknown(took, span_us))
        }
        (false, Some(RoundEnd::TimedOut)) => Row::of(Role::Warn, "timed out"),
        (false, Some(RoundEnd::ViewChanged)) => Row::of(Role::Warn, "view changed"),
        (false, Some(RoundEnd::Overtaken)) => Row::of(Role::Dim, "overtaken"),
        (false, None) => Row::new(),
    }
}

/// When the next block is due on a chain that waits for nothing.
fn next_due(status: &Status, shown: &Shown) -> Row {
    match status.consensus.due_mono_ms {
        Some(due) if due > shown.now.mono_ms => Row::new()
            .dim("next block in ")
            .text(format!("{} s", seconds(due - shown.now.mono_ms))),
        _ => Row::of(Role::Dim, "idle"),
    }
}

/// What the height waits for, in two lines at most, or one that it waits for nothing.
fn waiting(status: &Status, view: &RoundView, shown: &Shown, width: usize, lines_max: usize) -> Vec<Row> {
    match waiting_beside(status, view) {
        "" => vec![calm(status, shown, width)],
        text => sentence(Role::Warn, text, width, lines_max),
    }
}

/// A sentence whose end matters: names stand there.
fn sentence(role: Role, text: &str, width: usize, lines_max: usize) -> Vec<Row> {
    let lines = wrapped_in(text, width, lines_max);
    lines.into_iter().map(|line| Row::of(role, line)).collect()
}

fn calm(status: &Status, shown: &Shown, width: usize) -> Row {
    if status.revision == 0 {
        return Row::of(Role::Dim, "the node is starting");
    }
    match status.consensus.due_mono_ms {
        Some(due) if due > shown.now.mono_ms => {
            let left = seconds(due - shown.now.mono_ms);
            Row::of(
                Role::Dim,
                fit(
                    &format!("next block in {left} s, or with the first transaction"),
                    width,
                ),
            )
        }
        _ => Row::new(),
    }
}

/// The line of stations from PrePrepare to Finalized: labels, track and times.
fn track(view: &RoundView, width: usize) -> [Row; 3] {
    let gap = (width.saturating_sub(26) / 3).clamp(12, 22);
    let here = PHASES.iter().position(|phase| *phase == view.phase).unwrap_or(0);
    let started = view.entered_us[0].is_some();
    let (mut labels, mut line, mut times) = (Row::new(), Row::new(), Row::new());
    for (index, phase) in PHASES.iter().enumerate() {
        let reached = started && (index < here || view.phase == Phase::Finalized);
        let current = started && index == here && !reached;
        let label_role = match (reached, current) {
            (_, true) => Role::Strong,
            (true, _) => Role::Text,
            _ => Role::Dim,
        };
        let label = match index + 1 < PHASES.len() {
            true => pad(phase.word(), gap),
            false => phase.word().to_owned(),
        };
        labels = labels.with(label_role, label);
        let (glyph, role) = match (reached, current, view.view_changing) {
            (_, true, true) => ("◐", Role::Warn),
            (_, true, false) => ("◍", Role::Accent),
            (true, ..) => ("●", Role::Ok),
            _ => ("○", Role::Dim),
        };
        line = line.with(role, glyph);
        if index + 1 < PHASES.len() {
            line = match reached {
                true => line.with(Role::Ok, "━".repeat(gap - 1)),
                false => line.with(Role::BarRest, "╌".repeat(gap - 1)),
            };
        }
        let time = match (view.entered_us[index], current) {
            (Some(us), true) if index > 0 => format!("{} …", offset(us)),
            (Some(us), _) if index > 0 => offset(us),
            (Some(_), _) => "start".to_owned(),
            _ => String::new(),
        };
        times = times.dim(pad(&time, gap));
    }
    [labels, line, times]
}

/// A labelled bar of votes against the quorum.
fn vote_line(label: &str, tally: Tally, status: &Status, bar_width: usize, wide: bool) -> Row {
    let consensus = &status.consensus;
    let (n, quorum) = (consensus.n, consensus.quorum);
    let tallied = tally_words(tally, n, quorum);
    let label_width = if wide { 10 } else { 9 };
    let mut row = Row::new()
        .text(pad(label, label_width))
        .append(bar::quorum_bar(bar_width, tally.votes, tally.other, n, quorum))
        .text(format!(" {}  ", pad_left(&tallied, tally_width(n, quorum))));
    row = match tally.quorum_at_us {
        _ if n == 0 => row,
        Some(us) => row.with(Role::Ok, "ok ").text(offset(us)),
        None if tally.votes >= quorum => row.with(Role::Ok, "ok"),
        None if tally.votes > 0 => row.with(Role::Warn, format!("need {}", quorum - tally.votes)),
        None => row,
    };
    match tally.other {
        0 => row,
        other => row.with(Role::VoteOther, format!("  ◆ {other}")),
    }
}

/// The round panel: seven lines, and more where a sentence needs a second one.
pub(in crate::console) fn round(shown: &Shown, width: usize) -> Panel {
    let status = &*shown.status;
    let view = round::shown(status, shown.now, None, None);
    let mut panel = Panel::titled(round_title(&view, status));
    let [labels, line, times] = track(&view, width);
    panel.line(Line {
        row: labels,
        right: round_clock(&view, status, shown),
        selected: false,
    });
    panel.line(line);
    let hint = &status.consensus.hint;
    // No phase has a time while the view changes, so its line is not missed.
    if !view.view_changing || hint.is_empty() {
        panel.line(times);
    }
    for row in waiting(status, &view, shown, width, SENTENCE_LINES_MAX) {
        panel.line(row);
    }
    if !hint.is_empty() {
        for row in sentence(Role::Accent, &format!("→ {hint}"), width, SENTENCE_LINES_MAX) {
            panel.line(row);
        }
    }
    let tally = tally_width(status.consensus.n, status.consensus.quorum);
    let bar_width = width.saturating_sub(32 + tally).clamp(8, 60);
    panel.line(vote_line("Prepare", view.prepares, status, bar_width, true));
    panel.line(vote_line("Commit", view.commits, status, bar_width, true));
    panel.line(vote_line("View chg", view.view_changes, status, bar_width, true));
    panel
}

/// The round panel of small screens: five lines, and more where a sentence needs a second one.
/// With `room` false it is five lines, and one more for what would help.
pub(in crate::console) fn round_compact(shown: &Shown, width: usize, room: bool) -> Panel {
    let status = &*shown.status;
    let view = round::shown(status, shown.now, None, None);
    let mut panel = Panel::titled(round_title(&view, status));
    let started = view.entered_us[0].is_some();
    let here = PHASES.iter().position(|phase| *phase == view.phase).unwrap_or(0);
    let mut row = Row::new();
    let link = if width >= 76 { 5 } else { 2 };
    for (index, phase) in PHASES.iter().enumerate() {
        let reached = started && (index < here || view.phase == Phase::Finalized);
        let current = started && index == here && !reached;
        let (glyph, role) = match (reached, current) {
            (_, true) => ("◍", Role::Accent),
            (true, _) => ("●", Role::Ok),
            _ => ("○", Role::Dim),
        };
        let word = if reached || current { Role::Text } else { Role::Dim };
        row = row.with(word, format!("{} ", phase.word())).with(role, glyph);
        if index + 1 < PHASES.len() {
            row = match reached {
                true => row.with(Role::Ok, "━".repeat(link)),
                false => row.with(Role::BarRest, "╌".repeat(link)),
            };
            row = row.text(" ");
        }
    }
    let clock = round_clock(&view, status, shown);
    let right = match row.width() + clock.width() < width {
        true => clock,
        false => Row::new(),
    };
    panel.line(Line {
        row,
        right,
        selected: false,
    });
    let tally = tally_width(status.consensus.n, status.consensus.quorum);
    let bar_width = width.saturating_sub(30 + tally).clamp(6, 40);
    if view.view_changing {
        panel.line(vote_line("View chg", view.view_changes, status, bar_width, false));
    } else {
        panel.line(vote_line("Prepare", view.prepares, status, bar_width, false));
    }
    panel.line(vote_line("Commit", view.commits, status, bar_width, false));
    let nodes = by_node(&view, status, width);
    let right = [finality_words(status, true), finality_words(status, false)]
        .into_iter()
        .find(|words| nodes.width() + words.width() + 1 < width)
        .unwrap_or_default();
    panel.line(Line {
        row: nodes,
        right,
        selected: false,
    });
    let lines_max = if room { SENTENCE_LINES_MAX } else { 1 };
    let mut sentences = waiting(status, &view, shown, width, lines_max);
    let stats = &status.consensus.stats;
    let rounds = match stats.heights {
        0 => Row::new(),
        heights => Row::new().dim(format!(
            "r0 {}  timeouts {}/{heights}",
            percent(u64::from(stats.round0), u64::from(heights)),
            stats.timeouts
        )),
    };
    let last = sentences.pop().unwrap_or_default();
    for row in sentences {
        panel.line(row);
    }
    let right = match last.width() + rounds.width() < width {
        true => rounds,
        false => Row::new(),
    };
    panel.line(Line {
        row: last,
        right,
        selected: false,
    });
    if !status.consensus.hint.is_empty() {
        let hint = format!("→ {}", status.consensus.hint);
        panel.line(Row::of(Role::Accent, fit(&hint, width)));
    }
    panel
}

/// The digits that the names end with, where they tell the validators apart: `node2` is 2, whatever its
/// place in the set.
fn numbers(status: &Status) -> Option<Vec<&str>> {
    let numbers: Vec<&str> = status
        .consensus
        .validators
        .iter()
        .map(|row| {
            let stem = row.name.trim_end_matches(|c: char| c.is_ascii_digit());
            &row.name[stem.len()..]
        })
        .collect();
    let mut sorted = numbers.clone();
    sorted.sort_unstable();
    sorted.dedup();
    (sorted.len() == numbers.len() && !numbers.iter().any(|number| number.is_empty())).then_some(numbers)
}

/// `by node 0● 1● 2·`: one mark per validator for the furthest it came in this round.
fn by_node(view: &RoundView, status: &Status, width: usize) -> Row {
    let mut row = Row::new().dim("by node ");
    let numbers = numbers(status);
    let mut order: Vec<usize> = (0..view.cells.len().min(status.consensus.validators.len())).collect();
    if let Some(numbers) = &numbers {
        order.sort_by_key(|at| numbers[*at].parse::<u64>().unwrap_or(u64::MAX));
    }
    for at in order {
        let (cells, validator) = (&view.cells[at], &status.consensus.validators[at]);
        let furthest = match view.view_changing {
            true => [cells.view_change.mark, Mark::None],
            false => [cells.commit.mark, cells.prepare.mark],
        };
        let mark = furthest
            .into_iter()
            .find(|mark| *mark != Mark::None)
            .unwrap_or(Mark::None);
        let (glyph, role) = super::super::consensus::mark(mark);
        let number = numbers.as_ref().map_or("", |numbers| numbers[at]);
        if row.width() + number.len() + 4 > width {
            return row.dim("…");
        }
        let leads = if validator.name == view.leader { "★" } else { "" };
        row = row
            .dim(format!(" {number}"))
            .with(role, glyph)
            .with(Role::Accent, leads)
            .with(Role::Accent, if validator.is_self { "▸" } else { "" });
    }
    row
}

fn finality_words(status: &Status, with_p95: bool) -> Row {
    let mut sorted = status.chain.finality_ms.clone();
    sorted.sort_unstable();
    match (quantile(&sorted, 500), quantile(&sorted, 950)) {
        (Some(p50), Some(p95)) if with_p95 => Row::new()
            .dim("final p50 ")
            .text(duration(u64::from(p50)))
            .dim("  p95 ")
            .text(duration(u64::from(p95))),
        (Some(p50), _) => Row::new().dim("final ").text(duration(u64::from(p50))),
        _ => Row::of(Role::Dim, "final —"),
    }
}

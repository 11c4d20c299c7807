//! The Logs screen: the last lines, narrowed by level, target and text.

use super::{
    super::{
        format::{clock_ms, duration, fit, grouped, pad, printable},
        model::{LogState, Model, Pick},
        text::Row,
        theme::Role,
        update::missed_words,
    },
    Line, Panel,
};
use crate::control::{LogLevel, LogLine, LogRing};

fn level_role(level: LogLevel) -> Role {
    match level {
        LogLevel::Error => Role::Err,
        LogLevel::Warn => Role::Warn,
        LogLevel::Info => Role::Ok,
        LogLevel::Debug => Role::Accent,
        LogLevel::Trace => Role::Dim,
    }
}

/// The row above the lines: what narrows them down, and how many are left.
pub(in super::super) fn status_row(model: &Model, width: usize) -> (Row, Row) {
    let shown = model.shown();
    let log = &model.log;
    let mut row = Row::new()
        .dim(" level ")
        .with(level_role(log.level), format!("▸{}", log.level.word()))
        .dim("   target ")
        .text(match log.target.is_empty() {
            true => "*".to_owned(),
            false => fit(log.target.text(), 20),
        });
    for (sign, needle) in [("&", &log.filter), ("/", &log.find)] {
        if !needle.is_empty() {
            row = row.with(Role::Accent, format!("   {sign}{}", fit(needle.text(), 20)));
        }
    }
    let narrowed = log.level != LogLevel::Trace || !log.target.is_empty() || !log.filter.is_empty();
    let total = shown.logs.len() as u64;
    let count = match narrowed {
        true => {
            let left = shown.logs.iter().filter(|line| log.shows(line)).count() as u64;
            format!("{} of {} lines", grouped(left), grouped(total))
        }
        false => format!(
            "{} of {} lines",
            grouped(total),
            grouped(LogRing::LINES_MAX as u64)
        ),
    };
    let mut right = Row::of(Role::Dim, count);
    if model.logs_missed > 0 {
        right = right.with(Role::Err, format!("   {}", missed_words(model.logs_missed)));
    }
    let dropped = shown.status.resources.log_lines_dropped;
    if dropped > 0 {
        right = right.with(Role::Err, format!("   file dropped {}", grouped(dropped)));
    }
    let row_width = row.width();
    let mut node = Row::new();
    let filter = &shown.status.node.log_filter;
    if !filter.is_empty() {
        node = node.dim("   node logs ").text(fit(filter, 24));
        if let Some(until) = shown.status.node.log_filter_until {
            let left = until.mono_ms.saturating_sub(shown.now.mono_ms);
            node = node.with(Role::Warn, format!(" for {}", duration(left)));
        }
        node = node.dim(" [").with(Role::Accent, "L").dim("]");
    }
    // What the node writes matters more than how many lines there are.
    for right in [right.clone().append(node.clone()), node, right] {
        if row_width + right.width() + 1 < width {
            return (row, right.text(" "));
        }
    }
    (row, Row::new())
}

/// The lines around the selected one, or the newest.
pub(in super::super) fn lines(model: &Model, width: usize, height: usize) -> Panel {
    let shown = model.shown();
    let log = &model.log;
    let mut panel = Panel {
        focused: true,
        ..Panel::default()
    };
    panel.title = match log.selected {
        None => Row::new().strong("Logs").with(Role::Ok, "  following"),
        Some(_) => Row::new().strong("Logs").dim("  f follows"),
    };
    if let Some(file) = &shown.status.node.log_file {
        panel.foot = Row::of(Role::Dim, fit(&file.to_string_lossy(), width / 2));
    }
    let passes = |line: &&std::sync::Arc<LogLine>| log.shows(line);
    // The page ends at the newest line, or has the selected one in it with the page before it.
    let mut page: Vec<&LogLine> = Vec::new();
    let after: Vec<&LogLine> = match log.selected {
        Some(seq) => shown
            .logs
            .iter()
            .filter(|line| line.seq > seq)
            .filter(passes)
            .take(height / 3)
            .map(AsRef::as_ref)
            .collect(),
        None => Vec::new(),
    };
    let before = height.saturating_sub(after.len());
    page.extend(
        shown
            .logs
            .iter()
            .rev()
            .filter(|line| log.selected.is_none_or(|seq| line.seq <= seq))
            .filter(passes)
            .take(before)
            .map(AsRef::as_ref),
    );
    page.reverse();
    page.extend(after);
    let cursor = log
        .selected
        .and_then(|seq| page.iter().rev().find(|line| line.seq <= seq))
        .map(|line| line.seq);

    let mut rows: Vec<(Line, Pick)> = Vec::new();
    let mut cursor_at = None;
    for line in page {
        let selected = cursor == Some(line.seq);
        for row in line_rows(line, log, width) {
            if selected {
                cursor_at = Some(rows.len());
            }
            let row = Line {
                row,
                right: Row::new(),
                selected,
            };
            rows.push((row, Pick::Line(line.seq)));
        }
    }
    // Wrapped lines may need more rows than there are: the cursor, else the newest, stays in view.
    let last = cursor_at
        .map_or(rows.len(), |at| (at + 1).max(height))
        .min(rows.len());
    let first = last.saturating_sub(height);
    for (row, pick) in rows.drain(first..last) {
        panel.pick(row, pick);
    }
    if panel.lines.is_empty() {
        panel.line(Row::of(
            Role::Dim,
            match (shown.logs.is_empty(), model.session.replay.is_some()) {
                (true, true) => "a recording keeps no log lines; what happened stands on 1 Overview",
                (true, false) => "nothing logged yet",
                (false, _) => "no line passes; Esc widens",
            },
        ));
    }
    panel
}

fn line_rows(line: &LogLine, log: &LogState, width: usize) -> Vec<Row> {
    let wide = width >= 70;
    let target = line.target.strip_prefix("timecoin::").unwrap_or(&line.target);
    let target = target.split("::").next().unwrap_or(target);
    let mut head = Row::new().dim(match wide {
        true => clock_ms(line.unix_ms),
        false => super::super::format::clock(line.unix_ms),
    });
    head = head
        .text(" ")
        .with(level_role(line.level), pad(line.level.word(), 5))
        .text(" ");
    if wide {
        head = head.dim(pad(target, 10)).text(" ");
    }
    let room = width.saturating_sub(head.width() + 1).max(8);
    let message = printable(&line.message);
    let fields = printable(&line.fields);
    let body = match fields.is_empty() {
        true => message.clone(),
        false => format!("{message}  {fields}"),
    };
    let split = message.len();
    let chars: Vec<(usize, char)> = body.char_indices().collect();
    let found = matches(&body, log);
    let piece = |from: usize, to: usize| {
        let mut row = Row::new();
        for (at, c) in &chars[from.min(chars.len())..to.min(chars.len())] {
            let role = match (found.iter().any(|range| range.contains(at)), *at < split) {
                (true, _) => Role::Match,
                (_, true) => Role::Text,
                _ => Role::Dim,
            };
            match row.pieces.last_mut() {
                Some(last) if last.role == role => last.text.push(*c),
                _ => row.push(role, c.to_string()),
            }
        }
        row
    };
    if !log.wrap {
        return vec![head.append(piece(log.right, log.right + room))];
    }
    let indent = " ".repeat(head.width());
    (0..chars.len().max(1))
        .step_by(room)
        .map(|from| {
            let lead = match from {
                0 => head.clone(),
                _ => Row::new().text(indent.clone()),
            };
            lead.append(piece(from, from + room))
        })
        .collect()
}

/// Byte ranges of a text that are matches of what is looked for.
fn matches(text: &str, log: &LogState) -> Vec<std::ops::Range<usize>> {
    let needle = log.find.text();
    if needle.is_empty() || needle.starts_with('!') || !needle.is_ascii() {
        return Vec::new();
    }
    let (hay, needle) = (text.as_bytes(), needle.as_bytes());
    (0..hay.len().saturating_sub(needle.len() - 1))
        .filter(|at| hay[*at..at + needle.len()].eq_ignore_ascii_case(needle))
        .map(|at| at..at + needle.len())
        .collect()
}

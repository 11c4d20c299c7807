//! Bars and charts made of block characters.

use super::super::{text::Row, theme::Role};

/// Votes against the quorum: filled for the block, shaded for another, light up to the mark.
pub(super) fn quorum_bar(width: usize, votes: u32, other: u32, n: u32, quorum: u32) -> Row {
    let cells = width.saturating_sub(1) as u64;
    if n == 0 || cells == 0 {
        return Row::of(Role::BarRest, "░".repeat(width));
    }
    let at = |count: u32| (cells * u64::from(count.min(n)) / u64::from(n)) as usize;
    let (full, shaded, mark) = (at(votes), at(votes.saturating_add(other)), at(quorum));
    let fill = match votes >= quorum {
        true => Role::Ok,
        false => Role::Bar,
    };
    let mut row = Row::new();
    let run = |row: &mut Row, from: usize, to: usize, before_mark: bool| {
        let span = |a: usize, b: usize| b.min(to).saturating_sub(a.max(from));
        row.push(fill, "█".repeat(span(0, full)));
        row.push(Role::VoteOther, "▒".repeat(span(full, shaded)));
        let rest = span(shaded, usize::MAX);
        match before_mark {
            true => row.push(Role::BarRest, "░".repeat(rest)),
            false => row.push(Role::Text, " ".repeat(rest)),
        }
    };
    run(&mut row, 0, mark, true);
    row.push(Role::Strong, "┃");
    run(&mut row, mark, cells as usize, false);
    row
}

/// How much of a limit is used.
pub(super) fn usage_bar(width: usize, part: u64, whole: u64) -> Row {
    let part = part.min(whole);
    let full = match whole {
        0 => 0,
        _ => (u128::from(part) * width as u128 / u128::from(whole)) as usize,
    };
    // Something is never drawn as nothing.
    let full = if part > 0 && full == 0 { 1.min(width) } else { full };
    let percent = match whole {
        0 => 0,
        _ => (u128::from(part) * 100 / u128::from(whole)) as u64,
    };
    let role = match percent {
        0..=79 => Role::Bar,
        80..=94 => Role::Warn,
        _ => Role::Err,
    };
    Row::new()
        .with(role, "█".repeat(full))
        .with(Role::BarRest, "░".repeat(width - full))
}

/// How much of a span has gone by; calm whatever the share.
pub(super) fn progress_bar(width: usize, part: u64, whole: u64) -> Row {
    let full = match whole {
        0 => 0,
        _ => (u128::from(part.min(whole)) * width as u128 / u128::from(whole)) as usize,
    };
    Row::new()
        .with(Role::Bar, "█".repeat(full))
        .with(Role::BarRest, "░".repeat(width - full))
}

/// A column chart of some rows, newest at the right, as tall as its greatest value.
/// Returns the rows from the top and the value of a full column.
pub(super) fn columns(values: &[u32], width: usize, height: usize) -> (Vec<Row>, u32) {
    const LEVELS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let tail = &values[values.len().saturating_sub(width)..];
    let max = tail.iter().copied().max().unwrap_or(0).max(1);
    let steps = (height * 8) as u64;
    let eighths: Vec<usize> = tail
        .iter()
        .map(|value| (u64::from(*value) * steps).div_ceil(u64::from(max)).max(1) as usize)
        .collect();
    let rows = (0..height)
        .rev()
        .map(|level| {
            let mut row = Row::new();
            for filled in &eighths {
                let here = filled.saturating_sub(level * 8);
                // The value is told by the top of its column; the body below is only its shadow.
                let role = match here > 8 {
                    true => Role::BarRest,
                    false => Role::Spark,
                };
                let glyph = LEVELS[here.min(8)];
                match row.pieces.last_mut() {
                    Some(last) if last.role == role => last.text.push(glyph),
                    _ => row.push(role, glyph.to_string()),
                }
            }
            row
        })
        .collect();
    (rows, max)
}

//! The time bar of a replay: where it is, what it spans, where alarms went up, how it goes.

use super::super::{
    format::{clock, day, duration},
    replay::Replay,
    text::Row,
    theme::Role,
};
use crate::control::Severity;

/// The bar, as wide as there is room.
pub(in super::super) fn row(replay: &Replay, width: usize) -> Row {
    let moments = &replay.moments;
    let play = match replay.playing {
        true => "▶",
        false => "‖",
    };
    let day = match width {
        70.. => format!("{} ", day(replay.at_ms)),
        _ => String::new(),
    };
    let head = format!(" {play} ×{}  {day}{}Z ", replay.speed, clock(replay.at_ms));
    let behind = moments.to_ms.saturating_sub(replay.at_ms);
    let tail = match &replay.trouble {
        Some(trouble) => format!(" {trouble} "),
        None if behind == 0 => format!(" {} kept, at its end ", duration(moments.to_ms - moments.from_ms)),
        None => format!(" {} before the end ", duration(behind)),
    };
    let room = width.saturating_sub(head.chars().count() + tail.chars().count());
    let row = Row::new().with(Role::Strong, head);
    let tail_role = match replay.trouble {
        Some(_) => Role::Warn,
        None => Role::Dim,
    };
    if room < 10 {
        return row.with(tail_role, tail);
    }
    bar(replay, room)
        .into_iter()
        .fold(row, |row, (role, glyph)| row.with(role, glyph))
        .with(tail_role, tail)
}

/// One cell each: the line, alarms on it, and the cursor over all.
fn bar(replay: &Replay, cells: usize) -> Vec<(Role, &'static str)> {
    let moments = &replay.moments;
    let span = (moments.to_ms - moments.from_ms).max(1);
    let cell = |unix_ms: u64| {
        let part = unix_ms.clamp(moments.from_ms, moments.to_ms) - moments.from_ms;
        (u128::from(part) * (cells as u128 - 1) / u128::from(span)) as usize
    };
    let at = cell(replay.at_ms);
    let mut bar: Vec<(Role, &'static str)> = (0..cells)
        .map(|index| match index <= at {
            true => (Role::Bar, "━"),
            false => (Role::BarRest, "─"),
        })
        .collect();
    for mark in &moments.marks {
        let place = &mut bar[cell(mark.unix_ms)];
        match (mark.severity, place.0) {
            (Severity::Crit, _) => *place = (Role::Err, "✖"),
            (Severity::Warn, Role::Err) => {}
            (Severity::Warn, _) => *place = (Role::Warn, "▲"),
        }
    }
    bar[at] = (Role::Focus, "●");
    bar
}

//! The last blocks, the last events, and the alarms.

use super::super::{
    super::{
        format::{UNKNOWN, age, bytes, clock, duration, fit, grouped, pad, pad_left},
        model::Shown,
        text::Row,
        theme::Role,
    },
    Level, Line, Panel,
};
use crate::control::{EventKind, Severity};

/// The last final blocks, newest first.
pub(in crate::console) fn blocks(shown: &Shown, width: usize, height: usize) -> Panel {
    let status = &*shown.status;
    let mut panel = Panel::titled(Row::new().strong("Last blocks"));
    let wide = width >= 64;
    panel.line(Row::of(
        Role::Dim,
        format!(
            "{} {} {} {}  {} {} {}",
            pad("height", 10),
            pad_left("age", 5),
            pad_left("txs", 6),
            pad_left("size", 7),
            pad("leader", 9),
            pad_left("rnd", 3),
            pad_left("final", 8),
        ),
    ));
    for block in status.chain.last_blocks.iter().take(height.saturating_sub(1)) {
        let late = block.round > 0;
        let mut row = Row::new()
            .text(pad(&grouped(block.height), 10))
            .dim(format!(
                " {}",
                pad_left(&age(shown.now.since_ms(block.finalized)), 5)
            ))
            .text(format!(
                " {} {}  ",
                pad_left(&grouped(u64::from(block.txs)), 6),
                pad_left(&bytes(block.size_bytes), 7)
            ))
            .with(
                if block.is_ours { Role::Accent } else { Role::Text },
                pad(
                    &if block.is_ours {
                        format!("{} ▸", fit(&block.proposer, 7))
                    } else {
                        block.proposer.clone()
                    },
                    9,
                ),
            )
            .with(
                if late { Role::Warn } else { Role::Dim },
                format!(" {}", pad_left(&block.round.to_string(), 3)),
            )
            .text(format!(
                " {}",
                pad_left(
                    &block
                        .finality_ms
                        .map_or_else(|| "synced".to_owned(), |ms| duration(u64::from(ms))),
                    8
                )
            ));
        if wide {
            row = row.dim(format!("  {}", block.hash.short()));
        }
        if late {
            row = row.with(Role::Warn, "  ◂");
        }
        panel.line(row);
    }
    if status.chain.last_blocks.is_empty() {
        panel.line(Row::of(Role::Dim, "no block seen in this run yet"));
    }
    panel
}

/// What happened, newest first.
pub(in crate::console) fn events(
    shown: &Shown,
    scroll: usize,
    width: usize,
    height: usize,
    foot: bool,
) -> Panel {
    let mut panel = Panel::titled(Row::new().strong("Events"));
    if foot {
        panel.foot = Row::new().with(Role::Accent, "⏎").dim(" open in Logs");
    }
    // Proposals are told by the matrix and end in a final block or a timeout, which stand here.
    let told = shown
        .events
        .iter()
        .rev()
        .filter(|event| !matches!(event.kind, EventKind::Proposed { .. }));
    for event in told.skip(scroll).take(height) {
        let role = match event.kind.severity() {
            Some(Severity::Crit) => Role::Err,
            Some(Severity::Warn) => Role::Warn,
            None => Role::Accent,
        };
        let text = Role::Text;
        panel.line(
            Row::new()
                .dim(format!("{}  ", clock(event.at.unix_ms)))
                .with(role, pad(event.kind.tag(), 7))
                .with(
                    text,
                    format!("  {}", fit(&event.kind.line(), width.saturating_sub(19))),
                ),
        );
    }
    if shown.events.is_empty() {
        panel.line(Row::of(Role::Dim, "nothing happened yet"));
    }
    panel
}

/// Alarms that are up, or that none is.
pub(in crate::console) fn alarms(shown: &Shown, width: usize, height: usize) -> Panel {
    let status = &*shown.status;
    let acked = status.alarms.iter().filter(|alarm| alarm.acked).count();
    let mut panel = Panel::titled(Row::new().strong("Alarms").dim(match status.alarms.len() {
        0 => String::new(),
        up => format!("  {up} up, {acked} acknowledged"),
    }));
    if status.alarms.is_empty() {
        let last = shown.events.iter().rev().find_map(|event| match &event.kind {
            EventKind::AlarmCleared { kind, lasted_ms } => Some(format!(
                "last: {} {}, cleared after {}",
                clock(event.at.unix_ms),
                kind.word(),
                duration(*lasted_ms)
            )),
            _ => None,
        });
        panel.line(Line {
            row: Row::new().with(Role::Ok, "● ").text("no active alarms"),
            right: Row::of(Role::Dim, last.unwrap_or_default()),
            selected: false,
        });
        let t0 = status.consensus.t0_ms;
        let stalled = match t0 {
            0 => UNKNOWN.to_owned(),
            t0 => duration(3 * t0),
        };
        let peers = match status.consensus.n {
            0 => UNKNOWN.to_owned(),
            n => 4.min(n - 1).to_string(),
        };
        panel.line(Row::of(
            Role::Dim,
            fit(
                &format!(
                    "raised at: stalled {stalled} ┊ silent 3 heights ┊ peers < {peers} ┊ |clock| > 500 ms ┊ disk < 10 % or < 7 d ┊ evidence ≥ 1"
                ),
                width,
            ),
        ));
        for warning in status.node.warnings.iter().take(height.saturating_sub(2)) {
            panel.line(
                Row::new()
                    .with(Role::Warn, "▲ ")
                    .dim(fit(warning, width.saturating_sub(2))),
            );
        }
        return panel;
    }
    for alarm in status.alarms.iter().take(height) {
        let level = Level::of(alarm.severity);
        let role = if alarm.acked { Role::Dim } else { level.role() };
        let since = duration(shown.now.since_ms(alarm.since));
        let right = format!("{}{since}", if alarm.acked { "acked  " } else { "" });
        let room = width.saturating_sub(right.chars().count() + 22);
        panel.line(Line {
            row: Row::new()
                .with(role, format!("{} {} ", level.glyph(), pad(alarm.kind.word(), 17)))
                .text(fit(&alarm.text, room)),
            right: Row::of(Role::Dim, right),
            selected: false,
        });
    }
    panel
}

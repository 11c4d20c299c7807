//! The last blocks, the last events, and the alarms.

use super::super::{
    super::{
        format::{UNKNOWN, age, bytes, clock, duration, fit, grouped, pad, pad_left, quantile},
        model::Shown,
        text::Row,
        theme::Role,
    },
    Level, Line, Panel,
};
use crate::control::{Event, EventKind, Severity, words::counted};

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

/// A line of the Events panel.
pub(in crate::console) enum Told<'a> {
    /// Something that happened.
    One(&'a Event),
    /// Blocks that became final one after the other in round 0, with nothing else between them.
    Run(Run),
}

/// A run of such blocks, of which there are at least [`RUN_MIN`].
pub(in crate::console) struct Run {
    /// When the newest became final.
    unix_ms: u64,
    from: u64,
    to: u64,
    finality_ms: Vec<u32>,
}

/// Fewer blocks in a row are told one by one.
const RUN_MIN: usize = 3;

impl Run {
    /// `final  1 284 090–117  28 blocks  p50 80 ms`.
    fn row(mut self, width: usize) -> Row {
        self.finality_ms.sort_unstable();
        let (from, to) = (grouped(self.from), grouped(self.to));
        // What both heights begin with is not said twice.
        let alike = from
            .split(' ')
            .zip(to.split(' '))
            .take_while(|(a, b)| a == b)
            .count();
        let tail: Vec<&str> = to.split(' ').skip(alike).collect();
        let text = format!(
            "{from}–{}  {}{}",
            tail.join(" "),
            counted(self.to - self.from + 1, "block"),
            match quantile(&self.finality_ms, 500) {
                Some(ms) => format!("  p50 {}", duration(u64::from(ms))),
                None => String::new(),
            }
        );
        Row::new()
            .dim(format!("{}  ", clock(self.unix_ms)))
            .with(Role::Accent, pad("final", 7))
            .text(format!("  {}", fit(&text, width.saturating_sub(19))))
    }
}

/// What happened, newest first, with runs of undisturbed blocks as one line each.
pub(in crate::console) fn told(shown: &Shown) -> Vec<Told<'_>> {
    let mut lines = Vec::new();
    // Proposals are told by the matrix and end in a final block or a timeout, which stand here.
    let mut events = shown
        .events
        .iter()
        .rev()
        .filter(|event| !matches!(event.kind, EventKind::Proposed { .. }))
        .peekable();
    while let Some(event) = events.next() {
        let EventKind::Final {
            height,
            round: 0,
            finality_ms,
            ..
        } = &event.kind
        else {
            lines.push(Told::One(event));
            continue;
        };
        let mut run = Run {
            unix_ms: event.at.unix_ms,
            from: *height,
            to: *height,
            finality_ms: finality_ms.iter().copied().collect(),
        };
        let mut blocks = vec![event];
        while let Some(next) = events.next_if(
            |next| matches!(next.kind, EventKind::Final { height, round: 0, .. } if height + 1 == run.from),
        ) {
            if let EventKind::Final {
                height, finality_ms, ..
            } = &next.kind
            {
                run.from = *height;
                run.finality_ms.extend(finality_ms);
            }
            blocks.push(next);
        }
        match blocks.len() < RUN_MIN {
            true => lines.extend(blocks.into_iter().map(Told::One)),
            false => lines.push(Told::Run(run)),
        }
    }
    lines
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
        panel.foot = Row::new().with(Role::Accent, "Enter").dim(" open in Logs");
    }
    for told in told(shown).into_iter().skip(scroll).take(height) {
        let event = match told {
            Told::One(event) => event,
            Told::Run(run) => {
                panel.line(run.row(width));
                continue;
            }
        };
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
    let more = status.alarms.len().saturating_sub(height);
    if more > 0 {
        panel.foot = Row::of(Role::Dim, format!("+{more} more"));
    }
    for alarm in status.alarms.iter().take(height) {
        let level = Level::of(alarm.severity);
        let role = if alarm.acked { Role::Dim } else { level.role() };
        let since = duration(shown.now.since_ms(alarm.since));
        let right = format!("{}{since}", if alarm.acked { "acked  " } else { "" });
        let room = width.saturating_sub(right.chars().count() + 22);
        // What is in the column beside it need not be said twice.
        let name = format!("{}: ", alarm.kind.word());
        let text = alarm.text.strip_prefix(&name).unwrap_or(&alarm.text);
        panel.line(Line {
            row: Row::new()
                .with(role, format!("{} {} ", level.glyph(), pad(alarm.kind.word(), 17)))
                .text(fit(text, room)),
            right: Row::of(Role::Dim, right),
            selected: false,
        });
    }
    panel
}

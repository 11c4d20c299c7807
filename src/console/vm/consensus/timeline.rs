//! The timeline of one round: a lane for each kind of message on a common time axis.

use super::{
    super::{
        super::{
            format::{duration, grouped, pad, pad_left, span_us},
            model::{Model, Shown},
            text::Row,
            theme::Role,
        },
        Panel, round,
    },
    view,
};
use crate::control::{HeightTrace, RoundEnd, RoundTrace, Status, TraceKind};

/// Columns before the axis begins.
const LANE_LABEL: usize = 9;
/// Columns kept free at the right for what a lane means.
const LANE_NOTE: usize = 30;

/// The timeline of the round on show, and one line about the height before it.
pub(in super::super::super) fn timeline(model: &Model, width: usize, height: usize) -> Panel {
    let shown = model.shown();
    let status = &*shown.status;
    let view = view(model);
    let mut panel = Panel::titled(
        Row::new()
            .strong("Timeline")
            .dim("  ·  ")
            .text(format!("height {}", grouped(view.height)))
            .dim("  round ")
            .text(view.round.to_string()),
    );
    panel.foot = Row::new()
        .with(Role::Accent, "[ ]")
        .dim(" height  ")
        .with(Role::Accent, "{ }")
        .dim(" round");
    let trace = round::trace(&status.consensus, view.height);
    let traced = trace.and_then(|trace| trace.rounds.iter().find(|round| round.round == view.round));
    match traced {
        Some(traced) => lanes(&mut panel, traced, shown, width),
        None => {
            panel.line(Row::of(Role::Dim, "nothing happened in this round yet"));
            for _ in 0..4 {
                panel.line(Row::new());
            }
        }
    }
    let mut tail = Vec::new();
    if let Some(trace) = trace {
        tail.push(track(trace, status, shown, width));
    }
    if let Some(previous) = status
        .consensus
        .previous
        .iter()
        .find(|trace| trace.height < view.height)
    {
        tail.push(summary(previous));
    }
    while panel.lines.len() + tail.len() < height {
        panel.line(Row::new());
    }
    for row in tail {
        panel.line(row);
    }
    panel.lines.truncate(height);
    panel
}

fn lanes(panel: &mut Panel, traced: &RoundTrace, shown: &Shown, width: usize) {
    let axis = width.saturating_sub(LANE_LABEL + LANE_NOTE).max(10);
    let running = traced.end.is_none();
    let elapsed = match running {
        true => shown.now.since_ms(traced.started) * 1_000,
        false => 0,
    };
    let last = traced.events.last().map_or(0, |event| event.offset_us);
    // A round that hangs would squeeze its votes into one column; they matter more than the wait.
    let span = match last {
        0 => elapsed.min(traced.timeout_ms * 1_000),
        last => last.max(elapsed.min(last.saturating_mul(2))),
    };
    let scale = nice(span.max(100));
    let column = |us: u64| ((us * (axis as u64 - 1)) / scale).min(axis as u64 - 1) as usize;

    panel.line(Row::new().dim(ticks(scale, axis)));
    let lane = |label: &str, kinds: &[(TraceKind, char, Role)], note: String| {
        let mut cells: Vec<Option<(char, Role)>> = vec![None; axis];
        for event in &traced.events {
            if let Some((_, glyph, role)) = kinds.iter().find(|(kind, ..)| *kind == event.kind) {
                let at = column(event.offset_us);
                // Votes that share a column step to the right as far as there is room.
                let free = (at..axis.min(at + 8)).find(|at| cells[*at].is_none());
                if let Some(free) = free {
                    cells[free] = Some((*glyph, *role));
                }
            }
        }
        if running && elapsed <= scale {
            let now = column(elapsed);
            cells[now] = cells[now].or(Some(('┊', Role::Accent)));
        }
        let mut row = Row::new().dim(pad(label, LANE_LABEL - 1)).with(Role::Border, "│");
        for cell in cells {
            row = match cell {
                Some((glyph, role)) => row.with(role, glyph.to_string()),
                None => row.text(" "),
            };
        }
        row.dim(format!("  {}", pad(&note, LANE_NOTE - 2)))
    };
    let count = |kinds: &[TraceKind]| {
        traced
            .events
            .iter()
            .filter(|event| kinds.contains(&event.kind))
            .count()
    };
    let first = |kind: TraceKind| {
        traced
            .events
            .iter()
            .find(|event| event.kind == kind)
            .map(|event| event.offset_us)
    };
    let proposal = match first(TraceKind::PrePrepare) {
        Some(us) => format!("proposal by {} +{}", traced.leader, span_us(us)),
        None => format!("no proposal by {}", traced.leader),
    };
    panel.line(lane(
        "leader",
        &[(TraceKind::PrePrepare, 'P', Role::Accent)],
        proposal,
    ));
    panel.line(lane(
        "prepare",
        &[
            (TraceKind::Prepare, '●', Role::VoteThis),
            (TraceKind::PrepareOther, '◆', Role::VoteOther),
        ],
        quorum_note(count(&[TraceKind::Prepare]), first(TraceKind::Prepared)),
    ));
    panel.line(lane(
        "commit",
        &[
            (TraceKind::Commit, '●', Role::VoteThis),
            (TraceKind::CommitOther, '◆', Role::VoteOther),
        ],
        quorum_note(count(&[TraceKind::Commit]), first(TraceKind::Decided)),
    ));
    panel.line(lane(
        "view",
        &[
            (TraceKind::ViewChange, '●', Role::Warn),
            (TraceKind::TimerFired, '✖', Role::Err),
        ],
        match (count(&[TraceKind::ViewChange]), first(TraceKind::TimerFired)) {
            (0, None) => String::new(),
            (n, None) => format!("{n} view changes"),
            (n, Some(us)) => format!("{n}, timer fired +{}", span_us(us)),
        },
    ));
}

fn quorum_note(count: usize, quorum_us: Option<u64>) -> String {
    match (count, quorum_us) {
        (0, None) => "none yet".to_owned(),
        (n, None) => format!("{n} so far"),
        (n, Some(us)) => format!("{n}, quorum +{}", span_us(us)),
    }
}

/// The next 1, 2 or 5 times a power of ten.
fn nice(us: u64) -> u64 {
    let mut unit = 1_u64;
    loop {
        for step in [1, 2, 5] {
            if us <= unit.saturating_mul(step) {
                return unit * step;
            }
        }
        match unit.checked_mul(10) {
            Some(next) if next < u64::MAX / 10 => unit = next,
            _ => return us,
        }
    }
}

/// Five labels along the axis, each beginning at its own tick.
fn ticks(scale_us: u64, axis: usize) -> String {
    let mut line = " ".repeat(LANE_LABEL);
    for fifth in 0..5_u64 {
        let at = LANE_LABEL + (axis * fifth as usize) / 5;
        let label = match fifth {
            0 => "0".to_owned(),
            _ => tick(scale_us * fifth / 5),
        };
        let gap = at.saturating_sub(line.chars().count());
        line.push_str(&" ".repeat(gap));
        line.push_str(&label);
    }
    line
}

fn tick(us: u64) -> String {
    match us {
        0..=999 => format!("{us} µs"),
        1_000..=999_999 if us.is_multiple_of(1_000) => format!("{} ms", us / 1_000),
        1_000..=999_999 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        _ if us.is_multiple_of(1_000_000) => format!("{} s", us / 1_000_000),
        _ => format!("{}.{} s", us / 1_000_000, us % 1_000_000 / 100_000),
    }
}

/// The rounds of the height as one line: `r0 ━━━━ timeout   r1 ━━╌╌ 0.4 / 2.0 s`.
fn track(trace: &HeightTrace, status: &Status, shown: &Shown, width: usize) -> Row {
    let mut row = Row::new();
    let skip = trace.rounds.len().saturating_sub(4);
    if skip > 0 {
        row = row.dim("… ");
    }
    for round in &trace.rounds[skip..] {
        row = row.strong(format!("r{} ", round.round));
        row = match round.end {
            Some(RoundEnd::Decided) => row
                .with(Role::Ok, "━━━━ ✓ ")
                .text(round.took_us.map_or_else(String::new, span_us)),
            Some(RoundEnd::TimedOut) => row
                .with(Role::Warn, "━━━━ timeout ")
                .text(duration(round.timeout_ms)),
            Some(RoundEnd::ViewChanged) => row
                .with(Role::Warn, "━━━━ view change ")
                .text(round.took_us.map_or_else(String::new, span_us)),
            Some(RoundEnd::Overtaken) => row.dim("━━╌╌ overtaken"),
            None => {
                let room = width.saturating_sub(row.width() + 44).clamp(8, 60);
                let gone = shown.now.since_ms(round.started);
                match status.consensus.timer.armed {
                    true => {
                        let total = round.timeout_ms.max(1);
                        let full = (gone.min(total) as usize * room) / total as usize;
                        row.with(Role::Accent, "━".repeat(full))
                            .with(Role::BarRest, "╌".repeat(room - full))
                            .text(format!(" {} → r{}", duration(total), round.round + 1))
                            .dim(format!(" leader {}", next_leader(status)))
                    }
                    false => row
                        .with(Role::BarRest, "╌".repeat(room))
                        .dim(format!(" {}, timer not armed", duration(gone))),
                }
            }
        };
        row = row.text("   ");
    }
    row
}

/// Who leads the next round: the validator after the leader, in the order of the set.
fn next_leader(status: &Status) -> String {
    let validators = &status.consensus.validators;
    match (status.consensus.leader, validators.len()) {
        (Some(leader), n) if n > 0 => validators[(usize::from(leader) + 1) % n].name.clone(),
        _ => "—".to_owned(),
    }
}

/// `before it: 1 284 117  r0 ✓ 74 ms`.
fn summary(trace: &HeightTrace) -> Row {
    let mut row = Row::new()
        .dim("before it  ")
        .text(grouped(trace.height))
        .text("  ");
    for round in &trace.rounds {
        let text = round.took_us.map_or_else(String::new, span_us);
        row = match round.end {
            Some(RoundEnd::Decided) => row.with(Role::Ok, format!("r{} ✓ ", round.round)).text(text),
            Some(RoundEnd::TimedOut) => row
                .with(Role::Warn, format!("r{} timeout ", round.round))
                .dim(text),
            Some(RoundEnd::ViewChanged | RoundEnd::Overtaken) | None => {
                row.dim(format!("r{} view changed ", round.round))
            }
        };
        row = row.text("  ");
    }
    let votes = trace.rounds.last().map(|round| round.commits).unwrap_or(0);
    row.dim(format!("commits {}", pad_left(&votes.to_string(), 1)))
}

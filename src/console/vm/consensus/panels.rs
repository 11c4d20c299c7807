//! Votes against the quorum, timers and record, and the rounds of the height on show.

use super::super::{
    super::{
        format::{UNKNOWN, duration, fit, grouped, offset, pad, pad_left, seconds, span_us},
        model::{Model, Shown},
        text::Row,
        theme::Role,
    },
    Panel, bar, round, tally_width, tally_words,
};
use crate::control::{Mark, RoundEnd, RoundTrace, Status, Tally, words::counted};

use super::{mark, view};

/// Votes of each kind against the quorum, and what is still missing.
pub(in crate::console) fn quorum(model: &Model, width: usize) -> Panel {
    let shown = model.shown();
    let status = &*shown.status;
    let view = view(model);
    let mut panel = Panel::titled(
        Row::new()
            .strong("Quorum")
            .dim(format!("  {} of {}", status.consensus.quorum, status.consensus.n)),
    );
    let proposals = Tally {
        votes: view
            .cells
            .iter()
            .filter(|cells| cells.pre_prepare.mark != Mark::None)
            .count() as u32,
        other: 0,
        quorum_at_us: None,
    };
    let tally = tally_width(status.consensus.n, status.consensus.quorum);
    let bar_width = width.saturating_sub(30 + tally).clamp(6, 60);
    panel.line(tally_line("PrePrepare", proposals, status, bar_width, false));
    panel.line(tally_line("Prepare", view.prepares, status, bar_width, true));
    panel.line(tally_line("Commit", view.commits, status, bar_width, true));
    panel.line(tally_line(
        "View chg",
        view.view_changes,
        status,
        bar_width,
        view.view_changing,
    ));
    if status.consensus.n == 0 {
        return panel;
    }
    let count = |wanted: Mark| {
        view.cells
            .iter()
            .filter(|cells| cells.prepare.mark == wanted)
            .count()
            .to_string()
    };
    let mut votes = Row::new().dim(pad("prepares", 11));
    for (kind, word) in [
        (Mark::ThisBlock, " this "),
        (Mark::OtherBlock, " other "),
        (Mark::Late, " late "),
        (Mark::None, " none "),
    ] {
        let (glyph, role) = mark(kind);
        votes = votes.with(role, glyph).dim(word).text(count(kind)).text("  ");
    }
    panel.line(votes);
    let lock = match status.consensus.lock {
        Some((round, digest)) => format!("on {} in round {round}", digest.short()),
        None => "on nothing".to_owned(),
    };
    panel.line(
        Row::new()
            .dim(pad("locked", 11))
            .text(fit(&lock, width.saturating_sub(11))),
    );
    panel
}

fn tally_line(label: &str, tally: Tally, status: &Status, bar_width: usize, counts: bool) -> Row {
    let consensus = &status.consensus;
    if consensus.n == 0 {
        return Row::new().text(pad(label, 12)).dim(UNKNOWN);
    }
    let row = Row::new()
        .text(pad(label, 12))
        .append(bar::quorum_bar(
            bar_width,
            tally.votes,
            tally.other,
            consensus.n,
            consensus.quorum,
        ))
        .text(format!(
            " {}  ",
            pad_left(
                &tally_words(tally, consensus.n, consensus.quorum),
                tally_width(consensus.n, consensus.quorum)
            )
        ));
    match tally.quorum_at_us {
        Some(us) => row.with(Role::Ok, "ok ").text(offset(us)),
        None if counts && tally.votes > 0 && tally.votes < consensus.quorum => {
            row.with(Role::Warn, format!("need {}", consensus.quorum - tally.votes))
        }
        None => row,
    }
}

/// Timers, how earlier heights went, and our own record.
pub(in crate::console) fn timeouts(model: &Model, width: usize) -> Panel {
    let shown = model.shown();
    let consensus = &shown.status.consensus;
    let mut panel = Panel::titled(Row::new().strong("Timeouts").dim(format!(
        "  {} doubling to {}",
        duration(consensus.t0_ms),
        duration(consensus.tmax_ms)
    )));
    let bar_width = width.saturating_sub(28).clamp(6, 40);
    let timer = consensus.timer;
    let round_timer = match timer.deadline_mono_ms.filter(|_| timer.armed) {
        Some(deadline) => {
            let left = deadline.saturating_sub(shown.now.mono_ms);
            let gone = timer.total_ms.saturating_sub(left);
            bar::progress_bar(bar_width, gone, timer.total_ms)
                .text(format!("  {}", seconds(gone)))
                .dim(format!(" / {} s", seconds(timer.total_ms)))
        }
        None => bar::progress_bar(bar_width, 0, 1).dim("  not armed"),
    };
    panel.line(Row::new().dim(pad("round timer", 13)).append(round_timer));
    let due = match consensus.due_mono_ms {
        Some(due) if due > shown.now.mono_ms => {
            let left = due - shown.now.mono_ms;
            let interval = consensus.block_interval_ms.max(1);
            bar::progress_bar(bar_width, interval.saturating_sub(left), interval)
                .dim("  in ")
                .text(format!("{} s", seconds(left)))
        }
        _ if consensus.overdue_ms > 0 => bar::progress_bar(bar_width, 1, 1).with(
            Role::Warn,
            format!("  due for {}", duration(consensus.overdue_ms)),
        ),
        _ => bar::progress_bar(bar_width, 0, 1).dim("  —"),
    };
    panel.line(Row::new().dim(pad("next block", 13)).append(due));
    let stats = &consensus.stats;
    panel.line(
        Row::new()
            .dim(pad(&format!("last {}", stats.heights), 13))
            .dim("r0 ")
            .text(stats.round0.to_string())
            .dim("   r1 ")
            .text(stats.round1.to_string())
            .dim("   r2+ ")
            .text(stats.later.to_string())
            .dim("   timeouts ")
            .text(stats.timeouts.to_string())
            .dim(match width {
                58.. => format!("   views {}", grouped(consensus.view_changes_total)),
                _ => String::new(),
            }),
    );
    let worst: Vec<String> = stats
        .worst_leaders
        .iter()
        .map(|(name, times)| format!("{} {times}×", fit(name, 12)))
        .collect();
    panel.line(
        Row::new()
            .dim(pad("slow leaders", 13))
            .text(match worst.is_empty() {
                true => "none".to_owned(),
                false => fit(&worst.join("   "), width.saturating_sub(13)),
            }),
    );
    panel.line(
        Row::new()
            .dim(pad("missed by us", 13))
            .with(
                if consensus.own_missed > 0 {
                    Role::Warn
                } else {
                    Role::Text
                },
                counted(u64::from(consensus.own_missed), "vote"),
            )
            .dim(" of the last 100 heights"),
    );
    let watchdog = consensus.watchdog;
    panel.line(
        Row::new()
            .dim(pad("deadlines", 13))
            .append(match (watchdog.checks, watchdog.missed_total) {
                (0, _) => Row::of(Role::Dim, UNKNOWN),
                (checks, 0) => Row::new()
                    .text("all met")
                    .dim(format!("   {} looks", grouped(checks))),
                (_, missed) => Row::new()
                    .with(Role::Warn, format!("{missed} missed"))
                    .dim(format!(", the last by {}", duration(watchdog.last_late_ms))),
            }),
    );
    panel
}

/// How many rounds the height on show has, for the panel to take no more room than it needs.
pub(in crate::console) fn rounds_wanted(model: &Model) -> usize {
    let status = &model.shown().status;
    round::trace(&status.consensus, view(model).height).map_or(1, |trace| trace.rounds.len())
}

/// The rounds of the height on show and the votes that matter now: small screens.
pub(in crate::console) fn rounds(model: &Model, width: usize, height: usize) -> Panel {
    let shown = model.shown();
    let status = &*shown.status;
    let view = view(model);
    let mut panel = Panel::titled(
        Row::new()
            .strong("Rounds")
            .dim(format!("  height {}", grouped(view.height))),
    );
    let bar_width = width.saturating_sub(40).clamp(6, 40);
    let tallies = match view.view_changing {
        true => vec![("View change", view.view_changes)],
        false => vec![("Prepare", view.prepares), ("Commit", view.commits)],
    };
    let mut below: Vec<Row> = tallies
        .into_iter()
        .map(|(label, tally)| tally_line(label, tally, status, bar_width, true))
        .collect();
    if width < 70 {
        below.truncate(2);
    }
    let room = height.saturating_sub(below.len()).max(1);
    if let Some(trace) = round::trace(&status.consensus, view.height) {
        let skip = trace.rounds.len().saturating_sub(room);
        for round in &trace.rounds[skip..] {
            panel.line(round_line(round, shown, width));
        }
    }
    while panel.lines.len() + below.len() < height {
        panel.line(Row::new());
    }
    for row in below {
        panel.line(row);
    }
    panel.lines.truncate(height);
    panel
}

/// `r0  30.0 s ━━━━━━ timeout  leader mn-05  prepare 4`.
fn round_line(round: &RoundTrace, shown: &Shown, width: usize) -> Row {
    let took_us = round
        .took_us
        .unwrap_or_else(|| shown.now.since_ms(round.started) * 1_000);
    let waits = round.end.is_none() && !shown.status.consensus.timer.armed;
    let (word, role) = match round.end {
        None if waits => ("not armed", Role::Warn),
        Some(RoundEnd::Decided) => ("✓ decided", Role::Ok),
        Some(RoundEnd::TimedOut) => ("timeout", Role::Warn),
        Some(RoundEnd::ViewChanged) => ("view change", Role::Warn),
        Some(RoundEnd::Overtaken) => ("overtaken", Role::Dim),
        None => ("running", Role::Accent),
    };
    let wide = width >= 70;
    let track = width.saturating_sub(if wide { 60 } else { 44 }).clamp(6, 24);
    let full = match round.timeout_ms {
        _ if waits => 0,
        0 => 0,
        timeout => (((took_us / 1_000).min(timeout) as usize * track) / timeout as usize).max(1),
    };
    Row::new()
        .strong(pad(&format!("r{}", round.round), 4))
        .text(pad_left(&span_us(took_us), 9))
        .text(" ")
        .with(role, "━".repeat(full))
        .with(Role::BarRest, "╌".repeat(track.saturating_sub(full)))
        .with(role, format!(" {}", pad(word, 12)))
        .dim(if wide { "leader " } else { "" })
        .text(pad(&round.leader, if wide { 10 } else { 7 }))
        .dim(if wide { " votes " } else { " " })
        .text(format!(
            "{}·{}·{}",
            round.prepares, round.commits, round.view_changes
        ))
}

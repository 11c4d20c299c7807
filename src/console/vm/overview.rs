//! The Overview: is all well, and if not, what is it.

use super::{
    super::{
        format::{
            UNKNOWN, age, binary_bytes, bytes, clock, duration, fee_rate, fit, grouped, offset, or_unknown,
            pad, pad_left, percent, quantile, seconds, span_us, spark,
        },
        model::Shown,
        text::Row,
        theme::Role,
    },
    Level, Line, Panel, bar, online,
    round::{self, RoundView},
    waiting_words,
};
use crate::control::{EventKind, Mark, Phase, RoundEnd, Severity, Status, Tally};

/// Finality that the design aims at; shown beside the chart.
const FINALITY_TARGET_MS: u32 = 100;

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

/// One line: what the height waits for, or that it waits for nothing.
fn waiting(status: &Status, shown: &Shown, width: usize) -> Row {
    let text = waiting_words(status);
    if !text.is_empty() {
        return Row::of(Role::Warn, fit(text, width));
    }
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
    let label_width = if wide { 10 } else { 9 };
    let mut row = Row::new()
        .text(pad(label, label_width))
        .append(bar::quorum_bar(bar_width, tally.votes, tally.other, n, quorum))
        .text(format!(
            " {}",
            pad_left(
                &match n {
                    0 => UNKNOWN.to_owned(),
                    n => format!("{}/{n}", tally.votes),
                },
                5
            )
        ));
    row = match (n, wide) {
        (0, _) => row,
        (_, true) => row.dim(format!("  quorum {quorum}  ")),
        (_, false) => row.dim(format!("  of {quorum}  ")),
    };
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

/// The round panel, seven lines.
pub(in super::super) fn round(shown: &Shown, width: usize) -> Panel {
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
    panel.line(times);
    panel.line(waiting(status, shown, width));
    let hint = &status.consensus.hint;
    if view.view_changing && !hint.is_empty() {
        // No phase has a time then, so its line says what would help.
        panel.lines[2] = panel.lines[3].clone();
        panel.lines[3] = Row::of(Role::Accent, fit(hint, width)).into();
    }
    let bar_width = width.saturating_sub(40).clamp(8, 60);
    panel.line(vote_line("Prepare", view.prepares, status, bar_width, true));
    panel.line(vote_line("Commit", view.commits, status, bar_width, true));
    panel.line(vote_line("View chg", view.view_changes, status, bar_width, true));
    panel
}

/// The round panel of small screens, five lines.
pub(in super::super) fn round_compact(shown: &Shown, width: usize) -> Panel {
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
    let bar_width = width.saturating_sub(38).clamp(6, 40);
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
    let sentence = waiting(status, shown, width);
    let stats = &status.consensus.stats;
    let rounds = match stats.heights {
        0 => Row::new(),
        heights => Row::new().dim(format!(
            "r0 {}  timeouts {}/{heights}",
            percent(u64::from(stats.round0), u64::from(heights)),
            stats.timeouts
        )),
    };
    let right = match sentence.width() + rounds.width() < width {
        true => rounds,
        false => Row::new(),
    };
    panel.line(Line {
        row: sentence,
        right,
        selected: false,
    });
    panel
}

/// `by node 0● 1● 2·`: one mark per validator for the furthest it came in this round.
fn by_node(view: &RoundView, status: &Status, width: usize) -> Row {
    let mut row = Row::new().dim("by node ");
    for (cells, validator) in view.cells.iter().zip(&status.consensus.validators) {
        let furthest = match view.view_changing {
            true => [cells.view_change.mark, Mark::None],
            false => [cells.commit.mark, cells.prepare.mark],
        };
        let mark = furthest
            .into_iter()
            .find(|mark| *mark != Mark::None)
            .unwrap_or(Mark::None);
        let (glyph, role) = super::consensus::mark(mark);
        if row.width() + 6 > width {
            return row.dim("…");
        }
        row = row
            .dim(format!(" {}", validator.index))
            .with(role, glyph)
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

/// How the node is, one line per subject.
pub(in super::super) fn health(shown: &Shown, title: &str, width: usize, wide: bool) -> Panel {
    let status = &*shown.status;
    let mut panel = Panel::titled(Row::new().strong(title));
    let mut line = |label: &str, level: Level, head: String, tail: String| {
        let row = Row::new()
            .dim(pad(label, 10))
            .with(level.role(), format!("{} ", level.glyph()))
            .text(head);
        // Half a word says nothing: a tail that does not fit is left out.
        panel.line(
            match tail.is_empty() || row.width() + tail.chars().count() + 2 > width {
                true => row,
                false => row.dim(format!("  {tail}")),
            },
        );
    };

    let (level, word) = consensus_word(status);
    let last = status.chain.finalized.map(|at| age(shown.now.since_ms(at)));
    line(
        "Consensus",
        level,
        word,
        last.map_or_else(String::new, |last| format!("final {last} ago")),
    );

    let peers = &status.peers;
    let count = peers.rows.len();
    let wanted = status.consensus.n > 1;
    let level = match (count, wanted, status.revision) {
        (_, _, 0) => Level::Unknown,
        (0, true, _) => Level::Crit,
        _ if !peers.missing.is_empty() => Level::Warn,
        _ => Level::Ok,
    };
    line(
        "Peers",
        level,
        match (status.revision, peers.max) {
            (0, _) => UNKNOWN.to_owned(),
            (_, 0) => count.to_string(),
            (_, max) => format!("{count}/{max}"),
        },
        match status.revision {
            0 => String::new(),
            _ => format!("in {}  out {}", peers.inbound, peers.outbound),
        },
    );

    let sync = &status.sync;
    let level = match (status.revision, sync.syncing, sync.blocks_behind) {
        (0, ..) => Level::Unknown,
        (_, true, _) => Level::Busy,
        (_, _, 0) => Level::Ok,
        _ => Level::Warn,
    };
    line(
        "Sync",
        level,
        if status.revision == 0 {
            UNKNOWN.to_owned()
        } else {
            sync.state.word().to_owned()
        },
        match sync.blocks_behind {
            0 => String::new(),
            behind => format!("{} behind", grouped(behind)),
        },
    );

    let level = match peers.clock_offset_ms.map(i64::unsigned_abs) {
        None => Level::Unknown,
        Some(0..=500) => Level::Ok,
        Some(501..=2_000) => Level::Warn,
        Some(_) => Level::Crit,
    };
    line(
        "Clock",
        level,
        or_unknown(peers.clock_offset_ms, |ms| format!("{ms:+} ms")),
        if peers.clock_offset_ms.is_some() {
            "to the peers".to_owned()
        } else {
            String::new()
        },
    );

    let resources = &status.resources;
    let disk = resources.disk_free_bytes.zip(resources.disk_size_bytes);
    let level = match disk {
        None => Level::Unknown,
        Some((free, size)) => match free.saturating_mul(100) / size.max(1) {
            0..=1 => Level::Crit,
            2..=9 => Level::Warn,
            _ => Level::Ok,
        },
    };
    line(
        "Disk",
        level,
        or_unknown(disk, |(free, size)| percent(size.saturating_sub(free), size)),
        disk.map_or_else(String::new, |(free, _)| format!("{} free", binary_bytes(free))),
    );

    let level = match resources.rss_bytes.map(|rss| rss >> 20) {
        None => Level::Unknown,
        Some(0..=400) => Level::Ok,
        Some(401..=500) => Level::Warn,
        Some(_) => Level::Crit,
    };
    let cpu = resources.cpu_percent.map(|cpu| format!("cpu {cpu:.0} %"));
    line(
        "Memory",
        level,
        or_unknown(resources.rss_bytes, binary_bytes),
        cpu.unwrap_or_default(),
    );

    if wide {
        let evidence = status.consensus.evidence_total;
        let level = match evidence {
            0 => Level::Unknown,
            _ => Level::Crit,
        };
        line(
            "Evidence",
            level,
            match (status.revision, evidence) {
                (0, _) => UNKNOWN.to_owned(),
                (_, 0) => "none".to_owned(),
                (_, count) => grouped(count),
            },
            resources
                .wal_fsync_p99_us
                .map_or_else(String::new, |us| format!("fsync p99 {}", span_us(us))),
        );
    }
    panel
}

fn consensus_word(status: &Status) -> (Level, String) {
    let consensus = &status.consensus;
    if status.revision == 0 {
        return (Level::Unknown, UNKNOWN.to_owned());
    }
    let alive = online(status);
    if consensus.n > 0 && alive < consensus.quorum {
        return (Level::Crit, format!("no quorum {alive}/{}", consensus.n));
    }
    if consensus.t0_ms > 0 && consensus.overdue_ms > 3 * consensus.t0_ms {
        return (Level::Warn, "late".to_owned());
    }
    match consensus.activated {
        true => (Level::Ok, format!("live {alive}/{}", consensus.n)),
        false => (Level::Busy, "waiting".to_owned()),
    }
}

/// How long finality took: quantiles, a chart as tall as there is room, and the rounds needed.
pub(in super::super) fn finality(shown: &Shown, width: usize, height: usize) -> Panel {
    let status = &*shown.status;
    let samples = &status.chain.finality_ms;
    let tail = &samples[samples.len().saturating_sub(width.saturating_sub(2))..];
    let mut panel = Panel::titled(Row::new().strong("Finality").dim(match tail.len() {
        0 => "  proposal to final".to_owned(),
        n => format!("  last {n} blocks"),
    }));
    let mut sorted = tail.to_vec();
    sorted.sort_unstable();
    let figure = |permille| or_unknown(quantile(&sorted, permille), |ms| duration(u64::from(ms)));
    let p95 = quantile(&sorted, 950).unwrap_or(0);
    let level = match p95 {
        0..=FINALITY_TARGET_MS => Role::Dim,
        _ => Role::Warn,
    };
    panel.line(Line {
        row: Row::new()
            .dim("p50 ")
            .strong(figure(500))
            .dim("  p95 ")
            .strong(figure(950))
            .dim("  p99 ")
            .text(figure(990))
            .dim("  max ")
            .text(figure(1000)),
        right: Row::of(level, format!("target {FINALITY_TARGET_MS} ms")),
        selected: false,
    });
    let chart_rows = height.saturating_sub(3).max(1);
    if tail.is_empty() {
        panel.line(Row::new());
        panel.line(Row::of(Role::Dim, " no block became final yet"));
        for _ in 2..chart_rows {
            panel.line(Row::new());
        }
    } else {
        let (rows, _) = bar::columns(tail, width.saturating_sub(2), chart_rows);
        for row in rows {
            panel.line(Row::new().text(" ").append(row));
        }
    }
    panel.line(Row::of(Role::BarRest, "─".repeat(width)));
    let stats = &status.consensus.stats;
    panel.line(match stats.heights {
        0 => Row::of(Role::Dim, "rounds —"),
        heights => Row::new()
            .dim("rounds  0: ")
            .text(stats.round0.to_string())
            .dim("   1: ")
            .with(
                if stats.round1 > 0 { Role::Warn } else { Role::Text },
                stats.round1.to_string(),
            )
            .dim("   2+: ")
            .with(
                if stats.later > 0 { Role::Warn } else { Role::Text },
                stats.later.to_string(),
            )
            .dim(format!("   of {heights}   timeouts {}", stats.timeouts)),
    });
    panel
}

/// The pool in five or six lines.
pub(in super::super) fn mempool(shown: &Shown, width: usize, wide: bool) -> Panel {
    let pool = &*shown.status.mempool;
    let mut panel = Panel::titled(Row::new().strong("Mempool"));
    let known = pool.txs_max > 0;
    let (counts, sizes) = match known {
        true => (
            format!("{} / {}", grouped(pool.txs), grouped(pool.txs_max)),
            format!("{} / {}", bytes(pool.bytes), bytes(pool.bytes_max)),
        ),
        false => (UNKNOWN.to_owned(), UNKNOWN.to_owned()),
    };
    let figures = counts.len().max(sizes.len()).max(14);
    // A bar of a few cells shows nothing that the figure beside it does not.
    let bar_width = match width.saturating_sub(figures + 9) {
        0..=5 => 0,
        room => room.min(60),
    };
    for (label, part, whole, text) in [
        ("Txs", pool.txs, pool.txs_max, counts),
        ("Bytes", pool.bytes, pool.bytes_max, sizes),
    ] {
        panel.line(
            Row::new()
                .dim(pad(label, 7))
                .append(bar::usage_bar(bar_width, part, whole))
                .text(match bar_width {
                    0 => text,
                    _ => format!("  {}", pad_left(&text, figures)),
                }),
        );
    }
    let flow = Row::new().dim(pad("In/out", 7)).text(match known {
        true => format!(
            "+{}/s  −{}/s  ",
            grouped(u64::from(pool.in_per_s)),
            grouped(u64::from(pool.out_per_s))
        ),
        false => UNKNOWN.to_owned(),
    });
    let room = width.saturating_sub(flow.width() + 1);
    panel.line(flow.with(Role::Spark, spark(&pool.in_history, room.min(32))));
    let fees = [pool.fee_min, pool.fee_p50, pool.fee_p95].map(|fee| or_unknown(fee, fee_rate));
    let [min, p50, p95] = fees;
    let evicted = match pool.evicted_per_min {
        0 => Row::of(Role::Dim, "evicted 0/min"),
        n => Row::of(Role::Warn, format!("evicted {n}/min")),
    };
    panel.line(Line {
        row: match wide {
            true => Row::new()
                .dim(pad("Fee", 7))
                .dim("min ")
                .text(min)
                .dim("  p50 ")
                .text(p50)
                .dim("  p95 ")
                .text(p95)
                .dim(" /B"),
            false => Row::new()
                .dim(pad("Fee", 7))
                .text(format!("{min} / {p50} / {p95}")),
        },
        right: if wide && known { evicted } else { Row::new() },
        selected: false,
    });
    let next = match pool.next_block_txs {
        Some(txs) => format!("next block takes {}", grouped(u64::from(txs))),
        None => String::new(),
    };
    panel.line(Line {
        row: Row::new()
            .dim(pad("Oldest", 7))
            .text(or_unknown(pool.oldest_ms, duration)),
        right: Row::of(Role::Dim, next),
        selected: false,
    });
    if wide && known {
        panel.line(Line {
            row: Row::new()
                .dim(pad("Total", 7))
                .text(grouped(pool.accepted_total))
                .dim(" accepted in this run"),
            right: match pool.refused_per_min {
                0 => Row::of(Role::Dim, "refused 0/min"),
                n => Row::of(Role::Dim, format!("refused {n}/min")),
            },
            selected: false,
        });
    }
    panel
}

/// The last final blocks, newest first.
pub(in super::super) fn blocks(shown: &Shown, width: usize, height: usize) -> Panel {
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
pub(in super::super) fn events(
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
pub(in super::super) fn alarms(shown: &Shown, width: usize, height: usize) -> Panel {
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
                    "raised at: stalled {stalled} ┊ silent 3 heights ┊ peers < {peers} ┊ |clock| > 500 ms ┊ disk < 10 % ┊ evidence ≥ 1"
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

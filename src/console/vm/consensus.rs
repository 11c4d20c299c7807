//! The Consensus screen: who voted for what and when, who is missing, and where the time went.

mod timeline;

use super::{
    super::{
        format::{
            UNKNOWN, age, clock, duration, ends, fit, grouped, offset, or_unknown, pad, pad_left, seconds,
            span_us,
        },
        model::{Model, Shown, VoteSort},
        text::Row,
        theme::Role,
    },
    Line, Panel, bar,
    round::{self, Cells, RoundView},
    waiting_words,
};
use crate::{
    control::{
        HeightMark, Mark, RoundEnd, RoundTrace, Status, Tally, ValidatorRow, VoteCell, words::counted,
    },
    crypto::PublicKey,
};

pub(in super::super) use timeline::timeline;

/// The glyph of a vote.
pub(super) fn mark(mark: Mark) -> (&'static str, Role) {
    match mark {
        Mark::None => ("·", Role::VoteNone),
        Mark::ThisBlock => ("●", Role::VoteThis),
        Mark::OtherBlock => ("◆", Role::VoteOther),
        Mark::Late => ("◌", Role::VoteLate),
        Mark::Equivocated => ("✖", Role::VoteBad),
    }
}

fn history_mark(mark: HeightMark) -> (&'static str, Role) {
    match mark {
        HeightMark::Signed => ("●", Role::VoteThis),
        HeightMark::Late => ("◌", Role::VoteLate),
        HeightMark::Missed => ("·", Role::VoteNone),
        HeightMark::Equivocated => ("✖", Role::VoteBad),
    }
}

/// The round on show.
fn view(model: &Model) -> RoundView {
    let shown = model.shown();
    round::shown(&shown.status, shown.now, model.votes.height, model.votes.round)
}

/// The validators of the table in the order it shows them.
pub(in super::super) fn order(model: &Model) -> Vec<PublicKey> {
    let view = view(model);
    ordered(model, &view).into_iter().map(|(row, _)| row.id).collect()
}

fn ordered<'a>(model: &'a Model, view: &RoundView) -> Vec<(&'a ValidatorRow, Cells)> {
    let validators = &model.shown().status.consensus.validators;
    let mut rows: Vec<(&ValidatorRow, Cells)> = validators
        .iter()
        .enumerate()
        .filter(|(_, row)| model.votes.filter.passes(&[&row.name, &row.id.to_string()]))
        .map(|(at, row)| (row, view.cells.get(at).copied().unwrap_or_default()))
        .collect();
    // Those without a stamp come last, as the slowest of all.
    let stamp = |cell: VoteCell| cell.offset_us.unwrap_or(u64::MAX);
    match model.votes.sort {
        VoteSort::Index => {}
        VoteSort::Name => rows.sort_by(|a, b| a.0.name.cmp(&b.0.name)),
        VoteSort::Prepare => rows.sort_by_key(|(_, cells)| stamp(cells.prepare)),
        VoteSort::Commit => rows.sort_by_key(|(_, cells)| stamp(cells.commit)),
        VoteSort::Silent => rows.sort_by_key(|(row, _)| std::cmp::Reverse(row.silent_heights)),
    }
    if model.votes.reverse {
        rows.reverse();
    }
    rows
}

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
pub(in super::super) fn votes(model: &Model, width: usize, height: usize) -> Panel {
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
        let arrow = if model.votes.reverse { "↓" } else { "↑" };
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

    let below = explainer(status, width);
    // Header above; the explainer and the legend below.
    let room = height.saturating_sub(2 + below.len()).max(1);
    let at = model
        .votes
        .selected
        .and_then(|id| rows.iter().position(|(row, _)| row.id == id));
    let first = at.map_or(0, |at| (at + 1).saturating_sub(room));
    for (row, cells) in rows.iter().skip(first).take(room) {
        panel.line(Line {
            row: vote_row(status, shown, &view, row, cells, &columns, width),
            right: Row::new(),
            selected: model.votes.selected == Some(row.id),
        });
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
    while panel.lines.len() + below.len() + 1 < height {
        panel.line(Row::new());
    }
    for row in below {
        panel.line(row);
    }
    panel.line(legend(&view, width));
    panel
}

/// What the height waits for and what would help; nothing while it waits for nobody.
fn explainer(status: &Status, width: usize) -> Vec<Row> {
    [
        (Role::Warn, "▲ ", waiting_words(status)),
        (Role::Accent, "→ ", status.consensus.hint.as_str()),
    ]
    .into_iter()
    .filter(|(.., text)| !text.is_empty())
    .map(|(role, sign, text)| {
        Row::new()
            .text(" ")
            .with(role, sign)
            .with(role, fit(text, width.saturating_sub(3)))
    })
    .collect()
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

fn vote_row(
    status: &Status,
    shown: &Shown,
    view: &RoundView,
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
    let name_role = match (status.consensus.is_reachable(row, status.at), row.is_self) {
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
        let seen = match row.is_self {
            true => UNKNOWN.to_owned(),
            false => or_unknown(row.last_seen_mono_ms, |at| {
                age(shown.now.mono_ms.saturating_sub(at))
            }),
        };
        out = out.dim(format!(" {}", pad_left(&seen, 6)));
    }
    let room = width.saturating_sub(out.width() + 2);
    let (note, role) = note(status, shown, row, cells, leads);
    out.text("  ").with(role, fit(&note, room))
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
    if row.silent_heights >= 3 && !row.is_self {
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

/// Votes of each kind against the quorum, and what is still missing.
pub(in super::super) fn quorum(model: &Model, width: usize) -> Panel {
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
    let bar_width = width.saturating_sub(35).clamp(6, 60);
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
            pad_left(&format!("{}/{}", tally.votes, consensus.n), 5)
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
pub(in super::super) fn timeouts(model: &Model, width: usize) -> Panel {
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
pub(in super::super) fn rounds_wanted(model: &Model) -> usize {
    let status = &model.shown().status;
    round::trace(&status.consensus, view(model).height).map_or(1, |trace| trace.rounds.len())
}

/// The rounds of the height on show and the votes that matter now: small screens.
pub(in super::super) fn rounds(model: &Model, width: usize, height: usize) -> Panel {
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
    let (word, role) = match round.end {
        Some(RoundEnd::Decided) => ("✓ decided", Role::Ok),
        Some(RoundEnd::TimedOut) => ("timeout", Role::Warn),
        Some(RoundEnd::ViewChanged) => ("view change", Role::Warn),
        Some(RoundEnd::Overtaken) => ("overtaken", Role::Dim),
        None => ("running", Role::Accent),
    };
    let wide = width >= 70;
    let track = width.saturating_sub(if wide { 60 } else { 44 }).clamp(6, 24);
    let full = match round.timeout_ms {
        0 => 0,
        timeout => ((took_us / 1_000).min(timeout) as usize * track) / timeout as usize,
    };
    Row::new()
        .strong(pad(&format!("r{}", round.round), 4))
        .text(pad_left(&span_us(took_us), 9))
        .text(" ")
        .with(role, "━".repeat(full.max(1)))
        .with(Role::BarRest, "╌".repeat(track - full.max(1).min(track)))
        .with(role, format!(" {}", pad(word, 12)))
        .dim(if wide { "leader " } else { "" })
        .text(pad(&round.leader, if wide { 10 } else { 7 }))
        .dim(if wide { " votes " } else { " " })
        .text(format!(
            "{}·{}·{}",
            round.prepares, round.commits, round.view_changes
        ))
}

/// All there is to say about one validator.
pub(in super::super) fn detail(model: &Model, id: PublicKey) -> Panel {
    let shown = model.shown();
    let status = &*shown.status;
    let Some(row) = status.consensus.validators.iter().find(|row| row.id == id) else {
        let mut panel = Panel::titled(Row::new().strong("Validator"));
        panel.line(Row::of(Role::Dim, "no longer in the set"));
        return panel;
    };
    let mut panel = Panel::titled(Row::new().strong(fit(&row.name, 24)).dim("  validator"));
    panel.focused = true;
    let mut line = |label: &str, value: Row| {
        panel.line(Row::new().dim(pad(label, 14)).append(value));
    };
    line("key", Row::of(Role::Text, ends(&id.to_string(), 24, 24)));
    line(
        "position",
        Row::of(Role::Text, format!("{} of {}", row.index, status.consensus.n)),
    );
    let seen = or_unknown(row.last_seen_mono_ms, |at| {
        format!("last heard {} ago", age(shown.now.mono_ms.saturating_sub(at)))
    });
    line(
        "reachable",
        match (row.is_self, row.online) {
            (true, _) => Row::of(Role::Text, "this node"),
            (_, true) => Row::new().with(Role::Ok, "yes").dim(format!("   {seen}")),
            (_, false) => Row::new().with(Role::Warn, "no").dim(format!("    {seen}")),
        },
    );
    line(
        "last signed",
        Row::new()
            .text(or_unknown(row.last_signed_height, |height| {
                format!("height {}", grouped(height))
            }))
            .dim(match row.silent_heights {
                0 => String::new(),
                silent => format!("   missing from {} since", counted(u64::from(silent), "height")),
            }),
    );
    let signed = row
        .history
        .iter()
        .filter(|mark| matches!(mark, HeightMark::Signed | HeightMark::Late))
        .count();
    let mut history = Row::new();
    for past in &row.history {
        let (glyph, role) = history_mark(*past);
        history = history.with(role, glyph);
    }
    line(
        "history",
        history.dim(format!("   {signed} of the last {}", row.history.len())),
    );
    let peer = status.peers.rows.iter().find(|peer| peer.validator == Some(id));
    line(
        "session",
        match peer {
            Some(peer) => Row::new()
                .text(format!("{} {}", peer.direction.word(), fit(&peer.address, 28)))
                .dim(or_unknown(peer.rtt_ms, |ms| format!("   rtt {ms} ms")).replace(UNKNOWN, "")),
            None if row.is_self => Row::of(Role::Dim, UNKNOWN),
            None => Row::of(Role::Dim, "none to this node"),
        },
    );
    line(
        "evidence",
        match row.has_evidence {
            true => Row::of(Role::VoteBad, "✖ contradicted itself; see /evidence"),
            false => Row::of(Role::Text, "none"),
        },
    );
    let blocks: Vec<String> = status
        .chain
        .last_blocks
        .iter()
        .filter(|block| block.proposer == row.name)
        .take(3)
        .map(|block| format!("{} at {}", grouped(block.height), clock(block.finalized.unix_ms)))
        .collect();
    line(
        "proposed",
        match blocks.is_empty() {
            true => Row::of(Role::Dim, "none of the last blocks"),
            false => Row::of(Role::Text, fit(&blocks.join("  "), 52)),
        },
    );
    panel
}

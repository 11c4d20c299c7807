//! The Peers screen: who is connected, how well, and what it costs.

use std::cmp::Ordering;

use super::{
    super::{
        format::{
            UNKNOWN, age, bytes, day_and_clock, duration, ends, fit, grouped, or_unknown, pad, pad_left,
            quantile, spark,
        },
        model::{Model, PeerSort, Pick},
        text::Row,
        theme::Role,
    },
    Line, Panel, span,
};
use crate::{
    control::{
        BanTarget, PeerRow, Status,
        words::{counted, printable},
    },
    crypto::PublicKey,
};

fn name(row: &PeerRow) -> String {
    row.name
        .clone()
        .unwrap_or_else(|| format!("{}…", &row.id.short()[..6]))
}

/// The peers in the order the table shows them.
pub(in super::super) fn order(model: &Model) -> Vec<PublicKey> {
    ordered(model).into_iter().map(|row| row.id).collect()
}

fn passing(model: &Model) -> Vec<&PeerRow> {
    let rows = model.shown().status.peers.rows.iter();
    let filter = &model.peers.filter;
    if filter.is_empty() {
        return rows.collect();
    }
    rows.filter(|row| filter.passes(&[&name(row), &row.address, &row.agent, row.direction.word()]))
        .collect()
}

fn ordered(model: &Model) -> Vec<&PeerRow> {
    let mut rows = passing(model);
    rows.sort_unstable_by(|a, b| compare(model, a, b));
    rows
}

/// The order of the table; the key decides between equals, so that rows never change places by chance.
fn compare(model: &Model, a: &PeerRow, b: &PeerRow) -> Ordering {
    let order = match model.peers.sort {
        // Rows without a name come after those with one.
        PeerSort::Name => (a.name.is_none(), &a.name).cmp(&(b.name.is_none(), &b.name)),
        PeerSort::Rtt => a.rtt_ms.unwrap_or(u32::MAX).cmp(&b.rtt_ms.unwrap_or(u32::MAX)),
        PeerSort::Height => b.height.cmp(&a.height),
        PeerSort::Traffic => {
            let traffic = |row: &PeerRow| row.rx_rate.saturating_add(row.tx_rate);
            traffic(b).cmp(&traffic(a))
        }
        PeerSort::Up => a.connected_mono_ms.cmp(&b.connected_mono_ms),
    };
    let order = order.then_with(|| a.id.cmp(&b.id));
    match model.peers.reverse {
        true => order.reverse(),
        false => order,
    }
}

/// The rows from place `first` on that a window has room for, in order. With thousands of peers only
/// what is shown is sorted.
fn window<'a>(model: &Model, mut rows: Vec<&'a PeerRow>, first: usize, room: usize) -> Vec<&'a PeerRow> {
    let by = |a: &&PeerRow, b: &&PeerRow| compare(model, a, b);
    let first = first.min(rows.len().saturating_sub(1));
    if first > 0 {
        rows.select_nth_unstable_by(first, by);
        rows.drain(..first);
    }
    if rows.len() > room {
        rows.select_nth_unstable_by(room, by);
        rows.truncate(room);
    }
    rows.sort_unstable_by(by);
    rows
}

/// The peer that the cursor is on, or the first in order.
fn chosen(model: &Model) -> Option<&PeerRow> {
    let rows = passing(model);
    let selected = model
        .peers
        .selected
        .and_then(|id| rows.iter().find(|row| row.id == id).copied());
    selected.or_else(|| rows.into_iter().min_by(|a, b| compare(model, a, b)))
}

/// The line above the table.
pub(in super::super) fn summary(model: &Model, width: usize) -> Row {
    let peers = &model.shown().status.peers;
    let mut row = Row::new()
        .text(format!(" {} connected", peers.rows.len()))
        .dim(format!("   in {}   out {}", peers.inbound, peers.outbound));
    if peers.max > 0 {
        row = row.dim(format!("   of {}", peers.max));
    }
    if peers.banned > 0 {
        row = row.with(Role::Warn, format!("   banned {}", peers.banned));
    }
    if !peers.missing.is_empty() {
        let room = width.saturating_sub(row.width() + 12);
        row = row
            .with(Role::Warn, "   missing ")
            .text(fit(&peers.missing.join(" "), room));
    }
    if !model.peers.filter.is_empty() {
        row = row.with(Role::Accent, format!("   / {}", model.peers.filter.text()));
    }
    row
}

/// Which columns a width has room for; those that matter least go first.
struct Columns {
    address: bool,
    trend: bool,
    traffic: bool,
    agent: bool,
    role: bool,
}

/// Columns of the picture of round trips.
const TREND: usize = 6;

impl Columns {
    fn of(width: usize) -> Self {
        Self {
            address: width >= 76,
            role: width >= 90,
            traffic: width >= 107,
            trend: width >= 115,
            agent: width >= 131,
        }
    }

    fn head(&self) -> String {
        let mut head = format!("   {} dir  ", pad("peer", 12));
        if self.address {
            head.push_str(&pad("address", 22));
        }
        head.push_str(&format!(
            "{} {} {}",
            pad_left("height", 10),
            pad_left("Δ", 7),
            pad_left("rtt", 7)
        ));
        if self.trend {
            head.push_str(&format!("  {}", pad("trend", TREND)));
        }
        if self.traffic {
            head.push_str(&format!("  {} {}", pad_left("rx/s", 7), pad_left("tx/s", 7)));
        }
        head.push_str(&format!("  {}", pad_left("up", 5)));
        if self.agent {
            head.push_str(&format!("  {}", pad("runs", 14)));
        }
        if self.role {
            head.push_str("  faults  role");
        }
        head
    }

    fn row(&self, model: &Model, row: &PeerRow) -> Row {
        let shown = model.shown();
        let own = shown.status.chain.height;
        let behind = row.height.map(|height| i128::from(height) - i128::from(own));
        let delta_role = match behind {
            Some(-2..=2) | None => Role::Dim,
            Some(_) => Role::Warn,
        };
        let slow = matches!(row.rtt_ms, Some(SLOW_MS..));
        let mut line = Row::new()
            .text("   ")
            .strong(pad(&name(row), 12))
            .dim(format!(" {}  ", pad(row.direction.word(), 3)));
        if self.address {
            line = line.text(pad(&row.address, 22));
        }
        line = line
            .text(pad_left(&or_unknown(row.height, grouped), 10))
            .with(
                delta_role,
                format!(" {}", pad_left(&or_unknown(behind, signed), 7)),
            )
            .with(
                if slow { Role::Warn } else { Role::Text },
                format!(
                    " {}",
                    pad_left(&or_unknown(row.rtt_ms, |ms| format!("{ms} ms")), 7)
                ),
            );
        if self.trend {
            let picture = spark(&model.trend.of(&row.id), TREND);
            line = line.text("  ").with(Role::Spark, pad_left(&picture, TREND));
        }
        if self.traffic {
            line = line.text(format!(
                "  {} {}",
                pad_left(&bytes(row.rx_rate), 7),
                pad_left(&bytes(row.tx_rate), 7)
            ));
        }
        let up = shown.now.mono_ms.saturating_sub(row.connected_mono_ms);
        line = line.dim(format!("  {}", pad_left(&age(up), 5)));
        if self.agent {
            line = line.dim(format!("  {}", pad(&row.agent, 14)));
        }
        if self.role {
            line = line.with(
                if row.score > 0 { Role::Warn } else { Role::Dim },
                format!("  {}", pad_left(&grouped(u64::from(row.score)), 6)),
            );
            line = match row.validator {
                Some(_) => line.with(Role::Accent, "  val"),
                None => line.dim("  full"),
            };
        }
        line
    }
}

/// A round trip from which on a peer is called slow.
const SLOW_MS: u32 = 500;

/// `−4`, `0`, `+12`.
fn signed(n: i128) -> String {
    let magnitude = grouped(u64::try_from(n.unsigned_abs()).unwrap_or(u64::MAX));
    match n {
        0 => magnitude,
        1.. => format!("+{magnitude}"),
        _ => format!("−{magnitude}"),
    }
}

/// Rows of [`selected`].
pub(in super::super) const DETAIL_ROWS: usize = 6;

/// The peer that the cursor is on, below the table.
pub(in super::super) fn selected(model: &Model, width: usize) -> Panel {
    let shown = model.shown();
    let Some(row) = chosen(model) else {
        let mut panel = Panel::titled(Row::new().strong("Peer"));
        panel.line(Row::of(Role::Dim, "no peer to tell of"));
        return panel;
    };
    let mut panel = Panel::titled(Row::new().strong(fit(&name(row), 24)).dim(match row.validator {
        Some(_) => "  validator",
        None => "  full node",
    }));
    panel.foot = Row::new()
        .with(Role::Warn, "B")
        .dim(" ban   ")
        .with(Role::Warn, "D")
        .dim(" disconnect   ")
        .with(Role::Accent, "y")
        .dim(" copy");
    let mut line = |label: &str, value: Row| {
        panel.line(Row::new().dim(pad(label, 11)).append(value));
    };
    let text = |text: String| Row::of(Role::Text, fit(&text, width.saturating_sub(11)));
    line(
        "node id",
        text(ends(&row.id.to_string(), 24, 8))
            .dim("   runs ")
            .text(fit(&row.agent, 20))
            .dim("   speaks ")
            .text(fit(&row.capabilities.join(" "), 30)),
    );
    let since = shown.now.mono_ms.saturating_sub(row.connected_mono_ms);
    line(
        "session",
        text(format!("{} {}", row.direction.word(), row.address))
            .dim("   for ")
            .text(duration(since)),
    );
    let samples = model.trend.of(&row.id);
    let mut sorted = samples.clone();
    sorted.sort_unstable();
    let figure = |permille| or_unknown(quantile(&sorted, permille), |ms| format!("{ms} ms"));
    line(
        "round trip",
        Row::new()
            .text(or_unknown(row.rtt_ms, |ms| format!("{ms} ms")))
            .dim("   min ")
            .text(figure(0))
            .dim("   p95 ")
            .text(figure(950))
            .text("   ")
            .with(Role::Spark, spark(&samples, 30)),
    );
    line(
        "traffic",
        Row::new()
            .dim("rx ")
            .text(bytes(row.rx_bytes))
            .dim(format!("  {}/s   ", bytes(row.rx_rate)))
            .dim("tx ")
            .text(bytes(row.tx_bytes))
            .dim(format!("  {}/s", bytes(row.tx_rate))),
    );
    let voter = row.validator.and_then(|id| {
        shown
            .status
            .consensus
            .validators
            .iter()
            .find(|voter| voter.id == id)
    });
    line(
        "consensus",
        match voter {
            Some(voter) => Row::new()
                .dim("last signed ")
                .text(or_unknown(voter.last_signed_height, grouped))
                .dim("   silent ")
                .text(counted(u64::from(voter.silent_heights), "height"))
                .append(match voter.has_evidence {
                    true => Row::of(Role::VoteBad, "   contradicted itself"),
                    false => Row::new(),
                }),
            None => Row::of(Role::Dim, "has not proved to be a validator"),
        },
    );
    line(
        "faults",
        match row.score {
            0 => Row::of(Role::Text, "none"),
            points => Row::of(Role::Warn, format!("{points} points")),
        },
    );
    panel
}

/// What people call whom a ban names.
pub(in super::super) fn ban_name(status: &Status, target: &BanTarget) -> String {
    match target {
        BanTarget::Node(id) => {
            let row = status.peers.rows.iter().find(|row| row.id == *id);
            row.and_then(|row| row.name.clone()).unwrap_or_else(|| id.short())
        }
        BanTarget::Range(_) => target.to_string(),
    }
}

/// Who is kept out, newest first.
pub(in super::super) fn bans(model: &Model, width: usize, height: usize) -> Panel {
    let shown = model.shown();
    let peers = &shown.status.peers;
    let mut panel = Panel::titled(Row::new().strong("Bans").dim(match peers.banned {
        0 => String::new(),
        all => format!("  {all}"),
    }));
    panel.focused = model.peers.in_bans;
    panel.foot = Row::new()
        .with(Role::Accent, "b")
        .dim(" here and back   ")
        .with(Role::Warn, "U")
        .dim(" unban");
    if peers.bans.is_empty() {
        panel.line(Row::of(Role::Dim, "nobody is banned"));
        return panel;
    }
    let wide = width >= 96;
    panel.line(Row::of(
        Role::Dim,
        format!(
            "   {} {} {} {}{}",
            pad("whom", 20),
            pad_left("ends in", 10),
            pad("  by", 12),
            if wide { pad("since", 18) } else { String::new() },
            "reason"
        ),
    ));
    let room = height.saturating_sub(1).max(1);
    let at = model
        .peers
        .ban
        .and_then(|target| peers.bans.iter().position(|ban| ban.target == target))
        .unwrap_or(0);
    let first = (at + 1).saturating_sub(room);
    panel.title = panel.title.append(span(first, room, peers.bans.len()));
    for (place, ban) in peers.bans.iter().enumerate().skip(first).take(room) {
        let left = match ban.until_ms {
            Some(until) => duration(until.saturating_sub(shown.now.unix_ms)),
            None => "never".to_owned(),
        };
        let mut row = Row::new()
            .text("   ")
            .strong(pad(&ban_name(&shown.status, &ban.target), 20))
            .text(format!(" {}", pad_left(&left, 10)))
            .dim(format!("   {}", pad(&ban.by, 10)));
        if wide {
            row = row.dim(format!(" {}", pad(&day_and_clock(ban.at_ms), 17)));
        }
        let mut reason = ban.reason.clone();
        if ban.times > 1 {
            reason.push_str(&format!(" ×{}", ban.times));
        }
        let room = width.saturating_sub(row.width() + 1);
        let line = Line {
            row: row.text(format!(" {}", fit(&reason, room))),
            right: Row::new(),
            selected: model.peers.in_bans && place == at,
        };
        panel.pick(line, Pick::Ban(ban.target));
    }
    panel
}

/// The table of sessions.
pub(in super::super) fn table(model: &Model, width: usize, height: usize) -> Panel {
    let shown = model.shown();
    let rows = passing(model);
    let passed = rows.len();
    let total = shown.status.peers.rows.len();
    // The highest, busiest and longest connected come first unless the order is reversed.
    let falls = matches!(
        model.peers.sort,
        PeerSort::Height | PeerSort::Traffic | PeerSort::Up
    );
    let arrow = if falls != model.peers.reverse {
        "↓"
    } else {
        "↑"
    };
    let mut panel = Panel::titled(Row::new().strong("Peers").dim(format!(
        "  {} of {total}   sort {} {arrow}",
        passed,
        model.peers.sort.word()
    )));
    panel.focused = !model.peers.in_bans;
    let columns = Columns::of(width);
    panel.line(Row::of(Role::Dim, columns.head()));
    let room = height.saturating_sub(1).max(1);
    let cursor = model
        .peers
        .selected
        .and_then(|id| rows.iter().find(|row| row.id == id));
    let at = cursor.map(|cursor| {
        rows.iter()
            .filter(|row| compare(model, row, cursor) == Ordering::Less)
            .count()
    });
    let first = at.map_or(0, |at| (at + 1).saturating_sub(room));
    panel.title = panel.title.append(span(first, room, passed));
    for row in window(model, rows, first, room) {
        let line = Line {
            row: columns.row(model, row),
            right: Row::new(),
            selected: model.peers.selected == Some(row.id),
        };
        panel.pick(line, Pick::Peer(row.id));
    }
    if passed == 0 {
        panel.line(Row::of(
            Role::Dim,
            match total {
                0 => "   nobody is connected",
                _ => "   no peer matches the filter",
            },
        ));
    }
    panel
}

/// Everything about one session.
pub(in super::super) fn detail(model: &Model, id: PublicKey) -> Panel {
    let shown = model.shown();
    let Some(row) = shown.status.peers.rows.iter().find(|row| row.id == id) else {
        let mut panel = Panel::titled(Row::new().strong("Peer"));
        panel.line(Row::of(Role::Dim, "no longer connected"));
        return panel;
    };
    let mut panel = Panel::titled(Row::new().strong(fit(&name(row), 24)).dim("  peer"));
    panel.focused = true;
    let mut line = |label: &str, value: String| {
        panel.line(Row::new().dim(pad(label, 12)).text(fit(&value, 54)));
    };
    line("node id", ends(&row.id.to_string(), 24, 24));
    line(
        "validator",
        row.validator.map_or_else(
            || "has not proved to be one".to_owned(),
            |id| ends(&id.to_string(), 24, 24),
        ),
    );
    line("address", format!("{} {}", row.direction.word(), row.address));
    line(
        "runs",
        if row.agent.is_empty() {
            UNKNOWN.to_owned()
        } else {
            printable(&row.agent)
        },
    );
    line("height", or_unknown(row.height, grouped));
    line("round trip", or_unknown(row.rtt_ms, |ms| format!("{ms} ms")));
    line(
        "received",
        format!("{}   {}/s", bytes(row.rx_bytes), bytes(row.rx_rate)),
    );
    line(
        "sent",
        format!("{}   {}/s", bytes(row.tx_bytes), bytes(row.tx_rate)),
    );
    line(
        "connected",
        format!(
            "{} ago",
            age(shown.now.mono_ms.saturating_sub(row.connected_mono_ms))
        ),
    );
    line("faults", row.score.to_string());
    line(
        "speaks",
        match row.capabilities.is_empty() {
            true => UNKNOWN.to_owned(),
            false => row.capabilities.join(" "),
        },
    );
    panel
}

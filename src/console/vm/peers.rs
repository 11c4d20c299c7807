//! The Peers screen: who is connected, how well, and what it costs.

use super::{
    super::{
        format::{UNKNOWN, age, bytes, ends, fit, grouped, or_unknown, pad, pad_left},
        model::{Model, PeerSort},
        text::Row,
        theme::Role,
    },
    Line, Panel,
};
use crate::{
    control::{PeerRow, words::printable},
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

fn ordered(model: &Model) -> Vec<&PeerRow> {
    let mut rows: Vec<&PeerRow> = model
        .shown()
        .status
        .peers
        .rows
        .iter()
        .filter(|row| {
            model
                .peers
                .filter
                .passes(&[&name(row), &row.address, &row.agent, row.direction.word()])
        })
        .collect();
    match model.peers.sort {
        // Rows without a name come after those with one.
        PeerSort::Name => rows.sort_by(|a, b| (a.name.is_none(), &a.name).cmp(&(b.name.is_none(), &b.name))),
        PeerSort::Rtt => rows.sort_by_key(|row| row.rtt_ms.unwrap_or(u32::MAX)),
        PeerSort::Height => rows.sort_by_key(|row| std::cmp::Reverse(row.height)),
        PeerSort::Traffic => rows.sort_by_key(|row| std::cmp::Reverse(row.rx_rate + row.tx_rate)),
        PeerSort::Up => rows.sort_by_key(|row| row.connected_mono_ms),
    }
    if model.peers.reverse {
        rows.reverse();
    }
    rows
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

/// The table of sessions.
pub(in super::super) fn table(model: &Model, width: usize, height: usize) -> Panel {
    let shown = model.shown();
    let rows = ordered(model);
    let total = shown.status.peers.rows.len();
    let arrow = if model.peers.reverse { "↓" } else { "↑" };
    let mut panel = Panel::titled(Row::new().strong("Peers").dim(format!(
        "  {} of {total}   sort {} {arrow}",
        rows.len(),
        model.peers.sort.word()
    )));
    panel.focused = true;
    let wide = width >= 96;
    let medium = width >= 74;
    let mut head = format!("   {} dir  ", pad("peer", 12));
    if medium {
        head.push_str(&pad("address", 23));
    }
    head.push_str(&format!(
        "{} {} {}",
        pad_left("height", 11),
        pad_left("Δ", 6),
        pad_left("rtt", 6)
    ));
    if wide {
        head.push_str(&format!("  {} {}", pad_left("rx/s", 8), pad_left("tx/s", 8)));
    }
    head.push_str(&format!("  {}", pad_left("up", 5)));
    if wide {
        head.push_str("  role");
    }
    panel.line(Row::of(Role::Dim, head));

    let own = shown.status.chain.height;
    let room = height.saturating_sub(1).max(1);
    let at = model
        .peers
        .selected
        .and_then(|id| rows.iter().position(|row| row.id == id));
    let first = at.map_or(0, |at| (at + 1).saturating_sub(room));
    for row in rows.iter().skip(first).take(room) {
        let behind = row.height.map(|height| height as i64 - own as i64);
        let delta_role = match behind {
            Some(-2..=2) | None => Role::Dim,
            Some(_) => Role::Warn,
        };
        let mut line = Row::new()
            .text("   ")
            .strong(pad(&name(row), 12))
            .dim(format!(" {}  ", pad(row.direction.word(), 3)));
        if medium {
            line = line.text(pad(&row.address, 23));
        }
        line = line
            .text(pad_left(&or_unknown(row.height, grouped), 11))
            .with(
                delta_role,
                format!(
                    " {}",
                    pad_left(&or_unknown(behind, |d| format!("{d:+}").replace("+0", "0")), 6)
                ),
            )
            .with(
                match row.rtt_ms {
                    Some(500..) => Role::Warn,
                    _ => Role::Text,
                },
                format!(
                    " {}",
                    pad_left(&or_unknown(row.rtt_ms, |ms| format!("{ms} ms")), 6)
                ),
            );
        if wide {
            line = line.text(format!(
                "  {} {}",
                pad_left(&bytes(row.rx_rate), 8),
                pad_left(&bytes(row.tx_rate), 8)
            ));
        }
        line = line.dim(format!(
            "  {}",
            pad_left(&age(shown.now.mono_ms.saturating_sub(row.connected_mono_ms)), 5)
        ));
        if wide {
            line = match row.validator {
                Some(_) => line.with(Role::Accent, "  val"),
                None => line.dim("  full"),
            };
            if row.score > 0 {
                line = line.with(Role::Warn, format!("  faults {}", row.score));
            }
        }
        panel.line(Line {
            row: line,
            right: Row::new(),
            selected: model.peers.selected == Some(row.id),
        });
    }
    if rows.is_empty() {
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

//! The Mempool screen: how full, how fast, at what price.

use super::{
    super::{
        format::{bytes, duration, fee_rate, grouped, or_unknown, pad, pad_left, percent},
        model::Shown,
        text::Row,
        theme::Role,
    },
    Panel, bar,
};

/// How full the pool is.
pub(in super::super) fn pressure(shown: &Shown, width: usize) -> Panel {
    let pool = &*shown.status.mempool;
    let mut panel = Panel::titled(Row::new().strong("Pressure"));
    panel.focused = true;
    let bar_width = width.saturating_sub(38).clamp(6, 70);
    for (label, part, whole, text) in [
        (
            "Count",
            pool.txs,
            pool.txs_max,
            format!("{} / {}", grouped(pool.txs), grouped(pool.txs_max)),
        ),
        (
            "Bytes",
            pool.bytes,
            pool.bytes_max,
            format!("{} / {}", bytes(pool.bytes), bytes(pool.bytes_max)),
        ),
    ] {
        panel.line(
            Row::new()
                .dim(pad(label, 7))
                .append(bar::usage_bar(bar_width, part, whole))
                .text(format!("  {}", pad_left(&text, 18)))
                .dim(format!("  {}", pad_left(&percent(part, whole), 6))),
        );
    }
    let fills = match pool.in_per_s.checked_sub(pool.out_per_s) {
        Some(net) if net > 0 && pool.txs_max > pool.txs => {
            format!(
                "fills in {}",
                duration((pool.txs_max - pool.txs) * 1_000 / u64::from(net))
            )
        }
        _ => String::new(),
    };
    panel.line(
        Row::new()
            .dim(pad("Flow", 7))
            .text(format!(
                "in {}/s   out {}/s   ",
                grouped(u64::from(pool.in_per_s)),
                grouped(u64::from(pool.out_per_s))
            ))
            .with(Role::Warn, fills),
    );
    let evicted = match pool.evicted_per_min {
        0 => Row::of(Role::Text, "0/min"),
        n => Row::of(Role::Warn, format!("{n}/min")),
    };
    panel.line(
        Row::new()
            .dim(pad("Evict", 7))
            .append(evicted)
            .dim("   refused ")
            .text(format!("{}/min", pool.refused_per_min))
            .dim("   accepted in this run ")
            .text(grouped(pool.accepted_total)),
    );
    panel
}

/// Admissions per second over the last minute.
pub(in super::super) fn flow(shown: &Shown, width: usize, height: usize) -> Panel {
    let pool = &*shown.status.mempool;
    let mut panel = Panel::titled(Row::new().strong("Admitted per second").dim("  last minute"));
    if pool.in_history.iter().all(|count| *count == 0) {
        panel.line(Row::of(Role::Dim, "none in the last minute"));
        return panel;
    }
    let (rows, max) = bar::columns(
        &pool.in_history,
        width.saturating_sub(2),
        height.saturating_sub(1).max(1),
    );
    panel.line(
        Row::new()
            .dim("most ")
            .text(format!("{}/s", grouped(u64::from(max)))),
    );
    for row in rows {
        panel.line(Row::new().text(" ").append(row));
    }
    panel
}

/// What a transaction has to pay, and what the next block takes.
pub(in super::super) fn fees(shown: &Shown) -> Panel {
    let pool = &*shown.status.mempool;
    let mut panel = Panel::titled(Row::new().strong("Fees").dim("  units per byte"));
    for (label, value) in [
        ("lowest", or_unknown(pool.fee_min, fee_rate)),
        ("middle", or_unknown(pool.fee_p50, fee_rate)),
        ("p95", or_unknown(pool.fee_p95, fee_rate)),
        ("floor", fee_rate(pool.fee_floor)),
    ] {
        panel.line(Row::new().dim(pad(label, 9)).text(pad_left(&value, 9)));
    }
    panel.line(Row::new());
    panel.line(
        Row::new()
            .dim("oldest   ")
            .text(pad_left(&or_unknown(pool.oldest_ms, duration), 9)),
    );
    panel.line(Row::new().dim("next block takes ").text(
        match (pool.next_block_txs, pool.next_block_bytes) {
            (Some(txs), Some(size)) => format!("{} txs, {}", grouped(u64::from(txs)), bytes(size)),
            (Some(txs), None) => format!("{} txs", grouped(u64::from(txs))),
            _ => "—".to_owned(),
        },
    ));
    panel
}

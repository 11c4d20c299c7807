//! The Mempool screen: how full, how fast, at what price.

use super::{
    super::{
        format::{
            UNKNOWN, bytes, duration, ends, fee_rate, fit, grouped, or_unknown, pad, pad_left, percent, spark,
        },
        model::Shown,
        text::Row,
        theme::Role,
    },
    Panel, bar,
};

/// A pool that is full within this is worth a word.
const FILLS_SOON_MS: u64 = 3_600_000;

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
    let fills = pool
        .full_in_ms
        // A trend of seconds says nothing about hours.
        .filter(|left| *left < FILLS_SOON_MS)
        .map_or_else(String::new, |left| format!("   fills in {}", duration(left)));
    let spark_width = width.saturating_sub(58).min(24) / 2;
    let mut flow = Row::new().dim(pad("Flow", 7));
    for (word, rate, history) in [
        ("in ", pool.in_per_s, &pool.in_history),
        ("   out ", pool.out_per_s, &pool.out_history),
    ] {
        flow = flow
            .dim(word)
            .text(format!("{}/s ", grouped(u64::from(rate))))
            .with(Role::Spark, spark(history, spark_width));
    }
    panel.line(flow.with(Role::Warn, fills));
    let evicted = match pool.evicted_per_min {
        0 => Row::of(Role::Text, "0/min"),
        n => Row::of(Role::Warn, format!("{n}/min")),
    };
    let mut evict = Row::new().dim(pad("Evict", 7)).append(evicted);
    if let Some(first) = pool.cheapest.first() {
        evict = evict
            .dim("   next out pays ")
            .text(format!("{} /B", fee_rate(first.fee_rate)));
    }
    evict = evict
        .dim("   refused ")
        .text(format!("{}/min", pool.refused_per_min));
    let orphans = Row::new().dim("   orphans ").text(grouped(pool.orphans));
    panel.line(match evict.width() + orphans.width() <= width {
        true => evict.append(orphans),
        false => evict,
    });
    panel
}

/// How many wait at which fee rate, as bars.
pub(in super::super) fn rates(shown: &Shown, width: usize, height: usize) -> Panel {
    let pool = &*shown.status.mempool;
    let mut panel = Panel::titled(
        Row::new()
            .strong("Fee rates")
            .dim("  units per byte, how many wait"),
    );
    // With fewer rows than bands the dear ones share the last row: the cheap end is what is pushed out.
    let rows = height.saturating_sub(1).max(1);
    let mut bands = pool.rate_bands.clone();
    while bands.len() > rows {
        let Some(dearest) = bands.pop() else { break };
        if let Some(last) = bands.last_mut() {
            last.txs = last.txs.saturating_add(dearest.txs);
        }
    }
    let labels: Vec<String> = bands
        .iter()
        .enumerate()
        .map(|(at, band)| match bands.get(at + 1) {
            Some(next) if at == 0 => format!("< {}", next.from),
            Some(next) => format!("{}–{}", band.from, next.from),
            None => format!("{}+", band.from),
        })
        .collect();
    let first_out = pool.cheapest.first().map(|cheap| cheap.fee_rate / 1_000);
    let marked = first_out.and_then(|rate| bands.iter().rposition(|band| band.from <= rate));
    let counts: Vec<u64> = bands.iter().map(|band| band.txs).collect();
    for (at, row) in bars(&labels, &counts, width.saturating_sub(8))
        .into_iter()
        .enumerate()
    {
        panel.line(match marked == Some(at) && pool.txs > 0 {
            true => row.with(Role::Accent, " ◀ first"),
            false => row,
        });
    }
    panel.line(next_block(shown, width));
    panel
}

/// How long they have waited, as bars; the oldest; and what was refused.
pub(in super::super) fn ages(shown: &Shown, width: usize, height: usize) -> Panel {
    let pool = &*shown.status.mempool;
    let mut panel = Panel::titled(Row::new().strong("Age"));
    let bands = &pool.age_bands;
    let labels: Vec<String> = bands
        .iter()
        .enumerate()
        .map(|(at, band)| match (band.below_ms, at.checked_sub(1)) {
            (Some(below), _) => format!("< {}", span(below)),
            (None, Some(before)) => {
                format!("≥ {}", bands[before].below_ms.map_or_else(String::new, span))
            }
            (None, None) => "all".to_owned(),
        })
        .collect();
    let counts: Vec<u64> = bands.iter().map(|band| band.txs).collect();
    for row in bars(&labels, &counts, width) {
        panel.line(row);
    }
    panel.line(
        Row::new()
            .dim("oldest ")
            .text(or_unknown(pool.oldest_ms, duration)),
    );
    let mut refused = pool.refused.clone();
    refused.sort_by_key(|reason| std::cmp::Reverse(reason.count));
    let room = height.saturating_sub(panel.lines.len());
    if room > 0 && refused.is_empty() {
        panel.line(Row::of(Role::Dim, "nothing refused in this run"));
    }
    for reason in refused.iter().take(room) {
        panel.line(
            Row::new()
                .dim("refused ")
                .text(pad_left(&grouped(reason.count), 7))
                .dim(format!(" {}", fit(&reason.reason, width.saturating_sub(16)))),
        );
    }
    panel
}

fn span(ms: u64) -> String {
    match ms / 1_000 {
        s @ 0..60 => format!("{s} s"),
        s @ 60..3_600 => format!("{} m", s / 60),
        s => format!("{} h", s / 3_600),
    }
}

/// One bar per label, scaled to the greatest count, with the count behind it.
fn bars(labels: &[String], counts: &[u64], width: usize) -> Vec<Row> {
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let label_width = labels
        .iter()
        .map(|label| label.chars().count())
        .max()
        .unwrap_or(0)
        + 1;
    let cells = width.saturating_sub(label_width + 9).min(48);
    labels
        .iter()
        .zip(counts)
        .map(|(label, count)| {
            let full = (u128::from(*count) * cells as u128).div_ceil(u128::from(most)) as usize;
            Row::new()
                .dim(pad(label, label_width))
                .with(Role::Bar, "█".repeat(full.min(cells)))
                .text(" ".repeat(cells - full.min(cells)))
                .with(
                    if *count == 0 { Role::Dim } else { Role::Text },
                    pad_left(&grouped(*count), 8),
                )
        })
        .collect()
}

fn next_block(shown: &Shown, width: usize) -> Row {
    let pool = &*shown.status.mempool;
    let words = match (pool.next_block_txs, pool.next_block_bytes) {
        (Some(txs), Some(size)) => format!("{} txs, {}", grouped(u64::from(txs)), bytes(size)),
        (Some(txs), None) => format!("{} txs", grouped(u64::from(txs))),
        _ => UNKNOWN.to_owned(),
    };
    Row::new()
        .dim("next block takes ")
        .text(fit(&words, width.saturating_sub(17)))
}

/// Those that pay least: who is pushed out first.
pub(in super::super) fn cheapest(shown: &Shown, width: usize, height: usize) -> Panel {
    let pool = &*shown.status.mempool;
    let mut panel = Panel::titled(Row::new().strong("Lowest fee").dim("  pushed out first"));
    if pool.cheapest.is_empty() {
        panel.line(Row::of(Role::Dim, "nothing waits"));
        return panel;
    }
    for cheap in pool.cheapest.iter().take(height.max(1)) {
        let id = cheap.txid.to_string();
        let id = match width {
            110.. => id,
            _ => ends(&id, 8, 4),
        };
        let age = shown.now.unix_ms.saturating_sub(cheap.since_unix_ms);
        let row = Row::new()
            .text(id)
            .text(format!("  {} /B", pad_left(&fee_rate(cheap.fee_rate), 6)))
            .dim(format!("  {}", pad_left(&bytes(cheap.bytes), 7)))
            .dim(format!("  in {} out {}", cheap.inputs, cheap.outputs))
            .dim(format!("  age {}", duration(age)));
        panel.line(match row.width() <= width {
            true => row,
            false => Row::of(Role::Text, fit(&row.plain(), width)),
        });
    }
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

/// What a transaction has to pay, and what became of those of this run.
pub(in super::super) fn fees(shown: &Shown) -> Panel {
    let pool = &*shown.status.mempool;
    let mut panel = Panel::titled(Row::new().strong("Fees").dim("  units per byte, and this run"));
    for (label, value) in [
        ("lowest", or_unknown(pool.fee_min, fee_rate)),
        ("middle", or_unknown(pool.fee_p50, fee_rate)),
        ("p95", or_unknown(pool.fee_p95, fee_rate)),
        ("floor", fee_rate(pool.fee_floor)),
    ] {
        panel.line(Row::new().dim(pad(label, 11)).text(pad_left(&value, 14)));
    }
    for (label, count) in [
        ("accepted", pool.accepted_total),
        ("confirmed", pool.confirmed_total),
        ("pushed out", pool.evicted_total),
        ("expired", pool.expired_total),
        ("conflicts", pool.conflicting_total),
    ] {
        panel.line(Row::new().dim(pad(label, 11)).text(pad_left(&grouped(count), 14)));
    }
    panel
}

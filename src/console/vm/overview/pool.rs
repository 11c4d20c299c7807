//! The pool in a few lines.

use super::super::{
    super::{
        format::{UNKNOWN, bytes, duration, fee_rate, grouped, or_unknown, pad, pad_left, spark},
        model::Shown,
        text::Row,
        theme::Role,
    },
    Line, Panel, bar,
};

/// The pool in five or six lines.
pub(in crate::console) fn mempool(shown: &Shown, width: usize, wide: bool) -> Panel {
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

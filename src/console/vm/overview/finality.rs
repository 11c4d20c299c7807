//! How long finality took, as figures and as a chart.

use super::super::{
    super::{
        format::{duration, or_unknown, quantile},
        model::Shown,
        text::Row,
        theme::Role,
    },
    Line, Panel, bar,
};

/// Finality that the design aims at; shown beside the chart.
const FINALITY_TARGET_MS: u32 = 100;

/// How long finality took: quantiles, a chart as tall as there is room, and the rounds needed.
pub(in crate::console) fn finality(shown: &Shown, width: usize, height: usize) -> Panel {
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

//! The Sync screen: how far behind, how fast, from whom.

use super::{
    super::{
        format::{
            UNKNOWN, binary_bytes, bytes, duration, fit, grouped, or_unknown, pad, pad_left, percent, spark,
        },
        model::Shown,
        text::Row,
        theme::Role,
    },
    Level, Panel, bar, span,
};
use crate::control::SyncState;

/// How far the node is.
pub(in super::super) fn progress(shown: &Shown, width: usize) -> Panel {
    let status = &*shown.status;
    let sync = &*status.sync;
    let mut panel = Panel::titled(match (sync.state, sync.target) {
        (SyncState::Synced, _) => Row::new().strong("At the tip"),
        (SyncState::Halted, _) => Row::new().strong("Halted"),
        (_, Some(target)) => Row::new()
            .strong("Catching up")
            .dim(format!("  to {}", grouped(target))),
        (_, None) => Row::new().strong("Looking for the tip"),
    });
    panel.focused = true;
    let level = match sync.state {
        SyncState::Synced => Level::Ok,
        SyncState::Stalled | SyncState::Halted => Level::Crit,
        SyncState::WaitingPeers
        | SyncState::Sampling
        | SyncState::Snapshot
        | SyncState::Blocks
        | SyncState::CatchUp => Level::Busy,
    };
    let height = status.chain.height;
    let target = sync.target.unwrap_or(height).max(height);
    let bar_width = width.saturating_sub(34).clamp(6, 80);
    panel.line(
        Row::new()
            .dim(pad("State", 8))
            .with(level.role(), format!("{} ", level.glyph()))
            .text(sync.state.word())
            .dim(match sync.stalled_because.as_str() {
                "" => String::new(),
                why => format!("  {why}"),
            }),
    );
    panel.line(
        Row::new()
            .dim(pad("Blocks", 8))
            .append(bar::progress_bar(bar_width, height, target))
            .text(format!("  {}", pad_left(&grouped(height), 11)))
            .dim(format!("  {}", percent(height, target))),
    );
    panel.line(
        Row::new()
            .dim(pad("Rate", 8))
            .text(or_unknown(sync.blocks_per_s, |rate| {
                format!("{rate:.0} blocks/s")
            }))
            .text("  ")
            .with(Role::Spark, spark(&sync.rate_history, 30))
            .text(
                sync.bytes_per_s
                    .map_or_else(String::new, |rate| format!("  {}/s", bytes(rate))),
            ),
    );
    panel.line(
        Row::new()
            .dim(pad("Behind", 8))
            .text(format!("{} blocks", grouped(sync.blocks_behind)))
            .dim("   eta ")
            .text(or_unknown(sync.eta_ms, duration))
            .dim("   database ")
            .text(or_unknown(status.resources.db_bytes, binary_bytes)),
    );
    panel
}

/// Whom blocks are asked from.
pub(in super::super) fn sources(shown: &Shown, width: usize, height: usize) -> Panel {
    let sync = &*shown.status.sync;
    let mut panel = Panel::titled(Row::new().strong("Sources"));
    panel.line(Row::of(
        Role::Dim,
        format!(
            "{}  {}  {}  {}",
            pad("peer", 16),
            pad("range", 25),
            pad_left("blocks/s", 9),
            pad_left("errors", 7)
        ),
    ));
    let room = height.saturating_sub(1);
    panel.title = panel.title.append(span(0, room, sync.sources.len()));
    for source in sync.sources.iter().take(room) {
        let name = source.name.clone().unwrap_or_else(|| source.id.short());
        let range = source.range.map_or_else(
            || "idle".to_owned(),
            |(from, to)| format!("{}–{}", grouped(from), grouped(to)),
        );
        panel.line(
            Row::new()
                .text(pad(&name, 16))
                .text(format!("  {}", pad(&range, 25)))
                .text(format!(
                    "  {}",
                    pad_left(&or_unknown(source.blocks_per_s, |rate| format!("{rate:.0}")), 9)
                ))
                .with(
                    if source.errors > 0 { Role::Warn } else { Role::Dim },
                    format!("  {}", pad_left(&source.errors.to_string(), 7)),
                ),
        );
    }
    if sync.sources.is_empty() {
        panel.line(Row::of(
            Role::Dim,
            match sync.state {
                SyncState::Synced => "nothing to fetch",
                _ => "no source yet",
            },
        ));
    }
    if let Some(backfill) = &sync.backfill
        && panel.lines.len() < height
    {
        let line = backfill.line(shown.status.chain.height);
        panel.line(Row::of(Role::Dim, line));
    }
    for line in &mut panel.lines {
        if line.row.width() > width {
            line.row = Row::of(Role::Text, fit(&line.row.plain(), width));
        }
    }
    panel
}

/// What the tip is.
pub(in super::super) fn tip(shown: &Shown, width: usize) -> Panel {
    let status = &*shown.status;
    let chain = &*status.chain;
    let mut panel = Panel::titled(Row::new().strong("Tip"));
    for (label, value) in [
        ("height", grouped(chain.height)),
        ("hash", chain.hash.to_string()),
        ("utxo", chain.utxo_commitment.to_string()),
        ("genesis", status.node.chain_id.to_string()),
        ("outputs", or_unknown(chain.utxos, grouped)),
        (
            "final",
            chain.finalized.map_or_else(
                || UNKNOWN.to_owned(),
                |at| format!("{} ago", duration(shown.now.since_ms(at))),
            ),
        ),
    ] {
        panel.line(
            Row::new()
                .dim(pad(label, 9))
                .text(fit(&value, width.saturating_sub(9))),
        );
    }
    panel
}

/// Whether there is more than one chain, as far as this node can tell.
pub(in super::super) fn forks(shown: &Shown, width: usize) -> Panel {
    let status = &*shown.status;
    let (chain, sync) = (&*status.chain, &*status.sync);
    let mut panel = Panel::titled(Row::new().strong("Forks"));
    let label = |text: &str| Row::new().dim(pad(text, 9));
    if status.revision == 0 {
        panel.line(label("chain").text(UNKNOWN));
        return panel;
    }
    panel.line(match sync.state {
        SyncState::Halted => label("chain").with(
            Role::Err,
            fit(
                &format!(
                    "✖ split at height {}: a human has to choose",
                    grouped(chain.height + 1)
                ),
                width.saturating_sub(9),
            ),
        ),
        _ => label("chain").with(Role::Ok, "● one").dim(fit(
            &format!(
                "  final to {}: certified blocks are never taken back",
                grouped(chain.height)
            ),
            width.saturating_sub(14),
        )),
    });
    let told: Vec<u64> = status.peers.rows.iter().filter_map(|peer| peer.height).collect();
    let near = told
        .iter()
        .filter(|height| height.abs_diff(chain.height) <= 1)
        .count();
    let highest = told.iter().copied().max();
    panel.line(
        label("peers").append(match highest {
            None => Row::of(Role::Dim, "none has told its height"),
            Some(highest) => Row::new()
                .text(format!("{near} of {} at our tip", told.len()))
                .dim(format!("   highest {}", grouped(highest))),
        }),
    );
    let stats = &status.consensus.stats;
    panel.line(
        label("rounds").append(match stats.heights {
            0 => Row::of(Role::Dim, "no height seen yet"),
            heights => Row::new()
                .text(format!("{} of {heights}", stats.round1 + stats.later))
                .dim(" heights were decided after a view change"),
        }),
    );
    let evidence = status.consensus.evidence_total;
    panel.line(label("evidence").append(match evidence {
        0 => Row::of(Role::Dim, "nobody is proven to have contradicted itself"),
        count => Row::of(
            Role::Err,
            format!(
                "{} of equivocation",
                crate::control::words::counted(count, "proof")
            ),
        ),
    }));
    panel.line(label("genesis").text(fit(&status.node.chain_id.to_string(), width.saturating_sub(9))));
    panel
}

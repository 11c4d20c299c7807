//! The card for terminals too small for a screen: the few figures that matter, most important first.

use super::{
    super::{
        format::{UNKNOWN, binary_bytes, duration, fit, grouped, or_unknown, percent, quantile, seconds},
        model::Model,
        text::Row,
        theme::Role,
    },
    Level, bar, frame, link, round, tally_words, waiting_words,
};

/// The last row: the link's banner, else what is being typed, else keys and the badge; and whether it
/// must be seen even where there is one row only.
pub(in super::super) fn foot(model: &Model, width: usize) -> (bool, Row, Row) {
    if let Some((_, left, _)) = link::banner(model, width) {
        return (true, left, Row::new());
    }
    if model.prompt.is_some() {
        let (left, _) = frame::footer(model, width);
        return (true, left, Row::new());
    }
    let keys = |keys: &[(&str, &str)]| {
        keys.iter().fold(Row::new(), |row, (key, word)| {
            row.with(Role::Accent, *key).dim(format!(" {word}  "))
        })
    };
    let badge = frame::badge(model);
    let all = keys(&[("1-6", "view"), ("?", "help"), ("q", "leave")]);
    let few = keys(&[("?", "help"), ("q", "leave")]);
    for (row, badge) in [
        (all.clone(), badge.clone()),
        (few.clone(), badge.clone()),
        (all, Row::new()),
        (few, Row::new()),
    ] {
        if row.width() + badge.width() < width {
            return (false, row, badge);
        }
    }
    (false, Row::new(), Row::new())
}

/// As many rows as there is room for.
pub(in super::super) fn rows(model: &Model, width: usize, height: usize) -> Vec<Row> {
    let shown = model.shown();
    let status = &*shown.status;
    let (sign, role, word) = frame::state_now(model);
    let consensus = &status.consensus;
    let view = round::shown(status, shown.now, None, None);
    let state = Row::new().with(role, format!("{sign} ")).with(role, word);
    let height_text = match status.revision {
        0 => UNKNOWN.to_owned(),
        _ => grouped(status.chain.height),
    };
    if height <= 1 {
        let long = state.clone().text("  H ").strong(height_text.clone());
        return vec![match long.width() <= width {
            true => long,
            false => Row::of(role, sign).text(" ").strong(height_text),
        }];
    }
    let name = Row::new()
        .with(Role::Accent, "⧗ ")
        .text(format!("{} ", status.node.network))
        .strong(fit(&status.node.name, 12));
    let first = match name.width() + state.width() + 1 < width {
        true => {
            let column = width - state.width();
            name.until_column(column).append(state)
        }
        false => state,
    };
    let alarm = status
        .alarms
        .iter()
        .find(|alarm| !alarm.acked)
        .or(status.alarms.first())
        .map(|alarm| {
            let level = Level::of(alarm.severity);
            Row::new()
                .with(level.role(), format!("{} ", level.glyph()))
                .with(level.role(), fit(&alarm.text, width.saturating_sub(2)))
        });
    let mut rows = vec![first];
    let clock = match view.elapsed_us {
        Some(us) if view.view_changing => duration(us / 1_000),
        Some(us) if view.is_live && view.timeout_ms > 0 => {
            format!("{} / {} s", seconds(us / 1_000), seconds(view.timeout_ms))
        }
        _ => String::new(),
    };
    let phase = match view.view_changing {
        true => "view change",
        false => view.phase.word(),
    };
    rows.push(
        Row::new()
            .dim("H ")
            .strong(height_text)
            .dim(format!("  r{} ", view.round))
            .text(phase)
            .dim(format!("  {clock}")),
    );
    rows.extend(alarm);
    let waiting = waiting_words(status);
    if !waiting.is_empty() {
        rows.push(Row::of(Role::Warn, fit(waiting, width)));
    }
    let votes_bar = (width / 2).saturating_sub(15).clamp(4, 14);
    let (n, quorum) = (consensus.n, consensus.quorum);
    if view.view_changing {
        let tally = view.view_changes;
        rows.push(
            Row::new()
                .dim("view change ")
                .append(bar::quorum_bar(votes_bar, tally.votes, tally.other, n, quorum))
                .text(format!(" {}", tally_words(tally, n, quorum))),
        );
    }
    rows.push(
        Row::new()
            .dim("prep ")
            .append(bar::quorum_bar(
                votes_bar,
                view.prepares.votes,
                view.prepares.other,
                n,
                quorum,
            ))
            .text(format!(" {}/{quorum}", view.prepares.votes))
            .dim("  comm ")
            .append(bar::quorum_bar(
                votes_bar,
                view.commits.votes,
                view.commits.other,
                n,
                quorum,
            ))
            .text(format!(" {}/{quorum}", view.commits.votes)),
    );
    rows.push(
        Row::new()
            .dim("peers ")
            .text(status.peers.rows.len().to_string())
            .dim(format!(
                "  in {} out {}",
                status.peers.inbound, status.peers.outbound
            ))
            .dim("  behind ")
            .text(grouped(status.sync.blocks_behind)),
    );
    let pool = &status.mempool;
    rows.push(
        Row::new()
            .dim("pool ")
            .text(percent(pool.txs, pool.txs_max))
            .dim("  ")
            .text(format!("{} txs", grouped(pool.txs)))
            .dim("  evict ")
            .text(pool.evicted_per_min.to_string()),
    );
    let mut sorted = status.chain.finality_ms.clone();
    sorted.sort_unstable();
    let figure = |permille| or_unknown(quantile(&sorted, permille), |ms| duration(u64::from(ms)));
    rows.push(
        Row::new()
            .dim("final p50 ")
            .text(figure(500))
            .dim("  p95 ")
            .text(figure(950)),
    );
    rows.push(
        Row::new()
            .dim("mem ")
            .text(or_unknown(status.resources.rss_bytes, binary_bytes))
            .dim("  disk free ")
            .text(or_unknown(status.resources.disk_free_bytes, binary_bytes)),
    );
    rows.truncate(height);
    rows
}

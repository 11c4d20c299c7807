//! How the node is, one line per subject: a glyph, a figure, and a note where there is room.

use super::super::{
    super::{
        format::{UNKNOWN, age, binary_bytes, grouped, or_unknown, pad, percent, span_us},
        model::Shown,
        text::Row,
    },
    Level, Panel, online,
};
use crate::control::{Status, SyncState, peers_severity};

/// How the node is, one line per subject.
pub(in crate::console) fn health(shown: &Shown, title: &str, width: usize, wide: bool) -> Panel {
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
    let level = match (peers_severity(status), status.revision) {
        (_, 0) => Level::Unknown,
        (Some(severity), _) => Level::of(severity),
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
    let level = match (status.revision, sync.state) {
        (0, _) => Level::Unknown,
        (_, SyncState::Halted | SyncState::Stalled) => Level::Crit,
        (_, SyncState::Synced) if sync.blocks_behind == 0 => Level::Ok,
        (_, SyncState::Synced | SyncState::Sampling) => Level::Warn,
        (_, SyncState::WaitingPeers | SyncState::Snapshot | SyncState::Blocks | SyncState::CatchUp) => {
            Level::Busy
        }
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
        or_unknown(peers.clock_offset_ms, |ms| format!("{ms:+} ms").replace('-', "−")),
        if peers.clock_offset_ms.is_some() {
            "to the peers".to_owned()
        } else {
            String::new()
        },
    );

    let resources = &status.resources;
    let disk = resources.disk_free_bytes.zip(resources.disk_size_bytes);
    let days = resources.disk_full_in_ms.map(|left| left / 86_400_000);
    let level = match disk {
        None => Level::Unknown,
        Some((free, size)) => match (free.saturating_mul(100) / size.max(1), days) {
            (0..=1, _) | (_, Some(0)) => Level::Crit,
            (2..=9, _) | (_, Some(..7)) => Level::Warn,
            _ => Level::Ok,
        },
    };
    // A disk that fills in a year is not filling.
    let left = days
        .filter(|days| *days < 365)
        .map_or_else(String::new, |days| format!("  ~{days} d"));
    line(
        "Disk",
        level,
        or_unknown(disk, |(free, size)| percent(size.saturating_sub(free), size)),
        disk.map_or_else(String::new, |(free, _)| {
            format!("{} free{left}", binary_bytes(free))
        }),
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
    if consensus.n > 0 && alive < consensus.quorum && status.has_just_begun() {
        return (Level::Busy, format!("finding {alive}/{}", consensus.n));
    }
    if consensus.n > 0 && alive < consensus.quorum {
        return (Level::Crit, format!("no quorum {alive}/{}", consensus.n));
    }
    if consensus.t0_ms > 0 && consensus.overdue_ms > 10 * consensus.t0_ms {
        return (Level::Crit, "stalled".to_owned());
    }
    if consensus.t0_ms > 0 && consensus.overdue_ms > 3 * consensus.t0_ms {
        return (Level::Warn, "late".to_owned());
    }
    match consensus.activated {
        // One more loss halts finality: nothing to be green about.
        true if alive == consensus.quorum && alive < consensus.n => {
            (Level::Warn, format!("live {alive}/{}", consensus.n))
        }
        true => (Level::Ok, format!("live {alive}/{}", consensus.n)),
        false => (Level::Busy, "waiting".to_owned()),
    }
}

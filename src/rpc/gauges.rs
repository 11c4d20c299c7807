//! Status → gauges, at scrape time, so that screen and scrape cannot disagree.

use std::sync::atomic::Ordering;

use crate::{
    chain::UNITS_PER_TIME,
    control::{Direction, HealthWord, LogLevel, LogRing, Mode, Phase, Status},
    metrics::{
        Counter, Metrics, flag,
        labels::{self, HealthCheck, Label, LogLevelLabel, Loop, NodeState, PhaseLabel, VoteLabel},
    },
};

/// Writes everything that the Status and the log ring know into the metrics.
pub fn set_gauges(metrics: &Metrics, status: &Status, logs: &LogRing) {
    node(metrics, status);
    for (label, level) in [
        (LogLevelLabel::Error, LogLevel::Error),
        (LogLevelLabel::Warn, LogLevel::Warn),
    ] {
        metrics.node.log_lines.raise_to(label, logs.count(level));
    }
    chain(metrics, status);
    consensus(metrics, status);
    peers(metrics, status);
    mempool(metrics, status);
    storage(metrics, status);
}

fn node(metrics: &Metrics, status: &Status) {
    let node = &metrics.node;
    node.state.set_only(Some(state(status)));
    node.healthy.set(flag(status.health.live));
    node.ready.set(flag(status.health.ready));
    for check in &status.health.checks {
        if let Some(label) = HealthCheck::named(&check.name) {
            node.health_check_ok.set(label, flag(check.ok));
        }
    }
    node.uptime_seconds
        .set(seconds(status.at.since_ms(status.node.started)));
    node.alarms_active.set(status.alarms.len() as u64);
    node.clock_offset_seconds
        .set(status.peers.clock_offset_ms.map_or(0.0, |ms| ms as f64 / 1000.0));
    raise(&node.log_lines_dropped, status.resources.log_lines_dropped);
    for task in status.tasks.iter() {
        let Some(which) = loop_named(&task.name) else {
            continue;
        };
        let age_ms = status.at.mono_ms.saturating_sub(task.tick_mono_ms);
        node.task_tick_age_seconds.set(which, age_ms / 1000);
        node.task_running
            .set(which, flag(age_ms <= crate::control::CRITICAL_TICK_LIMIT_MS));
    }
}

fn state(status: &Status) -> NodeState {
    if status.stop.is_some() {
        return NodeState::Stopping;
    }
    match status.health.word {
        HealthWord::Ok => NodeState::Ready,
        HealthWord::Syncing => NodeState::Syncing,
        HealthWord::Degraded | HealthWord::Unhealthy => NodeState::Degraded,
        HealthWord::Stalled => NodeState::Stalled,
        HealthWord::Starting => NodeState::Starting,
    }
}

fn loop_named(name: &str) -> Option<Loop> {
    match name {
        "consensus" | "engine" => Some(Loop::Consensus),
        "network" | "p2p" => Some(Loop::Network),
        "storage" => Some(Loop::Storage),
        _ => None,
    }
}

fn chain(metrics: &Metrics, status: &Status) {
    let chain = &metrics.chain;
    chain.finalized_height.set(status.chain.height);
    chain
        .last_block_timestamp_seconds
        .set(seconds(status.chain.timestamp_ms));
    chain.blocks_behind.set(status.sync.blocks_behind);
    if let Some(utxos) = status.chain.utxos {
        chain.utxo_entries.set(utxos);
    }
    if let Some(units) = status.chain.supply {
        // A gauge of base units would leave what a float holds exactly; of TIME it does not matter.
        chain.supply_coins.set(units as f64 / UNITS_PER_TIME as f64);
    }
}

fn consensus(metrics: &Metrics, status: &Status) {
    let (to, from) = (&metrics.consensus, &*status.consensus);
    to.height.set(from.height);
    to.round.set(u64::from(from.round));
    to.phase.set_only(Some(match (from.view_changing, from.phase) {
        (true, _) => PhaseLabel::ViewChange,
        (false, Phase::PrePrepare) => PhaseLabel::Propose,
        (false, Phase::Prepare) => PhaseLabel::Prepare,
        (false, Phase::Commit) => PhaseLabel::Commit,
        (false, Phase::Finalized) => PhaseLabel::Idle,
    }));
    to.validators.set(u64::from(from.n));
    to.validators_online
        .set(from.validators.iter().filter(|row| row.online).count() as u64);
    to.quorum_votes.set(u64::from(from.quorum));
    to.votes.set(VoteLabel::Prepare, u64::from(from.prepares.votes));
    to.votes.set(VoteLabel::Commit, u64::from(from.commits.votes));
    to.votes
        .set(VoteLabel::ViewChange, u64::from(from.view_changes.votes));
    to.base_timeout_seconds.set(seconds(from.t0_ms));
    to.overdue_seconds.set(seconds(from.overdue_ms));
    to.validator_active.set(flag(status.node.mode == Mode::Validator));
    to.validator_signing.set(flag(status.signing.signing));
    to.missed_recent.set(u64::from(from.own_missed));
    let own = from.validators.iter().find(|row| row.is_self);
    if let Some(height) = own.and_then(|row| row.last_signed_height) {
        to.last_signed_height.set(height);
    }
}

fn peers(metrics: &Metrics, status: &Status) {
    let rows = &status.peers.rows;
    let dialed_by = |direction| rows.iter().filter(|row| row.direction == direction).count() as u64;
    metrics.p2p.peers.set(rows.len() as u64);
    metrics
        .p2p
        .sessions
        .set(labels::Direction::Inbound, dialed_by(Direction::Inbound));
    metrics
        .p2p
        .sessions
        .set(labels::Direction::Outbound, dialed_by(Direction::Outbound));
    metrics
        .p2p
        .best_peer_height
        .set(rows.iter().filter_map(|row| row.height).max().unwrap_or(0));
    metrics.p2p.banned_peers.set(u64::from(status.peers.banned));
}

fn mempool(metrics: &Metrics, status: &Status) {
    let (to, from) = (&metrics.mempool, &status.mempool);
    to.txs.set(from.txs);
    to.bytes.set(from.bytes);
    to.limit_txs.set(from.txs_max);
    to.limit_bytes.set(from.bytes_max);
    to.oldest_age_seconds.set(seconds(from.oldest_ms.unwrap_or(0)));
}

fn storage(metrics: &Metrics, status: &Status) {
    let to = &metrics.storage;
    let host = &status.resources;
    for (gauge, bytes) in [
        (&to.size_bytes, host.db_bytes),
        (&to.disk_free_bytes, host.disk_free_bytes),
        (&to.disk_size_bytes, host.disk_size_bytes),
    ] {
        if let Some(bytes) = bytes {
            gauge.set(bytes);
        }
    }
    to.backfill_blocks_left.set(
        status
            .sync
            .backfill
            .as_ref()
            .map_or(0, |backfill| backfill.missing()),
    );
    to.sync_active.set(flag(status.sync.state.is_moving()));
    to.sync_target_height
        .set(status.sync.target.unwrap_or(status.chain.height));
}

/// Brings a counter up to a total that only the Status keeps. Never used for what the node counts
/// itself: between its count and the next Status, the two would add up.
fn raise(counter: &Counter, total: u64) {
    counter.inner().fetch_max(total, Ordering::Relaxed);
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

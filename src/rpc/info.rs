//! What the methods answer that show one part of the snapshot: network, sync, consensus, node, coins, and the
//! caller's own rights. The figures are those of `/status` and of the console; nothing is computed anew.

use serde_json::{Value, json};

use super::{
    App,
    access::{Access, Caller},
    limits,
    methods::METHODS,
};
use crate::control::{Direction, Status, Tally, status_json};

/// `getnetworkinfo`.
pub(super) fn network(status: &Status) -> Value {
    let peers = &status.peers;
    let inbound = peers
        .rows
        .iter()
        .filter(|row| row.direction == Direction::Inbound)
        .count();
    json!({
        "version": status.node.version,
        "network": status.node.network,
        "node_id": status.node.node_id,
        "listen": status.node.p2p_listen,
        "connections": peers.rows.len(),
        "connections_in": inbound,
        "connections_out": peers.rows.len() - inbound,
        "connections_max": peers.max,
        "not_connected": peers.missing,
        "banned": peers.banned,
        "clock_offset_ms": peers.clock_offset_ms,
        "minfee": status.mempool.fee_floor,
        "warnings": status.node.warnings,
    })
}

/// `getsyncinfo`.
pub(super) fn sync(status: &Status) -> Value {
    let sync = &status.sync;
    let sources = sync.sources.iter();
    let sources = sources.map(|source| {
        json!({ "id": source.id, "name": source.name, "range": source.range, "errors": source.errors })
    });
    json!({
        "state": sync.state,
        "syncing": sync.syncing,
        "stalled_because": sync.stalled_because,
        "current": status.chain.height,
        "target": sync.target,
        "blocks_behind": sync.blocks_behind,
        "from": sync.from,
        "blocks_per_s": sync.blocks_per_s,
        "bytes_per_s": sync.bytes_per_s,
        "eta_ms": sync.eta_ms,
        "sources": sources.collect::<Vec<_>>(),
        "in_flight": sync.in_flight,
        "buffered_bytes": sync.buffered_bytes,
        "stalls": sync.stalls,
        "snapshot_pages": sync.snapshot_pages,
        "resync": sync.resync,
        "backfill": sync.backfill,
    })
}

/// `getconsensusinfo`.
pub(super) fn consensus(status: &Status) -> Value {
    let seen = status_json::status(status);
    let consensus = &status.consensus;
    let online = seen
        .validators
        .iter()
        .filter(|validator| validator.online)
        .count();
    let now_ms = status.at.mono_ms;
    let leader = consensus
        .leader
        .and_then(|index| consensus.validators.get(usize::from(index)));
    let tally =
        |tally: &Tally| json!({ "have": tally.votes, "other": tally.other, "need": consensus.quorum });
    let missing = consensus
        .validators
        .iter()
        .filter(|row| !consensus.is_reachable(row, status.at));
    let missing = missing.map(|row| {
        json!({
            "id": row.id,
            "name": row.name,
            "last_seen_ms": row.last_seen_mono_ms.map(|seen| now_ms.saturating_sub(seen)),
            "last_signed_height": row.last_signed_height,
        })
    });
    json!({
        "height": status.chain.height + 1,
        "round": seen.round,
        "phase": seen.phase,
        "round_elapsed_ms": status.at.since_ms(consensus.round_started),
        "deadline_in_ms": consensus.timer.deadline_mono_ms.map(|deadline| deadline.saturating_sub(now_ms)),
        "overdue_ms": consensus.overdue_ms,
        "last_block_age_ms": status.chain.finalized.map(|at| status.at.since_ms(at)),
        "proposer": leader.map(|row| json!({ "id": row.id, "name": row.name })),
        "is_our_turn": consensus.is_our_turn,
        "votes": {
            "prepare": tally(&consensus.prepares),
            "commit": tally(&consensus.commits),
            "view_change": tally(&consensus.view_changes),
        },
        "online": online,
        "validators": seen.validators.len(),
        "quorum": seen.quorum,
        "view_changes": seen.view_changes,
        "waiting_for": seen.waiting_for,
        "hint": seen.hint,
        "missing_validators": missing.collect::<Vec<_>>(),
        "signing": seen.signing,
        "signing_reason": seen.signing_reason,
    })
}

/// `getnodeinfo`. Paths are no business of who only reads.
pub(super) fn node(status: &Status) -> Value {
    let (node, resources) = (&status.node, &status.resources);
    json!({
        "name": node.name,
        "version": node.version,
        "network": node.network,
        "chain_id": node.chain_id,
        "node_id": node.node_id,
        "validator_id": node.validator_id,
        "mode": node.mode,
        "uptime_s": status.at.since_ms(node.started) / 1_000,
        "listen": node.p2p_listen,
        "log_filter": node.log_filter,
        "memory_bytes": resources.rss_bytes,
        "cpu_ms": resources.cpu_ms,
        "open_files": resources.fds,
        "threads": resources.threads,
        "disk_free_bytes": resources.disk_free_bytes,
        "disk_size_bytes": resources.disk_size_bytes,
        "db_bytes": resources.db_bytes,
        "log_bytes": resources.wal_bytes,
        "log_sync_p99_us": resources.wal_fsync_p99_us,
        "warnings": node.warnings,
    })
}

/// `gettxoutsetinfo`.
pub(super) fn coins(status: &Status) -> Value {
    json!({
        "height": status.chain.height,
        "bestblock": status.chain.hash,
        "txouts": status.chain.utxos,
        "supply": status.chain.supply,
        "utxo_commitment": status.chain.utxo_commitment,
        "disk_size": status.resources.db_bytes,
    })
}

/// `getrpcinfo`.
pub(super) fn rpc(app: &App, access: &Access) -> Value {
    let caller = match &access.caller {
        Caller::Token(name) => format!("token {name}"),
        Caller::Cookie => "cookie".to_owned(),
        Caller::Address(_) => "nobody".to_owned(),
    };
    let callable = METHODS.iter().filter(|method| method.scope <= access.scope);
    json!({
        "caller": caller,
        "scope": access.scope,
        "methods": callable.map(|method| method.name).collect::<Vec<_>>(),
        "network": app.config.network.name(),
        "body_bytes_max": limits::BODY_BYTES_MAX,
        "batch_max": limits::CALLS_IN_BATCH_MAX,
        "calls_per_second": limits::CALLS_PER_SECOND,
        "calls_burst": limits::CALLS_BURST,
        "page_default": limits::PAGE_DEFAULT,
        "page_max": crate::control::Page::LIMIT_MAX,
    })
}

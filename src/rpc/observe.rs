//! What is answered from the Status alone: it never blocks and never asks the node.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{App, error::Refusal, gauges::set_gauges};
use crate::{
    control::{
        CRITICAL_TICK_LIMIT_MS, Check, HealthWord, NodeHandle, Status,
        status_json::{self, HealthJson, PeerJson, StatusJson},
        words::duration,
    },
    metrics::{CONTENT_TYPE, ProcessFigures},
};

/// `GET /`: what there is.
pub(super) async fn index(State(app): State<App>) -> Json<Value> {
    let status = app.node.status();
    Json(json!({
        "name": status.node.name,
        "version": status.node.version,
        "network": status.node.network,
        "links": {
            "/health": "200 while the node needs neither a restart nor a human",
            "/ready": "200 while it serves its purpose",
            "/status": "height, round, validators, what it waits for",
            "/peers": "sessions",
            "/bans": "who is kept out, and why (skip, limit)",
            "/bans/plan": "what a ban would do (target)",
            "/metrics": "OpenMetrics text",
            "/metrics.json": "the most asked-for figures as JSON",
            "/blocks/{height}": "a final block with its certificate",
            "/evidence": "proofs of equivocation",
            "/tx/{txid}": "where a transaction stands",
            "/address/{address}/balance": "what an address owns",
            "/address/{address}/utxos": "its unspent outputs (after, skip, limit)",
            "POST /rpc": "JSON-RPC 2.0; the method `help` lists all",
            "POST /tx": "submit a transaction as hex",
            "POST /command": "change the node; from this machine, with its cookie",
        },
    }))
}

/// `GET /health`.
pub(super) async fn health(State(app): State<App>) -> Response {
    let health = judged(&app.node);
    (code(health.live), Json(health)).into_response()
}

/// `GET /ready`.
pub(super) async fn ready(State(app): State<App>) -> Response {
    let health = judged(&app.node);
    (code(health.ready), Json(health)).into_response()
}

/// `GET /status`.
pub(super) async fn status(State(app): State<App>) -> Json<StatusJson> {
    Json(status_json::status(&app.node.status()))
}

/// `GET /peers`.
pub(super) async fn peers(State(app): State<App>) -> Json<Vec<PeerJson>> {
    Json(status_json::peers(&app.node.status()))
}

/// `GET /metrics`; JSON if the client asks for it.
pub(super) async fn metrics(State(app): State<App>, headers: HeaderMap) -> Response {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    if accept.starts_with("application/json") {
        return Json(figures(&app)).into_response();
    }
    set_gauges(&app.metrics, &app.node.status(), &app.node.logs);
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], app.metrics.encode()).into_response()
}

/// `GET /metrics.json`.
pub(super) async fn metrics_json(State(app): State<App>) -> Json<MetricsJson> {
    Json(figures(&app))
}

/// Whatever has no route.
pub(super) async fn not_found() -> Refusal {
    Refusal::not_found("there is no such path; GET / lists all")
}

/// A route, but not with this method.
pub(super) async fn method_not_allowed() -> Refusal {
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "this path has another method; GET / lists all",
    )
}

/// The most asked-for figures. A figure that is not known is `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricsJson {
    /// Final blocks that this node proposed since it started.
    pub blocks_produced: u64,
    /// Median time of the last blocks from the start of the height to finality.
    pub consensus_latency_ms: Option<u32>,
    /// Sessions.
    pub peer_count: u64,
    /// Resident memory.
    pub memory_mb: Option<f64>,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// Height of the last final block.
    pub height: u64,
    /// Transactions that wait.
    pub mempool_txs: u64,
    /// Rounds left without a decision.
    pub view_changes: u64,
}

fn figures(app: &App) -> MetricsJson {
    let status = app.node.status();
    set_gauges(&app.metrics, &status, &app.node.logs);
    let mut latencies = status.chain.finality_ms.clone();
    latencies.sort_unstable();
    let resident = ProcessFigures::read()
        .map(|figures| figures.resident_bytes)
        .or(status.resources.rss_bytes);
    MetricsJson {
        blocks_produced: app.metrics.chain.blocks_produced.get(),
        consensus_latency_ms: latencies.get(latencies.len() / 2).copied(),
        peer_count: status.peers.rows.len() as u64,
        memory_mb: resident.map(|bytes| (bytes as f64 / 1048.576).round() / 1000.0),
        uptime_seconds: status.at.since_ms(status.node.started) / 1000,
        height: status.chain.height,
        mempool_txs: status.mempool.txs,
        view_changes: status.consensus.view_changes_total,
    }
}

/// The verdict of the Status, unless the Status itself has grown old: then the loop that makes it
/// is stuck, and nothing in it can be believed.
pub(super) fn judged(node: &NodeHandle) -> HealthJson {
    let status = node.status();
    let mut health = status_json::health(&status);
    if let Some(check) = stale(node, &status) {
        health.live = false;
        health.ready = false;
        health.status = HealthWord::Unhealthy;
        health.checks.push(check);
    }
    health
}

fn stale(node: &NodeHandle, status: &Status) -> Option<Check> {
    let now = node.clock.now();
    let age = now.since_ms(status.at);
    (age > CRITICAL_TICK_LIMIT_MS).then(|| Check {
        name: "status_loop".to_owned(),
        ok: false,
        detail: format!("the last snapshot is {} old", duration(age)),
        since_unix_ms: now.unix_ms,
    })
}

const fn code(good: bool) -> StatusCode {
    if good {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

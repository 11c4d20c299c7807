//! HTTP: health, readiness, status, metrics, look-ups, JSON-RPC, and the door for transactions.
//!
//! The server has a thread and a small runtime of its own, so that a node whose other threads are
//! all busy still answers, with 503 if need be. It knows the node only through its
//! [`NodeHandle`](crate::control::NodeHandle): `/health`, `/status` and the gauges of `/metrics`
//! all come from the one Status, so none of them can tell another story than the screen.
//!
//! It never trusts a request: bodies, connections, requests in flight and time are bounded
//! ([`limits`]), and a request that names a foreign host is refused, which keeps web pages from
//! reaching a loopback port through DNS rebinding.

mod access;
mod buckets;
mod calls;
pub mod client;
mod commands;
mod cookie;
mod error;
mod gate;
mod gauges;
mod info;
mod json_rpc;
pub mod limits;
mod lookups;
pub mod methods;
mod observe;
mod server;
mod submit;
pub mod tokens;

#[cfg(test)]
mod json_rpc_tests;
#[cfg(test)]
mod tests;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
};
use tokio::sync::Semaphore;

use crate::{chain::Network, control::NodeHandle, metrics::Metrics};

use access::Doorman;
pub use commands::{BanPlan, CarriedOut, CommandJson};
use cookie::Cookie;
pub use error::{ErrorBody, RpcError};
pub use gauges::set_gauges;
pub use methods::Scope;
pub use observe::MetricsJson;
pub use server::Server;
pub use submit::{Accepted, Verdict};

/// Where and for whom HTTP answers.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address to listen at; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Host names that requests may name, beside `localhost` and plain addresses.
    pub allowed_hosts: Vec<String>,
    /// Where the token for commands is written, new at each start; `None` takes no commands.
    pub cookie: Option<PathBuf>,
    /// Where the hashes of tokens are; `None` knows no tokens.
    pub tokens: Option<PathBuf>,
    /// The network whose addresses are understood.
    pub network: Network,
}

/// What every handler may use.
#[derive(Clone)]
struct App {
    node: NodeHandle,
    metrics: Arc<Metrics>,
    config: Arc<Config>,
    /// Requests in flight.
    in_flight: Arc<Semaphore>,
    /// Look-ups that block on storage.
    lookups: Arc<Semaphore>,
    /// What a caller must show to give commands.
    cookie: Option<Arc<Cookie>>,
    /// Who else may call, and how often.
    doorman: Arc<Doorman>,
}

impl App {
    fn new(config: Config, cookie: Option<Cookie>, node: NodeHandle, metrics: Arc<Metrics>) -> Self {
        Self {
            cookie: cookie.map(Arc::new),
            doorman: Arc::new(Doorman::new(config.tokens.clone())),
            node,
            metrics,
            config: Arc::new(config),
            in_flight: Arc::new(Semaphore::new(limits::REQUESTS_IN_FLIGHT_MAX)),
            lookups: Arc::new(Semaphore::new(limits::LOOKUPS_MAX)),
        }
    }
}

/// Every route there is. To add one: a line here, a value of `metrics::labels::Route`, a handler in
/// the file of its subject.
fn router(app: App) -> Router {
    Router::new()
        .route("/", get(observe::index))
        .route("/health", get(observe::health))
        .route("/ready", get(observe::ready))
        .route("/status", get(observe::status))
        .route("/peers", get(observe::peers))
        .route("/bans", get(commands::bans))
        .route("/bans/plan", get(commands::plan))
        .route("/command", post(commands::command))
        .route("/rpc", post(json_rpc::serve))
        .route("/metrics", get(observe::metrics))
        .route("/metrics.json", get(observe::metrics_json))
        .route("/blocks/{height}", get(lookups::block))
        .route("/evidence", get(lookups::evidence))
        .route("/tx", post(submit::submit))
        .route("/txs", post(submit::submit_all))
        .route("/tx/{txid}", get(lookups::transaction))
        .route("/address/{address}/balance", get(lookups::balance))
        .route("/address/{address}/utxos", get(lookups::utxos))
        .route("/address/{address}/pending", get(lookups::pending))
        .route("/txout/{txid}/{index}", get(lookups::output))
        .route("/history", get(lookups::history))
        .route("/masternodes", get(lookups::masternodes))
        .route("/masternodes/{id}", get(lookups::masternode))
        .fallback(observe::not_found)
        .method_not_allowed_fallback(observe::method_not_allowed)
        .layer(DefaultBodyLimit::max(limits::BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(app.clone(), gate::gate))
        .with_state(app)
}

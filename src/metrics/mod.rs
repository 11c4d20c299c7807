//! What a monitoring system can ask of a node: typed counters, gauges and histograms, and their
//! OpenMetrics text.
//!
//! Rules that every metric here keeps:
//! - it exists at zero from the first scrape on, so that `rate()` and alerts work before anything
//!   has happened;
//! - label values come from enums ([`labels`]), never from peers: no id, address, txid or error text
//!   can grow the number of series;
//! - names are `timed_` + subject + base unit (seconds, bytes), counters end in `_total`.
//!
//! Whoever does a thing counts it, by a plain field: `metrics.consensus.view_changes.inc()`. Gauges
//! are written at scrape time from the one Status (`rpc/gauges.rs`), so that screen and scrape cannot
//! disagree.

mod chain;
mod consensus;
mod kinds;
pub mod labels;
mod mempool;
mod node;
mod p2p;
mod process;
mod register;
mod rpc;
mod storage;

#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

pub use chain::ChainMetrics;
pub use consensus::ConsensusMetrics;
pub use kinds::{Counter, CounterBy, FloatGauge, Gauge, GaugeBy, Histogram, HistogramBy, flag};
pub use mempool::MempoolMetrics;
pub use node::NodeMetrics;
pub use p2p::P2pMetrics;
pub use process::ProcessFigures;
pub use register::Definition;
pub use rpc::RpcMetrics;
pub use storage::StorageMetrics;

use prometheus_client::registry::Registry;
use register::Registrar;

/// The `Content-Type` of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Every metric of one node. Cheap to clone through its `Arc`; all methods take `&self`.
pub struct Metrics {
    /// Build, state, health, logs, clock.
    pub node: NodeMetrics,
    /// Heights, blocks, transactions made final.
    pub chain: ChainMetrics,
    /// Rounds, votes, evidence, the consensus log and the signer.
    pub consensus: ConsensusMetrics,
    /// Sessions, bytes, messages, bans.
    pub p2p: P2pMetrics,
    /// What waits.
    pub mempool: MempoolMetrics,
    /// Database, disk, catching up.
    pub storage: StorageMetrics,
    /// The HTTP server itself.
    pub rpc: RpcMetrics,
    registry: Registry,
    definitions: Vec<Definition>,
}

impl Metrics {
    /// All metrics at zero, for a node of `network` (the name is a label of `timed_build_info`).
    pub fn new(network: &str) -> Arc<Self> {
        let mut registrar = Registrar::default();
        let node = NodeMetrics::register(&mut registrar, network);
        let chain = ChainMetrics::register(&mut registrar);
        let consensus = ConsensusMetrics::register(&mut registrar);
        let p2p = P2pMetrics::register(&mut registrar);
        let mempool = MempoolMetrics::register(&mut registrar);
        let storage = StorageMetrics::register(&mut registrar);
        let rpc = RpcMetrics::register(&mut registrar);
        process::register(&mut registrar);
        let (registry, definitions) = registrar.finish();
        Arc::new(Self {
            node,
            chain,
            consensus,
            p2p,
            mempool,
            storage,
            rpc,
            registry,
            definitions,
        })
    }

    /// OpenMetrics text, ending with `# EOF`.
    pub fn encode(&self) -> String {
        let mut text = String::with_capacity(TEXT_BYTES_USUAL);
        // Writing into a String cannot fail, and every value here is encodable; a metric that were
        // not would leave the text short of its EOF mark, which a scraper reports as an error.
        let complete = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        debug_assert!(complete.is_ok());
        text
    }

    /// Name, kind and meaning of every metric, in the order of the text.
    pub fn definitions(&self) -> &[Definition] {
        &self.definitions
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Metrics({} definitions)", self.definitions.len())
    }
}

/// What one scrape usually takes; only a hint for the first allocation.
const TEXT_BYTES_USUAL: usize = 32 * 1024;

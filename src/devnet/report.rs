//! What a run of traffic comes to; docs/OPERATIONS.md, "Devnet and load", has the words.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use super::{
    faults::Fault,
    histogram::Percentiles,
    traffic::{Counts, Seen},
    trend::NodeTrend,
};

/// The line that ends `timed devnet … --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DevnetReport {
    /// How many nodes.
    pub nodes: u16,
    /// How long traffic was made, seconds.
    pub duration_s: f64,
    /// Blocks that became final on every node.
    pub blocks: u64,
    /// Height of the lowest node.
    pub height_min: u64,
    /// Height of the highest node.
    pub height_max: u64,
    /// Every node had the same hash at every height it shares with another.
    pub hashes_agree: bool,
    /// And the same commitment to its unspent outputs.
    pub utxo_commitments_agree: bool,
    /// Transactions sent.
    pub txs_submitted: u64,
    /// Transactions that a pool took.
    pub txs_accepted: u64,
    /// Transactions that became final.
    pub txs_final: u64,
    /// Accepted, and not final 30 s after the end.
    pub txs_lost: u64,
    /// Transactions per second that became final while traffic was made.
    pub tps: f64,
    /// Signatures that the machine verifies per second when it does nothing else, measured before and
    /// after the load; only with transactions signed beforehand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signatures_per_s: Option<f64>,
    /// Signatures verified for what became final, on all nodes together, over that limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// From acceptance to finality, milliseconds.
    pub finality_ms: Percentiles,
    /// Between the timestamps of successive blocks, milliseconds.
    pub block_interval_ms: Interval,
    /// The most views that any node left.
    pub view_changes: u64,
    /// Memory of each node at the end (VmRSS).
    pub rss_mb: Vec<f64>,
    /// The most memory each node ever had (VmHWM).
    pub rss_peak_mb: Vec<f64>,
    /// Time each node was on a core, seconds.
    pub cpu_s: Vec<f64>,
    /// What each node's database takes on disk.
    pub db_mb: Vec<f64>,
    /// From the start of the processes to the first final block, milliseconds; `None` if there was
    /// none, or the devnet was not new.
    pub first_block_ms: Option<f64>,
    /// Trouble that was made on purpose; only with faults.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub faults: Option<FaultReport>,
    /// Whether each node grew, by node; only in a soak.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trends: Vec<NodeTrend>,
    /// What went wrong, in words.
    pub errors: Vec<String>,
}

/// The faults of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FaultReport {
    /// What they were drawn from.
    pub seed: u64,
    /// How many.
    pub count: u64,
    /// The first of them.
    pub listed: Vec<Fault>,
}

/// Percentiles of the time between blocks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Interval {
    /// Median.
    pub p50: f64,
    /// 99 of 100 are at most this.
    pub p99: f64,
}

impl DevnetReport {
    /// Whether all went well: one chain, one state, nothing lost, and in a soak nothing that grows.
    pub fn is_good(&self) -> bool {
        let is_flat = self.trends.iter().all(|trend| trend.growth().is_empty());
        self.hashes_agree && self.utxo_commitments_agree && self.txs_lost == 0 && is_flat
    }
}

/// The line that ends `timed load … --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LoadReport {
    /// How long traffic was made, seconds.
    pub duration_s: f64,
    /// Transactions sent.
    pub submitted: u64,
    /// Transactions that the pool took.
    pub accepted: u64,
    /// Transactions that it did not take, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Transactions that became final.
    #[serde(rename = "final")]
    pub made_final: u64,
    /// Accepted, and not final 30 s after the end.
    pub lost: u64,
    /// Transactions per second that became final while traffic was made.
    pub tps: f64,
    /// From acceptance to finality, milliseconds.
    pub finality_ms: Percentiles,
}

impl LoadReport {
    pub(super) fn new(seen: Seen) -> Self {
        let tps = tps(&seen);
        let Counts {
            submitted,
            accepted,
            refused,
            made_final,
            finality,
        } = seen.counts;
        Self {
            duration_s: seconds(seen.elapsed),
            submitted,
            accepted,
            refused,
            made_final,
            lost: seen.lost,
            tps,
            finality_ms: finality.percentiles(),
        }
    }
}

pub(super) fn tps(seen: &Seen) -> f64 {
    let elapsed = seen.elapsed.as_secs_f64();
    match elapsed > 0.0 {
        true => tenths(seen.final_in_time as f64 / elapsed),
        false => 0.0,
    }
}

pub(super) fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000.0).round() / 1_000.0
}

pub(super) fn megabytes(bytes: u64) -> f64 {
    tenths(bytes as f64 / 1_000_000.0)
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

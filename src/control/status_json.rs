//! The JSON faces of a snapshot: `/status`, `/health`, `/ready` and `/peers`, as docs/OPERATIONS.md promises
//! them to scripts. rpc serves them, cli reads them back; both use these structs.

use serde::{Deserialize, Serialize};

use super::{Alarm, Check, Direction, HealthWord, Mode, Phase, Status};
use crate::crypto::{Hash256, PublicKey};

/// `GET /status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatusJson {
    /// Version of this shape; grows when a field changes its meaning.
    pub schema: u32,
    /// Version of the binary.
    pub version: String,
    /// Network name.
    pub network: String,
    /// Genesis hash.
    pub chain_id: Hash256,
    /// Network key.
    pub node_id: Option<PublicKey>,
    /// Consensus key.
    pub validator_id: Option<PublicKey>,
    /// Name.
    pub name: String,
    /// Part it takes.
    pub mode: Mode,
    /// Height of the last final block.
    pub height: u64,
    /// Its hash.
    pub hash: Hash256,
    /// Commitment to the UTXO set after it.
    pub utxo_commitment: Hash256,
    /// All money that there is after it, base units.
    #[serde(default)]
    pub supply: Option<u64>,
    /// Current round of the next height.
    pub round: u32,
    /// Phase of that round.
    pub phase: Phase,
    /// Whether it is catching up.
    pub syncing: bool,
    /// By how much.
    pub blocks_behind: u64,
    /// How far blocks below a snapshot are here; empty when none are fetched.
    #[serde(default)]
    pub backfill: String,
    /// Sessions.
    pub peers: u32,
    /// The set, ascending by index.
    pub validators: Vec<ValidatorJson>,
    /// Votes that decide.
    pub quorum: u32,
    /// Byzantine validators tolerated.
    pub f: u32,
    /// What the height waits for and whom; empty when nobody.
    pub waiting_for: String,
    /// What would help; empty when nothing needs to.
    pub hint: String,
    /// Whether it signs.
    pub signing: bool,
    /// Why not.
    pub signing_reason: String,
    /// Seconds since it began.
    pub uptime_s: u64,
    /// Transactions waiting.
    pub mempool_txs: u64,
    /// Views changed since it began.
    pub view_changes: u64,
    /// Warnings an operator should know.
    pub warnings: Vec<String>,
    /// Process id.
    pub pid: u32,
}

/// One validator in `/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValidatorJson {
    /// Consensus key.
    pub id: PublicKey,
    /// Name.
    pub name: String,
    /// Whether it is reachable.
    pub online: bool,
    /// Last height whose certificate holds its signature.
    pub last_signed_height: Option<u64>,
}

/// `GET /health` and `GET /ready`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HealthJson {
    /// The word.
    pub status: HealthWord,
    /// Whether `/health` answers 200.
    pub live: bool,
    /// Whether `/ready` answers 200.
    pub ready: bool,
    /// Phase of the current round.
    pub consensus_phase: Phase,
    /// Sessions.
    pub peers_connected: u32,
    /// Blocks behind.
    pub blocks_behind: u64,
    /// Height.
    pub height: u64,
    /// What the height waits for.
    pub waiting_for: String,
    /// What was looked at.
    pub checks: Vec<Check>,
    /// Alarms that are up.
    pub alarms: Vec<Alarm>,
    /// Warnings from the start.
    pub warnings: Vec<String>,
}

/// One item of `GET /peers`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerJson {
    /// Network key.
    pub id: PublicKey,
    /// Name, where known.
    pub name: Option<String>,
    /// Who dialled.
    pub direction: Direction,
    /// `ip:port`.
    pub address: String,
    /// Height it told of.
    pub height: Option<u64>,
    /// Round trip.
    pub rtt_ms: Option<u32>,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Seconds connected.
    pub connected_s: u64,
    /// What it runs.
    pub agent: String,
    /// Validator it proved to be.
    pub validator: Option<PublicKey>,
    /// Fault points: 0 is spotless, from 50 on it is discouraged.
    #[serde(default)]
    pub score: u32,
}

/// The body of `/status`.
pub fn status(status: &Status) -> StatusJson {
    StatusJson {
        schema: 1,
        version: status.node.version.clone(),
        network: status.node.network.clone(),
        chain_id: status.node.chain_id,
        node_id: status.node.node_id,
        validator_id: status.node.validator_id,
        name: status.node.name.clone(),
        mode: status.node.mode,
        height: status.chain.height,
        hash: status.chain.hash,
        utxo_commitment: status.chain.utxo_commitment,
        supply: status.chain.supply,
        round: status.consensus.round,
        phase: status.consensus.phase,
        syncing: status.sync.syncing,
        blocks_behind: status.sync.blocks_behind,
        backfill: match &status.sync.backfill {
            Some(backfill) => backfill.line(status.chain.height),
            None => String::new(),
        },
        peers: status.peers.rows.len() as u32,
        validators: status
            .consensus
            .validators
            .iter()
            .map(|row| ValidatorJson {
                id: row.id,
                name: row.name.clone(),
                online: row.online,
                last_signed_height: row.last_signed_height,
            })
            .collect(),
        quorum: status.consensus.quorum,
        f: status.consensus.f,
        waiting_for: status.consensus.waiting_for.clone(),
        hint: status.consensus.hint.clone(),
        signing: status.signing.signing,
        signing_reason: status.signing.reason.clone(),
        uptime_s: status.at.since_ms(status.node.started) / 1_000,
        mempool_txs: status.mempool.txs,
        view_changes: status.consensus.view_changes_total,
        warnings: status.node.warnings.clone(),
        pid: status.node.pid,
    }
}

/// The body of `/health` and `/ready`; the status code follows `live` or `ready`.
pub fn health(status: &Status) -> HealthJson {
    HealthJson {
        status: status.health.word,
        live: status.health.live,
        ready: status.health.ready,
        consensus_phase: status.consensus.phase,
        peers_connected: status.peers.rows.len() as u32,
        blocks_behind: status.sync.blocks_behind,
        height: status.chain.height,
        waiting_for: status.consensus.waiting_for.clone(),
        checks: status.health.checks.clone(),
        alarms: status.alarms.as_ref().clone(),
        warnings: status.node.warnings.clone(),
    }
}

/// The body of `/peers`.
pub fn peers(status: &Status) -> Vec<PeerJson> {
    status
        .peers
        .rows
        .iter()
        .map(|row| PeerJson {
            id: row.id,
            name: row.name.clone(),
            direction: row.direction,
            address: row.address.clone(),
            height: row.height,
            rtt_ms: row.rtt_ms,
            rx_bytes: row.rx_bytes,
            tx_bytes: row.tx_bytes,
            connected_s: status.at.mono_ms.saturating_sub(row.connected_mono_ms) / 1_000,
            agent: row.agent.clone(),
            validator: row.validator,
            score: row.score,
        })
        .collect()
}

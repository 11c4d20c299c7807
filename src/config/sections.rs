//! The keys of the file, section by section, with their defaults.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::rooms::{HOUR_MS, MEGABYTE};
use crate::{attach, console, mempool::PoolLimits, recorder, storage::StoreOptions, telemetry};

/// Everything an operator can set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the node keeps everything; empty: `~/.timecoin/<network>`.
    pub data_dir: PathBuf,
    /// Who this node is.
    pub node: NodeSection,
    /// Which chain, and how peers are met.
    pub network: NetworkSection,
    /// The key files.
    pub keys: KeysSection,
    /// The HTTP port.
    pub rpc: RpcSection,
    /// The database.
    pub storage: StorageSection,
    /// How the node gets the blocks that it lacks.
    pub sync: SyncSection,
    /// What may wait.
    pub mempool: MempoolSection,
    /// The socket for consoles of other processes.
    pub attach: attach::Config,
    /// The flight recorder.
    pub recorder: recorder::Config,
    /// The screen.
    pub console: console::Config,
    /// The logs.
    pub telemetry: telemetry::Config,
    /// The end.
    pub shutdown: ShutdownSection,
}

/// Who this node is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeSection {
    /// A name for screens and peers' screens; empty: the first digits of the node id.
    pub moniker: String,
    /// Sync and serve, but never sign, even with a validator's key at hand.
    pub observer: bool,
    /// Decide nothing above this height: stand still there, serve and say so; 0: no such height.
    pub halt_height: u64,
}

/// Which chain, and how peers are met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkSection {
    /// `mainnet`, `testnet` or `devnet`.
    pub name: String,
    /// Genesis file; empty: the one built in for the network.
    pub genesis: PathBuf,
    /// Where peers may connect; empty: all addresses, the network's port.
    pub listen: String,
    /// Peers that are always dialed: `host:port`, or `node_id@host:port` to accept only that node.
    pub peers: Vec<String>,
    /// Learn of and dial other peers too.
    pub discovery: bool,
    /// Where others reach this node, as ip:port, if that is not `listen`; without it, and with a `listen`
    /// of all addresses, others hear of this node only from itself.
    pub external_address: String,
    /// Take addresses of private networks for peers too; a devnet always does.
    pub allow_private: bool,
    /// Most incoming sessions, beside those of masternodes.
    pub inbound_max: usize,
    /// Most sessions from one IP address; loopback is exempt.
    pub per_ip_max: usize,
}

impl Default for NetworkSection {
    fn default() -> Self {
        Self {
            name: "testnet".to_owned(),
            genesis: PathBuf::new(),
            listen: String::new(),
            peers: Vec::new(),
            discovery: true,
            external_address: String::new(),
            allow_private: false,
            inbound_max: 184,
            per_ip_max: 2,
        }
    }
}

/// The key files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeysSection {
    /// A private file with the passphrase of encrypted keys; empty: a credential, or the terminal.
    pub passphrase_file: PathBuf,
    /// `unix:/path` of a signer that holds the consensus key (`timed signer serve`); empty: the key in
    /// `keys/`.
    pub signer: String,
}

/// The HTTP port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RpcSection {
    /// Where HTTP answers; empty: 127.0.0.1, the network's port.
    pub listen: String,
    /// Permits a `listen` that other machines can reach.
    pub allow_remote: bool,
    /// Host names that requests may name, beside the listening address and localhost.
    pub allowed_hosts: Vec<String>,
}

/// The database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageSection {
    /// Unspent outputs kept decoded in memory, about 200 bytes each.
    pub cache_coins: usize,
    /// Page cache of the database, in millions of bytes; it takes three to four times this in memory.
    pub page_cache_mb: u64,
    /// A snapshot of the state is kept, and served, every this many blocks; 0 for none.
    pub snapshot_every: u64,
    /// Only the newest this many blocks are kept; 0 keeps all.
    pub keep_blocks: u64,
    /// `height:hash` of a block that the operator vouches for: a snapshot of it needs no other proof.
    pub trusted: String,
}

impl Default for StorageSection {
    fn default() -> Self {
        Self {
            cache_coins: StoreOptions::default().cache_coins,
            page_cache_mb: StoreOptions::default().cache_bytes / MEGABYTE as u64,
            snapshot_every: 1_000,
            keep_blocks: 0,
            trusted: String::new(),
        }
    }
}

/// How the node gets the blocks that it lacks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SyncSection {
    /// After a start from a snapshot, fetch the older blocks too, slowly, while the node is in step.
    pub backfill: bool,
}

/// What may wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MempoolSection {
    /// Most transactions that wait.
    pub txs_max: usize,
    /// Most memory they take, in millions of bytes.
    pub memory_max_mb: usize,
    /// How long one may wait before it is dropped.
    pub expiry_h: u64,
}

impl Default for MempoolSection {
    fn default() -> Self {
        let limits = PoolLimits::default();
        Self {
            txs_max: limits.txs_max,
            memory_max_mb: limits.heap_bytes_max / MEGABYTE,
            expiry_h: limits.expiry_ms / HOUR_MS,
        }
    }
}

/// The end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShutdownSection {
    /// How long an orderly stop may take before the process ends anyway.
    pub timeout_s: u64,
}

impl Default for ShutdownSection {
    fn default() -> Self {
        Self { timeout_s: 10 }
    }
}

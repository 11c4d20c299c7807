//! Who the node is, and how far its stop has come.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::super::Moment;
use crate::crypto::{Hash256, PublicKey};

/// What part the node takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// In the validator set and allowed to sign.
    Validator,
    /// Has a consensus key but signs nothing for now (docs/CONSENSUS.md §8).
    Observer,
    /// Has no consensus key in the set; follows and serves.
    #[default]
    Full,
}

impl Mode {
    /// The word in `/status`.
    pub fn word(self) -> &'static str {
        match self {
            Mode::Validator => "validator",
            Mode::Observer => "observer",
            Mode::Full => "full",
        }
    }
}

/// Who the node is. Constant for the life of the process but for `mode` and `warnings`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Version of the binary, with its commit where known.
    pub version: String,
    /// `mainnet`, `testnet` or `devnet`.
    pub network: String,
    /// Hash of the genesis block; [`Hash256::ZERO`] only before it is known.
    pub chain_id: Hash256,
    /// The network key.
    pub node_id: Option<PublicKey>,
    /// The consensus key, if the node has one.
    pub validator_id: Option<PublicKey>,
    /// The name people use: from config, else short node id. `node0` in a devnet.
    pub name: String,
    /// Address that rewards and the wallet use, if there is one.
    pub address: Option<String>,
    /// What part it takes now.
    pub mode: Mode,
    /// When the process began.
    pub started: Moment,
    /// What its start took, step by step, in their order.
    pub start: Vec<StartStep>,
    /// Sentences an operator should know from the start, such as "n = 3 tolerates no Byzantine node".
    pub warnings: Vec<String>,
    /// Process id.
    pub pid: u32,
    /// The data directory.
    pub data_dir: PathBuf,
    /// The log file being written, if any.
    pub log_file: Option<PathBuf>,
    /// The filter in force, such as `info`.
    pub log_filter: String,
    /// When it gives way to the filter before it; `None` if it stays.
    #[serde(default)]
    pub log_filter_until: Option<Moment>,
    /// Where peers reach it.
    pub p2p_listen: String,
    /// Where HTTP listens, if it does.
    pub rpc_listen: Option<String>,
}

/// One step of the start that is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartStep {
    /// What it did, such as `open the chain database`.
    pub name: String,
    /// How long it took.
    pub took_ms: u64,
}

/// How far a graceful stop has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StopStatus {
    /// When it was asked for.
    pub started: Moment,
    /// How long it may take before the process leaves anyway.
    pub budget_ms: u64,
    /// Who or what asked, such as `operator at the console` or `SIGTERM`.
    pub reason: String,
    /// The steps in order.
    pub steps: Vec<StopStep>,
}

/// One step of a stop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StopStep {
    /// What it does, such as `flush storage`.
    pub name: String,
    /// How far it is.
    pub state: StepState,
    /// How long it took, once done.
    pub took_ms: Option<u64>,
}

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepState {
    /// Not begun.
    Waiting,
    /// Under way.
    Running,
    /// Finished.
    Done,
    /// Gave up; the log says why.
    Failed,
}

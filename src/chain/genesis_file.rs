//! The genesis file as TOML has it, and its way to checked values and back.

use serde::{Deserialize, Serialize};

use crate::crypto::PublicKey;

use super::{
    Address, Amount, Genesis, GenesisError, GenesisMasternode, GenesisOutput, Network, Params, Tier,
    TimestampMs,
};

/// The file as TOML has it: parameters stand at the top level, each optional.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GenesisFile {
    network: String,
    timestamp_ms: u64,
    proposal_timeout_ms: Option<u64>,
    view_change_timeout_ms: Option<u64>,
    block_interval_ms: Option<u64>,
    min_block_interval_ms: Option<u64>,
    batch_window_ms: Option<u64>,
    gossip_grace_ms: Option<u64>,
    reward_period_ms: Option<u64>,
    min_masternodes: Option<u64>,
    max_block_bytes: Option<u64>,
    max_block_txs: Option<u64>,
    #[serde(default)]
    masternodes: Vec<MasternodeEntry>,
    #[serde(default)]
    outputs: Vec<OutputEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MasternodeEntry {
    name: String,
    validator_key: PublicKey,
    #[serde(skip_serializing_if = "Option::is_none")]
    node_key: Option<PublicKey>,
    payout: String,
    tier: Tier,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OutputEntry {
    address: String,
    amount: Amount,
}

impl GenesisFile {
    /// The values, with defaults where the file says nothing; not yet judged.
    pub(super) fn into_genesis(self) -> Result<Genesis, GenesisError> {
        let network: Network = self.network.parse()?;
        let defaults = Params::default_for(network);
        let params = Params {
            proposal_timeout_ms: self.proposal_timeout_ms.unwrap_or(defaults.proposal_timeout_ms),
            view_change_timeout_ms: self
                .view_change_timeout_ms
                .unwrap_or(defaults.view_change_timeout_ms),
            block_interval_ms: self.block_interval_ms.unwrap_or(defaults.block_interval_ms),
            min_block_interval_ms: self
                .min_block_interval_ms
                .unwrap_or(defaults.min_block_interval_ms),
            batch_window_ms: self.batch_window_ms.unwrap_or(defaults.batch_window_ms),
            gossip_grace_ms: self.gossip_grace_ms.unwrap_or(defaults.gossip_grace_ms),
            reward_period_ms: self.reward_period_ms.unwrap_or(defaults.reward_period_ms),
            min_masternodes: self.min_masternodes.unwrap_or(defaults.min_masternodes),
            max_block_bytes: self.max_block_bytes.unwrap_or(defaults.max_block_bytes),
            max_block_txs: self.max_block_txs.unwrap_or(defaults.max_block_txs),
        };
        let address = |text: &str, place: String| {
            Address::from_text(text, network).map_err(|error| GenesisError::Address { place, error })
        };
        let masternodes = self
            .masternodes
            .into_iter()
            .map(|entry| {
                let payout = address(&entry.payout, format!("payout of masternode `{}`", entry.name))?;
                Ok(GenesisMasternode {
                    name: entry.name,
                    validator_key: entry.validator_key,
                    node_key: entry.node_key,
                    payout,
                    tier: entry.tier,
                })
            })
            .collect::<Result<_, GenesisError>>()?;
        let outputs = (0usize..)
            .zip(&self.outputs)
            .map(|(index, entry)| {
                let address = address(&entry.address, format!("output {index}"))?;
                Ok(GenesisOutput {
                    address,
                    amount: entry.amount,
                })
            })
            .collect::<Result<_, GenesisError>>()?;
        Ok(Genesis {
            network,
            timestamp_ms: TimestampMs::new(self.timestamp_ms),
            params,
            masternodes,
            outputs,
        })
    }
}

impl From<&Genesis> for GenesisFile {
    fn from(genesis: &Genesis) -> Self {
        let params = &genesis.params;
        Self {
            network: genesis.network.name().to_owned(),
            timestamp_ms: genesis.timestamp_ms.get(),
            proposal_timeout_ms: Some(params.proposal_timeout_ms),
            view_change_timeout_ms: Some(params.view_change_timeout_ms),
            block_interval_ms: Some(params.block_interval_ms),
            min_block_interval_ms: Some(params.min_block_interval_ms),
            batch_window_ms: Some(params.batch_window_ms),
            gossip_grace_ms: Some(params.gossip_grace_ms),
            reward_period_ms: Some(params.reward_period_ms),
            min_masternodes: Some(params.min_masternodes),
            max_block_bytes: Some(params.max_block_bytes),
            max_block_txs: Some(params.max_block_txs),
            masternodes: genesis
                .masternodes
                .iter()
                .map(|masternode| MasternodeEntry {
                    name: masternode.name.clone(),
                    validator_key: masternode.validator_key,
                    node_key: masternode.node_key,
                    payout: masternode.payout.to_text(genesis.network),
                    tier: masternode.tier,
                })
                .collect(),
            outputs: genesis
                .outputs
                .iter()
                .map(|output| OutputEntry {
                    address: output.address.to_text(genesis.network),
                    amount: output.amount,
                })
                .collect(),
        }
    }
}

//! Parameters that every node of a network must agree on; they stand in genesis.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::{Network, canonical::CanonicalWriter};

/// Upper bound of `proposal_timeout_ms`: no round may wait longer for its proposal at first.
const PROPOSAL_TIMEOUT_MAX_MS: u64 = 30_000;
/// Upper bound of `view_change_timeout_ms`: no round may last longer.
const VIEW_CHANGE_TIMEOUT_MAX_MS: u64 = 60_000;
/// Upper bound of the other intervals: a day. Above it a typing error is likelier than a wish.
const INTERVAL_MAX_MS: u64 = 86_400_000;
/// Upper bound of `max_block_bytes`; the wire's frame limit is made for it.
const BLOCK_BYTES_MAX: u64 = 4_000_000;
/// Upper bound of `max_block_txs`.
const BLOCK_TXS_MAX: u64 = 20_000;
/// Lower bound of `max_block_bytes`: room for one transaction of the largest size.
const BLOCK_BYTES_MIN: u64 = 200_000;

/// The parameters of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Params {
    /// T0: how long round 0 waits, ms.
    pub proposal_timeout_ms: u64,
    /// Tmax: the longest a round may last, ms.
    pub view_change_timeout_ms: u64,
    /// A block is made at least this often, ms.
    pub block_interval_ms: u64,
    /// Blocks are at least this far apart, ms.
    pub min_block_interval_ms: u64,
    /// How long a waiting transaction waits for company, ms.
    pub batch_window_ms: u64,
    /// How long a proposer may be unaware of a transaction before others wait for it, ms.
    pub gossip_grace_ms: u64,
    /// Length of a block reward period, ms.
    pub reward_period_ms: u64,
    /// No blocks are made by fewer masternodes.
    pub min_masternodes: u64,
    /// Largest body of a block, bytes.
    pub max_block_bytes: u64,
    /// Most transactions in a block.
    pub max_block_txs: u64,
}

impl Params {
    /// What a genesis file of `network` means where it says nothing.
    pub const fn default_for(network: Network) -> Self {
        let mainnet = Self {
            proposal_timeout_ms: 2_000,
            view_change_timeout_ms: 60_000,
            block_interval_ms: 600_000,
            min_block_interval_ms: 50,
            batch_window_ms: 10,
            gossip_grace_ms: 300,
            reward_period_ms: 600_000,
            min_masternodes: 3,
            max_block_bytes: BLOCK_BYTES_MAX,
            max_block_txs: BLOCK_TXS_MAX,
        };
        match network {
            Network::Mainnet => mainnet,
            Network::Testnet => Self {
                proposal_timeout_ms: 1_000,
                view_change_timeout_ms: 30_000,
                block_interval_ms: 30_000,
                ..mainnet
            },
            Network::Devnet => Self {
                proposal_timeout_ms: 400,
                view_change_timeout_ms: 4_000,
                block_interval_ms: 2_000,
                min_block_interval_ms: 20,
                reward_period_ms: 30_000,
                min_masternodes: 1,
                ..mainnet
            },
        }
    }

    /// Refuses values under which no network can work.
    ///
    /// # Errors
    /// [`ParamsError`] with the key, its value and the range.
    pub fn check(&self) -> Result<(), ParamsError> {
        let ranges = [
            (
                "proposal_timeout_ms",
                self.proposal_timeout_ms,
                10,
                PROPOSAL_TIMEOUT_MAX_MS,
            ),
            (
                "view_change_timeout_ms",
                self.view_change_timeout_ms,
                self.proposal_timeout_ms,
                VIEW_CHANGE_TIMEOUT_MAX_MS,
            ),
            (
                "block_interval_ms",
                self.block_interval_ms,
                self.min_block_interval_ms.max(1),
                INTERVAL_MAX_MS,
            ),
            (
                "min_block_interval_ms",
                self.min_block_interval_ms,
                0,
                INTERVAL_MAX_MS,
            ),
            ("batch_window_ms", self.batch_window_ms, 0, INTERVAL_MAX_MS),
            ("gossip_grace_ms", self.gossip_grace_ms, 0, INTERVAL_MAX_MS),
            ("reward_period_ms", self.reward_period_ms, 1, INTERVAL_MAX_MS),
            ("min_masternodes", self.min_masternodes, 1, u64::from(u16::MAX)),
            (
                "max_block_bytes",
                self.max_block_bytes,
                BLOCK_BYTES_MIN,
                BLOCK_BYTES_MAX,
            ),
            ("max_block_txs", self.max_block_txs, 1, BLOCK_TXS_MAX),
        ];
        match ranges
            .into_iter()
            .find(|(_, value, min, max)| value < min || value > max)
        {
            Some((key, value, min, max)) => Err(ParamsError { key, value, min, max }),
            None => Ok(()),
        }
    }

    /// Every value in a fixed order, for the chain id.
    pub(super) fn write_canonical(&self, writer: &mut CanonicalWriter) {
        let Self {
            proposal_timeout_ms,
            view_change_timeout_ms,
            block_interval_ms,
            min_block_interval_ms,
            batch_window_ms,
            gossip_grace_ms,
            reward_period_ms,
            min_masternodes,
            max_block_bytes,
            max_block_txs,
        } = *self;
        for value in [
            proposal_timeout_ms,
            view_change_timeout_ms,
            block_interval_ms,
            min_block_interval_ms,
            batch_window_ms,
            gossip_grace_ms,
            reward_period_ms,
            min_masternodes,
            max_block_bytes,
            max_block_txs,
        ] {
            writer.u64(value);
        }
    }
}

/// A parameter outside its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` is {value}, outside {min} to {max}: correct it in the genesis file")]
pub struct ParamsError {
    /// The key.
    pub key: &'static str,
    /// Its value.
    pub value: u64,
    /// Smallest value allowed.
    pub min: u64,
    /// Largest value allowed.
    pub max: u64,
}

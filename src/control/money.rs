//! What people may look up about money: what an address owns, what waits, what came and went. The
//! structs are the JSON of docs/OPERATIONS.md as they stand.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::crypto::Hash256;

/// Addresses in one question about history: a wallet's keys.
pub const HISTORY_ADDRESSES_MAX: usize = 50;

/// Where an output stands, as wallets have to see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputState {
    /// Made by a transaction that is not final yet.
    Unconfirmed,
    /// In the final state, and nothing that waits here spends it.
    #[default]
    Unspent,
    /// A transaction in the pool spends it.
    Locked,
    /// A transaction in a proposal under vote spends it.
    Proposed,
    /// A final transaction spent it.
    Spent,
}

impl OutputState {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unconfirmed => "unconfirmed",
            Self::Unspent => "unspent",
            Self::Locked => "locked",
            Self::Proposed => "proposed",
            Self::Spent => "spent",
        }
    }
}

/// What an address owns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalanceView {
    /// The address.
    pub address: String,
    /// Base units in final blocks.
    pub amount: u64,
    /// Unspent outputs that make it up.
    pub utxos: u64,
    /// Of `amount`, what the next block may spend and nothing that waits spends.
    #[serde(default)]
    pub spendable: u64,
    /// Of `amount`, what is locked as collateral.
    #[serde(default)]
    pub locked: u64,
    /// Of `amount`, what transactions that wait spend.
    #[serde(default)]
    pub pending_out: u64,
    /// What transactions that wait pay to the address, change included.
    #[serde(default)]
    pub pending_in: u64,
    /// The height this is true at.
    pub height: u64,
}

/// One unspent output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UtxoEntry {
    /// The transaction that made it.
    pub txid: Hash256,
    /// Its index there.
    pub index: u32,
    /// Base units.
    pub amount: u64,
    /// The height it was made at.
    pub height: u64,
    /// The first height whose block may spend it, if that is not yet the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matures: Option<u64>,
    /// Locked as the collateral of this masternode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked_for: Option<Hash256>,
    /// Whether something that waits spends it.
    #[serde(default)]
    pub state: OutputState,
    /// What does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent_by: Option<Hash256>,
}

impl UtxoEntry {
    /// True if the next block may spend it, and the pool takes a transaction that does.
    pub fn is_spendable(&self) -> bool {
        self.matures.is_none() && self.locked_for.is_none() && self.state == OutputState::Unspent
    }
}

/// An output of a transaction that waits. It can be spent already, by a transaction that waits behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingOutput {
    /// The transaction that makes it.
    pub txid: Hash256,
    /// Its index there.
    pub index: u32,
    /// Base units.
    pub amount: u64,
    /// It will be the collateral of a masternode.
    pub is_collateral: bool,
    /// Who pays, each address once, ascending; change comes from oneself.
    pub from: Vec<String>,
}

/// `GET /txout/{txid}/{index}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputView {
    /// Where it stands.
    pub state: OutputState,
    /// Who may spend it, or could.
    pub address: String,
    /// Base units.
    pub amount: u64,
    /// The height it was made at; `None` while that is not final.
    pub height: Option<u64>,
    /// Made by a reward.
    pub is_reward: bool,
    /// The first height whose block may spend it, if that is not yet the next one.
    pub matures: Option<u64>,
    /// Locked as the collateral of this masternode.
    pub locked_for: Option<Hash256>,
    /// What waits and spends it; not told of what is spent for good.
    pub spent_by: Option<Hash256>,
    /// The height whose block would spend it, while it is proposed.
    pub proposed_at: Option<u64>,
}

/// A place in the order of all final transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HistoryPlace {
    /// Height of the block.
    pub height: u64,
    /// Index in the block.
    pub position: u32,
}

impl fmt::Display for HistoryPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.height, self.position)
    }
}

/// Text that is no [`HistoryPlace`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a place in history is height.position, such as 42.0")]
pub struct ParseHistoryPlaceError;

impl FromStr for HistoryPlace {
    type Err = ParseHistoryPlaceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (height, position) = text.split_once('.').ok_or(ParseHistoryPlaceError)?;
        Ok(Self {
            height: height.parse().map_err(|_| ParseHistoryPlaceError)?,
            position: position.parse().map_err(|_| ParseHistoryPlaceError)?,
        })
    }
}

/// `GET /history`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryPage {
    /// Newest first.
    pub entries: Vec<HistoryEntry>,
    /// Where the next page begins, as `before`; `None` if there is nothing older here.
    pub next: Option<String>,
    /// Lowest height that this node can tell of: 1, or more if it began with a snapshot.
    pub begins: u64,
}

/// A final transaction, or the first outputs of the chain, as some addresses see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// The transaction; the chain's id for the first outputs.
    pub txid: Hash256,
    /// What it is: `genesis`, `transfer`, `reward`, `register`, `update` or `deregister`.
    pub kind: String,
    /// Height of its block.
    pub height: u64,
    /// Timestamp of its block.
    pub timestamp_ms: u64,
    /// Base units that came to these addresses.
    pub received: u64,
    /// Base units of these addresses that it spent; `None` if what it spends was made before this node's
    /// history begins.
    pub spent: Option<u64>,
    /// What it paid, if all it spends was of these addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_history_is_written_and_read() {
        let place = HistoryPlace {
            height: 42,
            position: 7,
        };
        assert_eq!(place.to_string().parse(), Ok(place));
        for bad in ["", "1", "1.", ".1", "1.x", "-1.0", "1.4294967296"] {
            assert_eq!(bad.parse::<HistoryPlace>(), Err(ParseHistoryPlaceError), "{bad}");
        }
    }
}

//! What is true: the data types of the ledger and the functions that judge them.
//!
//! Everything here is deterministic: integers with checked arithmetic, no clock, no float, no
//! randomness. Ids and signed bytes come from canonical layouts of this room ([`canonical`]),
//! never from a codec, so a codec upgrade cannot change a txid or a block hash.

mod address;
mod amount;
mod block;
mod canonical;
mod certificate;
mod commitment;
mod connect;
mod genesis;
mod genesis_file;
mod header;
mod height;
mod history;
mod ids;
mod limits;
mod masternodes;
mod merkle;
mod network;
mod params;
mod period;
mod proof;
mod registration;
mod registry;
mod registry_rules;
mod rewards;
mod rules;
mod shared;
mod state;
mod timestamp;
mod transaction;
mod utxo;
mod verify;
mod verify_block;

#[cfg(test)]
mod ledger_tests;
#[cfg(test)]
mod random_tests;
#[cfg(test)]
mod registry_tests;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use address::{Address, AddressError};
pub use amount::{Amount, AmountError, UNITS_PER_TIME};
pub use block::Block;
pub use canonical::CanonicalError;
pub use certificate::CommitCertificate;
pub use commitment::{ElementKind, SET_HASH_BYTES, SetHash};
pub use connect::{Assembled, Before, ConnectError, Connected, Draft, Undo, assemble, connect};
pub use genesis::{Genesis, GenesisError, GenesisMasternode, GenesisOutput};
pub use header::{BLOCK_VERSION, BlockHeader};
pub use height::Height;
pub use history::{CarriedEvidence, EpochSet, HISTORY_EPOCHS, History, HistoryChange};
pub use ids::{BlockHash, MasternodeId, OutPoint, TxId, WitnessTxId};
pub use limits::{DUST, EVIDENCE_MAX, INPUTS_MAX, OUTPUTS_MAX, REWARD_MATURITY, TRANSACTION_BYTES_MAX};
pub use masternodes::{Tier, validator_set_hash};
pub use merkle::{MerkleProof, evidence_root, merkle_root, transaction_leaf, transactions_root};
pub use network::{Network, ParseNetworkError};
pub use params::{Params, ParamsError};
pub use period::SILENT_EPOCHS_MAX;
pub use proof::CoinSum;
pub use registration::{
    MasternodeChange, MasternodeUpdate, OwnerChange, POSSESSION_DOMAIN, READY_DOMAIN, Ready, Registration,
    ServiceAddress, possession_bytes, ready_bytes,
};
pub use registry::{Conviction, Masternode, NextValues, REGISTRY_MAX, Registry, Standing};
pub use registry_rules::{RegistryContext, RegistryError, judge as judge_registry};
pub use rewards::{REWARD_PER_PERIOD, reward_transaction};
pub use rules::{EvidenceJudge, Offence, Rules, SetOf};
pub use shared::SharedTransaction;
pub use state::{ChainState, Epoch, MasternodesBefore, Tip, Totals};
pub use timestamp::TimestampMs;
pub use transaction::{Output, Sighashes, TRANSACTION_VERSION, Transaction, TransactionKind, Witness};
pub use utxo::{Coin, EmptyView, Overlay, UtxoDelta, UtxoView, ViewError};
pub use verify::{TransactionError, VerifiedTransactions, check_alone, check_spending, verify_batch};
pub use verify_block::{BlockContext, BlockError, check_block_alone, check_block_limits, check_body};

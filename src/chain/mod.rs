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
mod genesis;
mod header;
mod height;
mod ids;
mod masternodes;
mod network;
mod params;
mod shared;
mod timestamp;
mod transaction;

#[cfg(test)]
mod tests;

pub use address::{Address, AddressError};
pub use amount::{Amount, AmountError, UNITS_PER_TIME};
pub use block::Block;
pub use canonical::CanonicalError;
pub use certificate::CommitCertificate;
pub use genesis::{Genesis, GenesisError, GenesisMasternode, GenesisOutput};
pub use header::{BLOCK_VERSION, BlockHeader};
pub use height::Height;
pub use ids::{BlockHash, OutPoint, TxId, WitnessTxId};
pub use masternodes::{Tier, validator_set_hash};
pub use network::{Network, ParseNetworkError};
pub use params::{Params, ParamsError};
pub use shared::SharedTransaction;
pub use timestamp::TimestampMs;
pub use transaction::{Output, Sighashes, TRANSACTION_VERSION, Transaction, TransactionKind, Witness};

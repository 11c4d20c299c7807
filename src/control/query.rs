//! What people may look up that no snapshot holds: blocks, transactions, evidence, balances.
//!
//! Reads block on storage: callers are threads or blocking pools, never a runtime worker. The
//! structs are the JSON of docs/OPERATIONS.md as they stand.

use serde::{Deserialize, Serialize};

use super::{BalanceView, HistoryPage, HistoryPlace, MasternodeView, OutputView, PendingOutput, UtxoEntry};
use crate::{
    chain::OutPoint,
    crypto::{Hash256, PublicKey, Signature},
    wire::Ban,
};

/// Reads of a node's storage and pool.
pub trait Query: Send + Sync {
    /// The final block of a height, if there is one.
    fn block(&self, height: u64) -> Result<Option<BlockView>, QueryError>;

    /// Where a transaction stands.
    fn transaction(&self, txid: Hash256) -> Result<TransactionView, QueryError>;

    /// True if the pool holds the transaction.
    fn mempool_has(&self, txid: Hash256) -> bool;

    /// The header of a final block; of a node that began with a snapshot, also where it holds no body.
    fn header(&self, height: u64) -> Result<Option<HeaderView>, QueryError> {
        Ok(self.block(height)?.map(HeaderView::from))
    }

    /// The height of the final block with this hash.
    fn height_of(&self, hash: Hash256) -> Result<Option<u64>, QueryError> {
        let _ = hash;
        Ok(None)
    }

    /// The bytes of a transaction that waits or is final.
    fn raw_transaction(&self, txid: Hash256) -> Result<Option<RawTransactionView>, QueryError> {
        let _ = txid;
        Ok(None)
    }

    /// Ids of what waits, the longest first, one page of them.
    fn waiting(&self, page: Page) -> Result<Vec<Hash256>, QueryError> {
        let _ = page;
        Ok(Vec::new())
    }

    /// One transaction that waits.
    fn waiting_transaction(&self, txid: Hash256) -> Result<Option<WaitingView>, QueryError> {
        let _ = txid;
        Ok(None)
    }

    /// Who is kept out, newest first, one page of it.
    ///
    /// # Errors
    /// [`QueryError::Invalid`] where there is no such list.
    fn bans(&self, page: Page) -> Result<Vec<Ban>, QueryError> {
        let _ = page;
        Err(QueryError::Invalid("no list of bans is kept here".to_owned()))
    }

    /// Evidence held, ascending by (height, round), one page of it.
    fn evidence(&self, page: Page) -> Result<Vec<EvidenceView>, QueryError>;

    /// What an address owns in final blocks.
    fn balance(&self, address: &str) -> Result<BalanceView, QueryError>;

    /// Unspent outputs of an address, ascending by (txid, index), one page of those above `after`. What a page
    /// skips is read too: a long list is walked by the last output of each page.
    fn utxos(&self, address: &str, after: Option<OutPoint>, page: Page)
    -> Result<Vec<UtxoEntry>, QueryError>;

    /// What waiting transactions pay to an address and no other waiting one spends, ascending by
    /// (txid, index), one page of it.
    ///
    /// # Errors
    /// [`QueryError::Invalid`] where no pool is kept, or if the address cannot be read.
    fn pending(&self, address: &str, page: Page) -> Result<Vec<PendingOutput>, QueryError> {
        let _ = (address, page);
        Err(QueryError::Invalid("no pool is kept here".to_owned()))
    }

    /// Where one output stands; `None` if no transaction that is known here makes it.
    ///
    /// # Errors
    /// [`QueryError::Invalid`] where no outputs are kept.
    fn output(&self, txid: Hash256, index: u32) -> Result<Option<OutputView>, QueryError> {
        let _ = (txid, index);
        Err(QueryError::Invalid("no outputs are kept here".to_owned()))
    }

    /// What came to and went from addresses in final blocks, newest first, from below `before` or the tip;
    /// at most `limit` transactions, and fewer if that takes reading many blocks.
    ///
    /// # Errors
    /// [`QueryError::Invalid`] where no blocks are kept, or if an address cannot be read.
    fn history(
        &self,
        addresses: &[String],
        before: Option<HistoryPlace>,
        limit: u32,
    ) -> Result<HistoryPage, QueryError> {
        let _ = (addresses, before, limit);
        Err(QueryError::Invalid("no blocks are kept here".to_owned()))
    }

    /// Masternodes of every standing, ascending by id, one page of them.
    fn masternodes(&self, page: Page) -> Result<Vec<MasternodeView>, QueryError>;

    /// The masternode with this id, or with this consensus key now, next, or when it was jailed.
    fn masternode(&self, id_or_key: Hash256) -> Result<Option<MasternodeView>, QueryError>;
}

/// Why a look-up has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The argument cannot be read.
    #[error("{0}")]
    Invalid(String),
    /// Storage failed or is closing.
    #[error("storage cannot answer: {0}")]
    Storage(String),
}

/// One page of a longer list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// How many items to skip.
    pub skip: u32,
    /// How many to return, at most [`Page::LIMIT_MAX`].
    pub limit: u32,
}

impl Page {
    /// What one answer holds at most: keeps it below a megabyte.
    pub const LIMIT_MAX: u32 = 1_000;

    /// A page; the limit is capped.
    pub fn new(skip: u32, limit: u32) -> Self {
        Self {
            skip,
            limit: limit.min(Self::LIMIT_MAX),
        }
    }
}

/// `GET /blocks/{height}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlockView {
    /// Height.
    pub height: u64,
    /// Its hash.
    pub hash: Hash256,
    /// Hash of its parent.
    pub prev_hash: Hash256,
    /// Consensus key of its proposer; `None` for genesis.
    pub proposer: Option<PublicKey>,
    /// The round it was made in.
    pub created_round: u32,
    /// Its timestamp.
    pub timestamp_ms: u64,
    /// Transactions in it.
    pub tx_count: u32,
    /// Their ids in order.
    pub txids: Vec<Hash256>,
    /// Commitment to the UTXO set after it.
    pub utxo_commitment: Hash256,
    /// What decided it; `None` for genesis.
    pub certificate: Option<CertificateView>,
}

/// A block without its transactions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeaderView {
    /// Height.
    pub height: u64,
    /// Its hash.
    pub hash: Hash256,
    /// Hash of its parent.
    pub prev_hash: Hash256,
    /// Consensus key of its proposer; `None` for genesis.
    pub proposer: Option<PublicKey>,
    /// The round it was made in.
    pub created_round: u32,
    /// Its timestamp.
    pub timestamp_ms: u64,
    /// Commitment to the UTXO set after it.
    pub utxo_commitment: Hash256,
    /// What decided it; `None` for genesis.
    pub certificate: Option<CertificateView>,
}

impl From<BlockView> for HeaderView {
    fn from(block: BlockView) -> Self {
        Self {
            height: block.height,
            hash: block.hash,
            prev_hash: block.prev_hash,
            proposer: block.proposer,
            created_round: block.created_round,
            timestamp_ms: block.timestamp_ms,
            utxo_commitment: block.utxo_commitment,
            certificate: block.certificate,
        }
    }
}

/// The bytes of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawTransactionView {
    /// Its id.
    pub txid: Hash256,
    /// Its canonical bytes, as `POST /tx` takes them.
    pub hex: String,
    /// The block it is final in; `None` while it waits.
    pub height: Option<u64>,
}

/// A transaction that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingView {
    /// Its id.
    pub txid: Hash256,
    /// Its canonical bytes, counted.
    pub bytes: u64,
    /// How long it has waited.
    pub age_ms: u64,
    /// What it pays, in base units; `None` if an input is gone, so that it will leave the pool.
    pub fee: Option<u64>,
    /// Inputs.
    pub inputs: u32,
    /// Outputs.
    pub outputs: u32,
    /// Transactions it spends from that wait too, ascending.
    pub depends: Vec<Hash256>,
    /// Whether it is in a proposal under vote.
    pub proposed: bool,
}

/// The certificate of a block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CertificateView {
    /// The round that decided.
    pub round: u32,
    /// Positions in that height's validator list, strictly ascending.
    pub signers: Vec<u16>,
    /// Their signatures in the same order.
    pub signatures: Vec<Signature>,
}

/// `GET /tx/{txid}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionView {
    /// Where it stands.
    pub state: TransactionState,
    /// The block it is final in.
    pub height: Option<u64>,
    /// When that block became final here.
    pub finalized_at_ms: Option<u64>,
    /// Why it was refused, if that is still remembered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Where a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransactionState {
    /// Never seen, or forgotten.
    Unknown,
    /// In the pool.
    Pending,
    /// In a proposal under vote.
    Proposed,
    /// In a final block.
    Final,
    /// Refused lately.
    Rejected,
}

/// An item of `GET /evidence`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceView {
    /// `E1`…`E6` (docs/CONSENSUS.md §9).
    pub kind: String,
    /// What was done, in words.
    pub crime: String,
    /// Height.
    pub height: u64,
    /// Round.
    pub round: u32,
    /// Consensus key of the offender.
    pub validator: PublicKey,
    /// Its name.
    pub name: String,
    /// The two messages that contradict each other, hex.
    pub messages: Vec<String>,
}

//! A transaction with its ids, shared: cloning costs one counter.

use std::{ops::Deref, sync::Arc};

use bincode::{
    Decode, Encode,
    de::Decoder,
    enc::Encoder,
    error::{DecodeError, EncodeError},
};

use super::{Transaction, TxId, WitnessTxId};

/// An immutable transaction with id, witness id and size computed once. On the wire and on disk
/// it is the transaction alone; the ids are computed again by whoever decodes it.
#[derive(Debug, Clone)]
pub struct SharedTransaction(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    transaction: Transaction,
    txid: TxId,
    wtxid: WitnessTxId,
    size: usize,
}

impl SharedTransaction {
    /// Computes the ids of `transaction` and shares it.
    pub fn new(transaction: Transaction) -> Self {
        let (txid, wtxid, size) = transaction.ids();
        Self(Arc::new(Inner {
            transaction,
            txid,
            wtxid,
            size,
        }))
    }

    /// The id.
    pub fn txid(&self) -> TxId {
        self.0.txid
    }

    /// The id of transaction and witnesses together.
    pub fn wtxid(&self) -> WitnessTxId {
        self.0.wtxid
    }

    /// Canonical size in bytes, witnesses included.
    pub fn size(&self) -> usize {
        self.0.size
    }

    /// The transaction itself.
    pub fn transaction(&self) -> &Transaction {
        &self.0.transaction
    }

    /// True if both handles share one allocation.
    pub fn ptr_eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Deref for SharedTransaction {
    type Target = Transaction;

    fn deref(&self) -> &Transaction {
        &self.0.transaction
    }
}

impl From<Transaction> for SharedTransaction {
    fn from(transaction: Transaction) -> Self {
        Self::new(transaction)
    }
}

/// Equal witness ids are equal transactions.
impl PartialEq for SharedTransaction {
    fn eq(&self, other: &Self) -> bool {
        self.0.wtxid == other.0.wtxid
    }
}

impl Eq for SharedTransaction {}

impl Encode for SharedTransaction {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.0.transaction.encode(encoder)
    }
}

impl<Context> Decode<Context> for SharedTransaction {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Transaction::decode(decoder).map(Self::new)
    }
}

bincode::impl_borrow_decode!(SharedTransaction);

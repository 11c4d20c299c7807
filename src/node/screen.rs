//! What can be refused before any signature is looked at: a fee below the floor, a key that is not the coin's,
//! more money than there is.
//!
//! Only where every input is a final coin: then the fee is known, and nothing that the pool holds can change it. All
//! else goes on to the signatures and to the engine, which has the last word. A flood that pays too little costs
//! a few reads that way, and no signature; and the coins of what goes on are in the cache when the engine asks.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    chain::{SharedTransaction, TransactionError, check_spending},
    engine::Event,
    mempool::{Refusal, fee_at},
    metrics::{
        Metrics,
        labels::{Label, RejectReason},
    },
    storage::StoreReader,
};

use super::bodies::Bodies;

/// See the module. Blocks on the disk.
pub(super) struct Screen {
    pub(super) reader: StoreReader,
    /// The lowest fee rate that the pool takes, in units per 1000 bytes; published by the engine's thread.
    pub(super) floor_per_kb: Arc<AtomicU64>,
    pub(super) bodies: Arc<Bodies>,
    pub(super) metrics: Arc<Metrics>,
}

/// How many were refused for which reason, for the engine's figures.
pub(super) type Refused = BTreeMap<&'static str, u64>;

impl Screen {
    /// Why `transaction` would be refused whatever its signatures are; it is noted for people and counted in
    /// `refused`. `None`: that is not known here.
    pub(super) fn refusal(&self, transaction: &SharedTransaction, refused: &mut Refused) -> Option<Refusal> {
        let refusal = self.judge(transaction)?;
        let code = refusal.code();
        *refused.entry(code).or_default() += 1;
        if let Some(label) = RejectReason::named(code) {
            self.metrics.mempool.rejected.inc(label);
        }
        // An id does not cover witnesses: somebody else's wrong ones must not shut out the right ones.
        if !matches!(refusal, Refusal::Invalid(TransactionError::WrongKey { .. })) {
            self.bodies.refused_early(&transaction.txid(), code);
        }
        Some(refusal)
    }

    /// What tells the engine of them; `None` if there is nothing to tell.
    pub(super) fn told(refused: Refused) -> Option<Event> {
        (!refused.is_empty()).then_some(Event::Refused(refused))
    }

    fn judge(&self, transaction: &SharedTransaction) -> Option<Refusal> {
        // The word that a masternode is there spends nothing and pays nothing.
        if transaction.inputs.is_empty() {
            return None;
        }
        let mut coins = Vec::with_capacity(transaction.inputs.len());
        for outpoint in &transaction.inputs {
            coins.push(self.reader.utxo(outpoint).ok()??);
        }
        match check_spending(transaction, &coins, self.reader.height().next()) {
            Ok(fee) => {
                let size = transaction.size();
                let need = fee_at(self.floor_per_kb.load(Ordering::Relaxed), size);
                (fee < need).then_some(Refusal::FeeTooLow { fee, need })
            }
            Err(error @ (TransactionError::WrongKey { .. } | TransactionError::Overspent { .. })) => {
                Some(error.into())
            }
            // What depends on the height is for the engine, which knows it.
            Err(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;

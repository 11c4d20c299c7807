//! Which outputs the pool's transactions spend: a claim lives exactly as long as its entry.

use crate::{
    chain::{OutPoint, Transaction},
    crypto::HashKeyed,
};

use super::slots::Slot;

/// Claimed outpoints. Taken all or none, because one owner does it after every check.
#[derive(Debug, Default)]
pub(super) struct Claims(HashKeyed<OutPoint, Slot>);

impl Claims {
    pub(super) fn holder(&self, outpoint: &OutPoint) -> Option<Slot> {
        self.0.get(outpoint).copied()
    }

    pub(super) fn take(&mut self, transaction: &Transaction, slot: Slot) {
        self.0
            .extend(transaction.inputs.iter().map(|outpoint| (*outpoint, slot)));
    }

    pub(super) fn release(&mut self, transaction: &Transaction) {
        for outpoint in &transaction.inputs {
            self.0.remove(outpoint);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

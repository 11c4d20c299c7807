//! People who spend their coins, some of them twice.

use timecoin::{
    chain::{
        Address, Amount, Height, OutPoint, Output, SharedTransaction, TRANSACTION_VERSION, Transaction,
        TransactionKind, TxId,
    },
    crypto::SecretKey,
};

use super::{COIN_UNITS, Engines, Item, seed};
use crate::schedule::Draws;

/// Fee of every payment, in units.
const FEE_UNITS: u64 = 10_000;

impl Engines {
    /// Owner `coin` pays `to`; the same coin to somebody else is a double spend.
    pub(super) fn payment(
        &self,
        coin: u64,
        to: u64,
        make: &dyn Fn(&[u8; 32]) -> SecretKey,
    ) -> SharedTransaction {
        let key = make(&seed("owner", coin));
        let payee = make(&seed("owner", to));
        let mut transaction = Transaction {
            version: TRANSACTION_VERSION,
            kind: TransactionKind::Transfer,
            inputs: vec![OutPoint::new(TxId::from_hash(self.chain_id), coin as u32)],
            outputs: vec![Output {
                amount: Amount::from_units(COIN_UNITS - FEE_UNITS),
                address: Address::of(&payee.public_key()),
            }],
            valid_until_height: Height::new(0),
            witnesses: Vec::new(),
        };
        transaction.sign(&self.chain_id, &[&key]);
        SharedTransaction::new(transaction)
    }

    /// Every coin is spent some time before `until_us`, a third of them twice, anywhere.
    pub(super) fn spend_all(
        &mut self,
        coins: u64,
        until_us: u64,
        draws: &mut Draws,
        make: &dyn Fn(&[u8; 32]) -> SecretKey,
    ) {
        let count = self.nodes.len() as u64;
        for coin in 0..coins {
            let times = if draws.chance(33) { 2 } else { 1 };
            for time in 0..times {
                let transaction = self.payment(coin, coins + time, make);
                let node = draws.below(count) as usize;
                self.push(draws.below(until_us), Item::Submit { node, transaction });
            }
        }
    }
}

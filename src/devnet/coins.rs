//! Coins for traffic, and transactions made from them.
//!
//! Only coins that are final on the node a transaction is sent to are spent, so no transaction
//! depends on another that may still fail: each one stands for itself in the figures. Coins are
//! therefore kept apart by node. A transaction of one input makes two coins of it, so the stock grows
//! until there are plenty; from then on two are made of two.

use std::collections::VecDeque;

use rayon::prelude::*;

use crate::{
    chain::{
        Address, Amount, DUST, Height, OutPoint, Output, SharedTransaction, TRANSACTION_VERSION, Transaction,
        TransactionKind,
    },
    crypto::{Hash256, SecretKey},
};

/// Fee, units per byte: ten times the pool's lowest floor, so that a burst that raised the floor does
/// not refuse what comes after it.
const FEE_PER_BYTE: u64 = 10;

/// A node's stock of coins beyond which transactions make no more than they spend: bounds memory
/// here and the set of unspent outputs on the nodes.
const PLENTY: usize = 10_000;

/// Bytes of a transaction beside inputs and outputs, and of each input (with witness) and output.
const FIXED_BYTES: u64 = 23;
const INPUT_BYTES: u64 = 36 + 96;
const OUTPUT_BYTES: u64 = 28;

/// An output that one of our keys can spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Coin {
    pub(super) outpoint: OutPoint,
    pub(super) amount: Amount,
    /// Whose it is: index of the key.
    pub(super) owner: usize,
}

/// A transaction, and what it does to the stock.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) transaction: SharedTransaction,
    pub(super) spent: Vec<Coin>,
    pub(super) created: Vec<Coin>,
}

/// Keys, and the coins they own, by node.
#[derive(Debug)]
pub(super) struct Purse {
    chain_id: Hash256,
    keys: Vec<(SecretKey, Address)>,
    by_node: Vec<VecDeque<Coin>>,
    inputs: usize,
    next_owner: usize,
}

impl Purse {
    /// Keys without coins, for `nodes` nodes; `inputs` are spent per transaction.
    pub(super) fn new(chain_id: Hash256, keys: Vec<SecretKey>, nodes: usize, inputs: usize) -> Self {
        let with_address = |key: SecretKey| {
            let address = Address::of(&key.public_key());
            (key, address)
        };
        Self {
            chain_id,
            keys: keys.into_iter().map(with_address).collect(),
            by_node: vec![VecDeque::new(); nodes],
            inputs: inputs.max(1),
            next_owner: 0,
        }
    }

    /// Addresses of the keys.
    pub(super) fn addresses(&self) -> impl Iterator<Item = Address> + '_ {
        self.keys.iter().map(|(_, address)| *address)
    }

    /// How many keys there are.
    pub(super) fn keys(&self) -> usize {
        self.keys.len()
    }

    /// Puts coins into the stock of a node.
    pub(super) fn add(&mut self, node: usize, coins: impl IntoIterator<Item = Coin>) {
        if let Some(stock) = self.by_node.get_mut(node) {
            stock.extend(coins);
        }
    }

    /// Coins a node has in stock.
    pub(super) fn stock(&self, node: usize) -> usize {
        self.by_node.get(node).map_or(0, VecDeque::len)
    }

    /// A transfer of the oldest coins of a node to two of our own addresses; `None` if the stock is
    /// too small. Coins that are worth less than the fee leave the stock.
    pub(super) fn transfer(&mut self, node: usize) -> Option<Made> {
        let plenty = self.stock(node) > PLENTY;
        let inputs = if plenty { self.inputs.max(2) } else { self.inputs };
        self.spend(node, inputs, 2)
    }

    /// The richest coin of a node, split into `pieces` for the same key.
    pub(super) fn split(&mut self, node: usize, pieces: usize) -> Option<Made> {
        let stock = self.by_node.get_mut(node)?;
        let (richest, _) = stock.iter().enumerate().max_by_key(|(_, coin)| coin.amount)?;
        let coin = stock.remove(richest)?;
        stock.push_front(coin);
        self.spend(node, 1, pieces)
    }

    fn spend(&mut self, node: usize, inputs: usize, outputs: usize) -> Option<Made> {
        let fee = fee(inputs, outputs);
        loop {
            let stock = self.by_node.get_mut(node)?;
            if stock.len() < inputs {
                return None;
            }
            let spent: Vec<Coin> = stock.drain(..inputs).collect();
            let share = Amount::checked_sum(spent.iter().map(|coin| coin.amount))
                .and_then(|sum| sum.checked_sub(fee))
                .map(|rest| rest.units() / outputs as u64)
                .filter(|share| *share >= DUST.units());
            if let Some(share) = share {
                let owners = (0..outputs).map(|_| self.pick_owner()).collect();
                return Some(self.pay(spent, Amount::from_units(share), owners));
            }
        }
    }

    /// Chains of transfers, signed on all cores: each spends the `inputs` outputs of the one before it,
    /// the first of each chain spends coins of the first node. As many chains as the stock has coins
    /// for, at most `count`, each of `length` unless its coins are used up before.
    pub(super) fn chains(
        &mut self,
        count: usize,
        inputs: usize,
        length: usize,
    ) -> Vec<Vec<SharedTransaction>> {
        let inputs = inputs.max(1);
        let mut starts: Vec<Vec<Coin>> = Vec::with_capacity(count);
        if let Some(stock) = self.by_node.first_mut() {
            while starts.len() < count && stock.len() >= inputs {
                starts.push(stock.drain(..inputs).collect());
            }
        }
        let this = &*self;
        let lanes = starts.into_par_iter().enumerate();
        lanes
            .map(|(lane, coins)| this.chain(lane, coins, length))
            .collect()
    }

    fn chain(&self, lane: usize, mut coins: Vec<Coin>, length: usize) -> Vec<SharedTransaction> {
        let outputs = coins.len();
        let mut made = Vec::with_capacity(length);
        for step in 0..length {
            let share = Amount::checked_sum(coins.iter().map(|coin| coin.amount))
                .and_then(|sum| sum.checked_sub(fee(outputs, outputs)))
                .map(|rest| rest.units() / outputs as u64)
                .filter(|share| *share >= DUST.units());
            let Some(share) = share else { break };
            let owners = (0..outputs).map(|output| (lane + step + output) % self.keys.len());
            let one = self.pay(coins, Amount::from_units(share), owners.collect());
            coins = one.created;
            made.push(one.transaction);
        }
        made
    }

    /// What is left of a division goes to the fee.
    fn pay(&self, spent: Vec<Coin>, share: Amount, owners: Vec<usize>) -> Made {
        let mut transaction = Transaction {
            version: TRANSACTION_VERSION,
            kind: TransactionKind::Transfer,
            inputs: spent.iter().map(|coin| coin.outpoint).collect(),
            outputs: owners
                .iter()
                .map(|owner| Output {
                    amount: share,
                    address: self.keys[*owner].1,
                })
                .collect(),
            valid_until_height: Height::new(0),
            witnesses: Vec::new(),
        };
        let keys: Vec<&SecretKey> = spent.iter().map(|coin| &self.keys[coin.owner].0).collect();
        transaction.sign(&self.chain_id, &keys);
        let transaction = SharedTransaction::new(transaction);
        let created = transaction
            .created(transaction.txid())
            .zip(owners)
            .map(|((outpoint, output), owner)| Coin {
                outpoint,
                amount: output.amount,
                owner,
            })
            .collect();
        Made {
            transaction,
            spent,
            created,
        }
    }

    fn pick_owner(&mut self) -> usize {
        self.next_owner = (self.next_owner + 1) % self.keys.len();
        self.next_owner
    }
}

fn fee(inputs: usize, outputs: usize) -> Amount {
    let bytes = FIXED_BYTES + INPUT_BYTES * inputs as u64 + OUTPUT_BYTES * outputs as u64;
    Amount::from_units(bytes * FEE_PER_BYTE)
}

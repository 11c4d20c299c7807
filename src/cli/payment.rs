//! Building one payment from a wallet's outputs: which to spend, what it costs, what comes back.

use super::failure::{Code, Failure};
use crate::{
    chain::{
        Address, Amount, DUST, Height, INPUTS_MAX, OutPoint, Output, TRANSACTION_VERSION, Transaction,
        TransactionKind,
    },
    crypto::{Hash256, SecretKey},
};

/// Units of fee per byte when the payer names none: twice the floor of a pool that is not full.
const FEE_PER_BYTE: u64 = 2;
/// Canonical bytes of an input with its witness (`chain/transaction.rs`).
const INPUT_BYTES: u64 = 36 + 96;
/// Canonical bytes of an output.
const OUTPUT_BYTES: u64 = 28;

/// What a transaction shall do, before it is known what it spends.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) kind: TransactionKind,
    /// What it makes, but for the change, which comes after these.
    pub(super) outputs: Vec<Output>,
    /// `None`: by size.
    pub(super) fee: Option<Amount>,
}

impl Order {
    /// Money for somebody.
    pub(super) fn transfer(to: Address, amount: Amount, fee: Option<Amount>) -> Self {
        let outputs = vec![Output { amount, address: to }];
        Self {
            kind: TransactionKind::Transfer,
            outputs,
            fee,
        }
    }

    /// Bytes of the finished transaction; the change is counted whether there will be one or not.
    fn bytes(&self, inputs: usize) -> u64 {
        let mut empty = unsigned(self.clone(), Vec::new(), None);
        empty.outputs.clear();
        let outputs = self.outputs.len() as u64 + 1;
        empty.canonical_size() as u64 + inputs as u64 * INPUT_BYTES + outputs * OUTPUT_BYTES
    }

    fn fee_for(&self, inputs: usize) -> Amount {
        self.fee
            .unwrap_or_else(|| Amount::from_units(FEE_PER_BYTE * self.bytes(inputs)))
    }
}

/// An output that a wallet can spend now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spendable {
    pub(super) outpoint: OutPoint,
    pub(super) amount: Amount,
    /// Whose of the keys that pay.
    pub(super) owner: usize,
    /// False for change of a payment that waits itself.
    pub(super) is_final: bool,
}

/// A signed payment.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) transaction: Transaction,
    pub(super) fee: Amount,
}

/// Spends the largest outputs first, so that few are needed, and final ones before what still waits; what
/// is left comes back to the first key, or goes to the fee where it would be dust. `away`: what will come
/// with transactions that wait and cannot be spent yet, for the words if it is not enough.
pub(super) fn build(
    order: Order,
    coins: &[Spendable],
    away: Amount,
    keys: &[&SecretKey],
    chain_id: &Hash256,
) -> Result<Signed, Failure> {
    if let Some(small) = order.outputs.iter().find(|output| output.amount < DUST) {
        return Err(Failure::new(
            Code::Argument,
            format!(
                "{} TIME is less than the smallest output, {DUST} TIME; send more",
                small.amount
            ),
        ));
    }
    let made = Amount::checked_sum(order.outputs.iter().map(|output| output.amount)).ok_or_else(overflow)?;
    let mut sorted: Vec<&Spendable> = coins.iter().collect();
    sorted.sort_by_key(|coin| (std::cmp::Reverse(coin.amount), coin.outpoint));
    let final_ones: Vec<&Spendable> = sorted.iter().copied().filter(|coin| coin.is_final).collect();
    let mut most = Amount::ZERO;
    for candidates in [final_ones, sorted] {
        let mut inputs: Vec<&Spendable> = Vec::new();
        let mut total = Amount::ZERO;
        for coin in candidates.into_iter().take(INPUTS_MAX) {
            inputs.push(coin);
            total = total.checked_add(coin.amount).ok_or_else(overflow)?;
            let fee = order.fee_for(inputs.len());
            let need = made.checked_add(fee).ok_or_else(overflow)?;
            // A transaction makes something: without other outputs, its change has to be one.
            let change = total
                .checked_sub(need)
                .filter(|change| !order.outputs.is_empty() || *change >= DUST);
            if let Some(change) = change {
                return sign(order, &inputs, change, fee, keys, chain_id);
            }
        }
        most = total;
    }
    let waits = match away.is_zero() {
        true => String::new(),
        false => format!(" ({away} TIME more are on their way and not final)"),
    };
    Err(Failure::new(
        Code::Funds,
        format!(
            "the wallet can spend {most} TIME at once{waits}, not {made} TIME and the fee; send less, or wait for incoming money to be final and rewards to mature"
        ),
    ))
}

fn sign(
    order: Order,
    coins: &[&Spendable],
    change: Amount,
    fee: Amount,
    keys: &[&SecretKey],
    chain_id: &Hash256,
) -> Result<Signed, Failure> {
    let nobody = || Failure::new(Code::Argument, "no wallet pays; name one with --wallet");
    let has_change = change >= DUST;
    let first = keys.first().ok_or_else(nobody)?;
    let owners = coins.iter().map(|coin| keys.get(coin.owner).copied());
    let owners: Vec<&SecretKey> = owners.collect::<Option<_>>().ok_or_else(nobody)?;
    let back = has_change.then(|| Output {
        amount: change,
        address: Address::of(&first.public_key()),
    });
    let inputs = coins.iter().map(|coin| coin.outpoint).collect();
    let mut transaction = unsigned(order, inputs, back);
    transaction.sign(chain_id, &owners);
    Ok(Signed {
        transaction,
        // What is too small to come back goes to the fee. The sum was in the wallet, so it fits.
        fee: match has_change {
            true => fee,
            false => fee.checked_add(change).unwrap_or(fee),
        },
    })
}

fn unsigned(order: Order, inputs: Vec<OutPoint>, change: Option<Output>) -> Transaction {
    let mut outputs = order.outputs;
    outputs.extend(change);
    Transaction {
        version: TRANSACTION_VERSION,
        kind: order.kind,
        inputs,
        outputs,
        valid_until_height: Height::new(0),
        witnesses: Vec::new(),
    }
}

fn overflow() -> Failure {
    Failure::new(
        Code::Argument,
        "the amount is larger than all money there is; send less",
    )
}

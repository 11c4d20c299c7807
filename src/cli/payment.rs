//! Building one payment from a wallet's outputs: which to spend, what it costs, what comes back.

use super::failure::{Code, Failure};
use crate::{
    chain::{
        Address, Amount, DUST, Height, INPUTS_MAX, OutPoint, Output, TRANSACTION_VERSION, Transaction,
        TransactionKind, TxId,
    },
    control::UtxoEntry,
    crypto::{Hash256, SecretKey},
};

/// Units of fee per byte when the payer names none: twice the floor of a pool that is not full.
const FEE_PER_BYTE: u64 = 2;
/// Canonical bytes of an input with its witness (`chain/transaction.rs`).
const INPUT_BYTES: u64 = 36 + 96;
/// Canonical bytes of an output.
const OUTPUT_BYTES: u64 = 28;
/// Canonical bytes of a transaction without inputs and outputs.
const FIXED_BYTES: u64 = 23;

/// What is to be paid.
#[derive(Debug, Clone, Copy)]
pub(super) struct Payment {
    pub(super) to: Address,
    pub(super) amount: Amount,
    /// `None`: by size.
    pub(super) fee: Option<Amount>,
}

/// A signed payment.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) transaction: Transaction,
    pub(super) fee: Amount,
}

/// Spends the largest outputs first, so that few are needed; what is left comes back to the payer,
/// or goes to the fee where it would be dust.
pub(super) fn build(
    payment: Payment,
    utxos: &[UtxoEntry],
    key: &SecretKey,
    chain_id: &Hash256,
) -> Result<Signed, Failure> {
    if payment.amount < DUST {
        return Err(Failure::new(
            Code::Argument,
            format!(
                "{} TIME is less than the smallest output, {DUST} TIME; send more",
                payment.amount
            ),
        ));
    }
    let mut sorted: Vec<&UtxoEntry> = utxos.iter().collect();
    sorted.sort_by_key(|utxo| (std::cmp::Reverse(utxo.amount), utxo.txid, utxo.index));

    let mut inputs = Vec::new();
    let mut total = Amount::ZERO;
    for utxo in sorted.into_iter().take(INPUTS_MAX) {
        inputs.push(OutPoint::new(TxId::from_hash(utxo.txid), utxo.index));
        total = total
            .checked_add(Amount::from_units(utxo.amount))
            .ok_or_else(overflow)?;
        let fee = payment.fee.unwrap_or_else(|| fee_for(inputs.len(), 2));
        let need = payment.amount.checked_add(fee).ok_or_else(overflow)?;
        if let Some(change) = total.checked_sub(need) {
            return Ok(sign(payment, inputs, change, fee, key, chain_id));
        }
    }
    Err(Failure::new(
        Code::Funds,
        format!(
            "the wallet can spend {total} TIME at once, not {} TIME and the fee; send less, or wait for incoming money to be final",
            payment.amount
        ),
    ))
}

fn sign(
    payment: Payment,
    inputs: Vec<OutPoint>,
    change: Amount,
    fee: Amount,
    key: &SecretKey,
    chain_id: &Hash256,
) -> Signed {
    let mut outputs = vec![Output {
        amount: payment.amount,
        address: payment.to,
    }];
    let mut paid = fee;
    if change >= DUST {
        outputs.push(Output {
            amount: change,
            address: Address::of(&key.public_key()),
        });
    } else {
        // The sum was in the wallet, so it fits.
        paid = fee.checked_add(change).unwrap_or(fee);
    }
    let keys = vec![key; inputs.len()];
    let mut transaction = Transaction {
        version: TRANSACTION_VERSION,
        kind: TransactionKind::Transfer,
        inputs,
        outputs,
        valid_until_height: Height::new(0),
        witnesses: Vec::new(),
    };
    transaction.sign(chain_id, &keys);
    Signed {
        transaction,
        fee: paid,
    }
}

fn fee_for(inputs: usize, outputs: u64) -> Amount {
    Amount::from_units(FEE_PER_BYTE * (FIXED_BYTES + inputs as u64 * INPUT_BYTES + outputs * OUTPUT_BYTES))
}

fn overflow() -> Failure {
    Failure::new(
        Code::Argument,
        "the amount is larger than all money there is; send less",
    )
}

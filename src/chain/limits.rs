//! Limits of transactions and blocks that no genesis file changes.

use super::Amount;

/// Most inputs of a transaction: bounds the signatures that one message can make us check.
pub const INPUTS_MAX: usize = 256;
/// Most outputs of a transaction: bounds how fast one message can grow the UTXO set.
pub const OUTPUTS_MAX: usize = 256;
/// Largest transaction, canonical bytes.
pub const TRANSACTION_BYTES_MAX: usize = 100_000;
/// Smallest output: below it, spending costs more than it brings, and the set only grows.
pub const DUST: Amount = Amount::from_units(546);
/// A reward can be spent in blocks at least this far above its own.
pub const REWARD_MATURITY: u64 = 10;
/// Most pieces of evidence in a block.
pub const EVIDENCE_MAX: usize = 16;

// 256 inputs with witnesses and 256 outputs must fit, or the counts would promise too much.
const _: () = assert!(INPUTS_MAX * (36 + 96) + OUTPUTS_MAX * 28 + 64 <= TRANSACTION_BYTES_MAX);

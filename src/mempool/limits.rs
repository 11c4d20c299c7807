//! What the pool may hold.

use crate::chain::Transaction;

/// Most transactions in the pool: 20 blocks' worth at devnet rates; more only ages.
pub const TXS_MAX: usize = 10_000;
/// Most estimated heap, bytes: leaves 200 MB of the node's 500 MB budget to everything else.
pub const HEAP_BYTES_MAX: usize = 300_000_000;
/// Most transactions in a line of unconfirmed parents or children, the transaction included:
/// bounds what one admission or removal may touch.
pub const CHAIN_MAX: usize = 25;
/// A transaction that no block took for this long leaves, ms.
pub const EXPIRY_MS: u64 = 24 * 3_600_000;
/// Most ids remembered as recently confirmed, and as recently rejected.
pub const RECENT_MAX: usize = 20_000;

/// The caps of one pool; the defaults are the constants of this room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolLimits {
    /// Most transactions.
    pub txs_max: usize,
    /// Most estimated heap, bytes.
    pub heap_bytes_max: usize,
    /// Longest stay, ms.
    pub expiry_ms: u64,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            txs_max: TXS_MAX,
            heap_bytes_max: HEAP_BYTES_MAX,
            expiry_ms: EXPIRY_MS,
        }
    }
}

/// Heap of an entry apart from its lists: the transaction's allocation, the slot, and its share
/// of four indexes at their usual fill.
const ENTRY_BYTES: usize = 640;
/// Heap of an input: outpoint, witness, and its claim at a hash map's usual fill.
const INPUT_BYTES: usize = 36 + 96 + 96;
/// Heap of an output.
const OUTPUT_BYTES: usize = 28;

/// Estimated heap that `transaction` takes in the pool.
pub(super) fn heap_bytes(transaction: &Transaction) -> usize {
    ENTRY_BYTES + transaction.inputs.len() * INPUT_BYTES + transaction.outputs.len() * OUTPUT_BYTES
}

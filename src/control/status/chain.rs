//! What is final: the tip, the last blocks, and how long finality took.

use serde::{Deserialize, Serialize};

use super::super::Moment;
use crate::crypto::Hash256;

/// How many blocks [`ChainStatus::last_blocks`] holds at most. Screens show 20 or so.
pub const LAST_BLOCKS_MAX: usize = 64;
/// How many samples [`ChainStatus::finality_ms`] holds at most.
pub const FINALITY_SAMPLES_MAX: usize = 120;

/// The final chain as this node holds it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChainStatus {
    /// Height of the last final block.
    pub height: u64,
    /// Its hash.
    pub hash: Hash256,
    /// Commitment to the UTXO set after it.
    pub utxo_commitment: Hash256,
    /// Its timestamp, by its proposer's clock.
    pub timestamp_ms: u64,
    /// When it became final here; `None` until a block did in this run.
    pub finalized: Option<Moment>,
    /// Blocks finalized in this run.
    pub blocks_this_run: u64,
    /// Newest first, at most [`LAST_BLOCKS_MAX`].
    pub last_blocks: Vec<BlockLine>,
    /// Proposal to finality of the last blocks seen live, oldest first, at most [`FINALITY_SAMPLES_MAX`].
    pub finality_ms: Vec<u32>,
    /// Size of the transaction set, if counted.
    pub utxos: Option<u64>,
    /// All money that there is, base units: unspent outputs, and the fees that the running period pays out.
    pub supply: Option<u64>,
}

/// One line of the table of last blocks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlockLine {
    /// Height.
    pub height: u64,
    /// Hash.
    pub hash: Hash256,
    /// When it became final here.
    pub finalized: Moment,
    /// Transactions in it.
    pub txs: u32,
    /// Bytes of the whole block.
    pub size_bytes: u64,
    /// Name of who proposed it.
    pub proposer: String,
    /// True if this node proposed it.
    pub is_ours: bool,
    /// The round that decided it.
    pub round: u32,
    /// From the start of round 0 to finality; `None` for blocks that came by sync.
    pub finality_ms: Option<u32>,
}

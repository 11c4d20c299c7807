//! Block headers: what validators sign, and what everything else hangs from.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::crypto::{Hash256, HashWriter, PublicKey};

use super::{BlockHash, Height, TimestampMs};

/// The only layout of headers so far.
pub const BLOCK_VERSION: u16 = 1;

const TAG: &str = "timecoin/block-header/1";

/// A block header. Its hash never changes when the block is proposed again in a later round.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct BlockHeader {
    /// Layout version.
    pub version: u16,
    /// Height; the parent's plus one.
    pub height: Height,
    /// Hash of the parent; the chain id at genesis.
    pub prev_hash: BlockHash,
    /// When it was made; strictly above the parent's.
    pub timestamp_ms: TimestampMs,
    /// Consensus key of the validator that made it.
    pub proposer: PublicKey,
    /// Round in which it was made, whatever round decides it.
    pub created_round: u32,
    /// Merkle root of the transactions with their witnesses; zero for none.
    pub tx_root: Hash256,
    /// Commitment to all consensus state after this block.
    pub utxo_commitment: Hash256,
    /// Hash of the validator set of this height.
    pub vset_hash: Hash256,
    /// Hash of the validator set of the next height.
    pub next_vset_hash: Hash256,
    /// Hash of the parent's certificate in the body; zero for none (block 1).
    pub prev_commit_hash: Hash256,
    /// Merkle root of the evidence in the body; zero for none.
    pub evidence_root: Hash256,
}

impl BlockHeader {
    /// The hash that names the block.
    pub fn hash(&self) -> BlockHash {
        BlockHash::from_hash(
            HashWriter::new(TAG)
                .bytes(&self.version.to_le_bytes())
                .u64(self.height.get())
                .hash(self.prev_hash.as_hash())
                .u64(self.timestamp_ms.get())
                .bytes(self.proposer.as_bytes())
                .u32(self.created_round)
                .hash(&self.tx_root)
                .hash(&self.utxo_commitment)
                .hash(&self.vset_hash)
                .hash(&self.next_vset_hash)
                .hash(&self.prev_commit_hash)
                .hash(&self.evidence_root)
                .finish(),
        )
    }
}

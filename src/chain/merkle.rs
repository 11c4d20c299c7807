//! Merkle roots and proofs.
//!
//! Leaves and nodes are hashed under different tags, so a node can never pass for a leaf. An odd
//! last entry moves up unchanged instead of being paired with itself: pairing it would give two
//! lists with one root. The root of nothing is zero.

use crate::crypto::{Hash256, HashWriter};

use super::SharedTransaction;

const TAG_TX_LEAF: &str = "timecoin/tx-leaf/1";
const TAG_EVIDENCE_LEAF: &str = "timecoin/evidence-leaf/1";
const TAG_NODE: &str = "timecoin/merkle-node/1";

/// Leaf of a transaction: binds id and witnesses.
pub fn transaction_leaf(transaction: &SharedTransaction) -> Hash256 {
    HashWriter::new(TAG_TX_LEAF)
        .hash(transaction.txid().as_hash())
        .hash(transaction.wtxid().as_hash())
        .finish()
}

/// Root of the transactions of a block.
pub fn transactions_root(transactions: &[SharedTransaction]) -> Hash256 {
    merkle_root(transactions.iter().map(transaction_leaf).collect())
}

/// Root of the evidence of a block.
pub fn evidence_root(evidence: &[Vec<u8>]) -> Hash256 {
    merkle_root(
        evidence
            .iter()
            .map(|bytes| HashWriter::new(TAG_EVIDENCE_LEAF).bytes(bytes).finish())
            .collect(),
    )
}

/// Root over `leaves`, zero for none.
pub fn merkle_root(mut level: Vec<Hash256>) -> Hash256 {
    while level.len() > 1 {
        level = parents(&level);
    }
    level.first().copied().unwrap_or(Hash256::ZERO)
}

fn parents(level: &[Hash256]) -> Vec<Hash256> {
    level
        .chunks(2)
        .map(|pair| match pair {
            [left, right] => node(left, right),
            rest => rest[0],
        })
        .collect()
}

fn node(left: &Hash256, right: &Hash256) -> Hash256 {
    HashWriter::new(TAG_NODE).hash(left).hash(right).finish()
}

/// Shows that a leaf stands at an index under a root: the sibling on each level, lowest first;
/// levels on which the entry moved up alone have none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MerkleProof {
    /// Position of the leaf.
    pub index: usize,
    /// Number of leaves.
    pub leaves: usize,
    /// Siblings, lowest level first.
    pub siblings: Vec<Hash256>,
}

impl MerkleProof {
    /// The proof for leaf `index`; `None` if there is no such leaf.
    pub fn of(mut level: Vec<Hash256>, index: usize) -> Option<Self> {
        let leaves = level.len();
        if index >= leaves {
            return None;
        }
        let mut siblings = Vec::new();
        let mut at = index;
        while level.len() > 1 {
            siblings.extend(level.get(at ^ 1));
            level = parents(&level);
            at /= 2;
        }
        Some(Self {
            index,
            leaves,
            siblings,
        })
    }

    /// The root that this proof leads to from `leaf`; `None` if its shape is impossible.
    pub fn root(&self, leaf: Hash256) -> Option<Hash256> {
        if self.index >= self.leaves {
            return None;
        }
        let (mut at, mut width, mut hash) = (self.index, self.leaves, leaf);
        let mut siblings = self.siblings.iter();
        while width > 1 {
            if at ^ 1 < width {
                let sibling = siblings.next()?;
                hash = if at % 2 == 0 {
                    node(&hash, sibling)
                } else {
                    node(sibling, &hash)
                };
            }
            at /= 2;
            width = width.div_ceil(2);
        }
        siblings.next().is_none().then_some(hash)
    }
}

//! What can be judged of a block alone: limits, and that its header commits to its body; and the
//! signatures of its transactions. What needs the chain is in [`super::connect`].

use crate::crypto::{Hash256, PublicKey, Verifiable};

use super::{
    Block, CommitCertificate, EVIDENCE_MAX, Height, Params, SharedTransaction, TransactionError, TxId,
    WitnessTxId,
    header::BLOCK_VERSION,
    merkle::{evidence_root, transactions_root},
    verify::verify_batch,
};

/// Why a block is not valid, with the facts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// A layout that we don't know.
    #[error("block version {found} is unknown, expected {BLOCK_VERSION}")]
    Version {
        /// Its version.
        found: u16,
    },
    /// More transactions than the network allows.
    #[error("{found} transactions, at most {max} are allowed")]
    TransactionCount {
        /// How many.
        found: usize,
        /// The limit.
        max: u64,
    },
    /// A body larger than the network allows.
    #[error("body of {found} bytes, at most {max} are allowed")]
    TooLarge {
        /// Bytes of the body.
        found: usize,
        /// The limit.
        max: u64,
    },
    /// More evidence than a block may carry.
    #[error("{found} pieces of evidence, at most {EVIDENCE_MAX} are allowed")]
    EvidenceCount {
        /// How many.
        found: usize,
    },
    /// The header commits to something else than what the body or the chain gives.
    #[error("{field} is {found}, computed {expected}")]
    Root {
        /// Field of the header.
        field: &'static str,
        /// What the header says.
        found: Hash256,
        /// What follows from body and chain.
        expected: Hash256,
    },
    /// The parent's certificate is absent, or present in block 1.
    #[error("certificate of the parent: {}", if *.present { "block 1 has no parent that could be certified" } else { "missing" })]
    CertificatePresence {
        /// Whether there is one.
        present: bool,
    },
    /// The certificate in the body is not the parent's, or its signers are no ascending list of
    /// the parent's validators.
    #[error("the certificate in the body does not certify the parent")]
    Certificate,
    /// Not the next height.
    #[error("height {found}, expected {expected}")]
    Height {
        /// Height of the block.
        found: Height,
        /// The tip's plus one.
        expected: Height,
    },
    /// Not strictly after its parent.
    #[error("timestamp {found} is not above the parent's {parent}")]
    Timestamp {
        /// Milliseconds in the header.
        found: u64,
        /// Milliseconds in the parent's.
        parent: u64,
    },
    /// Made by somebody who is no masternode.
    #[error("proposer {0} is no masternode")]
    Proposer(PublicKey),
    /// A transaction is not valid.
    #[error("transaction {index} ({txid}): {error}")]
    Transaction {
        /// Position in the block.
        index: usize,
        /// Its id.
        txid: TxId,
        /// What is wrong.
        error: TransactionError,
    },
    /// A piece of evidence has no place here.
    #[error("evidence {index}: {reason}")]
    Evidence {
        /// Position in the block.
        index: usize,
        /// What is wrong.
        reason: String,
    },
    /// The reward is missing, not due, or not the one that follows from the chain.
    #[error("reward: expected {expected:?}, found {found:?}")]
    Reward {
        /// Id of the reward that is due, if one is.
        expected: Option<TxId>,
        /// Id of the reward that is there, if one is.
        found: Option<TxId>,
    },
}

/// Judges everything about `block` that needs no chain: limits, and that the header commits to
/// this body.
///
/// # Errors
/// The first [`BlockError`] found, cheapest checks first.
pub fn check_block_alone(block: &Block, params: &Params) -> Result<(), BlockError> {
    check_block_limits(block, params)?;
    check_body(block)
}

/// Whether this is the body that the header commits to. Whoever made the header answers for all
/// else that is wrong with a block; for a body that is not the header's answers only who sent it.
///
/// # Errors
/// [`BlockError::Root`] naming the commitment that does not hold.
pub fn check_body(block: &Block) -> Result<(), BlockError> {
    let header = &block.header;
    expect_root(
        "prev_commit_hash",
        header.prev_commit_hash,
        prev_commit_hash(block),
    )?;
    expect_root(
        "evidence_root",
        header.evidence_root,
        evidence_root(&block.evidence),
    )?;
    expect_root("tx_root", header.tx_root, transactions_root(&block.transactions))
}

/// Version, counts, sizes, and the form of the certificate.
///
/// # Errors
/// Any [`BlockError`] but those that [`check_body`] gives.
pub fn check_block_limits(block: &Block, params: &Params) -> Result<(), BlockError> {
    use BlockError as E;
    let header = &block.header;
    if header.version != BLOCK_VERSION {
        return Err(E::Version {
            found: header.version,
        });
    }
    if block.transactions.len() as u64 > params.max_block_txs {
        return Err(E::TransactionCount {
            found: block.transactions.len(),
            max: params.max_block_txs,
        });
    }
    if block.evidence.len() > EVIDENCE_MAX {
        return Err(E::EvidenceCount {
            found: block.evidence.len(),
        });
    }
    let bytes = block.body_bytes();
    if bytes as u64 > params.max_block_bytes {
        return Err(E::TooLarge {
            found: bytes,
            max: params.max_block_bytes,
        });
    }
    let present = block.prev_commit.is_some();
    if present != (header.height > Height::new(1)) {
        return Err(E::CertificatePresence { present });
    }
    if let Some(certificate) = &block.prev_commit {
        let ascending = certificate.signatures.is_sorted_by(|a, b| a.0 < b.0);
        if certificate.block_hash != header.prev_hash
            || certificate.height.next() != header.height
            || !ascending
        {
            return Err(E::Certificate);
        }
    }
    Ok(())
}

/// Hash of the certificate in a body, zero for none.
pub(super) fn prev_commit_hash(block: &Block) -> Hash256 {
    block
        .prev_commit
        .as_ref()
        .map_or(Hash256::ZERO, CommitCertificate::hash)
}

/// Compares what a header says with what was computed.
pub(super) fn expect_root(field: &'static str, found: Hash256, expected: Hash256) -> Result<(), BlockError> {
    if found == expected {
        Ok(())
    } else {
        Err(BlockError::Root {
            field,
            found,
            expected,
        })
    }
}

/// What the signatures of a block are checked with.
#[derive(Clone, Copy)]
pub struct BlockContext<'a> {
    /// The chain id.
    pub chain_id: &'a Hash256,
    /// True for transactions whose signatures were checked before, by id and witnesses: each
    /// signature is checked once per node.
    pub known: &'a dyn Fn(&WitnessTxId) -> bool,
}

/// The signatures of the transactions. Certificate and evidence are consensus' to check.
impl Verifiable for Block {
    type Context<'a> = BlockContext<'a>;
    type Error = BlockError;

    fn check_signatures(&self, context: BlockContext<'_>) -> Result<(), BlockError> {
        let unknown: Vec<SharedTransaction> = self
            .transactions
            .iter()
            .filter(|transaction| !transaction.is_reward() && !(context.known)(&transaction.wtxid()))
            .cloned()
            .collect();
        match verify_batch(unknown, context.chain_id).1.into_iter().next() {
            None => Ok(()),
            Some((culprit, error)) => {
                let txid = culprit.txid();
                let index = self
                    .transactions
                    .iter()
                    .position(|transaction| transaction.ptr_eq(&culprit));
                Err(BlockError::Transaction {
                    index: index.unwrap_or(0),
                    txid,
                    error,
                })
            }
        }
    }
}

//! What can be judged of a transaction or block alone, without the chain; and signatures.
//!
//! `check_alone` functions are structural and semantic; signatures come as `Verified<…>`, single
//! or in batches with one verdict. What needs the chain is in [`super::connect`].

use crate::crypto::{self, Hash256, PublicKey, Signature, Verifiable, Verified};

use super::{
    Address, Amount, Block, Coin, DUST, EVIDENCE_MAX, Height, INPUTS_MAX, OUTPUTS_MAX, OutPoint, Params,
    REWARD_MATURITY, SharedTransaction, TRANSACTION_BYTES_MAX, TRANSACTION_VERSION, Transaction,
    TransactionKind, WitnessTxId,
    header::BLOCK_VERSION,
    merkle::{evidence_root, transactions_root},
};

/// Why a transaction is not valid, with the facts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// A layout that we don't know.
    #[error("version {found} is unknown, expected {TRANSACTION_VERSION}")]
    Version {
        /// Its version.
        found: u16,
    },
    /// Rewards exist only in blocks.
    #[error("a reward cannot be submitted, blocks make their own")]
    RewardOutsideBlock,
    /// No inputs, or too many.
    #[error("{found} inputs, expected 1 to {INPUTS_MAX}")]
    InputCount {
        /// How many.
        found: usize,
    },
    /// No outputs, or too many.
    #[error("{found} outputs, expected 1 to {OUTPUTS_MAX}")]
    OutputCount {
        /// How many.
        found: usize,
    },
    /// Not one witness for each input.
    #[error("{found} witnesses for {expected} inputs")]
    WitnessCount {
        /// How many.
        found: usize,
        /// How many inputs.
        expected: usize,
    },
    /// Larger than any transaction may be.
    #[error("{found} bytes, at most {TRANSACTION_BYTES_MAX} are allowed")]
    TooLarge {
        /// Its canonical size.
        found: usize,
    },
    /// Two inputs spend the same output.
    #[error("input {input} spends {outpoint} a second time")]
    DuplicateInput {
        /// The second one.
        input: usize,
        /// The output.
        outpoint: OutPoint,
    },
    /// An output too small to be worth spending.
    #[error("output {output} is {found} TIME, at least {DUST} are needed")]
    Dust {
        /// Which output.
        output: usize,
        /// Its amount.
        found: Amount,
    },
    /// Amounts that do not fit 64 bits together.
    #[error("amounts overflow")]
    Overflow,
    /// An input spends what is not there: never made, or spent.
    #[error("input {input} spends {outpoint}, which does not exist or is spent")]
    MissingInput {
        /// Which input.
        input: usize,
        /// The output.
        outpoint: OutPoint,
    },
    /// A reward spent too early.
    #[error("input {input} spends a reward that matures at height {matures}")]
    Immature {
        /// Which input.
        input: usize,
        /// First height whose block may spend it.
        matures: Height,
    },
    /// The witness's key is not the one that the output is addressed to.
    #[error("input {input} is signed by a key of another address")]
    WrongKey {
        /// Which input.
        input: usize,
    },
    /// The witness's signature does not hold.
    #[error("the signature of input {input} does not verify")]
    Signature {
        /// Which input.
        input: usize,
    },
    /// Spends more than it has.
    #[error("outputs of {outputs} TIME exceed inputs of {inputs} TIME")]
    Overspent {
        /// Sum of the inputs.
        inputs: Amount,
        /// Sum of the outputs.
        outputs: Amount,
    },
    /// No block may include it any more.
    #[error("valid until height {until}, the next block is {height}")]
    Expired {
        /// Last height that may include it.
        until: Height,
        /// Height of the block.
        height: Height,
    },
}

/// Judges everything about `transaction` that needs neither chain nor signatures.
///
/// # Errors
/// The first [`TransactionError`] found, cheapest checks first.
pub fn check_alone(transaction: &Transaction) -> Result<(), TransactionError> {
    use TransactionError as E;
    if transaction.version != TRANSACTION_VERSION {
        return Err(E::Version {
            found: transaction.version,
        });
    }
    if let TransactionKind::Reward { .. } = transaction.kind {
        return Err(E::RewardOutsideBlock);
    }
    let (inputs, outputs) = (transaction.inputs.len(), transaction.outputs.len());
    if !(1..=INPUTS_MAX).contains(&inputs) {
        return Err(E::InputCount { found: inputs });
    }
    if !(1..=OUTPUTS_MAX).contains(&outputs) {
        return Err(E::OutputCount { found: outputs });
    }
    if transaction.witnesses.len() != inputs {
        return Err(E::WitnessCount {
            found: transaction.witnesses.len(),
            expected: inputs,
        });
    }
    let size = transaction.canonical_size();
    if size > TRANSACTION_BYTES_MAX {
        return Err(E::TooLarge { found: size });
    }
    for (output, made) in transaction.outputs.iter().enumerate() {
        if made.amount < DUST {
            return Err(E::Dust {
                output,
                found: made.amount,
            });
        }
    }
    Amount::checked_sum(transaction.outputs.iter().map(|output| output.amount)).ok_or(E::Overflow)?;
    check_distinct(&transaction.inputs)
}

fn check_distinct(inputs: &[OutPoint]) -> Result<(), TransactionError> {
    let mut sorted: Vec<(&OutPoint, usize)> = inputs
        .iter()
        .enumerate()
        .map(|(input, outpoint)| (outpoint, input))
        .collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => Err(TransactionError::DuplicateInput {
            input: pair[1].1,
            outpoint: *pair[1].0,
        }),
        None => Ok(()),
    }
}

/// Judges `transaction` against the coins that its inputs spend, in order, for a block at
/// `height`; gives the fee. Used by [`super::connect`] and by the mempool alike.
///
/// # Errors
/// [`TransactionError`] if it is expired, immature, signed by the wrong key, or overspends.
pub fn check_spending(
    transaction: &Transaction,
    coins: &[Coin],
    height: Height,
) -> Result<Amount, TransactionError> {
    use TransactionError as E;
    let until = transaction.valid_until_height;
    if until != Height::GENESIS && height > until {
        return Err(E::Expired { until, height });
    }
    if coins.len() != transaction.witnesses.len() {
        return Err(E::WitnessCount {
            found: transaction.witnesses.len(),
            expected: coins.len(),
        });
    }
    for (input, (coin, witness)) in coins.iter().zip(&transaction.witnesses).enumerate() {
        let matures = coin.height.saturating_add(REWARD_MATURITY);
        if coin.is_reward && height < matures {
            return Err(E::Immature { input, matures });
        }
        if Address::of(&witness.public_key) != coin.output.address {
            return Err(E::WrongKey { input });
        }
    }
    let inputs = Amount::checked_sum(coins.iter().map(|coin| coin.output.amount)).ok_or(E::Overflow)?;
    let outputs =
        Amount::checked_sum(transaction.outputs.iter().map(|output| output.amount)).ok_or(E::Overflow)?;
    inputs
        .checked_sub(outputs)
        .ok_or(E::Overspent { inputs, outputs })
}

impl Verifiable for SharedTransaction {
    /// The chain id.
    type Context<'a> = &'a Hash256;
    type Error = TransactionError;

    fn check_signatures(&self, chain_id: &Hash256) -> Result<(), TransactionError> {
        let sighashes = self.sighashes(chain_id, &self.txid());
        for (input, witness) in self.witnesses.iter().enumerate() {
            let message = sighashes.at(input as u32);
            crypto::verify(&witness.public_key, message.as_bytes(), &witness.signature)
                .map_err(|_| TransactionError::Signature { input })?;
        }
        Ok(())
    }

    fn check_batch(values: &[Self], chain_id: &Hash256) -> Result<(), TransactionError> {
        let mut messages = Vec::new();
        for transaction in values {
            let sighashes = transaction.sighashes(chain_id, &transaction.txid());
            messages.extend(
                (0u32..)
                    .zip(&transaction.witnesses)
                    .map(|(input, _)| sighashes.at(input)),
            );
        }
        let witnesses = values.iter().flat_map(|transaction| &transaction.witnesses);
        let items: Vec<(PublicKey, &[u8], Signature)> = witnesses
            .zip(&messages)
            .map(|(witness, message)| (witness.public_key, &message.as_bytes()[..], witness.signature))
            .collect();
        // The input is not known here; whoever splits the batch finds it.
        crypto::verify_batch(&items).map_err(|_| TransactionError::Signature { input: 0 })
    }
}

/// Transactions whose signatures hold, in their order.
pub type VerifiedTransactions = Vec<Verified<SharedTransaction>>;

/// Checks the signatures of many transactions at once; gives those that hold and, apart, those
/// that don't with the reason, each in their order. A failed batch is split to find the culprits.
pub fn verify_batch(
    transactions: Vec<SharedTransaction>,
    chain_id: &Hash256,
) -> (VerifiedTransactions, Vec<(SharedTransaction, TransactionError)>) {
    let (mut held, mut culprits) = (Vec::with_capacity(transactions.len()), Vec::new());
    for verdict in Verified::check_all(transactions, chain_id) {
        match verdict {
            Ok(verified) => held.push(verified),
            Err(culprit) => culprits.push(culprit),
        }
    }
    (held, culprits)
}

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
        txid: super::TxId,
        /// What is wrong.
        error: TransactionError,
    },
    /// The reward is missing, not due, or not the one that follows from the chain.
    #[error("reward: expected {expected:?}, found {found:?}")]
    Reward {
        /// Id of the reward that is due, if one is.
        expected: Option<super::TxId>,
        /// Id of the reward that is there, if one is.
        found: Option<super::TxId>,
    },
}

/// Judges everything about `block` that needs no chain: limits, and that the header commits to
/// this body.
///
/// # Errors
/// The first [`BlockError`] found, cheapest checks first.
pub fn check_block_alone(block: &Block, params: &Params) -> Result<(), BlockError> {
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

/// Hash of the certificate in a body, zero for none.
pub(super) fn prev_commit_hash(block: &Block) -> Hash256 {
    block
        .prev_commit
        .as_ref()
        .map_or(Hash256::ZERO, super::CommitCertificate::hash)
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

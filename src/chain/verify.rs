//! What can be judged of a transaction: alone, against the coins it spends, and its signatures.
//!
//! The result of checking signatures is a `Verified<…>`, single or in batches with one verdict.
//! Blocks alone are in [`super::verify_block`], what needs the chain in [`super::connect`].

use crate::crypto::{self, Hash256, PublicKey, Signature, Verifiable, Verified};

use super::{
    Address, Amount, Coin, DUST, Height, INPUTS_MAX, MasternodeChange, MasternodeUpdate, OUTPUTS_MAX,
    OutPoint, OwnerChange, REWARD_MATURITY, Registration, RegistryError, SharedTransaction,
    TRANSACTION_BYTES_MAX, TRANSACTION_VERSION, Tier, Transaction, TransactionKind, possession_bytes,
    ready_bytes,
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
    /// The signature of a consensus key that it registers, or speaks for, does not hold.
    #[error("the signature of consensus key {0} does not verify")]
    KeyProof(PublicKey),
    /// A consensus key that anybody can sign for.
    #[error("consensus key {0} is weak: generate another")]
    WeakKey(PublicKey),
    /// A registration names an output that it does not make.
    #[error("there is no output {index} that could be locked as collateral")]
    NoCollateral {
        /// The output named.
        index: u32,
    },
    /// Collateral of an amount that is no tier's.
    #[error(
        "output {index} of {found} TIME is no tier's collateral: lock exactly 1000, 10000 or 100000 TIME"
    )]
    Collateral {
        /// The output named.
        index: u32,
        /// What it holds.
        found: Amount,
    },
    /// An update that changes nothing.
    #[error("the update changes nothing")]
    EmptyUpdate,
    /// The word that a node is there has neither inputs nor outputs.
    #[error("the word that a masternode's node is there carries no money and does not expire")]
    ReadyWithMoney,
    /// The registry does not allow it.
    #[error(transparent)]
    Registry(#[from] RegistryError),
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
    match &transaction.kind {
        TransactionKind::Reward { .. } => return Err(E::RewardOutsideBlock),
        kind if kind.as_ready().is_some() => return check_free_of_charge(transaction),
        TransactionKind::Transfer | TransactionKind::DeregisterMasternode { .. } => {}
        TransactionKind::RegisterMasternode(registration) => check_registration(transaction, registration)?,
        TransactionKind::UpdateMasternode(update) => check_update(update)?,
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

/// Whether the collateral is there and the key can be trusted to be one person's.
fn check_registration(
    transaction: &Transaction,
    registration: &Registration,
) -> Result<(), TransactionError> {
    use TransactionError as E;
    let index = registration.collateral_output;
    let output = transaction
        .outputs
        .get(index as usize)
        .ok_or(E::NoCollateral { index })?;
    if Tier::of_collateral(output.amount).is_none() {
        return Err(E::Collateral {
            index,
            found: output.amount,
        });
    }
    check_key(&registration.consensus_key)
}

fn check_update(update: &MasternodeUpdate) -> Result<(), TransactionError> {
    match &update.change {
        MasternodeChange::Owner(change) if change.is_empty() => Err(TransactionError::EmptyUpdate),
        MasternodeChange::Owner(OwnerChange {
            consensus_key: Some((key, _)),
            ..
        }) => check_key(key),
        MasternodeChange::Owner(_) | MasternodeChange::Ready(_) => Ok(()),
    }
}

fn check_key(key: &PublicKey) -> Result<(), TransactionError> {
    if key.is_weak() {
        Err(TransactionError::WeakKey(*key))
    } else {
        Ok(())
    }
}

/// The word that a node is there has one form, so that there can be only one of it.
fn check_free_of_charge(transaction: &Transaction) -> Result<(), TransactionError> {
    let is_bare = transaction.inputs.is_empty()
        && transaction.outputs.is_empty()
        && transaction.witnesses.is_empty()
        && transaction.valid_until_height == Height::GENESIS;
    if is_bare {
        Ok(())
    } else {
        Err(TransactionError::ReadyWithMoney)
    }
}

/// The signature that a consensus key gave for this transaction, with its message.
fn key_proof(transaction: &Transaction, chain_id: &Hash256) -> Option<(PublicKey, Vec<u8>, Signature)> {
    match &transaction.kind {
        TransactionKind::Transfer
        | TransactionKind::Reward { .. }
        | TransactionKind::DeregisterMasternode { .. } => None,
        TransactionKind::RegisterMasternode(registration) => {
            let key = registration.consensus_key;
            let collateral = transaction.outputs.get(registration.collateral_output as usize);
            // Without a collateral it is invalid whatever is signed; then nobody's address stands in.
            let owner = collateral.map_or(registration.payout, |output| output.address);
            let message = possession_bytes(chain_id, &key, owner.as_bytes());
            Some((key, message, registration.proof))
        }
        TransactionKind::UpdateMasternode(update) => match &update.change {
            MasternodeChange::Owner(change) => change.consensus_key.map(|(key, proof)| {
                let message = possession_bytes(chain_id, &key, update.id.as_bytes());
                (key, message, proof)
            }),
            MasternodeChange::Ready(ready) => {
                let message = ready_bytes(chain_id, &update.id, &ready.block);
                Some((ready.consensus_key, message, ready.signature))
            }
        },
    }
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
        match key_proof(self, chain_id) {
            Some((key, message, proof)) => {
                crypto::verify(&key, &message, &proof).map_err(|_| TransactionError::KeyProof(key))
            }
            None => Ok(()),
        }
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
        let proofs: Vec<(PublicKey, Vec<u8>, Signature)> = values
            .iter()
            .filter_map(|transaction| key_proof(transaction, chain_id))
            .collect();
        let items: Vec<(PublicKey, &[u8], Signature)> = witnesses
            .zip(&messages)
            .map(|(witness, message)| (witness.public_key, &message.as_bytes()[..], witness.signature))
            .chain(
                proofs
                    .iter()
                    .map(|(key, message, proof)| (*key, message.as_slice(), *proof)),
            )
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

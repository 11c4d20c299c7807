//! Blocks in context: block, state and view in; change, next state and exact undo out.
//!
//! The proposer builds with [`assemble`], the voter and the syncer judge with [`connect`]; both
//! run the same [`Work`], so nobody can propose what others would compute differently. Clocks
//! stay outside: whether a timestamp lies too far ahead is the voter's to judge.

use std::{collections::HashSet, sync::Arc};

use bincode::{Decode, Encode};

use crate::crypto::{Hash256, HashKeyed, PublicKey, Verified};

use super::{
    Amount, Block, BlockError, BlockHash, BlockHeader, CarriedEvidence, Coin, CommitCertificate, Conviction,
    EVIDENCE_MAX, EpochSet, Height, HistoryChange, MasternodesBefore, OutPoint, Params, RegistryContext,
    Rules, SharedTransaction, TimestampMs, Transaction, TransactionError, TxId, UtxoDelta, UtxoView,
    ViewError,
    header::BLOCK_VERSION,
    merkle::{evidence_root, transactions_root},
    period,
    registry::RegistryWork,
    registry_rules,
    rewards::{reward_bytes_max, reward_transaction},
    state::{ChainState, Tip, Totals},
    verify::{check_alone, check_spending},
    verify_block::{BlockContext, check_block_alone, expect_root, prev_commit_hash},
};

/// Why a block was not connected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The block is not valid.
    #[error(transparent)]
    Invalid(#[from] BlockError),
    /// Our own store failed; the block may be valid.
    #[error(transparent)]
    View(#[from] ViewError),
}

/// What connecting a block gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connected {
    /// Hash of the block.
    pub hash: BlockHash,
    /// Net change of the unspent outputs; shared by all who hold it until it is stored.
    pub delta: Arc<UtxoDelta>,
    /// The state after the block.
    pub state: ChainState,
    /// What else it changed, as it was before.
    pub before: Before,
    /// Fees of the block.
    pub fees: Amount,
    /// Number of the reward period that the block closed, if it did.
    pub closed_epoch: Option<u64>,
}

impl Connected {
    /// What takes the block back.
    pub fn undo(&self) -> Undo {
        Undo {
            delta: self.delta.reversed(self.before.commitment),
            before: self.before.clone(),
        }
    }
}

/// What a block changed besides coins, as it was before it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Before {
    /// Digest of the state commitment before.
    pub commitment: Hash256,
    /// The tip before.
    pub tip: Tip,
    /// The totals before.
    pub totals: Totals,
    /// Masternodes that the block changed, as they were before.
    pub masternodes: MasternodesBefore,
    /// What the block changed about sets and evidence.
    pub history: HistoryChange,
}

/// Takes a block back, exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undo {
    /// Change of the unspent outputs that brings back those before the block.
    pub delta: UtxoDelta,
    /// The rest.
    pub before: Before,
}

impl Undo {
    /// The state before the block that led to `state`.
    pub fn apply(&self, state: &ChainState) -> ChainState {
        let mut undone = state.clone();
        undone.restore_registry(&self.before.masternodes);
        undone.change_history(&self.before.history, true);
        undone.advance(self.before.totals.clone(), &self.delta);
        undone.tip = self.before.tip;
        undone
    }
}

/// Connects `block` to `state`, whose coins `view` has.
///
/// # Errors
/// [`ConnectError::Invalid`] with the first fault found, [`ConnectError::View`] if the view failed.
pub fn connect(
    block: &Verified<Block>,
    state: &ChainState,
    view: &(impl UtxoView + ?Sized),
    rules: &Rules,
) -> Result<Connected, ConnectError> {
    let params = &rules.params;
    check_block_alone(block, params)?;
    check_parent(block, state)?;
    let mut work = Work::new(state, view, block.header.height);
    // Checked above against what a block may have.
    work.expect(&block.transactions);
    for (index, evidence) in block.evidence.iter().enumerate() {
        work.convict(evidence, rules)
            .map_err(|reason| BlockError::Evidence { index, reason })?;
    }
    let (reward, transfers) = match block.transactions.split_first() {
        Some((first, rest)) if first.is_reward() => (Some(first), rest),
        _ => (None, &block.transactions[..]),
    };
    let first = usize::from(reward.is_some());
    for (index, transaction) in (first..).zip(transfers) {
        work.spend(transaction)?
            .map_err(|error| BlockError::Transaction {
                index,
                txid: transaction.txid(),
                error,
            })?;
    }
    let due = work.close(
        block.prev_commit.as_ref(),
        block.header.timestamp_ms,
        block.header.proposer,
        params,
    )?;
    let (expected, found) = (
        due.as_ref().map(SharedTransaction::txid),
        reward.map(SharedTransaction::txid),
    );
    if expected != found || reward.is_some_and(|reward| !reward.witnesses.is_empty()) {
        return Err(BlockError::Reward { expected, found }.into());
    }
    let connected = work.finish(&block.header);
    expect_root(
        "utxo_commitment",
        block.header.utxo_commitment,
        connected.delta.commitment,
    )?;
    expect_root(
        "next_vset_hash",
        block.header.next_vset_hash,
        connected.state.validator_set_hash(),
    )?;
    Ok(connected)
}

/// Links of the header to the parent.
fn check_parent(block: &Block, state: &ChainState) -> Result<(), BlockError> {
    let (header, tip) = (&block.header, &state.tip);
    if header.height != tip.height.next() {
        return Err(BlockError::Height {
            found: header.height,
            expected: tip.height.next(),
        });
    }
    expect_root("prev_hash", *header.prev_hash.as_hash(), *tip.hash.as_hash())?;
    if header.timestamp_ms <= tip.timestamp_ms {
        return Err(BlockError::Timestamp {
            found: header.timestamp_ms.get(),
            parent: tip.timestamp_ms.get(),
        });
    }
    expect_root("vset_hash", header.vset_hash, state.validator_set_hash())?;
    // Signers are positions in the parent's set, which may be another one than this height's.
    let last_signer = block
        .prev_commit
        .as_ref()
        .and_then(|certificate| certificate.signers().last());
    let set = state.history.set_at(tip.height);
    if last_signer.is_some_and(|signer| set.is_none_or(|set| set.at(signer).is_none())) {
        return Err(BlockError::Certificate);
    }
    Ok(())
}

/// What a proposer brings to a block.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Consensus key of the proposer.
    pub proposer: PublicKey,
    /// The round.
    pub created_round: u32,
    /// Proposed timestamp; moved to just above the parent's if it is not above it.
    pub timestamp_ms: TimestampMs,
    /// The parent's certificate; `None` exactly for block 1.
    pub prev_commit: Option<CommitCertificate>,
    /// Evidence as it travels, the most urgent first; what convicts nobody is left out.
    pub evidence: Vec<Vec<u8>>,
    /// What the mempool selected, parents first.
    pub transactions: Vec<Verified<SharedTransaction>>,
}

/// A block that [`connect`] accepts, with what connecting it gives.
#[derive(Debug, Clone)]
pub struct Assembled {
    /// The block.
    pub block: Verified<Block>,
    /// What [`connect`] gives for it.
    pub connected: Connected,
    /// Transactions of the draft that are not valid here; the mempool should drop them.
    pub refused: Vec<(TxId, TransactionError)>,
}

/// Builds the block of `draft` on top of `state`. A transaction that does not fit the limits is
/// left out with those that spend it; one that is not valid is left out and reported: a stale pool
/// must not stop blocks.
///
/// # Errors
/// [`ConnectError::Invalid`] if certificate, proposer or evidence cannot make a valid block,
/// [`ConnectError::View`] if the view failed.
pub fn assemble(
    draft: Draft,
    state: &ChainState,
    view: &(impl UtxoView + ?Sized),
    rules: &Rules,
) -> Result<Assembled, ConnectError> {
    let params = &rules.params;
    let height = state.tip.height.next();
    let mut work = Work::new(state, view, height);
    let mut evidence = draft.evidence;
    evidence.truncate(EVIDENCE_MAX);
    evidence.retain(|bytes| work.convict(bytes, rules).is_ok());
    let mut block = Block {
        header: BlockHeader {
            version: BLOCK_VERSION,
            height,
            prev_hash: state.tip.hash,
            timestamp_ms: draft.timestamp_ms.max(state.tip.timestamp_ms.saturating_add(1)),
            proposer: draft.proposer,
            created_round: draft.created_round,
            tx_root: Hash256::ZERO,
            utxo_commitment: Hash256::ZERO,
            vset_hash: state.validator_set_hash(),
            next_vset_hash: Hash256::ZERO,
            prev_commit_hash: Hash256::ZERO,
            evidence_root: evidence_root(&evidence),
        },
        prev_commit: draft.prev_commit,
        evidence,
        transactions: Vec::with_capacity(draft.transactions.len() + 1),
    };
    block.header.prev_commit_hash = prev_commit_hash(&block);
    let closes = state.closes_epoch(block.header.timestamp_ms, params);
    let reward_bytes = if closes {
        reward_bytes_max(state.registry.len())
    } else {
        0
    };
    let bytes_max = usize::try_from(params.max_block_bytes).unwrap_or(usize::MAX);
    let mut bytes_left = bytes_max.saturating_sub(block.body_bytes() + reward_bytes);
    let mut count_left = params.max_block_txs.saturating_sub(u64::from(closes));
    let mut refused = Vec::new();
    let mut left_out: HashSet<TxId> = HashSet::new();
    for transaction in draft.transactions {
        // Who spends what had no room waits with it: there is nothing wrong with either.
        let waits = || {
            transaction
                .inputs
                .iter()
                .any(|spent| left_out.contains(&spent.txid))
        };
        if transaction.size() > bytes_left || count_left == 0 || waits() {
            left_out.insert(transaction.txid());
            continue;
        }
        match work.spend(&transaction)? {
            Ok(()) => {
                bytes_left -= transaction.size();
                count_left -= 1;
                block.transactions.push(transaction.into_inner());
            }
            Err(error) => refused.push((transaction.txid(), error)),
        }
    }
    let header = &block.header;
    let reward = work.close(
        block.prev_commit.as_ref(),
        header.timestamp_ms,
        header.proposer,
        params,
    )?;
    if let Some(reward) = reward {
        block.transactions.insert(0, reward);
    }
    block.header.tx_root = transactions_root(&block.transactions);
    check_block_alone(&block, params)?;
    check_parent(&block, state)?;
    let mut connected = work.finish(&block.header);
    block.header.utxo_commitment = connected.delta.commitment;
    block.header.next_vset_hash = connected.state.validator_set_hash();
    connected.hash = block.hash();
    connected.state.tip.hash = connected.hash;
    // Every transaction came in as verified, so nothing is left to check.
    let context = BlockContext {
        chain_id: &Hash256::ZERO,
        known: &|_| true,
    };
    let block = Verified::check(block, context)?;
    Ok(Assembled {
        block,
        connected,
        refused,
    })
}

/// The changes of a block under construction.
struct Work<'a, V: ?Sized> {
    state: &'a ChainState,
    view: &'a V,
    height: Height,
    /// Outputs made in this block and not yet spent in it.
    created: HashKeyed<OutPoint, Coin>,
    /// Outputs of earlier blocks that this one spends.
    spent: HashKeyed<OutPoint, Coin>,
    transactions: u64,
    fees: Amount,
    totals: Totals,
    masternodes: RegistryWork,
    evidence: Vec<CarriedEvidence>,
    next_set: Option<EpochSet>,
    closed_epoch: Option<u64>,
}

impl<'a, V: UtxoView + ?Sized> Work<'a, V> {
    fn new(state: &'a ChainState, view: &'a V, height: Height) -> Self {
        let mut totals = state.totals.clone();
        totals.epoch.anchor = state.anchor();
        Self {
            state,
            view,
            height,
            created: HashKeyed::default(),
            spent: HashKeyed::default(),
            transactions: 0,
            fees: Amount::ZERO,
            totals,
            masternodes: RegistryWork::new(&state.registry),
            evidence: Vec::new(),
            next_set: None,
            closed_epoch: None,
        }
    }

    /// Makes room for the changes of these.
    fn expect(&mut self, transactions: &[SharedTransaction]) {
        let count = |of: fn(&Transaction) -> usize| transactions.iter().map(|one| of(one)).sum();
        self.created.reserve(count(|one| one.outputs.len()));
        self.spent.reserve(count(|one| one.inputs.len()));
    }

    /// A coin that can be spent here, and whether this block made it.
    fn coin(&self, outpoint: &OutPoint) -> Result<Option<(Coin, bool)>, ViewError> {
        if let Some(coin) = self.created.get(outpoint) {
            return Ok(Some((*coin, true)));
        }
        if self.spent.contains_key(outpoint) {
            return Ok(None);
        }
        let coin = self.view.output(outpoint)?;
        Ok(coin.map(|coin| (coin, false)))
    }

    /// Applies one transaction, or nothing of it. The outer error is the view's.
    fn spend(&mut self, transaction: &SharedTransaction) -> Result<Result<(), TransactionError>, ViewError> {
        if let Err(error) = check_alone(transaction) {
            return Ok(Err(error));
        }
        let count = transaction.inputs.len();
        let (mut coins, mut made_here) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for (input, outpoint) in transaction.inputs.iter().enumerate() {
            match self.coin(outpoint)? {
                Some((coin, is_made_here)) => {
                    coins.push(coin);
                    made_here.push(is_made_here);
                }
                None => {
                    return Ok(Err(TransactionError::MissingInput {
                        input,
                        outpoint: *outpoint,
                    }));
                }
            }
        }
        let context = RegistryContext {
            registry: self.masternodes.registry(),
            history: &self.state.history,
            epoch: self.totals.epoch.number,
            anchor: self.totals.epoch.anchor,
        };
        if let Err(error) = registry_rules::judge(transaction, context) {
            return Ok(Err(error.into()));
        }
        let fees = check_spending(transaction, &coins, self.height)
            .and_then(|fee| self.fees.checked_add(fee).ok_or(TransactionError::Overflow));
        match fees {
            Ok(fees) => self.fees = fees,
            Err(error) => return Ok(Err(error)),
        }
        for ((outpoint, coin), is_made_here) in transaction.inputs.iter().zip(coins).zip(made_here) {
            match is_made_here {
                true => self.created.remove(outpoint),
                false => self.spent.insert(*outpoint, coin),
            };
        }
        let place = (self.height, u32::try_from(self.transactions).unwrap_or(u32::MAX));
        registry_rules::apply(
            &mut self.masternodes,
            transaction,
            place,
            self.totals.epoch.number,
        );
        self.create(transaction, transaction.txid(), false);
        Ok(Ok(()))
    }

    /// Takes evidence in: whoever it is about is jailed at the end of the period. The sentence says
    /// why it has no place in a block.
    fn convict(&mut self, bytes: &[u8], rules: &Rules) -> Result<(), String> {
        let (history, height) = (&self.state.history, self.height);
        let set_of = |at: Height| {
            let set = history.set_at(at).filter(|_| at <= height);
            set.map(|set| set.keys())
        };
        let offence = (rules.judge)(bytes, &rules.chain_id, &set_of)?;
        if history.has_evidence(&offence.id) || self.evidence.iter().any(|one| one.id == offence.id) {
            return Err(format!("evidence {} stands in a block already", offence.id));
        }
        let set = history
            .set_at(offence.height)
            .filter(|_| offence.height <= height);
        let offender = set
            .and_then(|set| set.member(&offence.offender))
            .and_then(|id| self.masternodes.registry().get(&id))
            .filter(|node| node.conviction.is_none())
            .ok_or("it is too old, or about nobody who could still be jailed")?
            .id;
        let conviction = Conviction {
            evidence: offence.id,
            key: offence.offender,
            height: offence.height,
        };
        self.masternodes
            .change(&offender, |node| node.conviction = Some(conviction));
        self.evidence.push(CarriedEvidence {
            epoch: self.totals.epoch.number,
            id: offence.id,
            masternode: offender,
        });
        Ok(())
    }

    fn create(&mut self, transaction: &Transaction, txid: TxId, is_reward: bool) {
        for (outpoint, output) in transaction.created(txid) {
            self.created.insert(
                outpoint,
                Coin {
                    output,
                    height: self.height,
                    is_reward,
                },
            );
        }
        self.transactions += 1;
    }

    /// Carries certificate and fees into the epoch, and closes it if it is due: then the reward
    /// comes back, already applied.
    fn close(
        &mut self,
        certificate: Option<&CommitCertificate>,
        timestamp_ms: TimestampMs,
        proposer: PublicKey,
        params: &Params,
    ) -> Result<Option<SharedTransaction>, BlockError> {
        let payout = self
            .state
            .validator(&proposer)
            .ok_or(BlockError::Proposer(proposer))?
            .payout;
        let epoch = &mut self.totals.epoch;
        if let Some(certificate) = certificate
            && let Some(set) = self.state.history.set_at(self.state.tip.height)
        {
            epoch.count(certificate, set);
        }
        // Fees are part of the supply, which fits; a sum that does not is impossible, and saturates.
        epoch.fees = epoch.fees.checked_add(self.fees).unwrap_or(self.totals.supply);
        if !self.state.closes_epoch(timestamp_ms, params) {
            return Ok(None);
        }
        let mint = self.state.next_mint();
        let pot = epoch.fees.checked_add(mint).unwrap_or(epoch.fees);
        let registry = self.masternodes.registry();
        let reward = SharedTransaction::new(reward_transaction(epoch, registry, pot, payout));
        self.totals.supply = self.totals.supply.checked_add(mint).unwrap_or(self.totals.supply);
        self.closed_epoch = Some(epoch.number);
        let first = self.height.next();
        let set = self.state.history.current();
        self.next_set = Some(period::turn(&mut self.masternodes, epoch, set, first, params));
        *epoch = epoch.following(first, timestamp_ms);
        self.create(&reward, reward.txid(), true);
        Ok(Some(reward))
    }

    /// Turns the changes into a delta in a fixed order, and the state after `header`.
    fn finish(self, header: &BlockHeader) -> Connected {
        let sorted = |coins: HashKeyed<OutPoint, Coin>| {
            let mut coins: Vec<(OutPoint, Coin)> = coins.into_iter().collect();
            coins.sort_unstable_by_key(|(outpoint, _)| *outpoint);
            coins
        };
        let mut delta = UtxoDelta {
            created: sorted(self.created),
            spent: sorted(self.spent),
            commitment: Hash256::ZERO,
        };
        let mut totals = self.totals;
        totals.transactions = totals.transactions.saturating_add(self.transactions);
        totals.utxo_count = totals
            .utxo_count
            .saturating_add(delta.created.len() as u64)
            .saturating_sub(delta.spent.len() as u64);
        let mut state = self.state.clone();
        let (registry, masternodes) = self.masternodes.finish();
        let history = self.state.history.change(self.evidence, self.next_set);
        state.advance(totals, &delta);
        if !masternodes.is_empty() {
            state.replace_registry(registry, &masternodes);
        }
        state.change_history(&history, false);
        delta.commitment = state.commitment.digest();
        let hash = header.hash();
        state.tip = Tip {
            height: header.height,
            hash,
            timestamp_ms: header.timestamp_ms,
        };
        let before = Before {
            commitment: self.state.commitment.digest(),
            tip: self.state.tip,
            totals: self.state.totals.clone(),
            masternodes,
            history,
        };
        Connected {
            hash,
            delta: Arc::new(delta),
            state,
            before,
            fees: self.fees,
            closed_epoch: self.closed_epoch,
        }
    }
}

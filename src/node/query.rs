//! Look-ups for people: blocks, transactions, evidence, balances. Blocking; faces call it on threads
//! that may wait.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    chain::{
        Address, BlockHash, ChainState, Coin, CommitCertificate, Height, MasternodeId, Network, OutPoint,
        REWARD_MATURITY, TxId,
    },
    consensus::{Evidence, EvidenceKind},
    control::{
        BalanceView, BlockView, CertificateView, EvidenceView, HeaderView, MasternodeView, OutputView, Page,
        Query, QueryError, RawTransactionView, TransactionState, TransactionView, UtxoEntry, WaitingView,
    },
    crypto::{Hash256, PublicKey},
    storage::{StoreError, StoreReader, backend::PAGE_ENTRIES_MAX},
    wire,
};

use super::{bodies::Bodies, clock::NodeClock, evidence::EvidenceBook, facts, names::Names};

/// Coins of one address that are summed up or skipped; more would keep a thread for seconds.
const COINS_MAX: usize = 1_000_000;
/// How often a sum is taken again because a block became final meanwhile; the last one stands.
const SUM_ATTEMPTS: usize = 3;

/// Who is kept out, newest first.
pub(super) type BanList = Box<dyn Fn() -> Vec<wire::Ban> + Send + Sync>;

/// Answers look-ups from storage, the pool's bodies and the evidence book.
pub(super) struct Lookups {
    pub(super) reader: StoreReader,
    pub(super) bodies: Arc<Bodies>,
    pub(super) evidence: Arc<EvidenceBook>,
    pub(super) names: Names,
    pub(super) network: Network,
    pub(super) bans: BanList,
    pub(super) clock: NodeClock,
}

impl From<StoreError> for QueryError {
    fn from(error: StoreError) -> Self {
        Self::Storage(error.to_string())
    }
}

impl Query for Lookups {
    fn block(&self, height: u64) -> Result<Option<BlockView>, QueryError> {
        let Some(stored) = self.reader.block(Height::new(height))? else {
            return Ok(None);
        };
        let block = stored.block;
        let header = &block.header;
        let is_genesis = header.height == Height::GENESIS;
        Ok(Some(BlockView {
            height,
            hash: *block.hash().as_hash(),
            prev_hash: *header.prev_hash.as_hash(),
            proposer: (!is_genesis).then_some(header.proposer),
            created_round: header.created_round,
            timestamp_ms: header.timestamp_ms.get(),
            tx_count: u32::try_from(block.transactions.len()).unwrap_or(u32::MAX),
            txids: block
                .transactions
                .iter()
                .map(|transaction| *transaction.txid().as_hash())
                .collect(),
            utxo_commitment: header.utxo_commitment,
            certificate: stored.certificate.map(certificate),
        }))
    }

    fn header(&self, height: u64) -> Result<Option<HeaderView>, QueryError> {
        let Some(stored) = self.reader.header(Height::new(height))? else {
            return Ok(None);
        };
        let header = &stored.header;
        let is_genesis = header.height == Height::GENESIS;
        Ok(Some(HeaderView {
            height,
            hash: *header.hash().as_hash(),
            prev_hash: *header.prev_hash.as_hash(),
            proposer: (!is_genesis).then_some(header.proposer),
            created_round: header.created_round,
            timestamp_ms: header.timestamp_ms.get(),
            utxo_commitment: header.utxo_commitment,
            certificate: stored.certificate.map(certificate),
        }))
    }

    fn height_of(&self, hash: Hash256) -> Result<Option<u64>, QueryError> {
        let found = self.reader.height_of(&BlockHash::from_hash(hash))?;
        Ok(found.map(Height::get))
    }

    fn raw_transaction(&self, txid: Hash256) -> Result<Option<RawTransactionView>, QueryError> {
        let id = TxId::from_hash(txid);
        let (transaction, height) = match (self.reader.transaction_position(&id)?, self.bodies.get(&id)) {
            (Some(at), _) => {
                let Some(stored) = self.reader.block(at.height)? else {
                    return Ok(None);
                };
                let index = usize::try_from(at.position).unwrap_or(usize::MAX);
                let Some(found) = stored.block.transactions.get(index) else {
                    return Ok(None);
                };
                (found.clone(), Some(at.height.get()))
            }
            (None, Some(waiting)) => (waiting, None),
            (None, None) => return Ok(None),
        };
        Ok(Some(RawTransactionView {
            txid,
            hex: const_hex::encode(transaction.canonical_bytes()),
            height,
        }))
    }

    fn output(&self, txid: Hash256, index: u32) -> Result<Option<OutputView>, QueryError> {
        let outpoint = OutPoint {
            txid: TxId::from_hash(txid),
            index,
        };
        let state = self.reader.state();
        Ok(self.reader.utxo(&outpoint)?.map(|coin| OutputView {
            address: coin.output.address.to_text(self.network),
            is_reward: coin.is_reward,
            output: entry(&state, outpoint, &coin),
        }))
    }

    fn waiting(&self, page: Page) -> Result<Vec<Hash256>, QueryError> {
        let all = self.bodies.by_age().into_iter();
        let chosen = all.skip(page.skip as usize).take(page.limit as usize);
        Ok(chosen.map(|txid| *txid.as_hash()).collect())
    }

    fn waiting_transaction(&self, txid: Hash256) -> Result<Option<WaitingView>, QueryError> {
        let id = TxId::from_hash(txid);
        let Some((transaction, since)) = self.bodies.waiting(&id) else {
            return Ok(None);
        };
        let (mut depends, mut spent) = (BTreeSet::new(), Some(0_u64));
        for input in &transaction.inputs {
            let parent = self.bodies.get(&input.txid);
            depends.extend(parent.is_some().then_some(*input.txid.as_hash()));
            let made = match parent {
                Some(parent) => parent
                    .outputs
                    .get(input.index as usize)
                    .map(|output| output.amount),
                None => self.reader.utxo(input)?.map(|coin| coin.output.amount),
            };
            spent = spent
                .zip(made)
                .and_then(|(sum, made)| sum.checked_add(made.units()));
        }
        let outputs = transaction.outputs.iter();
        let paid = outputs.fold(0_u64, |sum, output| sum.saturating_add(output.amount.units()));
        Ok(Some(WaitingView {
            txid,
            bytes: transaction.canonical_bytes().len() as u64,
            age_ms: self.clock.mono().ms_since(since),
            // What takes no inputs is free of charge.
            fee: match transaction.inputs.is_empty() {
                true => Some(0),
                false => spent.and_then(|spent| spent.checked_sub(paid)),
            },
            inputs: u32::try_from(transaction.inputs.len()).unwrap_or(u32::MAX),
            outputs: u32::try_from(transaction.outputs.len()).unwrap_or(u32::MAX),
            depends: depends.into_iter().collect(),
            proposed: self
                .bodies
                .proposed_at(&id)
                .is_some_and(|height| height > self.reader.height()),
        }))
    }

    fn transaction(&self, txid: Hash256) -> Result<TransactionView, QueryError> {
        let txid = TxId::from_hash(txid);
        if let Some((height, finalized_at_ms)) = self.final_at(&txid)? {
            return Ok(TransactionView {
                height: Some(height.get()),
                finalized_at_ms: Some(finalized_at_ms),
                ..state(TransactionState::Final)
            });
        }
        let is_proposed = self
            .bodies
            .proposed_at(&txid)
            .is_some_and(|height| height > self.reader.height());
        Ok(match (is_proposed, self.bodies.contains(&txid)) {
            (true, _) => state(TransactionState::Proposed),
            (false, true) => state(TransactionState::Pending),
            (false, false) => match self.bodies.refused(&txid) {
                Some(reason) => TransactionView {
                    reason: Some(reason.to_owned()),
                    ..state(TransactionState::Rejected)
                },
                None => state(TransactionState::Unknown),
            },
        })
    }

    fn bans(&self, page: Page) -> Result<Vec<wire::Ban>, QueryError> {
        let skip = usize::try_from(page.skip).unwrap_or(usize::MAX);
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        Ok((self.bans)().into_iter().skip(skip).take(limit).collect())
    }

    fn mempool_has(&self, txid: Hash256) -> bool {
        self.bodies.contains(&TxId::from_hash(txid))
    }

    fn evidence(&self, page: Page) -> Result<Vec<EvidenceView>, QueryError> {
        let held = self.evidence.all();
        let chosen = held.iter().skip(page.skip as usize).take(page.limit as usize);
        Ok(chosen.map(|evidence| self.show(evidence)).collect())
    }

    fn balance(&self, address: &str) -> Result<BalanceView, QueryError> {
        let wanted = self.address(address)?;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let height = self.reader.height();
            let (mut amount, mut utxos, mut spendable, mut locked) = (0_u64, 0_u64, 0_u64, 0_u64);
            self.walk(&wanted, |entry| {
                amount = amount.saturating_add(entry.amount);
                if entry.is_spendable() {
                    spendable = spendable.saturating_add(entry.amount);
                }
                if entry.locked_for.is_some() {
                    locked = locked.saturating_add(entry.amount);
                }
                utxos += 1;
                true
            })?;
            if self.reader.height() == height || attempts == SUM_ATTEMPTS {
                return Ok(BalanceView {
                    address: address.to_owned(),
                    amount,
                    utxos,
                    spendable,
                    locked,
                    height: height.get(),
                });
            }
        }
    }

    fn utxos(&self, address: &str, page: Page) -> Result<Vec<UtxoEntry>, QueryError> {
        let wanted = self.address(address)?;
        let (mut skipped, mut found) = (0, Vec::new());
        if page.limit == 0 {
            return Ok(found);
        }
        self.walk(&wanted, |entry| {
            if skipped < page.skip {
                skipped += 1;
            } else {
                found.push(entry);
            }
            found.len() < page.limit as usize
        })?;
        Ok(found)
    }

    fn masternodes(&self, page: Page) -> Result<Vec<MasternodeView>, QueryError> {
        let state = self.reader.state();
        let chosen = state.registry.iter();
        let chosen = chosen.skip(page.skip as usize).take(page.limit as usize);
        Ok(chosen
            .map(|node| MasternodeView::of(node, &state, self.network))
            .collect())
    }

    fn masternode(&self, id_or_key: Hash256) -> Result<Option<MasternodeView>, QueryError> {
        let state = self.reader.state();
        let registry = &state.registry;
        let by_id = registry.get(&MasternodeId::from_hash(id_or_key));
        let node = by_id.or_else(|| registry.holder(&PublicKey::from_bytes(*id_or_key.as_bytes())));
        Ok(node.map(|node| MasternodeView::of(node, &state, self.network)))
    }
}

impl Lookups {
    fn address(&self, text: &str) -> Result<Address, QueryError> {
        Address::from_text(text, self.network).map_err(|error| QueryError::Invalid(error.to_string()))
    }

    /// The block that holds a final transaction, and when that became final here; before this run,
    /// the time that the block itself tells.
    fn final_at(&self, txid: &TxId) -> Result<Option<(Height, u64)>, QueryError> {
        if let Some(known) = self.bodies.final_at(txid) {
            return Ok(Some(known));
        }
        let Some(position) = self.reader.transaction_position(txid)? else {
            return Ok(None);
        };
        let header = self.reader.header(position.height)?;
        Ok(header.map(|stored| (position.height, stored.header.timestamp_ms.get())))
    }

    /// Hands every coin of an address to `take`, ascending by outpoint, until it says false.
    fn walk(&self, address: &Address, mut take: impl FnMut(UtxoEntry) -> bool) -> Result<(), QueryError> {
        let (mut after, mut seen): (Option<OutPoint>, usize) = (None, 0);
        let state = self.reader.state();
        loop {
            let coins = self.reader.outpoints_of(address, after, PAGE_ENTRIES_MAX)?;
            let is_last = coins.len() < PAGE_ENTRIES_MAX;
            seen += coins.len();
            for (outpoint, coin) in coins {
                after = Some(outpoint);
                if !take(entry(&state, outpoint, &coin)) {
                    return Ok(());
                }
            }
            if is_last {
                return Ok(());
            }
            if seen >= COINS_MAX {
                return Err(QueryError::Invalid(format!(
                    "the address has more than {COINS_MAX} outputs; ask for pages near the beginning"
                )));
            }
        }
    }

    fn show(&self, evidence: &Evidence) -> EvidenceView {
        let messages = evidence
            .messages
            .iter()
            .filter_map(|message| wire::codec::encode(message).ok());
        EvidenceView {
            kind: code(evidence.kind).to_owned(),
            crime: facts::crime(evidence.kind).to_owned(),
            height: evidence.height.get(),
            round: evidence
                .messages
                .first()
                .map_or(0, |message| message.round().get()),
            validator: evidence.offender,
            name: self.names.of(&evidence.offender),
            messages: messages.map(const_hex::encode).collect(),
        }
    }
}

/// An unspent output, as it stands after the tip.
fn entry(state: &ChainState, outpoint: OutPoint, coin: &Coin) -> UtxoEntry {
    let next = state.tip.height.next();
    UtxoEntry {
        txid: *outpoint.txid.as_hash(),
        index: outpoint.index,
        amount: coin.output.amount.units(),
        height: coin.height.get(),
        matures: Some(coin.height.saturating_add(REWARD_MATURITY))
            .filter(|matures| coin.is_reward && *matures > next)
            .map(Height::get),
        locked_for: state.registry.locked_for(&outpoint).map(|id| *id.as_hash()),
    }
}

fn certificate(certificate: CommitCertificate) -> CertificateView {
    let (signers, signatures) = certificate.signatures.into_iter().unzip();
    CertificateView {
        round: certificate.round,
        signers,
        signatures,
    }
}

fn state(state: TransactionState) -> TransactionView {
    TransactionView {
        state,
        height: None,
        finalized_at_ms: None,
        reason: None,
    }
}

/// The name of a kind in docs/CONSENSUS.md.
const fn code(kind: EvidenceKind) -> &'static str {
    match kind {
        EvidenceKind::Prepares => "E1",
        EvidenceKind::Commits => "E2",
        EvidenceKind::PrePrepares => "E3",
        EvidenceKind::ViewChanges => "E4",
        EvidenceKind::Amnesia => "E5",
        EvidenceKind::BadProposal => "E6",
    }
}

#[cfg(test)]
mod tests;

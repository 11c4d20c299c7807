//! Look-ups for people: blocks, transactions, evidence, balances. Blocking; faces call it on threads
//! that may wait.

mod history;
mod money;

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    chain::{Address, BlockHash, CommitCertificate, Height, MasternodeId, Network, OutPoint, Output, TxId},
    consensus::{Evidence, EvidenceKind},
    control::{
        BalanceView, BlockView, CertificateView, EvidenceView, HeaderView, HistoryPage, HistoryPlace,
        MasternodeView, OutputView, Page, PendingOutput, Query, QueryError, RawTransactionView,
        TransactionState, TransactionView, UtxoEntry, WaitingView,
    },
    crypto::{Hash256, PublicKey},
    storage::{StoreError, StoreReader},
    wire,
};

use super::{bodies::Bodies, clock::NodeClock, evidence::EvidenceBook, facts, names::Names};

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
    /// The first outputs of the chain, in their order.
    pub(super) genesis: Vec<(OutPoint, Output)>,
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
        let (transaction, height) = match (self.reader.transaction(&id)?, self.bodies.get(&id)) {
            (Some(found), _) => (found.transaction, Some(found.place.height.get())),
            (None, Some(waiting)) => (waiting, None),
            (None, None) => return Ok(None),
        };
        Ok(Some(RawTransactionView {
            txid,
            hex: const_hex::encode(transaction.canonical_bytes()),
            height,
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
            proposed: self.proposed(&id).is_some(),
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
        let is_proposed = self.proposed(&txid).is_some();
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
        self.balance_of(address)
    }

    fn utxos(
        &self,
        address: &str,
        after: Option<OutPoint>,
        page: Page,
    ) -> Result<Vec<UtxoEntry>, QueryError> {
        self.utxos_of(address, after, page)
    }

    fn pending(&self, address: &str, page: Page) -> Result<Vec<PendingOutput>, QueryError> {
        self.pending_of(address, page)
    }

    fn output(&self, txid: Hash256, index: u32) -> Result<Option<OutputView>, QueryError> {
        self.output_at(OutPoint::new(TxId::from_hash(txid), index))
    }

    fn history(
        &self,
        addresses: &[String],
        before: Option<HistoryPlace>,
        limit: u32,
    ) -> Result<HistoryPage, QueryError> {
        self.history_of(addresses, before, limit)
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
        let found = self.reader.transaction(txid)?;
        let when = found.map(|found| found.stored.block.header);
        Ok(when.map(|header| (header.height, header.timestamp_ms.get())))
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

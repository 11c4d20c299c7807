//! Transactions as relay and look-ups read them, without asking the engine.
//!
//! Filled and emptied by the effects of the engine, which alone decides what is in the pool. Entries
//! are independent of each other, which is what a concurrent map is for.

use std::{
    collections::VecDeque,
    hash::Hash,
    sync::{Mutex, PoisonError},
};

use dashmap::DashMap;
use quick_cache::{
    DefaultHashBuilder, OptionsBuilder, UnitWeighter, Weighter,
    sync::{Cache, DefaultLifecycle},
};

use crate::{
    chain::{Block, BlockHash, Height, SharedTransaction, TRANSACTION_BYTES_MAX, TxId, WitnessTxId},
    consensus::Mono,
    crypto::NodeId,
};

use super::announced::Announced;

/// Final transactions whose moment of finality is remembered; older ones show their block's time.
const FINAL_MAX: usize = 100_000;
/// Refused transactions whose reason is remembered.
const REFUSED_MAX: usize = 20_000;
/// Transactions whose signatures were checked, that the pool does not hold, and that may come back
/// in a block.
const VERIFIED_MAX: usize = 50_000;
/// Transactions that were checked lately: as many as may be on their way to the pool, or be proposed
/// by somebody whose pool is behind ours. Anybody can make them, so their bytes are what is bounded.
const RECENT_MAX: usize = 20_000;
const RECENT_BYTES_MAX: u64 = 16 << 20;
const RECENT_SHARDS: usize = 8;
const RECENT_HOT: f64 = 0.06;
const _: () = assert!(
    RECENT_BYTES_MAX as f64 / RECENT_SHARDS as f64 * RECENT_HOT
        > (TRANSACTION_BYTES_MAX as u64 + RECENT_OVERHEAD_BYTES) as f64
);
/// What one takes of memory beside its bytes.
const RECENT_OVERHEAD_BYTES: u64 = 400;
/// Transactions in proposals under vote, remembered to show their state.
const PROPOSED_MAX: usize = 40_000;
/// A block is fetched late if it is older than this; finality takes less, also through several rounds.
const NEWS_MS: u64 = 60_000;
/// Our own submissions go out again after this long, if no peer is known to have them.
const RESEND_AFTER_US: u64 = 30_000_000;
/// Of these, so many at a time.
const RESEND_MAX: usize = 200;
/// The one reason for a refusal that time alone may cure.
const MISSING_INPUTS: &str = "missing_inputs";
/// Bodies under vote kept to serve: the rounds of one or two heights.
const PROPOSALS_MAX: usize = 8;

/// What is known of transactions outside the engine.
#[derive(Debug)]
pub(super) struct Bodies {
    /// With the moment of acceptance, in microseconds of the node's monotonic clock.
    pool: DashMap<TxId, (SharedTransaction, u64)>,
    /// Announced transactions that were asked for.
    pub(super) announced: Announced,
    /// Our own submissions that no peer is known to have, with the moment they last went out.
    ours: DashMap<TxId, u64>,
    verified: Cache<WitnessTxId, ()>,
    /// The last transactions that were checked, on their way into the pool or lately out of it.
    recent: Cache<TxId, SharedTransaction, ByBytes>,
    finals: Cache<TxId, (Height, u64)>,
    refused: Cache<TxId, &'static str>,
    proposed: Cache<TxId, Height>,
    /// Bodies under vote, newest last, for peers that saw the votes first.
    proposals: Mutex<VecDeque<(BlockHash, Block)>>,
}

/// Weighs a transaction by what it takes of memory.
#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<TxId, SharedTransaction> for ByBytes {
    fn weight(&self, _: &TxId, transaction: &SharedTransaction) -> u64 {
        transaction.size() as u64 + RECENT_OVERHEAD_BYTES
    }
}

/// A memory of the last `max` keys. By default this cache keeps what it got first and is asked for
/// often; what matters here is what came last.
fn last<K: Eq + Hash, V: Clone>(max: usize) -> Cache<K, V> {
    let mut options = OptionsBuilder::new();
    options
        .estimated_items_capacity(max)
        .weight_capacity(max as u64)
        .hot_allocation(0.0);
    with(&mut options, UnitWeighter)
}

/// The memory of what was checked lately. The part that keeps what is asked for often takes nothing that
/// is heavier than itself, and then nothing is kept at all: it has room for the largest transaction.
fn recent() -> Cache<TxId, SharedTransaction, ByBytes> {
    let mut options = OptionsBuilder::new();
    options
        .estimated_items_capacity(RECENT_MAX)
        .weight_capacity(RECENT_BYTES_MAX)
        .shards(RECENT_SHARDS)
        .hot_allocation(RECENT_HOT);
    with(&mut options, ByBytes)
}

fn with<K: Eq + Hash, V: Clone, W: Weighter<K, V> + Clone>(
    options: &mut OptionsBuilder,
    by: W,
) -> Cache<K, V, W> {
    let options = options.ghost_allocation(0.0).build();
    Cache::with_options(
        options.expect("both capacities are set"),
        by,
        DefaultHashBuilder::default(),
        DefaultLifecycle::default(),
    )
}

impl Bodies {
    pub(super) fn new() -> Self {
        Self {
            pool: DashMap::new(),
            announced: Announced::default(),
            ours: DashMap::new(),
            verified: last(VERIFIED_MAX),
            recent: recent(),
            finals: last(FINAL_MAX),
            refused: last(REFUSED_MAX),
            proposed: last(PROPOSED_MAX),
            proposals: Mutex::new(VecDeque::with_capacity(PROPOSALS_MAX)),
        }
    }

    /// True if the pool holds it.
    pub(super) fn contains(&self, txid: &TxId) -> bool {
        self.pool.contains_key(txid)
    }

    /// True if it waits or is final.
    pub(super) fn is_known(&self, txid: &TxId) -> bool {
        self.contains(txid) || self.finals.peek(txid).is_some()
    }

    /// The pooled transaction.
    pub(super) fn get(&self, txid: &TxId) -> Option<SharedTransaction> {
        self.pool.get(txid).map(|entry| entry.0.clone())
    }

    /// The pooled transaction, and when it came.
    pub(super) fn waiting(&self, txid: &TxId) -> Option<(SharedTransaction, Mono)> {
        let entry = self.pool.get(txid)?;
        Some((entry.0.clone(), Mono::from_micros(entry.1)))
    }

    /// Ids of what waits, the longest first. Walks the whole pool.
    pub(super) fn by_age(&self) -> Vec<TxId> {
        let mut all: Vec<(u64, TxId)> = self.pool.iter().map(|entry| (entry.1, *entry.key())).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, txid)| txid).collect()
    }

    /// Everything that waits, in no order. Holds no lock when it returns: who looks through it may take
    /// its time.
    pub(super) fn pooled_now(&self) -> Vec<SharedTransaction> {
        self.pool.iter().map(|entry| entry.0.clone()).collect()
    }

    /// The transaction, if it waits or was checked lately.
    pub(super) fn find(&self, txid: &TxId) -> Option<SharedTransaction> {
        self.get(txid).or_else(|| self.recent.get(txid))
    }

    /// Remembers a transaction whose signatures hold, for proposals by id.
    pub(super) fn note_checked(&self, transaction: &SharedTransaction) {
        self.recent.insert(transaction.txid(), transaction.clone());
        self.note_verified(transaction);
    }

    /// True if `peer`, who offers this transaction, should be asked for it now; asking is
    /// remembered. Else it is asked later, sooner if it is preferred.
    pub(super) fn should_ask(&self, txid: &TxId, peer: NodeId, is_preferred: bool, now: Mono) -> bool {
        // What lacked a parent may have one now.
        let is_refused = self
            .refused
            .peek(txid)
            .is_some_and(|reason| reason != MISSING_INPUTS);
        if self.is_known(txid) || is_refused {
            return false;
        }
        self.announced.offered(txid, peer, is_preferred, now)
    }

    /// True if this very transaction, witnesses included, was checked.
    pub(super) fn is_verified(&self, transaction: &SharedTransaction) -> bool {
        let is_pooled = |entry: dashmap::mapref::one::Ref<'_, TxId, (SharedTransaction, u64)>| {
            entry.0.wtxid() == transaction.wtxid()
        };
        self.pool.get(&transaction.txid()).is_some_and(is_pooled)
            || self.verified.peek(&transaction.wtxid()).is_some()
    }

    /// Remembers that its signatures hold.
    pub(super) fn note_verified(&self, transaction: &SharedTransaction) {
        self.verified.insert(transaction.wtxid(), ());
    }

    /// The pool took these.
    pub(super) fn pooled(&self, transactions: Vec<SharedTransaction>, now: Mono) {
        for transaction in transactions {
            self.refused.remove(&transaction.txid());
            self.announced.arrived(&transaction.txid());
            self.pool.insert(transaction.txid(), (transaction, now.micros()));
        }
    }

    /// These were submitted here, and went out now.
    pub(super) fn submitted_here(&self, transactions: &[SharedTransaction], now: Mono) {
        for transaction in transactions {
            self.ours.insert(transaction.txid(), now.micros());
        }
    }

    /// True if it was submitted here and no peer is known to have it.
    pub(super) fn is_ours(&self, txid: &TxId) -> bool {
        self.ours.contains_key(txid)
    }

    /// A peer has it.
    pub(super) fn seen_elsewhere(&self, txid: &TxId) {
        self.ours.remove(txid);
    }

    /// Our own submissions that still wait, that went out some time ago, and that no peer is known
    /// to have: to be sent again. At most [`RESEND_MAX`].
    pub(super) fn ours_unseen(&self, now: Mono) -> Vec<SharedTransaction> {
        self.ours.retain(|txid, _| self.contains(txid));
        let is_due = |at: u64| now.micros().saturating_sub(at) >= RESEND_AFTER_US;
        let due = self.ours.iter().filter(|entry| is_due(*entry.value()));
        let due: Vec<TxId> = due.map(|entry| *entry.key()).take(RESEND_MAX).collect();
        for txid in &due {
            self.ours.insert(*txid, now.micros());
        }
        due.iter().filter_map(|txid| self.get(txid)).collect()
    }

    /// The pool let it go; with the reason, if it was refused.
    pub(super) fn unpooled(&self, txid: &TxId, reason: Option<&'static str>) {
        if let Some((_, (transaction, _))) = self.pool.remove(txid) {
            self.note_verified(&transaction);
        }
        if let Some(reason) = reason {
            self.refused.insert(*txid, reason);
        }
    }

    /// It was refused before the pool was asked; what the pool holds stays.
    pub(super) fn refused_early(&self, txid: &TxId, reason: &'static str) {
        if !self.contains(txid) {
            self.refused.insert(*txid, reason);
        }
    }

    /// A proposal under vote holds these.
    pub(super) fn proposed(&self, block: &Block) {
        for transaction in &block.transactions {
            self.proposed.insert(transaction.txid(), block.height());
        }
        self.serve(block);
    }

    /// A body that peers may ask for.
    pub(super) fn serve(&self, block: &Block) {
        let digest = block.hash();
        let mut proposals = self.proposals.lock().unwrap_or_else(PoisonError::into_inner);
        // Our own comes twice: when it is written down, and when it is sent.
        if proposals.back().is_some_and(|(newest, _)| *newest == digest) {
            return;
        }
        proposals.retain(|(known, _)| *known != digest);
        if proposals.len() == PROPOSALS_MAX {
            proposals.pop_front();
        }
        proposals.push_back((digest, block.clone()));
    }

    /// True for a body under vote.
    pub(super) fn has_proposal(&self, digest: &BlockHash) -> bool {
        let proposals = self.proposals.lock().unwrap_or_else(PoisonError::into_inner);
        proposals.iter().any(|(known, _)| known == digest)
    }

    /// A body under vote.
    pub(super) fn proposal(&self, digest: &BlockHash) -> Option<Block> {
        let proposals = self.proposals.lock().unwrap_or_else(PoisonError::into_inner);
        let found = proposals.iter().find(|(known, _)| known == digest);
        found.map(|(_, block)| block.clone())
    }

    /// A final block holds these since `unix_ms`. Gives how long each that waited here took from
    /// acceptance, in microseconds.
    pub(super) fn finalized(&self, block: &Block, unix_ms: u64, now: Mono) -> Vec<u64> {
        let mut took = Vec::with_capacity(block.transactions.len());
        // Who is a height behind may still ask for the body that it was shown votes for.
        let mut proposals = self.proposals.lock().unwrap_or_else(PoisonError::into_inner);
        proposals.retain(|(_, kept)| kept.height().next() >= block.height());
        drop(proposals);
        // Of a block that is fetched long after it was decided, its own time tells more than ours.
        let is_news = unix_ms.saturating_sub(block.header.timestamp_ms.get()) < NEWS_MS;
        for transaction in &block.transactions {
            if is_news {
                self.finals.insert(transaction.txid(), (block.height(), unix_ms));
            }
            if let Some((_, (_, since))) = self.pool.remove(&transaction.txid()) {
                took.push(now.micros().saturating_sub(since));
            }
        }
        took
    }

    /// When it became final here, if that was in this run and not too long ago.
    pub(super) fn final_at(&self, txid: &TxId) -> Option<(Height, u64)> {
        self.finals.peek(txid)
    }

    /// Why it was refused, if that is remembered.
    pub(super) fn refused(&self, txid: &TxId) -> Option<&'static str> {
        self.refused.peek(txid)
    }

    /// The height of the last proposal that held it.
    pub(super) fn proposed_at(&self, txid: &TxId) -> Option<Height> {
        self.proposed.peek(txid)
    }
}

#[cfg(test)]
mod tests;

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
    DefaultHashBuilder, OptionsBuilder, UnitWeighter,
    sync::{Cache, DefaultLifecycle},
};

use crate::{
    chain::{Block, BlockHash, Height, SharedTransaction, TxId, WitnessTxId},
    consensus::Mono,
};

/// Final transactions whose moment of finality is remembered; older ones show their block's time.
const FINAL_MAX: usize = 100_000;
/// Refused transactions whose reason is remembered.
const REFUSED_MAX: usize = 20_000;
/// Transactions whose signatures were checked, that the pool does not hold, and that may come back
/// in a block.
const VERIFIED_MAX: usize = 50_000;
/// Transactions in proposals under vote, remembered to show their state.
const PROPOSED_MAX: usize = 40_000;
/// Announced transactions remembered as asked for.
const ASKED_MAX: usize = 20_000;
/// An announced transaction that did not come is asked of another announcer after this long.
const ASK_AGAIN_US: u64 = 2_000_000;
/// Bodies under vote kept to serve: the rounds of one or two heights.
const PROPOSALS_MAX: usize = 8;

/// What is known of transactions outside the engine.
#[derive(Debug)]
pub(super) struct Bodies {
    /// With the moment of acceptance, in microseconds of the node's monotonic clock.
    pool: DashMap<TxId, (SharedTransaction, u64)>,
    /// Announced transactions that were asked for, with the moment in microseconds.
    asked: Cache<TxId, u64>,
    verified: Cache<WitnessTxId, ()>,
    finals: Cache<TxId, (Height, u64)>,
    refused: Cache<TxId, &'static str>,
    proposed: Cache<TxId, Height>,
    /// Bodies under vote, newest last, for peers that saw the votes first.
    proposals: Mutex<VecDeque<(BlockHash, Block)>>,
}

/// A memory of the last `max` keys. By default this cache keeps what it got first and is asked for
/// often; what matters here is what came last.
fn last<K: Eq + Hash, V: Clone>(max: usize) -> Cache<K, V> {
    let options = OptionsBuilder::new()
        .estimated_items_capacity(max)
        .weight_capacity(max as u64)
        .hot_allocation(0.0)
        .ghost_allocation(0.0)
        .build()
        .expect("both capacities are set");
    Cache::with_options(
        options,
        UnitWeighter,
        DefaultHashBuilder::default(),
        DefaultLifecycle::default(),
    )
}

impl Bodies {
    pub(super) fn new() -> Self {
        Self {
            pool: DashMap::new(),
            asked: last(ASKED_MAX),
            verified: last(VERIFIED_MAX),
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

    /// The pooled transaction.
    pub(super) fn get(&self, txid: &TxId) -> Option<SharedTransaction> {
        self.pool.get(txid).map(|entry| entry.0.clone())
    }

    /// True if an announced transaction should be asked for now; asking is remembered.
    pub(super) fn should_ask(&self, txid: &TxId, now: Mono) -> bool {
        if self.contains(txid) || self.finals.peek(txid).is_some() || self.refused.peek(txid).is_some() {
            return false;
        }
        let due = self
            .asked
            .peek(txid)
            .is_none_or(|at| now.micros().saturating_sub(at) > ASK_AGAIN_US);
        if due {
            self.asked.insert(*txid, now.micros());
        }
        due
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
            self.pool.insert(transaction.txid(), (transaction, now.micros()));
        }
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

    /// A proposal under vote holds these.
    pub(super) fn proposed(&self, block: &Block) {
        for transaction in &block.transactions {
            self.proposed.insert(transaction.txid(), block.height());
        }
        let (digest, block) = (block.hash(), block.clone());
        let mut proposals = self.proposals.lock().unwrap_or_else(PoisonError::into_inner);
        proposals.retain(|(known, _)| *known != digest);
        if proposals.len() == PROPOSALS_MAX {
            proposals.pop_front();
        }
        proposals.push_back((digest, block));
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
        for transaction in &block.transactions {
            self.finals.insert(transaction.txid(), (block.height(), unix_ms));
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

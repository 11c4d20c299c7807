//! What people see of the engine: plain data, made on request, a few times a second.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::{
    chain::Height,
    consensus::{self, Mono, Now, ValidatorSet},
    mempool::PoolStats,
    sync::Request,
};

use super::{Engine, SigningHold};

/// One look at the engine.
#[derive(Debug, Clone)]
pub struct EngineView {
    /// When.
    pub at: Mono,
    /// Height of the tip. Decided, but perhaps not durable yet: what is shown as final comes from
    /// whoever performed the commit.
    pub tip: Height,
    /// The consensus machine.
    pub machine: consensus::View,
    /// The last heights as they were when they were decided, newest first.
    pub past: Vec<Arc<consensus::View>>,
    /// Validators of the height being decided.
    pub validators: ValidatorSet,
    /// Consensus keys with a live session that proved them, ourselves included.
    pub connected: BTreeSet<crate::crypto::PublicKey>,
    /// The pool.
    pub pool: PoolStats,
    /// Catching up.
    pub sync: SyncView,
    /// Why nothing is signed; empty while signing is allowed.
    pub holds: BTreeSet<SigningHold>,
    /// It asks who else has its key, and another holder's answer counts.
    pub asks_for_key: bool,
    /// How far an observation is that began because the log was lost or old.
    pub observation: Option<ObserverView>,
    /// Whether "Consensus activated" was said.
    pub activated: bool,
}

/// The way of a node whose log was lost back to signing (docs/CONSENSUS.md §8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObserverView {
    /// Other validators that have shown their tips.
    pub answers: usize,
    /// How many have to.
    pub answers_needed: usize,
    /// Nothing at or below is signed; known once enough have answered.
    pub signs_above: Option<Height>,
    /// False where the others cannot finalize without us: then only an operator can end it.
    pub ends_by_itself: bool,
}

/// Catching up, as seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncView {
    /// More than two certified heights behind: no votes.
    pub active: bool,
    /// The best height that anybody speaks of.
    pub target: Height,
    /// Ranges asked for and not answered, ascending.
    pub in_flight: Vec<Request>,
    /// Bytes of blocks that wait for those before them.
    pub buffered_bytes: u64,
    /// Times that a range was also asked of somebody else.
    pub stalls: u64,
}

/// The pool is walked for people at most this often, ms.
const POOL_DETAIL_EVERY_MS: u64 = 250;

impl Engine {
    /// Walks the pool for its ages, rates and the next block, unless that was done a moment ago.
    pub(super) fn look_at_pool(&mut self, now: Now) {
        let was_seen = self
            .pool_detail_at
            .is_some_and(|at| now.mono.ms_since(at) < POOL_DETAIL_EVERY_MS);
        if was_seen {
            return;
        }
        self.pool_detail_at = Some(now.mono);
        let most = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        let params = &self.config.params;
        let (bytes_max, count_max) = (most(params.max_block_bytes), most(params.max_block_txs));
        self.pool_detail = Arc::new(self.ledger.pool().detail(now.wall, bytes_max, count_max));
    }

    /// A look at the engine.
    pub fn view(&self, now: Now) -> EngineView {
        EngineView {
            at: now.mono,
            tip: self.ledger.tip(),
            machine: self.machine.view(),
            past: self.past.iter().cloned().collect(),
            validators: self.ledger.validators().clone(),
            connected: self.peers.connected_keys(self.config.me.as_ref()),
            pool: self.ledger.pool().stats(Arc::clone(&self.pool_detail)),
            sync: SyncView {
                active: self.syncing,
                target: self.sync_target(now),
                in_flight: self.sync.in_flight(),
                buffered_bytes: self.sync.buffered_bytes(),
                stalls: self.sync.stalls(),
            },
            holds: self.holds.clone(),
            asks_for_key: self.is_asking(),
            observation: self.observation(),
            activated: self.is_activated(),
        }
    }
}

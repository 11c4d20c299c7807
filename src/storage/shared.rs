//! What readers, the committer and the writer of one store share.

use std::{
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use quick_cache::sync::Cache;

use crate::chain::{Coin, Height, OutPoint};

use super::{
    backend::Backend,
    disk::Disk,
    flush::Target,
    pending::{Pending, PendingBlock},
    redo::RedoFile,
    writer::Queue,
};

/// Coins forgotten under one hold of the lock: the engine's reads wait for less than a millisecond.
const FORGET_COINS: usize = 1_000;

/// Pause between two such holds. The lock is not fair: without it a reader that waits may be passed
/// over until all is forgotten, which was measured at a third of a second for 64 full blocks.
const FORGET_PAUSE: Duration = Duration::from_micros(50);

/// See the module.
pub(super) struct Shared {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) redo: RedoFile,
    pub(super) generation: u64,
    /// Lowest height whose body is here, durably; see [`Shared::pruned_below`].
    lowest: AtomicU64,
    pub(super) queue: Queue,
    pending: RwLock<Pending>,
    cache: Cache<OutPoint, Coin>,
    cache_hits: AtomicU64,
    cache_misses: AtomicU64,
    flushed_height: AtomicU64,
    flush_micros: AtomicU64,
    flushes: AtomicU64,
}

impl Shared {
    pub(super) fn new(
        backend: Arc<dyn Backend>,
        disk: Arc<dyn Disk>,
        redo: RedoFile,
        generation: u64,
        queue: Queue,
        pending: Pending,
        cache_coins: usize,
    ) -> Self {
        let flushed_height = AtomicU64::new(pending.state.tip.height.get());
        Self {
            backend,
            disk,
            redo,
            generation,
            lowest: AtomicU64::new(Height::GENESIS.get()),
            queue,
            pending: RwLock::new(pending),
            cache: Cache::new(cache_coins),
            cache_hits: AtomicU64::new(0),
            cache_misses: AtomicU64::new(0),
            flushed_height,
            flush_micros: AtomicU64::new(0),
            flushes: AtomicU64::new(0),
        }
    }

    pub(super) fn target(&self) -> Target<'_> {
        Target {
            backend: self.backend.as_ref(),
            disk: self.disk.as_ref(),
            redo: &self.redo,
            generation: self.generation,
        }
    }

    /// Lowest height whose body is here, durably; genesis if none is missing. It falls as blocks below a
    /// snapshot are archived, and rises where the operator keeps only the newest ones.
    pub(super) fn pruned_below(&self) -> Height {
        Height::new(self.lowest.load(Ordering::Acquire))
    }

    /// Everything from `lowest` on is durable, and nothing below is looked at.
    pub(super) fn set_pruned_below(&self, lowest: Height) {
        self.lowest.store(lowest.get(), Ordering::Release);
    }

    /// Whether the block of a height below the tip is missing here. Block 0 never is.
    pub(super) fn is_pruned(&self, height: Height) -> bool {
        height < self.pruned_below() && height != Height::GENESIS
    }

    pub(super) fn pending(&self) -> RwLockReadGuard<'_, Pending> {
        self.pending.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn pending_mut(&self) -> RwLockWriteGuard<'_, Pending> {
        self.pending.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a block the tip for all readers at once. The cache follows under the same lock, so no
    /// reader can put a coin back that this block spends. Coins that the database does not have yet are not in
    /// the cache: most of them never get there.
    pub(super) fn add(&self, block: Arc<PendingBlock>) {
        self.pending_mut().add(block, |outpoint| {
            self.cache.remove(outpoint);
        });
    }

    /// Lets go of blocks that the database holds.
    pub(super) fn forget(&self, window: &[Arc<PendingBlock>], evidence: &[Vec<u8>]) {
        let Some(flushed) = window.last().map(|last| last.height()) else {
            let mut pending = self.pending_mut();
            for key in evidence {
                pending.evidence.remove(key);
            }
            return;
        };
        self.flushed_height.store(flushed.get(), Ordering::Release);
        self.pending_mut().departures += 1;
        for block in window {
            for part in [&block.delta.spent, &block.delta.created] {
                for coins in part.chunks(FORGET_COINS) {
                    let mut pending = self.pending_mut();
                    pending.forget_coins(flushed, coins, |outpoint, coin| self.cache.insert(outpoint, coin));
                    drop(pending);
                    thread::sleep(FORGET_PAUSE);
                }
            }
            self.pending_mut().forget_block(block);
        }
        let mut pending = self.pending_mut();
        for key in evidence {
            pending.evidence.remove(key);
        }
    }

    pub(super) fn cached(&self, outpoint: &OutPoint) -> Option<Coin> {
        let coin = self.cache.get(outpoint);
        let counter = if coin.is_some() {
            &self.cache_hits
        } else {
            &self.cache_misses
        };
        counter.fetch_add(1, Ordering::Relaxed);
        coin
    }

    /// Keeps a coin read from the database, unless a block was committed since `commits` was read:
    /// it may have spent it.
    pub(super) fn keep(&self, outpoint: OutPoint, coin: Coin, commits: u64) {
        let pending = self.pending();
        if pending.commits == commits {
            self.cache.insert(outpoint, coin);
        }
    }

    pub(super) fn note_flush(&self, took: Duration) {
        self.flush_micros
            .store(took.as_micros() as u64, Ordering::Relaxed);
        self.flushes.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn flushed_height(&self) -> Height {
        Height::new(self.flushed_height.load(Ordering::Acquire))
    }

    pub(super) fn last_flush(&self) -> Duration {
        Duration::from_micros(self.flush_micros.load(Ordering::Relaxed))
    }

    pub(super) fn flushes(&self) -> u64 {
        self.flushes.load(Ordering::Relaxed)
    }

    /// Hits and misses of the coin cache.
    pub(super) fn cache_counts(&self) -> (u64, u64) {
        (
            self.cache_hits.load(Ordering::Relaxed),
            self.cache_misses.load(Ordering::Relaxed),
        )
    }
}

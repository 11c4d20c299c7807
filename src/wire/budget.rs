//! The memory that half-received messages of all peers may take together.
//!
//! A permit is taken when a message is announced and given back when the program has consumed the
//! message, so queued messages count as well. Taking never waits: a reader that waited for memory
//! would keep votes behind it. Each session has a [`Share`] of it beside.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::limits;

/// For what memory is asked, and hence how much of the budget may be taken by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// What a stranger says without being asked: the least of it.
    Unasked,
    /// Answers, and what a masternode says beside consensus.
    Common,
    /// Consensus of masternodes: all of it.
    Consensus,
}

/// A shared allowance of bytes, the last part of it reserved for proven masternodes, and all but the
/// first for what was asked for.
#[derive(Debug)]
pub struct Budget {
    unasked: usize,
    common: usize,
    total: usize,
    used: AtomicUsize,
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(
            limits::REASSEMBLY_UNASKED_BYTES,
            limits::REASSEMBLY_BUDGET_BYTES - limits::REASSEMBLY_RESERVED_BYTES,
            limits::REASSEMBLY_BUDGET_BYTES,
        )
    }
}

impl Budget {
    /// `total` bytes. Beyond the first `unasked` nothing is taken for what nobody asked for, beyond
    /// `common` only for consensus.
    pub fn new(unasked: usize, common: usize, total: usize) -> Self {
        Self {
            unasked: unasked.min(total),
            common: common.min(total),
            total,
            used: AtomicUsize::new(0),
        }
    }

    /// Takes `bytes`, or nothing if they are not there. Never waits.
    pub fn try_take(self: &Arc<Self>, bytes: usize, purpose: Purpose) -> Option<Permit> {
        self.take_leaving(bytes, purpose, 0)
    }

    fn take_leaving(self: &Arc<Self>, bytes: usize, purpose: Purpose, left: usize) -> Option<Permit> {
        let ceiling = match purpose {
            Purpose::Unasked => self.unasked,
            Purpose::Common => self.common,
            Purpose::Consensus => self.total,
        };
        self.used
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
                let sum = used.checked_add(bytes)?;
                (sum.checked_add(left)? <= ceiling).then_some(sum)
            })
            .ok()
            .map(|_| Permit {
                budget: Arc::clone(self),
                bytes,
                _held: None,
            })
    }

    /// As [`Budget::try_take`], counted against the share of whoever sends the message too, with the bytes
    /// that come of it. Of what a masternode says `unasked`, twice what it then holds has to stay free: however
    /// many hold what they can, the next one finds a third of what they left.
    pub fn try_take_of(
        self: &Arc<Self>,
        share: &Share,
        message_bytes: usize,
        bytes: usize,
        purpose: Purpose,
        unasked: bool,
    ) -> Option<Permit> {
        let held = share.try_take(message_bytes)?;
        let left = match unasked && purpose != Purpose::Unasked {
            true => 2 * share.0.load(Ordering::Acquire),
            false => 0,
        };
        let mut permit = self.take_leaving(bytes, purpose, left)?;
        permit._held = Some(held);
        Some(permit)
    }

    /// Bytes taken now.
    pub fn used_bytes(&self) -> usize {
        self.used.load(Ordering::Acquire)
    }
}

/// Bytes taken from a [`Budget`]; dropping it gives them back.
#[derive(Debug)]
pub struct Permit {
    budget: Arc<Budget>,
    bytes: usize,
    /// Given back with it.
    _held: Option<Held>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// What one session holds of a budget, at most [`limits::REASSEMBLY_PEER_BYTES`].
#[derive(Debug, Default)]
pub struct Share(Arc<AtomicUsize>);

impl Share {
    fn try_take(&self, bytes: usize) -> Option<Held> {
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |held| {
                held.checked_add(bytes)
                    .filter(|sum| *sum <= limits::REASSEMBLY_PEER_BYTES)
            })
            .ok()
            .map(|_| Held {
                share: Arc::clone(&self.0),
                bytes,
            })
    }
}

/// Bytes taken from a [`Share`].
#[derive(Debug)]
struct Held {
    share: Arc<AtomicUsize>,
    bytes: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.share.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

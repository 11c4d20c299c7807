//! The memory that half-received messages of all peers may take together.
//!
//! A permit is taken when a message is announced and given back when the program has consumed the
//! message, so queued messages count as well. Taking never waits: a reader that waited for memory
//! would keep votes behind it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::limits;

/// A shared allowance of bytes, part of it reserved for proven masternodes.
#[derive(Debug)]
pub struct Budget {
    total: usize,
    reserved: usize,
    used: AtomicUsize,
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(limits::REASSEMBLY_BUDGET_BYTES, limits::REASSEMBLY_RESERVED_BYTES)
    }
}

impl Budget {
    /// `total` bytes, of which the last `reserved` go only to masternodes.
    pub fn new(total: usize, reserved: usize) -> Self {
        Self {
            total,
            reserved: reserved.min(total),
            used: AtomicUsize::new(0),
        }
    }

    /// Takes `bytes`, or nothing if they are not there. Never waits.
    pub fn try_take(self: &Arc<Self>, bytes: usize, masternode: bool) -> Option<Permit> {
        let ceiling = if masternode {
            self.total
        } else {
            self.total - self.reserved
        };
        self.used
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
                used.checked_add(bytes).filter(|sum| *sum <= ceiling)
            })
            .ok()
            .map(|_| Permit {
                budget: Arc::clone(self),
                bytes,
            })
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
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

//! The lowest fee rate that is taken. It rises when the pool had to evict, and falls with time.

use crate::chain::{Amount, TimestampMs};

use super::FeeRate;

/// The floor of a calm pool: 1 unit per byte, in units per 1000 bytes. Without it, spam is free.
const BASE_PER_KB: u64 = 1_000;
/// What a newcomer has to pay on top of what was evicted, so that each eviction costs somebody.
pub(super) const INCREMENT_PER_KB: u64 = 1_000;
/// A raised floor halves in this time, ms; in half of it below half the caps, in a quarter below
/// a quarter.
const HALF_LIFE_MS: u64 = 600_000;

/// The smallest fee for `size` bytes at a floor of `per_kb` units per 1000 bytes.
pub fn fee_at(per_kb: u64, size: usize) -> Amount {
    let need = (u128::from(per_kb) * size as u128).div_ceil(1000);
    Amount::from_units(u64::try_from(need).unwrap_or(u64::MAX))
}

/// The floor now.
#[derive(Debug)]
pub(super) struct Floor {
    per_kb: u64,
    halved_at: TimestampMs,
}

impl Floor {
    pub(super) fn new() -> Self {
        Self {
            per_kb: BASE_PER_KB,
            halved_at: TimestampMs::default(),
        }
    }

    pub(super) fn per_kb(&self) -> u64 {
        self.per_kb
    }

    /// The smallest fee for `size` bytes.
    pub(super) fn need(&self, size: usize) -> Amount {
        fee_at(self.per_kb, size)
    }

    /// Something that paid `evicted` had to leave.
    pub(super) fn raise(&mut self, evicted: FeeRate, now: TimestampMs) {
        let raised = evicted.per_kb().saturating_add(INCREMENT_PER_KB);
        if raised > self.per_kb {
            self.per_kb = raised;
            self.halved_at = now;
        }
    }

    /// Lets time pass; `permille` is how full the pool is.
    pub(super) fn decay(&mut self, now: TimestampMs, permille: u64) {
        let half_life = match permille {
            0..250 => HALF_LIFE_MS / 4,
            250..500 => HALF_LIFE_MS / 2,
            _ => HALF_LIFE_MS,
        };
        while self.per_kb > BASE_PER_KB && now.ms_since(self.halved_at) >= half_life {
            self.per_kb = (self.per_kb / 2).max(BASE_PER_KB);
            self.halved_at = self.halved_at.saturating_add(half_life);
        }
    }
}

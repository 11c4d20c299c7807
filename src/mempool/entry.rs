//! One transaction of the pool, and fee rates without floats.

use std::cmp::{Ordering, Reverse};

use crate::{
    chain::{Amount, SharedTransaction, TimestampMs},
    crypto::Verified,
};

use super::slots::Slot;

/// A fee over a size. Compared by cross-multiplication, so that equal rates are equal.
#[derive(Debug, Clone, Copy)]
pub struct FeeRate {
    /// Units.
    pub fee: u64,
    /// Bytes, at least 1.
    pub size: u64,
}

impl FeeRate {
    /// `fee` units over `size` bytes.
    pub const fn new(fee: u64, size: u64) -> Self {
        Self {
            fee,
            size: if size == 0 { 1 } else { size },
        }
    }

    /// What `transaction` is worth to a pool and a block at this fee. The word that a masternode is there
    /// goes before everything: it is small, one of each that waits, and no money can be asked of it.
    pub(super) fn of(transaction: &SharedTransaction, fee: u64) -> Self {
        if transaction.kind.as_ready().is_some() {
            return Self::new(u64::MAX, 1);
        }
        Self::new(fee, transaction.size() as u64)
    }

    /// Units per 1000 bytes, rounded up.
    pub fn per_kb(self) -> u64 {
        let rate = (u128::from(self.fee) * 1000).div_ceil(u128::from(self.size));
        u64::try_from(rate).unwrap_or(u64::MAX)
    }

    /// The smallest fee for `size` bytes that is above this rate.
    pub(super) fn fee_above(self, size: usize) -> Amount {
        let fee = u128::from(self.fee) * size as u128 / u128::from(self.size) + 1;
        Amount::from_units(u64::try_from(fee).unwrap_or(u64::MAX))
    }
}

impl Ord for FeeRate {
    fn cmp(&self, other: &Self) -> Ordering {
        let left = u128::from(self.fee) * u128::from(other.size);
        let right = u128::from(other.fee) * u128::from(self.size);
        left.cmp(&right)
    }
}

impl PartialOrd for FeeRate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for FeeRate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for FeeRate {}

/// Place in the order of worth, ascending: of equal rates the later arrival is worth less.
pub(super) type Score = (FeeRate, Reverse<u64>);

/// A transaction in the pool.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) transaction: Verified<SharedTransaction>,
    pub(super) fee: u64,
    /// Order of arrival; parents are always lower than their children.
    pub(super) arrival: u64,
    pub(super) entered_ms: TimestampMs,
    pub(super) heap_bytes: usize,
    /// Entries whose outputs it spends, without duplicates.
    pub(super) parents: Vec<Slot>,
    /// Entries that spend its outputs, without duplicates.
    pub(super) children: Vec<Slot>,
    /// Sums over the entry and all its descendants in the pool.
    pub(super) package: Package,
}

/// Sums over an entry and its descendants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) fee: u64,
    pub(super) size: u64,
    pub(super) count: usize,
}

impl Entry {
    pub(super) fn size(&self) -> u64 {
        self.transaction.size() as u64
    }

    /// What it pays a byte.
    pub(super) fn rate(&self) -> FeeRate {
        FeeRate::new(self.fee, self.size())
    }

    /// What it is worth by itself.
    pub(super) fn worth(&self) -> FeeRate {
        FeeRate::of(&self.transaction, self.fee)
    }

    /// What it is worth to keep or to select: its own rate, or that of its package if better,
    /// since a child that pays well pays for its parents.
    pub(super) fn score(&self) -> Score {
        let package = FeeRate::new(self.package.fee, self.package.size);
        (self.worth().max(package), Reverse(self.arrival))
    }
}

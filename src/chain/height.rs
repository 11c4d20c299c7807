//! Block heights.

use std::fmt;

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// Position of a block in the chain; genesis is 0.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Height(u64);

impl Height {
    /// The genesis block.
    pub const GENESIS: Self = Self(0);
    /// No block will ever get here; stands for "without end" in ranges.
    pub const MAX: Self = Self(u64::MAX);

    /// Wraps a number.
    pub const fn new(height: u64) -> Self {
        Self(height)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The height above; stays at [`Height::MAX`].
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The height below; `None` at genesis.
    pub const fn prev(self) -> Option<Self> {
        self.checked_sub(1)
    }

    /// This height plus `blocks`; stays at [`Height::MAX`].
    pub const fn saturating_add(self, blocks: u64) -> Self {
        Self(self.0.saturating_add(blocks))
    }

    /// This height minus `blocks`, or `None` below genesis.
    pub const fn checked_sub(self, blocks: u64) -> Option<Self> {
        match self.0.checked_sub(blocks) {
            Some(height) => Some(Self(height)),
            None => None,
        }
    }

    /// This height minus `blocks`, stopping at genesis.
    pub const fn saturating_sub(self, blocks: u64) -> Self {
        Self(self.0.saturating_sub(blocks))
    }

    /// How many blocks lie between `earlier` and this height; 0 if `earlier` is not earlier.
    pub const fn blocks_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

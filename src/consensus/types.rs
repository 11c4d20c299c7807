//! Rounds, phases, positions and time: the small words of the protocol.

use std::fmt;

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::chain::{Height, TimestampMs};

/// A round within a height, counted from 0. Rounds above [`Round::MAX`] are invalid on the wire.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode, Serialize, Deserialize,
)]
pub struct Round(u32);

impl Round {
    /// The first round of every height.
    pub const ZERO: Self = Self(0);
    /// The last valid round: 2^31. A height that got there has been failing for centuries.
    pub const MAX: Self = Self(1 << 31);

    /// Wraps a round number; [`Round::is_valid`] tells whether the wire may carry it.
    pub const fn new(round: u32) -> Self {
        Self(round)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The next round, stopping at [`Round::MAX`].
    pub const fn next(self) -> Self {
        if self.0 >= Self::MAX.0 {
            Self::MAX
        } else {
            Self(self.0 + 1)
        }
    }

    /// True up to [`Round::MAX`].
    pub const fn is_valid(self) -> bool {
        self.0 <= Self::MAX.0
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What an operator sees of a height in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
pub enum Phase {
    /// No proposal accepted in this round.
    PrePrepare,
    /// PREPARE sent, no quorum of them yet.
    Prepare,
    /// COMMIT sent.
    Commit,
    /// The height is decided.
    Finalized,
}

/// Steps of one round in the order in which a validator may sign them.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
pub enum Step {
    /// VIEW-CHANGE into the round.
    ViewChange,
    /// PRE-PREPARE, by the leader only.
    PrePrepare,
    /// PREPARE.
    Prepare,
    /// COMMIT.
    Commit,
}

/// Where a signature stands: the guard signs only upwards (docs/CONSENSUS.md §8).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
pub struct Position {
    /// Height first,
    pub height: Height,
    /// then round,
    pub round: Round,
    /// then step.
    pub step: Step,
}

/// Microseconds on a clock that only moves forward; its zero means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
pub struct Mono(u64);

impl Mono {
    /// Wraps microseconds.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the clock's zero.
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// This instant plus `ms` milliseconds, saturating.
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms.saturating_mul(1000)))
    }

    /// Whole milliseconds since `earlier`; 0 if it is later.
    pub const fn ms_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0) / 1000
    }

    /// Microseconds since `earlier`; 0 if it is later.
    pub const fn micros_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The two clocks of one event: deadlines live on `mono`, block timestamps on `wall`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Never goes back; drives every deadline.
    pub mono: Mono,
    /// Unix time; stands in block headers and is compared with them, nothing else.
    pub wall: TimestampMs,
}

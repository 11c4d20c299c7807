//! Money. Only checked arithmetic: there is no operator that could wrap or round.

use std::{fmt, str::FromStr};

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// Units in one TIME.
pub const UNITS_PER_TIME: u64 = 100_000_000;

/// Digits after the point of an amount written in TIME.
const DECIMALS: usize = 8;

/// An amount in units (10^-8 TIME).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Amount(u64);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Wraps a number of units.
    pub const fn from_units(units: u64) -> Self {
        Self(units)
    }

    /// Whole TIME; `None` above what 64 bits hold.
    pub const fn from_time(time: u64) -> Option<Self> {
        match time.checked_mul(UNITS_PER_TIME) {
            Some(units) => Some(Self(units)),
            None => None,
        }
    }

    /// The number of units.
    pub const fn units(self) -> u64 {
        self.0
    }

    /// True for no money.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum, or `None` on overflow.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(units) => Some(Self(units)),
            None => None,
        }
    }

    /// The difference, or `None` if `other` is more.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(units) => Some(Self(units)),
            None => None,
        }
    }

    /// The sum of all, or `None` on overflow.
    pub fn checked_sum(amounts: impl IntoIterator<Item = Self>) -> Option<Self> {
        amounts.into_iter().try_fold(Self::ZERO, Self::checked_add)
    }
}

/// In TIME with as many decimals as the amount has: `12.5`.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (time, units) = (self.0 / UNITS_PER_TIME, self.0 % UNITS_PER_TIME);
        if units == 0 {
            return write!(f, "{time}");
        }
        let decimals = format!("{units:08}");
        write!(f, "{time}.{}", decimals.trim_end_matches('0'))
    }
}

/// Text that is not an amount in TIME.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an amount: write TIME with at most 8 decimals, such as 12.5")]
pub struct AmountError;

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let (time, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(time) || !digits(decimals) || decimals.len() > DECIMALS {
            return Err(AmountError);
        }
        let time: u64 = time.parse().map_err(|_| AmountError)?;
        let units: u64 = format!("{decimals:0<DECIMALS$}")
            .parse()
            .map_err(|_| AmountError)?;
        Self::from_time(time)
            .and_then(|amount| amount.checked_add(Self(units)))
            .ok_or(AmountError)
    }
}

//! Masternodes: tiers, and the hash of a validator set.

use std::fmt;

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::crypto::{Hash256, HashWriter, PublicKey};

use super::{Amount, UNITS_PER_TIME};

const TAG_SET: &str = "timecoin/validator-set/1";

/// Rank of a masternode by collateral. It weighs rewards; every masternode has one vote.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// 1 000 TIME.
    Bronze,
    /// 10 000 TIME.
    Silver,
    /// 100 000 TIME.
    Gold,
}

impl Tier {
    /// Every tier, ascending.
    pub const ALL: [Self; 3] = [Self::Bronze, Self::Silver, Self::Gold];

    /// The name in genesis files and on screens.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bronze => "bronze",
            Self::Silver => "silver",
            Self::Gold => "gold",
        }
    }

    /// What has to be locked up for it.
    pub const fn collateral(self) -> Amount {
        Amount::from_units(UNITS_PER_TIME * self.reward_weight())
    }

    /// The tier that locking exactly this much gives.
    pub fn of_collateral(amount: Amount) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.collateral() == amount)
    }

    /// Weight in the split of rewards: 1 : 10 : 100, times 1 000.
    pub const fn reward_weight(self) -> u64 {
        match self {
            Self::Bronze => 1_000,
            Self::Silver => 10_000,
            Self::Gold => 100_000,
        }
    }

    /// Number of the tier in canonical layouts.
    pub(super) const fn tag(self) -> u8 {
        match self {
            Self::Bronze => 0,
            Self::Silver => 1,
            Self::Gold => 2,
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Hash of the validators of one height, given strictly ascending; stands in headers and in every
/// signed consensus message.
pub fn validator_set_hash(keys: &[PublicKey]) -> Hash256 {
    debug_assert!(keys.is_sorted_by(|a, b| a < b));
    let mut writer = HashWriter::new(TAG_SET).u64(keys.len() as u64);
    for key in keys {
        writer = writer.bytes(key.as_bytes());
    }
    writer.finish()
}

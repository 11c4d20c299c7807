//! Whom this node keeps out, and why: plain facts for the list, the screens and the file.
//!
//! A ban by the operator names a node, an address or a whole network and holds until it expires or is
//! lifted. A discouragement by the program names a node only: behind one address there may be many.

use core::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::crypto::NodeId;

/// Longest reason, by count of characters; more is cut off.
pub const BAN_REASON_MAX: usize = 120;
/// Widest network that may be banned, IPv4: an eighth of a thousandth of all addresses is mistake enough.
const PREFIX_V4_MIN: u8 = 8;
/// Widest network that may be banned, IPv6.
const PREFIX_V6_MIN: u8 = 16;

/// All addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IpRange {
    address: IpAddr,
    prefix: u8,
}

impl IpRange {
    /// The range of `prefix` bits in which `address` lies. An IPv4 address in IPv6 clothes is the
    /// IPv4 address.
    pub fn containing(address: IpAddr, prefix: u8) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                let prefix = prefix.min(32);
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                Self {
                    address: IpAddr::V4((v4.to_bits() & mask).into()),
                    prefix,
                }
            }
            IpAddr::V6(v6) => {
                let prefix = prefix.min(128);
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                Self {
                    address: IpAddr::V6((v6.to_bits() & mask).into()),
                    prefix,
                }
            }
        }
    }

    /// Whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        Self::containing(address, self.prefix) == *self
    }

    /// Whether all of `other` lies in it.
    pub fn covers(&self, other: &Self) -> bool {
        self.prefix <= other.prefix && self.contains(other.address)
    }

    /// How many leading bits its addresses share.
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether it is of version 6.
    pub const fn is_v6(&self) -> bool {
        self.address.is_ipv6()
    }

    fn is_one_address(&self) -> bool {
        self.prefix == if self.is_v6() { 128 } else { 32 }
    }
}

/// Who is kept out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BanTarget {
    /// One node, wherever it comes from.
    Node(NodeId),
    /// Whoever comes from there; one address is a range of one.
    Range(IpRange),
}

/// Text that names nobody who could be banned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseBanTargetError {
    /// Not one of the three forms.
    #[error("`{0}` is no node id, address or network: write 64 hex digits, 203.0.113.7 or 203.0.113.0/24")]
    Form(String),
    /// Too much of the internet.
    #[error("`{range}` is too wide: ban /{min} or narrower")]
    TooWide {
        /// What was given.
        range: String,
        /// The widest that is taken.
        min: u8,
    },
}

impl BanTarget {
    /// Exactly one address.
    pub fn address(ip: IpAddr) -> Self {
        Self::Range(IpRange::containing(ip, 128))
    }

    /// Whether it hits a node that comes from an address.
    pub fn hits(&self, node: Option<&NodeId>, ip: IpAddr) -> bool {
        match self {
            Self::Node(id) => node == Some(id),
            Self::Range(range) => range.contains(ip),
        }
    }
}

impl FromStr for BanTarget {
    type Err = ParseBanTargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let error = || ParseBanTargetError::Form(text.chars().take(80).collect());
        if let Ok(id) = text.parse::<NodeId>() {
            return Ok(Self::Node(id));
        }
        let Some((address, prefix)) = text.split_once('/') else {
            return text.parse().map(Self::address).map_err(|_| error());
        };
        let address: IpAddr = address.parse().map_err(|_| error())?;
        let prefix: u8 = prefix.parse().map_err(|_| error())?;
        let (min, max) = match address {
            IpAddr::V4(_) => (PREFIX_V4_MIN, 32),
            IpAddr::V6(_) => (PREFIX_V6_MIN, 128),
        };
        if prefix > max {
            return Err(error());
        }
        if prefix < min {
            return Err(ParseBanTargetError::TooWide {
                range: text.to_owned(),
                min,
            });
        }
        Ok(Self::Range(IpRange::containing(address, prefix)))
    }
}

impl fmt::Display for IpRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_one_address() {
            write!(f, "{}", self.address)
        } else {
            write!(f, "{}/{}", self.address, self.prefix)
        }
    }
}

impl fmt::Display for BanTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(id) => write!(f, "{id}"),
            Self::Range(range) => write!(f, "{range}"),
        }
    }
}

impl Serialize for BanTarget {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BanTarget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

/// Who put it on the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BanSource {
    /// A person. Refused whatever happens.
    Operator,
    /// The program, by score: a discouragement. Not dialled, not passed on, and refused when slots are
    /// scarce.
    Automatic,
}

impl BanSource {
    /// The word on screens.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Automatic => "auto",
        }
    }
}

/// One entry of the list. Times are of the wall clock, so that they survive a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// Who.
    pub target: BanTarget,
    /// Who put it there.
    pub source: BanSource,
    /// Which operator or which part of the program.
    pub by: String,
    /// Why, printable, at most [`BAN_REASON_MAX`] characters.
    pub reason: String,
    /// What was seen, for automatic ones: the faults that led here.
    #[serde(default)]
    pub evidence: String,
    /// Since when, in ms since 1970.
    pub at_ms: u64,
    /// Until when, in ms since 1970; `None` for ever.
    pub until_ms: Option<u64>,
    /// How often it has happened; an automatic one doubles in length each time.
    #[serde(default = "once")]
    pub times: u32,
}

const fn once() -> u32 {
    1
}

impl Ban {
    /// Whether it still holds.
    pub fn holds(&self, now_ms: u64) -> bool {
        self.until_ms.is_none_or(|until| now_ms < until)
    }
}

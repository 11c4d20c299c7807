//! The networks, and what differs between them by convention (parameters stand in genesis).

use std::{fmt, str::FromStr};

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// Which TimeCoin network.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// Real money.
    Mainnet,
    /// Public tests.
    Testnet,
    /// Private networks, mostly on loopback.
    Devnet,
}

impl Network {
    /// Every network.
    pub const ALL: [Self; 3] = [Self::Mainnet, Self::Testnet, Self::Devnet];

    /// The name in config, genesis and paths.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mainnet => "mainnet",
            Self::Testnet => "testnet",
            Self::Devnet => "devnet",
        }
    }

    /// Prefix of addresses, before the separator `1`.
    pub const fn hrp(self) -> &'static str {
        match self {
            Self::Mainnet => "time",
            Self::Testnet => "timet",
            Self::Devnet => "timed",
        }
    }

    /// Default port for peers. On a devnet this is node 0's; node i listens 2·i above.
    pub const fn p2p_port(self) -> u16 {
        match self {
            Self::Mainnet => 24000,
            Self::Testnet => 24100,
            Self::Devnet => 24200,
        }
    }

    /// Default port for HTTP: the one above the peers'.
    pub const fn rpc_port(self) -> u16 {
        self.p2p_port() + 1
    }

    /// Number of this network in canonical layouts.
    pub(super) const fn tag(self) -> u8 {
        match self {
            Self::Mainnet => 0,
            Self::Testnet => 1,
            Self::Devnet => 2,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no network's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown network `{0}`: use mainnet, testnet or devnet")]
pub struct ParseNetworkError(String);

impl FromStr for Network {
    type Err = ParseNetworkError;

    fn from_str(text: &str) -> Result<Self, ParseNetworkError> {
        Self::ALL
            .into_iter()
            .find(|network| network.name() == text)
            .ok_or_else(|| ParseNetworkError(text.to_owned()))
    }
}

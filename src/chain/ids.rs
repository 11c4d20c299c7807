//! Names of blocks, transactions and outputs: distinct types over one hash, so that one kind of id
//! can never be passed for another.

use std::{fmt, str::FromStr};

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::crypto::{Hash256, ParseHashError};

macro_rules! hash_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(Hash256);

        impl $name {
            /// All zero bytes: "none". Never the id of anything.
            pub const ZERO: Self = Self(Hash256::ZERO);

            /// Wraps a hash that is such an id already.
            pub const fn from_hash(hash: Hash256) -> Self {
                Self(hash)
            }

            /// Wraps 32 bytes that are such an id already.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(Hash256::from_bytes(bytes))
            }

            /// The hash.
            pub const fn as_hash(&self) -> &Hash256 {
                &self.0
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                self.0.as_bytes()
            }

            /// True for all zero bytes.
            pub fn is_zero(&self) -> bool {
                self.0.is_zero()
            }

            /// First four bytes in hex, for screens and logs where space is short.
            pub fn short(&self) -> String {
                self.0.short()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseHashError;

            fn from_str(text: &str) -> Result<Self, ParseHashError> {
                text.parse().map(Self)
            }
        }
    };
}

hash_id! {
    /// Name of a transaction: hash of its canonical bytes without witnesses.
    TxId
}

hash_id! {
    /// Name of a transaction together with its witnesses; key of the verified cache.
    WitnessTxId
}

hash_id! {
    /// Name of a block: hash of its header. The digest that validators sign.
    BlockHash
}

hash_id! {
    /// Name of a masternode: the id of its registration, or a hash of its place in genesis. It stays
    /// the same when the consensus key changes.
    MasternodeId
}

/// Names one output of one transaction.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode, Serialize, Deserialize,
)]
pub struct OutPoint {
    /// The transaction.
    pub txid: TxId,
    /// Index among its outputs.
    pub index: u32,
}

impl OutPoint {
    /// Output `index` of `txid`.
    pub const fn new(txid: TxId, index: u32) -> Self {
        Self { txid, index }
    }
}

/// As `txid:index`.
impl fmt::Display for OutPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.txid, self.index)
    }
}

impl FromStr for OutPoint {
    type Err = ParseHashError;

    fn from_str(text: &str) -> Result<Self, ParseHashError> {
        let (txid, index) = text.split_once(':').ok_or(ParseHashError)?;
        let index = index.parse().map_err(|_| ParseHashError)?;
        Ok(Self::new(txid.parse()?, index))
    }
}

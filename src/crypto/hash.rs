//! Domain-separated SHA-256.
//!
//! Every use of the hash names its domain, so that bytes hashed for one purpose can never stand
//! for another. The tag is length-prefixed, hence no tag is a prefix of another's input.

use std::{collections::HashMap, fmt, str::FromStr};

use bincode::{Decode, Encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest, Sha256};

/// A map whose keys are hashes, or hold one. Peers choose such keys, so where they land depends on a secret that
/// each map draws for itself, as with the standard map's hasher, which costs more: a full block asks some twenty
/// thousand times.
pub type HashKeyed<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// 32 bytes of SHA-256 output. Written and parsed as 64 lowercase hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
pub struct Hash256([u8; 32]);

impl Hash256 {
    /// All zero bytes: stands for "none" where a layout needs 32 bytes. Never a valid digest.
    pub const ZERO: Self = Self([0; 32]);

    /// Wraps 32 bytes that are a hash already.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// True for [`Hash256::ZERO`].
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// First four bytes in hex, for screens and logs where space is short.
    pub fn short(&self) -> String {
        const_hex::encode(&self.0[..4])
    }
}

impl fmt::Display for Hash256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&const_hex::encode(self.0))
    }
}

impl fmt::Debug for Hash256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

/// Text that is not 64 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a hash: expected 64 hex digits")]
pub struct ParseHashError;

impl FromStr for Hash256 {
    type Err = ParseHashError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        const_hex::decode_to_slice(text, &mut bytes).map_err(|_| ParseHashError)?;
        Ok(Self(bytes))
    }
}

impl Serialize for Hash256 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Text where people read it, bytes where they do not.
        match serializer.is_human_readable() {
            true => serializer.collect_str(self),
            false => self.0.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Hash256 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return <[u8; 32]>::deserialize(deserializer).map(Self);
        }
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

/// A hash under construction: a fixed little-endian layout, written field by field.
#[derive(Clone)]
pub struct HashWriter(Sha256);

impl HashWriter {
    /// Starts a hash in the domain `tag` (at most 255 bytes; one constant per use).
    pub fn new(tag: &'static str) -> Self {
        debug_assert!(tag.len() <= 255);
        let mut inner = Sha256::new();
        inner.update([tag.len() as u8]);
        inner.update(tag.as_bytes());
        Self(inner)
    }

    /// Appends raw bytes, without a length; the caller's layout must be unambiguous.
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.update(bytes);
        self
    }

    /// Appends a little-endian u64.
    pub fn u64(self, value: u64) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Appends a little-endian u32.
    pub fn u32(self, value: u32) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Appends another hash.
    pub fn hash(self, hash: &Hash256) -> Self {
        self.bytes(hash.as_bytes())
    }

    /// The finished hash.
    pub fn finish(self) -> Hash256 {
        Hash256(self.0.finalize().into())
    }
}

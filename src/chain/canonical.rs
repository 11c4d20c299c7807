//! Canonical bytes: the fixed layout that ids and signatures are made from.
//!
//! Integers little-endian, lists prefixed by a u32 count, no options but an explicit tag byte. One
//! value has one encoding and the reader accepts no other. Codecs for wire and disk are another
//! matter and may change; this layout may not.

use super::{Address, Amount, OutPoint, TxId};
use crate::crypto::{PublicKey, Signature};

/// Bytes under construction.
#[derive(Default)]
pub(super) struct CanonicalWriter(Vec<u8>);

impl CanonicalWriter {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }

    /// A list's length. Lists above 2^32 entries cannot exist within any limit; saturating keeps
    /// the function total, and such a value would be refused by every limit check.
    pub(super) fn count(&mut self, len: usize) {
        self.u32(u32::try_from(len).unwrap_or(u32::MAX));
    }

    pub(super) fn text(&mut self, text: &str) {
        self.count(text.len());
        self.bytes(text.as_bytes());
    }

    /// A 1 and the value, or a 0.
    pub(super) fn option<T>(&mut self, value: Option<&T>, write: impl FnOnce(&mut Self, &T)) {
        self.u8(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Bytes that are not the canonical form of what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalError {
    /// The bytes end too early.
    #[error("bytes end too early")]
    Truncated,
    /// Bytes are left over.
    #[error("{0} bytes are left over")]
    Trailing(usize),
    /// A tag names no known kind.
    #[error("unknown kind {0}")]
    UnknownKind(u8),
}

/// Reads canonical bytes from the front.
pub(super) struct CanonicalReader<'a>(&'a [u8]);

impl<'a> CanonicalReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], CanonicalError> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(CanonicalError::Truncated)?;
        self.0 = tail;
        Ok(*head)
    }

    pub(super) fn u8(&mut self) -> Result<u8, CanonicalError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A byte that is 0 or 1, nothing else: one value has one encoding.
    pub(super) fn flag(&mut self) -> Result<bool, CanonicalError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(CanonicalError::UnknownKind(other)),
        }
    }

    pub(super) fn u16(&mut self) -> Result<u16, CanonicalError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, CanonicalError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, CanonicalError> {
        self.array().map(u64::from_le_bytes)
    }

    /// A list whose entries take at least `entry_bytes` each, so a lying count allocates nothing.
    pub(super) fn list<T>(
        &mut self,
        entry_bytes: usize,
        mut entry: impl FnMut(&mut Self) -> Result<T, CanonicalError>,
    ) -> Result<Vec<T>, CanonicalError> {
        let count = self.u32()? as usize;
        if count > self.0.len() / entry_bytes {
            return Err(CanonicalError::Truncated);
        }
        (0..count).map(|_| entry(self)).collect()
    }

    pub(super) fn amount(&mut self) -> Result<Amount, CanonicalError> {
        self.u64().map(Amount::from_units)
    }

    pub(super) fn address(&mut self) -> Result<Address, CanonicalError> {
        self.array().map(Address::from_bytes)
    }

    pub(super) fn outpoint(&mut self) -> Result<OutPoint, CanonicalError> {
        Ok(OutPoint::new(TxId::from_bytes(self.array()?), self.u32()?))
    }

    pub(super) fn public_key(&mut self) -> Result<PublicKey, CanonicalError> {
        self.array().map(PublicKey::from_bytes)
    }

    pub(super) fn signature(&mut self) -> Result<Signature, CanonicalError> {
        self.array().map(Signature::from_bytes)
    }

    pub(super) fn finish(self) -> Result<(), CanonicalError> {
        match self.0.len() {
            0 => Ok(()),
            left => Err(CanonicalError::Trailing(left)),
        }
    }
}

//! Ed25519 signatures under one verdict rule: ZIP-215.
//!
//! Keys and signing come from `ed25519-dalek`, validity from `ed25519-zebra`, whose single and
//! batched checks agree on every input. The usual libraries' do not: a key with a torsion component
//! passes one check and fails another, and two honest nodes then disagree about a block.

use std::fmt;

use bincode::{Decode, Encode};
use ed25519_zebra::{VerificationKey, VerificationKeyBytes, batch};
use rand_core::{CryptoRng, RngCore};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::PublicKey;

/// Below this many signatures a batch costs more than single checks.
pub const BATCH_MIN: usize = 8;

/// A signature, 64 bytes, not yet known to be valid.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Signature([u8; 64]);

impl Signature {
    /// Wraps 64 bytes.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&const_hex::encode(self.0))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sig:{}", const_hex::encode(&self.0[..4]))
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; 64];
        const_hex::decode_to_slice(text, &mut bytes)
            .map_err(|_| D::Error::custom("not a signature: expected 128 hex digits"))?;
        Ok(Self(bytes))
    }
}

/// A signature that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("signature does not verify")]
pub struct SignatureError;

/// Checks one signature under ZIP-215.
///
/// # Errors
/// [`SignatureError`] if the key is no point or the equation fails; the two are not told apart.
pub fn verify(key: &PublicKey, message: &[u8], signature: &Signature) -> Result<(), SignatureError> {
    #[cfg(feature = "sim")]
    if let Some(verdict) = super::simulated::verify(key, message, signature) {
        return verdict;
    }
    VerificationKey::try_from(*key.as_bytes())
        .and_then(|key| key.verify(&(*signature.as_bytes()).into(), message))
        .map_err(|_| SignatureError)
}

/// Checks many signatures at once; the verdict equals that of checking each one.
///
/// The random coefficients that a batch needs are derived from the whole batch, so the function is
/// pure: whoever chooses the signatures cannot choose the coefficients.
///
/// # Errors
/// [`SignatureError`] if any does not hold; which one is found by checking them one by one.
pub fn verify_batch(items: &[(PublicKey, &[u8], Signature)]) -> Result<(), SignatureError> {
    let is_simulated =
        cfg!(feature = "sim") && items.iter().any(|(_, _, one)| one.as_bytes()[32..] == [0xff; 32]);
    if items.len() < BATCH_MIN || is_simulated {
        return items
            .iter()
            .try_for_each(|(key, message, signature)| verify(key, message, signature));
    }
    // In one piece, because only then the hash uses the whole width of the processor.
    let length = items
        .iter()
        .map(|(_, message, _)| FIXED_BYTES + message.len())
        .sum();
    let mut transcript = Vec::with_capacity(length);
    let mut verifier = batch::Verifier::new();
    for (key, message, signature) in items {
        transcript.extend_from_slice(key.as_bytes());
        transcript.extend_from_slice(signature.as_bytes());
        transcript.extend_from_slice(&(message.len() as u64).to_le_bytes());
        transcript.extend_from_slice(message);
        let key = VerificationKeyBytes::from(*key.as_bytes());
        verifier.queue((key, (*signature.as_bytes()).into(), *message));
    }
    verifier
        .verify(Coefficients::of(&transcript))
        .map_err(|_| SignatureError)
}

/// Key, signature and length of a message in a transcript.
const FIXED_BYTES: usize = 32 + 64 + 8;

/// A stream of coefficients: BLAKE3 in XOF mode over all that the batch says.
struct Coefficients {
    stream: blake3::OutputReader,
    block: [u8; 1_024],
    used: usize,
}

impl Coefficients {
    fn of(transcript: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("timecoin/batch-coefficients/1");
        hasher.update(transcript);
        Self {
            stream: hasher.finalize_xof(),
            block: [0; 1_024],
            used: 1_024,
        }
    }
}

impl RngCore for Coefficients {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, mut dest: &mut [u8]) {
        while !dest.is_empty() {
            if self.used == self.block.len() {
                self.stream.fill(&mut self.block);
                self.used = 0;
            }
            let rest = &self.block[self.used..];
            let count = rest.len().min(dest.len());
            let (filled, left) = dest.split_at_mut(count);
            filled.copy_from_slice(&rest[..count]);
            self.used += count;
            dest = left;
        }
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(dest);
        Ok(())
    }
}

impl CryptoRng for Coefficients {}

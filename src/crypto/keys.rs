//! Ed25519 key pairs.
//!
//! A masternode has two of them: the network key names the node to its peers (node id), the
//! consensus key signs votes (validator id). They are never the same key.

use std::{fmt, str::FromStr};

use bincode::{Decode, Encode};
use ed25519_dalek::{
    Signer, SigningKey,
    pkcs8::{DecodePrivateKey, KeypairBytes, spki::der::pem::LineEnding},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use zeroize::Zeroizing;

use super::{Hash256, ParseHashError, Signature};

/// An ed25519 public key, 32 bytes, not yet known to be a point on the curve.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct PublicKey([u8; 32]);

/// The network identity of a node: the public key it proves in the handshake.
pub type NodeId = PublicKey;

impl PublicKey {
    /// Wraps 32 bytes; whether they are a usable key shows when a signature is verified.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// First four bytes in hex, for screens and logs where space is short.
    pub fn short(&self) -> String {
        const_hex::encode(&self.0[..4])
    }

    /// True for keys of small order, which every signer shares; refused at registration.
    pub fn is_weak(&self) -> bool {
        ed25519_dalek::VerifyingKey::from_bytes(&self.0).map_or(true, |key| key.is_weak())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&const_hex::encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

impl FromStr for PublicKey {
    type Err = ParseHashError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(*text.parse::<Hash256>()?.as_bytes()))
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => serializer.collect_str(self),
            false => self.0.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return <[u8; 32]>::deserialize(deserializer).map(Self);
        }
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

/// An ed25519 secret key. Wiped from memory when dropped; never printed.
#[derive(Clone)]
pub struct SecretKey {
    key: SigningKey,
    #[cfg(feature = "sim")]
    is_simulated: bool,
}

impl SecretKey {
    /// The key of a 32-byte seed. The caller brings the randomness.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self::of(SigningKey::from_bytes(seed))
    }

    pub(super) fn of(key: SigningKey) -> Self {
        Self {
            key,
            #[cfg(feature = "sim")]
            is_simulated: false,
        }
    }

    /// A key whose signatures are keyed hashes: worth nothing, and cheap enough for a million
    /// schedules of the simulator.
    #[cfg(feature = "sim")]
    pub fn simulated(seed: &[u8; 32]) -> Self {
        Self {
            is_simulated: true,
            ..Self::from_seed(seed)
        }
    }

    /// The public half.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.key.verifying_key().to_bytes())
    }

    /// Signs `message`. The caller's message carries its own domain prefix.
    pub fn sign(&self, message: &[u8]) -> Signature {
        #[cfg(feature = "sim")]
        if self.is_simulated {
            return super::simulated::sign(&self.public_key(), message);
        }
        Signature::from_bytes(self.key.sign(message).to_bytes())
    }

    /// The seed, wiped when dropped; for key files only.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.key.to_bytes())
    }

    /// PKCS#8 PEM without a public key, the form that OpenSSL reads too.
    ///
    /// # Errors
    /// [`KeyFormatError`] if the encoder refuses, which no valid key makes it do.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, KeyFormatError> {
        use ed25519_dalek::pkcs8::EncodePrivateKey;
        let pair = KeypairBytes {
            secret_key: self.key.to_bytes(),
            public_key: None,
        };
        pair.to_pkcs8_pem(LineEnding::LF).map_err(|_| KeyFormatError)
    }

    /// Reads what [`SecretKey::to_pem`] wrote.
    ///
    /// # Errors
    /// [`KeyFormatError`] if the text is not an ed25519 key in PKCS#8 PEM.
    pub fn from_pem(text: &str) -> Result<Self, KeyFormatError> {
        SigningKey::from_pkcs8_pem(text)
            .map(Self::of)
            .map_err(|_| KeyFormatError)
    }

    /// PKCS#8 DER, the form a TLS library wants.
    ///
    /// # Errors
    /// As [`SecretKey::to_pem`].
    pub fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, KeyFormatError> {
        use ed25519_dalek::pkcs8::EncodePrivateKey;
        let pair = KeypairBytes {
            secret_key: self.key.to_bytes(),
            public_key: None,
        };
        let document = pair.to_pkcs8_der().map_err(|_| KeyFormatError)?;
        Ok(Zeroizing::new(document.as_bytes().to_vec()))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {:?})", self.public_key())
    }
}

/// Text or bytes that are not an ed25519 key in PKCS#8.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an ed25519 key in PKCS#8 PEM")]
pub struct KeyFormatError;

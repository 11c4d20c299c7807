//! Who said it: hashes, keys, signatures, and the proof that a signature was checked.
//!
//! Nothing here reads a clock, a file or a random source; seeds come as arguments. There is one
//! verdict rule for every signature in the program, ZIP-215, single and batched alike
//! ([`signature`]): a verdict that depended on how one checks would be a chain split.

mod encrypted;
mod hash;
mod keys;
mod signature;
#[cfg(feature = "sim")]
mod simulated;
mod verified;

#[cfg(test)]
mod tests;

pub use encrypted::{DecryptError, EncryptionSeed, is_encrypted_pem};
pub use hash::{Hash256, HashKeyed, HashWriter, ParseHashError};
pub use keys::{KeyFormatError, NodeId, PublicKey, SecretKey};
pub use signature::{BATCH_MIN, Signature, SignatureError, verify, verify_batch};
pub use verified::{Verifiable, Verified};

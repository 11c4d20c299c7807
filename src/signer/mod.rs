//! Who signs: the masternode's consensus key behind a trait, and the files that keys live in.
//!
//! A signer adds one defence of its own to the guard in the consensus log: it signs only bytes that
//! carry the domain of the request, so that no road through the program can get a vote signed as a
//! session proof, or anything else as a vote. It never decides whether a position was signed
//! before; that is the guard's (docs/CONSENSUS.md §8).
//!
//! Key files are PKCS#8 PEM, born with mode 0600 in a directory of mode 0700, and refused when
//! anybody but the owner could read them. They may be encrypted; where the passphrase comes from is the
//! caller's affair ([`Unlock`]).

mod encrypted_file;
mod error;
mod key_file;
mod local;
mod passphrase;
mod wallet_file;

#[cfg(test)]
mod tests;

use crate::crypto::{PublicKey, Signature};

pub use encrypted_file::{
    copy_key_file, create_key_file_under, is_key_file_encrypted, open_key_file, public_key_of, read_key_file,
    rewrite_key_file,
};
pub use error::SignerError;
pub use key_file::{create_key_dir, create_key_file, create_private_file, generate_key};
pub use local::LocalSigner;
pub use passphrase::{NoPassphrase, PASSPHRASE_BYTES_MAX, PASSPHRASE_CHARS_MIN, Passphrase, Unlock};
pub use wallet_file::{WalletFile, WalletLabel};

/// What consensus signing bytes begin with (docs/CONSENSUS.md §1).
pub const CONSENSUS_DOMAIN: &[u8] = b"TIMECOIN-BFT\0";

/// What the proof that a session belongs to a masternode begins with (docs/WIRE.md, handshake).
pub const SESSION_DOMAIN: &[u8] = b"timed/mn-session/1";

/// What the word that a node is there begins with (`chain::ready_bytes`).
pub const READY_DOMAIN: &[u8] = b"timed/mn-ready/1";

/// What the proof that a registration's key is held begins with (`chain::possession_bytes`).
pub const POSSESSION_DOMAIN: &[u8] = b"timed/mn-possession/1";

/// File name of the consensus key in `keys/`.
pub const VALIDATOR_KEY_FILE: &str = "validator.key";

/// File name of the network key in `keys/`.
pub const NODE_KEY_FILE: &str = "node.key";

/// Holds the consensus key, or speaks to something that does.
pub trait Signer: Send + Sync + std::fmt::Debug {
    /// The validator id this signer signs for.
    fn public_key(&self) -> PublicKey;

    /// Signs a consensus message, given as its canonical signing bytes.
    ///
    /// # Errors
    /// [`SignerError::WrongDomain`] unless the bytes begin with [`CONSENSUS_DOMAIN`];
    /// [`SignerError::Unavailable`] if the key cannot be reached now.
    fn sign_consensus(&self, message: &[u8]) -> Result<Signature, SignerError>;

    /// Signs the proof that the holder of this key is at the end of a session.
    ///
    /// # Errors
    /// [`SignerError::WrongDomain`] unless the bytes begin with [`SESSION_DOMAIN`];
    /// [`SignerError::Unavailable`] if the key cannot be reached now.
    fn sign_session(&self, proof: &[u8]) -> Result<Signature, SignerError>;

    /// Signs that this key's node is there and follows the chain.
    ///
    /// # Errors
    /// [`SignerError::WrongDomain`] unless the bytes begin with [`READY_DOMAIN`];
    /// [`SignerError::Unavailable`] if the key cannot be reached now.
    fn sign_ready(&self, word: &[u8]) -> Result<Signature, SignerError>;

    /// Signs that whoever registers this key holds it.
    ///
    /// # Errors
    /// [`SignerError::WrongDomain`] unless the bytes begin with [`POSSESSION_DOMAIN`];
    /// [`SignerError::Unavailable`] if the key cannot be reached now.
    fn sign_possession(&self, proof: &[u8]) -> Result<Signature, SignerError>;
}

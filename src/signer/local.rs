//! The consensus key in this process, from a file or, in tests and simulation, from a seed.

use std::path::Path;

use super::{
    CONSENSUS_DOMAIN, POSSESSION_DOMAIN, READY_DOMAIN, SESSION_DOMAIN, Signer, SignerError, Unlock,
    open_key_file,
};
use crate::crypto::{PublicKey, SecretKey, Signature};

/// Signs with a key held in memory.
#[derive(Debug)]
pub struct LocalSigner {
    key: SecretKey,
}

impl LocalSigner {
    /// Signs with `key`.
    pub fn new(key: SecretKey) -> Self {
        Self { key }
    }

    /// Signs with the key in a file.
    ///
    /// # Errors
    /// As [`open_key_file`].
    pub fn open(path: &Path, unlock: &dyn Unlock) -> Result<Self, SignerError> {
        open_key_file(path, unlock).map(Self::new)
    }

    fn sign(&self, domain: &[u8], message: &[u8]) -> Result<Signature, SignerError> {
        if !message.starts_with(domain) {
            return Err(SignerError::WrongDomain);
        }
        Ok(self.key.sign(message))
    }
}

impl Signer for LocalSigner {
    fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    fn sign_consensus(&self, message: &[u8]) -> Result<Signature, SignerError> {
        self.sign(CONSENSUS_DOMAIN, message)
    }

    fn sign_session(&self, proof: &[u8]) -> Result<Signature, SignerError> {
        self.sign(SESSION_DOMAIN, proof)
    }

    fn sign_ready(&self, word: &[u8]) -> Result<Signature, SignerError> {
        self.sign(READY_DOMAIN, word)
    }

    fn sign_possession(&self, proof: &[u8]) -> Result<Signature, SignerError> {
        self.sign(POSSESSION_DOMAIN, proof)
    }
}

//! The consensus key in this process, from a file or, in tests and simulation, from a seed.

use std::path::Path;

use super::{Signer, SignerError, Unlock, Wish, open_key_file};
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
}

impl Signer for LocalSigner {
    fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    fn sign(&self, wish: &Wish) -> Result<Signature, SignerError> {
        Ok(self.key.sign(&wish.bytes(&self.key.public_key())))
    }
}

//! Wallet key files (`*.key.json`): a key with the network and address it is for.
//!
//! The key inside is the same PKCS#8 PEM as in every key file, so it can be taken out with a text
//! editor, and it may be encrypted as there. A bare PEM file is accepted too; then the address is derived
//! by the caller.

use std::{borrow::Cow, path::Path};

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::{
    NoPassphrase, Passphrase, SignerError, Unlock,
    encrypted_file::{open_text, pem_of, replace},
    key_file::{read_private, write_new},
};
use crate::crypto::{PublicKey, SecretKey};

/// Format of the file; raised when a field changes its meaning.
const SCHEMA: u32 = 1;

/// A wallet's key and what is written beside it for people.
#[derive(Debug)]
pub struct WalletFile {
    /// The key that spends.
    pub key: SecretKey,
    /// Network name as written in the file; `None` in a bare PEM.
    pub network: Option<String>,
    /// Address as written in the file; `None` in a bare PEM. The caller checks it against the key.
    pub address: Option<String>,
}

/// What is written beside the key of a wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletLabel {
    /// The public half.
    pub public_key: PublicKey,
    /// Network name; `None` in a bare PEM.
    pub network: Option<String>,
    /// Address; `None` in a bare PEM.
    pub address: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content<'a> {
    schema: u32,
    network: Cow<'a, str>,
    address: Cow<'a, str>,
    public_key: PublicKey,
    private_key: Cow<'a, str>,
}

impl Drop for Content<'_> {
    /// Wipes an owned copy of the key; a borrowed one is its owner's to wipe.
    fn drop(&mut self) {
        if let Cow::Owned(pem) = &mut self.private_key {
            pem.zeroize();
        }
    }
}

impl WalletFile {
    /// Writes a new wallet file, mode 0600.
    ///
    /// # Errors
    /// [`SignerError::Exists`] if the path is taken; [`SignerError::Io`] if it cannot be written.
    pub fn create(path: &Path, key: &SecretKey, network: &str, address: &str) -> Result<(), SignerError> {
        Self::create_under(path, key, network, address, None)
    }

    /// Writes a new wallet file under a passphrase, or under none.
    ///
    /// # Errors
    /// As [`super::create_key_file_under`].
    pub fn create_under(
        path: &Path,
        key: &SecretKey,
        network: &str,
        address: &str,
        passphrase: Option<&Passphrase>,
    ) -> Result<(), SignerError> {
        write_new(path, &content(path, key, network, address, passphrase)?)
    }

    /// Reads a wallet file, or a bare PEM, that is not encrypted.
    ///
    /// # Errors
    /// As [`super::read_key_file`].
    pub fn read(path: &Path) -> Result<Self, SignerError> {
        Self::open(path, &NoPassphrase)
    }

    /// Reads a wallet file, or a bare PEM, encrypted or not.
    ///
    /// # Errors
    /// As [`super::open_key_file`].
    pub fn open(path: &Path, unlock: &dyn Unlock) -> Result<Self, SignerError> {
        let text = read_private(path)?;
        let Some(content) = parse(path, &text)? else {
            return Ok(Self {
                key: super::open_key_file(path, unlock)?,
                network: None,
                address: None,
            });
        };
        let key = open_text(path, &content.private_key, unlock)?;
        if key.public_key() != content.public_key {
            return Err(SignerError::Format {
                path: path.to_owned(),
                reason: "its public key does not belong to its private key".to_owned(),
            });
        }
        Ok(Self {
            key,
            network: Some(content.network.to_string()),
            address: Some(content.address.to_string()),
        })
    }

    /// Writes the wallet, or a key file, to a new file under a passphrase, or under none.
    ///
    /// # Errors
    /// As [`super::create_key_file_under`].
    pub fn create_copy(&self, path: &Path, passphrase: Option<&Passphrase>) -> Result<(), SignerError> {
        match (&self.network, &self.address) {
            (Some(network), Some(address)) => {
                Self::create_under(path, &self.key, network, address, passphrase)
            }
            _ => super::create_key_file_under(path, &self.key, passphrase),
        }
    }

    /// Puts the wallet at `path` under a passphrase, or under none.
    ///
    /// # Errors
    /// As [`super::rewrite_key_file`].
    pub fn rewrite(&self, path: &Path, passphrase: Option<&Passphrase>) -> Result<(), SignerError> {
        match (&self.network, &self.address) {
            (Some(network), Some(address)) => {
                replace(path, &content(path, &self.key, network, address, passphrase)?)
            }
            _ => super::rewrite_key_file(path, &self.key, passphrase),
        }
    }
}

impl WalletLabel {
    /// What a wallet file says of itself without its passphrase. Nothing of it is proved: whoever pays
    /// opens the file.
    ///
    /// # Errors
    /// As [`super::public_key_of`].
    pub fn read(path: &Path) -> Result<Self, SignerError> {
        let text = read_private(path)?;
        Ok(match parse(path, &text)? {
            Some(content) => Self {
                public_key: content.public_key,
                network: Some(content.network.to_string()),
                address: Some(content.address.to_string()),
            },
            None => Self {
                public_key: super::public_key_of(path)?,
                network: None,
                address: None,
            },
        })
    }
}

/// The text of a wallet file.
fn content(
    path: &Path,
    key: &SecretKey,
    network: &str,
    address: &str,
    passphrase: Option<&Passphrase>,
) -> Result<Zeroizing<Vec<u8>>, SignerError> {
    let pem = pem_of(path, key, passphrase)?;
    let content = Content {
        schema: SCHEMA,
        network: network.into(),
        address: address.into(),
        public_key: key.public_key(),
        private_key: pem.as_str().into(),
    };
    let text = serde_json::to_vec_pretty(&content).map_err(|error| SignerError::Format {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    let mut text = Zeroizing::new(text);
    text.push(b'\n');
    Ok(text)
}

/// The parts of a wallet file; `None` if it is a bare PEM.
fn parse<'a>(path: &Path, text: &'a str) -> Result<Option<Content<'a>>, SignerError> {
    let format = |reason: String| SignerError::Format {
        path: path.to_owned(),
        reason,
    };
    if !text.trim_start().starts_with('{') {
        return Ok(None);
    }
    // The error of the JSON reader names line and column only, never the text itself.
    let content: Content<'_> = serde_json::from_str(text)
        .map_err(|error| format(format!("line {} column {}", error.line(), error.column())))?;
    if content.schema != SCHEMA {
        return Err(format(format!("schema {} is not {SCHEMA}", content.schema)));
    }
    Ok(Some(content))
}

//! Wallet key files (`*.key.json`): a key with the network and address it is for.
//!
//! The key inside is the same PKCS#8 PEM as in every key file, so it can be taken out with a text
//! editor. A bare PEM file is accepted too; then the address is derived by the caller.

use std::{borrow::Cow, path::Path};

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::{
    SignerError,
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
        let format = |reason: String| SignerError::Format {
            path: path.to_owned(),
            reason,
        };
        let pem = key.to_pem().map_err(|error| format(error.to_string()))?;
        let content = Content {
            schema: SCHEMA,
            network: network.into(),
            address: address.into(),
            public_key: key.public_key(),
            private_key: pem.as_str().into(),
        };
        let mut text =
            Zeroizing::new(serde_json::to_vec_pretty(&content).map_err(|error| format(error.to_string()))?);
        text.push(b'\n');
        write_new(path, &text)
    }

    /// Reads a wallet file, or a bare PEM.
    ///
    /// # Errors
    /// As [`super::read_key_file`].
    pub fn read(path: &Path) -> Result<Self, SignerError> {
        let format = |reason: String| SignerError::Format {
            path: path.to_owned(),
            reason,
        };
        let text = read_private(path)?;
        if text.trim_start().starts_with("-----BEGIN") {
            let key = SecretKey::from_pem(&text).map_err(|error| format(error.to_string()))?;
            return Ok(Self {
                key,
                network: None,
                address: None,
            });
        }
        // The error of the JSON reader names line and column only, never the text itself.
        let content: Content<'_> = serde_json::from_str(&text)
            .map_err(|error| format(format!("line {} column {}", error.line(), error.column())))?;
        if content.schema != SCHEMA {
            return Err(format(format!("schema {} is not {SCHEMA}", content.schema)));
        }
        let key = SecretKey::from_pem(&content.private_key).map_err(|error| format(error.to_string()))?;
        if key.public_key() != content.public_key {
            return Err(format(
                "its public key does not belong to its private key".to_owned(),
            ));
        }
        Ok(Self {
            key,
            network: Some(content.network.to_string()),
            address: Some(content.address.to_string()),
        })
    }
}

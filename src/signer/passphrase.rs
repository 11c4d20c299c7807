//! What opens an encrypted key file: text that is wiped when dropped and never shown.

use std::{fmt, path::Path};

use zeroize::Zeroizing;

use super::SignerError;

/// Longest passphrase, in bytes.
pub const PASSPHRASE_BYTES_MAX: usize = 1_024;
/// Fewest characters of a new passphrase. Old ones are taken as they are.
pub const PASSPHRASE_CHARS_MIN: usize = 8;

/// A passphrase.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes text as it was read; the end of its line is not part of it.
    pub fn new(mut text: Zeroizing<String>) -> Self {
        let length = text.trim_end_matches(['\r', '\n']).len();
        text.truncate(length);
        Self(text)
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it may protect a key from now on.
    pub fn is_long_enough(&self) -> bool {
        self.0.chars().count() >= PASSPHRASE_CHARS_MIN
    }

    /// Whether both are the same text.
    pub fn is(&self, other: &Self) -> bool {
        *self.0 == *other.0
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

/// Where passphrases come from.
pub trait Unlock {
    /// The passphrase of the key file at `path`. Asked only for files that are encrypted.
    ///
    /// # Errors
    /// [`SignerError::Locked`] if there is none, [`SignerError::PassphraseSource`] if its source fails.
    fn passphrase(&self, path: &Path) -> Result<Passphrase, SignerError>;
}

/// Has no passphrase: only files that are not encrypted can be read.
#[derive(Debug, Clone, Copy)]
pub struct NoPassphrase;

impl Unlock for NoPassphrase {
    fn passphrase(&self, path: &Path) -> Result<Passphrase, SignerError> {
        Err(SignerError::Locked {
            path: path.to_owned(),
        })
    }
}

//! Key files under a passphrase: how they are opened, and how a file changes between the two forms.
//!
//! An encrypted file begins with a line that holds the public key, so that `timed keys show` needs no
//! passphrase. Opening compares it with the key that comes out: the cipher alone would not notice a
//! changed byte.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::{
    NoPassphrase, Passphrase, SignerError, Unlock, WalletFile,
    key_file::{io_error, read_private, write_new},
};
use crate::crypto::{DecryptError, EncryptionSeed, PublicKey, SecretKey, is_encrypted_pem};

/// What the first line of an encrypted file begins with.
const PUBLIC_KEY: &str = "Public-Key: ";

/// Reads a key file that only its owner can read, encrypted or not.
///
/// # Errors
/// As [`super::read_key_file`], and whatever `unlock` says; [`SignerError::WrongPassphrase`] if what it
/// gives does not open the file.
pub fn open_key_file(path: &Path, unlock: &dyn Unlock) -> Result<SecretKey, SignerError> {
    let text = read_private(path)?;
    let key = open_text(path, &text, unlock)?;
    match written_public_key(&text) {
        Some(written) if written != key.public_key() => Err(SignerError::Format {
            path: path.to_owned(),
            reason: "its public key does not belong to its private key".to_owned(),
        }),
        _ => Ok(key),
    }
}

/// Reads a key file that is not encrypted.
///
/// # Errors
/// [`SignerError::Missing`], [`SignerError::Permissions`], [`SignerError::Owner`],
/// [`SignerError::Io`], [`SignerError::Format`] or [`SignerError::Locked`], each naming the path.
pub fn read_key_file(path: &Path) -> Result<SecretKey, SignerError> {
    open_key_file(path, &NoPassphrase)
}

/// The public half of a key file; an encrypted one tells it without its passphrase.
///
/// # Errors
/// As [`read_key_file`]; [`SignerError::Locked`] if the file is encrypted and does not name it.
pub fn public_key_of(path: &Path) -> Result<PublicKey, SignerError> {
    let text = read_private(path)?;
    match written_public_key(&text).filter(|_| is_encrypted_pem(&text)) {
        Some(key) => Ok(key),
        None => open_text(path, &text, &NoPassphrase).map(|key| key.public_key()),
    }
}

/// Whether a key or wallet file is encrypted.
///
/// # Errors
/// As [`read_key_file`].
pub fn is_key_file_encrypted(path: &Path) -> Result<bool, SignerError> {
    Ok(is_encrypted_pem(&read_private(path)?))
}

/// Puts the same key under a passphrase, or under none. The old file is replaced in one step; what its
/// blocks held before may stay on the disk until they are used again.
///
/// # Errors
/// [`SignerError::WeakPassphrase`], [`SignerError::Randomness`] or [`SignerError::Io`].
pub fn rewrite_key_file(
    path: &Path,
    key: &SecretKey,
    passphrase: Option<&Passphrase>,
) -> Result<(), SignerError> {
    replace(path, text_of(path, key, passphrase)?.as_bytes())
}

/// Writes a new key file under a passphrase, or under none: exclusive, mode 0600 from birth, synced with
/// its directory.
///
/// # Errors
/// [`SignerError::Exists`] if the path is taken, and those of [`rewrite_key_file`].
pub fn create_key_file_under(
    path: &Path,
    key: &SecretKey,
    passphrase: Option<&Passphrase>,
) -> Result<(), SignerError> {
    write_new(path, text_of(path, key, passphrase)?.as_bytes())
}

/// Copies a key or wallet file as it is, with its passphrase, once that has opened it: exclusive, mode
/// 0600 from birth, synced with its directory.
///
/// # Errors
/// As [`open_key_file`]; [`SignerError::Exists`] if the target is taken.
pub fn copy_key_file(from: &Path, to: &Path, unlock: &dyn Unlock) -> Result<(), SignerError> {
    WalletFile::open(from, unlock)?;
    write_new(to, read_private(from)?.as_bytes())
}

/// The text of a key file.
fn text_of(
    path: &Path,
    key: &SecretKey,
    passphrase: Option<&Passphrase>,
) -> Result<Zeroizing<String>, SignerError> {
    let pem = pem_of(path, key, passphrase)?;
    Ok(match passphrase {
        Some(_) => Zeroizing::new(format!("{PUBLIC_KEY}{}\n{}", key.public_key(), pem.as_str())),
        None => pem,
    })
}

/// The key as PEM, under a passphrase or under none.
pub(super) fn pem_of(
    path: &Path,
    key: &SecretKey,
    passphrase: Option<&Passphrase>,
) -> Result<Zeroizing<String>, SignerError> {
    let format = |error: crate::crypto::KeyFormatError| SignerError::Format {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let Some(passphrase) = passphrase else {
        return key.to_pem().map_err(format);
    };
    if !passphrase.is_long_enough() {
        return Err(SignerError::WeakPassphrase);
    }
    let mut seed = EncryptionSeed {
        salt: [0; 16],
        iv: [0; 16],
    };
    for bytes in [&mut seed.salt, &mut seed.iv] {
        getrandom::fill(bytes).map_err(|error| SignerError::Randomness {
            reason: error.to_string(),
        })?;
    }
    key.to_encrypted_pem(passphrase.bytes(), &seed).map_err(format)
}

/// The key in PEM text, encrypted or not.
pub(super) fn open_text(path: &Path, text: &str, unlock: &dyn Unlock) -> Result<SecretKey, SignerError> {
    let format = |reason: String| SignerError::Format {
        path: path.to_owned(),
        reason,
    };
    if !is_encrypted_pem(text) {
        return SecretKey::from_pem(text).map_err(|error| format(error.to_string()));
    }
    let passphrase = unlock.passphrase(path)?;
    SecretKey::from_encrypted_pem(text, passphrase.bytes()).map_err(|error| match error {
        DecryptError::Format => format(error.to_string()),
        DecryptError::Passphrase => SignerError::WrongPassphrase {
            path: path.to_owned(),
        },
    })
}

/// Replaces a private file by one with other content, in one step that a power cut leaves whole.
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<(), SignerError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let temporary = PathBuf::from(name);
    // Left behind by a process that was killed in this moment.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(io_error(&temporary, error));
        }
        Ok(()) | Err(_) => {}
    }
    write_new(&temporary, content)?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    fs::rename(&temporary, path)
        .and_then(|()| File::open(dir.unwrap_or(Path::new(".")))?.sync_all())
        .map_err(|source| io_error(path, source))
}

fn written_public_key(text: &str) -> Option<PublicKey> {
    text.lines().next()?.strip_prefix(PUBLIC_KEY)?.trim().parse().ok()
}

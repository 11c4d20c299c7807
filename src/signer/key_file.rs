//! Key files: born private, read only when they still are.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

use zeroize::Zeroizing;

use super::SignerError;
use crate::crypto::SecretKey;

/// Permission bits of anybody but the owner.
const OTHERS: u32 = 0o077;
/// Mode of a key file.
const FILE_MODE: u32 = 0o600;
/// Mode of the directory they are in.
const DIR_MODE: u32 = 0o700;
/// Bounds what is read as a key; a PEM of one ed25519 key has about 120 bytes.
const KEY_FILE_BYTES_MAX: u64 = 16 * 1024;

/// A new key from the system's randomness.
///
/// # Errors
/// [`SignerError::Randomness`] if the system has none to give.
pub fn generate_key() -> Result<SecretKey, SignerError> {
    let mut seed = Zeroizing::new([0_u8; 32]);
    getrandom::fill(&mut *seed).map_err(|error| SignerError::Randomness {
        reason: error.to_string(),
    })?;
    Ok(SecretKey::from_seed(&seed))
}

/// Makes the directory for keys, mode 0700, with its parents; one that exists is made private.
///
/// # Errors
/// [`SignerError::Io`] if it cannot be made.
pub fn create_key_dir(dir: &Path) -> Result<(), SignerError> {
    let made = DirBuilder::new().recursive(true).mode(DIR_MODE).create(dir);
    made.and_then(|()| fs::set_permissions(dir, fs::Permissions::from_mode(DIR_MODE)))
        .map_err(|source| io_error(dir, source))
}

/// Writes a new key file: exclusive, mode 0600 from birth, synced with its directory.
///
/// # Errors
/// [`SignerError::Exists`] if the path is taken; [`SignerError::Io`] if it cannot be written.
pub fn create_key_file(path: &Path, key: &SecretKey) -> Result<(), SignerError> {
    let pem = key.to_pem().map_err(|error| SignerError::Format {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    write_new(path, pem.as_bytes())
}

/// Writes a file that must not exist yet and that only the owner may read, durably.
///
/// # Errors
/// As [`create_key_file`].
pub fn create_private_file(path: &Path, content: &[u8]) -> Result<(), SignerError> {
    write_new(path, content)
}

/// Writes a file that must not exist yet and that only the owner may read.
pub(super) fn write_new(path: &Path, content: &[u8]) -> Result<(), SignerError> {
    let opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path);
    let mut file = opened.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => SignerError::Exists {
            path: path.to_owned(),
        },
        _ => io_error(path, source),
    })?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    // Without the directory's own sync, a power cut may leave a node that has signed with a key
    // that no longer exists.
    let dir = path
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    written
        .and_then(|()| File::open(dir)?.sync_all())
        .map_err(|source| io_error(path, source))
}

/// Reads a private file's text. Mode and owner are asked of the opened file, so that what is
/// checked is what is read.
pub(super) fn read_private(path: &Path) -> Result<Zeroizing<String>, SignerError> {
    let file = File::open(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => SignerError::Missing {
            path: path.to_owned(),
        },
        _ => io_error(path, source),
    })?;
    let metadata = file.metadata().map_err(|source| io_error(path, source))?;
    let mode = metadata.mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(SignerError::Permissions {
            path: path.to_owned(),
            mode,
        });
    }
    let user = rustix::process::geteuid().as_raw();
    // Root may read anybody's key: it could anyway, and services are often tried out as root.
    if user != 0 && metadata.uid() != user {
        return Err(SignerError::Owner {
            path: path.to_owned(),
            owner: metadata.uid(),
            expected: user,
        });
    }
    let mut text = Zeroizing::new(String::new());
    let length = (&file)
        .take(KEY_FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|source| io_error(path, source))?;
    if length as u64 > KEY_FILE_BYTES_MAX {
        return Err(SignerError::Format {
            path: path.to_owned(),
            reason: format!("longer than {KEY_FILE_BYTES_MAX} bytes"),
        });
    }
    Ok(text)
}

pub(super) fn io_error(path: &Path, source: io::Error) -> SignerError {
    SignerError::Io {
        path: path.to_owned(),
        source,
    }
}

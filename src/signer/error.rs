//! What can go wrong with keys, each with what to do now.

use std::{io, path::PathBuf};

/// Why a key could not be read, written or used.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// There is no such file.
    #[error("key file {path} does not exist; create keys with `timed init` or `timed keys generate`")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Others than the owner may read or write it.
    #[error(
        "key file {path} has mode {mode:04o}, so others can read or replace it; run `chmod 600 {path}`, and make a new key if somebody may have copied this one"
    )]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It belongs to another user.
    #[error(
        "key file {path} belongs to user id {owner}, not to the user who runs timed; run `chown {expected} {path}`"
    )]
    Owner {
        /// The file.
        path: PathBuf,
        /// Who owns it.
        owner: u32,
        /// Who should.
        expected: u32,
    },
    /// It cannot be read or written.
    #[error("key file {path}: {source}; check that the user who runs timed owns it (`chmod 600 {path}`)")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It exists and will not be overwritten.
    #[error("{path} exists already and is never overwritten; move it away first if you want a new key")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// It is not a key.
    #[error("{path} is not a key file ({reason}); restore it from your backup")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It is encrypted, and there is no passphrase.
    #[error(
        "key file {path} is encrypted and there is no passphrase; name a file with --passphrase-file (/dev/fd/3 is a descriptor) or keys.passphrase_file, give the service a credential `passphrase`, or start it on a terminal"
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The passphrase is another one.
    #[error(
        "the passphrase does not open key file {path}; look where it comes from, or restore the file from your backup if it was changed"
    )]
    WrongPassphrase {
        /// The file.
        path: PathBuf,
    },
    /// The passphrase cannot be read.
    #[error("no passphrase from {path}: {reason}; correct that, or name another with --passphrase-file")]
    PassphraseSource {
        /// The file, descriptor or terminal.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The new passphrase would protect nothing.
    #[error(
        "a new passphrase has at least 8 characters, typed twice the same; nothing was changed, try again"
    )]
    WeakPassphrase,
    /// The guard beside the key refuses.
    #[error("the signer refused: {reason}")]
    Refused {
        /// What it said.
        reason: String,
    },
    /// Which key the signer holds is not known yet, and it does not answer.
    #[error(
        "the signer at {socket} does not answer: {reason}; start `timed signer serve` first: at its first start a node has to learn which key it holds"
    )]
    Unknown {
        /// Where it should be.
        socket: PathBuf,
        /// What happened.
        reason: String,
    },
    /// The key cannot be reached.
    #[error("the signer does not answer: {reason}; check that `timed signer serve` runs")]
    Unavailable {
        /// What it said.
        reason: String,
    },
    /// The system gives no randomness.
    #[error("no randomness from the system: {reason}; no key was made")]
    Randomness {
        /// What it said.
        reason: String,
    },
}

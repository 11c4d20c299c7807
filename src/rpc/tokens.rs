//! Tokens: who else than the cookie's reader may call, and for what.
//!
//! The file in the data directory holds names, scopes and hashes, never a token: whoever reads it can call
//! nothing. `timed token` writes it while the node runs; the node looks again within a second, so a token
//! that was revoked is refused from then on.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::methods::Scope;

/// Most tokens of one node.
pub const TOKENS_MAX: usize = 100;
/// Longest name of a token.
pub const TOKEN_NAME_MAX: usize = 64;
/// Bounds what is read as the file.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// Random bytes in a token.
const TOKEN_BYTES: usize = 32;
/// What the text of a token begins with, so that leaked ones are found.
const PREFIX: &str = "timed_";
/// Format of the file.
const SCHEMA: u32 = 1;

/// One token, without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// What the operator calls it.
    pub name: String,
    /// What it permits.
    pub scope: Scope,
    /// SHA-256 of its text, hex.
    pub sha256: String,
    /// When it was made, ms since 1970.
    pub created_ms: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    schema: u32,
    tokens: Vec<Token>,
}

/// Why a token could not be added or taken away.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read or written.
    #[error("{}: {source}; check the disk and who owns the directory", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file is not what `timed token` writes.
    #[error(
        "{}: {reason}; move it away and add the tokens anew with `timed token add`", path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The name is taken.
    #[error("there is a token `{name}` already; choose another name, or revoke that one first")]
    Taken {
        /// The name.
        name: String,
    },
    /// The name cannot be used.
    #[error("a token's name has 1 to 64 letters, digits, - or _; choose another")]
    Name,
    /// There are as many as there may be.
    #[error("there are 100 tokens already; revoke one that nobody uses")]
    Full,
    /// Nobody knows that name.
    #[error("there is no token `{name}`; `timed token list` shows all")]
    Unknown {
        /// The name.
        name: String,
    },
    /// The system gives no randomness.
    #[error("no randomness from the system: {0}; no token was made")]
    Randomness(String),
}

/// The tokens of a file; none if there is no file. Blocks.
///
/// # Errors
/// [`TokenError::Io`] or [`TokenError::Format`].
pub fn read(path: &Path) -> Result<Vec<Token>, TokenError> {
    let failed = |source| TokenError::Io {
        path: path.to_owned(),
        source,
    };
    let format = |reason: String| TokenError::Format {
        path: path.to_owned(),
        reason,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut text = String::new();
    file.take(FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(failed)?;
    let content: Content = serde_json::from_str(&text).map_err(|error| format(error.to_string()))?;
    if content.schema != SCHEMA || content.tokens.len() > TOKENS_MAX {
        return Err(format("another version wrote it".to_owned()));
    }
    Ok(content.tokens)
}

/// Makes a token and gives its text, which is shown once and kept nowhere. Blocks.
///
/// # Errors
/// [`TokenError`]; nothing is changed then.
pub fn add(path: &Path, name: &str, scope: Scope, now_ms: u64) -> Result<String, TokenError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > TOKEN_NAME_MAX || !name.chars().all(is_plain) {
        return Err(TokenError::Name);
    }
    let _alone = lock(path)?;
    let mut tokens = read(path)?;
    if tokens.iter().any(|token| token.name == name) {
        return Err(TokenError::Taken {
            name: name.to_owned(),
        });
    }
    if tokens.len() >= TOKENS_MAX {
        return Err(TokenError::Full);
    }
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| TokenError::Randomness(error.to_string()))?;
    let text = format!("{PREFIX}{}", const_hex::encode(bytes));
    tokens.push(Token {
        name: name.to_owned(),
        scope,
        sha256: hash(&text),
        created_ms: now_ms,
    });
    write(path, tokens)?;
    Ok(text)
}

/// Takes a token away. Blocks.
///
/// # Errors
/// [`TokenError::Unknown`], and those of [`read`].
pub fn revoke(path: &Path, name: &str) -> Result<(), TokenError> {
    let _alone = lock(path)?;
    let mut tokens = read(path)?;
    let before = tokens.len();
    tokens.retain(|token| token.name != name);
    if tokens.len() == before {
        return Err(TokenError::Unknown {
            name: name.to_owned(),
        });
    }
    write(path, tokens)
}

/// Held while the file is read, changed and written: of two commands at once neither undoes the other.
fn lock(path: &Path) -> Result<File, TokenError> {
    let failed = |source| TokenError::Io {
        path: path.to_owned(),
        source,
    };
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(path.with_extension("lock")).map_err(failed)?;
    file.lock().map_err(failed)?;
    Ok(file)
}

fn write(path: &Path, tokens: Vec<Token>) -> Result<(), TokenError> {
    let failed = |source| TokenError::Io {
        path: path.to_owned(),
        source,
    };
    let content = Content {
        schema: SCHEMA,
        tokens,
    };
    let text = serde_json::to_vec_pretty(&content).map_err(|error| failed(io::Error::other(error)))?;
    let temporary = path.with_extension("new");
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let written = options.open(&temporary).and_then(|mut file| {
        file.write_all(&text)?;
        file.sync_all()
    });
    written
        .and_then(|()| fs::rename(&temporary, path))
        // A token that was revoked must not come back with a power cut.
        .and_then(|()| File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all())
        .map_err(failed)
}

fn hash(text: &str) -> String {
    const_hex::encode(Sha256::digest(text.as_bytes()))
}

/// The tokens as the server knows them.
#[derive(Debug, Default)]
pub(super) struct Known {
    tokens: Vec<Token>,
    stamp: Option<(SystemTime, u64)>,
}

impl Known {
    /// Reads the file if it changed. One that cannot be read permits nobody. Blocks.
    pub(super) fn refreshed(self, path: &Path) -> Self {
        let stamp = fs::metadata(path)
            .ok()
            .and_then(|metadata| Some((metadata.modified().ok()?, metadata.len())));
        if stamp.is_some() && stamp == self.stamp {
            return self;
        }
        let tokens = match read(path) {
            Ok(tokens) => tokens,
            Err(error) => {
                tracing::warn!(%error, "no token is accepted");
                Vec::new()
            }
        };
        Self { tokens, stamp }
    }

    /// The token with this text. Hashes are compared, which tells a guesser's clock nothing.
    pub(super) fn find(&self, text: &str) -> Option<&Token> {
        let hash = hash(text);
        self.tokens.iter().find(|token| token.sha256 == hash)
    }
}

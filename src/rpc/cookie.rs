//! The proof that a caller may change the node: who can read a file of the node's owner may.
//!
//! The file is new at each start and goes with the server. Whoever presents its text as a bearer token,
//! from this machine, may give commands; reading needs nothing.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Random bytes in a token.
const TOKEN_BYTES: usize = 32;
/// What the text begins with.
const PREFIX: &str = "__cookie__:";

/// The token of this run, and its file. Dropping it removes the file.
pub(super) struct Cookie {
    path: PathBuf,
    text: String,
}

impl Cookie {
    /// Writes a new token to `path`, readable by the owner only from its birth on. Blocks.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let mut bytes = [0; TOKEN_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
        let text = format!("{PREFIX}{}", const_hex::encode(bytes));
        let temporary = path.with_extension("new");
        // Left behind by a process that was killed in this moment.
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&temporary)?.write_all(text.as_bytes())?;
        fs::rename(&temporary, path)?;
        Ok(Self {
            path: path.to_owned(),
            text,
        })
    }

    /// Whether a header `Authorization: Bearer …` holds the token. Takes as long for a wrong one.
    pub(super) fn is_in(&self, authorization: &str) -> bool {
        let Some(given) = authorization.strip_prefix("Bearer ") else {
            return false;
        };
        let (given, own) = (given.trim().as_bytes(), self.text.as_bytes());
        let differing = given.iter().zip(own).fold(0, |all, (a, b)| all | (a ^ b));
        given.len() == own.len() && std::hint::black_box(differing) == 0
    }
}

impl Drop for Cookie {
    fn drop(&mut self) {
        // Another run may have put its own there.
        if fs::read_to_string(&self.path).is_ok_and(|text| text == self.text) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

//! Where the passphrase of an encrypted key comes from: a file or descriptor that is named, the service
//! manager's credentials, the configured file, the terminal; in this order, and nowhere else. Never an
//! argument or a variable: other processes can read those.

use std::{
    cell::RefCell,
    fs::{File, OpenOptions},
    io::{self, IsTerminal, Read, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::failure::Failure;
use crate::{
    config::{Environment, Loaded},
    signer::{PASSPHRASE_BYTES_MAX, PASSPHRASE_CHARS_MIN, Passphrase, SignerError, Unlock},
};

/// Where systemd puts what `LoadCredential=` names.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// The credential that opens every key that has none of its own.
const COMMON_CREDENTIAL: &str = "passphrase";
/// Times a new passphrase may be typed until both are the same.
const TRIES_MAX: u32 = 3;

/// The sources of one process.
pub(super) struct Passphrases {
    named: Option<PathBuf>,
    credentials: Option<PathBuf>,
    configured: Option<PathBuf>,
    /// What was read or typed already: a descriptor can be read once, and nobody types twice.
    known: RefCell<Option<Passphrase>>,
}

impl Passphrases {
    /// Those of a process with this `--passphrase-file` and this configuration.
    pub(super) fn of(named: Option<&Path>, loaded: &Loaded) -> Self {
        let configured = &loaded.config.keys.passphrase_file;
        Self {
            named: named.map(Path::to_owned),
            credentials: Environment::variable(CREDENTIALS).map(PathBuf::from),
            configured: (!configured.as_os_str().is_empty()).then(|| configured.clone()),
            known: RefCell::new(None),
        }
    }

    /// Those of a command that has no node's configuration.
    pub(super) fn named(named: Option<&Path>) -> Self {
        Self {
            named: named.map(Path::to_owned),
            credentials: None,
            configured: None,
            known: RefCell::new(None),
        }
    }

    /// The same, with one that was typed already.
    pub(super) fn knowing(self, typed: Option<Passphrase>) -> Self {
        Self {
            known: RefCell::new(typed),
            ..self
        }
    }

    /// `validator-passphrase` for `validator.key`, else `passphrase`.
    fn credential(&self, key: &Path) -> Option<PathBuf> {
        let dir = self.credentials.as_ref()?;
        let name = key.file_name()?.to_str()?.split('.').next()?;
        let own = dir.join(format!("{name}-passphrase"));
        let common = dir.join(COMMON_CREDENTIAL);
        [own, common].into_iter().find(|path| path.exists())
    }
}

impl Unlock for Passphrases {
    fn passphrase(&self, path: &Path) -> Result<Passphrase, SignerError> {
        if let (None, Some(credential)) = (&self.named, self.credential(path)) {
            return read(&credential);
        }
        if let Some(known) = self.known.borrow().as_ref() {
            return Ok(known.clone());
        }
        let found = match self.named.as_ref().or(self.configured.as_ref()) {
            Some(file) => {
                refuse_open(file)?;
                read(file)?
            }
            None if io::stdin().is_terminal() => ask(&format!("Passphrase of {}: ", path.display()))?,
            None => {
                return Err(SignerError::Locked {
                    path: path.to_owned(),
                });
            }
        };
        *self.known.borrow_mut() = Some(found.clone());
        Ok(found)
    }
}

/// A passphrase for keys from now on that somebody at the terminal may also do without.
pub(super) fn optional_passphrase() -> Result<Option<Passphrase>, Failure> {
    for _ in 0..TRIES_MAX {
        let first = ask(&format!(
            "Passphrase for the keys, at least {PASSPHRASE_CHARS_MIN} characters [none]: "
        ))?;
        if first.is_empty() {
            return Ok(None);
        }
        if !first.is_long_enough() {
            super::output::diagnostic("it is too short");
        } else if first.is(&ask("The same again: ")?) {
            return Ok(Some(first));
        } else {
            super::output::diagnostic("the two differ");
        }
    }
    Err(SignerError::WeakPassphrase.into())
}

/// A passphrase for keys from now on: from a file, else typed twice.
pub(super) fn new_passphrase(named: Option<&Path>, key: &Path) -> Result<Passphrase, Failure> {
    if let Some(file) = named {
        refuse_open(file)?;
        return strong(read(file)?);
    }
    if !io::stdin().is_terminal() {
        let path = key.to_owned();
        return Err(SignerError::Locked { path }.into());
    }
    for _ in 0..TRIES_MAX {
        let first = strong(ask(&format!(
            "New passphrase, at least {PASSPHRASE_CHARS_MIN} characters: "
        ))?)?;
        if first.is(&ask("The same again: ")?) {
            return Ok(first);
        }
        super::output::diagnostic("the two differ");
    }
    Err(SignerError::WeakPassphrase.into())
}

fn strong(passphrase: Passphrase) -> Result<Passphrase, Failure> {
    match passphrase.is_long_enough() {
        true => Ok(passphrase),
        false => Err(SignerError::WeakPassphrase.into()),
    }
}

fn source(path: &Path, reason: impl ToString) -> SignerError {
    SignerError::PassphraseSource {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

/// A file that others can read protects nothing. Descriptors and credentials are not files of ours.
fn refuse_open(path: &Path) -> Result<(), SignerError> {
    let metadata = std::fs::metadata(path).map_err(|error| source(path, error))?;
    match metadata.is_file() && metadata.mode() & 0o077 != 0 {
        true => Err(source(path, "others can read it; run `chmod 600` on it")),
        false => Ok(()),
    }
}

/// What a file or descriptor holds, but for the end of its line.
fn read(path: &Path) -> Result<Passphrase, SignerError> {
    let mut text = Zeroizing::new(String::with_capacity(PASSPHRASE_BYTES_MAX + 2));
    let length = File::open(path)
        .and_then(|file| {
            file.take(PASSPHRASE_BYTES_MAX as u64 + 2)
                .read_to_string(&mut text)
        })
        .map_err(|error| source(path, error))?;
    if length > PASSPHRASE_BYTES_MAX + 1 {
        return Err(source(path, format!("longer than {PASSPHRASE_BYTES_MAX} bytes")));
    }
    let passphrase = Passphrase::new(text);
    match passphrase.is_empty() {
        true => Err(source(path, "it is empty")),
        false => Ok(passphrase),
    }
}

/// Asks on the terminal, without showing what is typed.
fn ask(prompt: &str) -> Result<Passphrase, SignerError> {
    let path = Path::new("/dev/tty");
    let failed = |error: io::Error| source(path, error);
    let terminal = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(failed)?;
    // Silent before the prompt is there: whoever answers it at once is not shown, and not lost.
    let hidden = Hidden::begin(&terminal).map_err(|error| failed(error.into()))?;
    (&terminal).write_all(prompt.as_bytes()).map_err(failed)?;
    let mut text = Zeroizing::new(Vec::with_capacity(PASSPHRASE_BYTES_MAX));
    let mut byte = [0];
    while text.len() < PASSPHRASE_BYTES_MAX {
        match (&terminal).read(&mut byte).map_err(failed)? {
            0 => break,
            _ if byte[0] == b'\n' => break,
            _ => text.push(byte[0]),
        }
    }
    (&terminal).write_all(b"\n").map_err(failed)?;
    drop(hidden);
    let text = std::str::from_utf8(&text).map_err(|error| source(path, error))?;
    Ok(Passphrase::new(Zeroizing::new(text.to_owned())))
}

/// A terminal that does not show what is typed, as long as this lives. What was typed ahead is kept: it is
/// the answer to this question or to the next.
struct Hidden<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Hidden<'a> {
    fn begin(terminal: &'a File) -> rustix::io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(terminal, OptionalActions::Drain, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        // If the terminal is gone there is nobody left to see.
        let _ = tcsetattr(self.terminal, OptionalActions::Drain, &self.before);
    }
}

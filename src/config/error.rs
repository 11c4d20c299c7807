//! What can be wrong with a configuration; all of it ends the start with exit code 64.

use std::{fmt, io, path::PathBuf};

use super::Origin;

/// Why there is no valid configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The named file is not there.
    #[error("config file {path} does not exist; check the path, or make a data directory with `timed init`")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("config file {path}: {source}; check who owns it")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It is not TOML.
    #[error("config file {path} is not valid TOML: {reason}; `timed config default` prints a valid one")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, column and what was expected.
        reason: String,
    },
    /// A key that does not exist.
    #[error("unknown key `{key}` in {origin}; {}", suggestion(.nearest))]
    UnknownKey {
        /// The key with its section.
        key: String,
        /// Where it was found.
        origin: Origin,
        /// The key that was probably meant.
        nearest: Option<String>,
    },
    /// A value of the wrong kind.
    #[error("`{key}` in {origin} must be {expected}, but it is {found}; see `timed config default`")]
    WrongKind {
        /// The key with its section.
        key: String,
        /// Where it was found.
        origin: Origin,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// A word that is none of those allowed.
    #[error("{reason}; see `timed config default`")]
    Value {
        /// The key, what it is and what it may be.
        reason: String,
    },
    /// Values that are well-formed but cannot work.
    #[error("{}", list(.0))]
    Invalid(Vec<Problem>),
    /// HTTP would be reachable from other machines and nobody said that it may.
    #[error(
        "rpc.listen = {listen} is reachable from other machines; set rpc.allow_remote = true if that is meant, or listen on 127.0.0.1"
    )]
    RemoteRpc {
        /// The address.
        listen: String,
    },
    /// No home directory to put the data directory in.
    #[error("the system names no home directory; set --data-dir or TIMED_DATA_DIR")]
    NoHome,
}

/// One value that cannot work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key with its section.
    pub key: &'static str,
    /// What is wrong and what would be right.
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.key, self.reason)
    }
}

fn suggestion(nearest: &Option<String>) -> String {
    match nearest {
        Some(key) => format!("did you mean `{key}`?"),
        None => "`timed config default` lists every key".to_owned(),
    }
}

fn list(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

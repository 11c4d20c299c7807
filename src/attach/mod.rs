//! The admin door: a Unix socket through which consoles and commands reach a running node.
//!
//! Two sockets, and which one a client came through decides what it may do: `timed.sock` (0600)
//! takes commands, `timed-ro.sock` (0660) refuses them all. A client says what it wants to see and
//! gets one full snapshot, then the sections that changed, and events and log lines in batches.
//!
//! The server never waits for a client on the node's behalf: a slow one skips to the newest snapshot
//! and is told how many lines it missed; one that takes nothing for ten seconds is let go. It knows
//! the node only as a [`crate::control::NodeHandle`]. Lengths are checked before memory is taken, and
//! nothing that a client sends can end more than its own connection.

mod client;
mod error;
mod frame;
mod link;
mod path;
mod protocol;
mod server;
mod session;
mod user;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use client::Connection;
pub use error::AttachError;
pub use link::{Answer, Link, LinkState, News};
pub use path::{Places, SocketPaths};
pub use protocol::{Hello, Notice, PROTO, Request, Sections, Subscribe};
pub use server::Server;

/// The `[attach]` section of the config.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether the node opens its sockets.
    pub enabled: bool,
    /// Where the sockets are; empty: `$RUNTIME_DIRECTORY`, else the data directory.
    pub dir: PathBuf,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            dir: PathBuf::new(),
        }
    }
}

/// Clients at once. A console is for people; more is a mistake in a script.
pub const CLIENTS_MAX: usize = 8;
/// Of them, those that the read-only socket leaves free.
pub(crate) const KEPT_FOR_ADMIN: usize = 2;

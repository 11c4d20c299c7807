//! Where the sockets of a node are. Node and client must come to the same answer, so it is one
//! function of what both know.

use std::path::{Path, PathBuf};

use crate::crypto::HashWriter;

/// The admin socket's name.
const ADMIN: &str = "timed.sock";
/// The read-only socket's name.
const READ_ONLY: &str = "timed-ro.sock";
/// Longest path of a socket. The system's limit is 107 bytes; a rename in place needs a few.
pub(super) const PATH_MAX: usize = 100;

/// What decides where the sockets are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// `attach.dir` of the config; empty if not set.
    pub configured: PathBuf,
    /// `$RUNTIME_DIRECTORY`, which a service manager makes for the node.
    pub runtime_dir: Option<PathBuf>,
    /// `$XDG_RUNTIME_DIR`, for paths that are too long.
    pub user_runtime_dir: Option<PathBuf>,
    /// The data directory.
    pub data_dir: PathBuf,
}

/// The two sockets of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketPaths {
    /// Takes commands; 0600.
    pub admin: PathBuf,
    /// Refuses them; 0660.
    pub read_only: PathBuf,
}

impl SocketPaths {
    /// The sockets in a directory.
    pub fn in_dir(dir: &Path) -> Self {
        Self {
            admin: dir.join(ADMIN),
            read_only: dir.join(READ_ONLY),
        }
    }

    fn fits(&self) -> bool {
        self.read_only.as_os_str().len() <= PATH_MAX
    }

    /// Both, for looking through.
    pub fn pick(self, read_only: bool) -> PathBuf {
        match read_only {
            true => self.read_only,
            false => self.admin,
        }
    }
}

impl Places {
    /// Where the node listens; `None` if no path is short enough.
    pub fn sockets(&self) -> Option<SocketPaths> {
        let dir = match (&self.runtime_dir, self.configured.as_os_str().is_empty()) {
            (_, false) => &self.configured,
            (Some(runtime), true) => runtime,
            (None, true) => &self.data_dir,
        };
        let direct = SocketPaths::in_dir(dir);
        if direct.fits() {
            return Some(direct);
        }
        let mark = HashWriter::new("timed/socket-path")
            .bytes(dir.as_os_str().as_encoded_bytes())
            .finish()
            .to_string();
        let mark = &mark[..8];
        let short = self.user_runtime_dir.as_ref().map(|dir| SocketPaths {
            admin: dir.join(format!("timed-{mark}.sock")),
            read_only: dir.join(format!("timed-{mark}-ro.sock")),
        })?;
        short.fits().then_some(short)
    }
}

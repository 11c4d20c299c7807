//! Unix sockets that come to their names with their rights already set, so that nobody slips in between; one
//! that nobody answers on is replaced, one that somebody answers on is not, and nothing else ever is.

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

/// Who may open a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights {
    /// Permission bits.
    pub mode: u32,
    /// The group it gets, by number; `None`: that of this process.
    pub group: Option<u32>,
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another process answers there.
    #[error("another process answers there; stop that one, or choose another path")]
    InUse,
    /// The system refused, or something else has the name.
    #[error("{0}; check the directory and its owner")]
    Io(#[from] io::Error),
}

/// Makes a socket, for use by a runtime: it does not block. Its directory has to exist.
///
/// # Errors
/// [`ListenError`]; what was there stays as it was.
pub fn listen(path: &Path, rights: Rights) -> Result<UnixListener, ListenError> {
    if let Ok(metadata) = fs::symlink_metadata(path) {
        if !metadata.file_type().is_socket() {
            let what = "there is something else of that name";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, what).into());
        }
        if UnixStream::connect(path).is_ok() {
            return Err(ListenError::InUse);
        }
    }
    let fresh = beside(path);
    let _ = fs::remove_file(&fresh);
    let listener = UnixListener::bind(&fresh)?;
    let placed = rights
        .group
        .map_or(Ok(()), |group| {
            std::os::unix::fs::chown(&fresh, None, Some(group))
        })
        .and_then(|()| fs::set_permissions(&fresh, fs::Permissions::from_mode(rights.mode)))
        .and_then(|()| fs::rename(&fresh, path))
        .and_then(|()| listener.set_nonblocking(true));
    if let Err(error) = placed {
        let _ = fs::remove_file(&fresh);
        return Err(error.into());
    }
    Ok(listener)
}

/// The name a socket is born with.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

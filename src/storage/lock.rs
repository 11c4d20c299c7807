//! One node per data directory: an advisory lock that the kernel releases when the process ends,
//! however it ends.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

/// Name of the lock file in the data directory. It stays when the lock is released.
pub const LOCK_FILE: &str = "LOCK";

/// Longest content of a lock file that is read back: a process id in decimal.
const PID_BYTES_MAX: u64 = 20;

/// Why a data directory could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it. Exit code 66.
    #[error(
        "data directory {dir} is in use by process {holder}; stop that node, or give this one another --data-dir",
        dir = .dir.display(), holder = .pid.map_or_else(|| "of unknown id".to_owned(), |pid| pid.to_string())
    )]
    Held {
        /// The directory.
        dir: PathBuf,
        /// The process that wrote the lock file, if it can be read.
        pid: Option<u32>,
    },
    /// The lock file cannot be made.
    #[error("{path}: {source}; check owner and permissions of the data directory", path = .path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A locked data directory; released on drop.
#[derive(Debug)]
pub struct DataDirLock {
    _file: File,
    path: PathBuf,
}

impl DataDirLock {
    /// Locks `dir`, which must exist, and writes our process id into the lock file.
    ///
    /// # Errors
    /// [`LockError::Held`] if another process has it, [`LockError::Io`] otherwise.
    pub fn acquire(dir: &Path) -> Result<Self, LockError> {
        let path = dir.join(LOCK_FILE);
        let io_error = |source| LockError::Io {
            path: path.clone(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io_error)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held {
                    dir: dir.to_owned(),
                    pid: read_pid(&mut file),
                });
            }
            Err(TryLockError::Error(source)) => return Err(io_error(source)),
        }
        file.set_len(0).map_err(io_error)?;
        file.rewind().map_err(io_error)?;
        writeln!(file, "{}", std::process::id()).map_err(io_error)?;
        Ok(Self { _file: file, path })
    }

    /// Path of the lock file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(PID_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

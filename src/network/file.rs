//! Files of the network that outlive the process: written whole or not at all.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

/// Largest file that is read back: ten times what the largest list takes.
const FILE_MAX_BYTES: u64 = 32 * 1024 * 1024;

/// Replaces a file: a temporary one beside it, synced, renamed, and the directory synced. Blocks.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or_else(|| Path::new("."));
    fs::create_dir_all(directory)?;
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(directory)?.sync_all()
}

/// The bytes of a file; `None` if there is none. Blocks.
pub(super) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
        Ok(found) if found.len() > FILE_MAX_BYTES => {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "file is too large"));
        }
        Ok(_) => {}
    }
    fs::read(path).map(Some)
}

/// Puts a file that cannot be read out of the way, for a person to look at.
pub(super) fn set_aside(path: &Path) {
    let aside = path.with_extension("damaged");
    if let Err(error) = fs::rename(path, &aside) {
        tracing::warn!(path = %path.display(), %error, "damaged file could not be set aside");
    }
}

//! Replaces a small file so that a reader after any crash sees the old content or the new, never a
//! mixture and never nothing.
//!
//! Four steps, each of which is needed: write a temporary file, fsync it, rename it over the old
//! one, fsync the directory. Without the last the rename itself can be undone by a power cut.

use std::{io, path::Path};

use super::disk::{Disk, RealDisk};

/// Ending of a file that has not been renamed into place. Left behind by a crash, it means nothing.
pub const TEMPORARY_SUFFIX: &str = ".tmp";

/// Durably replaces `path` by `content`. The directory must exist.
///
/// # Errors
/// Whatever the file system reports; the old content is then still in place, or already the new.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    write_on(&RealDisk, path, content)
}

/// [`write()`] on any [`Disk`].
///
/// # Errors
/// As [`write()`].
pub fn write_on(disk: &dyn Disk, path: &Path, content: &[u8]) -> io::Result<()> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not the path of a file",
        ));
    };
    let temporary = dir.join(format!("{}{TEMPORARY_SUFFIX}", name.to_string_lossy()));
    let file = disk.create(&temporary)?;
    file.write_at(content, 0)?;
    file.sync_data()?;
    drop(file);
    disk.rename(&temporary, path)?;
    disk.sync_dir(dir)
}

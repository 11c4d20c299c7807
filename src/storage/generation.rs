//! Generations of the chain database: `blocks/state-<n>/`, and `blocks/CURRENT` that names the one
//! in use.
//!
//! Whatever rebuilds the database builds a new generation beside the old one and then switches by
//! replacing `CURRENT` in one step. Nothing here removes a generation.

use std::path::{Path, PathBuf};

use super::{StoreError, atomic_file, disk::Disk};

/// Name of the pointer file in `blocks/`.
pub const CURRENT_FILE: &str = "CURRENT";

const PREFIX: &str = "state-";

/// Directory of a generation.
pub fn dir(blocks: &Path, generation: u64) -> PathBuf {
    blocks.join(format!("{PREFIX}{generation}"))
}

/// The generation in use; `None` if none was ever published.
///
/// # Errors
/// [`StoreError::Corrupt`] if `CURRENT` does not name one, [`StoreError::Io`].
pub fn current(disk: &dyn Disk, blocks: &Path) -> Result<Option<u64>, StoreError> {
    let path = blocks.join(CURRENT_FILE);
    let file = match disk.open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io(&path, "open", error)),
    };
    let bytes = file
        .read_all()
        .map_err(|source| StoreError::io(&path, "read", source))?;
    let named = std::str::from_utf8(&bytes)
        .ok()
        .and_then(|text| parse(text.trim()));
    match named {
        Some(generation) => Ok(Some(generation)),
        None => Err(StoreError::corrupt(&path, "it does not name a generation")),
    }
}

/// Durably makes `generation` the one in use.
///
/// # Errors
/// [`StoreError::Io`], [`StoreError::DiskFull`].
pub fn publish(disk: &dyn Disk, blocks: &Path, generation: u64) -> Result<(), StoreError> {
    let path = blocks.join(CURRENT_FILE);
    let content = format!("{PREFIX}{generation}\n");
    atomic_file::write_on(disk, &path, content.as_bytes())
        .map_err(|source| StoreError::io(&path, "replace", source))
}

/// Generations present, ascending, published or not.
///
/// # Errors
/// [`StoreError::Io`].
pub fn present(disk: &dyn Disk, blocks: &Path) -> Result<Vec<u64>, StoreError> {
    let names = disk
        .list(blocks)
        .map_err(|source| StoreError::io(blocks, "list", source))?;
    let mut generations: Vec<_> = names.iter().filter_map(|name| parse(name)).collect();
    generations.sort_unstable();
    Ok(generations)
}

fn parse(name: &str) -> Option<u64> {
    name.strip_prefix(PREFIX)?.parse().ok()
}

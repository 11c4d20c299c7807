//! Rebuilding the chain database beside the old one, resumable at every step.
//!
//! What is under way stands in `blocks/resync.intent`, written durably before anything else is done:
//!
//! 1. [`begin`] writes the intent: from which generation, into which new one, up to which block.
//! 2. The new generation is filled. The old one stays whole, unless the operator gave it up for room.
//! 3. [`finish`] makes `CURRENT` name the new one, in one step.
//! 4. The old generation is deleted, then the intent.
//!
//! [`settle`] looks at both files at every start and does what is left to do. [`cancel`] marks the
//! intent; the new generation is deleted, then the intent. Nothing here knows keys, consensus log,
//! guard, bans or configuration.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use crate::chain::{BlockHash, Height};

use super::{StoreError, atomic_file, disk::Disk, generation};

/// Name of the intent file in `blocks/`.
pub const INTENT_FILE: &str = "resync.intent";

const HEADING: &str = "timed resync 1";
/// Longest intent file that is read.
const INTENT_BYTES_MAX: usize = 4_096;

/// Where the new generation's content comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The blocks of the old generation.
    OldBlocks,
    /// A snapshot of peers, then their blocks.
    Snapshot,
    /// Blocks of peers, from genesis on.
    Peers,
}

impl Origin {
    const ALL: [Self; 3] = [Self::OldBlocks, Self::Snapshot, Self::Peers];

    const fn word(self) -> &'static str {
        match self {
            Self::OldBlocks => "reindex",
            Self::Snapshot => "snapshot",
            Self::Peers => "full",
        }
    }
}

/// A rebuild under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent {
    /// Where the content comes from.
    pub origin: Origin,
    /// The generation in use when it began; `None` if there was none that opens.
    pub from: Option<u64>,
    /// The new generation.
    pub to: u64,
    /// Block that the new generation has to reach: the tip when it began.
    pub target: Height,
    /// Its hash; zero where the old database could not tell.
    pub target_hash: BlockHash,
    /// The old generation goes before the new one is whole.
    pub delete_first: bool,
    /// For a snapshot: it was written whole and proved. Until then the node runs on the old one.
    pub is_loaded: bool,
    /// It was given up.
    pub is_cancelled: bool,
}

impl Intent {
    /// The mode's word, as an operator knows it.
    pub const fn origin_word(&self) -> &'static str {
        self.origin.word()
    }

    /// True if the node runs on the new generation already.
    pub fn runs_on_new(&self) -> bool {
        self.origin != Origin::Snapshot || self.is_loaded
    }
}

/// Durably notes that `blocks` shall be rebuilt; gives the intent. Another one under way stays.
///
/// # Errors
/// [`StoreError::Busy`] if one is under way; [`StoreError::Io`], [`StoreError::DiskFull`],
/// [`StoreError::Corrupt`].
pub fn begin(
    disk: &dyn Disk,
    blocks: &Path,
    origin: Origin,
    target: (Height, BlockHash),
    delete_first: bool,
) -> Result<Intent, StoreError> {
    if let Some(intent) = read(disk, blocks)? {
        return Err(StoreError::Busy {
            what: format!("a resync ({}) is under way", intent.origin.word()),
        });
    }
    let from = generation::current(disk, blocks)?;
    let newest = generation::present(disk, blocks)?.last().copied();
    let intent = Intent {
        origin,
        from,
        to: newest.max(from).map_or(0, |newest| newest + 1),
        target: target.0,
        target_hash: target.1,
        delete_first,
        is_loaded: false,
        is_cancelled: false,
    };
    write(disk, blocks, &intent)?;
    Ok(intent)
}

/// The intent, if a rebuild is under way.
///
/// # Errors
/// [`StoreError::Corrupt`] if the file is none, [`StoreError::Io`].
pub fn read(disk: &dyn Disk, blocks: &Path) -> Result<Option<Intent>, StoreError> {
    let path = path(blocks);
    let file = match disk.open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io(&path, "open", error)),
    };
    let bytes = file
        .read_all()
        .map_err(|error| StoreError::io(&path, "read", error))?;
    match parse(&bytes) {
        Some(intent) => Ok(Some(intent)),
        None => Err(StoreError::corrupt(
            &path,
            "it does not say what was under way; remove it to stay with the generation that CURRENT names",
        )),
    }
}

/// Does what an earlier process left to do. Gives the rebuild that goes on, if one does.
///
/// # Errors
/// As [`read`], and whatever deleting or writing meets.
pub fn settle(disk: &dyn Disk, blocks: &Path) -> Result<Option<Intent>, StoreError> {
    let Some(intent) = read(disk, blocks)? else {
        return Ok(None);
    };
    if generation::current(disk, blocks)? == Some(intent.to) {
        clean(disk, blocks, intent.from)?;
        return Ok(None);
    }
    if intent.is_cancelled {
        clean(disk, blocks, Some(intent.to))?;
        return Ok(None);
    }
    if let Some(from) = intent
        .from
        .filter(|_| intent.delete_first && intent.runs_on_new())
    {
        remove_generation(blocks, from)?;
    }
    Ok(Some(intent))
}

/// Notes that the snapshot is whole: from the next start on, the node runs on it.
///
/// # Errors
/// As [`begin`].
pub fn loaded(disk: &dyn Disk, blocks: &Path, intent: &Intent) -> Result<Intent, StoreError> {
    let intent = Intent {
        is_loaded: true,
        ..*intent
    };
    write(disk, blocks, &intent)?;
    Ok(intent)
}

/// Notes that no snapshot could be had: from the next start on, the blocks of peers fill the new
/// generation, from genesis on.
///
/// # Errors
/// As [`begin`].
pub fn without_snapshot(disk: &dyn Disk, blocks: &Path, intent: &Intent) -> Result<(), StoreError> {
    remove_generation(blocks, intent.to)?;
    let intent = Intent {
        origin: Origin::Peers,
        ..*intent
    };
    write(disk, blocks, &intent)
}

/// Switches to the new generation and deletes the old one. The new one has to be durable.
///
/// # Errors
/// As [`begin`]; a later [`settle`] does the rest.
pub fn finish(disk: &dyn Disk, blocks: &Path, intent: &Intent) -> Result<(), StoreError> {
    generation::publish(disk, blocks, intent.to)?;
    clean(disk, blocks, intent.from)
}

/// Gives a rebuild up that has not switched; the next [`settle`] deletes what it made.
///
/// # Errors
/// [`StoreError::Busy`] if there is none, or nothing to go back to; else as [`begin`].
pub fn cancel(disk: &dyn Disk, blocks: &Path) -> Result<(), StoreError> {
    let refused = |what: &str| StoreError::Busy {
        what: what.to_owned(),
    };
    let Some(intent) = read(disk, blocks)? else {
        return Err(refused("no resync is under way"));
    };
    if generation::current(disk, blocks)? == Some(intent.to) {
        return Err(refused("the resync has switched already"));
    }
    if intent.from.is_none() || (intent.delete_first && intent.runs_on_new()) {
        return Err(refused(
            "the old database is gone: there is nothing to go back to",
        ));
    }
    let intent = Intent {
        is_cancelled: true,
        ..intent
    };
    write(disk, blocks, &intent)
}

/// Deletes a generation that is no longer wanted, then the intent.
fn clean(disk: &dyn Disk, blocks: &Path, unwanted: Option<u64>) -> Result<(), StoreError> {
    if let Some(unwanted) = unwanted {
        remove_generation(blocks, unwanted)?;
    }
    let path = path(blocks);
    match disk.remove(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(StoreError::io(&path, "remove", error)),
        Ok(()) | Err(_) => disk
            .sync_dir(blocks)
            .map_err(|error| StoreError::io(blocks, "sync directory", error)),
    }
}

fn remove_generation(blocks: &Path, generation: u64) -> Result<(), StoreError> {
    let dir = generation::dir(blocks, generation);
    match fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(StoreError::io(&dir, "remove", error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn path(blocks: &Path) -> PathBuf {
    blocks.join(INTENT_FILE)
}

fn write(disk: &dyn Disk, blocks: &Path, intent: &Intent) -> Result<(), StoreError> {
    let path = path(blocks);
    atomic_file::write_on(disk, &path, print(intent).as_bytes())
        .map_err(|error| StoreError::io(&path, "write", error))
}

fn print(intent: &Intent) -> String {
    let from = intent
        .from
        .map_or_else(|| "none".to_owned(), |from| from.to_string());
    let body = format!(
        "{HEADING}\nmode {}\nfrom {from}\nto {}\ntarget {}\nhash {}\ndelete_first {}\nloaded {}\ncancelled {}\n",
        intent.origin.word(),
        intent.to,
        intent.target,
        intent.target_hash,
        intent.delete_first,
        intent.is_loaded,
        intent.is_cancelled,
    );
    let crc = crc32c::crc32c(body.as_bytes());
    format!("{body}crc {crc:08x}\n")
}

fn parse(bytes: &[u8]) -> Option<Intent> {
    if bytes.len() > INTENT_BYTES_MAX {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let mut lines = text.lines();
    let mut value = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
    value("timed").filter(|rest| *rest == "resync 1")?;
    let mode = value("mode")?;
    let from = match value("from")? {
        "none" => None,
        from => Some(from.parse().ok()?),
    };
    let to = value("to")?.parse().ok()?;
    let target = Height::new(value("target")?.parse().ok()?);
    let intent = Intent {
        origin: Origin::ALL.into_iter().find(|origin| origin.word() == mode)?,
        from,
        to,
        target,
        target_hash: value("hash")?.parse().ok()?,
        delete_first: value("delete_first")?.parse().ok()?,
        is_loaded: value("loaded")?.parse().ok()?,
        is_cancelled: value("cancelled")?.parse().ok()?,
    };
    // Written by us, so printing it again gives the same bytes, checksum included.
    (print(&intent) == text).then_some(intent)
}

#[cfg(test)]
mod tests;

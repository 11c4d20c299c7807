//! Records as they lie in a file: a head that is checked before anything is believed, then a payload.
//!
//! ```text
//! file   = magic "TDREC" version-byte length-byte program-version  record…
//! record = length u32 · crc32c u32 · kind u8 · unix_ms u64 · payload     (little-endian)
//! ```
//! The checksum covers everything after itself. A file ends where a record does not check.

use std::path::Path;

use super::RecorderError;

/// First bytes of a file; the last one is the version of the layout of everything in it, snapshots
/// included.
const MAGIC: &[u8; 6] = &[b'T', b'D', b'R', b'E', b'C', crate::control::LAYOUT];
/// Bytes of a record's head.
pub(super) const HEAD: usize = 17;
/// Longest payload that is believed: a snapshot with a thousand peers has a tenth of it.
pub(super) const PAYLOAD_MAX: usize = 4 << 20;
/// Longest version text in a file's head.
const VERSION_MAX: usize = 64;

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A snapshot that stands for itself.
    Key,
    /// What changed since the snapshot before it in the same file.
    Change,
    /// Events.
    Events,
}

impl Kind {
    fn byte(self) -> u8 {
        match self {
            Kind::Key => 1,
            Kind::Change => 2,
            Kind::Events => 3,
        }
    }

    fn of(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Kind::Key),
            2 => Some(Kind::Change),
            3 => Some(Kind::Events),
            _ => None,
        }
    }
}

/// Where a record is and what it holds, without its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) kind: Kind,
    pub(super) unix_ms: u64,
    /// Of the payload, from the start of the file.
    pub(super) offset: u64,
    /// Of the payload.
    pub(super) length: u32,
}

/// The bytes a new file begins with.
pub(super) fn file_head() -> Vec<u8> {
    let version = env!("CARGO_PKG_VERSION").as_bytes();
    let version = &version[..version.len().min(VERSION_MAX)];
    let mut head = MAGIC.to_vec();
    head.push(version.len() as u8);
    head.extend(version);
    head
}

/// Checks the head of a file; its length and the version that wrote it.
///
/// # Errors
/// [`RecorderError::NotOurs`], [`RecorderError::OtherVersion`].
pub(super) fn check_head(bytes: &[u8], path: &Path) -> Result<(usize, String), RecorderError> {
    let not_ours = || RecorderError::NotOurs {
        path: path.to_owned(),
    };
    let (magic, rest) = bytes.split_first_chunk::<6>().ok_or_else(not_ours)?;
    let (length, rest) = rest.split_first().ok_or_else(not_ours)?;
    let version = rest
        .get(..usize::from(*length).min(VERSION_MAX))
        .ok_or_else(not_ours)?;
    let version = crate::control::words::printable(&String::from_utf8_lossy(version));
    if magic[..5] != MAGIC[..5] {
        return Err(not_ours());
    }
    if magic != MAGIC {
        return Err(RecorderError::OtherVersion {
            path: path.to_owned(),
            version,
        });
    }
    Ok((MAGIC.len() + 1 + usize::from(*length), version))
}

/// A record's bytes.
pub(super) fn encode(kind: Kind, unix_ms: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD + payload.len());
    bytes.extend((payload.len() as u32).to_le_bytes());
    bytes.extend([0; 4]);
    bytes.push(kind.byte());
    bytes.extend(unix_ms.to_le_bytes());
    bytes.extend(payload);
    let sum = crc32c::crc32c(&bytes[8..]);
    bytes[4..8].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// All records of a file that check, and the length of the part they make up with its head.
pub(super) fn scan(bytes: &[u8], head: usize) -> (Vec<Place>, usize) {
    let mut places = Vec::new();
    let mut at = head;
    while let Some((place, next)) = one(bytes, at) {
        places.push(place);
        at = next;
    }
    (places, at)
}

fn one(bytes: &[u8], at: usize) -> Option<(Place, usize)> {
    let head = bytes.get(at..at.checked_add(HEAD)?)?;
    let length = u32::from_le_bytes(*head.first_chunk()?) as usize;
    if length > PAYLOAD_MAX {
        return None;
    }
    let sum = u32::from_le_bytes(head[4..8].try_into().ok()?);
    let end = at + HEAD + length;
    let covered = bytes.get(at + 8..end)?;
    if crc32c::crc32c(covered) != sum {
        return None;
    }
    let place = Place {
        kind: Kind::of(head[8])?,
        unix_ms: u64::from_le_bytes(head[9..17].try_into().ok()?),
        offset: (at + HEAD) as u64,
        length: length as u32,
    };
    Some((place, end))
}

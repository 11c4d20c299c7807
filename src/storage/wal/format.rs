//! Bytes of the log: segment header and record. Fixed little-endian layout, no codec.

/// Format number in every segment header.
pub(super) const FORMAT: u32 = 1;

/// First bytes of every segment.
const MAGIC: &[u8; 8] = b"TIMEDWAL";

/// Size of a segment header.
pub(super) const SEGMENT_HEADER_BYTES: usize = 32;

/// Size of a record without its payload.
pub(super) const RECORD_HEADER_BYTES: usize = 25;

/// Largest payload of one record: a 4 MB body with its justification, four times over. A larger
/// bound would only let a damaged length make recovery read further.
pub const RECORD_BYTES_MAX: usize = 16 << 20;

/// Highest record type that a caller may use; the rest belongs to the log.
pub const KIND_MAX: u8 = 0x7e;

/// The log's own record: payload is the lowest segment sequence still needed. Written and synced
/// before segments are deleted, so that a segment that vanished otherwise is noticed.
pub(super) const KIND_PRUNED: u8 = 0x7f;

/// Set in the stored type of the first record of one sync.
const FIRST_OF_SYNC: u8 = 0x80;

/// One record as the caller sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The caller's type, at most [`KIND_MAX`].
    pub kind: u8,
    /// The height it belongs to; decides when it may be pruned.
    pub height: u64,
    /// Opaque bytes.
    pub payload: Vec<u8>,
}

/// What a segment says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    /// Random word before every record of this segment.
    pub(super) mark: u32,
    /// Position in the log, from 0, no gaps.
    pub(super) sequence: u64,
    /// Checksum of the last record of the segment before; 0 in the first.
    pub(super) prev_crc: u32,
}

/// Why a segment header does not read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderFault {
    /// Not a segment, or damaged.
    Damaged,
    /// Made by a newer program, with this format.
    Newer(u32),
}

impl SegmentHeader {
    /// Makes a mark from a random word: two bits of its first byte are always set, so that a single
    /// flipped bit never turns the visible part of a record into zeros, which would look like a
    /// sector that was never written.
    pub(super) const fn mark_from(random: u32) -> u32 {
        random | 0x81
    }

    pub(super) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.mark.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.prev_crc.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..28]);
        bytes[28..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, HeaderFault> {
        let Some(bytes) = bytes.get(..SEGMENT_HEADER_BYTES) else {
            return Err(HeaderFault::Damaged);
        };
        if &bytes[..8] != MAGIC || crc32c::crc32c(&bytes[..28]) != u32_at(bytes, 28) {
            return Err(HeaderFault::Damaged);
        }
        match u32_at(bytes, 8) {
            FORMAT => Ok(Self {
                mark: u32_at(bytes, 12),
                sequence: u64_at(bytes, 16),
                prev_crc: u32_at(bytes, 24),
            }),
            newer => Err(HeaderFault::Newer(newer)),
        }
    }
}

/// A record found in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found<'a> {
    pub(super) kind: u8,
    pub(super) first_of_sync: bool,
    pub(super) height: u64,
    pub(super) payload: &'a [u8],
    pub(super) prev_crc: u32,
    pub(super) crc: u32,
    /// Offset behind the record.
    pub(super) end: usize,
}

/// Appends one record to `out` and returns its checksum, the next record's `prev_crc`.
pub(super) fn encode_record(
    out: &mut Vec<u8>,
    mark: u32,
    prev_crc: u32,
    first_of_sync: bool,
    kind: u8,
    height: u64,
    payload: &[u8],
) -> u32 {
    let len = (payload.len() as u32).to_le_bytes();
    let mut tail = [0; 13];
    tail[..4].copy_from_slice(&prev_crc.to_le_bytes());
    tail[4] = kind | if first_of_sync { FIRST_OF_SYNC } else { 0 };
    tail[5..].copy_from_slice(&height.to_le_bytes());
    let crc = checksum(&len, &tail, payload);
    out.extend_from_slice(&mark.to_le_bytes());
    out.extend_from_slice(&len);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&tail);
    out.extend_from_slice(payload);
    crc
}

/// Reads the record that starts at `at`, if one does. Its `prev_crc` is not compared here.
pub(super) fn decode_record(bytes: &[u8], at: usize, mark: u32) -> Option<Found<'_>> {
    let header = bytes.get(at..at.checked_add(RECORD_HEADER_BYTES)?)?;
    if u32_at(header, 0) != mark {
        return None;
    }
    let len = u32_at(header, 4) as usize;
    if len > RECORD_BYTES_MAX {
        return None;
    }
    let start = at + RECORD_HEADER_BYTES;
    let payload = bytes.get(start..start + len)?;
    let crc = u32_at(header, 8);
    if checksum(&header[4..8], &header[12..], payload) != crc {
        return None;
    }
    Some(Found {
        kind: header[16] & !FIRST_OF_SYNC,
        first_of_sync: header[16] & FIRST_OF_SYNC != 0,
        height: u64_at(header, 17),
        payload,
        prev_crc: u32_at(header, 12),
        crc,
        end: start + len,
    })
}

fn checksum(len: &[u8], tail: &[u8], payload: &[u8]) -> u32 {
    let crc = crc32c::crc32c_append(crc32c::crc32c(len), tail);
    crc32c::crc32c_append(crc, payload)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

//! Reads one segment and judges how it ends: cleanly, torn by a crash, or rotten.

use super::format::{self, Found, Record, SEGMENT_HEADER_BYTES, SegmentHeader};

/// Smallest unit a disk writes whole.
const SECTOR_BYTES: usize = 512;

/// The cut-off end of a log whose last sync did not finish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TornTail {
    /// Offset in the last segment where the records end.
    pub offset: u64,
    /// Bytes discarded behind it.
    pub bytes: u64,
}

/// A segment, read.
pub(super) struct Scan {
    /// Ascending by offset. The log's own records are included.
    pub(super) records: Vec<Record>,
    /// Checksum of the last record, or the header's `prev_crc`.
    pub(super) last_crc: u32,
    /// Offset behind the last record.
    pub(super) end: usize,
    /// Set if something has to be cut off behind `end`.
    pub(super) torn: Option<TornTail>,
}

/// Damage that no crash explains.
pub(super) struct Rot {
    pub(super) offset: usize,
    pub(super) what: &'static str,
}

/// Reads all records of a segment. Only the last segment of a log may have a torn tail.
pub(super) fn scan(bytes: &[u8], header: &SegmentHeader, is_last: bool) -> Result<Scan, Rot> {
    let mut records = Vec::new();
    let mut end = SEGMENT_HEADER_BYTES;
    let mut last_crc = header.prev_crc;
    while let Some(found) = format::decode_record(bytes, end, header.mark) {
        if found.prev_crc != last_crc {
            return Err(Rot {
                offset: end,
                what: "a record does not continue the one before it",
            });
        }
        end = found.end;
        last_crc = found.crc;
        records.push(Record {
            kind: found.kind,
            height: found.height,
            payload: found.payload.to_vec(),
        });
    }
    let torn = judge_rest(bytes, header.mark, end, is_last)?;
    Ok(Scan {
        records,
        last_crc,
        end,
        torn,
    })
}

fn judge_rest(bytes: &[u8], mark: u32, end: usize, is_last: bool) -> Result<Option<TornTail>, Rot> {
    let Some(last_written) = bytes[end..].iter().rposition(|byte| *byte != 0) else {
        return Ok(None);
    };
    let rot = |what| Rot { offset: end, what };
    if !is_last {
        return Err(rot("a damaged record in a segment that was sealed"));
    }
    if let Some(next) = first_after(bytes, mark, end) {
        if later_sync_follows(bytes, mark, next) {
            return Err(rot("a damaged record before later ones"));
        }
        if !has_unwritten_sector(bytes, end, next) {
            return Err(rot("a damaged record before others of the same write"));
        }
    }
    Ok(Some(TornTail {
        offset: end as u64,
        bytes: last_written as u64 + 1,
    }))
}

/// Offset of the first valid record that starts behind `end`.
fn first_after(bytes: &[u8], mark: u32, end: usize) -> Option<usize> {
    let mark_bytes = mark.to_le_bytes();
    (end + 1..bytes.len().saturating_sub(format::RECORD_HEADER_BYTES - 1))
        .find(|at| bytes[*at..*at + 4] == mark_bytes && format::decode_record(bytes, *at, mark).is_some())
}

/// True if any valid record from `at` on began a sync: then what lies before was synced.
fn later_sync_follows(bytes: &[u8], mark: u32, at: usize) -> bool {
    let mut next = Some(at);
    while let Some(at) = next {
        match format::decode_record(bytes, at, mark) {
            Some(Found {
                first_of_sync: true, ..
            }) => return true,
            Some(found) => next = Some(found.end),
            None => next = first_after(bytes, mark, at),
        }
    }
    false
}

/// True if a sector between `from` and `to` never reached the disk: all of it that belongs to the
/// damaged write is still zero, as preallocated.
fn has_unwritten_sector(bytes: &[u8], from: usize, to: usize) -> bool {
    (from / SECTOR_BYTES..=(to - 1) / SECTOR_BYTES).any(|sector| {
        let start = (sector * SECTOR_BYTES).max(from);
        let end = ((sector + 1) * SECTOR_BYTES).min(bytes.len());
        bytes[start..end].iter().all(|byte| *byte == 0)
    })
}

//! Files of the log: names, creation, reading one back.

use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
};

use super::{
    WalError, WalOptions,
    format::{self, HeaderFault, KIND_PRUNED, Record, SegmentHeader},
    scan::{self, TornTail},
};
use crate::storage::{
    atomic_file::TEMPORARY_SUFFIX,
    disk::{Disk, DiskFile},
};

/// What an operator runs once the damaged log has been moved aside, where the node cannot find its
/// way back by itself.
const REPAIR: &str = "timed signer state init --above HEIGHT";

/// A segment that is never written again.
pub(super) struct Sealed {
    pub(super) sequence: u64,
    pub(super) height_max: u64,
    pub(super) bytes: u64,
}

/// The segment that takes records.
pub(super) struct Current {
    pub(super) file: Box<dyn DiskFile>,
    pub(super) path: PathBuf,
    pub(super) header: SegmentHeader,
    pub(super) height_max: u64,
    /// Offset behind the last record.
    pub(super) end: u64,
    /// Offset up to which the file is zero-filled.
    pub(super) allocated: u64,
}

/// A segment as read at open.
pub(super) struct Segment {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    pub(super) header: SegmentHeader,
    pub(super) scan: scan::Scan,
    len: u64,
    /// As read, of the last segment only.
    bytes: Vec<u8>,
}

impl Segment {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Lowest sequence that its pruning records say is needed; 0 without any.
    pub(super) fn needed_from(&self) -> u64 {
        self.scan
            .records
            .iter()
            .filter(|record| record.kind == KIND_PRUNED && record.payload.len() == 8)
            .map(|record| format::u64_at(&record.payload, 0))
            .max()
            .unwrap_or(0)
    }

    fn height_max(&self) -> u64 {
        let heights = self.scan.records.iter().map(|record| record.height);
        heights.max().unwrap_or(0)
    }

    pub(super) fn sealed(&self) -> Sealed {
        Sealed {
            sequence: self.header.sequence,
            height_max: self.height_max(),
            bytes: self.scan.end as u64,
        }
    }

    /// Makes the last segment writable again; its torn tail becomes zeros.
    ///
    /// What was read may never have reached the disk: the life that wrote it may have ended between write and
    /// sync, or its sync failed, which leaves pages that count as clean. It is written once more and synced
    /// before anything rests on it, and before what it says was signed is sent again.
    pub(super) fn reopen(self) -> Result<(Current, Vec<Record>), WalError> {
        if let Some(torn) = self.scan.torn {
            let zeros = vec![0; torn.bytes as usize];
            self.file
                .write_at(&zeros, torn.offset)
                .map_err(io_error(&self.path, "cut off the torn tail"))?;
        }
        let read = self.bytes.get(..self.scan.end).unwrap_or_default();
        self.file
            .write_at(read, 0)
            .map_err(io_error(&self.path, "write what was read"))?;
        self.file.sync_data().map_err(io_error(&self.path, "fdatasync"))?;
        let current = Current {
            height_max: self.height_max(),
            file: self.file,
            path: self.path,
            header: self.header,
            end: self.scan.end as u64,
            allocated: self.len,
        };
        Ok((current, self.scan.records))
    }
}

pub(super) fn read_segment(
    disk: &dyn Disk,
    dir: &Path,
    sequence: u64,
    is_last: bool,
) -> Result<Segment, WalError> {
    let path = dir.join(segment_name(sequence));
    let file = match disk.open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(corrupt(&path, 0, "the segment is missing"));
        }
        Err(error) => return Err(io_error(&path, "open")(error)),
    };
    let bytes = file.read_all().map_err(io_error(&path, "read"))?;
    let header = match SegmentHeader::decode(&bytes) {
        Ok(header) if header.sequence == sequence => header,
        Ok(_) | Err(HeaderFault::Damaged) => {
            return Err(corrupt(&path, 0, "the segment header does not read back"));
        }
        Err(HeaderFault::Newer(found)) => {
            return Err(WalError::Newer {
                file: path,
                found,
                known: format::FORMAT,
            });
        }
    };
    let scan =
        scan::scan(&bytes, &header, is_last).map_err(|rot| corrupt(&path, rot.offset as u64, rot.what))?;
    Ok(Segment {
        file,
        path,
        header,
        scan,
        len: bytes.len() as u64,
        bytes: if is_last { bytes } else { Vec::new() },
    })
}

/// The segments that a log consists of, read.
pub(super) struct Chain {
    /// Ascending by sequence, no gaps; at least one.
    pub(super) read: VecDeque<Segment>,
    pub(super) torn_tail: Option<TornTail>,
    /// Every sequence there is a file of, ascending.
    pub(super) present: Vec<u64>,
    /// The lowest sequence still needed.
    pub(super) floor: u64,
}

/// Reads all segments still needed and changes nothing.
pub(super) fn read_chain(disk: &dyn Disk, dir: &Path) -> Result<Chain, WalError> {
    if !disk.is_dir(dir) {
        return Err(WalError::DirectoryMissing { dir: dir.to_owned() });
    }
    let present = sequences(disk, dir)?;
    let Some(newest) = present.last().copied() else {
        return Err(WalError::Empty { dir: dir.to_owned() });
    };
    // From the newest down, to the lowest segment still needed: what a crash left of pruned ones is
    // not read. A pruning record lies at or above the segment it names, so none is missed.
    let mut floor = 0;
    let mut read: VecDeque<Segment> = VecDeque::new();
    let mut torn_tail = None;
    for sequence in (0..=newest).rev() {
        let segment = read_segment(disk, dir, sequence, sequence == newest)?;
        floor = floor.max(segment.needed_from());
        torn_tail = torn_tail.or(segment.scan.torn);
        read.push_front(segment);
        if sequence == floor {
            break;
        }
    }
    for (earlier, later) in read.iter().zip(read.iter().skip(1)) {
        if later.header.prev_crc != earlier.scan.last_crc {
            return Err(corrupt(
                later.path(),
                0,
                "it does not continue the segment before it",
            ));
        }
    }
    Ok(Chain {
        read,
        torn_tail,
        present,
        floor,
    })
}

/// Writes a segment that begins with `records` under a temporary name and renames it into place; it
/// appears whole or not. Gives the checksum of its last record too.
pub(super) fn create_segment(
    disk: &dyn Disk,
    dir: &Path,
    options: WalOptions,
    sequence: u64,
    prev_crc: u32,
    records: &[Record],
) -> Result<(Current, u32), WalError> {
    let path = dir.join(segment_name(sequence));
    let temporary = dir.join(format!("{}{TEMPORARY_SUFFIX}", segment_name(sequence)));
    let random = getrandom::u32()
        .map_err(|error| io_error(&path, "draw a segment mark")(io::Error::other(error.to_string())))?;
    let header = SegmentHeader {
        mark: SegmentHeader::mark_from(random),
        sequence,
        prev_crc,
    };
    let mut content = header.encode().to_vec();
    let last_crc = encode_sync(&mut content, header.mark, prev_crc, records);
    let end = content.len() as u64;
    let allocated = preallocated(end, options);
    content.resize(allocated as usize, 0);

    let file = disk.create(&temporary).map_err(io_error(&temporary, "create"))?;
    file.write_at(&content, 0)
        .map_err(io_error(&temporary, "write"))?;
    file.sync_data().map_err(io_error(&temporary, "fdatasync"))?;
    disk.rename(&temporary, &path)
        .map_err(io_error(&path, "rename"))?;
    disk.sync_dir(dir).map_err(io_error(dir, "fsync directory"))?;
    let current = Current {
        file,
        path,
        header,
        height_max: records.iter().map(|record| record.height).max().unwrap_or(0),
        end,
        allocated,
    };
    Ok((current, last_crc))
}

/// Appends the records of one sync to `out`; gives the checksum of the last, `prev_crc` without any.
pub(super) fn encode_sync(out: &mut Vec<u8>, mark: u32, prev_crc: u32, records: &[Record]) -> u32 {
    let mut crc = prev_crc;
    for (index, record) in records.iter().enumerate() {
        crc = format::encode_record(
            out,
            mark,
            crc,
            index == 0,
            record.kind,
            record.height,
            &record.payload,
        );
    }
    crc
}

/// Removes unfinished segments and those that an interrupted pruning left.
pub(super) fn remove_leftovers(
    disk: &dyn Disk,
    dir: &Path,
    present: &[u64],
    floor: u64,
) -> Result<(), WalError> {
    let names = disk.list(dir).map_err(io_error(dir, "list"))?;
    let unfinished = names.into_iter().filter(|name| {
        name.strip_suffix(TEMPORARY_SUFFIX)
            .is_some_and(|name| parse_segment_name(name).is_some())
    });
    let pruned = present
        .iter()
        .filter(|sequence| **sequence < floor)
        .map(|sequence| segment_name(*sequence));
    for name in unfinished.chain(pruned) {
        let path = dir.join(name);
        disk.remove(&path).map_err(io_error(&path, "remove"))?;
    }
    Ok(())
}

/// `end`, rounded up to the next preallocation step.
pub(super) fn preallocated(end: u64, options: WalOptions) -> u64 {
    end.next_multiple_of(options.preallocate_bytes.max(1))
}

pub(super) fn sequences(disk: &dyn Disk, dir: &Path) -> Result<Vec<u64>, WalError> {
    let names = disk.list(dir).map_err(io_error(dir, "list"))?;
    let mut sequences: Vec<u64> = names.iter().filter_map(|name| parse_segment_name(name)).collect();
    sequences.sort_unstable();
    Ok(sequences)
}

pub(super) fn segment_name(sequence: u64) -> String {
    format!("wal-{sequence:016x}.log")
}

fn parse_segment_name(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("wal-")?.strip_suffix(".log")?;
    (digits.len() == 16)
        .then(|| u64::from_str_radix(digits, 16).ok())
        .flatten()
}

pub(super) fn corrupt(file: &Path, offset: u64, what: &'static str) -> WalError {
    WalError::Corrupt {
        file: file.to_owned(),
        offset,
        what,
        repair: REPAIR,
    }
}

pub(super) fn io_error(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> WalError {
    let path = path.to_owned();
    move |source| WalError::Io { path, doing, source }
}

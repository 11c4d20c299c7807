//! The log itself: create, open, append, sync, prune.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    WalError,
    format::{KIND_MAX, KIND_PRUNED, RECORD_BYTES_MAX, RECORD_HEADER_BYTES, Record, SEGMENT_HEADER_BYTES},
    scan::TornTail,
    segment::{self, Current, Sealed, Segment, io_error},
};
use crate::storage::{
    disk::{Disk, RealDisk},
    failpoint,
};

/// Most bytes that may wait for one sync: a few bodies with their justifications. Above it the
/// caller has lost track of its barrier.
const PENDING_BYTES_MAX: usize = 4 * RECORD_BYTES_MAX;

/// Sizes of the log's files.
#[derive(Debug, Clone, Copy)]
pub struct WalOptions {
    /// A segment is sealed when the next sync would exceed this. Larger means fewer files and more
    /// to read at start.
    pub segment_bytes: u64,
    /// Zeros written ahead of the records at a time, so that a sync changes no file size. Larger
    /// means rarer slow syncs and more disk for an idle node.
    pub preallocate_bytes: u64,
}

impl Default for WalOptions {
    fn default() -> Self {
        Self {
            segment_bytes: 16 << 20,
            preallocate_bytes: 1 << 20,
        }
    }
}

/// What [`Wal::open`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// All records since the last pruning, in the order in which they were appended.
    pub records: Vec<Record>,
    /// Set if the last sync had not finished and was cut off.
    pub torn_tail: Option<TornTail>,
}

/// What one [`Wal::sync`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Synced {
    /// Records made durable.
    pub records: usize,
    /// Their bytes, headers included.
    pub bytes: usize,
    /// Time spent in write and fdatasync.
    pub took: Duration,
}

/// Sizes for people and metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WalStats {
    /// Files.
    pub segments: usize,
    /// Bytes of records in all files.
    pub bytes: u64,
    /// Payload bytes appended and not yet synced.
    pub pending_bytes: usize,
    /// True after a disk error: nothing is written any more.
    pub is_poisoned: bool,
}

/// The consensus write-ahead log. Owned by one thread; not a database.
pub struct Wal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    options: WalOptions,
    /// Ascending by sequence, no gaps, directly below `current`.
    sealed: VecDeque<Sealed>,
    current: Current,
    last_crc: u32,
    pending: Vec<Record>,
    pending_bytes: usize,
    poisoned: bool,
}

impl std::fmt::Debug for Wal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wal")
            .field("dir", &self.dir)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl Wal {
    /// Makes an empty log in `dir`, durably. The log is born with the key: `init`,
    /// `keys generate` and `devnet files` call this, a starting node never does: the log that it makes
    /// in place of a lost one begins with the record that says so.
    ///
    /// # Errors
    /// [`WalError::AlreadyExists`] if `dir` holds a log, [`WalError::Io`].
    pub fn create(dir: &Path) -> Result<Self, WalError> {
        Self::create_on(Arc::new(RealDisk), dir, WalOptions::default(), &[])
    }

    /// [`Wal::create`] on any disk, with any sizes, of a log that begins with `records`: it appears
    /// with them, or not at all.
    ///
    /// # Errors
    /// As [`Wal::create`].
    pub fn create_on(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: WalOptions,
        records: &[Record],
    ) -> Result<Self, WalError> {
        disk.create_dir(dir).map_err(io_error(dir, "create directory"))?;
        if !segment::sequences(disk.as_ref(), dir)?.is_empty() {
            return Err(WalError::AlreadyExists { dir: dir.to_owned() });
        }
        let (current, last_crc) = segment::create_segment(disk.as_ref(), dir, options, 0, 0, records)?;
        if let Some(parent) = dir.parent().filter(|parent| disk.is_dir(parent)) {
            disk.sync_dir(parent)
                .map_err(io_error(parent, "fsync directory"))?;
        }
        Ok(Self {
            disk,
            dir: dir.to_owned(),
            options,
            sealed: VecDeque::new(),
            current,
            last_crc,
            pending: Vec::new(),
            pending_bytes: 0,
            poisoned: false,
        })
    }

    /// Opens the log in `dir`, cuts off a torn tail and returns every record.
    ///
    /// # Errors
    /// [`WalError::DirectoryMissing`] and [`WalError::Empty`] (run as observer),
    /// [`WalError::Corrupt`] (exit 65), [`WalError::Newer`] (exit 69), [`WalError::Io`].
    pub fn open(dir: &Path) -> Result<(Self, Recovered), WalError> {
        Self::open_on(Arc::new(RealDisk), dir, WalOptions::default())
    }

    /// Reads the log in `dir` and changes nothing, not even a torn tail: for people who look at a
    /// node's files, perhaps while it runs.
    ///
    /// # Errors
    /// As [`Wal::open`].
    pub fn inspect(dir: &Path) -> Result<Recovered, WalError> {
        let chain = segment::read_chain(&RealDisk, dir)?;
        let records = chain.read.into_iter().flat_map(|segment| segment.scan.records);
        Ok(Recovered {
            records: records.filter(|record| record.kind <= KIND_MAX).collect(),
            torn_tail: chain.torn_tail,
        })
    }

    /// [`Wal::open`] on any disk, with any sizes.
    ///
    /// # Errors
    /// As [`Wal::open`].
    pub fn open_on(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: WalOptions,
    ) -> Result<(Self, Recovered), WalError> {
        let segment::Chain {
            mut read,
            torn_tail,
            present,
            floor,
        } = segment::read_chain(disk.as_ref(), dir)?;
        segment::remove_leftovers(disk.as_ref(), dir, &present, floor)?;

        let Some(last) = read.pop_back() else {
            return Err(WalError::Empty { dir: dir.to_owned() });
        };
        let last_crc = last.scan.last_crc;
        let sealed = read.iter().map(Segment::sealed).collect();
        let mut records: Vec<Record> = Vec::new();
        for segment in &mut read {
            records.append(&mut segment.scan.records);
        }
        let (current, mut newest_records) = last.reopen()?;
        records.append(&mut newest_records);
        records.retain(|record| record.kind <= KIND_MAX);

        let wal = Self {
            disk,
            dir: dir.to_owned(),
            options,
            sealed,
            current,
            last_crc,
            pending: Vec::new(),
            pending_bytes: 0,
            poisoned: false,
        };
        Ok((wal, Recovered { records, torn_tail }))
    }

    /// Adds a record to the next [`Wal::sync`]. Nothing is written yet.
    ///
    /// # Errors
    /// [`WalError::Poisoned`], [`WalError::TooLarge`], [`WalError::ReservedKind`].
    pub fn append(&mut self, kind: u8, height: u64, payload: Vec<u8>) -> Result<(), WalError> {
        if kind > KIND_MAX {
            return Err(WalError::ReservedKind { kind, max: KIND_MAX });
        }
        self.push(Record {
            kind,
            height,
            payload,
        })
    }

    /// Makes all appended records durable: one write, one `fdatasync`. Without any it does nothing.
    ///
    /// # Errors
    /// [`WalError::Io`], after which the log is poisoned: an fsync is never tried twice.
    pub fn sync(&mut self) -> Result<Synced, WalError> {
        self.check_poison()?;
        let started = Instant::now();
        let records = self.pending.len();
        let bytes = self.poisoning(Self::write_pending)?;
        Ok(Synced {
            records,
            bytes,
            took: started.elapsed(),
        })
    }

    /// Deletes whole segments whose records all belong to heights ≤ `height`, after `carry` (the
    /// guard and the lock as they stand) has been appended again and synced. Returns how many files
    /// went; with none to delete, nothing is written.
    ///
    /// # Errors
    /// [`WalError::Io`], after which the log is poisoned.
    pub fn prune_through(&mut self, height: u64, carry: &[Record]) -> Result<usize, WalError> {
        self.check_poison()?;
        let count = self
            .sealed
            .iter()
            .take_while(|sealed| sealed.height_max <= height)
            .count();
        if count == 0 {
            return Ok(0);
        }
        for record in carry {
            self.append(record.kind, record.height, record.payload.clone())?;
        }
        let floor = self
            .sealed
            .get(count)
            .map_or(self.current.header.sequence, |sealed| sealed.sequence);
        self.push(Record {
            kind: KIND_PRUNED,
            height: 0,
            payload: floor.to_le_bytes().to_vec(),
        })?;
        self.sync()?;
        self.poisoning(|wal| wal.delete_oldest(count))?;
        Ok(count)
    }

    /// Sizes, and whether the log still works.
    pub fn stats(&self) -> WalStats {
        WalStats {
            segments: self.sealed.len() + 1,
            bytes: self.sealed.iter().map(|sealed| sealed.bytes).sum::<u64>() + self.current.end,
            pending_bytes: self.pending_bytes,
            is_poisoned: self.poisoned,
        }
    }

    /// The directory of the log.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn check_poison(&self) -> Result<(), WalError> {
        if self.poisoned {
            return Err(WalError::Poisoned);
        }
        Ok(())
    }

    /// Runs a step that changes the disk; any error in it ends the log for this process.
    fn poisoning<T>(&mut self, step: impl FnOnce(&mut Self) -> Result<T, WalError>) -> Result<T, WalError> {
        let result = step(self);
        self.poisoned |= result.is_err();
        result
    }

    fn push(&mut self, record: Record) -> Result<(), WalError> {
        self.check_poison()?;
        failpoint::begins(record.height);
        let bytes = record.payload.len();
        if bytes > RECORD_BYTES_MAX {
            return Err(WalError::TooLarge {
                bytes,
                max: RECORD_BYTES_MAX,
            });
        }
        if self.pending_bytes + bytes > PENDING_BYTES_MAX {
            return Err(WalError::TooLarge {
                bytes: self.pending_bytes + bytes,
                max: PENDING_BYTES_MAX,
            });
        }
        self.pending_bytes += bytes;
        self.pending.push(record);
        Ok(())
    }

    fn write_pending(&mut self) -> Result<usize, WalError> {
        if self.pending.is_empty() {
            return Ok(0);
        }
        let bytes = self.pending_bytes + self.pending.len() * RECORD_HEADER_BYTES;
        let has_records = self.current.end > SEGMENT_HEADER_BYTES as u64;
        if has_records && self.current.end + bytes as u64 > self.options.segment_bytes {
            self.roll()?;
        }

        let mut out = Vec::with_capacity(bytes);
        let crc = segment::encode_sync(&mut out, self.current.header.mark, self.last_crc, &self.pending);
        let heights = self.pending.iter().map(|record| record.height);
        let height_max = heights.fold(self.current.height_max, u64::max);
        let end = self.current.end + bytes as u64;
        if end > self.current.allocated {
            let allocated = segment::preallocated(end, self.options);
            out.resize((allocated - self.current.end) as usize, 0);
            self.current.allocated = allocated;
        }
        let path = &self.current.path;
        self.current
            .file
            .write_at(&out, self.current.end)
            .map_err(io_error(path, "write"))?;
        self.current
            .file
            .sync_data()
            .map_err(io_error(path, "fdatasync"))?;

        self.current.end = end;
        self.current.height_max = height_max;
        self.last_crc = crc;
        self.pending.clear();
        self.pending_bytes = 0;
        Ok(bytes)
    }

    /// Seals the current segment, all of which is synced, and starts the next.
    fn roll(&mut self) -> Result<(), WalError> {
        let sequence = self.current.header.sequence + 1;
        let (next, _) = segment::create_segment(
            self.disk.as_ref(),
            &self.dir,
            self.options,
            sequence,
            self.last_crc,
            &[],
        )?;
        let full = std::mem::replace(&mut self.current, next);
        self.sealed.push_back(Sealed {
            sequence: full.header.sequence,
            height_max: full.height_max,
            bytes: full.end,
        });
        Ok(())
    }

    fn delete_oldest(&mut self, count: usize) -> Result<(), WalError> {
        for sealed in self.sealed.drain(..count) {
            let path = self.dir.join(segment::segment_name(sealed.sequence));
            self.disk.remove(&path).map_err(io_error(&path, "remove"))?;
        }
        self.disk
            .sync_dir(&self.dir)
            .map_err(io_error(&self.dir, "fsync directory"))
    }
}

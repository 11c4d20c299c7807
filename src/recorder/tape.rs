//! A tape: segments of one directory, written one after another, the oldest dropped for the newest.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::{
    RecorderError,
    record::{self, Kind},
    sections::{Image, to_bytes},
};
use crate::control::{Event, Status};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grain {
    Fine,
    Coarse,
}

impl Grain {
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Grain::Fine => "fine-",
            Grain::Coarse => "coarse-",
        }
    }
}

/// What every segment's name ends with.
pub(super) const SUFFIX: &str = ".rec";
/// A tape is kept in so many segments: dropping one loses no more than a part of the day.
pub(super) const SEGMENTS: u64 = 16;
/// Changes between two snapshots that stand for themselves.
pub(super) const CHANGES_MAX: u32 = 60;

/// One tape, ready to be written.
#[derive(Debug)]
pub(super) struct Tape {
    dir: PathBuf,
    grain: Grain,
    /// Most bytes of all segments together.
    bytes_max: u64,
    current: Option<Segment>,
    next: u64,
    /// The last snapshot written, which the next one is compressed against.
    last: Option<(Status, Image)>,
    changes: u32,
}

#[derive(Debug)]
struct Segment {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Tape {
    /// Opens the tape in `dir`, which is made if there is none. The last segment is cut where a crash
    /// tore it, and written on.
    ///
    /// # Errors
    /// [`RecorderError::Io`].
    pub(super) fn open(dir: &Path, grain: Grain, bytes_max: u64) -> Result<Self, RecorderError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(RecorderError::io(dir))?;
        let segments = segments(dir, grain)?;
        let next = segments.last().map_or(0, |(number, _)| number + 1);
        let mut tape = Self {
            dir: dir.to_owned(),
            grain,
            bytes_max,
            current: None,
            next,
            last: None,
            changes: 0,
        };
        if let Some((_, path)) = segments.last() {
            tape.current = reopened(path)?;
        }
        Ok(tape)
    }

    /// Appends a snapshot. The number of bytes it took.
    ///
    /// # Errors
    /// [`RecorderError::Io`]; the tape then begins a new segment with the next one.
    pub(super) fn snapshot(&mut self, status: &Status) -> Result<u64, RecorderError> {
        let before = self.last.as_ref().map(|(status, image)| (status, image));
        let image = Image::of(status, before);
        let is_key = self.last.is_none() || self.changes >= CHANGES_MAX || self.is_full();
        if self.is_full() {
            self.current = None;
        }
        let base = match is_key {
            true => None,
            false => self.last.as_ref().map(|(_, image)| image),
        };
        let (kind, payload) = image.pack(base);
        let bytes = record::encode(kind, image.unix_ms(), &payload);
        if payload.len() <= record::PAYLOAD_MAX {
            self.append(&bytes)?;
            self.changes = match is_key {
                true => 0,
                false => self.changes + 1,
            };
            self.last = Some((status.clone(), image));
        }
        Ok(bytes.len() as u64)
    }

    /// Appends events, oldest first. Before the first snapshot there is no place for them.
    ///
    /// # Errors
    /// As [`Tape::snapshot`].
    pub(super) fn events(&mut self, events: &[Event]) -> Result<(), RecorderError> {
        let Some(last) = events.last().filter(|_| self.last.is_some()) else {
            return Ok(());
        };
        let payload = lz4_flex::block::compress_prepend_size(&to_bytes(&events));
        if payload.len() > record::PAYLOAD_MAX {
            return Ok(());
        }
        let bytes = record::encode(Kind::Events, last.at.unix_ms, &payload);
        self.append(&bytes)
    }

    fn segment_max(&self) -> u64 {
        self.bytes_max / SEGMENTS
    }

    fn is_full(&self) -> bool {
        self.current
            .as_ref()
            .is_none_or(|segment| segment.bytes >= self.segment_max())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), RecorderError> {
        let mut segment = match self.current.take() {
            Some(segment) => segment,
            None => self.begin()?,
        };
        if let Err(source) = segment.file.write_all(bytes) {
            // What was written of it is cut off, so that what follows can be read.
            let _ = segment.file.set_len(segment.bytes);
            self.last = None;
            return Err(RecorderError::Io {
                path: segment.path,
                source,
            });
        }
        segment.bytes += bytes.len() as u64;
        self.current = Some(segment);
        Ok(())
    }

    /// Makes room and begins a segment.
    fn begin(&mut self) -> Result<Segment, RecorderError> {
        let mut old = segments(&self.dir, self.grain)?;
        let size = |path: &Path| fs::metadata(path).map_or(0, |meta| meta.len());
        let mut total: u64 = old.iter().map(|(_, path)| size(path)).sum();
        // Room for the new one, and for the record that overfills it.
        let room = self.bytes_max.saturating_sub(self.segment_max() * 5 / 4);
        while total > room && !old.is_empty() {
            let (_, path) = old.remove(0);
            total -= size(&path);
            fs::remove_file(&path).map_err(RecorderError::io(&path))?;
        }
        let path = self
            .dir
            .join(format!("{}{:08}{SUFFIX}", self.grain.prefix(), self.next));
        self.next += 1;
        let mut file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(RecorderError::io(&path))?;
        let head = record::file_head();
        file.write_all(&head).map_err(RecorderError::io(&path))?;
        Ok(Segment {
            path,
            file,
            bytes: head.len() as u64,
        })
    }
}

/// Segments of a tape, oldest first.
///
/// # Errors
/// [`RecorderError::Io`] if the directory cannot be listed.
pub(super) fn segments(dir: &Path, grain: Grain) -> Result<Vec<(u64, PathBuf)>, RecorderError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(RecorderError::io(dir))? {
        let entry = entry.map_err(RecorderError::io(dir))?;
        let name = entry.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.strip_prefix(grain.prefix())?.strip_suffix(SUFFIX))
            .and_then(|number| number.parse().ok());
        if let Some(number) = number {
            found.push((number, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

/// A segment of an earlier run, cut to what checks; `None` if it is of another version.
fn reopened(path: &Path) -> Result<Option<Segment>, RecorderError> {
    let bytes = fs::read(path).map_err(RecorderError::io(path))?;
    let Ok((head, _)) = record::check_head(&bytes, path) else {
        return Ok(None);
    };
    let (_, end) = record::scan(&bytes, head);
    let file = OpenOptions::new()
        .append(true)
        .open(path)
        .map_err(RecorderError::io(path))?;
    if end < bytes.len() {
        file.set_len(end as u64).map_err(RecorderError::io(path))?;
    }
    Ok(Some(Segment {
        path: path.to_owned(),
        file,
        bytes: end as u64,
    }))
}

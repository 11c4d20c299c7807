//! A recording that is looked at: one span of time out of many segments.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    DIRECTORY, RecorderError,
    record::{self, Kind, Place},
    sections::{Image, from_bytes},
    tape::{Grain, segments},
};
use crate::control::{Event, EventKind, Severity, Status};

/// Longest list of events that one record is believed to hold, in bytes before compression.
const EVENTS_BYTES_MAX: usize = 64 << 20;
/// Alarms that are remembered; more in a day is one long alarm.
const MARKS_MAX: usize = 10_000;

/// A moment worth jumping to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub unix_ms: u64,
    /// How grave.
    pub severity: Severity,
    /// The alarm's sentence.
    pub text: String,
}

/// What the time bar needs to know of a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moments {
    /// The first snapshot.
    pub from_ms: u64,
    /// The last one.
    pub to_ms: u64,
    /// How many there are.
    pub snapshots: usize,
    /// Bytes of all segments.
    pub bytes: u64,
    /// Alarms that went up, oldest first.
    pub marks: Vec<Mark>,
}

/// A recording, opened. Cheap to clone; what it has found is shared.
#[derive(Clone, Debug)]
pub struct Recording {
    index: Arc<Index>,
    /// The snapshot decoded last, from which the next ones are near.
    near: Option<(usize, Image)>,
}

#[derive(Debug)]
struct Index {
    files: Vec<Segment>,
    /// Ascending by time.
    snapshots: Vec<Found>,
    events: Vec<Found>,
    moments: Moments,
}

#[derive(Debug)]
struct Segment {
    path: PathBuf,
    file: File,
    version: String,
}

#[derive(Clone, Copy, Debug)]
struct Found {
    file: usize,
    place: Place,
    /// The place's time, never before the one that precedes it: a clock that was set back does not
    /// turn the tape around.
    unix_ms: u64,
}

impl Recording {
    /// Opens an exported file, a recorder's directory, or that of a data directory. A node may go on
    /// writing it.
    ///
    /// # Errors
    /// [`RecorderError::Missing`], [`RecorderError::Empty`], [`RecorderError::NotOurs`],
    /// [`RecorderError::OtherVersion`], [`RecorderError::Io`].
    pub fn open(path: &Path) -> Result<Self, RecorderError> {
        let missing = || RecorderError::Missing {
            path: path.to_owned(),
        };
        let is_dir = fs::metadata(path).map_err(|_| missing())?.is_dir();
        let mut index = Index {
            files: Vec::new(),
            snapshots: Vec::new(),
            events: Vec::new(),
            moments: Moments::default(),
        };
        match is_dir {
            false => index.add(path, u64::MAX)?,
            true => {
                let inner = path.join(DIRECTORY);
                let dir = if inner.is_dir() { inner } else { path.to_owned() };
                let fine = segments(&dir, Grain::Fine)?;
                let coarse = segments(&dir, Grain::Coarse)?;
                if fine.is_empty() && coarse.is_empty() {
                    return Err(missing());
                }
                // Where the fine tape begins, the coarse one is not needed any more.
                let begins = fine
                    .iter()
                    .find_map(|(_, path)| first_time(path))
                    .unwrap_or(u64::MAX);
                let all = coarse.iter().map(|(_, path)| (path, begins));
                let all = all.chain(fine.iter().map(|(_, path)| (path, u64::MAX)));
                let mut unread = None;
                for (path, before_ms) in all {
                    match index.add(path, before_ms) {
                        Ok(()) => {}
                        // Torn in its first bytes, or of an earlier version: the others are worth seeing.
                        Err(error @ (RecorderError::NotOurs { .. } | RecorderError::OtherVersion { .. })) => {
                            unread = Some(error)
                        }
                        Err(error) => return Err(error),
                    }
                }
                if let Some(error) = unread.filter(|_| index.snapshots.is_empty()) {
                    return Err(error);
                }
            }
        }
        index.finish(path)?;
        Ok(Self {
            index: Arc::new(index),
            near: None,
        })
    }

    /// Its span and what happened in it.
    pub fn moments(&self) -> &Moments {
        &self.index.moments
    }

    /// How many snapshots there are; at least one.
    pub fn snapshots(&self) -> usize {
        self.index.snapshots.len()
    }

    /// The newest snapshot that is not after a time; before the first one, the first.
    pub fn index_at(&self, unix_ms: u64) -> usize {
        self.index
            .snapshots
            .partition_point(|found| found.unix_ms <= unix_ms)
            .saturating_sub(1)
    }

    /// When a snapshot was taken; beyond the last one, that of the last.
    pub fn time_of(&self, index: usize) -> u64 {
        let snapshots = &self.index.snapshots;
        snapshots[index.min(snapshots.len() - 1)].unix_ms
    }

    /// A snapshot.
    ///
    /// # Errors
    /// [`RecorderError::Io`], [`RecorderError::OtherVersion`].
    pub fn status(&mut self, index: usize) -> Result<Status, RecorderError> {
        let index = index.min(self.snapshots() - 1);
        let image = self.image(index)?;
        image.status().ok_or_else(|| self.other_version(index))
    }

    pub(super) fn image(&mut self, index: usize) -> Result<Image, RecorderError> {
        let snapshots = &self.index.snapshots;
        let file = snapshots[index].file;
        // Back to what stands for itself, or to what is decoded already.
        let mut from = index;
        let mut image = Image::default();
        loop {
            match &self.near {
                Some((near, known)) if *near == from => {
                    image = known.clone();
                    from += 1;
                    break;
                }
                _ => {}
            }
            if snapshots[from].place.kind == Kind::Key || from == 0 || snapshots[from - 1].file != file {
                break;
            }
            from -= 1;
        }
        for (at, snapshot) in snapshots.iter().enumerate().take(index + 1).skip(from) {
            let payload = self.index.read(snapshot)?;
            image = image
                .unpack(snapshot.place.kind, &payload)
                .ok_or_else(|| self.other_version(at))?;
        }
        self.near = Some((index, image.clone()));
        Ok(image)
    }

    /// Events after one time and not after another, oldest first, the newest `max` of them.
    ///
    /// # Errors
    /// [`RecorderError::Io`], [`RecorderError::OtherVersion`].
    pub fn events(&self, after_ms: u64, until_ms: u64, max: usize) -> Result<Vec<Event>, RecorderError> {
        let records = &self.index.events;
        // A record's time is that of its last event: the first one beyond may begin before.
        let end = records
            .partition_point(|found| found.unix_ms <= until_ms)
            .saturating_add(1)
            .min(records.len());
        let mut lists: Vec<Vec<Event>> = Vec::new();
        let mut count = 0;
        for found in records[..end].iter().rev() {
            if found.unix_ms <= after_ms || count >= max {
                break;
            }
            let mut list = self.index.list(found)?;
            list.retain(|event| event.at.unix_ms > after_ms && event.at.unix_ms <= until_ms);
            count += list.len();
            lists.push(list);
        }
        let mut events: Vec<Event> = lists.into_iter().rev().flatten().collect();
        events.drain(..events.len().saturating_sub(max));
        Ok(events)
    }

    /// The next alarm after a time.
    pub fn mark_after(&self, unix_ms: u64) -> Option<&Mark> {
        self.index
            .moments
            .marks
            .iter()
            .find(|mark| mark.unix_ms > unix_ms)
    }

    /// The last alarm before a time.
    pub fn mark_before(&self, unix_ms: u64) -> Option<&Mark> {
        let marks = &self.index.moments.marks;
        marks.iter().rev().find(|mark| mark.unix_ms < unix_ms)
    }

    fn other_version(&self, index: usize) -> RecorderError {
        let segment = &self.index.files[self.index.snapshots[index].file];
        RecorderError::OtherVersion {
            path: segment.path.clone(),
            version: segment.version.clone(),
        }
    }
}

/// When a segment begins.
fn first_time(path: &Path) -> Option<u64> {
    let bytes = fs::read(path).ok()?;
    let (head, _) = record::check_head(&bytes, path).ok()?;
    let (places, _) = record::scan(&bytes, head);
    places.first().map(|place| place.unix_ms)
}

impl Index {
    /// Adds what a segment holds before a time.
    fn add(&mut self, path: &Path, before_ms: u64) -> Result<(), RecorderError> {
        let file = File::open(path).map_err(RecorderError::io(path))?;
        // Read through the handle that is kept: the node may drop the segment meanwhile.
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut &file, &mut bytes).map_err(RecorderError::io(path))?;
        let (head, version) = record::check_head(&bytes, path)?;
        let (places, end) = record::scan(&bytes, head);
        self.moments.bytes += end as u64;
        let number = self.files.len();
        for place in places {
            if place.unix_ms >= before_ms {
                break;
            }
            let list = match place.kind {
                Kind::Key | Kind::Change => &mut self.snapshots,
                Kind::Events => &mut self.events,
            };
            let last = list.last().map_or(0, |found| found.unix_ms);
            list.push(Found {
                file: number,
                place,
                unix_ms: place.unix_ms.max(last),
            });
        }
        self.files.push(Segment {
            path: path.to_owned(),
            file,
            version,
        });
        Ok(())
    }

    fn finish(&mut self, path: &Path) -> Result<(), RecorderError> {
        let (Some(first), Some(last)) = (self.snapshots.first(), self.snapshots.last()) else {
            return Err(RecorderError::Empty {
                path: path.to_owned(),
            });
        };
        self.moments.from_ms = first.unix_ms;
        // What happened after the last snapshot is the most wanted of all where a node was killed.
        let last_event = self.events.last().map_or(0, |found| found.unix_ms);
        self.moments.to_ms = last.unix_ms.max(last_event);
        self.moments.snapshots = self.snapshots.len();
        let mut marks = Vec::new();
        for found in &self.events {
            for event in self.list(found)? {
                if let EventKind::AlarmRaised { severity, text, .. } = event.kind {
                    marks.push(Mark {
                        unix_ms: event.at.unix_ms,
                        severity,
                        text,
                    });
                }
            }
        }
        // The newest are what one looks for.
        marks.drain(..marks.len().saturating_sub(MARKS_MAX));
        self.moments.marks = marks;
        Ok(())
    }

    fn read(&self, found: &Found) -> Result<Vec<u8>, RecorderError> {
        let segment = &self.files[found.file];
        let mut payload = vec![0; found.place.length as usize];
        segment
            .file
            .read_exact_at(&mut payload, found.place.offset)
            .map_err(RecorderError::io(&segment.path))?;
        Ok(payload)
    }

    fn list(&self, found: &Found) -> Result<Vec<Event>, RecorderError> {
        let payload = self.read(found)?;
        let other = || RecorderError::OtherVersion {
            path: self.files[found.file].path.clone(),
            version: self.files[found.file].version.clone(),
        };
        let (length, _) = lz4_flex::block::uncompressed_size(&payload).map_err(|_| other())?;
        if length > EVENTS_BYTES_MAX {
            return Err(other());
        }
        let bytes = lz4_flex::block::decompress_size_prepended(&payload).map_err(|_| other())?;
        from_bytes(&bytes).ok_or_else(other)
    }
}

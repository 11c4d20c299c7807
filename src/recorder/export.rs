//! A span of a recording as one file that stands for itself.

use std::{fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use super::{
    RecorderError, Recording,
    record::{self, Kind},
    sections::{Image, to_bytes},
    tape::CHANGES_MAX,
};

/// Events in one record.
const EVENTS_MAX: usize = 1_024;

/// Writes what lies between two times into a new file that only its owner may read. Returns how many
/// snapshots it holds.
///
/// # Errors
/// [`RecorderError::NothingThere`] if no snapshot does, [`RecorderError::Io`]; a file that exists is not
/// touched.
pub fn export(recording: &Recording, from_ms: u64, to_ms: u64, out: &Path) -> Result<usize, RecorderError> {
    let mut recording = recording.clone();
    let count = recording.snapshots();
    let begins_before = recording.time_of(0) > from_ms;
    let first = recording.index_at(from_ms);
    let last = recording.index_at(to_ms);
    if to_ms < from_ms
        || recording.time_of(0) > to_ms
        || (!begins_before && recording.time_of(count - 1) < from_ms)
    {
        return Err(RecorderError::NothingThere);
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(out)
        .map_err(RecorderError::io(out))?;
    let written = write(&mut recording, first, last, to_ms, &mut file, out);
    if written.is_err() {
        // Half a file helps nobody; it is ours, it was made a moment ago.
        let _ = std::fs::remove_file(out);
    }
    written
}

fn write(
    recording: &mut Recording,
    first: usize,
    last: usize,
    to_ms: u64,
    file: &mut std::fs::File,
    out: &Path,
) -> Result<usize, RecorderError> {
    let mut put = |bytes: &[u8]| file.write_all(bytes).map_err(RecorderError::io(out));
    put(&record::file_head())?;
    let mut before: Option<Image> = None;
    let mut told_ms = recording.time_of(first).saturating_sub(1);
    for (number, index) in (first..=last).enumerate() {
        let image = recording.image(index)?;
        let base = before
            .as_ref()
            .filter(|_| !(number as u32).is_multiple_of(CHANGES_MAX));
        let (kind, payload) = image.pack(base);
        put(&record::encode(kind, image.unix_ms(), &payload))?;
        before = Some(image);
        // The events up to the next snapshot; after the last one, up to the end.
        let until = match index == last {
            true => to_ms,
            false => recording.time_of(index + 1).saturating_sub(1),
        };
        let events = recording.events(told_ms, until, EVENTS_MAX)?;
        if let Some(newest) = events.last() {
            let payload = lz4_flex::block::compress_prepend_size(&to_bytes(&events));
            put(&record::encode(Kind::Events, newest.at.unix_ms, &payload))?;
        }
        told_ms = until;
    }
    Ok(last - first + 1)
}

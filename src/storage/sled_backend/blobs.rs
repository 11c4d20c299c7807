//! The files that sled keeps beside its log, and never syncs.
//!
//! A node of a tree that is larger than a quarter of a segment, 128 KiB, is written to a file of its own
//! in `blobs/`, named by its position in the log, and the log holds only that number. `flush` makes the
//! log durable and not these files: after a power cut the log would name what is not there, and sled would
//! silently go back to what was there before. So they are synced here, before the log is.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// The directory of those files, and how far it was synced.
#[derive(Debug)]
pub(super) struct Blobs {
    dir: PathBuf,
    /// The highest number that was synced. Numbers only grow while a database is open.
    synced: Mutex<Option<i64>>,
}

impl Blobs {
    pub(super) fn in_database(path: &Path) -> Self {
        Self {
            dir: path.join("blobs"),
            synced: Mutex::new(None),
        }
    }

    /// Makes what came since the last call durable; at the first call everything, which a process that
    /// was killed may have left unsynced. Gives the number of files.
    ///
    /// # Errors
    /// Those of the file system. What was not synced is tried again.
    pub(super) fn sync(&self) -> io::Result<usize> {
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        let mut fresh: Vec<(i64, PathBuf)> = Vec::new();
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if let Some(number) = number.filter(|number| Some(*number) > *synced) {
                fresh.push((number, entry.path()));
            }
        }
        for (_, path) in &fresh {
            match File::open(path) {
                Ok(file) => file.sync_all()?,
                // sled collected it meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        if let Some(highest) = fresh.iter().map(|(number, _)| *number).max() {
            File::open(&self.dir)?.sync_all()?;
            *synced = Some(highest);
        }
        Ok(fresh.len())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Op, SledBackend, Table},
        *,
    };
    use crate::storage::backend::Backend as _;

    #[test]
    fn files_that_sled_keeps_beside_its_log_are_synced_once_each() {
        let dir = tempfile::tempdir().unwrap();
        let backend = SledBackend::open(dir.path(), 8 << 20).unwrap();
        let large = |n: u8| Op::put(Table::Bodies, vec![n; 8], vec![n; 400_000]);
        backend.apply(&[large(1), large(2)]).unwrap();
        let on_disk = || fs::read_dir(dir.path().join("blobs")).unwrap().count();
        let first = on_disk();
        assert!(first > 0, "sled keeps large nodes in files of their own");
        assert_eq!(backend.blobs.sync().unwrap(), first);
        assert_eq!(backend.blobs.sync().unwrap(), 0);
        backend.apply(&[large(3)]).unwrap();
        backend.flush().unwrap();
        assert_eq!(backend.blobs.sync().unwrap(), 0, "a flush leaves none behind");
        assert!(on_disk() > first);
    }
}

//! The consensus log: whatever a disk does to its files, opening refuses, or gives back a beginning of
//! what was written and goes on from there; never another record, never a panic.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use timecoin::storage::{
    disk::{Disk, DiskFile},
    wal::{Record, Wal, WalOptions},
};

use super::Bytes;

const DIR: &str = "/log";
/// Small, so that a few records fill several segments.
const OPTIONS: WalOptions = WalOptions {
    segment_bytes: 2_048,
    preallocate_bytes: 512,
};

type Files = Arc<Mutex<BTreeMap<PathBuf, Vec<u8>>>>;

#[derive(Clone, Default)]
struct Memory(Files);

struct File(Files, PathBuf);

impl Disk for Memory {
    fn create_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn is_dir(&self, dir: &Path) -> bool {
        dir == Path::new(DIR)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let files = self.0.lock().expect("no holder panics");
        let here = files.keys().filter(|path| path.parent() == Some(dir));
        Ok(here
            .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .collect())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.0
            .lock()
            .expect("no holder panics")
            .insert(path.to_owned(), Vec::new());
        Ok(Box::new(File(self.0.clone(), path.to_owned())))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        match self.0.lock().expect("no holder panics").contains_key(path) {
            true => Ok(Box::new(File(self.0.clone(), path.to_owned()))),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut files = self.0.lock().expect("no holder panics");
        let content = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_owned(), content);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.lock().expect("no holder panics").remove(path);
        Ok(())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for File {
    fn read_all(&self) -> io::Result<Vec<u8>> {
        let files = self.0.lock().expect("no holder panics");
        files
            .get(&self.1)
            .cloned()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut files = self.0.lock().expect("no holder panics");
        let content = files.get_mut(&self.1).ok_or(io::ErrorKind::NotFound)?;
        let end = offset as usize + bytes.len();
        content.resize(content.len().max(end), 0);
        content[offset as usize..end].copy_from_slice(bytes);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens what the disk holds; the records, if it opens.
fn open(disk: &Memory) -> Option<(Wal, Vec<Record>)> {
    Wal::open_on(Arc::new(disk.clone()), Path::new(DIR), OPTIONS)
        .ok()
        .map(|(wal, recovered)| (wal, recovered.records))
}

pub(crate) fn holds(data: &[u8]) {
    let mut bytes = Bytes(data);
    let disk = Memory::default();
    // Raw bytes as a segment: a stranger's file.
    if bytes.u8().is_multiple_of(4) {
        let path = Path::new(DIR).join("wal-0000000000000000.log");
        let content = bytes.take(usize::MAX).to_vec();
        disk.0.lock().expect("no holder panics").insert(path, content);
        let _ = open(&disk);
        return;
    }
    // A log of some records, then damage.
    let Ok(mut wal) = Wal::create_on(Arc::new(disk.clone()), Path::new(DIR), OPTIONS, &[]) else {
        return;
    };
    let mut written = Vec::new();
    for height in 0..1 + bytes.below(12) {
        let record = Record {
            kind: bytes.u8() % 8,
            height,
            payload: vec![bytes.u8(); usize::from(bytes.u16()) % 900],
        };
        if wal
            .append(record.kind, record.height, record.payload.clone())
            .is_err()
        {
            return;
        }
        written.push(record);
        if bytes.u8() % 3 != 0 && wal.sync().is_err() {
            return;
        }
    }
    if wal.sync().is_err() {
        return;
    }
    drop(wal);
    while !bytes.is_empty() {
        damage(&disk, &mut bytes);
    }
    let Some((mut wal, found)) = open(&disk) else {
        return;
    };
    assert!(written.starts_with(&found), "records that nobody wrote");
    let more = Record {
        kind: 3,
        height: 99,
        payload: vec![9; 40],
    };
    wal.append(more.kind, more.height, more.payload.clone())
        .expect("an open log takes records");
    wal.sync().expect("this disk never fails");
    drop(wal);
    let (_, again) = open(&disk).expect("a log that went on opens again");
    let (last, before) = again.split_last().expect("it holds at least the last one");
    assert_eq!(before, found);
    assert_eq!(*last, more);
}

fn damage(disk: &Memory, bytes: &mut Bytes<'_>) {
    let mut files = disk.0.lock().expect("no holder panics");
    let which = bytes.below(files.len() as u64) as usize;
    let Some(content) = files.values_mut().nth(which) else {
        return;
    };
    let (what, at) = (bytes.u8() % 3, usize::from(bytes.u16()));
    let at = at.min(content.len());
    match what {
        0 => content.truncate(at),
        1 => {
            let end = (at + usize::from(bytes.u8())).min(content.len());
            content[at..end].fill(0);
        }
        _ => {
            if let Some(byte) = content.get_mut(at) {
                *byte ^= 1 << bytes.below(8);
            }
        }
    }
}

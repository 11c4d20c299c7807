//! A disk in memory that can fail any operation, cut any write short, and be looked at as a power
//! cut would leave it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use super::disk::{Disk, DiskFile};

const SECTOR: usize = 512;

/// What happens at the chosen operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The operation and all later ones fail; a write gets half way.
    Crash,
    /// The operation fails, later ones succeed: what a retried fsync looks like.
    Error,
}

/// What of the unsynced work survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Survives {
    /// Only what was synced.
    Synced,
    /// Everything, as after kill -9.
    All,
    /// Each sector and each name by a coin.
    Some(u64),
}

#[derive(Debug, Clone, Default)]
struct FileState {
    current: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Debug, Default)]
struct State {
    dirs: BTreeSet<PathBuf>,
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    files: BTreeMap<u64, FileState>,
    next_file: u64,
    fault: Option<(usize, Fault)>,
    crashed: bool,
    log: Vec<String>,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct TestDisk(Arc<Mutex<State>>);

impl TestDisk {
    /// A disk with `dir` on it.
    pub(crate) fn with_dir(dir: &Path) -> Self {
        let disk = Self::default();
        disk.state().dirs.insert(dir.to_owned());
        disk
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Fails operation number `at` (from 0, over all changing operations).
    pub(crate) fn fail_at(&self, at: usize, fault: Fault) {
        self.state().fault = Some((at, fault));
    }

    /// Changing operations so far, e.g. `sync wal-….log`.
    pub(crate) fn log(&self) -> Vec<String> {
        self.state().log.clone()
    }

    /// The disk as the next boot finds it.
    pub(crate) fn after_crash(&self, survives: Survives) -> Self {
        let state = self.state();
        let mut coin = Coin(match survives {
            Survives::Some(seed) => seed,
            Survives::Synced | Survives::All => 0,
        });
        let mut keep = move || match survives {
            Survives::Synced => false,
            Survives::All => true,
            Survives::Some(_) => coin.toss(),
        };
        let mut names = state.durable_names.clone();
        for (path, id) in &state.names {
            if state.durable_names.get(path) != Some(id) && keep() {
                names.insert(path.clone(), *id);
            }
        }
        for path in state.durable_names.keys() {
            if !state.names.contains_key(path) && keep() {
                names.remove(path);
            }
        }
        let mut files = BTreeMap::new();
        for (id, file) in &state.files {
            let mut content = file.durable.clone();
            if file.current.len() != content.len() && keep() {
                content.resize(file.current.len(), 0);
            }
            for (sector, chunk) in file.current.chunks(SECTOR).enumerate() {
                let start = sector * SECTOR;
                let end = (start + chunk.len()).min(content.len());
                if start < end && content[start..end] != chunk[..end - start] && keep() {
                    content[start..end].copy_from_slice(&chunk[..end - start]);
                }
            }
            files.insert(
                *id,
                FileState {
                    current: content.clone(),
                    durable: content,
                },
            );
        }
        Self(Arc::new(Mutex::new(State {
            dirs: state.dirs.clone(),
            durable_names: names.clone(),
            names,
            files,
            next_file: state.next_file,
            fault: None,
            crashed: false,
            log: Vec::new(),
        })))
    }

    /// The same disk as the next process finds it after kill -9: what was written is there to be read, and a
    /// power cut still takes what was not synced.
    pub(crate) fn after_kill(&self) -> Self {
        let state = self.state();
        Self(Arc::new(Mutex::new(State {
            dirs: state.dirs.clone(),
            names: state.names.clone(),
            durable_names: state.durable_names.clone(),
            files: state.files.clone(),
            next_file: state.next_file,
            ..State::default()
        })))
    }

    /// A file's bytes.
    pub(crate) fn read(&self, path: &Path) -> Vec<u8> {
        let state = self.state();
        state.files[&state.names[path]].current.clone()
    }

    /// Replaces a file's bytes, durably.
    pub(crate) fn overwrite(&self, path: &Path, bytes: Vec<u8>) {
        let mut state = self.state();
        let id = state.names[path];
        state.files.insert(
            id,
            FileState {
                current: bytes.clone(),
                durable: bytes,
            },
        );
    }

    fn step(&self, what: &str, path: &Path) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        if state.crashed {
            return Err(io::Error::other("crashed"));
        }
        let index = state.log.len();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        state.log.push(format!("{what} {name}"));
        match state.fault {
            Some((at, fault)) if at == index => {
                state.crashed = fault == Fault::Crash;
                drop(state);
                Err(io::Error::other("injected"))
            }
            _ => Ok(state),
        }
    }
}

struct Coin(u64);

impl Coin {
    fn toss(&mut self) -> bool {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) & 1 == 1
    }
}

impl Disk for TestDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.state().dirs.insert(dir.to_owned());
        Ok(())
    }

    fn is_dir(&self, dir: &Path) -> bool {
        self.state().dirs.contains(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        let inside = state.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.step("create", path)?;
        let id = state.next_file;
        state.next_file += 1;
        state.names.insert(path.to_owned(), id);
        state.files.insert(id, FileState::default());
        drop(state);
        Ok(Box::new(TestFile {
            disk: self.clone(),
            id,
        }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let id = *self
            .state()
            .names
            .get(path)
            .ok_or(io::Error::from(io::ErrorKind::NotFound))?;
        Ok(Box::new(TestFile {
            disk: self.clone(),
            id,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.step("rename", to)?;
        let id = state
            .names
            .remove(from)
            .ok_or(io::Error::from(io::ErrorKind::NotFound))?;
        state.names.insert(to.to_owned(), id);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.step("remove", path)?;
        state
            .names
            .remove(path)
            .map(|_| ())
            .ok_or(io::Error::from(io::ErrorKind::NotFound))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.step("sync_dir", dir)?;
        state.durable_names.retain(|path, _| path.parent() != Some(dir));
        let inside: Vec<_> = state
            .names
            .iter()
            .filter(|(path, _)| path.parent() == Some(dir))
            .map(|(path, id)| (path.clone(), *id))
            .collect();
        state.durable_names.extend(inside);
        Ok(())
    }
}

struct TestFile {
    disk: TestDisk,
    id: u64,
}

impl TestFile {
    /// The name the file has now: it may have been renamed since it was opened.
    fn name(&self) -> PathBuf {
        let state = self.disk.state();
        let named = state.names.iter().find(|(_, id)| **id == self.id);
        named.map(|(path, _)| path.clone()).unwrap_or_default()
    }
}

impl DiskFile for TestFile {
    fn read_all(&self) -> io::Result<Vec<u8>> {
        Ok(self.disk.state().files[&self.id].current.clone())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let put = |state: &mut State, bytes: &[u8]| {
            let file = state.files.get_mut(&self.id).unwrap();
            let end = offset as usize + bytes.len();
            if file.current.len() < end {
                file.current.resize(end, 0);
            }
            file.current[offset as usize..end].copy_from_slice(bytes);
        };
        match self.disk.step("write", &self.name()) {
            Ok(mut state) => {
                put(&mut state, bytes);
                Ok(())
            }
            Err(error) => {
                if error.to_string() == "injected" {
                    put(&mut self.disk.state(), &bytes[..bytes.len() / 2]);
                }
                Err(error)
            }
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.step("sync", &self.name())?;
        let file = state.files.get_mut(&self.id).unwrap();
        file.durable = file.current.clone();
        Ok(())
    }
}

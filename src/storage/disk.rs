//! The few file operations on which durability rests, behind one small trait.
//!
//! Everything that has to survive a power cut (the consensus log, the redo file, `CURRENT`) is
//! written through [`Disk`], so that a test can enumerate every crash point, fail any fsync and cut
//! any write short. Nothing here retries: after a failed fsync the kernel may have dropped the dirty
//! pages and report success the next time.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

use super::failpoint;

/// A file system, as far as durable files need one.
pub trait Disk: Send + Sync + 'static {
    /// Creates `dir` and its missing parents; an existing directory is fine.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// True if `dir` is a directory.
    fn is_dir(&self, dir: &Path) -> bool;
    /// Names of the entries of `dir`, ascending.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Creates `path`, truncating what was there.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Opens an existing file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Replaces `to` by `from` in one step.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes names created, renamed or removed in `dir` durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// An open file of a [`Disk`].
pub trait DiskFile: Send {
    /// The whole content.
    fn read_all(&self) -> io::Result<Vec<u8>>;
    /// Writes all of `bytes` at `offset`, extending the file if needed.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes content and length durable (`fdatasync`).
    fn sync_data(&self) -> io::Result<()>;
}

/// The machine's own file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn is_dir(&self, dir: &Path) -> bool {
        dir.is_dir()
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        failpoint::pass()?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)?;
        Ok(Box::new(RealFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Box::new(RealFile(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        failpoint::pass()?;
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        failpoint::pass()?;
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        failpoint::pass()?;
        File::open(dir)?.sync_all()
    }
}

struct RealFile(File);

impl DiskFile for RealFile {
    fn read_all(&self) -> io::Result<Vec<u8>> {
        let mut content = vec![0; self.0.metadata()?.len() as usize];
        self.0.read_exact_at(&mut content, 0)?;
        Ok(content)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        failpoint::pass_write(|| {
            let _ = self.0.write_all_at(&bytes[..bytes.len() / 2], offset);
        })?;
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        failpoint::pass()?;
        self.0.sync_data()
    }
}

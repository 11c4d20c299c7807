//! The redo file: makes a flush of many small batches all or nothing across a crash.
//!
//! Everything that a flush changes in place (coins, undo records, tip) is written here first,
//! durably; then to the database in small batches; then the database is flushed; then the file goes.
//! Found at open, it is applied again before anything is read: each change names a key and its final
//! value, so applying it twice, or over half of itself, gives the same. Replaying blocks instead
//! would not do: a coin that the half-written flush deleted is needed to check them.
//!
//! ```text
//! magic 8 │ format u32 │ crc32c u32 │ generation u64 │ changes
//! change: table u8 │ 0 or 1 u8 │ key length u32 │ key │ if 1: value length u32 │ value
//! ```

use std::path::{Path, PathBuf};

use super::{
    StoreError, atomic_file,
    backend::{Op, Table},
    disk::Disk,
};

/// Name of the file in `blocks/`.
pub const REDO_FILE: &str = "flush.redo";

const MAGIC: &[u8; 8] = b"TIMEREDO";
const FORMAT: u32 = 1;
const HEADER_BYTES: usize = 24;

/// The redo file of a `blocks/` directory.
#[derive(Debug, Clone)]
pub(super) struct RedoFile {
    path: PathBuf,
}

impl RedoFile {
    pub(super) fn in_dir(blocks: &Path) -> Self {
        Self {
            path: blocks.join(REDO_FILE),
        }
    }

    /// The directory it lies in.
    pub(super) fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// Writes the file durably, in place of an older one. Returns its size.
    pub(super) fn write(&self, disk: &dyn Disk, generation: u64, ops: &[Op]) -> Result<usize, StoreError> {
        let bytes = encode(generation, ops);
        atomic_file::write_on(disk, &self.path, &bytes)
            .map_err(|source| StoreError::io(&self.path, "write redo file", source))?;
        Ok(bytes.len())
    }

    /// The changes of an interrupted flush of `generation`, if there was one. A file of another
    /// generation was left before a switch and means nothing.
    pub(super) fn read(&self, disk: &dyn Disk, generation: u64) -> Result<Option<Vec<Op>>, StoreError> {
        let file = match disk.open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io(&self.path, "open redo file", error)),
        };
        let bytes = file
            .read_all()
            .map_err(|source| StoreError::io(&self.path, "read redo file", source))?;
        match decode(&bytes) {
            Ok((written_for, ops)) => Ok((written_for == generation).then_some(ops)),
            Err(Fault::Newer(found)) => Err(StoreError::Newer {
                file: self.path.clone(),
                found,
                known: FORMAT,
            }),
            Err(Fault::Damaged) => Err(StoreError::corrupt(
                &self.path,
                "the record of an interrupted flush does not read back",
            )),
        }
    }

    /// Removes the file if it is there. Need not be durable: until the next one replaces it,
    /// applying it once more changes nothing.
    pub(super) fn remove(&self, disk: &dyn Disk) -> Result<(), StoreError> {
        match disk.remove(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(StoreError::io(&self.path, "remove redo file", error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

enum Fault {
    Damaged,
    Newer(u32),
}

fn encode(generation: u64, ops: &[Op]) -> Vec<u8> {
    let size: usize = ops
        .iter()
        .map(|op| 10 + op.key.len() + op.value.as_ref().map_or(0, Vec::len))
        .sum();
    let mut bytes = Vec::with_capacity(HEADER_BYTES + size);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&generation.to_le_bytes());
    for op in ops {
        bytes.push(op.table as u8);
        bytes.push(u8::from(op.value.is_some()));
        for part in [Some(&op.key), op.value.as_ref()].into_iter().flatten() {
            bytes.extend_from_slice(&(part.len() as u32).to_le_bytes());
            bytes.extend_from_slice(part);
        }
    }
    let crc = crc32c::crc32c(&bytes[16..]);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Result<(u64, Vec<Op>), Fault> {
    let mut rest = Reader(bytes);
    if rest.take(8)? != MAGIC {
        return Err(Fault::Damaged);
    }
    let format = rest.u32()?;
    if format > FORMAT {
        return Err(Fault::Newer(format));
    }
    let crc = rest.u32()?;
    if crc32c::crc32c(rest.0) != crc {
        return Err(Fault::Damaged);
    }
    let low = u64::from(rest.u32()?);
    let generation = low | u64::from(rest.u32()?) << 32;
    let mut ops = Vec::new();
    while let Some((&table, after)) = rest.0.split_first() {
        rest.0 = after;
        let table = *Table::ALL.get(usize::from(table)).ok_or(Fault::Damaged)?;
        let is_put = rest.take(1)? == [1];
        let key = rest.part()?;
        let value = if is_put { Some(rest.part()?) } else { None };
        ops.push(Op { table, key, value });
    }
    Ok((generation, ops))
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (head, tail) = self.0.split_at_checked(count).ok_or(Fault::Damaged)?;
        self.0 = tail;
        Ok(head)
    }

    fn u32(&mut self) -> Result<u32, Fault> {
        let mut word = [0; 4];
        word.copy_from_slice(self.take(4)?);
        Ok(u32::from_le_bytes(word))
    }

    fn part(&mut self) -> Result<Vec<u8>, Fault> {
        let length = self.u32()? as usize;
        Ok(self.take(length)?.to_vec())
    }
}

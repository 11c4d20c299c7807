//! The pool over a restart: written once a minute and when the node stops, read when it starts.
//!
//! Losing it costs nobody anything final, so damage only means an empty pool. What is read goes the
//! way of everything else: signatures are checked, and the engine admits or refuses. Each comes back with
//! the time since when it waits: a restart does not renew it.
//!
//! ```text
//! magic and layout 12 | chain 32 | entries | crc32c of all before 4
//! entry: waits since u64 | 1 if ours u8 | length u32 | canonical bytes      (layout 1: length and bytes)
//! ```

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    chain::{SharedTransaction, TRANSACTION_BYTES_MAX, TimestampMs, Transaction},
    crypto::Hash256,
    storage::atomic_file,
};

use super::bodies::Bodies;

/// Name of the file in the data directory.
const FILE: &str = "mempool.dat";
/// First bytes: what it is; the layout's number follows.
const MAGIC: &[u8; 11] = b"TIMEDPOOL\0\0";
/// The layout that is written; those below are read.
const LAYOUT: u8 = 2;
/// Most bytes written or read: more than a pool at its caps takes, which is 187 MB where every transaction has as many
/// inputs and outputs as it may. What is above it is left out, the youngest first.
const BYTES_MAX: u64 = 200_000_000;
/// Bytes before the first entry.
const HEAD_BYTES: u64 = 12 + 32;
/// Bytes of the sum at the end.
const CRC_BYTES: u64 = 4;
/// Read and summed at once.
const PIECE_BYTES: usize = 64 << 10;

/// What waits, in the order of arrival, each with the time since when.
pub(super) type Waiting = Vec<(SharedTransaction, TimestampMs)>;

/// One transaction of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Saved {
    pub(super) transaction: SharedTransaction,
    /// Since when it waits; layout 1 does not say.
    pub(super) since: Option<TimestampMs>,
    /// It was submitted here, and no peer was known to have it.
    pub(super) is_ours: bool,
}

/// The file of one node, and who may write it when.
#[derive(Debug)]
pub(super) struct PoolFile {
    path: PathBuf,
    chain_id: Hash256,
    /// Knows which of them are ours.
    bodies: Arc<Bodies>,
    /// Number of the newest state written; held while one is.
    newest: Mutex<u64>,
}

impl PoolFile {
    /// The one in `data_dir`.
    pub(super) fn new(data_dir: &Path, chain_id: Hash256, bodies: Arc<Bodies>) -> Self {
        Self {
            path: data_dir.join(FILE),
            chain_id,
            bodies,
            newest: Mutex::new(0),
        }
    }

    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces the file by state number `number`, unless a newer one stands in it. Gives how many
    /// transactions it holds. Blocks on the disk.
    pub(super) fn save(&self, number: u64, waiting: &Waiting) -> io::Result<usize> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if number < *newest {
            return Ok(0);
        }
        *newest = number;
        let is_ours = |transaction: &SharedTransaction| self.bodies.is_ours(&transaction.txid());
        write(&self.path, &self.chain_id, waiting, &is_ours)
    }

    /// Opens what an earlier run saved; `None` if it saved nothing. Blocks on the disk.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] if it is damaged or of another chain.
    pub(super) fn open(&self) -> io::Result<Option<SavedPool>> {
        SavedPool::open(&self.path, &self.chain_id)
    }
}

/// Sums what passes.
struct Summed<W> {
    inner: W,
    crc: u32,
    bytes: u64,
}

impl<W: Write> Summed<W> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        self.bytes += bytes.len() as u64;
        self.inner.write_all(bytes)
    }
}

fn write(
    path: &Path,
    chain_id: &Hash256,
    waiting: &Waiting,
    is_ours: &dyn Fn(&SharedTransaction) -> bool,
) -> io::Result<usize> {
    let temporary = path.with_extension(format!("dat{}", atomic_file::TEMPORARY_SUFFIX));
    let mut out = Summed {
        inner: BufWriter::new(File::create(&temporary)?),
        crc: 0,
        bytes: 0,
    };
    out.put(MAGIC)?;
    out.put(&[LAYOUT])?;
    out.put(chain_id.as_bytes())?;
    let mut count = 0;
    for (transaction, since) in waiting {
        let bytes = transaction.canonical_bytes();
        if out.bytes + bytes.len() as u64 + 13 + CRC_BYTES > BYTES_MAX {
            break;
        }
        out.put(&since.get().to_le_bytes())?;
        out.put(&[u8::from(is_ours(transaction))])?;
        out.put(&(bytes.len() as u32).to_le_bytes())?;
        out.put(&bytes)?;
        count += 1;
    }
    let crc = out.crc.to_le_bytes();
    out.put(&crc)?;
    let file = out.inner.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    // Undone by a power cut, the rename leaves the older file, which is as good.
    Ok(count)
}

/// A file whose sum holds, read piece by piece: a pool at its caps need not be in memory twice.
#[derive(Debug)]
pub(super) struct SavedPool {
    file: BufReader<File>,
    layout: u8,
    /// Bytes of entries that are not read yet.
    left: u64,
}

impl SavedPool {
    fn open(path: &Path, chain_id: &Hash256) -> io::Result<Option<Self>> {
        let mut file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let length = file.metadata()?.len();
        if !(HEAD_BYTES + CRC_BYTES..=BYTES_MAX).contains(&length) {
            return Err(damaged());
        }
        let (mut rest, mut crc) = (length - CRC_BYTES, 0);
        let mut piece = vec![0; PIECE_BYTES];
        while rest > 0 {
            let now = rest.min(PIECE_BYTES as u64) as usize;
            file.read_exact(&mut piece[..now])?;
            crc = crc32c::crc32c_append(crc, &piece[..now]);
            rest -= now as u64;
        }
        let mut sum = [0; CRC_BYTES as usize];
        file.read_exact(&mut sum)?;
        if crc != u32::from_le_bytes(sum) {
            return Err(damaged());
        }
        file.seek(SeekFrom::Start(0))?;
        let mut head = [0; HEAD_BYTES as usize];
        file.read_exact(&mut head)?;
        let (magic, chain) = head.split_at(MAGIC.len() + 1);
        let layout = magic[MAGIC.len()];
        if !magic.starts_with(MAGIC) || !(1..=LAYOUT).contains(&layout) || chain != chain_id.as_bytes() {
            return Err(damaged());
        }
        Ok(Some(Self {
            file: BufReader::new(file),
            layout,
            left: length - CRC_BYTES - HEAD_BYTES,
        }))
    }

    /// The next transactions, at most `count`; empty at the end.
    pub(super) fn next(&mut self, count: usize) -> io::Result<Vec<Saved>> {
        let mut found = Vec::new();
        while self.left > 0 && found.len() < count {
            let (since, is_ours) = match self.layout {
                1 => (None, false),
                _ => {
                    let since = u64::from_le_bytes(self.take()?);
                    (Some(TimestampMs::new(since)), self.take::<1>()? == [1])
                }
            };
            let length = u32::from_le_bytes(self.take()?) as usize;
            if length > TRANSACTION_BYTES_MAX || length as u64 > self.left {
                return Err(damaged());
            }
            let mut bytes = vec![0; length];
            self.file.read_exact(&mut bytes)?;
            self.left -= length as u64;
            found.push(Saved {
                transaction: SharedTransaction::new(
                    Transaction::from_canonical(&bytes).map_err(|_| damaged())?,
                ),
                since,
                is_ours,
            });
        }
        Ok(found)
    }

    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        self.left = self.left.checked_sub(N as u64).ok_or_else(damaged)?;
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

fn damaged() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "damaged, or of another chain: left aside",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::testing::TestChain;

    fn all(path: &Path, chain_id: &Hash256) -> io::Result<Vec<Saved>> {
        let Some(mut saved) = SavedPool::open(path, chain_id)? else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        loop {
            let next = saved.next(2)?;
            if next.is_empty() {
                return Ok(found);
            }
            found.extend(next);
        }
    }

    #[test]
    fn what_was_saved_comes_back_in_order_with_its_time_and_damage_gives_nothing() {
        let chain = TestChain::new(1, 3);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let id = chain.chain_id;
        assert_eq!(all(&path, &id).unwrap(), vec![]);
        let saved: Vec<Saved> = (0..3u32)
            .map(|n| Saved {
                transaction: chain.transfer(&[(chain.coin(n), u64::from(n))], &[(5, 900_000)]),
                since: Some(TimestampMs::new(7_000 + u64::from(n))),
                is_ours: n == 1,
            })
            .collect();
        let waiting: Waiting = saved
            .iter()
            .map(|one| (one.transaction.clone(), one.since.unwrap()))
            .collect();
        let ours = saved[1].transaction.txid();
        assert_eq!(write(&path, &id, &waiting, &|one| one.txid() == ours).unwrap(), 3);
        assert_eq!(all(&path, &id).unwrap(), saved);
        assert!(all(&path, &Hash256::ZERO).is_err());
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x40;
            for bytes in [&bad[..], &good[..at]] {
                fs::write(&path, bytes).unwrap();
                assert!(all(&path, &id).is_err(), "byte {at}");
            }
        }
    }

    #[test]
    fn a_file_of_the_first_layout_is_still_read() {
        let chain = TestChain::new(1, 1);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let transaction = chain.transfer(&[(chain.coin(0), 0)], &[(5, 900_000)]);
        let mut bytes = [&MAGIC[..], &[1], chain.chain_id.as_bytes()].concat();
        bytes.extend((transaction.size() as u32).to_le_bytes());
        bytes.extend(transaction.canonical_bytes());
        bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        fs::write(&path, bytes).unwrap();
        let (since, is_ours) = (None, false);
        let saved = Saved {
            transaction,
            since,
            is_ours,
        };
        assert_eq!(all(&path, &chain.chain_id).unwrap(), vec![saved]);
    }
}

//! The facade: opens a chain database, takes final blocks, hands out readers.
//!
//! Finality is durable through the consensus log, not through this: a block counts here once it is
//! committed, and reaches the disk with the next flush. A caller replays the log's later blocks after
//! open, and may let a height of the log go once [`StoreEvent::Flushed`] covers it. One thread
//! commits; any thread reads.

use std::{
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{
    chain::{Block, ChainState, CommitCertificate, Connected, Genesis, Height, History, UtxoDelta},
    crypto::Hash256,
};

use super::{
    StoreError,
    archive::{self, ArchivedBlock},
    backend::{Backend, Op, PAGE_ENTRIES_MAX, Table, pages},
    disk::{Disk, RealDisk},
    flush::{self, Target},
    generation,
    pending::{Pending, PendingBlock},
    reader::{self, StoreReader},
    redo::RedoFile,
    schema::{self, StoredHeader, StoredState},
    shared::Shared,
    sled_backend::{CACHE_BYTES, SledBackend},
    snapshot::{self, SnapshotFile},
    tx_index::migrate,
    writer::{self, FlushOptions, Queue, StoreEvent},
};

/// How a store is tuned.
#[derive(Debug, Clone, Copy)]
pub struct StoreOptions {
    /// When blocks are flushed.
    pub flush: FlushOptions,
    /// Hot coins kept decoded in memory, about 200 bytes each.
    pub cache_coins: usize,
    /// Page cache of the database in bytes; it takes three to four times this in memory.
    pub cache_bytes: u64,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            flush: FlushOptions::default(),
            cache_coins: 10_000,
            cache_bytes: CACHE_BYTES,
        }
    }
}

/// A final block with what connecting it gave.
#[derive(Debug, Clone)]
pub struct CommitBatch {
    /// The block.
    pub block: Block,
    /// What decided it.
    pub certificate: CommitCertificate,
    /// Change, undo and the state after it.
    pub connected: Connected,
}

/// Figures for people and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreStats {
    /// Bytes of the database on disk.
    pub size_bytes: u64,
    /// Last committed block.
    pub height: Height,
    /// Last block durable in the database.
    pub flushed_height: Height,
    /// Committed blocks that are not yet in the database.
    pub pending_blocks: usize,
    /// How long the last flush took; zero before the first.
    pub last_flush: Duration,
    /// Flushes since start.
    pub flushes: u64,
    /// Coins found in the cache since start.
    pub cache_hits: u64,
    /// Coins that had to be looked up in the database since start.
    pub cache_misses: u64,
}

/// An open chain database with its writer thread. Dropping it flushes.
pub struct Store {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the chain of `genesis` in `blocks`, completing a flush that a crash interrupted; makes
    /// it if there is none. `report` runs on the writer thread and must not block.
    ///
    /// # Errors
    /// [`StoreError::OtherChain`] and [`StoreError::Corrupt`] (exit 65), [`StoreError::Newer`]
    /// (exit 69), [`StoreError::DiskFull`], [`StoreError::Io`], [`StoreError::Backend`]. Whatever is
    /// wrong stays as it is.
    pub fn open(
        blocks: &Path,
        genesis: &Genesis,
        options: StoreOptions,
        report: impl Fn(StoreEvent) + Send + 'static,
    ) -> Result<Self, StoreError> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        disk.create_dir(blocks)
            .map_err(|source| StoreError::io(blocks, "create directory", source))?;
        let published = generation::current(disk.as_ref(), blocks)?;
        let generation = match published {
            Some(generation) => generation,
            None => unpublished(disk.as_ref(), blocks)?,
        };
        let dir = generation::dir(blocks, generation);
        if published.is_some() && !disk.is_dir(&dir) {
            return Err(StoreError::corrupt(&dir, "CURRENT names it, and it is missing"));
        }
        let backend: Arc<dyn Backend> = Arc::new(SledBackend::open(&dir, options.cache_bytes)?);
        // A generation that was built beside another one kept its redo file with itself. That it was
        // removed is made durable here: it must not come back over what is flushed from now on.
        flush::recover(&Target {
            backend: backend.as_ref(),
            disk: disk.as_ref(),
            redo: &RedoFile::in_dir(&dir),
            generation,
        })?;
        disk.sync_dir(&dir)
            .map_err(|source| StoreError::io(&dir, "sync directory", source))?;
        let store = Self::open_on(
            backend,
            Arc::clone(&disk),
            blocks,
            generation,
            genesis,
            options,
            report,
        )?;
        if published.is_none() {
            if store.reader().height() != Height::GENESIS {
                let file = blocks.join(generation::CURRENT_FILE);
                return Err(StoreError::corrupt(
                    &file,
                    format!("it is missing, and {} holds blocks", dir.display()),
                ));
            }
            generation::publish(disk.as_ref(), blocks, generation)?;
        }
        Ok(store)
    }

    /// Opens a generation that is there, named by `CURRENT` or not, with the redo file of `blocks`: the
    /// one that was in use until another was begun.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_generation(
        blocks: &Path,
        generation: u64,
        genesis: &Genesis,
        options: StoreOptions,
        report: impl Fn(StoreEvent) + Send + 'static,
    ) -> Result<Self, StoreError> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let dir = generation::dir(blocks, generation);
        if !disk.is_dir(&dir) {
            return Err(StoreError::corrupt(&dir, "it is missing"));
        }
        let backend: Arc<dyn Backend> = Arc::new(SledBackend::open(&dir, options.cache_bytes)?);
        Self::open_on(backend, disk, blocks, generation, genesis, options, report)
    }

    /// Opens a generation that `CURRENT` does not name: one being built ([`super::rebuild`]), made if
    /// it is missing. Its redo file lies in its own directory, so that the one in use keeps its own.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_beside(
        blocks: &Path,
        generation: u64,
        genesis: &Genesis,
        options: StoreOptions,
        report: impl Fn(StoreEvent) + Send + 'static,
    ) -> Result<Self, StoreError> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let dir = generation::dir(blocks, generation);
        disk.create_dir(&dir)
            .map_err(|source| StoreError::io(&dir, "create directory", source))?;
        let backend: Arc<dyn Backend> = Arc::new(SledBackend::open(&dir, options.cache_bytes)?);
        Self::open_on(backend, disk, &dir, generation, genesis, options, report)
    }

    /// [`Store::open`] on any engine and disk; `blocks` holds the redo file.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_on(
        backend: Arc<dyn Backend>,
        disk: Arc<dyn Disk>,
        blocks: &Path,
        generation: u64,
        genesis: &Genesis,
        options: StoreOptions,
        report: impl Fn(StoreEvent) + Send + 'static,
    ) -> Result<Self, StoreError> {
        let redo = RedoFile::in_dir(blocks);
        let target = Target {
            backend: backend.as_ref(),
            disk: disk.as_ref(),
            redo: &redo,
            generation,
        };
        settle_schema(backend.as_ref(), genesis.chain_id())?;
        flush::recover(&target)?;
        let state = match load_state(backend.as_ref())? {
            Some(state) => state,
            None => load_genesis(backend.as_ref(), genesis)?,
        };
        let pruned_below: Option<Height> = reader::read(backend.as_ref(), Table::Meta, schema::META_PRUNED)?;
        let shared = Shared::new(
            backend,
            disk,
            redo,
            generation,
            Queue::new(options.flush),
            Pending::new(state),
            options.cache_coins,
        );
        shared.set_pruned_below(pruned_below.unwrap_or(Height::GENESIS));
        let shared = Arc::new(shared);
        let for_writer = Arc::clone(&shared);
        let writer = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer::run(&for_writer, &report))
            .map_err(|source| StoreError::io(blocks, "start the writer thread", source))?;
        Ok(Self {
            shared,
            writer: Some(writer),
        })
    }

    /// Makes a final block the tip for all readers and queues it for the next flush. Waits only
    /// while too many blocks are unflushed ([`FlushOptions`]).
    ///
    /// # Errors
    /// [`StoreError::NotNext`] unless it follows the tip, [`StoreError::Stopped`] once the writer has
    /// failed; the store is then as before.
    pub fn commit(&self, batch: CommitBatch) -> Result<(), StoreError> {
        let CommitBatch {
            block,
            certificate,
            connected,
        } = batch;
        self.shared.queue.wait_for_room()?;
        let tip = self.shared.pending().state.tip;
        if block.header.height != tip.height.next() || block.header.prev_hash != tip.hash {
            return Err(StoreError::NotNext {
                tip: tip.height,
                found: block.header.height,
            });
        }
        let block = Arc::new(PendingBlock {
            block,
            hash: connected.hash,
            certificate,
            delta: connected.delta,
            before: connected.before,
            state: Arc::new(connected.state),
        });
        self.shared.add(Arc::clone(&block));
        self.shared.queue.push(block);
        Ok(())
    }

    /// Adds final blocks, ascending without gaps, below the lowest one that is here, and waits until they are
    /// durable; blocks at the tip go first. Gives [`StoreReader::pruned_below`] as it is then. Blocks that
    /// nobody proved are the caller's fault: only that they hang together is looked at.
    ///
    /// # Errors
    /// [`StoreError::NotBelow`] unless the last is the parent of the lowest block here,
    /// [`StoreError::Stopped`] once the writer ends, [`StoreError::Backend`]: nothing that was here is
    /// touched, and blocks at the tip are still taken.
    pub fn archive(&self, blocks: &[ArchivedBlock]) -> Result<Height, StoreError> {
        archive::add(&self.shared, blocks)
    }

    /// Lowest height whose body is here; see [`StoreReader::pruned_below`].
    pub fn pruned_below(&self) -> Height {
        self.shared.pruned_below()
    }

    /// Remembers evidence; it reaches the disk with the next flush. Known evidence changes nothing.
    /// False if so much waits already that this piece was left out.
    ///
    /// # Errors
    /// [`StoreError::Stopped`] once the writer has failed.
    pub fn add_evidence(&self, height: Height, id: &Hash256, bytes: Vec<u8>) -> Result<bool, StoreError> {
        let key = schema::evidence_key(height, id);
        self.shared
            .pending_mut()
            .evidence
            .insert(key.clone(), bytes.clone());
        let put = Op::put(Table::Evidence, key.clone(), bytes);
        let taken = self.shared.queue.push_evidence(put);
        if !matches!(taken, Ok(true)) {
            self.shared.pending_mut().evidence.remove(&key);
        }
        taken
    }

    /// Deletes evidence with the next flush. False if so much waits already that it stays.
    ///
    /// # Errors
    /// [`StoreError::Stopped`] once the writer has failed.
    pub fn forget_evidence(&self, height: Height, id: &Hash256) -> Result<bool, StoreError> {
        let key = schema::evidence_key(height, id);
        self.shared.pending_mut().evidence.remove(&key);
        self.shared.queue.push_evidence(Op::delete(Table::Evidence, key))
    }

    /// A handle for reading.
    pub fn reader(&self) -> StoreReader {
        StoreReader::new(Arc::clone(&self.shared))
    }

    /// Flushes everything committed so far and waits for it.
    ///
    /// # Errors
    /// [`StoreError::Stopped`] if the writer has failed.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.shared.queue.flush()
    }

    /// Flushes, and writes a snapshot of the state at the tip where nodes that join find it. For a store
    /// that nobody commits to meanwhile. `None` if there is nothing to write one of: at block 0, or with more
    /// coins than a snapshot holds.
    ///
    /// # Errors
    /// [`StoreError::Stopped`] if the writer has failed, [`StoreError::DiskFull`], [`StoreError::Io`],
    /// [`StoreError::Backend`], [`StoreError::Corrupt`]; the database is as it was.
    pub fn write_snapshot(&self) -> Result<Option<SnapshotFile>, StoreError> {
        self.flush()?;
        let height = self.shared.flushed_height();
        if height == Height::GENESIS {
            return Ok(None);
        }
        let blocks = self.shared.redo.dir();
        snapshot::export(self.shared.backend.as_ref(), blocks, height)?;
        snapshot::written(blocks, height)
    }

    /// Flushes, ends the writer and closes. Readers still in use keep the database open.
    ///
    /// # Errors
    /// [`StoreError::Stopped`] if the writer has failed: then the consensus log has the rest.
    pub fn close(mut self) -> Result<(), StoreError> {
        let flushed = self.flush();
        self.join();
        flushed
    }

    /// Figures of this moment.
    ///
    /// # Errors
    /// [`StoreError::Backend`] if the database cannot tell its size.
    pub fn stats(&self) -> Result<StoreStats, StoreError> {
        let size_bytes = self.shared.backend.size_bytes()?;
        let (cache_hits, cache_misses) = self.shared.cache_counts();
        let pending = self.shared.pending();
        Ok(StoreStats {
            size_bytes,
            height: pending.state.tip.height,
            flushed_height: self.shared.flushed_height(),
            pending_blocks: pending.len(),
            last_flush: self.shared.last_flush(),
            flushes: self.shared.flushes(),
            cache_hits,
            cache_misses,
        })
    }

    /// Keys and values of all tables together, in bytes: what the database would take if it wasted nothing.
    /// Walks over everything.
    ///
    /// # Errors
    /// [`StoreError::Backend`] if the database does not answer.
    pub fn live_bytes(&self) -> Result<u64, StoreError> {
        let mut bytes = 0;
        for table in Table::ALL {
            for page in pages(self.shared.backend.as_ref(), table, &[], PAGE_ENTRIES_MAX) {
                let lengths = page?.into_iter().map(|(key, value)| key.len() + value.len());
                bytes += lengths.sum::<usize>() as u64;
            }
        }
        Ok(bytes)
    }

    fn join(&mut self) {
        self.shared.queue.stop();
        if let Some(writer) = self.writer.take() {
            // A panic of the writer has been printed, and the queue refuses since.
            let _ = writer.join();
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.join();
    }
}

/// The generation to make or go on making when none was published: the first one.
fn unpublished(disk: &dyn Disk, blocks: &Path) -> Result<u64, StoreError> {
    match generation::present(disk, blocks)?.last() {
        None | Some(0) => Ok(0),
        Some(newest) => {
            let file = blocks.join(generation::CURRENT_FILE);
            let what = format!("it is missing, and generations up to {newest} are present");
            Err(StoreError::corrupt(&file, what))
        }
    }
}

/// Refuses a database of another layout or another chain, but for the layout before, which becomes this one. An
/// empty one has neither yet.
fn settle_schema(backend: &dyn Backend, expected: Hash256) -> Result<(), StoreError> {
    let Some(found) = reader::read::<u32>(backend, Table::Meta, schema::META_SCHEMA)? else {
        return Ok(());
    };
    if found > schema::SCHEMA {
        return Err(StoreError::Newer {
            file: backend.path().to_owned(),
            found,
            known: schema::SCHEMA,
        });
    }
    if found < migrate::FROM {
        return Err(StoreError::Older {
            file: backend.path().to_owned(),
            found,
            known: schema::SCHEMA,
        });
    }
    match reader::read::<Hash256>(backend, Table::Meta, schema::META_CHAIN)? {
        Some(chain) if chain == expected => match found == migrate::FROM {
            true => migrate::migrate(backend),
            false => Ok(()),
        },
        Some(found) => Err(StoreError::OtherChain {
            file: backend.path().to_owned(),
            found,
            expected,
        }),
        // Cut short while block 0 was written; that starts again.
        None if !backend.contains(Table::Meta, schema::META_TIP)? => Ok(()),
        None => Err(StoreError::corrupt(
            backend.path(),
            "it does not say whose chain it holds",
        )),
    }
}

/// The stored state, checked against the block it belongs to; `None` in an empty database.
fn load_state(backend: &dyn Backend) -> Result<Option<ChainState>, StoreError> {
    let Some(state) = reader::read::<StoredState>(backend, Table::Meta, schema::META_TIP)? else {
        return Ok(None);
    };
    let corrupt = |what: String| StoreError::corrupt(backend.path(), what);
    let registry = reader::read(backend, Table::Meta, schema::META_REGISTRY)?;
    let history = reader::read(backend, Table::Meta, schema::META_HISTORY)?;
    let (Some(registry), Some(history)) = (registry, history) else {
        return Err(corrupt("masternodes or validator sets are missing".to_owned()));
    };
    let state = state.complete(registry, history);
    let tip = state.tip;
    let key = schema::height_key(tip.height);
    let header: Option<StoredHeader> = reader::read(backend, Table::Headers, &key)?;
    let Some(StoredHeader { header, .. }) = header else {
        return Err(corrupt(format!(
            "the header of the tip, block {}, is missing",
            tip.height
        )));
    };
    if header.height != tip.height || header.hash() != tip.hash {
        return Err(corrupt(format!(
            "the header of block {} is not that of the tip {}",
            tip.height, tip.hash
        )));
    }
    if header.utxo_commitment != state.commitment.digest() {
        return Err(corrupt(format!(
            "the state does not have the commitment of block {}",
            tip.height
        )));
    }
    if !backend.contains(Table::Bodies, &key)? {
        return Err(corrupt(format!(
            "the body of the tip, block {}, is missing",
            tip.height
        )));
    }
    if backend.get(Table::Hashes, tip.hash.as_bytes())?.as_deref() != Some(&key[..]) {
        return Err(corrupt(format!("the index does not know the tip {}", tip.hash)));
    }
    Ok(Some(state))
}

/// A state from its stored parts: registry, history, tip.
pub(super) fn state_of(parts: &[Vec<u8>]) -> Option<ChainState> {
    let [registry, history, tip] = parts else {
        return None;
    };
    let tip: StoredState = schema::decode(tip).ok()?;
    let history: History = schema::decode(history).ok()?;
    history
        .is_in_order()
        .then(|| Some(tip.complete(schema::decode(registry).ok()?, history)))?
}

/// Writes block 0 and its coins into an empty database, the tip last and only after the rest is
/// durable. Interrupted, it starts again.
fn load_genesis(backend: &dyn Backend, genesis: &Genesis) -> Result<ChainState, StoreError> {
    let (state, UtxoDelta { created, .. }) = ChainState::genesis(genesis);
    let block = genesis.block();
    let mut ops = vec![
        Op::put(Table::Meta, schema::META_SCHEMA, schema::encode(&schema::SCHEMA)),
        Op::put(
            Table::Meta,
            schema::META_CHAIN,
            schema::encode(&genesis.chain_id()),
        ),
        Op::put(
            Table::Meta,
            schema::META_REGISTRY,
            schema::encode(&*state.registry),
        ),
        Op::put(Table::Meta, schema::META_HISTORY, schema::encode(&*state.history)),
    ];
    schema::archive_ops(state.tip.hash, &block, None, &mut ops);
    for (outpoint, coin) in &created {
        schema::create_ops(outpoint, coin, &mut ops);
    }
    flush::apply_chunked(backend, &ops)?;
    backend.flush()?;
    let tip = schema::encode(&StoredState::of(&state));
    backend.apply(&[Op::put(Table::Meta, schema::META_TIP, tip)])?;
    backend.flush()?;
    Ok(state)
}

#[cfg(test)]
mod tests;

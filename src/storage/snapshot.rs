//! Snapshots of the state: written once at certain heights, never changed, served page by page, and
//! loaded into a new generation that is worth nothing until its commitment is the certified one.
//!
//! A snapshot is written by the writer's thread between two flushes: then the database stands
//! exactly at its height, and no coin moves while it is read. Flushes wait meanwhile; the queue before
//! them, and the consensus log, hold what comes.
//!
//! ```text
//! blocks/snapshots/<height>.pages      pages of up to 1000 coins, one after the other
//! blocks/snapshots/<height>.manifest   what they are and where; written last
//! ```

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use bincode::{Decode, Encode};

use crate::{
    chain::{Block, BlockHash, ChainState, Coin, CoinSum, CommitCertificate, Genesis, Height, OutPoint},
    crypto::{Hash256, HashWriter},
    wire::{BoundedVec, SnapshotManifest, limits},
};

use super::{
    StoreError, atomic_file,
    backend::{Backend, Op, Table, pages},
    flush, generation,
    reader::CoinPage,
    schema,
    sled_backend::SledBackend,
    store,
};

/// Directory of the files, in `blocks/`.
const DIR: &str = "snapshots";
/// Snapshots kept: the newest, and the one before for whoever is still fetching it.
const KEPT: usize = 2;
/// Coins up to which a snapshot is written: flushes wait for it.
const COINS_MAX: u64 = (limits::SNAPSHOT_PAGES_MAX * limits::UTXO_PAGE_MAX) as u64;
/// Longest manifest file that is read: pages with their places.
const MANIFEST_BYTES_MAX: u64 = 8 << 20;
/// Parts of the state that stand in [`Table::Meta`], in the order of the manifest; the tip last, as in
/// every write.
const PARTS: [&[u8]; 3] = [schema::META_REGISTRY, schema::META_HISTORY, schema::META_TIP];

/// Where a page lies in its file.
#[derive(Debug, Clone, Copy, Encode, Decode)]
struct Place {
    offset: u64,
    bytes: u32,
    last: OutPoint,
}

/// A manifest as it is stored.
#[derive(Debug, Clone, Encode, Decode)]
struct Stored {
    manifest: SnapshotManifest,
    places: Vec<Place>,
}

/// Hash of a page; what the manifest promises of it.
pub fn page_hash(items: &[(OutPoint, Coin)]) -> Hash256 {
    let mut writer = HashWriter::new("timecoin/snapshot-page/1").u64(items.len() as u64);
    for (outpoint, coin) in items {
        writer = writer.bytes(&coin.element(outpoint));
    }
    writer.finish()
}

/// Writes the snapshot of the state that `backend` holds, which is the one after `height`, and forgets
/// all but the newest.
pub(super) fn export(backend: &dyn Backend, blocks: &Path, height: Height) -> Result<(), StoreError> {
    export_up_to(backend, blocks, height, COINS_MAX)
}

/// The same for at most `coins_max` coins. The state says how many there are before any is read: a
/// snapshot that would only be thrown away keeps no flush waiting.
fn export_up_to(
    backend: &dyn Backend,
    blocks: &Path,
    height: Height,
    coins_max: u64,
) -> Result<(), StoreError> {
    let dir = blocks.join(DIR);
    let failed = |source| StoreError::io(&dir, "write snapshot", source);
    let missing =
        |what: &str| StoreError::corrupt(backend.path(), format!("{what} of block {height} is missing"));
    fs::create_dir_all(&dir).map_err(failed)?;
    // First: a full disk may be full of what failed before.
    forget_old(&dir)?;
    let header: Option<schema::StoredHeader> =
        super::reader::read(backend, Table::Headers, &schema::height_key(height))?;
    let header = header.ok_or_else(|| missing("the header"))?;
    let certificate = header.certificate.ok_or_else(|| missing("the certificate"))?;
    let mut state = Vec::new();
    for part in PARTS {
        state.push(
            backend
                .get(Table::Meta, part)?
                .ok_or_else(|| missing("a part of the state"))?,
        );
    }
    let tip: Option<schema::StoredState> = super::reader::read(backend, Table::Meta, schema::META_TIP)?;
    let tip = tip.ok_or_else(|| missing("a part of the state"))?;
    if tip.totals.utxo_count > coins_max {
        return Ok(());
    }
    let pages_path = dir.join(format!("{height}.pages"));
    let unfinished = dir.join(format!("{height}.pages.tmp"));
    let mut file = BufWriter::new(File::create(&unfinished).map_err(failed)?);
    let (mut hashes, mut places, mut coins, mut offset) = (Vec::new(), Vec::new(), 0, 0);
    for page in pages(backend, Table::Utxos, &[], limits::UTXO_PAGE_MAX) {
        let items = super::reader::coins_of(&page?)
            .ok_or_else(|| StoreError::corrupt(backend.path(), "a coin does not decode"))?;
        let bytes = schema::encode(&items);
        file.write_all(&bytes).map_err(failed)?;
        hashes.push(page_hash(&items));
        places.extend(items.last().map(|(last, _)| Place {
            offset,
            bytes: bytes.len() as u32,
            last: *last,
        }));
        coins += items.len() as u64;
        offset += bytes.len() as u64;
        // The count is part of the state, and a damaged one must not write for ever.
        if coins > coins_max {
            fs::remove_file(&unfinished).map_err(failed)?;
            return Ok(());
        }
    }
    let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)?;
    fs::rename(&unfinished, &pages_path).map_err(failed)?;
    let too_large = || StoreError::corrupt(&dir, "the state is too large for a snapshot");
    let stored = Stored {
        manifest: SnapshotManifest {
            header: header.header,
            certificate,
            state: BoundedVec::new(state).map_err(|_| too_large())?,
            coins,
            pages: BoundedVec::new(hashes).map_err(|_| too_large())?,
        },
        places,
    };
    let manifest = dir.join(format!("{height}.manifest"));
    atomic_file::write(&manifest, &schema::encode(&stored)).map_err(failed)?;
    forget_old(&dir)
}

/// A snapshot that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotFile {
    /// The height whose state it is.
    pub height: Height,
    /// Hash of its block.
    pub hash: BlockHash,
    /// Coins in it.
    pub coins: u64,
    /// What it says of itself; its pages lie beside it.
    pub manifest: PathBuf,
    /// Bytes of manifest and pages.
    pub bytes: u64,
}

/// The snapshot at `height` in `blocks`, if there is one.
pub(super) fn written(blocks: &Path, height: Height) -> Result<Option<SnapshotFile>, StoreError> {
    let Some(stored) = Snapshots::new(blocks).stored(height.get()) else {
        return Ok(None);
    };
    let dir = blocks.join(DIR);
    let path = |kind: &str| dir.join(format!("{height}.{kind}"));
    let length = |path: &Path| {
        let found = fs::metadata(path).map_err(|error| StoreError::io(path, "look at", error));
        found.map(|found| found.len())
    };
    let manifest = path("manifest");
    Ok(Some(SnapshotFile {
        height,
        hash: stored.manifest.header.hash(),
        coins: stored.manifest.coins,
        bytes: length(&manifest)? + length(&path("pages"))?,
        manifest,
    }))
}

/// Heights with a manifest, ascending.
fn heights(dir: &Path) -> Vec<u64> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut heights: Vec<u64> = entries
        .filter_map(|entry| {
            entry
                .file_name()
                .to_str()?
                .strip_suffix(".manifest")?
                .parse()
                .ok()
        })
        .collect();
    heights.sort_unstable();
    heights
}

/// Removes all but the newest snapshots, and what an earlier run left half written.
fn forget_old(dir: &Path) -> Result<(), StoreError> {
    let heights = heights(dir);
    let kept = &heights[heights.len().saturating_sub(KEPT)..];
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    // A manifest before its pages: pages without one are never looked for.
    names.sort_unstable();
    for name in names {
        let height = name
            .split('.')
            .next()
            .and_then(|height| height.parse::<u64>().ok());
        if height.is_some_and(|height| name.ends_with(".tmp") || !kept.contains(&height)) {
            let path = dir.join(&name);
            fs::remove_file(&path).map_err(|error| StoreError::io(&path, "remove", error))?;
        }
    }
    Ok(())
}

/// The snapshots of a node, for those who ask.
#[derive(Debug)]
pub struct Snapshots {
    dir: PathBuf,
    /// The manifest read last; pages are asked for one after the other.
    cached: Mutex<Option<(u64, Arc<Stored>)>>,
}

impl Snapshots {
    /// Those in `blocks`.
    pub fn new(blocks: &Path) -> Self {
        Self {
            dir: blocks.join(DIR),
            cached: Mutex::new(None),
        }
    }

    fn stored(&self, height: u64) -> Option<Arc<Stored>> {
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, stored)) = cached.as_ref().filter(|(known, _)| *known == height) {
            return Some(Arc::clone(stored));
        }
        let path = self.dir.join(format!("{height}.manifest"));
        if fs::metadata(&path).ok()?.len() > MANIFEST_BYTES_MAX {
            return None;
        }
        let stored: Arc<Stored> = Arc::new(schema::decode(&fs::read(&path).ok()?).ok()?);
        *cached = Some((height, Arc::clone(&stored)));
        Some(stored)
    }

    /// The manifest of the newest one.
    pub fn newest(&self) -> Option<SnapshotManifest> {
        let newest = heights(&self.dir).pop()?;
        Some(self.stored(newest)?.manifest.clone())
    }

    /// The page after `cursor` of the snapshot at `height`, and where the next one continues.
    pub fn page(
        &self,
        height: Height,
        hash: &BlockHash,
        cursor: Option<OutPoint>,
    ) -> Option<(CoinPage, Option<OutPoint>)> {
        let stored = self.stored(height.get())?;
        if stored.manifest.header.hash() != *hash {
            return None;
        }
        let index = match cursor {
            None => 0,
            Some(cursor) => {
                1 + stored
                    .places
                    .binary_search_by_key(&cursor, |place| place.last)
                    .ok()?
            }
        };
        let place = stored.places.get(index)?;
        let mut bytes = vec![0; place.bytes as usize];
        let file = File::open(self.dir.join(format!("{height}.pages"))).ok()?;
        file.read_exact_at(&mut bytes, place.offset).ok()?;
        let next = (index + 1 < stored.places.len()).then_some(place.last);
        Some((schema::decode(&bytes).ok()?, next))
    }
}

/// Why a page or a whole snapshot was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Whoever sent this page lied: another has it right.
    #[error("a page of the snapshot is not the one that its manifest promises")]
    Page,
    /// The manifest itself lies: whoever vouched for it did.
    #[error("the snapshot is not the state that block {height} commits to: {what}")]
    Manifest {
        /// Height of the snapshot.
        height: Height,
        /// What does not fit.
        what: &'static str,
    },
    /// Our own database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The state that a manifest claims; [`SnapshotLoader::finish`] proves it. `None` if it does not
/// decode.
pub fn claimed_state(manifest: &SnapshotManifest) -> Option<ChainState> {
    (manifest.state.len() == PARTS.len())
        .then(|| store::state_of(&manifest.state))
        .flatten()
}

/// A snapshot on its way into a new generation.
pub struct SnapshotLoader {
    backend: Arc<dyn Backend>,
    manifest: SnapshotManifest,
    sum: CoinSum,
    cursor: Option<OutPoint>,
    taken: usize,
}

impl SnapshotLoader {
    /// Begins anew: whatever an earlier attempt left in `generation` goes.
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::Backend`].
    pub fn begin(
        blocks: &Path,
        generation: u64,
        manifest: SnapshotManifest,
        cache_bytes: u64,
    ) -> Result<Self, StoreError> {
        let dir = generation::dir(blocks, generation);
        match fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::io(&dir, "remove", error));
            }
            Ok(()) | Err(_) => {}
        }
        fs::create_dir_all(&dir).map_err(|error| StoreError::io(&dir, "create directory", error))?;
        let backend: Arc<dyn Backend> = Arc::new(SledBackend::open(&dir, cache_bytes)?);
        Ok(Self::on(backend, manifest))
    }

    /// On any engine, which has to be empty.
    pub fn on(backend: Arc<dyn Backend>, manifest: SnapshotManifest) -> Self {
        Self {
            backend,
            manifest,
            sum: CoinSum::default(),
            cursor: None,
            taken: 0,
        }
    }

    /// The cursor to ask the next page with; `None` as the outer value once all are here.
    pub fn next(&self) -> Option<Option<OutPoint>> {
        (self.taken < self.manifest.pages.len()).then_some(self.cursor)
    }

    /// Pages that came, and all of them.
    pub fn progress(&self) -> (u64, u64) {
        (self.taken as u64, self.manifest.pages.len() as u64)
    }

    /// Takes the next page.
    ///
    /// # Errors
    /// [`LoadError::Page`] if it is not the one that the manifest promises, [`LoadError::Store`].
    pub fn add(&mut self, items: &[(OutPoint, Coin)], next: Option<OutPoint>) -> Result<(), LoadError> {
        let promised = self.manifest.pages.get(self.taken).ok_or(LoadError::Page)?;
        let last = items.last().map(|(last, _)| *last);
        let is_last = self.taken + 1 == self.manifest.pages.len();
        let follows = items.first().map(|(first, _)| *first) > self.cursor
            && items.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let continues = next == last.filter(|_| !is_last);
        if last.is_none() || !follows || !continues || page_hash(items) != *promised {
            return Err(LoadError::Page);
        }
        let mut ops = Vec::with_capacity(items.len() * 2);
        for (outpoint, coin) in items {
            self.sum.add(outpoint, coin);
            schema::create_ops(outpoint, coin, &mut ops);
        }
        flush::apply_chunked(self.backend.as_ref(), &ops)?;
        self.cursor = last;
        self.taken += 1;
        Ok(())
    }

    /// Proves the whole against the certified header, and only then makes it a database that opens.
    /// `block` is the snapshot's own block.
    ///
    /// # Errors
    /// [`LoadError::Manifest`] if it proves nothing, [`LoadError::Store`].
    pub fn finish(self, genesis: &Genesis, block: &Block) -> Result<(), LoadError> {
        let header = &self.manifest.header;
        let height = header.height;
        let lie = |what| LoadError::Manifest { height, what };
        if self.next().is_some() || self.sum.count() != self.manifest.coins {
            return Err(lie("coins are missing"));
        }
        if block.header != *header {
            return Err(lie("its block is another one"));
        }
        let state = store::state_of(&self.manifest.state)
            .ok_or_else(|| lie("a part of the state is missing or does not decode"))?;
        if state.tip.height != height || state.tip.hash != header.hash() {
            return Err(lie("its tip is another block"));
        }
        if state.tip.timestamp_ms != header.timestamp_ms
            || state.commitment.digest() != header.utxo_commitment
            || state.validator_set_hash() != header.next_vset_hash
            || !state.is_made_of(&self.sum)
        {
            return Err(lie("its commitment is another one"));
        }
        let mut ops = vec![
            Op::put(Table::Meta, schema::META_SCHEMA, schema::encode(&schema::SCHEMA)),
            Op::put(
                Table::Meta,
                schema::META_CHAIN,
                schema::encode(&genesis.chain_id()),
            ),
            Op::put(Table::Meta, schema::META_PRUNED, schema::encode(&height)),
        ];
        let first = genesis.block();
        schema::archive_ops(first.hash(), &first, None, &mut ops);
        let certificate: &CommitCertificate = &self.manifest.certificate;
        schema::archive_ops(state.tip.hash, block, Some(certificate), &mut ops);
        let backend = self.backend.as_ref();
        flush::apply_chunked(backend, &ops)?;
        backend.flush().map_err(StoreError::from)?;
        for (part, bytes) in PARTS.iter().zip(self.manifest.state.iter()) {
            backend
                .apply(&[Op::put(Table::Meta, *part, bytes.clone())])
                .map_err(StoreError::from)?;
        }
        backend.flush().map_err(StoreError::from)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;

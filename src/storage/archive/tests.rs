//! Blocks below a snapshot come in from the top, durably, and are seen all at once or not at all.

use super::*;
use crate::{
    chain::{Genesis, TxId, testing::TestChain},
    crypto::Signature,
    storage::{
        CommitBatch, FlushOptions, SnapshotLoader, Snapshots, Store, StoreOptions, backend::Backend,
        disk::RealDisk, memory::MemoryBackend, schema::TransactionPosition, test_backend::TestBackend,
    },
};

/// Height of the snapshot.
const JOINED: u64 = 6;

struct World {
    genesis: Genesis,
    /// Blocks 1 to 8.
    blocks: Vec<ArchivedBlock>,
    /// What committing the last two takes.
    above: Vec<CommitBatch>,
    /// A database that began with the snapshot.
    backend: Arc<MemoryBackend>,
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let mut chain = TestChain::new(4, 20);
        let dir = tempfile::tempdir().unwrap();
        let options = StoreOptions {
            flush: FlushOptions {
                snapshot_every: JOINED,
                ..FlushOptions::default()
            },
            ..StoreOptions::default()
        };
        let first = Arc::new(MemoryBackend::default());
        let disk = Arc::new(RealDisk);
        let store = Store::open_on(first, disk, dir.path(), 0, &chain.genesis, options, |_| {}).unwrap();
        let (mut blocks, mut above) = (Vec::new(), Vec::new());
        for n in 1..=JOINED as u32 + 2 {
            let spend = chain.transfer(&[(chain.coin(n), u64::from(n))], &[(7, 1_000), (8, 2_000)]);
            let block = chain.assemble(1_000, vec![spend.clone()]).block.into_inner();
            let connected = chain.extend(1_000, vec![spend]);
            let certificate = CommitCertificate {
                height: block.header.height,
                round: 0,
                block_hash: connected.hash,
                signatures: vec![(0, Signature::from_bytes([1; 64]))],
            };
            let batch = CommitBatch {
                block: block.clone(),
                certificate: certificate.clone(),
                connected,
            };
            blocks.push(ArchivedBlock {
                block,
                hash: batch.connected.hash,
                certificate,
            });
            if u64::from(n) > JOINED {
                above.push(batch.clone());
            }
            store.commit(batch).unwrap();
        }
        store.close().unwrap();
        let served = Snapshots::new(dir.path());
        let manifest = served.newest().unwrap();
        let backend = Arc::new(MemoryBackend::default());
        let mut loader = SnapshotLoader::on(Arc::clone(&backend) as Arc<dyn Backend>, manifest.clone());
        while let Some(cursor) = loader.next() {
            let (height, hash) = (manifest.header.height, manifest.header.hash());
            let (items, next) = served.page(height, &hash, cursor).unwrap();
            loader.add(&items, next).unwrap();
        }
        loader
            .finish(&chain.genesis, &blocks[JOINED as usize - 1].block)
            .unwrap();
        Self {
            genesis: chain.genesis,
            blocks,
            above,
            backend,
            dir,
        }
    }

    fn open_on(&self, backend: Arc<dyn Backend>) -> Store {
        let disk = Arc::new(RealDisk);
        let options = StoreOptions::default();
        let dir = self.dir.path();
        Store::open_on(backend, disk, dir, 0, &self.genesis, options, |_| {}).unwrap()
    }

    fn open(&self) -> Store {
        self.open_on(Arc::clone(&self.backend) as Arc<dyn Backend>)
    }

    /// Blocks `from` to `to`.
    fn range(&self, from: u64, to: u64) -> &[ArchivedBlock] {
        &self.blocks[from as usize - 1..to as usize]
    }

    fn txid(&self, height: u64) -> TxId {
        self.blocks[height as usize - 1].block.transactions[0].txid()
    }

    /// Blocks from `lowest` to `tip` are here in every respect, and none below but block 0.
    fn holds_from(&self, store: &Store, lowest: u64, tip: u64) {
        let reader = store.reader();
        assert_eq!(reader.height(), Height::new(tip));
        let mark = if lowest == 1 { 0 } else { lowest };
        assert_eq!(reader.pruned_below(), Height::new(mark));
        assert!(reader.block(Height::GENESIS).unwrap().is_some());
        for archived in self.range(1, tip) {
            let height = archived.block.header.height;
            let is_here = height.get() >= lowest;
            let found = reader.block(height).unwrap();
            let found = found.map(|stored| (stored.block, stored.certificate.unwrap()));
            let expected = is_here.then(|| (archived.block.clone(), archived.certificate.clone()));
            assert_eq!(found, expected, "block {height}");
            assert_eq!(reader.header(height).unwrap().is_some(), is_here);
            assert_eq!(
                reader.height_of(&archived.hash).unwrap(),
                is_here.then_some(height)
            );
            let position = TransactionPosition { height, position: 0 };
            let found = reader.transaction(&self.txid(height.get())).unwrap();
            assert_eq!(found.map(|found| found.place), is_here.then_some(position));
        }
    }
}

#[test]
fn blocks_below_a_snapshot_are_archived_beside_those_at_the_tip_and_outlive_the_process() {
    let world = World::new();
    let store = world.open();
    world.holds_from(&store, JOINED, JOINED);
    let state = store.reader().state();
    assert_eq!(store.archive(&[]).unwrap(), Height::new(JOINED));
    assert_eq!(store.archive(world.range(4, 5)).unwrap(), Height::new(4));
    world.holds_from(&store, 4, JOINED);
    assert_eq!(*store.reader().state(), *state, "they change nothing");
    for batch in world.above.clone() {
        store.commit(batch).unwrap();
    }
    assert_eq!(store.archive(world.range(2, 3)).unwrap(), Height::new(2));
    store.close().unwrap();
    let store = world.open();
    world.holds_from(&store, 2, JOINED + 2);
    assert_eq!(store.archive(world.range(1, 1)).unwrap(), Height::GENESIS);
    store.close().unwrap();
    world.holds_from(&world.open(), 1, JOINED + 2);
    let more = world.open().archive(world.range(1, 1));
    assert!(matches!(more, Err(StoreError::NotBelow { .. })));
}

#[test]
fn blocks_that_do_not_hang_on_the_lowest_one_are_refused_whole() {
    let world = World::new();
    let store = world.open();
    let mut gap = world.range(3, 5).to_vec();
    gap.remove(1);
    let mut other = world.range(5, 5).to_vec();
    other[0].hash = BlockHash::ZERO;
    let mut uncertified = world.range(4, 5).to_vec();
    uncertified[0].certificate.block_hash = BlockHash::ZERO;
    for (n, wrong) in [world.range(3, 4), world.range(5, 6), &gap, &other, &uncertified]
        .iter()
        .enumerate()
    {
        let refused = store.archive(wrong);
        assert!(
            matches!(refused, Err(StoreError::NotBelow { .. })),
            "{n}: {refused:?}"
        );
    }
    world.holds_from(&store, JOINED, JOINED);
}

#[test]
fn a_crash_anywhere_leaves_all_of_a_range_or_none_of_it_and_the_range_can_come_again() {
    let world = World::new();
    let mut calls = 0;
    loop {
        let backend = TestBackend::over((*world.backend).clone());
        let store = world.open_on(Arc::new(backend.clone()));
        backend.fail_from(calls);
        let stored = store.archive(world.range(3, 5));
        for image in backend.after_crash() {
            let again = world.open_on(Arc::new(image));
            match again.pruned_below().get() {
                3 => world.holds_from(&again, 3, JOINED),
                _ => {
                    assert!(stored.is_err(), "call {calls}: what was stored is lost");
                    world.holds_from(&again, JOINED, JOINED);
                    again.archive(world.range(3, 5)).unwrap();
                    world.holds_from(&again, 3, JOINED);
                }
            }
        }
        if stored.is_ok() {
            break;
        }
        world.holds_from(&store, JOINED, JOINED);
        calls += 1;
    }
    assert!(calls >= 4, "rows, their flush, the mark, its flush: {calls}");
}

#[test]
fn a_disk_that_refuses_old_blocks_does_not_end_the_writer() {
    let world = World::new();
    let backend = TestBackend::over((*world.backend).clone());
    let store = world.open_on(Arc::new(backend.clone()));
    backend.fill_disk();
    let refused = store.archive(world.range(5, 5)).unwrap_err();
    assert!(refused.is_disk_full(), "{refused}");
    store.commit(world.above[0].clone()).unwrap();
    world.holds_from(&store, JOINED, JOINED + 1);
}

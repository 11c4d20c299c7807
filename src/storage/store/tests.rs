//! The laws of the chain store: what readers see, and what a crash leaves.

mod damage;
mod layout;
mod measure;
mod prune;
mod rows;

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use super::*;
use crate::{
    chain::{
        OutPoint, SharedTransaction, UtxoView,
        testing::{GENESIS_UNITS, TestChain, address},
    },
    storage::{
        backend::{BackendError, Cursor, Entry, PAGE_ENTRIES_MAX},
        memory::MemoryBackend,
        test_backend::TestBackend,
        test_disk::{Fault, Survives, TestDisk},
        writer::Flushed,
    },
};

const OWNERS: u64 = 4;

/// A chain under construction that remembers all it ever made.
struct Builder {
    chain: TestChain,
    blocks: Vec<CommitBatch>,
    /// Unspent coins with their owners, and all outpoints there ever were.
    unspent: Vec<(OutPoint, u64, u64)>,
    every: Vec<OutPoint>,
    random: u64,
}

impl Builder {
    fn new() -> Self {
        let chain = TestChain::new(4, OWNERS);
        let unspent: Vec<_> = (0..OWNERS)
            .map(|owner| (chain.coin(owner as u32), owner, GENESIS_UNITS))
            .collect();
        Self {
            every: unspent.iter().map(|(outpoint, ..)| *outpoint).collect(),
            chain,
            blocks: Vec::new(),
            unspent,
            random: 7,
        }
    }

    fn with_blocks(count: usize) -> Self {
        let mut builder = Self::new();
        for _ in 0..count {
            builder.extend(3);
        }
        builder
    }

    fn draw(&mut self, below: usize) -> usize {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        ((self.random >> 33) as usize) % below
    }

    /// Spends a random coin into two; the next transaction may spend them in the same block.
    fn transaction(&mut self) -> SharedTransaction {
        let index = self.draw(self.unspent.len());
        let (outpoint, owner, units) = self.unspent.swap_remove(index);
        let half = (units - 1_000) / 2;
        let to = self.draw(OWNERS as usize) as u64;
        let transaction = self
            .chain
            .transfer(&[(outpoint, owner)], &[(to, half), (owner, half)]);
        for (index, owner) in [(0, to), (1, owner)] {
            let made = OutPoint::new(transaction.txid(), index);
            self.every.push(made);
            if half > 10_000 {
                self.unspent.push((made, owner, half));
            }
        }
        transaction
    }

    fn extend(&mut self, transactions: usize) {
        let transactions = (0..transactions).map(|_| self.transaction()).collect();
        let assembled = self.chain.assemble(1_000, transactions);
        assert_eq!(assembled.refused, []);
        self.chain.view.apply(&assembled.connected.delta);
        self.chain.state = assembled.connected.state.clone();
        let block = assembled.block.into_inner();
        self.blocks.push(CommitBatch {
            certificate: CommitCertificate {
                height: block.header.height,
                round: 0,
                block_hash: assembled.connected.hash,
                signatures: Vec::new(),
            },
            block,
            connected: assembled.connected,
        });
    }

    fn genesis(&self) -> &Genesis {
        &self.chain.genesis
    }

    /// Everything a reader can ask, against what was built.
    fn check(&self, store: &Store) {
        let reader = store.reader();
        assert_eq!(*reader.state(), self.chain.state);
        for outpoint in &self.every {
            let expected = self.chain.view.output(outpoint).unwrap();
            assert_eq!(reader.utxo(outpoint).unwrap(), expected, "{outpoint}");
        }
        for batch in &self.blocks {
            let height = batch.block.header.height;
            let stored = reader.block(height).unwrap().unwrap();
            assert_eq!(stored.block, batch.block);
            assert_eq!(stored.certificate.as_ref(), Some(&batch.certificate));
            assert_eq!(reader.header(height).unwrap().unwrap().header, batch.block.header);
            assert_eq!(reader.height_of(&batch.connected.hash).unwrap(), Some(height));
            assert_eq!(
                reader.undo(height).unwrap().as_ref(),
                Some(&batch.connected.undo())
            );
            for (position, transaction) in (0..).zip(&batch.block.transactions) {
                let found = reader.transaction(&transaction.txid()).unwrap().unwrap();
                assert_eq!((found.place.height, found.place.position), (height, position));
                assert_eq!(found.transaction, *transaction);
                assert_eq!(found.stored.block, batch.block);
            }
        }
        let above = self.chain.state.tip.height.next();
        assert_eq!(reader.block(above).unwrap(), None);
        assert_eq!(reader.header(above).unwrap(), None);
        assert_eq!(
            reader.block(Height::GENESIS).unwrap().unwrap().block,
            self.genesis().block()
        );
        for owner in 0..OWNERS {
            for page in [1, 3, PAGE_ENTRIES_MAX] {
                self.check_coins_of(&reader, owner, page);
            }
        }
    }

    fn check_coins_of(&self, reader: &StoreReader, owner: u64, page: usize) {
        let owned = address(owner);
        let coins = self
            .chain
            .view
            .0
            .iter()
            .map(|(outpoint, coin)| (*outpoint, *coin));
        let expected: Vec<_> = coins.filter(|(_, coin)| coin.output.address == owned).collect();
        let mut found: Vec<(OutPoint, crate::chain::Coin)> = Vec::new();
        loop {
            let after = found.last().map(|(outpoint, _)| *outpoint);
            let next = reader.outpoints_of(&owned, after, page).unwrap();
            let is_last = next.len() < page;
            found.extend(next);
            if is_last {
                break;
            }
        }
        assert_eq!(found, expected, "owner {owner}, pages of {page}");
    }
}

/// Nothing is flushed unless asked for.
fn patient() -> StoreOptions {
    StoreOptions {
        flush: FlushOptions {
            window_blocks: 100,
            window_age: Duration::from_secs(3_600),
            ..FlushOptions::default()
        },
        cache_coins: 64,
        ..StoreOptions::default()
    }
}

fn blocks_dir() -> PathBuf {
    PathBuf::from("/data/blocks")
}

fn try_open(
    backend: impl Backend,
    disk: &TestDisk,
    genesis: &Genesis,
    options: StoreOptions,
) -> Result<Store, StoreError> {
    let disk = Arc::new(disk.clone());
    Store::open_on(
        Arc::new(backend),
        disk,
        &blocks_dir(),
        0,
        genesis,
        options,
        |_| {},
    )
}

fn disk() -> TestDisk {
    TestDisk::with_dir(&blocks_dir())
}

fn open(backend: impl Backend, genesis: &Genesis) -> Store {
    try_open(backend, &disk(), genesis, patient()).unwrap()
}

/// A database with all blocks of `builder`, closed in order.
fn filled(builder: &Builder) -> MemoryBackend {
    let backend = TestBackend::default();
    let options = StoreOptions::default();
    let store = try_open(backend.clone(), &disk(), builder.genesis(), options).unwrap();
    for batch in &builder.blocks {
        store.commit(batch.clone()).unwrap();
    }
    store.close().unwrap();
    content(&backend)
}

/// What a database holds now.
fn content(backend: &TestBackend) -> MemoryBackend {
    backend.after_crash().pop().unwrap()
}

/// All rows of a table.
fn rows(backend: &dyn Backend, table: Table) -> Vec<Entry> {
    let pages = pages(backend, table, &[], PAGE_ENTRIES_MAX);
    pages.flat_map(Result::unwrap).collect()
}

#[test]
fn reads_are_the_same_before_and_after_a_flush_and_a_restart() {
    let mut builder = Builder::with_blocks(12);
    let backend = TestBackend::default();
    let store = open(backend.clone(), builder.genesis());
    for batch in &builder.blocks {
        store.commit(batch.clone()).unwrap();
    }
    assert_eq!(store.stats().unwrap().pending_blocks, 12);
    builder.check(&store);
    store.flush().unwrap();
    let stats = store.stats().unwrap();
    assert_eq!((stats.pending_blocks, stats.flushed_height), (0, Height::new(12)));
    builder.check(&store);
    for _ in 0..5 {
        builder.extend(4);
        store.commit(builder.blocks.last().unwrap().clone()).unwrap();
    }
    builder.check(&store);
    store.close().unwrap();
    let reopened = open(backend, builder.genesis());
    builder.check(&reopened);
}

#[test]
fn sled_reopens_to_the_same_state_and_commitment() {
    let builder = Builder::with_blocks(8);
    let dir = tempfile::tempdir().unwrap();
    let blocks = dir.path().join("blocks");
    let store = Store::open(&blocks, builder.genesis(), patient(), |_| {}).unwrap();
    for batch in &builder.blocks {
        store.commit(batch.clone()).unwrap();
    }
    drop(store);
    let store = Store::open(&blocks, builder.genesis(), patient(), |_| {}).unwrap();
    builder.check(&store);
    assert!(store.stats().unwrap().size_bytes > 0);
}

#[test]
fn coins_made_and_spent_within_a_window_never_reach_the_database() {
    let builder = Builder::with_blocks(10);
    let backend = TestBackend::default();
    let store = open(backend.clone(), builder.genesis());
    let before = backend.applied().len();
    for batch in &builder.blocks {
        store.commit(batch.clone()).unwrap();
    }
    store.close().unwrap();
    let applied = backend.applied()[before..].to_vec();
    let touched = |table| applied.iter().filter(move |op: &&Op| op.table == table);
    let genesis_coins: Vec<_> = (0..OWNERS as u32)
        .map(|n| schema::outpoint_key(&builder.chain.coin(n)))
        .collect();
    let short_lived = builder.every.iter().filter(|outpoint| {
        let key = schema::outpoint_key(outpoint);
        builder.chain.view.output(outpoint).unwrap().is_none() && !genesis_coins.contains(&key)
    });
    let mut count = 0;
    for outpoint in short_lived {
        count += 1;
        let key = schema::outpoint_key(outpoint);
        assert!(touched(Table::Utxos).all(|op| op.key != key));
        assert!(touched(Table::Addresses).all(|op| !op.key.ends_with(&key)));
    }
    assert!(count > 10, "{count} is too few to show anything");
}

/// What has to be equal between two databases with the same tip. Like headers and bodies, undo records above it
/// may be there already.
fn dump(backend: &MemoryBackend) -> Vec<(Table, Vec<Entry>)> {
    // A damaged tip is nobody's.
    let stored = reader::read::<StoredState>(backend, Table::Meta, schema::META_TIP).ok();
    let tip = stored.flatten().map_or(Height::GENESIS, |state| state.tip.height);
    let is_above = |table, key: &[u8]| table == Table::Undo && schema::height_of_key(key).unwrap() > tip;
    [Table::Utxos, Table::Addresses, Table::Undo, Table::Meta]
        .map(|table| {
            let mut rows = backend.page(table, Cursor::default(), PAGE_ENTRIES_MAX).unwrap();
            rows.retain(|(key, _)| !is_above(table, key));
            (table, rows)
        })
        .to_vec()
}

/// One uninterrupted run that flushes at `flushes`, and its dump after each.
fn reference(builder: &Builder, flushes: &[usize]) -> Vec<Vec<(Table, Vec<Entry>)>> {
    let backend = TestBackend::default();
    let store = open(backend.clone(), builder.genesis());
    let mut dumps = Vec::new();
    for (index, batch) in builder.blocks.iter().enumerate() {
        store.commit(batch.clone()).unwrap();
        if flushes.contains(&(index + 1)) {
            store.flush().unwrap();
            dumps.push(dump(&backend.after_crash()[0]));
        }
    }
    dumps
}

#[derive(Debug, Clone, Copy)]
enum Stop {
    Backend(usize),
    Disk(usize),
}

#[test]
fn a_crash_anywhere_in_a_flush_leaves_the_state_before_or_after() {
    let builder = Builder::with_blocks(9);
    let dumps = reference(&builder, &[5, 9]);
    let run = |stop: Option<Stop>| {
        let (backend, disk) = (TestBackend::default(), disk());
        let store = try_open(backend.clone(), &disk, builder.genesis(), patient()).unwrap();
        for batch in &builder.blocks[..5] {
            store.commit(batch.clone()).unwrap();
        }
        store.flush().unwrap();
        let (calls, steps) = (backend.calls(), disk.log().len());
        match stop {
            Some(Stop::Backend(call)) => backend.fail_from(call),
            Some(Stop::Disk(step)) => disk.fail_at(steps + step, Fault::Crash),
            None => {}
        }
        for batch in &builder.blocks[5..] {
            store.commit(batch.clone()).unwrap();
        }
        assert_eq!(store.flush().is_err(), stop.is_some(), "{stop:?}");
        (backend.calls() - calls, disk.log().len() - steps, backend, disk)
    };
    let (calls, steps, ..) = run(None);
    assert!(calls >= 4 && steps == 6, "{calls} {steps}");
    let stops = (0..calls).map(Stop::Backend).chain((0..steps).map(Stop::Disk));
    let (mut before, mut after) = (0, 0);
    for stop in stops {
        let (_, _, backend, disk) = run(Some(stop));
        for survives in [
            Survives::Synced,
            Survives::All,
            Survives::Some(1),
            Survives::Some(2),
        ] {
            for (prefix, image) in backend.after_crash().into_iter().enumerate() {
                let booted = TestBackend::over(image);
                let disk = disk.after_crash(survives);
                let store = try_open(booted.clone(), &disk, builder.genesis(), patient())
                    .unwrap_or_else(|error| panic!("{stop:?} {survives:?} {prefix}: {error}"));
                let height = store.reader().height().get() as usize;
                let flushed = match height {
                    5 => 0,
                    9 => 1,
                    other => panic!("{stop:?} {survives:?} {prefix}: tip {other}"),
                };
                *[&mut before, &mut after][flushed] += 1;
                assert!(
                    dump(&booted.after_crash()[0]) == dumps[flushed],
                    "{stop:?} {survives:?} {prefix}: the state of {height} differs"
                );
                for batch in &builder.blocks[height..] {
                    store.commit(batch.clone()).unwrap();
                }
                store.flush().unwrap();
                assert!(
                    dump(&booted.after_crash()[0]) == dumps[1],
                    "{stop:?} {survives:?} {prefix}"
                );
            }
        }
    }
    assert!(before > 0 && after > 0, "{before} {after}");
}

#[test]
fn an_interrupted_genesis_is_written_again() {
    let builder = Builder::new();
    let whole = TestBackend::default();
    drop(open(whole.clone(), builder.genesis()));
    for call in 0..whole.calls() {
        let backend = TestBackend::default();
        backend.fail_from(call);
        assert!(try_open(backend.clone(), &disk(), builder.genesis(), patient()).is_err());
        for image in backend.after_crash() {
            builder.check(&open(image, builder.genesis()));
        }
    }
}

#[test]
fn only_the_next_block_is_taken() {
    let builder = Builder::with_blocks(3);
    let store = open(MemoryBackend::default(), builder.genesis());
    let refused = store.commit(builder.blocks[1].clone());
    assert!(matches!(refused, Err(StoreError::NotNext { .. })));
    store.commit(builder.blocks[0].clone()).unwrap();
    assert!(store.commit(builder.blocks[0].clone()).is_err());
    store.commit(builder.blocks[1].clone()).unwrap();
    assert_eq!(store.reader().height(), Height::new(2));
}

#[test]
fn windows_are_flushed_by_count_and_reported_in_order() {
    let builder = Builder::with_blocks(10);
    let reports = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&reports);
    let mut options = patient();
    options.flush.window_blocks = 4;
    let store = Store::open_on(
        Arc::new(MemoryBackend::default()),
        Arc::new(disk()),
        &blocks_dir(),
        0,
        builder.genesis(),
        options,
        move |event| seen.lock().unwrap().push(event),
    )
    .unwrap();
    for batch in &builder.blocks {
        store.commit(batch.clone()).unwrap();
    }
    store.close().unwrap();
    let heights: Vec<_> = reports
        .lock()
        .unwrap()
        .iter()
        .map(|event| match event {
            StoreEvent::Flushed(Flushed { height, blocks, .. }) => {
                assert!(*blocks <= 4);
                height.get()
            }
            StoreEvent::NoSnapshot(error)
            | StoreEvent::NotPruned(error)
            | StoreEvent::NotTidied(error)
            | StoreEvent::Failed(error) => {
                panic!("{error}")
            }
        })
        .collect();
    assert!(heights.is_sorted() && heights.last() == Some(&10), "{heights:?}");
}

#[test]
fn a_full_disk_stops_the_writer_and_not_the_readers() {
    let builder = Builder::with_blocks(6);
    let backend = TestBackend::default();
    let failures = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&failures);
    let mut options = patient();
    options.flush.pending_blocks_max = 4;
    let store = Store::open_on(
        Arc::new(backend.clone()),
        Arc::new(disk()),
        &blocks_dir(),
        0,
        builder.genesis(),
        options,
        move |event| seen.lock().unwrap().push(event),
    )
    .unwrap();
    backend.fill_disk();
    for batch in &builder.blocks[..4] {
        store.commit(batch.clone()).unwrap();
    }
    // The queue is full: this one waits for the flush, which fails.
    let refused = store.commit(builder.blocks[4].clone());
    assert!(matches!(refused, Err(StoreError::Stopped { .. })), "{refused:?}");
    assert!(store.reader().block(Height::new(4)).unwrap().is_some());
    assert_eq!(store.reader().height(), Height::new(4));
    // Its writer reports after it has released those who wait, so the report is there for certain
    // only once the writer has ended.
    assert!(store.close().is_err());
    let failures = failures.lock().unwrap();
    assert!(matches!(&failures[..], [StoreEvent::Failed(error)] if error.is_disk_full()));
}

#[test]
fn evidence_is_read_before_and_after_its_flush() {
    let builder = Builder::new();
    let backend = TestBackend::default();
    let store = open(backend.clone(), builder.genesis());
    let id = |n| Hash256::from_bytes([n; 32]);
    for n in [3, 1, 2, 1] {
        let height = Height::new(u64::from(n) * 10);
        assert!(store.add_evidence(height, &id(n), vec![n]).unwrap());
    }
    let ids = |store: &Store, after, limit| -> Vec<_> {
        let page = store.reader().evidence(after, limit).unwrap();
        page.into_iter()
            .map(|(height, _, bytes)| (height.get(), bytes[0]))
            .collect()
    };
    for flushed in [false, true] {
        if flushed {
            store.flush().unwrap();
        }
        assert_eq!(ids(&store, None, 9), [(10, 1), (20, 2), (30, 3)]);
        assert_eq!(ids(&store, Some((Height::new(10), id(1))), 1), [(20, 2)]);
    }
    drop(store);
    assert_eq!(ids(&open(backend, builder.genesis()), None, 9).len(), 3);
}

#[test]
fn readers_beside_commits_and_flushes_see_whole_blocks() {
    const BLOCKS: usize = 120;
    // One coin goes from hand to hand: at every height its owner has exactly one coin.
    let mut builder = Builder::new();
    builder.unspent.truncate(1);
    let (mut coin, _, mut units) = builder.unspent[0];
    let mut coins = vec![coin];
    for _ in 0..BLOCKS {
        units -= 1_000;
        let transaction = builder.chain.transfer(&[(coin, 0)], &[(0, units)]);
        coin = OutPoint::new(transaction.txid(), 0);
        coins.push(coin);
        let assembled = builder.chain.assemble(10, vec![transaction]);
        builder.chain.view.apply(&assembled.connected.delta);
        builder.chain.state = assembled.connected.state.clone();
        let block = assembled.block.into_inner();
        builder.blocks.push(CommitBatch {
            certificate: CommitCertificate {
                height: block.header.height,
                round: 0,
                block_hash: assembled.connected.hash,
                signatures: Vec::new(),
            },
            block,
            connected: assembled.connected,
        });
    }
    let mut options = patient();
    options.flush.window_blocks = 3;
    options.cache_coins = 16;
    let store = try_open(MemoryBackend::default(), &disk(), builder.genesis(), options).unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let reader = store.reader();
                while !is_over.load(Ordering::Acquire) {
                    let low = reader.height().get() as usize;
                    let owned = reader.outpoints_of(&address(0), None, 10).unwrap();
                    let mine: Vec<_> = owned.iter().map(|(outpoint, _)| *outpoint).collect();
                    let high = reader.height().get() as usize;
                    assert_eq!(mine.len(), 1, "between {low} and {high}");
                    assert!(coins[low..=high].contains(&mine[0]));
                    for gone in &coins[low.saturating_sub(8)..low] {
                        assert_eq!(reader.utxo(gone).unwrap(), None);
                    }
                }
            });
        }
        for batch in &builder.blocks {
            store.commit(batch.clone()).unwrap();
        }
        store.flush().unwrap();
        is_over.store(true, Ordering::Release);
    });
}

#[test]
fn a_flush_waits_for_what_was_here_and_not_for_what_comes_meanwhile() {
    let builder = Builder::with_blocks(4);
    let (returned, has_returned) = std::sync::mpsc::channel::<()>();
    let store: Arc<std::sync::OnceLock<Store>> = Arc::default();
    let writers = Arc::clone(&store);
    let rest: Vec<CommitBatch> = builder.blocks[1..].to_vec();
    let rest = Mutex::new(rest.into_iter());
    // The writer never finds its queue empty: with each block that is durable another one comes, and the
    // third is only done with once the flush has returned.
    let report = move |event| {
        let StoreEvent::Flushed(flushed) = event else {
            panic!("{event:?}");
        };
        if let (Some(next), Some(store)) = (rest.lock().unwrap().next(), writers.get()) {
            store.commit(next).unwrap();
        }
        if flushed.height == Height::new(3) {
            let _ = has_returned.recv_timeout(Duration::from_secs(20));
        }
    };
    let mut options = patient();
    options.flush.window_age = Duration::from_millis(1);
    options.flush.window_blocks = 1;
    let backend = Arc::new(MemoryBackend::default());
    let opened = Store::open_on(
        backend,
        Arc::new(disk()),
        &blocks_dir(),
        0,
        builder.genesis(),
        options,
        report,
    );
    store.set(opened.unwrap()).unwrap();
    let store = store.get().unwrap();
    store.commit(builder.blocks[0].clone()).unwrap();
    store.flush().unwrap();
    let height = store.shared.flushed_height();
    assert!(
        height >= Height::new(1) && height < Height::new(4),
        "it waited until {height}"
    );
    returned.send(()).unwrap();
    store.flush().unwrap();
}

#[test]
fn a_snapshot_at_the_tip_is_written_on_demand_and_says_what_it_holds() {
    let builder = Builder::with_blocks(5);
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(crate::storage::disk::RealDisk);
    let backend = Arc::new(MemoryBackend::default());
    let store = Store::open_on(backend, disk, dir.path(), 0, builder.genesis(), patient(), |_| {}).unwrap();
    assert_eq!(store.write_snapshot().unwrap(), None, "nothing certifies block 0");
    for batch in &builder.blocks {
        store.commit(batch.clone()).unwrap();
    }
    let written = store.write_snapshot().unwrap().unwrap();
    let tip = builder.chain.state.tip;
    assert_eq!((written.height, written.hash), (tip.height, tip.hash));
    assert_eq!(written.coins, builder.chain.state.totals.utxo_count);
    assert!(written.manifest.is_file() && written.bytes > 0);
    let newest = crate::storage::Snapshots::new(dir.path()).newest().unwrap();
    assert_eq!(newest.header.hash(), tip.hash);
    assert_eq!(
        store.write_snapshot().unwrap(),
        Some(written),
        "again, it is the same"
    );
}

#[test]
fn the_address_index_is_read_page_by_page_and_holds_every_coin() {
    let builder = Builder::with_blocks(6);
    let store = open(MemoryBackend::default(), builder.genesis());
    for batch in &builder.blocks {
        store.commit(batch.clone()).unwrap();
    }
    store.flush().unwrap();
    let (reader, mut after, mut found) = (store.reader(), None, 0);
    loop {
        let page = reader.addresses(after).unwrap();
        let Some((address, outpoint, _)) = page.last() else {
            break;
        };
        after = Some((*address, *outpoint));
        for (address, outpoint, coin) in page {
            assert_eq!(
                (coin.output.address, builder.chain.view.0[&outpoint]),
                (address, coin)
            );
            found += 1;
        }
    }
    assert_eq!(found, builder.chain.view.0.len());
}

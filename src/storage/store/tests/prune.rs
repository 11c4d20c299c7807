//! Blocks that are no longer kept go, all of each or none, and nothing else does.

use super::*;
use crate::storage::{KEEP_BLOCKS_MIN, UNDO_BLOCKS, prune::Pruner};

const KEEP: u64 = KEEP_BLOCKS_MIN;

/// A chain long enough that its first 200 blocks are given up, with money in some of those.
fn long() -> Builder {
    let mut builder = Builder::new();
    for height in 1..=KEEP + 250 {
        builder.extend(usize::from(height % 20 == 0));
    }
    builder
}

fn keeping(blocks: u64) -> StoreOptions {
    let mut options = patient();
    options.flush.keep_blocks = blocks;
    options
}

/// Blocks from `lowest` on are here in every respect, none below is, and the state is what it was.
fn holds_from(builder: &Builder, store: &Store, lowest: u64) {
    let reader = store.reader();
    let mark = if lowest == 1 { 0 } else { lowest };
    assert_eq!(reader.pruned_below(), Height::new(mark));
    assert_eq!(*reader.state(), builder.chain.state);
    assert!(reader.block(Height::GENESIS).unwrap().is_some());
    for batch in &builder.blocks {
        let height = batch.block.header.height;
        let is_here = height.get() >= lowest;
        assert_eq!(reader.block(height).unwrap().is_some(), is_here, "block {height}");
        assert_eq!(reader.header(height).unwrap().is_some(), is_here);
        let found = reader.height_of(&batch.connected.hash).unwrap();
        assert_eq!(found, is_here.then_some(height));
        for transaction in &batch.block.transactions {
            let found = reader.transaction(&transaction.txid()).unwrap();
            assert_eq!(found.is_some(), is_here);
        }
    }
    for owner in 0..OWNERS {
        builder.check_coins_of(&reader, owner, PAGE_ENTRIES_MAX);
    }
    let tip = builder.chain.state.tip.height;
    let deepest = Height::new(tip.get() + 1 - UNDO_BLOCKS);
    for height in [tip, deepest] {
        assert!(reader.undo(height).unwrap().is_some(), "undo of {height}");
    }
}

/// Rows of heights 1 to below `lowest` that are still in the database.
fn rows_below(backend: &TestBackend, lowest: u64) -> usize {
    let content = content(backend);
    let height_of = |key: &[u8]| schema::height_of_key(key).unwrap().get();
    let keyed = [Table::Headers, Table::Bodies].map(|table| rows(&content, table));
    let keyed = keyed.iter().flatten().map(|(key, _)| height_of(key));
    let hashes = rows(&content, Table::Hashes);
    let hashes = hashes.iter().map(|(_, value)| height_of(value));
    let heights = keyed.chain(hashes);
    heights.filter(|height| *height > 0 && *height < lowest).count()
}

fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !is_there() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn only_the_newest_blocks_are_kept_a_hundred_heights_at_a_time() {
    let builder = long();
    let backend = TestBackend::over(filled(&builder));
    let rows_of_heights = rows_below(&backend, 201);
    assert_eq!(rows_of_heights, 600);
    // Without the setting nothing goes.
    let store = try_open(backend.clone(), &disk(), builder.genesis(), keeping(0)).unwrap();
    holds_from(&builder, &store, 1);
    store.close().unwrap();
    assert_eq!(rows_below(&backend, 201), rows_of_heights);
    // 250 are due, and only whole hundreds go. Asked for fewer than can be repaired, it keeps those.
    for asked in [KEEP, 1] {
        let store = try_open(backend.clone(), &disk(), builder.genesis(), keeping(asked)).unwrap();
        wait_for("their rows go", || rows_below(&backend, 201) == 0);
        holds_from(&builder, &store, 201);
        store.close().unwrap();
    }
    let left = |table: Table| rows(&content(&backend), table).len() as u64;
    for table in [Table::Headers, Table::Bodies, Table::Hashes] {
        assert_eq!(left(table), KEEP + 50 + 1, "block 0 stays: {table:?}");
    }
    // Another chain of blocks goes on above it, and so does what is given up.
    let mut builder = builder;
    let store = try_open(backend.clone(), &disk(), builder.genesis(), keeping(KEEP)).unwrap();
    for _ in 0..50 {
        builder.extend(1);
        store.commit(builder.blocks.last().unwrap().clone()).unwrap();
    }
    store.flush().unwrap();
    wait_for("the next hundred goes", || rows_below(&backend, 301) == 0);
    holds_from(&builder, &store, 301);
}

#[test]
fn a_crash_between_the_mark_and_the_rows_is_gone_on_with() {
    let builder = long();
    let whole = filled(&builder);
    let mut calls = 0;
    loop {
        let backend = TestBackend::over(whole.clone());
        // The writer of this store keeps all: the turns are taken here.
        let store = try_open(backend.clone(), &disk(), builder.genesis(), keeping(0)).unwrap();
        let mut pruner = Pruner::new(KEEP, 0);
        backend.fail_from(calls);
        let mut done = Ok(());
        while done.is_ok() && pruner.is_due(&store.shared) {
            done = pruner.turn(&store.shared);
        }
        drop(store);
        // The first and the last of what a crash can leave, and one between: each is opened and gone on with.
        let images = backend.after_crash();
        for n in [0, images.len() / 2, images.len() - 1] {
            let image = TestBackend::over(images[n].clone());
            let again = try_open(image.clone(), &disk(), builder.genesis(), keeping(0)).unwrap();
            let lowest = again.reader().pruned_below().get().max(1);
            assert!([1, 101, 201].contains(&lowest), "call {calls}: {lowest}");
            holds_from(&builder, &again, lowest);
            let mut pruner = Pruner::new(KEEP, 0);
            while pruner.is_due(&again.shared) {
                pruner.turn(&again.shared).unwrap();
            }
            holds_from(&builder, &again, 201);
            assert_eq!(rows_below(&image, 201), 0, "call {calls}, image {n}");
        }
        if done.is_ok() {
            break;
        }
        calls += 1;
    }
    assert!(calls >= 8, "two turns with a mark and rows each: {calls}");
}

#[test]
fn a_disk_that_refuses_to_prune_is_said_once_a_flush_and_blocks_go_on() {
    let mut builder = long();
    let backend = TestBackend::over(filled(&builder));
    let events = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&events);
    backend.fail_from(0);
    let store = Store::open_on(
        Arc::new(backend.clone()),
        Arc::new(disk()),
        &blocks_dir(),
        0,
        builder.genesis(),
        keeping(KEEP),
        move |event| told.lock().unwrap().push(event),
    )
    .unwrap();
    // The index of the blocks cannot be merged either, and that is said once too.
    wait_for("it says so", || events.lock().unwrap().len() >= 2);
    std::thread::sleep(Duration::from_millis(50));
    assert!(matches!(
        &events.lock().unwrap()[..],
        [StoreEvent::NotPruned(_), StoreEvent::NotTidied(_)]
    ));
    holds_from(&builder, &store, 1);
    backend.fail_from(usize::MAX / 2);
    builder.extend(1);
    store.commit(builder.blocks.last().unwrap().clone()).unwrap();
    store.flush().unwrap();
    wait_for("after a flush it goes on", || {
        store.reader().pruned_below() == Height::new(201)
    });
    holds_from(&builder, &store, 201);
}

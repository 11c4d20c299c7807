//! Every transaction is found in one list or another, whatever is merged, deleted or cut short.

use super::{merge::Merger, *};
use crate::{
    crypto::HashWriter,
    storage::{backend::Entry, memory::MemoryBackend, test_backend::TestBackend},
};

/// Transactions of a block: of one in seven none.
fn count(height: u64) -> u64 {
    match height % 7 {
        0 => 0,
        _ => 1 + height % 5,
    }
}

fn txid(height: u64, position: u64) -> TxId {
    let hash = HashWriter::new("test/txid").u64(height).u64(position).finish();
    TxId::from_hash(hash)
}

fn write(backend: &dyn Backend, merger: &mut Merger, height: u64, count: u64) {
    let txids = (0..count).map(|position| txid(height, position));
    if let Some(row) = list_op(Height::new(height), txids) {
        backend.apply(&[row]).unwrap();
        merger.written([Height::new(height)]);
    }
}

fn is_found(backend: &dyn Backend, height: u64, position: u64) -> bool {
    let place = TransactionPosition {
        height: Height::new(height),
        position: position as u32,
    };
    places(backend, &txid(height, position)).unwrap() == [place]
}

/// Every other transaction is looked up, and of long blocks sixteen.
fn all_found(backend: &dyn Backend, heights: std::ops::RangeInclusive<u64>, count: impl Fn(u64) -> u64) {
    for height in heights {
        let step = count(height) as usize / 16 + 1;
        for position in (height % 2..count(height)).step_by(step.max(2)) {
            assert!(is_found(backend, height, position), "{position} of {height}");
        }
    }
}

fn rows(backend: &dyn Backend) -> Vec<Entry> {
    let pages = pages(backend, Table::Transactions, &[], PAGE_ENTRIES_MAX);
    pages.flat_map(Result::unwrap).collect()
}

fn settle(backend: &dyn Backend, merger: &mut Merger, lowest: u64, tip: u64) {
    let (lowest, tip) = (Height::new(lowest), Height::new(tip));
    let mut steps = 0;
    while merger.is_due(lowest, tip) {
        merger.step(backend, lowest, tip).unwrap();
        steps += 1;
        assert!(steps < 100_000, "it never ends");
    }
}

#[test]
fn lists_are_merged_as_they_become_whole_and_few_rows_are_left() {
    let (backend, mut merger) = (MemoryBackend::default(), Merger::default());
    for height in 0..=2_500 {
        write(&backend, &mut merger, height, count(height));
        if height % 97 == 0 {
            settle(&backend, &mut merger, 0, height);
            all_found(&backend, height.saturating_sub(40)..=height, count);
        }
    }
    settle(&backend, &mut merger, 0, 2_500);
    all_found(&backend, 0..=2_500, count);
    assert!(places(&backend, &txid(9_999, 0)).unwrap().is_empty());
    // 2 501 heights are 9, 12 and 5 in base sixteen: so many lists, less that of block 2 499, which has no
    // transactions. Block 0 has none either.
    let lists = rows(&backend).iter().filter(|(key, _)| key.len() == 9).count();
    assert_eq!(lists, 9 + 12 + 5 - 1);
    assert!(rows(&backend).len() < 80, "{}", rows(&backend).len());
    // As one that begins on what is there sees it.
    assert!(
        !Merger::load(&backend)
            .unwrap()
            .is_due(Height::GENESIS, Height::new(2_500))
    );
    let expected: Vec<_> = (1_000..=1_100)
        .flat_map(|height| (0..count(height)).map(move |position| (height, position)))
        .map(|(height, position)| {
            let place = TransactionPosition {
                height: Height::new(height),
                position: position as u32,
            };
            (place, prefix_of(&txid(height, position)))
        })
        .collect();
    let indexed = prefixes(&backend, Height::new(1_000), Height::new(1_100)).unwrap();
    assert_eq!(indexed, expected);
}

#[test]
fn long_lists_are_cut_into_rows_and_cut_finer_one_level_up() {
    let (backend, mut merger) = (MemoryBackend::default(), Merger::default());
    let count = |height: u64| if height < 100 { 400 } else { height % 3 };
    for height in 1..=300 {
        write(&backend, &mut merger, height, count(height));
        settle(&backend, &mut merger, 0, height);
    }
    all_found(&backend, 1..=300, count);
    for (key, value) in rows(&backend) {
        let long = match key.len() {
            9 => List::read(&value).unwrap().row.places().count(),
            _ => Row::read(&value).unwrap().places().count(),
        };
        assert!(long <= 410, "{long} places in one row");
    }
    let of_255 = ListId { level: 2, run: 0 };
    let list = read_list(&backend, of_255).unwrap().unwrap();
    assert_eq!(list.count, (1..=255).map(count).sum::<u64>());
    assert!(list.bits >= 7, "{}", list.bits);
}

#[test]
fn what_is_no_list_is_damage_and_no_panic() {
    for (key, value) in [
        (vec![0; 9], vec![0; 8]),
        (vec![0; 9], vec![0; 10]),
        (vec![0; 9], vec![33; 9]),
        (vec![3; 4], vec![0; 9]),
    ] {
        let backend = MemoryBackend::default();
        backend
            .apply(&[Op::put(Table::Transactions, key, value)])
            .unwrap();
        let refused = [
            places(&backend, &txid(1, 0)).map(|_| ()),
            prefixes(&backend, Height::GENESIS, Height::new(9)).map(|_| ()),
            Merger::load(&backend).map(|_| ()),
        ];
        assert!(
            refused
                .iter()
                .all(|refused| matches!(refused, Err(StoreError::Corrupt { .. })))
        );
    }
}

#[test]
fn ids_that_begin_alike_are_all_shown() {
    let (backend, mut merger) = (MemoryBackend::default(), Merger::default());
    let (mut one, mut other) = (*txid(3, 0).as_bytes(), *txid(3, 0).as_bytes());
    (one[31], other[31]) = (1, 2);
    let twins = [TxId::from_bytes(one), TxId::from_bytes(other)];
    for (height, txid) in [(20, twins[0]), (21, twins[1])] {
        let row = list_op(Height::new(height), [txid].into_iter()).unwrap();
        backend.apply(&[row]).unwrap();
        merger.written([Height::new(height)]);
    }
    settle(&backend, &mut merger, 0, 40);
    for txid in twins {
        let heights: Vec<u64> = places(&backend, &txid)
            .unwrap()
            .iter()
            .map(|at| at.height.get())
            .collect();
        assert_eq!(heights, [20, 21]);
    }
}

#[test]
fn blocks_that_come_from_the_top_down_are_merged_too() {
    let (backend, mut merger) = (MemoryBackend::default(), Merger::default());
    for height in (1..=700).rev() {
        write(&backend, &mut merger, height, count(height));
        settle(&backend, &mut merger, height, 700);
        if height % 61 == 0 {
            all_found(&backend, height..=700, count);
        }
    }
    all_found(&backend, 1..=700, count);
    let lists = rows(&backend).iter().filter(|(key, _)| key.len() == 9).count();
    assert!(lists < 40, "{lists}");
}

#[test]
fn lists_go_once_no_block_of_theirs_is_kept() {
    let (backend, mut merger) = (MemoryBackend::default(), Merger::default());
    for height in 0..=1_000 {
        write(&backend, &mut merger, height, 1 + count(height));
        settle(&backend, &mut merger, height.saturating_sub(100), height);
        if height % 61 == 0 {
            all_found(&backend, height.saturating_sub(100)..=height, |height| {
                1 + count(height)
            });
        }
    }
    assert!(is_found(&backend, 0, 0), "block 0 stays");
    let oldest = rows(&backend)
        .iter()
        .filter(|(key, _)| key.len() == 9)
        .skip(1)
        .map(|(key, _)| ListId::of_key(key).unwrap().start())
        .min();
    assert!(oldest >= Some(880), "{oldest:?}");
}

#[test]
fn a_crash_anywhere_in_a_merge_loses_no_place() {
    let count = |height: u64| 40 + height % 7;
    let (whole, mut merger) = (MemoryBackend::default(), Merger::default());
    for height in 1..=31 {
        write(&whole, &mut merger, height, count(height));
    }
    let mut calls = 0;
    loop {
        let backend = TestBackend::over(whole.clone());
        let mut merger = Merger::load(&backend).unwrap();
        backend.fail_from(calls);
        let (lowest, tip) = (Height::GENESIS, Height::new(31));
        let mut done = Ok(());
        while done.is_ok() && merger.is_due(lowest, tip) {
            done = merger.step(&backend, lowest, tip);
        }
        let images = backend.after_crash();
        for n in [0, images.len() / 2, images.len() - 1] {
            let image = &images[n];
            all_found(image, 1..=31, count);
            settle(image, &mut Merger::load(image).unwrap(), 0, 31);
            all_found(image, 1..=31, count);
            let lists = rows(image).iter().filter(|(key, _)| key.len() == 9).count();
            assert_eq!(lists, 2, "call {calls}, image {n}");
        }
        if done.is_ok() {
            break;
        }
        // Gone on with in the same process, once the disk takes it again.
        backend.fail_from(usize::MAX / 2);
        settle(&backend, &mut merger, 0, 31);
        all_found(&backend, 1..=31, count);
        calls += 1;
    }
    assert!(
        calls >= 8,
        "parts, a flush, the list, a flush, and what goes, twice: {calls}"
    );
}

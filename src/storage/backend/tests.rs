//! The conformance suite: every engine passes the same laws.

use super::*;
use crate::storage::{memory::MemoryBackend, sled_backend::SledBackend};

const CACHE: u64 = 4 << 20;

/// Runs a law against every engine.
fn on_every_engine(law: impl Fn(&dyn Backend)) {
    law(&MemoryBackend::default());
    let dir = tempfile::tempdir().unwrap();
    law(&SledBackend::open(&dir.path().join("db"), CACHE).unwrap());
}

fn put(key: &[u8], value: &[u8]) -> Op {
    Op::put(Table::Utxos, key, value)
}

#[test]
fn what_was_put_is_read_and_what_was_deleted_is_gone() {
    on_every_engine(|engine| {
        engine.apply(&[put(b"a", b"1"), put(b"b", b"2")]).unwrap();
        assert_eq!(engine.get(Table::Utxos, b"a").unwrap(), Some(b"1".to_vec()));
        assert!(engine.contains(Table::Utxos, b"b").unwrap());
        engine.apply(&[Op::delete(Table::Utxos, b"a")]).unwrap();
        assert_eq!(engine.get(Table::Utxos, b"a").unwrap(), None);
        assert!(!engine.contains(Table::Utxos, b"a").unwrap());
        let keys = [b"b".to_vec(), b"c".to_vec()];
        assert_eq!(
            engine.get_many(Table::Utxos, &keys).unwrap(),
            [Some(b"2".to_vec()), None]
        );
    });
}

#[test]
fn the_last_change_of_a_key_in_a_batch_wins() {
    on_every_engine(|engine| {
        engine
            .apply(&[put(b"k", b"1"), Op::delete(Table::Utxos, b"k"), put(b"k", b"2")])
            .unwrap();
        assert_eq!(engine.get(Table::Utxos, b"k").unwrap(), Some(b"2".to_vec()));
        engine
            .apply(&[put(b"k", b"3"), Op::delete(Table::Utxos, b"k")])
            .unwrap();
        assert_eq!(engine.get(Table::Utxos, b"k").unwrap(), None);
    });
}

#[test]
fn tables_do_not_see_each_other() {
    on_every_engine(|engine| {
        let ops: Vec<_> = Table::ALL
            .iter()
            .map(|table| Op::put(*table, b"same".as_slice(), table.name()))
            .collect();
        engine.apply(&ops).unwrap();
        for table in Table::ALL {
            assert_eq!(engine.get(table, b"same").unwrap(), Some(table.name().into()));
            assert_eq!(engine.page(table, Cursor::default(), 9).unwrap().len(), 1);
        }
    });
}

#[test]
fn pages_walk_a_prefix_in_order_without_gap_or_repeat() {
    on_every_engine(|engine| {
        let keys: Vec<_> = (0..250u32)
            .map(|n| [&b"p"[..], &n.to_be_bytes()].concat())
            .collect();
        let ops: Vec<_> = keys.iter().map(|key| put(key, b"v")).collect();
        engine.apply(&ops).unwrap();
        engine
            .apply(&[put(b"o", b""), put(b"q", b""), put(b"p", b"")])
            .unwrap();
        let mut seen = Vec::new();
        loop {
            let after = seen.last().cloned();
            let cursor = Cursor {
                prefix: b"p",
                after: after.as_deref(),
            };
            let page = engine.page(Table::Utxos, cursor, 64).unwrap();
            let is_last = page.len() < 64;
            seen.extend(page.into_iter().map(|(key, _)| key));
            if is_last {
                break;
            }
        }
        assert_eq!(seen[0], b"p");
        assert_eq!(seen[1..], keys);
        assert_eq!(engine.last(Table::Utxos).unwrap().unwrap().0, b"q");
        assert_eq!(engine.last(Table::Undo).unwrap(), None);
    });
}

#[test]
fn batches_and_pages_are_bounded() {
    on_every_engine(|engine| {
        let ops: Vec<_> = (0..=BATCH_OPS_MAX as u32)
            .map(|n| put(&n.to_be_bytes(), b""))
            .collect();
        let refused = engine.apply(&ops);
        assert!(matches!(refused, Err(BackendError::BatchTooLarge { ops: 1_001 })));
        assert_eq!(engine.last(Table::Utxos).unwrap(), None);
        engine.apply(&ops[1..]).unwrap();
        engine.apply(&ops[..1]).unwrap();
        let page = engine.page(Table::Utxos, Cursor::default(), usize::MAX).unwrap();
        assert_eq!(page.len(), PAGE_ENTRIES_MAX);
    });
}

#[test]
fn large_and_empty_values_come_back() {
    on_every_engine(|engine| {
        let large = vec![0xa5; 5 << 20];
        engine
            .apply(&[put(b"large", &large), put(b"empty", b"")])
            .unwrap();
        engine.flush().unwrap();
        assert_eq!(engine.get(Table::Utxos, b"large").unwrap(), Some(large));
        assert_eq!(engine.get(Table::Utxos, b"empty").unwrap(), Some(Vec::new()));
        assert!(engine.size_bytes().unwrap() > 0);
    });
}

#[test]
fn sled_reopens_with_what_was_flushed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let engine = SledBackend::open(&path, CACHE).unwrap();
    engine.apply(&[put(b"a", b"1")]).unwrap();
    engine.flush().unwrap();
    drop(engine);
    let engine = SledBackend::open(&path, CACHE).unwrap();
    assert_eq!(engine.get(Table::Utxos, b"a").unwrap(), Some(b"1".to_vec()));
}

#[test]
fn a_damaged_sled_file_is_named_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    std::fs::create_dir(&path).unwrap();
    std::fs::write(path.join("conf"), b"not a sled configuration").unwrap();
    match SledBackend::open(&path, CACHE) {
        Err(error @ BackendError::Corrupt { .. }) => {
            assert!(error.to_string().contains("timed db check"), "{error}");
        }
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it opened"),
    }
    let kept = std::fs::read(path.join("conf")).unwrap();
    assert_eq!(kept, b"not a sled configuration");
}

#[test]
fn tidying_gives_back_the_space_of_what_was_replaced_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let sizes = [0, 4].map(|turns_of_change: usize| {
        let engine = SledBackend::open(&dir.path().join(turns_of_change.to_string()), CACHE).unwrap();
        for round in 0..200_u64 {
            let rows = (0..64_u64).map(|n| {
                // Rows at the end of one table and anywhere in another, as of blocks and hashes.
                let number = round * 64 + n;
                let anywhere = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
                [
                    Op::put(Table::Bodies, number.to_be_bytes(), vec![n as u8; 300]),
                    Op::put(Table::Hashes, anywhere.to_be_bytes(), number.to_be_bytes()),
                ]
            });
            let rows: Vec<Op> = rows.flatten().collect();
            engine.apply(&rows).unwrap();
            engine.flush().unwrap();
            engine.tidy(turns_of_change * rows.len()).unwrap();
        }
        engine.flush().unwrap();
        for number in [0, 6_399, 12_799_u64] {
            assert!(engine.contains(Table::Bodies, &number.to_be_bytes()).unwrap());
        }
        engine.size_bytes().unwrap()
    });
    println!("untidied {} bytes, tidied {}", sizes[0], sizes[1]);
    assert!(sizes[1] * 10 < sizes[0] * 9, "{sizes:?}");
}

//! What is damaged is refused by name, and never answered by a new chain.

use super::*;

#[test]
fn a_database_that_contradicts_itself_is_refused_by_name() {
    let builder = Builder::with_blocks(3);
    let content = filled(&builder);
    let refusal = |change: Op| {
        let damaged = content.clone();
        damaged.apply(&[change]).unwrap();
        let before = dump(&damaged);
        let copy = TestBackend::over(damaged);
        let refused = try_open(copy.clone(), &disk(), builder.genesis(), patient());
        assert_eq!(
            dump(&copy.after_crash()[0]),
            before,
            "nothing is repaired on the way"
        );
        refused.err().unwrap()
    };
    let tip = schema::height_key(Height::new(3));
    let below = content
        .get(Table::Headers, &schema::height_key(Height::new(2)))
        .unwrap()
        .unwrap();
    let hash = builder.chain.state.tip.hash;
    let mut state = builder.chain.state.clone();
    state.commitment = crate::chain::SetHash::new();
    for change in [
        Op::delete(Table::Headers, tip),
        Op::put(Table::Headers, tip, below),
        Op::put(Table::Headers, tip, b"rot".as_slice()),
        Op::delete(Table::Bodies, tip),
        Op::delete(Table::Hashes, hash.as_bytes().as_slice()),
        Op::put(
            Table::Meta,
            schema::META_TIP,
            schema::encode(&schema::StoredState::of(&state)),
        ),
        Op::put(Table::Meta, schema::META_TIP, b"rot".as_slice()),
        Op::delete(Table::Meta, schema::META_CHAIN),
        Op::delete(Table::Meta, schema::META_REGISTRY),
        Op::put(Table::Meta, schema::META_HISTORY, b"rot".as_slice()),
    ] {
        let error = refusal(change.clone());
        assert!(matches!(error, StoreError::Corrupt { .. }), "{change:?}: {error}");
        assert!(error.to_string().contains("timed resync"), "{error}");
    }
    let newer = refusal(Op::put(Table::Meta, schema::META_SCHEMA, schema::encode(&4u32)));
    assert!(matches!(
        newer,
        StoreError::Newer {
            found: 4,
            known: 3,
            ..
        }
    ));
    let older = refusal(Op::put(Table::Meta, schema::META_SCHEMA, schema::encode(&1u32)));
    assert!(matches!(
        older,
        StoreError::Older {
            found: 1,
            known: 3,
            ..
        }
    ));
    let mut other = builder.genesis().clone();
    other.masternodes[0].name = "another".to_owned();
    let refused = try_open(content.clone(), &disk(), &other, patient());
    assert!(matches!(refused, Err(StoreError::OtherChain { .. })));
}

#[test]
fn a_damaged_redo_file_is_refused_and_one_of_another_generation_ignored() {
    let builder = Builder::new();
    let genesis = builder.genesis();
    let disk = disk();
    let redo = RedoFile::in_dir(&blocks_dir());
    redo.write(&disk, 7, &[Op::delete(Table::Meta, schema::META_TIP)])
        .unwrap();
    let backend = TestBackend::default();
    drop(try_open(backend.clone(), &disk, genesis, patient()).unwrap());
    redo.write(
        &disk,
        0,
        &[Op::put(Table::Undo, b"k".as_slice(), b"v".as_slice())],
    )
    .unwrap();
    let path = blocks_dir().join(crate::storage::REDO_FILE);
    let whole = disk.read(&path);
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 4;
        disk.overwrite(&path, flipped);
        let refused = try_open(backend.clone(), &disk, genesis, patient());
        assert!(
            matches!(
                refused,
                Err(StoreError::Corrupt { .. } | StoreError::Newer { .. })
            ),
            "byte {at}"
        );
        disk.overwrite(&path, whole[..at].to_vec());
        assert!(
            try_open(backend.clone(), &disk, genesis, patient()).is_err(),
            "cut at {at}"
        );
    }
    disk.overwrite(&path, whole);
    drop(try_open(backend.clone(), &disk, genesis, patient()).unwrap());
    assert!(backend.contains(Table::Undo, b"k").unwrap());
}

#[test]
fn a_lost_pointer_to_a_generation_with_blocks_is_not_answered_by_a_new_chain() {
    let builder = Builder::with_blocks(2);
    let dir = tempfile::tempdir().unwrap();
    let blocks = dir.path().join("blocks");
    let reopen = || Store::open(&blocks, builder.genesis(), patient(), |_| {});
    drop(reopen().unwrap());
    // As if the first start had been cut before it published: it goes on.
    std::fs::remove_file(blocks.join("CURRENT")).unwrap();
    let store = reopen().unwrap();
    for batch in &builder.blocks {
        store.commit(batch.clone()).unwrap();
    }
    store.close().unwrap();
    std::fs::remove_file(blocks.join("CURRENT")).unwrap();
    let error = reopen().unwrap_err();
    assert!(error.to_string().contains("CURRENT"), "{error}");
    std::fs::write(blocks.join("CURRENT"), "state-0\n").unwrap();
    builder.check(&reopen().unwrap());
    std::fs::write(blocks.join("CURRENT"), "state-3\n").unwrap();
    assert!(matches!(reopen(), Err(StoreError::Corrupt { .. })));
}

//! A database of the layout before becomes one of this layout, and may be cut short at it.

use super::*;

/// What version 2 would hold: a row for each transaction, by its id.
fn of_layout_2(whole: &MemoryBackend, builder: &Builder) -> MemoryBackend {
    let old = whole.clone();
    for height in 0..=builder.blocks.len() as u64 {
        let mut list = vec![0];
        list.extend(height.to_be_bytes());
        old.apply(&[Op::delete(Table::Transactions, list)]).unwrap();
    }
    for batch in &builder.blocks {
        for (position, transaction) in (0..).zip(&batch.block.transactions) {
            let place = schema::TransactionPosition {
                height: batch.block.header.height,
                position,
            };
            let key = transaction.txid().as_bytes().as_slice().to_vec();
            let row = Op::put(Table::Transactions, key, schema::encode(&place));
            old.apply(&[row]).unwrap();
        }
    }
    old.apply(&[Op::put(Table::Meta, schema::META_SCHEMA, schema::encode(&2u32))])
        .unwrap();
    old
}

#[test]
fn a_database_of_layout_2_gets_its_index_anew_however_often_it_is_cut_short() {
    let builder = Builder::with_blocks(9);
    let whole = filled(&builder);
    let old = of_layout_2(&whole, &builder);
    let mut calls = 0;
    loop {
        let backend = TestBackend::over(old.clone());
        backend.fail_from(calls);
        let opened = try_open(backend.clone(), &disk(), builder.genesis(), patient());
        let is_done = opened.is_ok();
        drop(opened);
        for image in backend.after_crash() {
            let again = TestBackend::over(image);
            builder.check(&try_open(again.clone(), &disk(), builder.genesis(), patient()).unwrap());
            let image = content(&again);
            assert_eq!(dump(&image), dump(&whole), "call {calls}");
            let index = [&image, &whole].map(|backend| rows(backend, Table::Transactions));
            assert_eq!(index[0], index[1], "call {calls}");
        }
        if is_done {
            break;
        }
        calls += 1;
    }
    assert!(
        calls >= 5,
        "lists, their flush, old rows, their flush, the version, its flush: {calls}"
    );
}

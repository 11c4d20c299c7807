//! What the node remembers of transactions and bodies, and for how long.

use crate::chain::testing::TestChain;

use super::*;

fn block(chain: &TestChain, after_ms: u64) -> Block {
    chain.assemble(after_ms, vec![]).block.into_inner()
}

#[test]
fn the_last_bodies_under_vote_are_there_however_many_came_before() {
    let chain = TestChain::new(4, 0);
    let bodies = Bodies::new();
    let blocks: Vec<Block> = (1..=50).map(|n| block(&chain, n)).collect();
    for one in &blocks {
        bodies.proposed(one);
        bodies.proposed(one);
    }
    let (old, new) = blocks.split_at(blocks.len() - PROPOSALS_MAX);
    assert!(
        new.iter()
            .all(|one| bodies.proposal(&one.hash()) == Some(one.clone()))
    );
    assert!(old.iter().all(|one| bodies.proposal(&one.hash()).is_none()));
}

#[test]
fn memories_keep_what_came_last() {
    let memory: Cache<u64, u64> = last(1_000);
    for n in 0..10_000 {
        memory.insert(n, n);
    }
    // The cache is cut into shards of unequal luck: three quarters of its size are certain.
    let kept = (9_250..10_000).filter(|n| memory.peek(n).is_some()).count();
    assert!(kept > 740, "{kept} of the last 750 are remembered");
    // One per shard may have come first and stayed.
    let stayed = (0..5_000).filter(|n| memory.peek(n).is_some()).count();
    assert!(stayed < 100, "{stayed} of the first are still remembered");
}

#[test]
fn what_was_checked_lately_is_bounded_by_its_bytes() {
    let chain = TestChain::new(1, 2);
    let bodies = Bodies::new();
    // Each of 128 outputs, over a coin that nobody has to own.
    let large = |n: u64| {
        let outputs: Vec<(u64, u64)> = (0..128).map(|to| (to, 1_000 + n)).collect();
        chain.transfer(&[(chain.coin(0), 0)], &outputs)
    };
    let size = large(0).size() as u64 + RECENT_OVERHEAD_BYTES;
    let count = 2 * RECENT_BYTES_MAX / size;
    for n in 0..count {
        bodies.note_checked(&large(n));
    }
    let weight = bodies.recent.weight();
    assert!(weight <= RECENT_BYTES_MAX, "{weight}");
    let last = (count - 100)..count;
    let kept = last.filter(|n| bodies.find(&large(*n).txid()).is_some()).count();
    assert!(kept > 90, "{kept} of the last 100 are remembered");
}

#[test]
fn signatures_are_known_while_a_transaction_is_pooled_and_after_it_left() {
    let chain = TestChain::new(1, 2);
    let bodies = Bodies::new();
    let paid = chain.transfer(&[(chain.coin(0), 0)], &[(5, 900_000)]);
    assert!(!bodies.is_verified(&paid));
    bodies.pooled(vec![paid.clone()], Mono::from_micros(1));
    assert!(bodies.is_verified(&paid) && bodies.contains(&paid.txid()));
    let mut resigned = paid.transaction().clone();
    resigned.witnesses[0].signature = crate::crypto::Signature::from_bytes([1; 64]);
    assert!(!bodies.is_verified(&SharedTransaction::new(resigned)));
    bodies.unpooled(&paid.txid(), Some("evicted"));
    assert!(bodies.is_verified(&paid) && !bodies.contains(&paid.txid()));
    assert_eq!(bodies.refused(&paid.txid()), Some("evicted"));
}

#[test]
fn a_final_transaction_tells_how_long_it_took_from_acceptance() {
    let chain = TestChain::new(1, 2);
    let bodies = Bodies::new();
    let paid = chain.transfer(&[(chain.coin(0), 0)], &[(5, 900_000)]);
    let block = chain.assemble(1_000, vec![paid.clone()]).block.into_inner();
    bodies.pooled(vec![paid.clone()], Mono::from_micros(5_000));
    let took = bodies.finalized(&block, 77, Mono::from_micros(12_000));
    assert_eq!(took, [7_000]);
    assert_eq!(bodies.final_at(&paid.txid()), Some((block.height(), 77)));
    assert!(!bodies.contains(&paid.txid()));
    let peer = crate::chain::testing::key(1).public_key();
    assert!(!bodies.should_ask(&paid.txid(), peer, false, Mono::from_micros(20_000)));
}

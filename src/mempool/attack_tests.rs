//! What a hostile crowd does to the pool (the rows of the threat table that are the pool's).

use std::{
    sync::{Barrier, Mutex},
    time::{Duration, Instant},
};

use super::{
    tests::{NOW, context},
    *,
};
use crate::{
    chain::{
        Height, OutPoint, SharedTransaction, TxId,
        testing::{TestChain, key},
    },
    crypto::Verified,
};

fn pay(chain: &TestChain, coin: u32, fee: u64) -> Verified<SharedTransaction> {
    chain.verified(super::tests::pay(chain, coin, fee))
}

#[test]
fn dos_29_of_64_threads_that_spend_one_output_exactly_one_succeeds_each_of_1000_times() {
    const THREADS: usize = 64;
    const ROUNDS: usize = 1_000;
    let chain = TestChain::new(1, 1);
    // Each pays another fee: first seen wins, not the dearest.
    let rivals: Vec<_> = (0..THREADS as u64).map(|n| pay(&chain, 0, 1_000 + n)).collect();
    let pool = Mutex::new(Mempool::new(PoolLimits::default()));
    let (begin, end) = (Barrier::new(THREADS + 1), Barrier::new(THREADS + 1));
    let admitted = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for rival in &rivals {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    begin.wait();
                    let verdict = pool.lock().unwrap().admit(rival.clone(), context(&chain));
                    match verdict {
                        Ok(_) => admitted.lock().unwrap().push(rival.txid()),
                        Err(refusal) => assert_eq!(refusal.code(), "double_spend"),
                    }
                    end.wait();
                }
            });
        }
        for round in 0..ROUNDS {
            begin.wait();
            end.wait();
            let winners = std::mem::take(&mut *admitted.lock().unwrap());
            let mut pool = pool.lock().unwrap();
            assert_eq!(winners.len(), 1, "round {round}");
            assert_eq!((pool.len(), pool.get(&winners[0]).is_some()), (1, true));
            assert_eq!(pool.spender_of(&chain.coin(0)), Some(winners[0]));
            *pool = Mempool::new(PoolLimits::default());
        }
    });
}

/// Fills a pool of `txs_max` with the dearest, then throws `flood` cheap ones at it.
fn flood(txs_max: usize, flood: usize) {
    let chain = TestChain::new(1, (txs_max + flood) as u64);
    let mut pool = Mempool::new(PoolLimits {
        txs_max,
        ..PoolLimits::default()
    });
    let mut dearest: Vec<TxId> = Vec::new();
    for coin in 0..txs_max as u32 {
        let one = pay(&chain, coin, 50_000 + u64::from(coin));
        dearest.push(one.txid());
        pool.admit(one, context(&chain)).unwrap();
    }
    let mut took: Vec<Duration> = Vec::with_capacity(flood);
    for n in 0..flood as u32 {
        let cheap = pay(&chain, txs_max as u32 + n, 300 + u64::from(n % 40_000));
        let started = Instant::now();
        let verdict = pool.admit(cheap, context(&chain));
        took.push(started.elapsed());
        assert!(matches!(
            verdict,
            Err(Refusal::PoolFull { .. } | Refusal::FeeTooLow { .. })
        ));
        assert!(pool.len() <= txs_max && pool.heap_bytes <= pool.limits.heap_bytes_max);
    }
    assert!(dearest.iter().all(|txid| pool.contains(txid)));
    // Those that pay more than the cheapest get in, one for one, and the cheapest go.
    let dear = pay(&chain, txs_max as u32, 90_000);
    assert_eq!(
        pool.admit(dear, context(&chain)).unwrap().evicted,
        vec![dearest[0]]
    );
    took.sort_unstable();
    let p99 = took[flood * 99 / 100];
    assert!(p99 < Duration::from_millis(5), "admission took {p99:?} at p99");
}

#[test]
fn dos_30_a_flood_of_low_fees_never_displaces_what_pays_more() {
    flood(500, 5_000);
}

#[test]
#[ignore = "the full size, half a minute: cargo test --release --lib dos_30 -- --ignored"]
fn dos_30_a_hundred_thousand_low_fees_at_the_real_caps() {
    flood(TXS_MAX, 100_000);
}

#[test]
fn dos_32_an_orphan_flood_from_one_peer_leaves_the_others_theirs() {
    let chain = TestChain::new(1, 600);
    let mut pool = Mempool::new(PoolLimits::default());
    let (flooder, honest) = (key(1).public_key(), key(2).public_key());
    let orphan = |coin: u32| {
        let parent = pay(&chain, coin, 1_000);
        let units = parent.outputs[0].amount.units() - 1_000;
        let spent = (OutPoint::new(parent.txid(), 0), u64::from(coin));
        let child = chain.verified(chain.transfer(&[spent], &[(u64::from(coin), units)]));
        (parent, child)
    };
    let (parent, child) = orphan(0);
    assert_eq!(
        pool.park(child.clone(), honest, &chain.view, NOW),
        Some(vec![parent.txid()])
    );
    let mut kept = 0;
    for coin in 1..600 {
        let (_, child) = orphan(coin);
        kept += usize::from(pool.park(child, flooder, &chain.view, NOW).is_some());
    }
    assert_eq!(kept, PEER_ORPHANS_MAX);
    assert_eq!(pool.stats(Default::default()).orphans, PEER_ORPHANS_MAX + 1);
    pool.admit(parent.clone(), context(&chain)).unwrap();
    assert_eq!(pool.adopt(&parent.txid()), vec![(child, honest)]);
    pool.expire(NOW.saturating_add(ORPHAN_EXPIRY_MS), Height::new(1));
    assert_eq!(pool.stats(Default::default()).orphans, 0);
}

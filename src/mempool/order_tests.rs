//! What random arrivals come to: the best-paying stay, what leaves paid less than what came, and whatever
//! order they came in, blocks are valid and no coin is spent twice.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{
    floor::INCREMENT_PER_KB,
    tests::{admit, assert_consistent, child, context, pay, small},
    *,
};
use crate::{
    chain::{
        OutPoint, SharedTransaction, TxId,
        testing::{GENESIS_UNITS, TestChain},
    },
    crypto::Verified,
};

const COINS: u32 = 40;

/// A fee and a size of one of the pool's transactions.
fn fees_of(pool: &Mempool) -> BTreeMap<TxId, (u64, u64)> {
    let entries = pool.by_age.values().filter_map(|slot| pool.slots.get(*slot));
    entries
        .map(|entry| (entry.transaction.txid(), (entry.fee, entry.size())))
        .collect()
}

/// Everything of a pool's coin 0…7: two rivals for each coin, and a child of each rival.
fn rivals(chain: &TestChain) -> Vec<SharedTransaction> {
    let mut all = Vec::new();
    for n in 0..8_u32 {
        for fee in [1_000 + u64::from(n), 9_000 - u64::from(n)] {
            let parent = pay(chain, n, fee);
            all.push(child(chain, &parent, u64::from(n), 2_000 + fee));
            all.push(parent);
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Of one size and independent of each other; fees differ by more than what an eviction costs.
    #[test]
    fn a_full_pool_holds_exactly_the_best_paying_of_all_that_came(
        fees in prop::collection::vec(1u64..30, COINS as usize),
        txs_max in 1usize..20,
    ) {
        let chain = TestChain::new(1, u64::from(COINS));
        let mut pool = small(txs_max);
        let mut came: Vec<(std::cmp::Reverse<u64>, u32, TxId)> = Vec::new();
        for (n, fee) in (0..COINS).zip(fees) {
            let transaction = pay(&chain, n, fee * 1_000);
            came.push((std::cmp::Reverse(fee), n, transaction.txid()));
            let _ = admit(&mut pool, &chain, &transaction);
            came.sort_unstable();
            let best: BTreeSet<TxId> = came.iter().take(txs_max).map(|(.., txid)| *txid).collect();
            prop_assert_eq!(fees_of(&pool).into_keys().collect::<BTreeSet<_>>(), best);
            assert_consistent(&pool);
        }
    }

    /// Of different sizes, in lines, under a cap of bytes: what leaves for somebody paid less a byte, all
    /// together, than who came; the floor rises to what the newcomer pays at most; and nobody leaves for a
    /// transaction that is refused.
    #[test]
    fn what_leaves_paid_less_than_what_came_for_it(
        steps in prop::collection::vec((any::<u16>(), 300u64..60_000, 1u64..6), 1..60),
        txs_max in 2usize..12,
        heap in 3_000usize..12_000,
    ) {
        let chain = TestChain::new(1, u64::from(COINS));
        let mut pool = Mempool::new(PoolLimits { txs_max, heap_bytes_max: heap, ..PoolLimits::default() });
        let mut made: Vec<(SharedTransaction, u64)> = Vec::new();
        for (pick, fee, pieces) in steps {
            let pick = usize::from(pick);
            let n = pick as u32 % COINS;
            let (spent, owner, worth) = match made.get(pick % 7) {
                Some((parent, owner)) if pick % 3 > 0 => {
                    let worth = parent.outputs[0].amount.units();
                    (OutPoint::new(parent.txid(), 0), *owner, worth)
                }
                _ => (chain.coin(n), u64::from(n), GENESIS_UNITS),
            };
            let Some(piece) = worth.checked_sub(fee).map(|rest| rest / pieces).filter(|piece| *piece > 1_000) else {
                continue;
            };
            let outputs: Vec<(u64, u64)> = (0..pieces).map(|_| (owner, piece)).collect();
            let transaction = chain.transfer(&[(spent, owner)], &outputs);
            let before = fees_of(&pool);
            let floor = pool.floor.per_kb();
            match admit(&mut pool, &chain, &transaction) {
                Ok(admitted) => {
                    let left = admitted.evicted.iter().map(|txid| before[txid]);
                    let (fees, bytes) = left.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
                    let newcomer = FeeRate::new(admitted.fee.units(), transaction.size() as u64);
                    prop_assert!(bytes == 0 || FeeRate::new(fees, bytes) < newcomer);
                    prop_assert!(pool.floor.per_kb() <= floor.max(newcomer.per_kb() + INCREMENT_PER_KB));
                    made.push((transaction, owner));
                }
                Err(_) => prop_assert_eq!(fees_of(&pool), before),
            }
            assert_consistent(&pool);
        }
    }

    /// Two nodes hear of the same rivals in different orders, and lead in turn.
    #[test]
    fn whatever_order_rivals_came_in_every_block_is_valid_for_everybody(
        one in prop::collection::vec(any::<u32>(), 32),
        other in prop::collection::vec(any::<u32>(), 32),
        per_block in 1usize..9,
    ) {
        let mut chain = TestChain::new(1, 8);
        let all = rivals(&chain);
        let mut pools = [one, other].map(|seed| {
            let mut order: Vec<usize> = (0..all.len()).collect();
            order.sort_by_key(|n| seed[*n]);
            let mut pool = small(100);
            // What came before its parent comes again, as a peer would send it.
            for n in order.iter().chain(&order) {
                let _ = admit(&mut pool, &chain, &all[*n]);
            }
            assert_eq!(pool.len(), 16, "one rival of each coin, and its child");
            pool
        });
        let mut spent = BTreeSet::new();
        let mut turn = 0;
        while pools.iter().any(|pool| !pool.is_empty()) {
            let selected = pools[turn % 2].select(usize::MAX, per_block);
            turn += 1;
            let assembled = chain.assemble(1, selected.into_iter().map(Verified::into_inner).collect());
            prop_assert_eq!(&assembled.refused, &[], "what one pool selects, everybody accepts");
            let block = assembled.block.into_inner();
            let connected = chain.connect(block.clone()).unwrap();
            for outpoint in block.transactions.iter().flat_map(|transaction| &transaction.inputs) {
                prop_assert!(spent.insert(*outpoint), "spent twice");
            }
            chain.view.apply(&connected.delta);
            chain.state = connected.state;
            for pool in &mut pools {
                pool.on_commit(&block);
                assert_consistent(pool);
            }
        }
        prop_assert_eq!(spent.len(), 16);
        // Whoever hears the losers again takes none of them.
        for transaction in &all {
            let again = pools[0].admit(chain.verified(transaction.clone()), context(&chain));
            prop_assert!(again.is_err());
        }
    }
}

//! The laws of the pool.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{
    chain::{
        Block, Draft, Height, OutPoint, SharedTransaction, TimestampMs, TransactionError, TxId, assemble,
        testing::{GENESIS_UNITS, TestChain, key},
    },
    crypto::Verified,
};

pub(super) const NOW: TimestampMs = TimestampMs::new(5_000_000);

pub(super) fn context(chain: &TestChain) -> Context<'_> {
    Context {
        view: &chain.view,
        registry: chain.state.registry_context(),
        next_height: chain.state.tip.height.next(),
        now: NOW,
    }
}

pub(super) fn admit(
    pool: &mut Mempool,
    chain: &TestChain,
    transaction: &SharedTransaction,
) -> Result<Admitted, Refusal> {
    pool.admit(chain.verified(transaction.clone()), context(chain))
}

/// One input of owner n, one output, the given fee.
pub(super) fn pay(chain: &TestChain, n: u32, fee: u64) -> SharedTransaction {
    chain.transfer(
        &[(chain.coin(n), u64::from(n))],
        &[(u64::from(n), GENESIS_UNITS - fee)],
    )
}

/// Spends output 0 of `parent`, which belongs to `owner`, with the given fee.
pub(super) fn child(
    chain: &TestChain,
    parent: &SharedTransaction,
    owner: u64,
    fee: u64,
) -> SharedTransaction {
    let units = parent.outputs[0].amount.units() - fee;
    chain.transfer(&[(OutPoint::new(parent.txid(), 0), owner)], &[(owner, units)])
}

pub(super) fn small(txs_max: usize) -> Mempool {
    Mempool::new(PoolLimits {
        txs_max,
        ..PoolLimits::default()
    })
}

fn ids(transactions: &[Verified<SharedTransaction>]) -> Vec<TxId> {
    transactions
        .iter()
        .map(|transaction| transaction.txid())
        .collect()
}

/// Everything that must hold between the indexes at all times.
pub(super) fn assert_consistent(pool: &Mempool) {
    let count = pool.len();
    assert!(count <= pool.limits.txs_max);
    assert!(pool.heap_bytes <= pool.limits.heap_bytes_max);
    assert_eq!(pool.by_score.len(), count);
    assert_eq!(pool.by_age.len(), count);
    let entries: Vec<_> = pool
        .by_age
        .values()
        .map(|slot| (*slot, pool.slots.get(*slot).unwrap()))
        .collect();
    assert_eq!(
        entries
            .iter()
            .map(|(_, entry)| entry.transaction.inputs.len())
            .sum::<usize>(),
        pool.claims.len()
    );
    assert_eq!(
        entries.iter().map(|(_, entry)| entry.heap_bytes).sum::<usize>(),
        pool.heap_bytes
    );
    assert_eq!(pool.rates.iter().map(|bar| bar.count).sum::<u64>(), count as u64);
    for (slot, entry) in &entries {
        let line = pool.slots.reach([*slot], |entry| &entry.children, CHAIN_MAX);
        let sum = |of: &dyn Fn(&super::entry::Entry) -> u64| {
            line.iter()
                .map(|slot| of(pool.slots.get(*slot).unwrap()))
                .sum::<u64>()
        };
        assert_eq!(entry.package.count, line.len());
        assert_eq!(entry.package.fee, sum(&|entry| entry.fee));
        assert_eq!(entry.package.size, sum(&|entry| entry.size()));
        assert!(line.len() <= CHAIN_MAX);
        assert!(pool.by_score.contains(&(entry.score(), *slot)));
        for parent in &entry.parents {
            assert!(pool.slots.get(*parent).unwrap().children.contains(slot));
        }
    }
}

#[test]
fn those_that_pay_least_are_named_in_the_order_in_which_they_are_pushed_out() {
    let chain = TestChain::new(1, 12);
    let mut pool = small(20);
    assert_eq!(pool.detail(TimestampMs::new(0), 1 << 20, 100).cheapest, []);
    for coin in 0..12_u32 {
        let paid = pay(&chain, coin, 1_000 + 100 * u64::from(11 - coin));
        admit(&mut pool, &chain, &paid).unwrap();
    }
    let cheapest = pool.detail(TimestampMs::new(0), 1 << 20, 100).cheapest;
    assert_eq!(cheapest.len(), CHEAPEST_MAX);
    assert!(cheapest.is_sorted_by_key(|cheap| cheap.per_kb));
    assert_eq!(cheapest[0].txid, pay(&chain, 11, 1_000).txid());
    assert_eq!(
        (cheapest[0].inputs, cheapest[0].bytes),
        (1, pay(&chain, 11, 1_000).size() as u64)
    );
}

#[test]
fn first_seen_wins_and_the_refusal_names_it() {
    let chain = TestChain::new(1, 3);
    let mut pool = small(10);
    let first = pay(&chain, 0, 1_000);
    let second = pay(&chain, 0, 900_000);
    assert_eq!(admit(&mut pool, &chain, &first).unwrap().fee.units(), 1_000);
    let refusal = admit(&mut pool, &chain, &second).unwrap_err();
    assert_eq!(
        refusal,
        Refusal::DoubleSpend {
            outpoint: chain.coin(0),
            by: first.txid()
        }
    );
    assert!(!refusal.is_peer_fault());
    assert_eq!(
        admit(&mut pool, &chain, &first),
        Err(Refusal::Duplicate {
            of: DuplicateOf::Pool
        })
    );
    assert_eq!(pool.spender_of(&chain.coin(0)), Some(first.txid()));
    assert_eq!(
        pool.stats(Default::default()).refused,
        vec![("double_spend", 1), ("duplicate", 1)]
    );
}

#[test]
fn refusals_say_why_and_whose_fault() {
    let mut chain = TestChain::new(1, 5);
    let mut pool = small(10);
    let dust = chain.transfer(&[(chain.coin(0), 0)], &[(0, 100)]);
    assert_eq!(admit(&mut pool, &chain, &dust), Err(Refusal::Dust { output: 0 }));
    assert_eq!(
        admit(&mut pool, &chain, &dust),
        Err(Refusal::Duplicate {
            of: DuplicateOf::Rejected
        })
    );
    let cheap = pay(&chain, 0, 10);
    let need = crate::chain::Amount::from_units(cheap.size() as u64);
    let fee = crate::chain::Amount::from_units(10);
    assert_eq!(
        admit(&mut pool, &chain, &cheap),
        Err(Refusal::FeeTooLow { fee, need })
    );
    let exact = pay(&chain, 0, need.units());
    assert!(admit(&mut pool, &chain, &exact).is_ok());
    let missing = OutPoint::new(TxId::from_bytes([3; 32]), 0);
    let orphan = chain.transfer(&[(missing, 0)], &[(0, 1_000)]);
    assert_eq!(
        admit(&mut pool, &chain, &orphan),
        Err(Refusal::MissingInputs { first: missing })
    );
    let no_such_output = chain.transfer(&[(OutPoint::new(exact.txid(), 7), 0)], &[(0, 1_000)]);
    assert!(matches!(
        admit(&mut pool, &chain, &no_such_output),
        Err(Refusal::MissingInputs { .. })
    ));
    let stolen = chain.transfer(&[(chain.coin(1), 0)], &[(0, 1_000)]);
    let refusal = admit(&mut pool, &chain, &stolen).unwrap_err();
    assert_eq!(refusal, Refusal::Invalid(TransactionError::WrongKey { input: 0 }));
    assert!(refusal.is_peer_fault());
    chain.extend(1, vec![]);
    let late = chain.transfer_until(&[(chain.coin(2), 2)], &[(2, 1_000)], 1);
    assert_eq!(
        admit(&mut pool, &chain, &late),
        Err(Refusal::Expired {
            until: Height::new(1)
        })
    );
    assert_consistent(&pool);
}

#[test]
fn evicts_lowest_fee_when_full_and_refuses_what_is_itself_the_lowest() {
    let chain = TestChain::new(1, 10);
    let mut pool = small(3);
    let waiting: Vec<_> = [3_000, 2_000, 4_000]
        .iter()
        .zip(0..)
        .map(|(fee, n)| pay(&chain, n, *fee))
        .collect();
    waiting
        .iter()
        .for_each(|transaction| drop(admit(&mut pool, &chain, transaction).unwrap()));
    let lower = pay(&chain, 5, 1_999);
    assert!(matches!(
        admit(&mut pool, &chain, &lower),
        Err(Refusal::PoolFull { .. })
    ));
    let equal = pay(&chain, 5, 2_000);
    let Err(Refusal::PoolFull { need }) = admit(&mut pool, &chain, &equal) else {
        panic!()
    };
    assert_eq!(need.units(), 2_001);
    let higher = pay(&chain, 5, 2_001);
    assert_eq!(
        admit(&mut pool, &chain, &higher).unwrap().evicted,
        vec![waiting[1].txid()]
    );
    assert_eq!(pool.spender_of(&chain.coin(1)), None);
    // The floor is now the evicted rate plus an increment, and falls back with time.
    let stats = pool.stats(Default::default());
    assert_eq!((stats.evicted, stats.pressure_permille), (1, 1000));
    assert!(stats.floor_per_kb > 2_000 * 1000 / waiting[1].size() as u64);
    let refusal = admit(&mut pool, &chain, &pay(&chain, 6, 1_000)).unwrap_err();
    assert!(matches!(refusal, Refusal::FeeTooLow { .. }));
    pool.expire(NOW.saturating_add(40 * 600_000), Height::new(1));
    assert_eq!(pool.stats(Default::default()).floor_per_kb, 1_000);
    assert_consistent(&pool);
}

#[test]
fn a_child_that_pays_keeps_and_carries_its_parent() {
    let chain = TestChain::new(1, 10);
    let mut pool = small(3);
    let parent = pay(&chain, 0, 300);
    let rich = child(&chain, &parent, 0, 100_000);
    let middle = pay(&chain, 1, 5_000);
    for transaction in [&parent, &middle, &rich] {
        admit(&mut pool, &chain, transaction).unwrap();
    }
    assert_eq!(
        ids(&pool.select(1_000_000, 10)),
        vec![parent.txid(), rich.txid(), middle.txid()]
    );
    assert_eq!(
        ids(&pool.select(1_000_000, 1)),
        vec![parent.txid()],
        "a child never goes without its parent"
    );
    let newcomer = pay(&chain, 2, 6_000);
    assert_eq!(
        admit(&mut pool, &chain, &newcomer).unwrap().evicted,
        vec![middle.txid()]
    );
    assert_consistent(&pool);
}

#[test]
fn evicting_a_parent_takes_its_children_along() {
    let chain = TestChain::new(1, 10);
    let mut pool = small(3);
    let parent = pay(&chain, 0, 300);
    let poor = child(&chain, &parent, 0, 300);
    let other = pay(&chain, 1, 5_000);
    for transaction in [&parent, &poor, &other] {
        admit(&mut pool, &chain, transaction).unwrap();
    }
    let evicted = admit(&mut pool, &chain, &pay(&chain, 2, 6_000)).unwrap().evicted;
    assert_eq!(
        evicted,
        vec![poor.txid()],
        "the later of two equal rates goes first, alone if that is enough"
    );
    let grandchild = child(&chain, &other, 1, 20_000);
    assert_eq!(
        admit(&mut pool, &chain, &grandchild).unwrap().evicted,
        vec![parent.txid()]
    );
    let own = child(&chain, &grandchild, 1, 19_000);
    let evicted = admit(&mut pool, &chain, &own).unwrap().evicted;
    assert_eq!(
        evicted.len(),
        1,
        "ancestors of the newcomer stay, somebody else leaves"
    );
    assert!(pool.contains(&other.txid()) && pool.contains(&grandchild.txid()) && pool.contains(&own.txid()));
    assert_consistent(&pool);
}

#[test]
fn lines_of_dependants_are_bounded() {
    let chain = TestChain::new(1, 2);
    let mut pool = small(100);
    let mut last = pay(&chain, 0, 1_000);
    admit(&mut pool, &chain, &last).unwrap();
    for _ in 1..CHAIN_MAX {
        last = child(&chain, &last, 0, 1_000);
        admit(&mut pool, &chain, &last).unwrap();
    }
    let refusal = admit(&mut pool, &chain, &child(&chain, &last, 0, 1_000)).unwrap_err();
    assert_eq!(refusal, Refusal::ChainTooLong { max: CHAIN_MAX });
    assert_eq!(pool.select(1_000_000, 100).len(), CHAIN_MAX);
    assert_consistent(&pool);
}

#[test]
fn a_block_takes_out_what_it_includes_and_what_conflicts_with_it() {
    let mut chain = TestChain::new(1, 4);
    let mut pool = small(10);
    let included = pay(&chain, 0, 1_000);
    let its_child = child(&chain, &included, 0, 1_000);
    let loser = pay(&chain, 1, 1_000);
    let losers_child = child(&chain, &loser, 1, 1_000);
    let bystander = pay(&chain, 2, 1_000);
    for transaction in [&included, &its_child, &loser, &losers_child, &bystander] {
        admit(&mut pool, &chain, transaction).unwrap();
    }
    let winner = pay(&chain, 1, 2_000);
    let block = chain.assemble(1, vec![included.clone(), winner.clone()]).block;
    let committed = pool.on_commit(&block);
    assert_eq!(committed.included, vec![included.txid()]);
    assert_eq!(committed.conflicting, vec![losers_child.txid(), loser.txid()]);
    chain.extend(1, vec![included.clone(), winner.clone()]);
    assert_consistent(&pool);
    assert_eq!(pool.len(), 2);
    for known in [&included, &winner] {
        let duplicate = admit(&mut pool, &chain, known);
        assert_eq!(
            duplicate,
            Err(Refusal::Duplicate {
                of: DuplicateOf::Confirmed
            })
        );
    }
    assert!(matches!(
        admit(&mut pool, &chain, &loser),
        Err(Refusal::MissingInputs { .. })
    ));
    let assembled = chain.assemble(
        1,
        pool.select(1_000_000, 10)
            .into_iter()
            .map(Verified::into_inner)
            .collect(),
    );
    assert_eq!(assembled.refused, []);
    assert_eq!(assembled.block.transactions.len(), 2);
}

#[test]
fn what_is_too_old_or_past_its_height_leaves_with_its_children() {
    let chain = TestChain::new(1, 4);
    let mut pool = small(10);
    let until_3 = chain.transfer_until(&[(chain.coin(0), 0)], &[(0, 900_000)], 3);
    let its_child = child(&chain, &until_3, 0, 1_000);
    let lasting = pay(&chain, 1, 1_000);
    for transaction in [&until_3, &its_child, &lasting] {
        admit(&mut pool, &chain, transaction).unwrap();
    }
    assert_eq!(pool.expire(NOW, Height::new(3)), vec![]);
    assert_eq!(
        pool.expire(NOW, Height::new(4)),
        vec![its_child.txid(), until_3.txid()]
    );
    assert_eq!(
        pool.expire(NOW.saturating_add(EXPIRY_MS - 1), Height::new(4)),
        vec![]
    );
    assert_eq!(
        pool.expire(NOW.saturating_add(EXPIRY_MS), Height::new(4)),
        vec![lasting.txid()]
    );
    assert_eq!(pool.stats(Default::default()).expired, 3);
    assert_consistent(&pool);
}

#[test]
fn what_a_proposer_found_invalid_leaves() {
    let chain = TestChain::new(1, 4);
    let mut pool = small(10);
    let parent = pay(&chain, 0, 1_000);
    let its_child = child(&chain, &parent, 0, 1_000);
    for transaction in [&parent, &its_child] {
        admit(&mut pool, &chain, transaction).unwrap();
    }
    assert_eq!(
        pool.drop_invalid(&parent.txid()),
        vec![its_child.txid(), parent.txid()]
    );
    assert_eq!(pool.drop_invalid(&parent.txid()), vec![]);
    assert!(pool.is_empty());
}

#[test]
fn fee_rates_compare_exactly_where_floats_would_not() {
    let close = |fee, size| FeeRate::new(fee, size);
    assert!(close(u64::MAX, 100_000) > close(u64::MAX - 1, 100_000));
    assert_eq!(close(1, 3), close(2, 6));
    assert!(close(333_333_333_333_333_333, 1_000_000_000_000_000_000) < close(1, 3));
    assert_eq!(close(1, 3).per_kb(), 334);
    assert_eq!(stats::bucket(close(0, 100)), 0);
    assert_eq!(stats::bucket(close(100, 100)), 1);
    assert_eq!(stats::bucket(close(199, 100)), 1);
    assert_eq!(stats::bucket(close(u64::MAX, 1)), RATE_BUCKETS.len() - 1);
}

#[test]
fn recent_ids_are_bounded_and_the_oldest_is_forgotten() {
    let mut recent = recent::RecentSet::new(3);
    (0..10).for_each(|n| recent.insert(n));
    recent.insert(9);
    assert_eq!(recent.len(), 3);
    assert!(!recent.contains(&6) && recent.contains(&7));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn caps_are_never_exceeded_and_indexes_agree(
        steps in prop::collection::vec((0u8..10, any::<u16>(), 300u64..20_000), 1..60),
        txs_max in 1usize..12,
        heap in 2_000usize..12_000,
    ) {
        let mut chain = TestChain::new(1, 24);
        let mut pool = Mempool::new(PoolLimits { txs_max, heap_bytes_max: heap, ..PoolLimits::default() });
        for (kind, pick, fee) in steps {
            let pick = usize::from(pick);
            let waiting: Vec<SharedTransaction> =
                pool.transactions().map(|transaction| transaction.clone().into_inner()).collect();
            match kind {
                0 if !waiting.is_empty() => {
                    let some: Vec<_> = pool.select(usize::MAX, pick % 4);
                    let block = chain.assemble(1, some.into_iter().map(Verified::into_inner).collect());
                    prop_assert_eq!(&block.refused, &[]);
                    pool.on_commit(&block.block);
                    chain.view.apply(&block.connected.delta);
                    chain.state = block.connected.state;
                }
                1 if !waiting.is_empty() => {
                    pool.drop_invalid(&waiting[pick % waiting.len()].txid());
                }
                2..=5 if !waiting.is_empty() => {
                    let parent = &waiting[pick % waiting.len()];
                    let owner = (0..24).find(|n| {
                        crate::chain::testing::address(*n) == parent.outputs[0].address
                    }).unwrap();
                    if parent.outputs[0].amount.units() > fee + 1_000 {
                        let _ = admit(&mut pool, &chain, &child(&chain, parent, owner, fee));
                    }
                }
                _ => {
                    let n = (pick % 24) as u32;
                    let _ = admit(&mut pool, &chain, &pay(&chain, n, fee));
                }
            }
            assert_consistent(&pool);
        }
    }

    #[test]
    fn order_of_arrival_does_not_change_what_is_valid(
        seed in prop::collection::vec(any::<u32>(), 12),
    ) {
        let chain = TestChain::new(1, 6);
        let mut all = Vec::new();
        for n in 0..6u32 {
            let parent = pay(&chain, n, 1_000 + u64::from(n));
            all.push(child(&chain, &parent, u64::from(n), 2_000));
            all.push(parent);
        }
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_by_key(|n| seed[*n]);
        let mut pool = small(100);
        // What came before its parent comes again, as a peer would send it.
        for n in order.iter().chain(&order) {
            let _ = admit(&mut pool, &chain, &all[*n]);
        }
        let selected = pool.select(usize::MAX, usize::MAX);
        let expected: BTreeSet<TxId> = all.iter().map(|transaction| transaction.txid()).collect();
        prop_assert_eq!(ids(&selected).into_iter().collect::<BTreeSet<_>>(), expected);
        let draft = Draft { transactions: selected, ..chain.draft(1, vec![]) };
        let assembled = assemble(draft, &chain.state, &chain.view, &chain.rules()).unwrap();
        prop_assert_eq!(assembled.refused, vec![]);
        let block: Block = assembled.block.into_inner();
        prop_assert_eq!(chain.connect(block).unwrap().state.totals.utxo_count, 6);
    }
}

#[test]
fn orphans_come_back_with_their_parent_and_no_peer_fills_the_place() {
    let chain = TestChain::new(1, 60);
    let (here, there) = (key(1).public_key(), key(2).public_key());
    let mut orphans = Orphans::default();
    let parent = pay(&chain, 0, 1_000);
    let orphan = chain.verified(child(&chain, &parent, 0, 1_000));
    assert!(orphans.park(orphan.clone(), here, NOW));
    assert!(!orphans.park(orphan.clone(), there, NOW), "once is enough");
    for n in 1..60 {
        let kept = orphans.park(chain.verified(pay(&chain, n, 1_000)), here, NOW);
        assert_eq!(kept, (n as usize) < PEER_ORPHANS_MAX);
    }
    assert!(orphans.park(chain.verified(pay(&chain, 59, 1_000)), there, NOW));
    assert_eq!(orphans.children_of(&parent.txid()), vec![(orphan, here)]);
    assert_eq!(orphans.children_of(&parent.txid()), vec![]);
    orphans.expire(NOW.saturating_add(ORPHAN_EXPIRY_MS - 1));
    assert_eq!(orphans.len(), PEER_ORPHANS_MAX);
    orphans.expire(NOW.saturating_add(ORPHAN_EXPIRY_MS));
    assert!(orphans.is_empty());
}

//! What a node saw before, and in which order, does not change what it thinks of a block.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::chain::{
    BlockContext,
    testing::{MapView, TestChain, key},
};

fn ledger(chain: &TestChain, me: u64) -> Ledger {
    struct Coins(MapView);
    impl UtxoView for Coins {
        fn output(
            &self,
            outpoint: &crate::chain::OutPoint,
        ) -> Result<Option<crate::chain::Coin>, crate::chain::ViewError> {
            self.0.output(outpoint)
        }
    }
    Ledger::new(
        chain.chain_id,
        *chain.params(),
        Some(key(me).public_key()),
        chain.state.clone(),
        Arc::new(Coins(chain.view.clone())),
        PoolLimits::default(),
    )
}

/// Twenty transfers, some of which spend the same coin or each other's outputs.
fn arrivals(chain: &TestChain) -> Vec<SharedTransaction> {
    let mut all = Vec::new();
    for n in 0..8u32 {
        let owner = u64::from(n);
        let first = chain.transfer(&[(chain.coin(n), owner)], &[(owner, 900_000)]);
        let made = crate::chain::OutPoint::new(first.txid(), 0);
        all.push(chain.transfer(&[(made, owner)], &[(owner + 1, 800_000)]));
        all.push(chain.transfer(&[(chain.coin(n), owner)], &[(owner + 2, 700_000)]));
        all.push(first);
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn random_reorderings_of_arrivals_give_the_same_block_validity(
        one in Just((0..24usize).collect::<Vec<_>>()).prop_shuffle(),
        other in Just((0..24usize).collect::<Vec<_>>()).prop_shuffle(),
        judged_in in Just((0..3usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let chain = TestChain::new(4, 8);
        let now = TimestampMs::new(1_000_500);
        let all = arrivals(&chain);
        let mut ledgers = [ledger(&chain, 1000), ledger(&chain, 1001)];
        for (ledger, order) in ledgers.iter_mut().zip([&one, &other]) {
            for index in order {
                // Conflicts and orphans are refused, others by each order.
                let _ = ledger.admit(chain.verified(all[*index].clone()), now, now);
            }
        }
        let [a, b] = &mut ledgers;
        let by_a = a.build(Round::ZERO, now, None).unwrap();
        let by_b = b.build(Round::ZERO, now, None).unwrap();
        // The first one with a transaction twice: wrong whoever looks.
        let mut doubled = Block::clone(&by_a);
        doubled.transactions.extend(by_a.transactions.first().cloned());
        doubled.header.tx_root = crate::chain::transactions_root(&doubled.transactions);
        let context = BlockContext { chain_id: &chain.chain_id, known: &|_| true };
        let doubled = Verified::check(doubled, context).unwrap();
        let blocks = [(&by_a, true), (&by_b, true), (&doubled, by_a.transactions.is_empty())];
        let mut fresh = ledger(&chain, 1002);
        for index in judged_in {
            let (block, is_valid) = blocks[index];
            for judge in [&mut *a, &mut *b, &mut fresh] {
                let verdict = judge.validate_fresh(block, now);
                prop_assert_eq!(verdict == Verdict::Valid, is_valid, "{:?}", verdict);
                prop_assert_eq!(judge.validate_reproposal(block) == Verdict::Valid, is_valid);
            }
        }
        // Whichever wins leads everybody to the same state.
        let connected = |ledger: &mut Ledger| ledger.connect(&by_b).unwrap();
        let (from_a, from_b) = (connected(a), connected(b));
        prop_assert_eq!(&from_a, &from_b);
        prop_assert_eq!(from_a, connected(&mut fresh));
    }
}

#[test]
fn a_full_block_throws_nobody_out_of_the_pool() {
    // The block that closes a period keeps room for a reward, which the pool knows nothing of.
    let mut chain = TestChain::new(10, 40);
    let inputs: Vec<_> = (0..20).map(|n| (chain.coin(n), u64::from(n))).collect();
    let units = crate::chain::testing::GENESIS_UNITS;
    let parent = chain.transfer(&inputs, &[(0, 19 * units)]);
    let spent = crate::chain::OutPoint::new(parent.txid(), 0);
    let child = chain.transfer(&[(spent, 0)], &[(0, 18 * units)]);
    chain.genesis.params.max_block_bytes = (parent.size() + child.size()) as u64;
    let mut ledger = ledger(&chain, 1000);
    let period = chain.params().reward_period_ms;
    let now = chain.state.tip.timestamp_ms.saturating_add(period);
    for transaction in [&parent, &child] {
        ledger
            .admit(chain.verified(transaction.clone()), now, now)
            .unwrap();
    }
    let block = ledger.build(Round::ZERO, now, None).unwrap();
    assert!(block.transactions.iter().all(|one| one.is_reward()));
    assert_eq!(ledger.take_dropped(), []);
    assert_eq!(ledger.pool().len(), 2, "both wait for the next block");
}

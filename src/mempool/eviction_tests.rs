//! Who leaves a full pool for whom, where the sums are not what they seem.

use super::{
    tests::{admit, assert_consistent, pay, small},
    *,
};
use crate::chain::{
    Amount, ChainState, GenesisOutput, Height, MasternodeChange, MasternodeId, MasternodeUpdate, OutPoint,
    Ready, Registration, SharedTransaction, TRANSACTION_VERSION, Transaction, TransactionKind,
    UNITS_PER_TIME, possession_bytes, ready_bytes,
    testing::{GENESIS_UNITS, TestChain, address, key},
};

/// Spends `spent` of `owner`, worth `units`, into `pieces` outputs, at `rate` units a byte.
fn split(
    chain: &TestChain,
    spent: OutPoint,
    owner: u64,
    units: u64,
    pieces: u64,
    rate: u64,
) -> SharedTransaction {
    let with_fee = |fee: u64| {
        let piece = (units - fee) / pieces;
        let mut outputs = vec![(owner, piece); pieces as usize];
        outputs[0].1 += units - fee - piece * pieces;
        chain.transfer(&[(spent, owner)], &outputs)
    };
    let size = with_fee(1_000).size() as u64;
    with_fee(size * rate)
}

#[test]
fn a_parent_that_its_rich_child_pays_for_stays_when_a_bulky_child_leaves() {
    let chain = TestChain::new(1, 40);
    let parent = split(&chain, chain.coin(0), 0, GENESIS_UNITS, 2, 1);
    let made = |index: u32| {
        let units = parent.outputs[index as usize].amount.units();
        (OutPoint::new(parent.txid(), index), units)
    };
    let ((first, first_units), (second, second_units)) = (made(0), made(1));
    let rich = split(&chain, first, 0, first_units, 1, 1_000);
    let bulky = split(&chain, second, 0, second_units, 250, 1);
    // Three of them, so that the newcomer needs more room than the bulky child leaves.
    let bystanders: Vec<_> = (1..4).map(|n| pay(&chain, n, 40 * 200)).collect();
    let mut pool = Mempool::new(PoolLimits::default());
    for transaction in [&parent, &rich, &bulky].into_iter().chain(&bystanders) {
        admit(&mut pool, &chain, transaction).unwrap();
    }
    pool.limits.heap_bytes_max = pool.heap_bytes;
    // Larger than the bulky child, and at a rate between that of the package with it and without it.
    let newcomer = split(&chain, chain.coin(9), 9, GENESIS_UNITS, 254, 30);
    let before = pool.stats(Default::default()).floor_per_kb;
    let refusal = admit(&mut pool, &chain, &newcomer).unwrap_err();
    let Refusal::PoolFull { need } = refusal else {
        panic!("{refusal}")
    };
    assert!(
        need.units() < 60 * newcomer.size() as u64,
        "it says what the cheapest that is left pays"
    );
    assert!(pool.contains(&parent.txid()) && pool.contains(&rich.txid()) && pool.contains(&bulky.txid()));
    assert_eq!(pool.stats(Default::default()).floor_per_kb, before);
    // With less than the bulky child's room it is enough that this one leaves, and the floor says no more
    // than what leaving it was worth.
    let smaller = split(&chain, chain.coin(9), 9, GENESIS_UNITS, 240, 30);
    assert_eq!(
        admit(&mut pool, &chain, &smaller).unwrap().evicted,
        vec![bulky.txid()]
    );
    assert!(pool.contains(&parent.txid()) && pool.contains(&rich.txid()));
    assert!(pool.stats(Default::default()).floor_per_kb <= 3_000);
    assert_consistent(&pool);
}

/// A chain of one masternode with a second one registered, which waits to join.
fn with_a_pending_one() -> (TestChain, MasternodeId) {
    let mut chain = TestChain::new(1, 0);
    let time = |time: u64| Amount::from_units(time * UNITS_PER_TIME);
    let output = |n: u64| GenesisOutput {
        address: address(n),
        amount: time(2_000),
    };
    chain.genesis.outputs = (0..8).map(output).collect();
    let (state, delta) = ChainState::genesis(&chain.genesis);
    (chain.chain_id, chain.state) = (chain.genesis.chain_id(), state);
    chain.view.0.clear();
    chain.view.apply(&delta);
    let secret = key(500);
    let bytes = possession_bytes(&chain.chain_id, &secret.public_key(), address(0).as_bytes());
    let registration = Registration {
        consensus_key: secret.public_key(),
        service: None,
        payout: address(0),
        collateral_output: 0,
        proof: secret.sign(&bytes),
    };
    let outputs = [(0, 1_000 * UNITS_PER_TIME), (0, 999 * UNITS_PER_TIME)];
    let mut register = chain
        .transfer(&[(chain.coin(0), 0)], &outputs)
        .transaction()
        .clone();
    register.kind = TransactionKind::RegisterMasternode(Box::new(registration));
    register.sign(&chain.chain_id, &[&key(0)]);
    let register = SharedTransaction::new(register);
    let id = MasternodeId::of_registration(register.txid());
    chain.extend(1, vec![register]);
    (chain, id)
}

#[test]
fn a_masternode_that_waits_to_join_gets_into_a_full_pool_and_is_never_pushed_out() {
    let (chain, id) = with_a_pending_one();
    let dear = |n: u32, fee: u64| {
        let units = 2_000 * UNITS_PER_TIME - fee;
        chain.transfer(&[(chain.coin(n), u64::from(n))], &[(u64::from(n), units)])
    };
    let (secret, block) = (key(500), chain.state.anchor());
    let change = MasternodeChange::Ready(Ready {
        consensus_key: secret.public_key(),
        block,
        signature: secret.sign(&ready_bytes(&chain.chain_id, &id, &block)),
    });
    let ready = SharedTransaction::new(Transaction {
        version: TRANSACTION_VERSION,
        kind: TransactionKind::UpdateMasternode(Box::new(MasternodeUpdate { id, change })),
        inputs: vec![],
        outputs: vec![],
        valid_until_height: Height::GENESIS,
        witnesses: vec![],
    });
    let mut pool = small(2);
    let (cheap, dearer) = (dear(1, 100_000), dear(2, 200_000));
    for transaction in [&cheap, &dearer] {
        admit(&mut pool, &chain, transaction).unwrap();
    }
    assert_eq!(
        admit(&mut pool, &chain, &ready).unwrap().evicted,
        vec![cheap.txid()]
    );
    // Money does not push it out, whatever it pays.
    let dearest = dear(3, UNITS_PER_TIME);
    assert_eq!(
        admit(&mut pool, &chain, &dearest).unwrap().evicted,
        vec![dearer.txid()]
    );
    assert!(pool.contains(&ready.txid()));
    let first = pool.select(1 << 20, 1);
    assert_eq!(first.first().map(|first| first.txid()), Some(ready.txid()));
    // Its coming shut nobody out who pays a little more than who left.
    assert!(pool.stats(Default::default()).floor_per_kb <= 200_000 * 1_000 / dearer.size() as u64 + 1_001);
    assert_consistent(&pool);
}

//! The laws of the registry: who may change it, when sets change, who is paid, and that all of it
//! can be taken back.

use std::collections::BTreeSet;

use super::{
    testing::{TestChain, address, evidence, key},
    *,
};
use crate::crypto::{Hash256, PublicKey, Verified};

/// A chain whose first owners can pay for collateral, each with one output of `TIME`.
pub(super) fn rich_chain(masternodes: u64, min_masternodes: u64) -> TestChain {
    let mut chain = TestChain::new(masternodes, 0);
    chain.genesis.params.min_masternodes = min_masternodes;
    chain.genesis.outputs = (0..20)
        .map(|n| GenesisOutput {
            address: address(n),
            amount: Amount::from_units(2_000 * UNITS_PER_TIME),
        })
        .collect();
    restart(&mut chain);
    chain
}

fn restart(chain: &mut TestChain) {
    chain.genesis.check().unwrap();
    let (state, delta) = ChainState::genesis(&chain.genesis);
    chain.chain_id = chain.genesis.chain_id();
    chain.state = state;
    chain.view.0.clear();
    chain.view.apply(&delta);
}

/// Owner n's registration of the key 500 + n, which leaves change of a little less than 1000 TIME
/// at output 1.
pub(super) fn register(chain: &TestChain, n: u64) -> SharedTransaction {
    register_key(chain, n, 500 + n)
}

fn register_key(chain: &TestChain, n: u64, validator: u64) -> SharedTransaction {
    let secret = key(validator);
    let bytes = possession_bytes(&chain.chain_id, &secret.public_key(), address(n).as_bytes());
    let registration = Registration {
        consensus_key: secret.public_key(),
        service: None,
        payout: address(n),
        collateral_output: 0,
        proof: secret.sign(&bytes),
    };
    special(
        chain,
        TransactionKind::RegisterMasternode(Box::new(registration)),
        &[(chain.coin(n as u32), n)],
        &[(n, 1_000 * UNITS_PER_TIME), (n, 999 * UNITS_PER_TIME)],
    )
}

pub(super) fn special(
    chain: &TestChain,
    kind: TransactionKind,
    inputs: &[(OutPoint, u64)],
    outputs: &[(u64, u64)],
) -> SharedTransaction {
    let mut transaction = chain.transfer(inputs, outputs).transaction().clone();
    transaction.kind = kind;
    let keys: Vec<_> = inputs.iter().map(|(_, owner)| key(*owner)).collect();
    transaction.sign(&chain.chain_id, &keys.iter().collect::<Vec<_>>());
    SharedTransaction::new(transaction)
}

pub(super) fn ready(chain: &TestChain, id: MasternodeId, validator: u64) -> SharedTransaction {
    ready_on(chain, id, validator, chain.state.anchor())
}

fn ready_on(chain: &TestChain, id: MasternodeId, validator: u64, block: BlockHash) -> SharedTransaction {
    let secret = key(validator);
    let change = MasternodeChange::Ready(Ready {
        consensus_key: secret.public_key(),
        block,
        signature: secret.sign(&ready_bytes(&chain.chain_id, &id, &block)),
    });
    SharedTransaction::new(Transaction {
        version: TRANSACTION_VERSION,
        kind: TransactionKind::UpdateMasternode(Box::new(MasternodeUpdate { id, change })),
        inputs: vec![],
        outputs: vec![],
        valid_until_height: Height::GENESIS,
        witnesses: vec![],
    })
}

/// Owner n changes the masternode of [`register`], from its change.
pub(super) fn owner_change(
    chain: &TestChain,
    registered: &SharedTransaction,
    n: u64,
    change: OwnerChange,
) -> SharedTransaction {
    let update = MasternodeUpdate {
        id: id_of(registered),
        change: MasternodeChange::Owner(change),
    };
    let change = OutPoint::new(registered.txid(), 1);
    special(
        chain,
        TransactionKind::UpdateMasternode(Box::new(update)),
        &[(change, n)],
        &[(n, 998 * UNITS_PER_TIME)],
    )
}

fn id_of(registered: &SharedTransaction) -> MasternodeId {
    MasternodeId::of_registration(registered.txid())
}

pub(super) const NOTHING: OwnerChange = OwnerChange {
    consensus_key: None,
    service: None,
    payout: None,
    returns: false,
};

fn standing(chain: &TestChain, id: MasternodeId) -> Standing {
    chain.state.registry.get(&id).unwrap().standing
}

/// Adds a block that ends the period, signed by everybody.
fn close(chain: &mut TestChain) {
    close_with(chain, |_| vec![]);
}

fn close_with(chain: &mut TestChain, make: impl FnOnce(&TestChain) -> Vec<SharedTransaction>) {
    let period = chain.params().reward_period_ms;
    let transactions = make(chain);
    assert!(chain.extend(period, transactions).closed_epoch.is_some());
}

/// A block whose certificate lacks these keys' signatures.
fn extend_without(
    chain: &mut TestChain,
    after_ms: u64,
    absent: &[PublicKey],
    evidence: Vec<Vec<u8>>,
) -> Connected {
    let mut draft = chain.draft(after_ms, vec![]);
    draft.evidence = evidence;
    if let Some(certificate) = &mut draft.prev_commit {
        let set = chain.state.history.set_at(certificate.height).unwrap().keys();
        certificate
            .signatures
            .retain(|(signer, _)| !absent.contains(&set[usize::from(*signer)]));
    }
    let assembled = assemble(draft, &chain.state, &chain.view, &chain.rules()).unwrap();
    let connected = chain.connect(assembled.block.into_inner()).unwrap();
    assert_eq!(connected, assembled.connected);
    chain.view.apply(&connected.delta);
    chain.state = connected.state.clone();
    connected
}

fn refused(chain: &TestChain, transaction: SharedTransaction) -> TransactionError {
    let assembled = chain.assemble(1, vec![transaction]);
    assembled.refused.into_iter().next().unwrap().1
}

fn registry_error(chain: &TestChain, transaction: SharedTransaction) -> RegistryError {
    match refused(chain, transaction) {
        TransactionError::Registry(error) => error,
        other => panic!("{other}"),
    }
}

#[test]
fn a_registered_masternode_joins_with_the_period_that_its_node_was_there_in() {
    let mut chain = rich_chain(4, 1);
    let registered = register(&chain, 0);
    let id = id_of(&registered);
    chain.extend(1, vec![registered.clone()]);
    assert_eq!(standing(&chain, id), Standing::Pending);
    let node = chain.state.registry.get(&id).unwrap().clone();
    assert_eq!(
        (node.tier, node.owner, node.payout),
        (Tier::Bronze, address(0), address(0))
    );
    assert_eq!(node.collateral, Some(OutPoint::new(registered.txid(), 0)));

    close(&mut chain);
    assert_eq!(
        standing(&chain, id),
        Standing::Pending,
        "nobody said that its node is there"
    );
    let before = chain.state.validator_set_hash();
    chain.extend(1, vec![ready(&chain, id, 500)]);
    assert_eq!(
        registry_error(&chain, ready(&chain, id, 500)),
        RegistryError::ReadyAlready(id)
    );
    assert_eq!(
        chain.state.validator_set_hash(),
        before,
        "sets change with periods only"
    );
    close(&mut chain);
    assert_eq!(standing(&chain, id), Standing::Active);
    assert_eq!(chain.state.validators_len(), 5);
    assert!(chain.state.validator(&key(500).public_key()).is_some());
    let closing = chain.state.tip.height;
    assert_eq!(chain.state.history.set_at(closing).unwrap().members.len(), 4);
    assert_eq!(
        chain.state.history.set_at(closing.next()).unwrap().members.len(),
        5
    );
    assert_ne!(chain.state.validator_set_hash(), before);
    // The parent's certificate is the old set's, then the new one's.
    chain.extend(1, vec![]);
    chain.extend(1, vec![]);
    assert_eq!(chain.state.totals.epoch.signed.get(&id), Some(&1));
}

#[test]
fn the_word_that_a_node_is_there_counts_once_for_one_period_and_from_its_own_key() {
    let mut chain = rich_chain(4, 1);
    let registered = register(&chain, 0);
    let id = id_of(&registered);
    let early = ready(&chain, id, 500);
    assert_eq!(registry_error(&chain, early), RegistryError::Unknown(id));
    chain.extend(1, vec![registered]);
    let old = ready(&chain, id, 500);
    close(&mut chain);
    assert_eq!(registry_error(&chain, old), RegistryError::NotReady(id));
    assert_eq!(
        registry_error(&chain, ready(&chain, id, 501)),
        RegistryError::NotReady(id),
        "another key's word"
    );
    let mut with_money = ready(&chain, id, 500).transaction().clone();
    with_money.valid_until_height = Height::new(99);
    assert_eq!(check_alone(&with_money), Err(TransactionError::ReadyWithMoney));
    let mut forged = ready(&chain, id, 500).transaction().clone();
    if let TransactionKind::UpdateMasternode(update) = &mut forged.kind
        && let MasternodeChange::Ready(ready) = &mut update.change
    {
        ready.signature = key(501).sign(b"anything");
    }
    let forged = SharedTransaction::new(forged);
    let error = TransactionError::KeyProof(key(500).public_key());
    assert_eq!(Verified::check(forged.clone(), &chain.chain_id), Err(error));
    let genuine = ready(&chain, id, 500);
    let (held, culprits) = verify_batch(vec![forged.clone(), genuine.clone()], &chain.chain_id);
    assert_eq!((held.len(), culprits[0].0.txid()), (1, forged.txid()));
}

#[test]
fn registrations_are_refused_with_the_facts() {
    let mut chain = rich_chain(4, 1);
    let registered = register(&chain, 0);
    // A proof of possession made for another owner.
    let mut stolen = register(&chain, 1).transaction().clone();
    if let TransactionKind::RegisterMasternode(registration) = &mut stolen.kind
        && let TransactionKind::RegisterMasternode(other) = &registered.kind
    {
        registration.consensus_key = other.consensus_key;
        registration.proof = other.proof;
    }
    stolen.sign(&chain.chain_id, &[&key(1)]);
    let error = TransactionError::KeyProof(key(500).public_key());
    assert_eq!(
        Verified::check(SharedTransaction::new(stolen), &chain.chain_id),
        Err(error)
    );

    let with = |change: &dyn Fn(&mut Registration, &mut Vec<Output>)| {
        let mut transaction = registered.transaction().clone();
        let TransactionKind::RegisterMasternode(registration) = &mut transaction.kind else {
            unreachable!()
        };
        change(registration, &mut transaction.outputs);
        check_alone(&transaction).unwrap_err()
    };
    assert_eq!(
        with(&|registration, _| registration.collateral_output = 2),
        TransactionError::NoCollateral { index: 2 }
    );
    let odd = Amount::from_units(999 * UNITS_PER_TIME);
    assert_eq!(
        with(&|registration, _| registration.collateral_output = 1),
        TransactionError::Collateral { index: 1, found: odd }
    );
    let weak = PublicKey::from_bytes([0; 32]);
    assert_eq!(
        with(&|registration, _| registration.consensus_key = weak),
        TransactionError::WeakKey(weak)
    );

    chain.extend(1, vec![registered]);
    let taken = RegistryError::KeyTaken(key(500).public_key());
    assert_eq!(registry_error(&chain, register_key(&chain, 1, 500)), taken);
    let genesis = RegistryError::KeyTaken(key(1000).public_key());
    assert_eq!(registry_error(&chain, register_key(&chain, 1, 1000)), genesis);
    // Two in one block: the first one has it.
    let assembled = chain.assemble(
        1,
        vec![register_key(&chain, 1, 600), register_key(&chain, 2, 600)],
    );
    assert_eq!(assembled.refused.len(), 1);
}

#[test]
fn collateral_is_locked_until_the_period_after_its_owner_ended_it() {
    let mut chain = rich_chain(4, 1);
    let registered = register(&chain, 0);
    let (id, coin) = (id_of(&registered), OutPoint::new(registered.txid(), 0));
    chain.extend(1, vec![registered.clone()]);
    let spend = chain.transfer(&[(coin, 0)], &[(3, 1_000 * UNITS_PER_TIME - 1_000)]);
    assert_eq!(
        registry_error(&chain, spend.clone()),
        RegistryError::Locked { input: 0, id }
    );
    let end = |chain: &TestChain, n: u64, coin: OutPoint| {
        let kind = TransactionKind::DeregisterMasternode { id };
        special(chain, kind, &[(coin, n)], &[(n, 900 * UNITS_PER_TIME)])
    };
    let by_other = end(&chain, 5, chain.coin(5));
    assert!(matches!(
        registry_error(&chain, by_other),
        RegistryError::NotOwner { .. }
    ));
    chain.extend(1, vec![end(&chain, 0, OutPoint::new(registered.txid(), 1))]);
    assert!(matches!(
        registry_error(&chain, spend.clone()),
        RegistryError::Locked { .. }
    ));
    close(&mut chain);
    assert_eq!(standing(&chain, id), Standing::Deregistered);
    chain.extend(1, vec![spend]);
    close(&mut chain);
    assert_eq!(chain.state.registry.get(&id), None);
    // Its key is free again.
    chain.extend(1, vec![register_key(&chain, 1, 500)]);
}

#[test]
fn at_most_a_quarter_of_the_set_joins_at_once_in_the_order_of_registration() {
    let mut chain = rich_chain(8, 1);
    let registered: Vec<_> = (0..5).map(|n| register(&chain, n)).collect();
    // In reverse: the order of registration is that of blocks, not of keys or ids.
    for transaction in registered.iter().rev() {
        chain.extend(1, vec![transaction.clone()]);
    }
    let say = |chain: &TestChain| {
        let pending = |n: &u64| standing(chain, id_of(&registered[*n as usize])) == Standing::Pending;
        (0..5)
            .filter(pending)
            .map(|n| ready(chain, id_of(&registered[n as usize]), 500 + n))
            .collect::<Vec<_>>()
    };
    let active = |chain: &TestChain| {
        let is_active = |n: &usize| standing(chain, id_of(&registered[*n])) == Standing::Active;
        (0..5).filter(is_active).collect::<BTreeSet<usize>>()
    };
    close_with(&mut chain, say);
    assert_eq!(active(&chain), BTreeSet::from([3, 4]));
    close_with(&mut chain, say);
    assert_eq!(active(&chain), BTreeSet::from([1, 2, 3, 4]));
    close_with(&mut chain, say);
    assert_eq!(active(&chain).len(), 5);
    assert_eq!(chain.state.validators_len(), 13);
}

#[test]
fn six_periods_without_a_signature_make_inactive_and_an_update_brings_back() {
    let mut chain = rich_chain(4, 1);
    let registered = register(&chain, 0);
    let id = id_of(&registered);
    chain.extend(1, vec![registered.clone()]);
    close_with(&mut chain, |chain| vec![ready(chain, id, 500)]);
    assert_eq!(standing(&chain, id), Standing::Active);
    let silent = [key(500).public_key()];
    let period = chain.params().reward_period_ms;
    for n in 0..SILENT_EPOCHS_MAX {
        assert_eq!(standing(&chain, id), Standing::Active, "{n}");
        extend_without(&mut chain, 1, &silent, vec![]);
        extend_without(&mut chain, period, &silent, vec![]);
    }
    assert_eq!(standing(&chain, id), Standing::Inactive);
    assert_eq!(chain.state.validators_len(), 4);
    let returns = OwnerChange {
        returns: true,
        ..NOTHING
    };
    chain.extend(1, vec![]);
    chain.extend(1, vec![owner_change(&chain, &registered, 0, returns)]);
    assert_eq!(standing(&chain, id), Standing::Pending);
    close_with(&mut chain, |chain| vec![ready(chain, id, 500)]);
    assert_eq!(standing(&chain, id), Standing::Active);
    assert!(matches!(
        refused(&chain, owner_change(&chain, &registered, 0, returns)),
        TransactionError::MissingInput { .. } | TransactionError::Registry(RegistryError::Standing { .. })
    ));
}

#[test]
fn one_signature_in_a_period_ends_the_silence() {
    let mut chain = rich_chain(4, 1);
    let one = chain.state.validators()[1];
    let id = chain.state.validator(&one).unwrap().id;
    let period = chain.params().reward_period_ms;
    chain.extend(1, vec![]);
    for _ in 1..SILENT_EPOCHS_MAX {
        extend_without(&mut chain, period, &[one], vec![]);
    }
    assert_eq!(
        chain.state.registry.get(&id).unwrap().silent,
        SILENT_EPOCHS_MAX - 1
    );
    extend_without(&mut chain, 1, &[], vec![]);
    extend_without(&mut chain, period, &[one], vec![]);
    assert_eq!(chain.state.registry.get(&id).unwrap().silent, 0);
}

#[test]
fn evidence_jails_once_with_the_period_and_the_key_is_never_registered_again() {
    let mut chain = rich_chain(5, 1);
    chain.extend(1, vec![]);
    let guilty = chain.state.validators()[2];
    let id = chain.state.validator(&guilty).unwrap().id;
    let crime = evidence(1, &guilty, 0);
    let connected = extend_without(&mut chain, 1, &[], vec![crime.clone(), evidence(1, &guilty, 1)]);
    assert_eq!(
        connected.before.history.added_evidence.len(),
        1,
        "one conviction is enough"
    );
    assert_eq!(
        standing(&chain, id),
        Standing::Active,
        "it votes until the period ends"
    );
    // Again, of another salt, too early and of a stranger: none has a place in a block.
    let stranger = key(77).public_key();
    let other = chain.state.validators()[0];
    for bytes in [
        crime,
        evidence(1, &guilty, 2),
        evidence(9, &other, 0),
        evidence(1, &stranger, 0),
        vec![1],
    ] {
        let mut block = chain.assemble(1, vec![]).block.into_inner();
        block.evidence = vec![bytes];
        block.header.evidence_root = evidence_root(&block.evidence);
        assert!(matches!(
            chain.connect(block),
            Err(ConnectError::Invalid(BlockError::Evidence { index: 0, .. }))
        ));
    }
    let period = chain.params().reward_period_ms;
    let paid_before = chain.view.0.values().filter(|coin| coin.is_reward).count();
    assert_eq!(paid_before, 0);
    let payout = chain.state.registry.get(&id).unwrap().payout;
    extend_without(&mut chain, period, &[], vec![]);
    let is_paid = chain
        .view
        .0
        .values()
        .any(|coin| coin.is_reward && coin.output.address == payout);
    assert!(!is_paid, "no reward for the guilty");
    assert_eq!(standing(&chain, id), Standing::Jailed);
    assert_eq!(chain.state.validators_len(), 4);
    for _ in 0..HISTORY_EPOCHS + 2 {
        close(&mut chain);
    }
    assert_eq!(
        chain.state.history.evidence().count(),
        0,
        "forgotten after twelve periods"
    );
    let guilty_seed = (1000..1005).find(|n| key(*n).public_key() == guilty).unwrap();
    assert_eq!(
        registry_error(&chain, register_key(&chain, 1, guilty_seed)),
        RegistryError::KeyTaken(guilty)
    );
    // And a crime older than that jails nobody.
    let mut draft = chain.draft(1, vec![]);
    draft.evidence = vec![evidence(1, &other, 0)];
    let assembled = assemble(draft, &chain.state, &chain.view, &chain.rules()).unwrap();
    assert!(assembled.block.evidence.is_empty());
}

#[test]
fn a_removal_that_would_leave_too_few_waits_and_is_not_paid() {
    let mut chain = rich_chain(3, 3);
    chain.extend(1, vec![]);
    let guilty = chain.state.validators()[0];
    let id = chain.state.validator(&guilty).unwrap().id;
    extend_without(&mut chain, 1, &[], vec![evidence(1, &guilty, 0)]);
    close(&mut chain);
    assert_eq!(standing(&chain, id), Standing::Active);
    assert!(chain.state.registry.get(&id).unwrap().is_kept);
    assert_eq!(chain.state.validators_len(), 3);
    let registered = register(&chain, 0);
    chain.extend(1, vec![registered.clone()]);
    close_with(&mut chain, |chain| vec![ready(chain, id_of(&registered), 500)]);
    assert_eq!(standing(&chain, id), Standing::Jailed);
    assert_eq!(chain.state.validators_len(), 3);
    let payout = chain.state.registry.get(&id).unwrap().payout;
    // The proposer takes what the division leaves; in these tests that is the first of the set.
    let earned: u64 = chain
        .view
        .0
        .values()
        .filter(|coin| coin.is_reward && coin.output.address == payout)
        .map(|coin| coin.output.amount.units())
        .sum();
    assert!(earned < 10, "{earned}");
}

#[test]
fn a_new_key_counts_from_the_next_period_and_the_old_one_still_answers_for_its_crimes() {
    let mut chain = rich_chain(4, 1);
    let registered = register(&chain, 0);
    let id = id_of(&registered);
    chain.extend(1, vec![registered.clone()]);
    close_with(&mut chain, |chain| vec![ready(chain, id, 500)]);
    let next = key(700);
    let bytes = possession_bytes(&chain.chain_id, &next.public_key(), id.as_bytes());
    let change = OwnerChange {
        consensus_key: Some((next.public_key(), next.sign(&bytes))),
        payout: Some(address(9)),
        ..NOTHING
    };
    chain.extend(1, vec![owner_change(&chain, &registered, 0, change)]);
    let crime_height = chain.state.tip.height;
    let taken = RegistryError::KeyTaken(next.public_key());
    assert_eq!(registry_error(&chain, register_key(&chain, 1, 700)), taken);
    assert!(chain.state.validator(&key(500).public_key()).is_some());
    close(&mut chain);
    assert!(chain.state.validator(&key(500).public_key()).is_none());
    let node = chain.state.validator(&next.public_key()).unwrap();
    assert_eq!((node.id, node.payout), (id, address(9)));
    let crime = evidence(crime_height.get(), &key(500).public_key(), 0);
    extend_without(&mut chain, 1, &[], vec![crime]);
    close(&mut chain);
    assert_eq!(standing(&chain, id), Standing::Jailed);
    for seed in [500, 700] {
        assert!(matches!(
            registry_error(&chain, register_key(&chain, 1, seed)),
            RegistryError::KeyTaken(_)
        ));
    }
}

#[test]
fn a_key_that_was_given_up_stays_taken_while_it_can_still_be_convicted() {
    let mut chain = rich_chain(4, 1);
    let registered = register(&chain, 0);
    let id = id_of(&registered);
    chain.extend(1, vec![registered.clone()]);
    close_with(&mut chain, |chain| vec![ready(chain, id, 500)]);
    let to = |chain: &TestChain, seed: u64| {
        let next = key(seed);
        let bytes = possession_bytes(&chain.chain_id, &next.public_key(), id.as_bytes());
        let consensus_key = Some((next.public_key(), next.sign(&bytes)));
        OwnerChange {
            consensus_key,
            ..NOTHING
        }
    };
    chain.extend(1, vec![owner_change(&chain, &registered, 0, to(&chain, 700))]);
    close(&mut chain);
    assert!(chain.state.registry.holder(&key(500).public_key()).is_none());
    let taken = RegistryError::KeyTaken(key(500).public_key());
    for _ in 0..HISTORY_EPOCHS {
        assert_eq!(registry_error(&chain, register_key(&chain, 1, 500)), taken);
        close(&mut chain);
    }
    // Nobody could be convicted for it any more.
    chain.extend(1, vec![register_key(&chain, 1, 500)]);
    assert!(chain.state.registry.holder(&key(500).public_key()).is_some());
}

#[test]
fn of_two_holders_of_a_key_each_keeps_it_when_the_other_goes() {
    let chain = rich_chain(2, 1);
    let nodes: Vec<Masternode> = chain.state.registry.iter().cloned().collect();
    let key = nodes[0].validator_key;
    let mut both = nodes.clone();
    both[1].validator_key = key;
    let forward: Registry = both.iter().cloned().collect();
    let backward: Registry = both.iter().rev().cloned().collect();
    assert_eq!(forward, backward);
    assert_eq!(forward.holder(&key).unwrap().id, both[0].id);
    for gone in [0, 1] {
        let mut registry = forward.clone();
        registry.put(both[gone].id, None);
        assert_eq!(registry.holder(&key).unwrap().id, both[1 - gone].id);
    }
}

#[test]
fn every_kind_has_one_canonical_form_and_its_size_is_known() {
    let chain = rich_chain(1, 1);
    let id = MasternodeId::from_bytes([7; 32]);
    let service: ServiceAddress = "127.0.0.1:24000".parse::<core::net::SocketAddr>().unwrap().into();
    assert_eq!(service.to_string(), "127.0.0.1:24000");
    let registered = register(&chain, 0);
    let mut with_service = registered.transaction().clone();
    if let TransactionKind::RegisterMasternode(registration) = &mut with_service.kind {
        registration.service = Some(service);
    }
    let proof = key(1).sign(b"anything");
    let all = OwnerChange {
        consensus_key: Some((key(1).public_key(), proof)),
        service: Some(service),
        payout: Some(address(1)),
        returns: true,
    };
    let owner =
        |change| SharedTransaction::transaction(&owner_change(&chain, &registered, 0, change)).clone();
    let mut end = with_service.clone();
    end.kind = TransactionKind::DeregisterMasternode { id };
    let transactions = [
        registered.transaction().clone(),
        with_service,
        owner(all),
        owner(NOTHING),
        ready(&chain, id, 500).transaction().clone(),
        end,
    ];
    for transaction in transactions {
        let bytes = transaction.canonical_bytes();
        assert_eq!(bytes.len(), transaction.canonical_size());
        assert_eq!(Transaction::from_canonical(&bytes).unwrap(), transaction);
        for cut in 0..bytes.len() {
            assert!(Transaction::from_canonical(&bytes[..cut]).is_err());
        }
    }
    // A flag of 2 would be a second form of the same thing.
    let mut bytes = owner(NOTHING).canonical_body();
    let flag = 2 + 1 + 32 + 1;
    assert_eq!(bytes[flag], 0);
    bytes[flag] = 2;
    assert!(Transaction::from_canonical(&bytes).is_err());
    assert_eq!(check_alone(&owner(NOTHING)), Err(TransactionError::EmptyUpdate));
    assert_ne!(registered.txid().as_hash(), &Hash256::ZERO);
}

//! The laws of blocks: what connects, what does not, and that every change can be taken back.

use proptest::prelude::*;

use super::{
    testing::{GENESIS_UNITS, MapView, TestChain, address, key},
    *,
};
use crate::crypto::{Hash256, Verified};

/// Everything that a header's commitment stands for, computed from nothing.
fn recomputed(chain: &TestChain) -> (u64, u64, Hash256) {
    let coins: u64 = chain.view.0.values().map(|coin| coin.output.amount.units()).sum();
    let mut set = chain.state.commitment_beside_coins();
    let created = chain
        .view
        .0
        .iter()
        .map(|(outpoint, coin)| (*outpoint, *coin))
        .collect();
    let delta = UtxoDelta {
        created,
        spent: vec![],
        commitment: Hash256::ZERO,
    };
    delta.update(&mut set);
    (coins, chain.view.0.len() as u64, set.digest())
}

pub(super) fn assert_books_balance(chain: &TestChain) {
    let (coins, count, digest) = recomputed(chain);
    let totals = &chain.state.totals;
    assert_eq!(coins + totals.epoch.fees.units(), totals.supply.units());
    assert_eq!(count, totals.utxo_count);
    assert_eq!(digest, chain.state.commitment.digest());
}

/// Transfers of random shape over the coins of `chain`, some of which spend each other's outputs.
fn random_transfers(chain: &TestChain, picks: &[(u8, u8, u16)]) -> Vec<SharedTransaction> {
    let height = chain.state.tip.height.next();
    let owner_of = |address_wanted: Address| (0..2000).find(|n| address(*n) == address_wanted);
    let mut coins: Vec<(OutPoint, u64, u64)> = chain
        .view
        .0
        .iter()
        .filter(|(_, coin)| !coin.is_reward || coin.height.saturating_add(REWARD_MATURITY) <= height)
        .filter_map(|(outpoint, coin)| {
            // Masternodes' keys are many hashes away; rewards of the first ten owners suffice.
            let owner = if coin.is_reward {
                None
            } else {
                owner_of(coin.output.address)
            };
            owner.map(|owner| (*outpoint, owner, coin.output.amount.units()))
        })
        .collect();
    let mut transfers = Vec::new();
    for (pick, split, fee) in picks {
        if coins.is_empty() {
            break;
        }
        let (outpoint, owner, units) = coins.swap_remove(usize::from(*pick) % coins.len());
        let fee = u64::from(*fee);
        let parts = u64::from(*split % 3) + 1;
        if units < fee + parts * DUST.units() {
            continue;
        }
        let share = (units - fee) / parts;
        let outputs: Vec<(u64, u64)> = (0..parts).map(|part| ((owner + part) % 10, share)).collect();
        let transfer = chain.transfer(&[(outpoint, owner)], &outputs);
        coins.extend(
            (0u32..)
                .zip(&outputs)
                .map(|(index, (owner, units))| (OutPoint::new(transfer.txid(), index), *owner, *units)),
        );
        transfers.push(transfer);
    }
    transfers
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn connect_then_undo_is_identity_and_supply_is_conserved(
        blocks in prop::collection::vec((1u64..40_000, prop::collection::vec(any::<(u8, u8, u16)>(), 0..8)), 1..5),
    ) {
        let mut chain = TestChain::new(4, 10);
        let mut history: Vec<(ChainState, MapView, Undo)> = Vec::new();
        for (after_ms, picks) in blocks {
            let transfers = random_transfers(&chain, &picks);
            let before = (chain.state.clone(), chain.view.clone());
            let connected = chain.extend(after_ms, transfers);
            assert_books_balance(&chain);
            history.push((before.0, before.1, connected.undo()));
        }
        while let Some((state, view, undo)) = history.pop() {
            chain.state = undo.apply(&chain.state);
            chain.view.apply(&undo.delta);
            prop_assert_eq!(undo.delta.commitment, state.commitment.digest());
            prop_assert_eq!(&chain.state, &state);
            prop_assert_eq!(&chain.view, &view);
        }
    }

    #[test]
    fn an_overlay_answers_like_the_map_that_it_stands_for(
        blocks in prop::collection::vec(prop::collection::vec(any::<(u8, u8, u16)>(), 0..8), 1..5),
        flushed in 0usize..5,
    ) {
        let mut chain = TestChain::new(1, 10);
        let mut overlay = Overlay::new(chain.view.clone());
        let mut base_later = chain.view.clone();
        let all_blocks = blocks.len();
        for (n, picks) in blocks.into_iter().enumerate() {
            let transfers = random_transfers(&chain, &picks);
            let connected = chain.extend(1, transfers);
            overlay.apply(chain.state.tip.height, &connected.delta);
            if n < flushed {
                base_later.apply(&connected.delta);
            }
        }
        for (outpoint, coin) in &chain.view.0 {
            prop_assert_eq!(overlay.output(outpoint), Ok(Some(*coin)));
        }
        let mut flushed_overlay = Overlay::new(base_later);
        std::mem::swap(&mut flushed_overlay.changes, &mut overlay.changes);
        std::mem::swap(&mut flushed_overlay.blocks, &mut overlay.blocks);
        flushed_overlay.forget_through(Height::new(flushed.min(all_blocks) as u64));
        for (outpoint, coin) in &chain.view.0 {
            prop_assert_eq!(flushed_overlay.output(outpoint), Ok(Some(*coin)));
        }
        flushed_overlay.forget_through(Height::new(all_blocks as u64));
        prop_assert!(flushed_overlay.is_empty());
    }

    #[test]
    fn the_set_hash_depends_on_the_set_not_on_the_way_to_it(
        elements in prop::collection::vec(any::<u64>(), 1..20),
        extra in prop::collection::vec(any::<u64>(), 0..10),
    ) {
        let bytes = |n: &u64| n.to_le_bytes();
        let (mut forward, mut other) = (SetHash::new(), SetHash::new());
        elements.iter().for_each(|n| forward.insert(ElementKind::Coin, &bytes(n)));
        extra.iter().for_each(|n| other.insert(ElementKind::Coin, &bytes(n)));
        elements.iter().rev().for_each(|n| other.insert(ElementKind::Coin, &bytes(n)));
        extra.iter().rev().for_each(|n| other.remove(ElementKind::Coin, &bytes(n)));
        prop_assert_eq!(&forward, &other);
        other.insert(ElementKind::Masternode, &bytes(&elements[0]));
        prop_assert_ne!(forward.digest(), other.digest());
        prop_assert_eq!(SetHash::from_bytes(&forward.to_bytes()), forward);
    }
}

#[test]
fn set_hash_vectors() {
    let mut set = SetHash::new();
    let empty = set.digest();
    set.insert(ElementKind::Coin, b"one");
    let one = set.digest();
    set.insert(ElementKind::Totals, b"two");
    insta::assert_snapshot!(
        format!("{empty}\n{one}\n{}\n{}", set.digest(), const_hex::encode(&set.to_bytes()[..32])),
        @r"
    d48eb3fca3b5aeb8647c962ada5779c5db6e67f1c7c3ce3f74613d461fbdf7cc
    89c8ad2735939b1aa47f5bdda52610069e84cd4a8ffa1a30a819a3022f7e9940
    0b5b49832d6d18b0cc1c475dd3b7e14b820b5a70a0c33b44b34b02d016aa326d
    ee1e280492934a3a573f42f3d3c8f1b9119f8249bc2ae0cf5f3a37c1a1cb6eda
    "
    );
}

#[test]
fn merkle_proofs_lead_to_the_root_and_lists_differ() {
    let leaf = |n: u8| Hash256::from_bytes([n + 1; 32]);
    let mut roots = vec![merkle_root(vec![])];
    for len in 1u8..34 {
        let leaves: Vec<Hash256> = (0..len).map(leaf).collect();
        let root = merkle_root(leaves.clone());
        for index in 0..len {
            let proof = MerkleProof::of(leaves.clone(), usize::from(index)).unwrap();
            assert_eq!(proof.root(leaf(index)), Some(root));
            assert_ne!(proof.root(leaf(200)), Some(root));
            let mut longer = proof.clone();
            longer.siblings.push(leaf(1));
            assert_eq!(longer.root(leaf(index)), None);
        }
        assert_eq!(MerkleProof::of(leaves.clone(), usize::from(len)), None);
        let doubled_last: Vec<Hash256> = leaves.iter().copied().chain(leaves.last().copied()).collect();
        assert_ne!(merkle_root(doubled_last), root);
        assert!(!roots.contains(&root));
        roots.push(root);
    }
}

fn invalid(result: Result<Connected, ConnectError>) -> BlockError {
    match result {
        Err(ConnectError::Invalid(error)) => error,
        other => panic!("expected an invalid block, got {other:?}"),
    }
}

/// Why `transaction` alone in a block is refused, by the proposer's code.
fn refused(chain: &TestChain, transaction: SharedTransaction) -> TransactionError {
    let assembled = chain.assemble(1, vec![transaction]);
    assembled.refused.into_iter().next().unwrap().1
}

#[test]
fn a_header_that_says_anything_else_is_refused() {
    let mut chain = TestChain::new(4, 3);
    chain.extend(1, vec![]);
    let transfer = chain.transfer(&[(chain.coin(0), 0)], &[(1, 900_000)]);
    let good = chain.assemble(1, vec![transfer.clone()]).block.into_inner();
    chain.connect(good.clone()).unwrap();
    let other = Hash256::from_bytes([9; 32]);
    let with = |change: &dyn Fn(&mut Block)| {
        let mut block = good.clone();
        change(&mut block);
        invalid(chain.connect(block))
    };
    let field_of = |error: BlockError| match error {
        BlockError::Root { field, .. } => field,
        error => panic!("{error}"),
    };
    let parent = with(&|b| {
        b.header.prev_hash = BlockHash::from_hash(other);
        let certificate = b.prev_commit.as_mut().unwrap();
        certificate.block_hash = b.header.prev_hash;
        b.header.prev_commit_hash = certificate.hash();
    });
    assert_eq!(field_of(parent), "prev_hash");
    assert_eq!(field_of(with(&|b| b.header.tx_root = other)), "tx_root");
    assert_eq!(
        field_of(with(&|b| b.header.utxo_commitment = other)),
        "utxo_commitment"
    );
    assert_eq!(field_of(with(&|b| b.header.vset_hash = other)), "vset_hash");
    assert_eq!(
        field_of(with(&|b| b.header.next_vset_hash = other)),
        "next_vset_hash"
    );
    assert_eq!(
        field_of(with(&|b| b.header.prev_commit_hash = other)),
        "prev_commit_hash"
    );
    assert_eq!(
        field_of(with(&|b| b.header.evidence_root = other)),
        "evidence_root"
    );
    assert!(matches!(
        with(&|b| b.header.height = Height::new(9)),
        BlockError::Certificate
    ));
    assert!(matches!(
        with(&|b| b.header.timestamp_ms = chain.state.tip.timestamp_ms),
        BlockError::Timestamp { .. }
    ));
    assert!(matches!(
        with(&|b| b.prev_commit = None),
        BlockError::CertificatePresence { present: false }
    ));
    assert!(matches!(
        with(&|b| b.header.version = 2),
        BlockError::Version { found: 2 }
    ));
    assert!(matches!(
        with(&|b| b.header.proposer = key(5).public_key()),
        BlockError::Proposer(_)
    ));
    assert!(matches!(
        with(&|b| b.evidence = vec![vec![]; 17]),
        BlockError::EvidenceCount { found: 17 }
    ));
    let signer_outside = with(&|b| {
        let certificate = b.prev_commit.as_mut().unwrap();
        certificate.signatures.last_mut().unwrap().0 = 4;
        b.header.prev_commit_hash = certificate.hash();
    });
    assert_eq!(signer_outside, BlockError::Certificate);
}

#[test]
fn another_body_under_a_header_is_the_senders_fault_before_it_is_the_leaders() {
    let mut chain = TestChain::new(4, 3);
    chain.extend(1_000, vec![]);
    let pay = |coin, owner| chain.transfer(&[(chain.coin(coin), owner)], &[(9, 900_000)]);
    let block = chain.assemble(1_000, vec![pay(0, 0)]).block.into_inner();
    assert_eq!(check_body(&block), Ok(()));
    let change: [fn(&mut Block, SharedTransaction); 4] = [
        |block, _| block.transactions.clear(),
        |block, other| block.transactions.push(other),
        |block, _| block.prev_commit = None,
        |block, _| block.evidence = vec![vec![]; EVIDENCE_MAX + 1],
    ];
    for change in change {
        let mut other = block.clone();
        change(&mut other, pay(1, 1));
        assert_eq!(other.hash(), block.hash());
        assert!(matches!(check_body(&other), Err(BlockError::Root { .. })));
        assert!(check_block_alone(&other, chain.params()).is_err());
    }
}

#[test]
fn a_block_with_an_invalid_transaction_is_refused_by_name() {
    let chain = TestChain::new(1, 3);
    let first = chain.transfer(&[(chain.coin(0), 0)], &[(1, 900_000)]);
    let second = chain.transfer(&[(chain.coin(0), 0)], &[(2, 900_000)]);
    let mut block = chain.assemble(1, vec![first.clone()]).block.into_inner();
    block.transactions.push(second.clone());
    block.header.tx_root = transactions_root(&block.transactions);
    let error = invalid(chain.connect(block.clone()));
    let missing = TransactionError::MissingInput {
        input: 0,
        outpoint: chain.coin(0),
    };
    assert_eq!(
        error,
        BlockError::Transaction {
            index: 1,
            txid: second.txid(),
            error: missing
        }
    );

    let mut forged = first.transaction().clone();
    forged.witnesses[0].signature = second.witnesses[0].signature;
    let forged = SharedTransaction::new(forged);
    block.transactions = vec![forged.clone()];
    let context = BlockContext {
        chain_id: &chain.chain_id,
        known: &|_| false,
    };
    let error = Verified::check(block.clone(), context).unwrap_err();
    let signature = TransactionError::Signature { input: 0 };
    assert_eq!(
        error,
        BlockError::Transaction {
            index: 0,
            txid: first.txid(),
            error: signature
        }
    );
    block.header.tx_root = transactions_root(&[first]);
    let cached = BlockContext {
        chain_id: &chain.chain_id,
        known: &|wtxid| *wtxid == forged.wtxid(),
    };
    let trusted = Verified::check(block, cached).unwrap();
    let roots = connect(&trusted, &chain.state, &chain.view, &chain.rules());
    assert!(
        matches!(invalid(roots), BlockError::Root { field: "tx_root", .. }),
        "witnesses are in the root"
    );
}

#[test]
fn transactions_are_refused_with_the_facts() {
    let mut chain = TestChain::new(1, 3);
    let coin = chain.coin(0);
    let missing = OutPoint::new(TxId::from_bytes([1; 32]), 0);
    assert_eq!(
        refused(&chain, chain.transfer(&[(coin, 0), (missing, 0)], &[(1, 1000)])),
        TransactionError::MissingInput {
            input: 1,
            outpoint: missing
        }
    );
    assert_eq!(
        refused(&chain, chain.transfer(&[(coin, 1)], &[(1, 1000)])),
        TransactionError::WrongKey { input: 0 }
    );
    let (inputs, outputs) = (
        Amount::from_units(GENESIS_UNITS),
        Amount::from_units(GENESIS_UNITS + 1),
    );
    assert_eq!(
        refused(&chain, chain.transfer(&[(coin, 0)], &[(1, GENESIS_UNITS + 1)])),
        TransactionError::Overspent { inputs, outputs }
    );
    assert_eq!(
        refused(
            &chain,
            chain.transfer(&[(coin, 0), (chain.coin(1), 1), (coin, 0)], &[(1, 1000)])
        ),
        TransactionError::DuplicateInput {
            input: 2,
            outpoint: coin
        }
    );
    assert_eq!(
        refused(&chain, chain.transfer(&[(coin, 0)], &[(1, 545)])),
        TransactionError::Dust {
            output: 0,
            found: Amount::from_units(545)
        }
    );
    assert_eq!(
        refused(&chain, chain.transfer(&[(coin, 0)], &[])),
        TransactionError::OutputCount { found: 0 }
    );
    assert_eq!(
        refused(&chain, chain.transfer(&[(coin, 0)], &[(1, 546), (1, u64::MAX)])),
        TransactionError::Overflow
    );
    let until_1 = chain.transfer_until(&[(coin, 0)], &[(1, 1000)], 1);
    assert_eq!(chain.assemble(1, vec![until_1.clone()]).refused, []);
    chain.extend(1, vec![]);
    assert_eq!(
        refused(&chain, until_1),
        TransactionError::Expired {
            until: Height::new(1),
            height: Height::new(2)
        }
    );
}

#[test]
fn only_the_block_that_closes_a_period_pays_and_it_must() {
    let mut chain = TestChain::new(4, 3);
    let period = chain.params().reward_period_ms;
    chain.extend(period - 1, vec![]);
    let transfer = chain.transfer(&[(chain.coin(0), 0)], &[(1, GENESIS_UNITS - 700)]);
    let closing = chain.assemble(1, vec![transfer.clone()]).block.into_inner();
    assert!(closing.transactions[0].is_reward());
    let paid: u64 = closing.transactions[0]
        .outputs
        .iter()
        .map(|output| output.amount.units())
        .sum();
    assert_eq!(paid, REWARD_PER_PERIOD.units() + 700);

    let refuse = |transactions: Vec<SharedTransaction>| {
        let mut block = closing.clone();
        block.transactions = transactions;
        block.header.tx_root = transactions_root(&block.transactions);
        invalid(chain.connect(block))
    };
    assert!(matches!(
        refuse(vec![transfer.clone()]),
        BlockError::Reward { found: None, .. }
    ));
    let mut greedy = closing.transactions[0].transaction().clone();
    greedy.outputs[0].amount = Amount::from_units(paid);
    assert!(matches!(
        refuse(vec![greedy.into(), transfer.clone()]),
        BlockError::Reward { .. }
    ));
    let reward = closing.transactions[0].clone();
    let twice = refuse(vec![reward.clone(), reward.clone()]);
    let outside = TransactionError::RewardOutsideBlock;
    assert_eq!(
        twice,
        BlockError::Transaction {
            index: 1,
            txid: reward.txid(),
            error: outside
        }
    );

    let connected = chain.extend(1, vec![transfer]);
    assert_eq!(connected.closed_epoch, Some(0));
    assert_books_balance(&chain);
    assert_eq!(chain.state.totals.epoch.number, 1);
    let matures = chain.state.tip.height.saturating_add(REWARD_MATURITY);
    // Owner of reward output 0 is the first masternode of the set.
    let owner = (1000..1004)
        .find(|n| address(*n) == reward.outputs[0].address)
        .unwrap();
    let spend = chain.transfer(&[(OutPoint::new(reward.txid(), 0), owner)], &[(1, 1000)]);
    while chain.state.tip.height.next() < matures {
        assert_eq!(
            refused(&chain, spend.clone()),
            TransactionError::Immature { input: 0, matures }
        );
        chain.extend(1, vec![]);
    }
    assert_eq!(chain.assemble(1, vec![spend]).refused, []);
}

#[test]
fn rewards_go_by_tier_to_those_who_signed_half() {
    let chain = TestChain::new(6, 0);
    let mut epoch = chain.state.totals.epoch.clone();
    let registry = &chain.state.registry;
    let nodes: Vec<&Masternode> = chain
        .state
        .validators()
        .iter()
        .filter_map(|key| registry.holder(key))
        .collect();
    epoch.certificates = 5;
    epoch.signed = [5, 3, 2, 0, 5, 5]
        .into_iter()
        .zip(&nodes)
        .map(|(signed, node)| (node.id, signed))
        .collect();
    let reward = reward_transaction(&epoch, registry, Amount::from_units(1_000_003), address(7));
    let weight = |n: usize| nodes[n].tier.reward_weight();
    let sum: u64 = [0, 1, 4, 5].into_iter().map(weight).sum();
    for (output, n) in reward.outputs.iter().zip([0, 1, 4, 5]) {
        assert_eq!(output.address, nodes[n].payout);
        assert_eq!(output.amount.units(), 1_000_003 * weight(n) / sum);
    }
    let total: u64 = reward.outputs.iter().map(|output| output.amount.units()).sum();
    assert_eq!(total, 1_000_003);
    epoch.signed.clear();
    let nobody = reward_transaction(&epoch, registry, Amount::from_units(5), address(7));
    assert_eq!(
        nobody.outputs,
        vec![Output {
            amount: Amount::from_units(5),
            address: address(7)
        }]
    );
}

#[test]
fn a_failed_batch_names_its_culprits_and_no_others() {
    let chain = TestChain::new(1, 60);
    let mut transactions: Vec<SharedTransaction> = (0..60)
        .map(|n| chain.transfer(&[(chain.coin(n), u64::from(n))], &[(1, 1000)]))
        .collect();
    for n in [3, 17, 59] {
        let mut forged = transactions[n].transaction().clone();
        forged.witnesses[0].signature = transactions[0].witnesses[0].signature;
        transactions[n] = forged.into();
    }
    let bad: Vec<TxId> = [3, 17, 59]
        .into_iter()
        .map(|n: usize| transactions[n].txid())
        .collect();
    let (held, culprits) = verify_batch(transactions, &chain.chain_id);
    assert_eq!(held.len(), 57);
    assert_eq!(
        culprits
            .iter()
            .map(|(culprit, _)| culprit.txid())
            .collect::<Vec<_>>(),
        bad
    );
    assert!(verify_batch(vec![], &chain.chain_id).0.is_empty());
}

#[test]
fn a_full_block_is_full_not_refused() {
    let mut chain = TestChain::new(1, 4);
    chain.genesis.params.max_block_txs = 2;
    let transfers: Vec<_> = (0..4)
        .map(|n| chain.transfer(&[(chain.coin(n), u64::from(n))], &[(1, 1000)]))
        .collect();
    let assembled = chain.assemble(1, transfers.clone());
    assert_eq!(
        (assembled.block.transactions.len(), assembled.refused.len()),
        (2, 0)
    );
    let closing = chain.assemble(chain.params().reward_period_ms, transfers);
    assert_eq!(closing.block.transactions.len(), 2);
    assert!(closing.block.transactions[0].is_reward());
}

#[test]
fn undoing_in_an_overlay_brings_the_coins_back() {
    let mut chain = TestChain::new(1, 2);
    let before = chain.view.clone();
    let mut overlay = Overlay::new(chain.view.clone());
    let transfer = chain.transfer(&[(chain.coin(0), 0)], &[(1, 1000)]);
    let made = OutPoint::new(transfer.txid(), 0);
    let connected = chain.extend(1, vec![transfer]);
    overlay.apply(Height::new(1), &connected.delta);
    assert_eq!(overlay.output(&chain.coin(0)), Ok(None));
    assert!(overlay.output(&made).unwrap().is_some());
    overlay.undo(Height::new(1), &connected.delta);
    assert_eq!(
        overlay.output(&chain.coin(0)),
        Ok(before.0.get(&chain.coin(0)).copied())
    );
    assert_eq!(overlay.output(&made), Ok(None));
}

#[test]
fn genesis_block_is_the_parent_of_block_1() {
    let chain = TestChain::new(4, 3);
    let block = chain.genesis.block();
    assert_eq!(block.hash(), chain.state.tip.hash);
    assert_eq!(block.header.prev_hash.as_hash(), &chain.chain_id);
    assert_eq!(block.header.utxo_commitment, chain.state.commitment.digest());
    assert_eq!(chain.state.validators(), chain.genesis.validator_keys());
    assert_books_balance(&chain);
}

#[test]
fn what_has_no_room_in_a_block_waits_with_those_that_spend_it() {
    let mut chain = TestChain::new(10, 40);
    let inputs: Vec<_> = (0..20).map(|n| (chain.coin(n), u64::from(n))).collect();
    let parent = chain.transfer(&inputs, &[(0, 19 * GENESIS_UNITS)]);
    let child = chain.transfer(
        &[(OutPoint::new(parent.txid(), 0), 0)],
        &[(0, 18 * GENESIS_UNITS)],
    );
    let grandchild = chain.transfer(&[(OutPoint::new(child.txid(), 0), 0)], &[(0, 17 * GENESIS_UNITS)]);
    let other = chain.transfer(&[(chain.coin(30), 30)], &[(30, GENESIS_UNITS - 1_000)]);
    chain.genesis.params.max_block_bytes = parent.size() as u64 - 1;
    let all = vec![parent.clone(), child.clone(), grandchild, other.clone()];
    let assembled = chain.assemble(1, all);
    assert_eq!(
        assembled.refused,
        [],
        "there is nothing wrong with a child whose parent has no room"
    );
    let ids = |block: &Block| {
        block
            .transactions
            .iter()
            .map(|one| one.txid())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&assembled.block), [other.txid()]);
    chain.genesis.params.max_block_bytes = (parent.size() + child.size()) as u64;
    let assembled = chain.assemble(1, vec![parent.clone(), child.clone(), other]);
    assert_eq!(assembled.refused, []);
    assert_eq!(ids(&assembled.block), [parent.txid(), child.txid()]);
}

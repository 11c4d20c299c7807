//! Look-ups against a real store in memory.

use super::*;
use crate::{
    chain::{
        CommitCertificate,
        testing::{TestChain, address},
    },
    control::{HistoryEntry, OutputState, TransactionState},
    crypto::{PublicKey, Signature},
    storage::{CommitBatch, Store, StoreOptions, disk::RealDisk, memory::MemoryBackend},
};

struct Fixture {
    chain: TestChain,
    store: Store,
    lookups: Lookups,
    _dir: tempfile::TempDir,
}

impl Fixture {
    fn new(outputs: u64) -> Self {
        let chain = TestChain::new(4, outputs);
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open_on(
            Arc::new(MemoryBackend::default()),
            Arc::new(RealDisk),
            dir.path(),
            0,
            &chain.genesis,
            StoreOptions::default(),
            |_| {},
        )
        .unwrap();
        let (work, _) = crossbeam_channel::bounded(8);
        let lookups = Lookups {
            reader: store.reader(),
            bodies: Arc::new(Bodies::new()),
            evidence: Arc::new(EvidenceBook::new(Vec::new(), work)),
            names: Names::of_state(&chain.state),
            network: Network::Devnet,
            bans: Box::new(Vec::new),
            clock: NodeClock::start(),
            genesis: chain.genesis.coins().collect(),
        };
        Self {
            chain,
            store,
            lookups,
            _dir: dir,
        }
    }

    /// Makes a block of `transactions` final, as the performer does.
    fn commit(&mut self, transactions: Vec<crate::chain::SharedTransaction>) -> crate::chain::Block {
        let block = self.chain.assemble(100, transactions.clone()).block.into_inner();
        let connected = self.chain.extend(100, transactions);
        let certificate = CommitCertificate {
            height: block.height(),
            round: 2,
            block_hash: connected.hash,
            signatures: vec![
                (0, Signature::from_bytes([1; 64])),
                (2, Signature::from_bytes([2; 64])),
            ],
        };
        let batch = CommitBatch {
            block: block.clone(),
            certificate,
            connected,
        };
        self.store.commit(batch).unwrap();
        block
    }

    fn text(&self, owner: u64) -> String {
        address(owner).to_text(Network::Devnet)
    }
}

#[test]
fn blocks_come_with_their_certificates() {
    let mut fixture = Fixture::new(1);
    let transaction = fixture
        .chain
        .transfer(&[(fixture.chain.coin(0), 0)], &[(5, 900_000)]);
    let block = fixture.commit(vec![transaction.clone()]);
    let view = fixture.lookups.block(1).unwrap().unwrap();
    assert_eq!(view.hash, *block.hash().as_hash());
    assert_eq!(view.proposer, Some(block.header.proposer));
    assert_eq!(
        (view.tx_count, &view.txids[..]),
        (1, &[*transaction.txid().as_hash()][..])
    );
    let certificate = view.certificate.unwrap();
    assert_eq!((certificate.round, certificate.signers), (2, vec![0, 2]));
    assert_eq!(certificate.signatures.len(), 2);
    let genesis = fixture.lookups.block(0).unwrap().unwrap();
    assert_eq!((genesis.proposer, genesis.certificate), (None, None));
    assert_eq!(view.prev_hash, genesis.hash);
    assert_eq!(fixture.lookups.block(2).unwrap(), None);
}

#[test]
fn a_transaction_is_followed_from_the_pool_to_finality() {
    let mut fixture = Fixture::new(1);
    let transaction = fixture
        .chain
        .transfer(&[(fixture.chain.coin(0), 0)], &[(5, 900_000)]);
    let txid = *transaction.txid().as_hash();
    let state = |fixture: &Fixture| fixture.lookups.transaction(txid).unwrap().state;
    assert_eq!(state(&fixture), TransactionState::Unknown);
    fixture
        .lookups
        .bodies
        .unpooled(&transaction.txid(), Some("fee_too_low"));
    let rejected = fixture.lookups.transaction(txid).unwrap();
    assert_eq!(rejected.state, TransactionState::Rejected);
    assert_eq!(rejected.reason.as_deref(), Some("fee_too_low"));
    fixture
        .lookups
        .bodies
        .pooled(vec![transaction.clone()], Default::default());
    assert_eq!(state(&fixture), TransactionState::Pending);
    assert!(fixture.lookups.mempool_has(txid));
    let proposed = fixture
        .chain
        .assemble(100, vec![transaction.clone()])
        .block
        .into_inner();
    fixture.lookups.bodies.proposed(&proposed);
    assert_eq!(state(&fixture), TransactionState::Proposed);

    let block = fixture.commit(vec![transaction]);
    let stored = fixture.lookups.transaction(txid).unwrap();
    assert_eq!((stored.state, stored.height), (TransactionState::Final, Some(1)));
    assert_eq!(
        stored.finalized_at_ms,
        Some(block.header.timestamp_ms.get()),
        "the block's own time"
    );
    fixture.lookups.bodies.finalized(&block, 77, Default::default());
    assert_eq!(
        fixture.lookups.transaction(txid).unwrap().finalized_at_ms,
        Some(77)
    );
    assert!(!fixture.lookups.mempool_has(txid));
}

#[test]
fn coins_of_an_address_are_summed_and_paged() {
    let mut fixture = Fixture::new(1);
    let many: Vec<(u64, u64)> = (0..5).map(|n| (9, 1_000 + n)).collect();
    let transaction = fixture.chain.transfer(&[(fixture.chain.coin(0), 0)], &many);
    fixture.commit(vec![transaction]);
    let owner = fixture.text(9);
    let balance = fixture.lookups.balance(&owner).unwrap();
    assert_eq!((balance.amount, balance.utxos, balance.height), (5_010, 5, 1));
    let amounts = |skip, limit| -> Vec<u64> {
        let page = fixture
            .lookups
            .utxos(&owner, None, Page::new(skip, limit))
            .unwrap();
        page.iter().map(|entry| entry.amount).collect()
    };
    assert_eq!(amounts(0, 2), [1_000, 1_001]);
    assert_eq!(amounts(3, 10), [1_003, 1_004]);
    assert_eq!((amounts(5, 10), amounts(0, 0)), (vec![], vec![]));
    // From the last of each page on, all are met once and in order.
    let (mut after, mut met) = (None, Vec::new());
    loop {
        let page = fixture.lookups.utxos(&owner, after, Page::new(0, 2)).unwrap();
        let Some(last) = page.last() else { break };
        after = Some(OutPoint::new(TxId::from_hash(last.txid), last.index));
        met.extend(page.iter().map(|entry| entry.amount));
    }
    assert_eq!(met, [1_000, 1_001, 1_002, 1_003, 1_004]);
    assert_eq!(fixture.lookups.balance(&fixture.text(0)).unwrap().amount, 0);
    let elsewhere = address(9).to_text(Network::Mainnet);
    assert!(matches!(
        fixture.lookups.balance(&elsewhere),
        Err(QueryError::Invalid(_))
    ));
    assert!(matches!(
        fixture.lookups.utxos("timed1x", None, Page::new(0, 1)),
        Err(QueryError::Invalid(_))
    ));
}

#[test]
fn what_waits_locks_outputs_and_shows_what_it_makes() {
    let mut fixture = Fixture::new(2);
    let (first, second) = (fixture.chain.coin(0), fixture.chain.coin(1));
    let worth = |fixture: &Fixture, coin| fixture.chain.view.0[&coin].output.amount.units();
    let (rich, all) = (worth(&fixture, first), fixture.chain.state.totals.supply.units());
    // Owner 0 pays owner 5 and gets change; owner 5 passes some of it on before it is final.
    let paid = fixture
        .chain
        .transfer(&[(first, 0)], &[(5, 9_000), (0, rich - 10_000)]);
    let passed = fixture
        .chain
        .transfer(&[(OutPoint::new(paid.txid(), 0), 5)], &[(6, 8_000)]);
    let owned = |fixture: &Fixture, owner| {
        let text = fixture.text(owner);
        let balance = fixture.lookups.balance(&text).unwrap();
        (
            balance.amount,
            balance.spendable,
            balance.pending_out,
            balance.pending_in,
        )
    };
    let state = |fixture: &Fixture| {
        let page = fixture
            .lookups
            .utxos(&fixture.text(0), None, Page::new(0, 10))
            .unwrap();
        page.iter()
            .find(|utxo| utxo.txid == *first.txid.as_hash() && utxo.index == first.index)
            .map(|utxo| (utxo.state, utxo.spent_by, utxo.is_spendable()))
    };
    let output =
        |fixture: &Fixture, at: OutPoint| fixture.lookups.output(*at.txid.as_hash(), at.index).unwrap();
    assert_eq!(state(&fixture), Some((OutputState::Unspent, None, true)));
    assert_eq!(output(&fixture, OutPoint::new(paid.txid(), 0)), None);

    let pooled = vec![paid.clone(), passed.clone()];
    fixture.lookups.bodies.pooled(pooled.clone(), Default::default());
    let by = Some(*paid.txid().as_hash());
    assert_eq!(state(&fixture), Some((OutputState::Locked, by, false)));
    assert_eq!(owned(&fixture, 0), (rich, 0, rich, rich - 10_000));
    assert_eq!(owned(&fixture, 5), (0, 0, 0, 0), "it is passed on already");
    assert_eq!(owned(&fixture, 6), (0, 0, 0, 8_000));
    let change = fixture
        .lookups
        .pending(&fixture.text(0), Page::new(0, 10))
        .unwrap();
    assert_eq!(
        (change.len(), change[0].amount, change[0].index),
        (1, rich - 10_000, 1)
    );
    assert_eq!(change[0].from, [fixture.text(0)]);
    assert!(
        fixture
            .lookups
            .pending(&fixture.text(0), Page::new(1, 10))
            .unwrap()
            .is_empty()
    );
    let made = output(&fixture, OutPoint::new(paid.txid(), 0)).unwrap();
    assert_eq!(
        (made.state, made.height, made.amount),
        (OutputState::Unconfirmed, None, 9_000)
    );
    assert_eq!(
        (made.spent_by, made.address),
        (Some(*passed.txid().as_hash()), fixture.text(5))
    );

    let proposed = fixture.chain.assemble(100, pooled.clone()).block.into_inner();
    fixture.lookups.bodies.proposed(&proposed);
    assert_eq!(state(&fixture).map(|state| state.0), Some(OutputState::Proposed));
    assert_eq!(output(&fixture, first).unwrap().proposed_at, Some(1));

    // The store has the block before the pool lets go of it: nothing looks free in between.
    let block = fixture.commit(pooled);
    assert_eq!(state(&fixture), None);
    fixture.lookups.bodies.finalized(&block, 7, Default::default());
    assert_eq!(owned(&fixture, 0), (rich - 10_000, rich - 10_000, 0, 0));
    assert_eq!(
        output(&fixture, first).map(|view| (view.state, view.height)),
        Some((OutputState::Spent, Some(0)))
    );
    let spent = output(&fixture, OutPoint::new(paid.txid(), 0)).unwrap();
    assert_eq!(
        (spent.state, spent.height, spent.spent_by),
        (OutputState::Spent, Some(1), None)
    );
    assert_eq!(output(&fixture, second).unwrap().state, OutputState::Unspent);
    assert!(owned(&fixture, 0).0 < all);
}

/// All of a history, read in pages of `limit`.
fn read_history(fixture: &Fixture, owners: &[u64], limit: u32) -> Vec<HistoryEntry> {
    let addresses: Vec<String> = owners.iter().map(|owner| fixture.text(*owner)).collect();
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let page = fixture.lookups.history(&addresses, before, limit).unwrap();
        assert!(page.entries.len() <= limit as usize + 1);
        all.extend(page.entries);
        match page.next {
            Some(next) => before = Some(next.parse().unwrap()),
            None => return all,
        }
    }
}

#[test]
fn history_tells_all_that_came_and_went_and_comes_to_the_balance() {
    let mut fixture = Fixture::new(3);
    for n in 0..3_u64 {
        let coin = fixture.chain.coin(n as u32);
        let worth = fixture.chain.view.0[&coin].output.amount.units();
        let paid = fixture
            .chain
            .transfer(&[(coin, n)], &[(9, 10_000 + n), (n, worth - 11_000 - n)]);
        let onward = OutPoint::new(paid.txid(), 0);
        fixture.commit(vec![paid]);
        fixture.commit(Vec::new());
        if n > 0 {
            let passed = fixture.chain.transfer(&[(onward, 9)], &[(n, 5_000), (9, 4_000)]);
            fixture.commit(vec![passed]);
        }
    }
    for owners in [&[9][..], &[0], &[1], &[1, 9], &[0, 1, 2, 9]] {
        let all = read_history(&fixture, owners, 1_000);
        for limit in [1, 2, 3] {
            assert_eq!(
                read_history(&fixture, owners, limit),
                all,
                "{owners:?} by {limit}"
            );
        }
        let sum = all.iter().fold(0_i128, |sum, entry| {
            sum + i128::from(entry.received) - i128::from(entry.spent.unwrap())
        });
        let owned = owners
            .iter()
            .map(|owner| fixture.lookups.balance(&fixture.text(*owner)).unwrap().amount);
        assert_eq!(sum, i128::from(owned.sum::<u64>()), "{owners:?}");
        assert!(all.is_sorted_by(|newer, older| newer.height >= older.height));
    }
    let paid = &read_history(&fixture, &[9], 1_000)[0];
    assert_eq!((paid.kind.as_str(), paid.fee), ("transfer", Some(10_002 - 9_000)));
    let oldest = read_history(&fixture, &[1], 1_000).pop().unwrap();
    assert_eq!(
        (oldest.kind.as_str(), oldest.height, oldest.spent),
        ("genesis", 0, Some(0))
    );
    let other = fixture.lookups.history(&[], None, 10);
    assert!(matches!(other, Err(QueryError::Invalid(_))));
    let far = HistoryPlace {
        height: u64::MAX,
        position: 0,
    };
    let page = fixture.lookups.history(&[fixture.text(9)], Some(far), 1).unwrap();
    assert_eq!(page.entries.len(), 1, "above the tip is the tip");
}

#[test]
fn evidence_is_shown_in_order() {
    let fixture = Fixture::new(1);
    let offender = fixture.chain.state.validators()[1];
    let piece = |height: u64, kind| Evidence {
        kind,
        offender,
        height: Height::new(height),
        vset_hash: Hash256::ZERO,
        messages: Vec::new(),
    };
    fixture.lookups.evidence.insert(&piece(9, EvidenceKind::Amnesia));
    fixture.lookups.evidence.insert(&piece(3, EvidenceKind::Commits));
    let page = |skip, limit| fixture.lookups.evidence(Page::new(skip, limit)).unwrap();
    let all = page(0, 10);
    let told: Vec<(u64, &str)> = all.iter().map(|item| (item.height, item.kind.as_str())).collect();
    assert_eq!(told, [(3, "E2"), (9, "E5")]);
    assert_eq!(
        all[0].name,
        fixture.chain.state.validator(&offender).unwrap().name
    );
    assert_eq!((page(1, 10).len(), page(0, 1).len(), page(2, 1).len()), (1, 1, 0));
    assert_ne!(all[0].validator, PublicKey::from_bytes([0; 32]));
}

#[test]
fn headers_outputs_and_bytes_are_found_by_their_names() {
    let mut fixture = Fixture::new(1);
    let spent = fixture.chain.coin(0);
    let before = fixture
        .lookups
        .output(*spent.txid.as_hash(), spent.index)
        .unwrap()
        .unwrap();
    assert_eq!(before.address, fixture.text(0));
    let transaction = fixture.chain.transfer(&[(spent, 0)], &[(5, 900_000)]);
    let txid = *transaction.txid().as_hash();
    assert_eq!(fixture.lookups.raw_transaction(txid).unwrap(), None);
    let block = fixture.commit(vec![transaction.clone()]);
    let header = fixture.lookups.header(1).unwrap().unwrap();
    assert_eq!(header, fixture.lookups.block(1).unwrap().unwrap().into());
    assert_eq!(
        fixture.lookups.height_of(*block.hash().as_hash()).unwrap(),
        Some(1)
    );
    assert_eq!(fixture.lookups.height_of(Hash256::ZERO).unwrap(), None);
    let raw = fixture.lookups.raw_transaction(txid).unwrap().unwrap();
    assert_eq!(
        (raw.hex, raw.height),
        (const_hex::encode(transaction.canonical_bytes()), Some(1))
    );
    // The old output is spent, the new one is there, and is who was paid.
    let old = fixture
        .lookups
        .output(*spent.txid.as_hash(), spent.index)
        .unwrap();
    assert_eq!(old.unwrap().state, OutputState::Spent);
    let made = fixture.lookups.output(txid, 0).unwrap().unwrap();
    assert_eq!((made.address, made.amount), (fixture.text(5), 900_000));
    assert_eq!(fixture.lookups.output(txid, 1).unwrap(), None);
}

#[test]
fn what_waits_is_listed_by_age_with_its_fee_and_what_it_waits_for() {
    let fixture = Fixture::new(2);
    let coin = fixture.chain.coin(0);
    let amount = fixture
        .lookups
        .output(*coin.txid.as_hash(), coin.index)
        .unwrap()
        .unwrap()
        .amount;
    let parent = fixture.chain.transfer(&[(coin, 0)], &[(5, amount - 700)]);
    let made = OutPoint {
        txid: parent.txid(),
        index: 0,
    };
    let child = fixture.chain.transfer(&[(made, 5)], &[(6, amount - 1_000)]);
    let orphan = fixture
        .chain
        .transfer(&[(OutPoint { index: 9, ..made }, 5)], &[(6, 1)]);
    let bodies = &fixture.lookups.bodies;
    for (transaction, at) in [(&child, 20), (&parent, 10), (&orphan, 30)] {
        bodies.pooled(vec![transaction.clone()], crate::consensus::Mono::from_micros(at));
    }
    let id = |transaction: &crate::chain::SharedTransaction| *transaction.txid().as_hash();
    let page = |skip, limit| fixture.lookups.waiting(Page::new(skip, limit)).unwrap();
    assert_eq!(page(0, 10), [&parent, &child, &orphan].map(id));
    assert_eq!(page(1, 1), [id(&child)]);
    let entry = |transaction| {
        fixture
            .lookups
            .waiting_transaction(id(transaction))
            .unwrap()
            .unwrap()
    };
    assert_eq!((entry(&parent).fee, entry(&parent).depends.len()), (Some(700), 0));
    assert_eq!(
        (entry(&child).fee, entry(&child).depends),
        (Some(300), vec![id(&parent)])
    );
    assert_eq!(entry(&orphan).fee, None, "what it spends is not there");
    assert_eq!(entry(&child).bytes, child.canonical_bytes().len() as u64);
    assert_eq!(fixture.lookups.waiting_transaction(Hash256::ZERO).unwrap(), None);
}

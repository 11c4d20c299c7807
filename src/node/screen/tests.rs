//! What is refused before a signature is looked at, and what goes on.

use super::*;
use crate::{
    chain::{
        OutPoint, Transaction, TxId,
        testing::{GENESIS_UNITS, TestChain},
    },
    crypto::Signature,
    storage::{Store, StoreOptions, disk::RealDisk, memory::MemoryBackend},
};

struct Fixture {
    chain: TestChain,
    screen: Screen,
    _store: Store,
    _dir: tempfile::TempDir,
}

fn fixture() -> Fixture {
    let chain = TestChain::new(1, 5);
    let dir = tempfile::tempdir().unwrap();
    let backend = Arc::new(MemoryBackend::default());
    let disk = Arc::new(RealDisk);
    let options = StoreOptions::default();
    let store = Store::open_on(backend, disk, dir.path(), 0, &chain.genesis, options, |_| {}).unwrap();
    Fixture {
        screen: Screen {
            reader: store.reader(),
            floor_per_kb: Arc::new(AtomicU64::new(1_000)),
            bodies: Arc::new(Bodies::new()),
            metrics: crate::metrics::Metrics::new("devnet"),
        },
        chain,
        _store: store,
        _dir: dir,
    }
}

/// With signatures that hold nowhere: who looks at them would say so.
fn unsigned(transaction: &SharedTransaction) -> SharedTransaction {
    let mut transaction: Transaction = transaction.transaction().clone();
    for witness in &mut transaction.witnesses {
        witness.signature = Signature::from_bytes([0; 64]);
    }
    SharedTransaction::new(transaction)
}

#[test]
fn a_low_fee_a_wrong_key_and_too_much_money_are_refused_whatever_the_signature() {
    let Fixture { chain, screen, .. } = &fixture();
    let pay = |coin: u32, owner: u64, units: u64| {
        unsigned(&chain.transfer(&[(chain.coin(coin), owner)], &[(1, units)]))
    };
    let mut refused = Refused::new();
    let mut code = |transaction: &SharedTransaction| {
        screen
            .refusal(transaction, &mut refused)
            .map(|refusal| refusal.code())
    };
    let cheap = pay(0, 0, GENESIS_UNITS - 10);
    assert_eq!(code(&cheap), Some("fee_too_low"));
    assert_eq!(code(&pay(1, 0, 900_000)), Some("invalid"));
    assert_eq!(code(&pay(1, 1, GENESIS_UNITS + 1)), Some("invalid"));
    assert_eq!(screen.bodies.refused(&cheap.txid()), Some("fee_too_low"));
    let stolen = pay(2, 0, 900_000);
    assert_eq!(code(&stolen), Some("invalid"));
    assert_eq!(
        screen.bodies.refused(&stolen.txid()),
        None,
        "its id may come with the right key"
    );
    // Enough is enough until the floor rises.
    let enough = pay(0, 0, GENESIS_UNITS - 1_000);
    assert_eq!(code(&enough), None);
    screen.floor_per_kb.store(1_000_000, Ordering::Relaxed);
    assert_eq!(code(&enough), Some("fee_too_low"));
    let told: Vec<(&str, u64)> = refused.into_iter().collect();
    assert_eq!(told.iter().map(|(_, count)| count).sum::<u64>(), 5);
    assert!(told.contains(&("fee_too_low", 2)));
}

#[test]
fn what_spends_what_is_not_final_goes_on_to_the_pool() {
    let Fixture { chain, screen, .. } = &fixture();
    let mut refused = Refused::new();
    let unknown = OutPoint::new(TxId::from_bytes([7; 32]), 0);
    let mixed = chain.transfer(&[(chain.coin(0), 0), (unknown, 3)], &[(1, GENESIS_UNITS)]);
    let nothing = chain.transfer(&[], &[]);
    for transaction in [&mixed, &nothing] {
        assert_eq!(screen.refusal(transaction, &mut refused), None);
    }
    assert!(Screen::told(refused).is_none());
}

//! Transactions: canonical bytes have one reading and one writing, and judging any transaction panics
//! at nothing.

use timecoin::chain::{SharedTransaction, TRANSACTION_BYTES_MAX, Transaction, check_alone, verify_batch};
use timecoin::crypto::Hash256;

pub(crate) fn holds(data: &[u8]) {
    let Ok(transaction) = Transaction::from_canonical(data) else {
        return;
    };
    assert_eq!(
        transaction.canonical_bytes(),
        data,
        "one transaction, two encodings"
    );
    assert_eq!(transaction.canonical_size(), data.len());
    let judged = check_alone(&transaction);
    if data.len() > TRANSACTION_BYTES_MAX {
        assert!(judged.is_err(), "over the limit and accepted");
    }
    if judged.is_ok() {
        let shared = SharedTransaction::new(transaction);
        let outcome = verify_batch(vec![shared], &Hash256::from_bytes([3; 32]));
        assert_eq!(outcome.0.len() + outcome.1.len(), 1);
    }
}

//! What counts as accepted, final, timed and lost, on a clock that the tests hold.

use std::time::{Duration, Instant};

use super::pending::{Finality, PendingTable, RESUBMIT_AFTER, Stamp};
use crate::{
    chain::{Amount, OutPoint, TxId},
    crypto::{Hash256, SecretKey},
    devnet::{
        coins::{Coin, Made, Purse},
        target::Submission,
    },
};

const UNIX_US: u64 = 1_700_000_000_000_000;

struct Clock(Instant);

impl Clock {
    fn at(&self, ms: u64) -> Instant {
        self.0 + Duration::from_millis(ms)
    }

    fn stamp(&self, ms: u64) -> Stamp {
        Stamp {
            at: self.at(ms),
            unix_us: UNIX_US + ms * 1_000,
        }
    }

    fn seen(&self, ms: u64) -> Finality {
        Finality {
            seen: self.at(ms),
            stamp_ms: None,
        }
    }
}

/// A table with one transaction, being submitted to node 0.
fn one() -> (PendingTable, TxId, Clock) {
    let mut purse = Purse::new(Hash256::ZERO, vec![SecretKey::from_seed(&[1; 32])], 1, 1);
    let coin = Coin {
        outpoint: OutPoint::new(TxId::ZERO, 0),
        amount: Amount::from_units(1_000_000),
        owner: 0,
    };
    purse.add(0, [coin]);
    let made: Made = purse.transfer(0).unwrap();
    let (txid, clock) = (made.transaction.txid(), Clock(Instant::now()));
    let mut table = PendingTable::default();
    table.insert(made, 0, clock.at(0));
    (table, txid, clock)
}

fn refused(code: &str) -> Submission {
    Submission::Refused(code.to_owned())
}

#[test]
fn finality_runs_from_the_acceptance_to_what_was_seen() {
    let (mut table, txid, clock) = one();
    assert!(
        table
            .on_answer(txid, Submission::Accepted, clock.stamp(10))
            .is_none()
    );
    let (node, coins) = table.on_final(txid, 0, clock.seen(35), |_| true).unwrap();
    assert_eq!((node, coins.len(), table.len()), (0, 2, 0));
    let counts = table.counts();
    assert_eq!((counts.submitted, counts.accepted, counts.made_final), (1, 1, 1));
    assert_eq!(counts.finality.percentiles().max, 25.0);
}

#[test]
fn the_stamp_of_the_node_takes_the_polling_out() {
    let (mut table, txid, clock) = one();
    table.on_answer(txid, Submission::Accepted, clock.stamp(10));
    let finality = Finality {
        stamp_ms: Some(UNIX_US / 1_000 + 20),
        ..clock.seen(35)
    };
    table.on_final(txid, 0, finality, |_| true);
    assert_eq!(table.counts().finality.percentiles().max, 10.5);
}

#[test]
fn a_stamp_from_the_future_is_not_believed() {
    let (mut table, txid, clock) = one();
    table.on_answer(txid, Submission::Accepted, clock.stamp(10));
    let finality = Finality {
        stamp_ms: Some(UNIX_US / 1_000 + 9_000),
        ..clock.seen(35)
    };
    table.on_final(txid, 0, finality, |_| true);
    assert_eq!(table.counts().finality.percentiles().max, 25.0);
}

#[test]
fn a_block_that_is_faster_than_the_answer_counts_once_both_are_there() {
    let (mut table, txid, clock) = one();
    assert!(table.on_final(txid, 0, clock.seen(5), |_| true).is_none());
    assert_eq!(table.counts().made_final, 0);
    assert!(
        table
            .on_answer(txid, Submission::Accepted, clock.stamp(10))
            .is_some()
    );
    assert_eq!(table.counts().made_final, 1);
    assert_eq!(table.counts().finality.percentiles().max, 0.0);
}

#[test]
fn finality_elsewhere_waits_for_the_own_node_unless_that_is_gone() {
    let (mut table, txid, clock) = one();
    table.on_answer(txid, Submission::Accepted, clock.stamp(10));
    assert!(table.on_final(txid, 2, clock.seen(20), |_| true).is_none());
    let (node, _) = table.on_final(txid, 0, clock.seen(30), |_| true).unwrap();
    assert_eq!(node, 0);
    assert_eq!(table.counts().finality.percentiles().max, 20.0);

    let (mut table, txid, clock) = one();
    table.on_answer(txid, Submission::Accepted, clock.stamp(10));
    let (node, _) = table.on_final(txid, 2, clock.seen(20), |_| false).unwrap();
    assert_eq!(node, 2, "the coins are where the block was seen");
}

#[test]
fn a_refusal_gives_coins_back_only_if_they_are_still_good() {
    let (mut table, txid, clock) = one();
    let (_, coins) = table
        .on_answer(txid, refused("pool_full"), clock.stamp(1))
        .unwrap();
    assert_eq!(coins.len(), 1);
    assert_eq!(table.counts().refused["pool_full"], 1);
    let (mut table, txid, clock) = one();
    assert!(
        table
            .on_answer(txid, refused("double_spend"), clock.stamp(1))
            .is_none()
    );
    assert_eq!(table.len(), 0);
}

#[test]
fn what_takes_long_is_submitted_again_and_never_timed() {
    let (mut table, txid, clock) = one();
    table.on_answer(txid, Submission::Accepted, clock.stamp(10));
    let late = RESUBMIT_AFTER.as_millis() as u64;
    assert!(table.overdue(clock.at(late - 1), || Some(1)).0.is_empty());
    let (again, _) = table.overdue(clock.at(late), || Some(1));
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].0, 1);
    assert!(
        table.overdue(clock.at(2 * late), || Some(2)).0.is_empty(),
        "while the answer is awaited it is not submitted a third time"
    );
    table.on_answer(txid, refused("duplicate"), clock.stamp(late + 5));
    table.on_final(txid, 1, clock.seen(late + 20), |_| true).unwrap();
    let counts = table.counts();
    assert_eq!((counts.accepted, counts.made_final), (1, 1));
    assert_eq!(counts.finality.count(), 0);
}

#[test]
fn without_a_free_node_the_next_sweep_tries_again() {
    let (mut table, txid, clock) = one();
    table.on_answer(txid, Submission::Unknown, clock.stamp(10));
    assert!(table.overdue(clock.at(6_000), || None).0.is_empty());
    assert_eq!(table.overdue(clock.at(6_500), || Some(3)).0.len(), 1);
}

#[test]
fn final_elsewhere_for_long_is_final() {
    let (mut table, txid, clock) = one();
    table.on_answer(txid, Submission::Accepted, clock.stamp(10));
    table.on_final(txid, 2, clock.seen(20), |_| true);
    let (again, released) = table.overdue(clock.at(6_000), || Some(1));
    assert!(again.is_empty());
    assert_eq!(released[0].0, 2);
    assert_eq!(table.counts().finality.percentiles().max, 10.0);
}

#[test]
fn lost_is_what_was_accepted_and_never_seen_again() {
    let (mut table, txid, clock) = one();
    table.on_answer(txid, Submission::Accepted, clock.stamp(10));
    assert_eq!(table.close().1, 1);
    let (mut table, txid, clock) = one();
    table.on_answer(txid, Submission::Unknown, clock.stamp(10));
    let (counts, lost) = table.close();
    assert_eq!((lost, counts.accepted, counts.refused["no_answer"]), (0, 0, 1));
}

#[test]
fn an_unanswered_transaction_in_a_block_was_accepted() {
    let (mut table, txid, clock) = one();
    table.on_answer(txid, Submission::Unknown, clock.stamp(10));
    table.on_final(txid, 0, clock.seen(50), |_| true).unwrap();
    let (counts, lost) = table.close();
    assert_eq!((lost, counts.accepted, counts.made_final), (0, 1, 1));
    assert_eq!(counts.finality.count(), 0);
}

//! Transactions that peers announced: one request in flight per id, and who else offers it.
//!
//! A peer that announces what it does not have costs the others one deadline at most: whoever
//! announced the same id meanwhile is asked next.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{chain::TxId, consensus::Mono, crypto::NodeId};

/// Announced transactions remembered as asked for; the oldest is forgotten first, and asked for
/// again if it is announced again.
const ASKED_MAX: usize = 20_000;
/// Further announcers remembered per transaction.
const OTHERS_MAX: usize = 3;
/// An announced transaction that did not come is asked of whoever announces it after this long,
/// even if nobody said that the request failed: above the deadline of such a request.
const ASK_AGAIN_US: u64 = 2_500_000;

#[derive(Debug)]
struct Entry {
    asked_us: u64,
    peer: NodeId,
    /// Who announced it too, in order.
    others: VecDeque<NodeId>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<TxId, Entry>,
    order: VecDeque<TxId>,
}

/// What is being fetched. Independent of the engine: it knows ids, not transactions.
#[derive(Debug, Default)]
pub(super) struct Announced(Mutex<Inner>);

impl Announced {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `peer` offers `txid`. True if it should be asked for it now; asking is remembered. Else it
    /// is remembered as somebody to turn to.
    pub(super) fn offered(&self, txid: &TxId, peer: NodeId, now: Mono) -> bool {
        let mut inner = self.lock();
        if let Some(entry) = inner.entries.get_mut(txid) {
            if now.micros().saturating_sub(entry.asked_us) <= ASK_AGAIN_US {
                if entry.peer != peer && entry.others.len() < OTHERS_MAX && !entry.others.contains(&peer) {
                    entry.others.push_back(peer);
                }
                return false;
            }
            entry.asked_us = now.micros();
            entry.peer = peer;
            return true;
        }
        let entry = Entry {
            asked_us: now.micros(),
            peer,
            others: VecDeque::new(),
        };
        inner.entries.insert(*txid, entry);
        inner.order.push_back(*txid);
        // Entries leave by other ways too, so the order may name what is gone; both stay bounded.
        while inner.order.len() > ASKED_MAX {
            if let Some(oldest) = inner.order.pop_front() {
                inner.entries.remove(&oldest);
            }
        }
        true
    }

    /// `peer` did not give these: whom to ask next for what. What nobody else offers is forgotten.
    pub(super) fn failed(&self, peer: &NodeId, txids: &[TxId], now: Mono) -> Vec<(NodeId, Vec<TxId>)> {
        let mut inner = self.lock();
        let mut next: Vec<(NodeId, Vec<TxId>)> = Vec::new();
        for txid in txids {
            let Some(entry) = inner.entries.get_mut(txid).filter(|entry| entry.peer == *peer) else {
                continue;
            };
            let Some(other) = entry.others.pop_front() else {
                inner.entries.remove(txid);
                continue;
            };
            entry.peer = other;
            entry.asked_us = now.micros();
            match next.iter_mut().find(|(peer, _)| *peer == other) {
                Some((_, txids)) => txids.push(*txid),
                None => next.push((other, vec![*txid])),
            }
        }
        next
    }

    /// It came, by whatever way.
    pub(super) fn arrived(&self, txid: &TxId) {
        self.lock().entries.remove(txid);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::testing::key;

    fn at(us: u64) -> Mono {
        Mono::from_micros(1_000_000 + us)
    }

    fn id(n: u64) -> TxId {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&n.to_le_bytes());
        TxId::from_bytes(bytes)
    }

    #[test]
    fn one_request_is_in_flight_per_id_and_the_next_announcer_follows_a_failure() {
        let (liar, honest, third) = (key(1).public_key(), key(2).public_key(), key(3).public_key());
        let announced = Announced::default();
        assert!(announced.offered(&id(1), liar, at(0)));
        assert!(!announced.offered(&id(1), honest, at(1)));
        assert!(!announced.offered(&id(1), honest, at(2)), "twice is once");
        assert!(!announced.offered(&id(1), third, at(3)));
        assert_eq!(
            announced.failed(&honest, &[id(1)], at(4)),
            vec![],
            "only whoever was asked can fail"
        );
        assert_eq!(
            announced.failed(&liar, &[id(1), id(2)], at(5)),
            vec![(honest, vec![id(1)])]
        );
        assert_eq!(
            announced.failed(&honest, &[id(1)], at(6)),
            vec![(third, vec![id(1)])]
        );
        assert_eq!(announced.failed(&third, &[id(1)], at(7)), vec![]);
        assert!(
            announced.offered(&id(1), liar, at(8)),
            "forgotten, so it may be asked for again"
        );
    }

    #[test]
    fn a_request_that_nobody_ended_is_repeated_after_its_time() {
        let (one, other) = (key(1).public_key(), key(2).public_key());
        let announced = Announced::default();
        assert!(announced.offered(&id(1), one, at(0)));
        assert!(!announced.offered(&id(1), other, at(ASK_AGAIN_US)));
        assert!(announced.offered(&id(1), other, at(ASK_AGAIN_US + 1)));
        announced.arrived(&id(1));
        assert_eq!(announced.len(), 0);
    }

    #[test]
    fn dos_33_announcements_of_nothing_are_bounded_and_hide_nothing() {
        let (liar, honest) = (key(1).public_key(), key(2).public_key());
        let announced = Announced::default();
        for n in 0..100_000 {
            announced.offered(&id(n), liar, at(n));
        }
        assert_eq!(announced.len(), ASKED_MAX);
        // The liar announced the honest transaction first; its silence costs one deadline.
        let txid = id(99_999);
        assert!(!announced.offered(&txid, honest, at(100_000)));
        let next = announced.failed(&liar, &[txid], at(2_100_000));
        assert_eq!(next, vec![(honest, vec![txid])]);
    }
}

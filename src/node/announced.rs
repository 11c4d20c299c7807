//! Transactions that peers announced: one request in flight per id, and who else offers it.
//!
//! A peer that announces what it does not have costs the others one deadline at most: of those who
//! announced the same id meanwhile, the next four are asked together.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{chain::TxId, consensus::Mono, crypto::NodeId};

/// Announced transactions remembered as asked for; the oldest is forgotten first, and asked for
/// again if it is announced again.
const ASKED_MAX: usize = 20_000;
/// The same of one first announcer, beyond which its own oldest is forgotten: with as many as there are, one
/// that announces what does not exist would have those of all others forgotten within a second.
const ASKED_OF_ONE_MAX: usize = 2_000;
/// Further announcers remembered per transaction.
const OTHERS_MAX: usize = 8;
/// Of these asked at once when whoever was asked did not deliver. A few who lie together must not cost
/// a deadline each.
const AT_ONCE: usize = 4;
/// An announced transaction that did not come is asked of whoever announces it after this long,
/// even if nobody said that the request failed: above the deadline of such a request.
const ASK_AGAIN_US: u64 = 2_500_000;

#[derive(Debug)]
struct Entry {
    asked_us: u64,
    /// Who announced it first, and the number of that among all: names it in the orders below.
    first: (NodeId, u64),
    /// Who is asked, and has not failed.
    asked: Vec<NodeId>,
    /// Who announced it too, in the order in which they will be asked.
    others: VecDeque<NodeId>,
    /// The first so many of the others are preferred.
    preferred: usize,
    /// Who did not deliver.
    failed: Vec<NodeId>,
    /// Whether all of them were asked before.
    is_last: bool,
}

impl Entry {
    fn of(peer: NodeId, number: u64, now: Mono) -> Self {
        Self {
            asked_us: now.micros(),
            first: (peer, number),
            asked: vec![peer],
            others: VecDeque::new(),
            preferred: 0,
            failed: Vec::new(),
            is_last: false,
        }
    }

    /// Remembers one more who offers it. Whoever is preferred displaces whoever is not.
    fn add(&mut self, peer: NodeId, is_preferred: bool) {
        let knows = |known: &NodeId| *known == peer;
        if self.asked.iter().any(knows) || self.others.iter().any(knows) || self.failed.iter().any(knows) {
            return;
        }
        if self.others.len() == OTHERS_MAX {
            if !is_preferred || self.preferred == OTHERS_MAX {
                return;
            }
            self.others.pop_back();
        }
        if is_preferred {
            self.others.insert(self.preferred, peer);
            self.preferred += 1;
        } else {
            self.others.push_back(peer);
        }
    }

    /// Who is to be asked now that nobody is.
    fn next(&mut self) -> Vec<NodeId> {
        if self.others.is_empty() && !self.is_last {
            // Once more: an answer that was late, or a peer that was busy, is no lie.
            self.is_last = true;
            self.preferred = 0;
            self.others.extend(self.failed.drain(..));
        }
        let count = self.others.len().min(AT_ONCE);
        self.preferred = self.preferred.saturating_sub(count);
        self.others.drain(..count).collect()
    }
}

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<TxId, Entry>,
    /// All entries by the order in which they were first announced.
    order: BTreeMap<u64, TxId>,
    /// The numbers of each first announcer's.
    of_first: HashMap<NodeId, BTreeSet<u64>>,
    next: u64,
}

impl Inner {
    fn insert(&mut self, txid: TxId, peer: NodeId, now: Mono) {
        let number = self.next;
        self.next += 1;
        self.entries.insert(txid, Entry::of(peer, number, now));
        self.order.insert(number, txid);
        let its = self.of_first.entry(peer).or_default();
        its.insert(number);
        let oldest = match its.len() > ASKED_OF_ONE_MAX {
            true => its.first().copied(),
            false if self.order.len() > ASKED_MAX => self.order.first_key_value().map(|(number, _)| *number),
            false => None,
        };
        if let Some(txid) = oldest.and_then(|number| self.order.get(&number).copied()) {
            self.remove(&txid);
        }
    }

    fn remove(&mut self, txid: &TxId) {
        let Some(entry) = self.entries.remove(txid) else {
            return;
        };
        let (peer, number) = entry.first;
        self.order.remove(&number);
        if let Some(its) = self.of_first.get_mut(&peer) {
            its.remove(&number);
            if its.is_empty() {
                self.of_first.remove(&peer);
            }
        }
    }
}

/// What is being fetched. Independent of the engine: it knows ids, not transactions.
#[derive(Debug, Default)]
pub(super) struct Announced(Mutex<Inner>);

impl Announced {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `peer` offers `txid`. True if it should be asked for it now; asking is remembered. Else it
    /// is remembered as somebody to turn to, sooner if it is preferred.
    pub(super) fn offered(&self, txid: &TxId, peer: NodeId, is_preferred: bool, now: Mono) -> bool {
        let mut inner = self.lock();
        if let Some(entry) = inner.entries.get_mut(txid) {
            if now.micros().saturating_sub(entry.asked_us) <= ASK_AGAIN_US {
                entry.add(peer, is_preferred);
                return false;
            }
            entry.asked_us = now.micros();
            entry.asked = vec![peer];
            return true;
        }
        inner.insert(*txid, peer, now);
        true
    }

    /// `peer` did not give these: whom to ask next for what. Who failed is asked once
    /// more when nobody else is left; then it is forgotten.
    pub(super) fn failed(&self, peer: &NodeId, txids: &[TxId], now: Mono) -> Vec<(NodeId, Vec<TxId>)> {
        let mut inner = self.lock();
        let mut next: Vec<(NodeId, Vec<TxId>)> = Vec::new();
        for txid in txids {
            let Some(entry) = inner.entries.get_mut(txid) else {
                continue;
            };
            let Some(at) = entry.asked.iter().position(|asked| asked == peer) else {
                continue;
            };
            entry.failed.push(entry.asked.swap_remove(at));
            if !entry.asked.is_empty() {
                continue;
            }
            let asked = entry.next();
            if asked.is_empty() {
                inner.remove(txid);
                continue;
            }
            entry.asked_us = now.micros();
            entry.asked.clone_from(&asked);
            for other in asked {
                match next.iter_mut().find(|(peer, _)| *peer == other) {
                    Some((_, txids)) => txids.push(*txid),
                    None => next.push((other, vec![*txid])),
                }
            }
        }
        next
    }

    /// It came, by whatever way.
    pub(super) fn arrived(&self, txid: &TxId) {
        self.lock().remove(txid);
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
    fn one_request_is_in_flight_per_id_and_the_next_announcers_follow_a_failure() {
        let (liar, honest, third) = (key(1).public_key(), key(2).public_key(), key(3).public_key());
        let announced = Announced::default();
        assert!(announced.offered(&id(1), liar, false, at(0)));
        assert!(!announced.offered(&id(1), honest, false, at(1)));
        assert!(!announced.offered(&id(1), honest, false, at(2)), "twice is once");
        assert_eq!(
            announced.failed(&honest, &[id(1)], at(4)),
            vec![],
            "only whoever was asked can fail"
        );
        assert_eq!(
            announced.failed(&liar, &[id(1), id(2)], at(5)),
            vec![(honest, vec![id(1)])]
        );
        assert!(!announced.offered(&id(1), third, false, at(6)));
        assert_eq!(
            announced.failed(&honest, &[id(1)], at(7)),
            vec![(third, vec![id(1)])]
        );
        // Once more, all who failed; then it is forgotten, so it may be asked for again.
        let again = announced.failed(&third, &[id(1)], at(8));
        let mut asked: Vec<NodeId> = again.iter().map(|(peer, _)| *peer).collect();
        asked.sort_unstable();
        let mut all = vec![liar, honest, third];
        all.sort_unstable();
        assert_eq!(asked, all);
        for peer in [liar, honest, third] {
            assert_eq!(announced.failed(&peer, &[id(1)], at(9)), vec![]);
        }
        assert_eq!(announced.len(), 0);
        assert!(announced.offered(&id(1), liar, false, at(10)));
    }

    #[test]
    fn a_request_that_nobody_ended_is_repeated_after_its_time() {
        let (one, other) = (key(1).public_key(), key(2).public_key());
        let announced = Announced::default();
        assert!(announced.offered(&id(1), one, false, at(0)));
        assert!(!announced.offered(&id(1), other, false, at(ASK_AGAIN_US)));
        assert!(announced.offered(&id(1), other, false, at(ASK_AGAIN_US + 1)));
        announced.arrived(&id(1));
        assert_eq!(announced.len(), 0);
    }

    #[test]
    fn dos_33_announcements_of_nothing_are_bounded_and_hide_nothing() {
        let (liar, honest) = (key(1).public_key(), key(2).public_key());
        let announced = Announced::default();
        let kept = id(1_000_000);
        assert!(announced.offered(&kept, honest, false, at(0)));
        for n in 0..100_000 {
            announced.offered(&id(n), liar, false, at(n));
        }
        assert_eq!(announced.len(), ASKED_OF_ONE_MAX + 1);
        // What an honest peer announced before is still known as asked for, and by whom.
        assert!(!announced.offered(&kept, liar, false, at(100_000)));
        assert_eq!(
            announced.failed(&honest, &[kept], at(100_001)),
            vec![(liar, vec![kept])]
        );
        announced.arrived(&kept);
        // The liar announced the honest transaction first; its silence costs one deadline.
        let txid = id(99_999);
        assert!(!announced.offered(&txid, honest, false, at(100_000)));
        let next = announced.failed(&liar, &[txid], at(2_100_000));
        assert_eq!(next, vec![(honest, vec![txid])]);
    }

    #[test]
    fn dos_33_many_liars_together_stay_within_the_table() {
        let announced = Announced::default();
        for n in 0..30_000 {
            let liar = key(n / 1_500).public_key();
            announced.offered(&id(n), liar, false, at(n));
        }
        assert_eq!(announced.len(), ASKED_MAX);
        for n in 0..30_000 {
            announced.arrived(&id(n));
        }
        let inner = announced.lock();
        assert!(inner.entries.is_empty() && inner.order.is_empty() && inner.of_first.is_empty());
    }

    /// Each silent peer costs a deadline of two seconds; the honest one is asked before the second ends.
    #[test]
    fn dos_33_four_liars_before_the_honest_announcer_cost_less_than_four_seconds() {
        const DEADLINE_US: u64 = 2_000_000;
        let (announced, honest) = (Announced::default(), key(99).public_key());
        let liars: Vec<NodeId> = (1..5).map(|n| key(n).public_key()).collect();
        let txid = id(1);
        for liar in &liars {
            announced.offered(&txid, *liar, false, at(0));
        }
        announced.offered(&txid, honest, false, at(1));
        let mut now = 0;
        let mut asked = vec![liars[0]];
        while !asked.contains(&honest) {
            now += DEADLINE_US;
            let failing = std::mem::take(&mut asked);
            for liar in failing {
                let next = announced.failed(&liar, &[txid], at(now));
                asked.extend(next.into_iter().map(|(peer, _)| peer));
            }
            assert!(!asked.is_empty(), "the honest one was forgotten");
        }
        assert!(now < 2 * DEADLINE_US, "asked after {now} us");
        // However many lie: a peer that we dialled, or a masternode, is asked first of all that wait.
        let txid = id(2);
        for n in 1..50 {
            announced.offered(&txid, key(n).public_key(), false, at(0));
        }
        announced.offered(&txid, honest, true, at(1));
        let next = announced.failed(&key(1).public_key(), &[txid], at(DEADLINE_US));
        assert_eq!(next[0], (honest, vec![txid]));
        assert_eq!(next.len(), AT_ONCE);
    }
}

//! Transactions that came before their parents. They wait here shortly, in small numbers, and are
//! handed back when a parent arrives; nothing here is known to be valid but signatures.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{
    chain::{SharedTransaction, TimestampMs, TxId},
    crypto::{NodeId, Verified},
};

/// Most orphans.
pub const ORPHANS_MAX: usize = 1_000;
/// Most canonical bytes of orphans.
pub const ORPHAN_BYTES_MAX: usize = 10_000_000;
/// Most orphans from one peer: one flooder must not push out everybody else's.
pub const PEER_ORPHANS_MAX: usize = 50;
/// Most bytes of orphans from one peer.
pub const PEER_ORPHAN_BYTES_MAX: usize = 512_000;
/// A parent that has not come after this long will not come, ms.
pub const ORPHAN_EXPIRY_MS: u64 = 300_000;

/// Transactions whose inputs are missing.
#[derive(Debug, Default)]
pub struct Orphans {
    by_id: HashMap<TxId, Orphan>,
    /// (transaction that makes an input, orphan).
    by_parent: BTreeSet<(TxId, TxId)>,
    by_age: BTreeMap<u64, TxId>,
    peers: HashMap<NodeId, Share>,
    bytes: usize,
    arrivals: u64,
}

#[derive(Debug)]
struct Orphan {
    transaction: Verified<SharedTransaction>,
    peer: NodeId,
    arrival: u64,
    entered_ms: TimestampMs,
}

#[derive(Debug, Clone, Copy, Default)]
struct Share {
    count: usize,
    bytes: usize,
}

impl Orphans {
    /// Number of orphans.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Canonical bytes of all orphans.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// True if `txid` waits here.
    pub fn contains(&self, txid: &TxId) -> bool {
        self.by_id.contains_key(txid)
    }

    /// Keeps `transaction` from `peer`; the oldest leave if there are too many. False if it is
    /// here already or its peer has used up its share.
    pub fn park(&mut self, transaction: Verified<SharedTransaction>, peer: NodeId, now: TimestampMs) -> bool {
        self.expire(now);
        let (txid, size) = (transaction.txid(), transaction.size());
        let share = self.peers.get(&peer).copied().unwrap_or_default();
        let is_spent = share.count >= PEER_ORPHANS_MAX || share.bytes + size > PEER_ORPHAN_BYTES_MAX;
        if is_spent || self.contains(&txid) {
            return false;
        }
        while self.len() >= ORPHANS_MAX || self.bytes + size > ORPHAN_BYTES_MAX {
            let Some(oldest) = self.by_age.first_key_value().map(|(_, txid)| *txid) else {
                return false;
            };
            self.remove(&oldest);
        }
        let arrival = self.arrivals;
        self.arrivals += 1;
        self.by_parent
            .extend(transaction.inputs.iter().map(|outpoint| (outpoint.txid, txid)));
        self.by_age.insert(arrival, txid);
        self.peers.insert(
            peer,
            Share {
                count: share.count + 1,
                bytes: share.bytes + size,
            },
        );
        self.bytes += size;
        self.by_id.insert(
            txid,
            Orphan {
                transaction,
                peer,
                arrival,
                entered_ms: now,
            },
        );
        true
    }

    /// Hands back those that spend outputs of `parent`, in the order of their ids, each with the
    /// peer it came from. Admission may find another parent missing and park them again.
    pub fn children_of(&mut self, parent: &TxId) -> Vec<(Verified<SharedTransaction>, NodeId)> {
        let children: Vec<TxId> = self
            .by_parent
            .range((*parent, TxId::ZERO)..)
            .take_while(|(of, _)| of == parent)
            .map(|(_, child)| *child)
            .collect();
        children
            .iter()
            .filter_map(|child| self.remove(child))
            .map(|orphan| (orphan.transaction, orphan.peer))
            .collect()
    }

    /// Drops what waited too long.
    pub fn expire(&mut self, now: TimestampMs) {
        while let Some(oldest) = self.by_age.first_key_value().map(|(_, txid)| *txid) {
            let entered_ms = self.by_id.get(&oldest).map_or(now, |orphan| orphan.entered_ms);
            if now.ms_since(entered_ms) < ORPHAN_EXPIRY_MS {
                return;
            }
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, txid: &TxId) -> Option<Orphan> {
        let orphan = self.by_id.remove(txid)?;
        for outpoint in &orphan.transaction.inputs {
            self.by_parent.remove(&(outpoint.txid, *txid));
        }
        self.by_age.remove(&orphan.arrival);
        let size = orphan.transaction.size();
        self.bytes -= size;
        if let Some(share) = self.peers.get_mut(&orphan.peer) {
            share.count -= 1;
            share.bytes -= size;
            if share.count == 0 {
                self.peers.remove(&orphan.peer);
            }
        }
        Some(orphan)
    }
}

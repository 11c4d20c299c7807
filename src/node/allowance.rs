//! How many bytes of blocks each peer is served: enough to catch up fast, and no more than a share of
//! the line.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use crate::crypto::NodeId;

/// Bytes of blocks a second that one peer is served.
pub(super) const BYTES_PER_S: f64 = (8 << 20) as f64;
/// Bytes that may have been saved up: four seconds' worth.
pub(super) const BURST_BYTES: f64 = 4.0 * BYTES_PER_S;
/// Peers remembered, more than there are sessions; beyond it, those that saved most are forgotten.
const PEERS_MAX: usize = 4_096;

#[derive(Debug, Clone, Copy)]
struct Account {
    bytes: f64,
    at: Instant,
}

impl Account {
    fn at(self, now: Instant) -> Self {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        Self {
            bytes: (self.bytes + passed * BYTES_PER_S).min(BURST_BYTES),
            at: now,
        }
    }
}

/// What each peer may still be sent.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    peers: Mutex<BTreeMap<NodeId, Account>>,
}

impl Allowance {
    /// True unless the peer has used up more than its share.
    pub(super) fn may(&self, peer: &NodeId, now: Instant) -> bool {
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        peers.get(peer).is_none_or(|account| account.at(now).bytes > 0.0)
    }

    /// The peer was sent this much. One answer may overdraw; then it waits.
    pub(super) fn charge(&self, peer: &NodeId, bytes: usize, now: Instant) {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if peers.len() >= PEERS_MAX {
            // A full account is as good as none.
            peers.retain(|_, account| account.at(now).bytes < BURST_BYTES);
        }
        let full = Account {
            bytes: BURST_BYTES,
            at: now,
        };
        let account = peers.entry(*peer).or_insert(full);
        *account = account.at(now);
        account.bytes -= bytes as f64;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::crypto::PublicKey;

    #[test]
    fn dos_19_a_greedy_peer_is_served_its_share_and_others_theirs() {
        let (allowance, began) = (Allowance::default(), Instant::now());
        let (greedy, honest) = (PublicKey::from_bytes([1; 32]), PublicKey::from_bytes([2; 32]));
        let (mut served, answer) = (0, 1 << 20);
        // A hundred questions a second, for a minute.
        for tick in 0..6_000 {
            let now = began + Duration::from_millis(10 * tick);
            assert!(allowance.may(&honest, now), "nobody else is slowed down");
            if allowance.may(&greedy, now) {
                allowance.charge(&greedy, answer, now);
                served += answer;
            }
        }
        let bound = 60.0 * BYTES_PER_S + BURST_BYTES + answer as f64;
        assert!(served as f64 <= bound, "{served} of {bound}");
        assert!(served as f64 > 0.9 * 60.0 * BYTES_PER_S, "{served}");
    }
}

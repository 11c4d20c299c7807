//! How often questions about keys are passed on and answered: no peer makes many messages of one.

use std::collections::HashMap;

use crate::{
    consensus::Mono,
    crypto::{Hash256, NodeId},
};

/// The same is passed on again after this long: the asker repeats its question every 400 ms.
const AGAIN_AFTER_MS: u64 = 250;
/// Of one peer at most so many in a second.
const PER_PEER_MAX: u32 = 20;
/// Entries of each table. Beyond, it begins anew: what is let through twice does no harm.
const ENTRIES_MAX: usize = 4_096;

/// What a peer says, and whether it proved the key itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Said {
    /// Hash of the message: a liar's answer must not stand in the way of a true one.
    pub(super) what: Hash256,
    pub(super) is_first_hand: bool,
}

/// What was let through lately.
#[derive(Debug, Default)]
pub(super) struct Pace {
    said: HashMap<Said, Mono>,
    peers: HashMap<NodeId, (Mono, u32)>,
}

impl Pace {
    /// True if this was not let through just now; then it is remembered.
    pub(super) fn is_new(&mut self, said: Said, now: Mono) -> bool {
        if self.said.len() >= ENTRIES_MAX {
            self.said.retain(|_, at| now.ms_since(*at) < AGAIN_AFTER_MS);
            if self.said.len() >= ENTRIES_MAX {
                self.said.clear();
            }
        }
        let is_new = self
            .said
            .get(&said)
            .is_none_or(|at| now.ms_since(*at) >= AGAIN_AFTER_MS);
        if is_new {
            self.said.insert(said, now);
        }
        is_new
    }

    /// True if this peer has not had its share of this second.
    pub(super) fn has_share(&mut self, peer: NodeId, now: Mono) -> bool {
        if self.peers.len() >= ENTRIES_MAX && !self.peers.contains_key(&peer) {
            self.peers.retain(|_, (since, _)| now.ms_since(*since) < 1_000);
            if self.peers.len() >= ENTRIES_MAX {
                return false;
            }
        }
        let (since, count) = self.peers.entry(peer).or_insert((now, 0));
        if now.ms_since(*since) >= 1_000 {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count <= PER_PEER_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Mono {
        Mono::from_micros(ms * 1_000)
    }

    #[test]
    fn the_same_goes_once_and_again_when_it_is_repeated() {
        let mut pace = Pace::default();
        let said = Said {
            what: Hash256::from_bytes([1; 32]),
            is_first_hand: true,
        };
        assert!(pace.is_new(said, at(1_000)));
        assert!(!pace.is_new(said, at(1_249)));
        let at_second_hand = Said {
            is_first_hand: false,
            ..said
        };
        assert!(
            pace.is_new(at_second_hand, at(1_249)),
            "a liar spoils no honest copy"
        );
        assert!(pace.is_new(said, at(1_250)));
    }

    #[test]
    fn a_peer_has_its_share_of_a_second_whatever_it_says() {
        let mut pace = Pace::default();
        let (loud, other) = (NodeId::from_bytes([1; 32]), NodeId::from_bytes([2; 32]));
        let let_through =
            |pace: &mut Pace, peer, ms| (0..100).filter(|_| pace.has_share(peer, at(ms))).count();
        assert_eq!(let_through(&mut pace, loud, 1_000), 20);
        assert_eq!(let_through(&mut pace, other, 1_000), 20);
        assert_eq!(let_through(&mut pace, loud, 1_999), 0);
        assert_eq!(let_through(&mut pace, loud, 2_000), 20);
    }

    #[test]
    fn neither_table_grows_beyond_its_bound() {
        let mut pace = Pace::default();
        for n in 0..20_000u32 {
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&n.to_le_bytes());
            let said = Said {
                what: Hash256::from_bytes(bytes),
                is_first_hand: true,
            };
            pace.is_new(said, at(1_000));
            pace.has_share(NodeId::from_bytes(bytes), at(1_000));
        }
        assert!(pace.said.len() <= ENTRIES_MAX && pace.peers.len() <= ENTRIES_MAX);
    }
}

//! Sessions that come and go, as the engine hears of them.
//!
//! The network may report the end of an old session after the beginning of the one that replaced it:
//! the two come from different tasks. The engine knows peers, not sessions, so such an end must not
//! reach it: it would take a connected validator for gone.

use std::collections::BTreeMap;

use crate::{chain::Height, crypto::NodeId, engine::Event, network::PeerEvent, wire::capability};

use super::facts::Facts;

/// The generation of the live session with each peer. As many as the network has slots.
#[derive(Debug, Default)]
pub(super) struct LiveSessions(BTreeMap<NodeId, u64>);

impl LiveSessions {
    /// What the engine is told, in this order; people are told through `facts`.
    pub(super) fn translate(&mut self, event: PeerEvent, facts: &Facts) -> Vec<Event> {
        match event {
            PeerEvent::Up {
                node_id,
                generation,
                info,
                validator,
            } => {
                self.began(node_id, generation);
                facts.peer_up(&info);
                vec![
                    Event::PeerServes {
                        peer: node_id,
                        lowest: Height::new(info.pruned_below),
                        prunes: info.capabilities & capability::PRUNED != 0,
                    },
                    Event::PeerUp {
                        peer: node_id,
                        validator,
                        height: Height::new(info.height),
                    },
                ]
            }
            PeerEvent::Down {
                node_id,
                generation,
                reason,
            } if self.ended(node_id, generation) => {
                facts.peer_down(&node_id, &reason.to_string());
                vec![Event::PeerDown { peer: node_id }]
            }
            PeerEvent::Down { .. } => Vec::new(),
        }
    }

    fn began(&mut self, peer: NodeId, generation: u64) {
        let live = self.0.entry(peer).or_insert(generation);
        *live = generation.max(*live);
    }

    /// True if that was the live one.
    fn ended(&mut self, peer: NodeId, generation: u64) -> bool {
        let is_live = self.0.get(&peer) == Some(&generation);
        if is_live {
            self.0.remove(&peer);
        }
        is_live
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_late_end_of_a_replaced_session_does_not_end_its_successor() {
        let peer = NodeId::from_bytes([1; 32]);
        let mut live = LiveSessions::default();
        live.began(peer, 1);
        live.began(peer, 2);
        assert!(!live.ended(peer, 1));
        assert!(live.ended(peer, 2));
        assert!(!live.ended(peer, 2));
        // The usual order.
        live.began(peer, 3);
        assert!(live.ended(peer, 3));
    }
}

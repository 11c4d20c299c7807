//! The range scheduler: one range in flight, hedged to another peer when its holder stalls.

use std::collections::BTreeMap;

use crate::{chain::Height, consensus::Mono, crypto::NodeId};

/// Blocks asked for at once: the most that one request on the wire may ask for.
pub const RANGE_MAX: u64 = 100;
/// Further behind than this, a validator neither votes nor times out.
pub const SYNC_GAP: u64 = 2;
/// A lone next block usually arrives by consensus itself; only a claim this old is asked for.
const PATIENCE_MS: u64 = 400;
/// A range not answered by then is asked of somebody else.
const STALL_MS: u64 = 2_000;
/// A peer that stalled or answered with less than it claimed is left alone this long.
const COOLDOWN_MS: u64 = 5_000;
/// Peers remembered; more than there are sessions.
const PEERS_MAX: usize = 4_096;

/// A range to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Whom.
    pub peer: NodeId,
    /// First height.
    pub start: Height,
    /// How many blocks, 1 to [`RANGE_MAX`].
    pub count: u64,
}

#[derive(Debug, Clone, Copy)]
struct Claim {
    height: Height,
    since: Mono,
    resting_until: Mono,
}

/// What we know of others' heights and have asked them for.
#[derive(Debug, Default)]
pub struct CatchUp {
    claims: BTreeMap<NodeId, Claim>,
    certified: Height,
    in_flight: Option<(Request, Mono)>,
    last_asked: Option<NodeId>,
}

impl CatchUp {
    /// A peer came up or spoke of a height.
    pub fn on_claim(&mut self, peer: NodeId, height: Height, now: Mono) {
        if self.claims.len() >= PEERS_MAX && !self.claims.contains_key(&peer) {
            return;
        }
        let claim = self.claims.entry(peer).or_insert(Claim {
            height,
            since: now,
            resting_until: Mono::default(),
        });
        if height > claim.height {
            *claim = Claim {
                height,
                since: now,
                ..*claim
            };
        }
    }

    /// A peer is gone; a range it owed is free again.
    pub fn on_peer_gone(&mut self, peer: &NodeId) {
        self.claims.remove(peer);
        if self.in_flight.is_some_and(|(request, _)| request.peer == *peer) {
            self.in_flight = None;
        }
    }

    /// A certificate for this height was verified.
    pub fn on_certified(&mut self, height: Height) {
        self.certified = self.certified.max(height);
    }

    /// The peer answered the range in flight with `count` blocks that were connected.
    pub fn on_answer(&mut self, peer: &NodeId, count: u64, now: Mono) {
        if self.in_flight.is_some_and(|(request, _)| request.peer == *peer) {
            self.in_flight = None;
            if count == 0 {
                self.rest(peer, now);
            }
        }
    }

    /// The peer did not answer, or its answer did not hold.
    pub fn on_failure(&mut self, peer: &NodeId, now: Mono) {
        if self.in_flight.is_some_and(|(request, _)| request.peer == *peer) {
            self.in_flight = None;
        }
        self.rest(peer, now);
    }

    fn rest(&mut self, peer: &NodeId, now: Mono) {
        if let Some(claim) = self.claims.get_mut(peer) {
            claim.resting_until = now.plus_ms(COOLDOWN_MS);
            claim.height = Height::GENESIS;
        }
    }

    /// The next request to make, if any, with our tip as it is now.
    pub fn poll(&mut self, tip: Height, now: Mono) -> Option<Request> {
        if let Some((request, sent)) = self.in_flight {
            if now.ms_since(sent) < STALL_MS {
                return None;
            }
            self.on_failure(&request.peer, now);
        }
        let next = tip.next();
        let candidates: Vec<(NodeId, Claim)> = self
            .claims
            .iter()
            .filter(|(_, claim)| claim.height >= next && claim.resting_until <= now)
            .filter(|(_, claim)| {
                claim.height.get().saturating_sub(tip.get()) >= 2 || now.ms_since(claim.since) >= PATIENCE_MS
            })
            .map(|(peer, claim)| (*peer, *claim))
            .collect();
        // Round robin over those who can serve, so that one slow peer does not serve every range.
        let after = candidates
            .iter()
            .find(|(peer, _)| self.last_asked.is_none_or(|last| *peer > last));
        let (peer, claim) = after.or_else(|| candidates.first())?;
        let count = (claim.height.get() - tip.get()).min(RANGE_MAX);
        let request = Request {
            peer: *peer,
            start: next,
            count,
        };
        self.in_flight = Some((request, now));
        self.last_asked = Some(*peer);
        Some(request)
    }

    /// The highest height that a verified certificate or a standing claim speaks of.
    pub fn best_known(&self, tip: Height) -> Height {
        let claimed = self
            .claims
            .values()
            .map(|claim| claim.height)
            .max()
            .unwrap_or(Height::GENESIS);
        claimed.max(self.certified).max(tip)
    }

    /// True while a verified certificate stands more than [`SYNC_GAP`] above the tip.
    pub fn is_syncing(&self, tip: Height) -> bool {
        self.certified.get().saturating_sub(tip.get()) > SYNC_GAP
    }

    /// The range in flight, for people.
    pub fn in_flight(&self) -> Option<Request> {
        self.in_flight.map(|(request, _)| request)
    }
}

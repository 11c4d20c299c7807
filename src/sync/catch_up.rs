//! The range scheduler: one range in flight, hedged to another peer when its holder is slow.

use std::collections::BTreeMap;

use crate::{chain::Height, consensus::Mono, crypto::NodeId};

/// Blocks asked for at once; NETWORK's per-request maximum.
pub const RANGE_MAX: u64 = 100;
/// Bytes asked for at once, at first and at most.
pub const RANGE_BYTES_MAX: u32 = 8 << 20;
/// Bytes asked for of a slow peer: one full block comes however little is asked for.
const RANGE_BYTES_MIN: u32 = 256 << 10;
/// Further behind than this, a validator neither votes nor times out.
pub const SYNC_GAP: u64 = 2;
/// A lone next block usually arrives by consensus itself; only a claim this old is asked for.
const PATIENCE_MS: u64 = 400;
/// A range not answered by then is also asked of somebody else, and the next ones are smaller.
const HEDGE_MS: u64 = 1_000;
/// Ranges under way at once: the first and its hedge. More would only share the same line.
const UNDER_WAY_MAX: usize = 2;
/// A range not answered by then no longer counts as under way; its answer is still welcome.
const STALL_MS: u64 = 5_000;
/// A range not answered by then never will be: whoever asks gives up before this.
const GIVE_UP_MS: u64 = 60_000;
/// A peer that stalled, or answered with what does not hold, is left alone this long.
const COOLDOWN_MS: u64 = 5_000;
/// A peer that was busy, or had not yet what it claimed, is left alone this long.
const REFUSED_MS: u64 = 500;
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
    /// How many bytes of blocks, up to [`RANGE_BYTES_MAX`]; one block always comes.
    pub bytes: u32,
}

/// How a range was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The peer was busy, did not have it, or went away: nobody's fault.
    Refused,
    /// It did not answer in time, or with what does not hold.
    Broken,
}

#[derive(Debug, Clone, Copy)]
struct Claim {
    height: Height,
    since: Mono,
    resting_until: Mono,
}

/// What we know of others' heights and have asked them for.
#[derive(Debug)]
pub struct CatchUp {
    claims: BTreeMap<NodeId, Claim>,
    certified: Height,
    asked: BTreeMap<NodeId, (Request, Mono)>,
    last_asked: Option<NodeId>,
    bytes: u32,
}

impl Default for CatchUp {
    fn default() -> Self {
        Self {
            claims: BTreeMap::new(),
            certified: Height::GENESIS,
            asked: BTreeMap::new(),
            last_asked: None,
            bytes: RANGE_BYTES_MAX,
        }
    }
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

    /// A peer is gone, and what it claimed and owed with it.
    pub fn on_peer_gone(&mut self, peer: &NodeId) {
        self.claims.remove(peer);
        self.asked.remove(peer);
    }

    /// A certificate for this height was verified.
    pub fn on_certified(&mut self, height: Height) {
        self.certified = self.certified.max(height);
    }

    /// The peer answered with blocks that hold. Quick answers make the next ranges larger, slow ones
    /// smaller.
    pub fn on_answer(&mut self, peer: &NodeId, now: Mono) {
        let Some((_, sent)) = self.asked.remove(peer) else {
            return;
        };
        match now.ms_since(sent) {
            0..HEDGE_MS => self.bytes = self.bytes.saturating_mul(2).min(RANGE_BYTES_MAX),
            HEDGE_MS..STALL_MS => {}
            STALL_MS.. => self.bytes = (self.bytes / 2).max(RANGE_BYTES_MIN),
        }
    }

    /// The peer did not answer the range that begins at `start`, or its answer did not hold.
    pub fn on_failure(&mut self, peer: &NodeId, start: Height, failure: Failure, now: Mono) {
        if self
            .asked
            .get(peer)
            .is_some_and(|(request, _)| request.start == start)
        {
            self.asked.remove(peer);
        }
        if let Some(claim) = self.claims.get_mut(peer) {
            claim.resting_until = now.plus_ms(match failure {
                Failure::Refused => REFUSED_MS,
                Failure::Broken => COOLDOWN_MS,
            });
            claim.height = Height::GENESIS;
        }
    }

    /// The next request to make, if any, with our tip as it is now.
    pub fn poll(&mut self, tip: Height, now: Mono) -> Option<Request> {
        self.asked.retain(|_, (_, sent)| now.ms_since(*sent) < GIVE_UP_MS);
        let next = tip.next();
        let ages = || {
            self.asked
                .values()
                .filter(|(request, _)| {
                    request.start <= next && request.start.saturating_add(request.count) > next
                })
                .map(|(_, sent)| now.ms_since(*sent))
                .filter(|age| *age < STALL_MS)
        };
        if ages().any(|age| age < HEDGE_MS) || ages().count() >= UNDER_WAY_MAX {
            return None;
        }
        let is_hedge = ages().count() > 0;
        let candidates: Vec<(NodeId, Claim)> = self
            .claims
            .iter()
            .filter(|(peer, _)| !self.asked.contains_key(peer))
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
        let (peer, claim) = *after.or_else(|| candidates.first())?;
        if is_hedge {
            self.bytes = (self.bytes / 2).max(RANGE_BYTES_MIN);
        }
        let request = Request {
            peer,
            start: next,
            count: claim.height.get().saturating_sub(tip.get()).min(RANGE_MAX),
            bytes: self.bytes,
        };
        self.asked.insert(peer, (request, now));
        self.last_asked = Some(peer);
        Some(request)
    }

    /// The height to go to, for people: certified, else what at least two peers claim, else the only
    /// claim there is. One peer that boasts does not move it while others speak.
    pub fn best_known(&self, tip: Height) -> Height {
        let mut claimed: Vec<Height> = self.claims.values().map(|claim| claim.height).collect();
        claimed.sort_unstable_by(|a, b| b.cmp(a));
        let claimed = claimed
            .get(1)
            .or_else(|| claimed.first())
            .copied()
            .unwrap_or(Height::GENESIS);
        claimed.max(self.certified).max(tip)
    }

    /// True while a verified certificate stands more than [`SYNC_GAP`] above the tip.
    pub fn is_syncing(&self, tip: Height) -> bool {
        self.certified.get().saturating_sub(tip.get()) > SYNC_GAP
    }

    /// The newest range under way, for people.
    pub fn in_flight(&self) -> Option<Request> {
        self.asked
            .values()
            .max_by_key(|(_, sent)| *sent)
            .map(|(request, _)| *request)
    }
}

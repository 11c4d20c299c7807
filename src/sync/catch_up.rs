//! The range scheduler: many ranges of blocks in flight, from several peers, within a window above the
//! tip; the one that is due next is asked of somebody else when its holder is slow.
//!
//! It plans and never waits. Blocks are checked as they come and connected in order; what came early
//! is kept by the engine, within [`BUFFERED_BYTES_MAX`]. Claims of heights are hints: they say whom to
//! ask, and only what a certificate proves makes a node stand back.

use std::collections::{BTreeMap, BTreeSet};

use crate::{chain::Height, consensus::Mono, crypto::NodeId};

/// Blocks asked for at once; NETWORK's per-request maximum.
pub const RANGE_MAX: u64 = 100;
/// Bytes asked for at once. One block always comes, however large. Sixteen of these fit the memory
/// that half-received messages of all peers may take.
pub const RANGE_BYTES: u32 = 1 << 20;
/// How far above the tip blocks are asked for.
pub const WINDOW_BLOCKS: u64 = 1_024;
/// Ranges asked for and not answered.
pub const RANGES_MAX: usize = 16;
/// The same of one peer.
pub const RANGES_PER_PEER_MAX: usize = 2;
/// Bytes of blocks that came and wait for those before them; nothing more is asked for above it.
pub const BUFFERED_BYTES_MAX: u64 = 12 << 20;
/// Further behind than this, a validator neither votes nor times out.
pub const SYNC_GAP: u64 = 2;
/// A lone next block usually arrives by consensus itself; only a claim this old is asked for.
const PATIENCE_MS: u64 = 400;
/// The range that is due next, not answered by then, is also asked of somebody else. Doubles with
/// every such stall, and begins anew when it is answered.
const HEDGE_MS: u64 = 2_000;
/// Longest time until the next hedge.
const HEDGE_MAX_MS: u64 = 64_000;
/// Peers asked for one range at once.
const HOLDERS_MAX: usize = 4;
/// A range not answered by then never will be: whoever asks gives up before this.
const GIVE_UP_MS: u64 = 60_000;
/// A peer that stalled, or answered with what does not hold, is left alone this long.
const COOLDOWN_MS: u64 = 5_000;
/// A peer that did so this often in a row is left alone for [`EXCLUDED_MS`].
const STRIKES_MAX: u32 = 3;
/// How long that is.
const EXCLUDED_MS: u64 = 600_000;
/// A peer that was busy, or had not yet what it claimed, is left alone this long.
const REFUSED_MS: u64 = 500;
/// A claim above everything that is proved counts for this long; until then its peer is asked for the
/// certificate, and whoever has the blocks has that too.
const UNPROVED_MS: u64 = 10_000;
/// A peer that says it is far ahead is asked for the certificate this often. Two of these are the time that
/// it has for it.
const PROOF_EVERY_MS: u64 = UNPROVED_MS / 2;
/// Questions in a row that a peer may leave without its certificate, and answers without blocks that it
/// says it has.
const EMPTY_MAX: u32 = 2;
/// With so many preferred sources nobody else is asked: strangers who connect in numbers and stall would each
/// hold up a range.
const PREFERRED_ENOUGH: usize = 3;
/// Peers remembered; more than there are sessions.
const PEERS_MAX: usize = 4_096;
/// What a block is taken to weigh before any came.
const BLOCK_BYTES_FIRST: u64 = 64 << 10;

/// A range to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Whom.
    pub peer: NodeId,
    /// First height.
    pub start: Height,
    /// How many blocks, 1 to [`RANGE_MAX`].
    pub count: u64,
    /// How many bytes of blocks; one block always comes.
    pub bytes: u32,
}

/// How a range was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The peer was busy or went away: nobody's fault.
    Refused,
    /// It does not have it. Nobody's fault either, unless it says that it does.
    Missing,
    /// It did not answer in time, or with what does not hold.
    Broken,
}

#[derive(Debug, Clone, Copy)]
struct Claim {
    height: Height,
    /// The part of it that the peer said itself; the rest others said, or we guessed.
    said: Height,
    since: Mono,
    /// What it had said when it was last asked for the certificate, and when that was.
    asked: Option<(Height, Mono)>,
    /// Questions in a row without a certificate, and answers in a row without blocks it says it has.
    unproved: u32,
    missing: u32,
    /// The most that it ever claimed, and since when that is more than is proved.
    boast: Height,
    unproved_since: Mono,
    resting_until: Mono,
    /// Stalls and broken answers in a row, and the last one.
    strikes: u32,
    struck_at: Mono,
}

impl Claim {
    /// What it said was empty: nothing of it counts until it says it again.
    fn take_back(&mut self) {
        (self.height, self.said) = (Height::GENESIS, Height::GENESIS);
        (self.unproved, self.missing) = (0, 0);
    }
}

/// A range under way, or answered and not connected yet.
#[derive(Debug)]
struct Range {
    count: u64,
    /// The bytes are here and are being checked: nobody is slow any more.
    is_received: bool,
    /// Who was asked, in order, and when.
    asked: Vec<(NodeId, Mono)>,
    has_arrived: bool,
}

/// What we know of others' heights and have asked them for.
#[derive(Debug)]
pub struct CatchUp {
    claims: BTreeMap<NodeId, Claim>,
    /// The lowest block of those peers that do not have all.
    lowest: BTreeMap<NodeId, Height>,
    /// Whose lowest block may go on rising.
    pruning: BTreeSet<NodeId>,
    /// Whom we chose ourselves, or who is a masternode: asked before anybody else.
    preferred: BTreeSet<NodeId>,
    certified: Height,
    /// By first height; they do not overlap.
    ranges: BTreeMap<Height, Range>,
    last_asked: Option<NodeId>,
    /// What a block weighs, on average of late.
    block_bytes: u64,
    hedge_ms: u64,
    stalls: u64,
    buffered_bytes: u64,
}

impl Default for CatchUp {
    fn default() -> Self {
        Self {
            claims: BTreeMap::new(),
            lowest: BTreeMap::new(),
            pruning: BTreeSet::new(),
            preferred: BTreeSet::new(),
            certified: Height::GENESIS,
            ranges: BTreeMap::new(),
            last_asked: None,
            block_bytes: BLOCK_BYTES_FIRST,
            hedge_ms: HEDGE_MS,
            stalls: 0,
            buffered_bytes: 0,
        }
    }
}

impl CatchUp {
    /// A peer has no blocks below `lowest`.
    pub fn on_lowest(&mut self, peer: NodeId, lowest: Height, prunes: bool) {
        if self.lowest.len() < PEERS_MAX || self.lowest.contains_key(&peer) {
            self.lowest.insert(peer, lowest);
            match prunes {
                true => self.pruning.insert(peer),
                false => self.pruning.remove(&peer),
            };
        }
    }

    /// Who of the connected is preferred: dialled by us, which strangers cannot bring about, or a masternode.
    pub fn set_preferred(&mut self, preferred: BTreeSet<NodeId>) {
        self.preferred = preferred;
    }

    /// A peer says itself that it has this height: with its greeting, its pings, its status.
    pub fn on_said(&mut self, peer: NodeId, height: Height, now: Mono) {
        self.on_claim(peer, height, now);
        if let Some(claim) = self.claims.get_mut(&peer) {
            claim.said = claim.said.max(height);
        }
    }

    /// Somebody whose word for a height far above what we know is to be tested: ask it for its certificate.
    pub fn poll_proof(&mut self, tip: Height, now: Mono) -> Option<NodeId> {
        let known = self.certified.max(tip).saturating_add(SYNC_GAP);
        let is_due = |claim: &Claim| {
            let waits = claim
                .asked
                .is_some_and(|(_, at)| now.ms_since(at) < PROOF_EVERY_MS);
            claim.said > known && !waits
        };
        let (peer, claim) = self.claims.iter_mut().find(|(_, claim)| is_due(claim))?;
        claim.asked = Some((claim.said, now));
        Some(*peer)
    }

    /// Whether a peer was asked by [`Self::poll_proof`] and has time to answer.
    pub fn is_asked_for_proof(&self, peer: &NodeId, now: Mono) -> bool {
        let asked = self.claims.get(peer).and_then(|claim| claim.asked);
        asked.is_some_and(|(_, at)| now.ms_since(at) <= PROOF_EVERY_MS)
    }

    /// A peer that was asked for its certificate shows this height, with a certificate or without; or it
    /// let the time for an answer pass. True if what it had said was empty: it shows less, or nothing twice
    /// in a row. Whether the certificate holds is not asked: it may be of validators whom we do not know
    /// yet.
    pub fn on_proof(&mut self, peer: &NodeId, shown: Option<(Height, bool)>) -> bool {
        let Some(claim) = self.claims.get_mut(peer) else {
            return false;
        };
        let Some((said, _)) = claim.asked.filter(|(said, _)| *said > Height::GENESIS) else {
            return false;
        };
        let shows_less = shown.is_some_and(|(height, _)| height.saturating_add(SYNC_GAP) < said);
        if matches!(shown, Some((_, true))) {
            claim.unproved = 0;
            claim.asked = claim.asked.map(|(_, at)| (Height::GENESIS, at));
        } else {
            claim.unproved += 1;
        }
        let is_empty = shows_less || claim.unproved >= EMPTY_MAX;
        if is_empty {
            claim.take_back();
        }
        is_empty
    }

    /// A peer came up or spoke of a height.
    pub fn on_claim(&mut self, peer: NodeId, height: Height, now: Mono) {
        if self.claims.len() >= PEERS_MAX && !self.claims.contains_key(&peer) {
            return;
        }
        let certified = self.certified;
        let claim = self.claims.entry(peer).or_insert(Claim {
            height,
            said: Height::GENESIS,
            since: now,
            asked: None,
            unproved: 0,
            missing: 0,
            boast: height,
            unproved_since: now,
            resting_until: Mono::default(),
            strikes: 0,
            struck_at: Mono::default(),
        });
        if height > claim.height {
            // Neither boasting higher and higher nor boasting again starts the time for its proof anew.
            if claim.boast <= certified {
                claim.unproved_since = now;
            }
            claim.boast = claim.boast.max(height);
            claim.height = height;
            claim.since = now;
        }
    }

    /// A peer is gone, and what it claimed and owed with it.
    pub fn on_peer_gone(&mut self, peer: &NodeId) {
        self.claims.remove(peer);
        self.lowest.remove(peer);
        self.pruning.remove(peer);
        for range in self.ranges.values_mut() {
            range.asked.retain(|(asked, _)| asked != peer);
        }
        self.drop_abandoned();
    }

    /// A certificate for this height was verified.
    pub fn on_certified(&mut self, height: Height) {
        self.certified = self.certified.max(height);
    }

    /// The answer to the range that begins at `start` came from `peer` and is being checked.
    pub fn on_received(&mut self, peer: &NodeId, start: Height) {
        if let Some(range) = self.ranges.get_mut(&start)
            && range.asked.iter().any(|(asked, _)| asked == peer)
        {
            range.is_received = true;
        }
    }

    /// The peer answered the range that begins at `start` with `blocks` blocks of `bytes` bytes, whose
    /// bodies hold. False if somebody else was faster, or nobody asked.
    pub fn on_answer(&mut self, peer: &NodeId, start: Height, blocks: u64, bytes: u64) -> bool {
        if let Some(claim) = self.claims.get_mut(peer) {
            claim.strikes = 0;
            claim.missing = 0;
        }
        let Some(range) = self.ranges.get_mut(&start).filter(|range| !range.has_arrived) else {
            return false;
        };
        range.has_arrived = true;
        // What did not fit is asked for anew.
        range.count = range.count.min(blocks.max(1));
        if let Some(each) = bytes.checked_div(blocks) {
            self.block_bytes = (3 * self.block_bytes + each) / 4;
        }
        true
    }

    /// A range was connected to its end.
    pub fn on_connected(&mut self, tip: Height) {
        self.hedge_ms = HEDGE_MS;
        self.forget_through(tip);
    }

    /// The peer did not answer the range that begins at `start`, or its answer did not hold. True if it has
    /// not what it says it has, for the second time in a row.
    pub fn on_failure(&mut self, peer: &NodeId, start: Height, failure: Failure, now: Mono) -> bool {
        let is_its = |range: &Range| range.asked.iter().any(|(asked, _)| asked == peer);
        let was_asked = match self.ranges.get_mut(&start) {
            // What came does not connect: asked for anew, also if its sender is gone meanwhile.
            Some(range) if range.has_arrived && failure == Failure::Broken => {
                self.ranges.remove(&start);
                true
            }
            Some(range) if is_its(range) => {
                range.asked.retain(|(asked, _)| asked != peer);
                range.is_received = false;
                true
            }
            Some(_) | None => false,
        };
        self.drop_abandoned();
        let Some(claim) = self.claims.get_mut(peer) else {
            return false;
        };
        let rest = match failure {
            Failure::Refused | Failure::Missing => REFUSED_MS,
            Failure::Broken => strike(claim, now),
        };
        claim.resting_until = claim.resting_until.max(now.plus_ms(rest));
        // Near its tip it may have voted on what its database does not serve yet.
        let says_it_has = claim.said > start.saturating_add(SYNC_GAP)
            && self.lowest.get(peer).is_none_or(|lowest| *lowest <= start);
        if failure == Failure::Missing && was_asked && self.pruning.contains(peer) {
            // Deleted since it said so.
            self.lowest.insert(*peer, start.next());
            return false;
        }
        if failure == Failure::Missing && was_asked && says_it_has {
            claim.missing += 1;
            if claim.missing >= EMPTY_MAX {
                claim.take_back();
                return true;
            }
        }
        if was_asked || failure != Failure::Broken {
            claim.height = Height::GENESIS;
        }
        false
    }

    /// Bytes that came and are not connected yet.
    pub fn set_buffered(&mut self, bytes: u64) {
        self.buffered_bytes = bytes;
    }

    /// The next request to make, if any, with our tip as it is now. Ask until there is none.
    pub fn poll(&mut self, tip: Height, now: Mono) -> Option<Request> {
        self.forget_through(tip);
        for range in self.ranges.values_mut() {
            range.asked.retain(|(_, sent)| now.ms_since(*sent) < GIVE_UP_MS);
        }
        self.drop_abandoned();
        self.hedge(tip, now).or_else(|| self.plan(tip, now))
    }

    /// The range that is due next, also of somebody else, if its holders are slow.
    fn hedge(&mut self, tip: Height, now: Mono) -> Option<Request> {
        let next = tip.next();
        let (start, range) = self.ranges.range(..=next).next_back()?;
        let (start, count) = (*start, range.count);
        let (slow, sent) = *range.asked.last()?;
        let covers_next = start.saturating_add(count) > next;
        if !covers_next || range.is_received || range.has_arrived || range.asked.len() >= HOLDERS_MAX {
            return None;
        }
        if now.ms_since(sent) < self.hedge_ms {
            return None;
        }
        let holders: Vec<NodeId> = range.asked.iter().map(|(peer, _)| *peer).collect();
        let peer = self.choose(start, tip, now, |peer| !holders.contains(peer))?;
        self.stalls += 1;
        self.hedge_ms = self.hedge_ms.saturating_mul(2).min(HEDGE_MAX_MS);
        // Slow is who keeps others waiting that were faster. If nothing came at all, it may be our line.
        let is_overtaken = self
            .ranges
            .range(start..)
            .any(|(other, range)| *other > start && (range.is_received || range.has_arrived));
        if let Some(claim) = self.claims.get_mut(&slow).filter(|_| is_overtaken) {
            let rest = strike(claim, now);
            claim.resting_until = now.plus_ms(rest);
        }
        self.ask(peer, start, count, now)
    }

    /// The lowest range above the tip that nobody was asked for.
    fn plan(&mut self, tip: Height, now: Mono) -> Option<Request> {
        let open = self.ranges.values().filter(|range| !range.has_arrived).count();
        if open >= RANGES_MAX {
            return None;
        }
        let mut start = tip.next();
        let mut room = RANGE_MAX;
        for (first, range) in &self.ranges {
            if *first > start {
                room = first.get() - start.get();
                break;
            }
            start = start.max(first.saturating_add(range.count));
        }
        let above = start.get().saturating_sub(tip.get());
        // What is due next is asked for however much waits behind it.
        let expected = self.buffered_bytes + open as u64 * u64::from(RANGE_BYTES);
        let is_full = above > WINDOW_BLOCKS || expected >= BUFFERED_BYTES_MAX;
        if is_full && start != tip.next() {
            return None;
        }
        let peer = self.choose(start, tip, now, |_| true)?;
        let claimed = self.claims.get(&peer)?.height;
        let fits = (u64::from(RANGE_BYTES) / self.block_bytes.max(1)).clamp(1, RANGE_MAX);
        let there = claimed.get().saturating_sub(start.get()) + 1;
        self.ask(peer, start, fits.min(there).min(room), now)
    }

    /// Round robin over those who can serve `start`, so that one slow peer does not serve every range; the
    /// preferred first, and if there are enough of them, nobody else.
    fn choose(&self, start: Height, tip: Height, now: Mono, may: impl Fn(&NodeId) -> bool) -> Option<NodeId> {
        let open = |peer: &NodeId| {
            let is_its =
                |range: &&Range| !range.has_arrived && range.asked.iter().any(|(asked, _)| asked == peer);
            self.ranges.values().filter(is_its).count()
        };
        // Everybody may be busy with what comes later; what is due next is worth one more.
        let open_max = RANGES_PER_PEER_MAX + usize::from(start <= tip.next());
        let could: Vec<(&NodeId, &Claim)> = self
            .claims
            .iter()
            .filter(|(_, claim)| claim.height >= start)
            .filter(|(peer, _)| self.lowest.get(*peer).is_none_or(|lowest| *lowest <= start))
            .filter(|(_, claim)| {
                claim.height.get().saturating_sub(tip.get()) >= 2 || now.ms_since(claim.since) >= PATIENCE_MS
            })
            .collect();
        let rested: Vec<NodeId> = could
            .iter()
            .filter(|(_, claim)| claim.resting_until <= now)
            .map(|(peer, _)| **peer)
            .collect();
        let is_free = |peer: &NodeId| may(peer) && open(peer) < open_max;
        let (preferred, others): (Vec<NodeId>, Vec<NodeId>) =
            rested.iter().partition(|peer| self.preferred.contains(peer));
        let is_enough = preferred.iter().filter(|peer| may(peer)).count() >= PREFERRED_ENOUGH;
        let mut candidates: Vec<NodeId> = preferred.into_iter().filter(is_free).collect();
        if candidates.is_empty() && !is_enough {
            candidates = others.into_iter().filter(is_free).collect();
        }
        if candidates.is_empty() && start <= tip.next() {
            // Nobody is left who did not fail: it may be us who were slow, and better a peer that failed
            // than to stand still.
            let excluded = could
                .iter()
                .filter(|(_, claim)| claim.resting_until > now.plus_ms(COOLDOWN_MS))
                .filter(|(_, claim)| now.ms_since(claim.struck_at) >= COOLDOWN_MS);
            candidates = excluded.map(|(peer, _)| **peer).filter(is_free).collect();
        }
        let after = candidates
            .iter()
            .find(|peer| self.last_asked.is_none_or(|last| **peer > last));
        after.or_else(|| candidates.first()).copied()
    }

    fn ask(&mut self, peer: NodeId, start: Height, count: u64, now: Mono) -> Option<Request> {
        let range = self.ranges.entry(start).or_insert(Range {
            count,
            is_received: false,
            asked: Vec::new(),
            has_arrived: false,
        });
        range.asked.push((peer, now));
        self.last_asked = Some(peer);
        Some(Request {
            peer,
            start,
            count,
            bytes: RANGE_BYTES,
        })
    }

    fn forget_through(&mut self, tip: Height) {
        self.ranges
            .retain(|start, range| start.saturating_add(range.count) > tip.next());
    }

    fn drop_abandoned(&mut self) {
        self.ranges
            .retain(|_, range| range.has_arrived || !range.asked.is_empty());
    }

    /// The height to go to, for people: certified, else what at least two peers claim, else the only
    /// claim there is. One peer that boasts does not move it while others speak, and no claim counts
    /// that was not proved in time.
    pub fn best_known(&self, tip: Height, now: Mono) -> Height {
        let counts = |claim: &&Claim| {
            claim.height <= self.certified.max(tip) || now.ms_since(claim.unproved_since) < UNPROVED_MS
        };
        let mut claimed: Vec<Height> = self
            .claims
            .values()
            .filter(counts)
            .map(|claim| claim.height)
            .collect();
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

    /// Ranges asked for and not answered, ascending, each with whom it was asked of last.
    pub fn in_flight(&self) -> Vec<Request> {
        let open = self.ranges.iter().filter(|(_, range)| !range.has_arrived);
        open.filter_map(|(start, range)| {
            Some(Request {
                peer: range.asked.last()?.0,
                start: *start,
                count: range.count,
                bytes: RANGE_BYTES,
            })
        })
        .collect()
    }

    /// Bytes that came and wait for those before them.
    pub fn buffered_bytes(&self) -> u64 {
        self.buffered_bytes
    }

    /// Times that a range was also asked of somebody else.
    pub fn stalls(&self) -> u64 {
        self.stalls
    }
}

/// One more stall or broken answer; how long its peer is left alone, in ms.
fn strike(claim: &mut Claim, now: Mono) -> u64 {
    claim.strikes += 1;
    claim.struck_at = now;
    match claim.strikes >= STRIKES_MAX {
        true => {
            claim.strikes = 0;
            EXCLUDED_MS
        }
        false => COOLDOWN_MS,
    }
}

//! Sessions as the engine sees them: who proved which consensus key, who is behind, who is ahead.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    chain::{Height, TimestampMs},
    consensus::{self, Body, ConsensusMessage, Mono, Now, ValidatorSet},
    crypto::{Hash256, NodeId, PublicKey, Verified},
    mempool::Arrived,
    wire::Fault,
};

use super::{Effect, Engine};

/// A peer that claims to be far ahead is asked to prove it, one in this time.
const ASK_STATUS_MS: u64 = 1_000;
/// Without a decision for so long, somebody is asked for its tip, and then the next one as often.
const SILENCE_MS: u64 = 1_000;
/// Answers per peer and second to messages of heights that are decided (R10).
const HELP_EVERY_MS: u64 = 1_000;
/// Answers per height to one peer (R10): after that it must ask for ranges.
const HELP_PER_HEIGHT: u32 = 16;
/// Transactions offered to a validator that just connected or that leads and lacks them.
pub(super) const OFFER_MAX: usize = 1_000;
/// A transaction is offered to the same leader again after this long.
const OFFER_AGAIN_MS: u64 = 1_000;
/// Before this long, its first offer is still on its way (R0, `gossip_grace`).
const OFFER_AFTER_MS: u64 = 250;

/// Sessions that are up.
#[derive(Debug, Default)]
pub(super) struct Peers {
    sessions: BTreeMap<NodeId, Option<PublicKey>>,
    helped: BTreeMap<NodeId, Help>,
    /// When a leader was last offered what it seemed to lack, and up to which arrival.
    offered: BTreeMap<NodeId, (Mono, Option<Arrived>)>,
}

#[derive(Debug, Clone, Copy)]
struct Help {
    at: Mono,
    height: Height,
    times: u32,
}

impl Peers {
    /// Validators of `set` that are connected with proof, counting ourselves.
    pub(super) fn connected_validators(&self, set: &ValidatorSet, me: Option<&PublicKey>) -> usize {
        let keys = self.sessions.values().flatten().chain(me);
        let mut signers: Vec<_> = keys.filter_map(|key| set.signer_of(key)).collect();
        signers.sort_unstable();
        signers.dedup();
        signers.len()
    }

    /// Keys that live sessions proved, and our own.
    pub(super) fn connected_keys(&self, me: Option<&PublicKey>) -> BTreeSet<PublicKey> {
        self.sessions.values().flatten().chain(me).copied().collect()
    }

    /// A session that proved `validator`.
    pub(super) fn session_of(&self, validator: &PublicKey) -> Option<NodeId> {
        self.sessions
            .iter()
            .find(|(_, key)| key.as_ref() == Some(validator))
            .map(|(peer, _)| *peer)
    }

    /// Sessions that proved a validator's key.
    pub(super) fn proven(&self) -> impl Iterator<Item = (NodeId, PublicKey)> + '_ {
        self.sessions
            .iter()
            .filter_map(|(peer, key)| Some((*peer, (*key)?)))
    }

    /// The key that a session proved.
    pub(super) fn key_of(&self, peer: &NodeId) -> Option<PublicKey> {
        self.sessions.get(peer).copied().flatten()
    }

    fn may_help(&mut self, peer: NodeId, height: Height, now: Mono) -> bool {
        if !self.sessions.contains_key(&peer) {
            return false; // Gone meanwhile; its entry would stay for ever.
        }
        let help = self.helped.entry(peer).or_insert(Help {
            at: Mono::default(),
            height,
            times: 0,
        });
        if help.times > 0 && now.ms_since(help.at) < HELP_EVERY_MS {
            return false;
        }
        if help.height != height {
            help.height = height;
            help.times = 0;
        }
        if help.times >= HELP_PER_HEIGHT {
            return false;
        }
        help.times += 1;
        help.at = now;
        true
    }
}

impl Engine {
    pub(super) fn on_peer_up(
        &mut self,
        now: Now,
        peer: NodeId,
        validator: Option<PublicKey>,
        height: Height,
    ) {
        let before = self.peers.sessions.insert(peer, validator).flatten();
        self.validator_gone(now, before);
        self.sync.on_said(peer, height, now.mono);
        self.ask_for_proofs(now);
        if let Some(validator) = validator {
            let pool = self.ledger.oldest(OFFER_MAX);
            if !pool.is_empty() {
                self.out.push(Effect::Offer {
                    peer,
                    transactions: pool,
                });
            }
            self.check_activation();
            self.consensus(now, consensus::Event::ValidatorUp(validator));
        }
        self.ask_for_blocks(now);
    }

    pub(super) fn on_peer_down(&mut self, now: Now, peer: NodeId) {
        let validator = self.peers.sessions.remove(&peer).flatten();
        self.peers.helped.remove(&peer);
        self.peers.offered.remove(&peer);
        self.sync.on_peer_gone(&peer);
        self.validator_gone(now, validator);
        self.ask_for_blocks(now);
    }

    /// Unless another session proves the same key.
    fn validator_gone(&mut self, now: Now, validator: Option<PublicKey>) {
        if let Some(validator) = validator
            && self.peers.session_of(&validator).is_none()
        {
            self.consensus(now, consensus::Event::ValidatorDown(validator));
        }
    }

    /// Asks for the certificate of a tip far above ours: only a certificate makes us stand back (§7), and
    /// who claims without one is found out.
    pub(super) fn ask_for_proofs(&mut self, now: Now) {
        if self.syncing || self.stands_still() || now.mono.ms_since(self.status_asked_at) < ASK_STATUS_MS {
            return;
        }
        if let Some(peer) = self.sync.poll_proof(self.ledger.tip(), now.mono) {
            self.status_asked_at = now.mono;
            self.out.push(Effect::AskStatus { peer });
        }
    }

    /// Asks one peer after the other for its tip while ours does not move. What is decided reaches us by
    /// itself only over sessions that proved a validator's key, or as far as pings tell, which are seldom; and
    /// whoever signs nothing is told nothing either.
    pub(super) fn ask_in_silence(&mut self, now: Now) {
        let asked_at = self.asked_in_silence.map(|(_, at)| at);
        let waits = |since: Mono| now.mono.ms_since(since) < SILENCE_MS;
        if self.syncing || self.stands_still() || waits(self.tip_moved_at) || asked_at.is_some_and(waits) {
            return;
        }
        let last = self.asked_in_silence.map(|(peer, _)| peer);
        // Who has to prove its word has a question of its own, and the time for its answer.
        let others = |peer: &&NodeId| !self.sync.is_asked_for_proof(peer, now.mono);
        let sessions = || self.peers.sessions.keys().filter(others);
        let next = sessions().find(|peer| last.is_none_or(|last| **peer > last));
        if let Some(peer) = next.or_else(|| sessions().next()).copied() {
            self.asked_in_silence = Some((peer, now.mono));
            self.out.push(Effect::AskStatus { peer });
        }
    }

    /// A peer was asked for its tip and kept silent.
    pub(super) fn on_no_status(&mut self, peer: NodeId) {
        if self.sync.on_proof(&peer, None) {
            self.blame_for_nothing(peer);
        }
    }

    /// It claimed what it does not show, or does not have what it says it has.
    pub(super) fn blame_for_nothing(&mut self, peer: NodeId) {
        self.out.push(Effect::Blame {
            peer,
            fault: Fault::EmptyPromise,
        });
    }

    pub(super) fn on_message(
        &mut self,
        now: Now,
        from: NodeId,
        message: Verified<ConsensusMessage>,
        vset_hash: Hash256,
        body: Option<Body>,
    ) {
        let set = match message.height() <= self.ledger.tip() {
            true => self.ledger.validators_of_tip(),
            false => self.ledger.validators(),
        };
        // The set changed while it was on its way; R9 brings it again, to be checked under this one.
        if set.hash() != vset_hash {
            let dropped = consensus::Note::Dropped("checked under another validator set");
            self.out.push(Effect::Note(dropped));
            return;
        }
        // Whoever works above the height that we work at says that this one is decided. Consensus
        // brings it in a moment; if not, nobody at rest would tell us.
        if message.height() > self.ledger.tip().next() {
            self.sync
                .on_claim(from, message.height().saturating_sub(1), now.mono);
        }
        self.consensus(
            now,
            consensus::Event::Message {
                from: Some(from),
                message,
                body,
            },
        );
    }

    /// A message of a height outside the window: its sender is behind, or perhaps we are.
    pub(super) fn on_off_height(&mut self, now: Now, from: NodeId, height: Height) {
        if height <= self.ledger.tip() {
            self.help(now, from, height);
        } else {
            // The height before the one it works on is decided, or so it says: ask, don't believe.
            self.sync.on_claim(from, height.saturating_sub(1), now.mono);
            self.ask_for_blocks(now);
        }
    }

    /// R10: answers a peer that works at a decided height, within limits.
    pub(super) fn help(&mut self, now: Now, peer: NodeId, height: Height) {
        if self.peers.may_help(peer, height, now.mono) {
            self.out.push(Effect::SendDecided { peer, height });
        }
    }

    /// The machine saw signers far ahead: every peer is asked.
    pub(super) fn on_behind(&mut self, now: Now, height: Height) {
        let peers: Vec<NodeId> = self.peers.sessions.keys().copied().collect();
        for peer in peers {
            self.sync.on_claim(peer, height.saturating_sub(1), now.mono);
        }
        self.ask_for_blocks(now);
    }

    /// R0: a transaction is overdue and we do not lead: make sure that the leader has it.
    pub(super) fn offer_overdue(&mut self, now: Now, height: Height) {
        let set = self.ledger.validators();
        let leader = set.proposer_key(height, consensus::Round::ZERO);
        let Some(leader) = leader.filter(|leader| Some(**leader) != self.config.me) else {
            return;
        };
        let Some(peer) = self.peers.session_of(leader) else {
            return;
        };
        // Each once a second at most: while blocks are full, what waits long is not what a leader lacks.
        let (at, after) = self.peers.offered.get(&peer).copied().unwrap_or_default();
        let (at, after) = match now.mono.ms_since(at) < OFFER_AGAIN_MS {
            true => (at, after),
            false => (now.mono, None),
        };
        let overdue = TimestampMs::new(now.wall.get().saturating_sub(OFFER_AFTER_MS));
        let (transactions, end) = self.ledger.pool().waiting_since(after, overdue, OFFER_MAX);
        self.peers.offered.insert(peer, (at, end));
        if !transactions.is_empty() {
            self.out.push(Effect::Offer { peer, transactions });
        }
    }
}

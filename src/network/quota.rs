//! How much of each kind of message one node may send us: token buckets, one set per node, kept over
//! its sessions, so that coming back does not fill them again.
//!
//! What is over is dropped or answered "busy", and most of it costs a point; a flood therefore ends as a
//! discouragement and a burst does not. Rates leave room for the fastest network we support, twenty blocks
//! a second, several times over.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    crypto::NodeId,
    wire::{Fault, Kind, Message, MessageType, limits},
};

/// Nodes whose buckets are kept. With more, those of whoever has been silent longest go.
const NODES_MAX: usize = 4_096;
/// Buckets of a silent node are full again, and forgotten, after this.
const FORGET_AFTER: Duration = Duration::from_secs(600);
/// Votes a second, and at once, that a masternode may send in any network.
const VOTES: (f64, f64) = (1_000.0, 4_000.0);
/// The same for each validator there is: everybody passes on what is new of everybody.
const VOTES_PER_VALIDATOR: (f64, f64) = (4.0, 8.0);
/// Of votes over the limit, each this many cost one fault.
const VOTES_PER_FAULT: u32 = 100;
/// What an announcement costs however few ids are in it.
const INV_COST_MIN: f64 = 10.0;

/// A bucket that fills at `rate` a second up to `burst`.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    rate: f64,
    burst: f64,
    level: f64,
    at: Instant,
}

impl Bucket {
    /// A full one.
    pub(super) fn new(rate: f64, burst: f64, now: Instant) -> Self {
        Self {
            rate,
            burst,
            level: burst,
            at: now,
        }
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.level = (self.level + passed * self.rate).min(self.burst);
        self.at = now;
    }

    /// Takes `cost` if it is there.
    pub(super) fn take(&mut self, cost: f64, now: Instant) -> bool {
        self.fill(now);
        let has = self.level >= cost;
        if has {
            self.level -= cost;
        }
        has
    }

    /// Takes `cost` whether or not it is there: for costs that are known only afterwards.
    pub(super) fn owe(&mut self, cost: f64, now: Instant) {
        self.fill(now);
        self.level -= cost;
    }

    /// Whether anything is left.
    pub(super) fn is_open(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.level > 0.0
    }
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// It is taken.
    Yes,
    /// It is dropped, and the fault charged if there is one.
    Drop(Option<Fault>),
    /// It is answered Busy, and the fault charged if there is one.
    Busy(Option<Fault>),
    /// It asks for more than may be asked for.
    OverLimit,
}

/// The buckets of one node.
#[derive(Debug)]
pub(super) struct Quotas {
    is_masternode: bool,
    ping: Bucket,
    clock: Bucket,
    votes: Bucket,
    votes_dropped: u32,
    proposals: Bucket,
    /// Who else has a key: questions and answers.
    key_calls: Bucket,
    blocks: Bucket,
    block_bytes: Bucket,
    /// Questions for blocks that were answered Busy.
    refused: Bucket,
    announced: Bucket,
    pushed: Bucket,
    get_peers: Bucket,
    dial_backs: Bucket,
    records: Bucket,
    /// Tips and records that nobody asked for.
    notices: Bucket,
    pages: Bucket,
    requests: Bucket,
    used: Instant,
}

impl Quotas {
    /// Full buckets. Masternodes may send more votes, proposals and transactions: each of them does.
    pub(super) fn new(is_masternode: bool, validators: usize, now: Instant) -> Self {
        let bucket = |rate, burst| Bucket::new(rate, burst, now);
        let by_part = |masternode, other| if is_masternode { masternode } else { other };
        let of = |(rate, burst): (f64, f64)| bucket(rate, burst);
        Self {
            is_masternode,
            ping: bucket(0.2, 3.0),
            clock: bucket(0.2, 3.0),
            votes: of(by_part(votes_of_masternode(validators), (50.0, 200.0))),
            votes_dropped: 0,
            proposals: of(by_part((50.0, 100.0), (2.0, 4.0))),
            key_calls: bucket(20.0, 20.0),
            blocks: bucket(1_000.0, 3_000.0),
            block_bytes: bucket(8e6, 24e6),
            refused: bucket(4.0, 40.0),
            announced: bucket(20_000.0, 80_000.0),
            pushed: of(by_part((5_000.0, 20_000.0), (100.0, 300.0))),
            get_peers: bucket(1.0 / 60.0, 2.0),
            dial_backs: bucket(1.0 / 300.0, 2.0),
            records: bucket(0.1, 100.0),
            notices: bucket(1.0, 10.0),
            pages: bucket(20.0, 40.0),
            requests: bucket(100.0, 400.0),
            used: now,
        }
    }

    /// Buckets without bottom: for tests of other bounds.
    fn bottomless(now: Instant) -> Self {
        let mut quotas = Self::new(true, 0, now);
        for bucket in [
            &mut quotas.ping,
            &mut quotas.clock,
            &mut quotas.votes,
            &mut quotas.proposals,
            &mut quotas.key_calls,
            &mut quotas.blocks,
            &mut quotas.block_bytes,
            &mut quotas.refused,
            &mut quotas.announced,
            &mut quotas.pushed,
            &mut quotas.get_peers,
            &mut quotas.dial_backs,
            &mut quotas.records,
            &mut quotas.notices,
            &mut quotas.pages,
            &mut quotas.requests,
        ] {
            *bucket = Bucket::new(f64::MAX, f64::MAX, now);
        }
        quotas
    }

    /// Before a message is decoded: by its type alone.
    pub(super) fn on_type(&mut self, message_type: MessageType, now: Instant) -> Pass {
        self.used = now;
        match message_type {
            MessageType::Ping => match self.ping.take(1.0, now) {
                true => Pass::Yes,
                false => Pass::Drop(Some(Fault::RateExceeded)),
            },
            MessageType::Clock => match self.clock.take(1.0, now) {
                true => Pass::Yes,
                false => Pass::Drop(Some(Fault::RateExceeded)),
            },
            MessageType::Prepare
            | MessageType::Commit
            | MessageType::ViewChange
            | MessageType::Decided
            | MessageType::Evidence => self.vote(now),
            MessageType::KeyCall | MessageType::KeyHeld => match self.key_calls.take(1.0, now) {
                true => Pass::Yes,
                false => Pass::Drop(None),
            },
            MessageType::PrePrepare | MessageType::CompactProposal => match self.proposals.take(1.0, now) {
                true => Pass::Yes,
                false => Pass::Drop(Some(Fault::InvalidConsensus)),
            },
            MessageType::GetPeers => match self.get_peers.take(1.0, now) {
                true => Pass::Yes,
                false => Pass::Busy(Some(Fault::RequestFlood)),
            },
            MessageType::GetReachable => match self.dial_backs.take(1.0, now) {
                true => Pass::Yes,
                false => Pass::Busy(Some(Fault::RequestFlood)),
            },
            other => match other.kind() {
                Kind::Request(_) => {
                    let is_page = other.lane() == crate::wire::Lane::State;
                    let bucket = if is_page {
                        &mut self.pages
                    } else {
                        &mut self.requests
                    };
                    match bucket.take(1.0, now) {
                        true => Pass::Yes,
                        false => Pass::Busy(None),
                    }
                }
                Kind::Notice | Kind::Response | Kind::Either => Pass::Yes,
            },
        }
    }

    fn vote(&mut self, now: Instant) -> Pass {
        if self.votes.take(1.0, now) {
            return Pass::Yes;
        }
        self.votes_dropped = self.votes_dropped.wrapping_add(1);
        let is_due = self.votes_dropped.is_multiple_of(VOTES_PER_FAULT);
        Pass::Drop(is_due.then_some(Fault::RequestFlood))
    }

    /// After it is decoded: by what is in it.
    pub(super) fn on_message(&mut self, message: &Message, is_answer: bool, now: Instant) -> Pass {
        match message {
            Message::GetBlocks(get) => {
                let count = usize::from(get.count);
                if count > limits::BLOCKS_PER_REQUEST_MAX || get.max_bytes > limits::BLOCKS_BYTES_MAX {
                    return Pass::OverLimit;
                }
                match self.block_bytes.is_open(now) && self.blocks.take(count as f64, now) {
                    true => Pass::Yes,
                    // Who catches up asks for what the line gives, and does not know our share. Only who
                    // asks on and on while it is told to wait is at fault.
                    false => {
                        let is_patient = self.refused.take(1.0, now);
                        Pass::Busy((!is_patient).then_some(Fault::RateExceeded))
                    }
                }
            }
            // A repeated position would be answered with as many copies of one transaction.
            Message::GetBlockTxs(get) if !get.positions.is_sorted_by(|a, b| a < b) => Pass::OverLimit,
            Message::TxInv(inv) => {
                match self
                    .announced
                    .take((inv.txids.len() as f64).max(INV_COST_MIN), now)
                {
                    true => Pass::Yes,
                    false => Pass::Drop(Some(Fault::RateExceeded)),
                }
            }
            Message::Txs(txs) if !is_answer => {
                match self.pushed.take((txs.transactions.len() as f64).max(1.0), now) {
                    true => Pass::Yes,
                    false => Pass::Drop(Some(Fault::RateExceeded)),
                }
            }
            Message::Status(_) | Message::Peers(_) if !is_answer => match self.notices.take(1.0, now) {
                true => Pass::Yes,
                false => Pass::Drop(Some(Fault::RateExceeded)),
            },
            _ => Pass::Yes,
        }
    }

    /// Its registration counts since its session began: it gets a masternode's allowance.
    pub(super) fn promote(&mut self, validators: usize, now: Instant) {
        if !self.is_masternode {
            *self = Self::new(true, validators, now);
        }
        // The set may have grown or shrunk since; what is in the bucket stays.
        (self.votes.rate, self.votes.burst) = votes_of_masternode(validators);
    }

    /// A session begins, with the ping, the clock and the GetPeers that every node sends at once: a node
    /// that is restarted often is no flood. What handshakes cost bounds what is given here. A node whose
    /// registration counts since its last session gets a masternode's allowance; it is not taken back
    /// while it lasts, so that coming once with the proof and once without fills nothing again.
    fn greet(&mut self, is_masternode: bool, validators: usize, now: Instant) {
        if is_masternode {
            self.promote(validators, now);
        }
        for bucket in [&mut self.ping, &mut self.clock, &mut self.get_peers] {
            bucket.level = (bucket.level + 1.0).min(bucket.burst);
        }
    }

    /// Whether blocks are served now.
    #[cfg(test)]
    pub(super) fn is_serving(&mut self, now: Instant) -> bool {
        self.block_bytes.is_open(now)
    }

    /// An answer of blocks went out.
    pub(super) fn served(&mut self, bytes: usize, now: Instant) {
        self.block_bytes.owe(bytes as f64, now);
    }

    /// How many of `count` peer records may still be looked at.
    pub(super) fn records(&mut self, count: usize, now: Instant) -> usize {
        (0..count).take_while(|_| self.records.take(1.0, now)).count()
    }
}

/// Votes a second and at once of a masternode among so many validators.
fn votes_of_masternode(validators: usize) -> (f64, f64) {
    let (n, (rate, burst)) = (validators as f64, VOTES_PER_VALIDATOR);
    (VOTES.0.max(rate * n), VOTES.1.max(burst * n))
}

/// The buckets of all nodes.
#[derive(Debug, Default)]
pub(super) struct AllQuotas(Mutex<HashMap<NodeId, Arc<Mutex<Quotas>>>>);

impl AllQuotas {
    /// The buckets of a node, as full as they are.
    pub(super) fn of(
        &self,
        node: NodeId,
        is_masternode: bool,
        is_limited: bool,
        validators: usize,
        now: Instant,
    ) -> Arc<Mutex<Quotas>> {
        if !is_limited {
            return Arc::new(Mutex::new(Quotas::bottomless(now)));
        }
        let mut nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if nodes.len() >= NODES_MAX && !nodes.contains_key(&node) {
            let last = |quotas: &Arc<Mutex<Quotas>>| quotas.lock().map_or(now, |quotas| quotas.used);
            nodes.retain(|_, quotas| now.saturating_duration_since(last(quotas)) < FORGET_AFTER);
            if nodes.len() >= NODES_MAX
                && let Some(silent) = nodes
                    .iter()
                    .min_by_key(|(id, quotas)| (last(quotas), **id))
                    .map(|(id, _)| *id)
            {
                nodes.remove(&silent);
            }
        }
        let fresh = || Arc::new(Mutex::new(Quotas::new(is_masternode, validators, now)));
        let quotas = Arc::clone(nodes.entry(node).or_insert_with(fresh));
        quotas
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .greet(is_masternode, validators, now);
        quotas
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_else_has_a_key_is_heard_twenty_times_a_second_and_the_rest_is_nobodys_fault() {
        let start = Instant::now();
        let mut quotas = Quotas::new(true, 4, start);
        let mut heard = |kind, ms| {
            let now = start + Duration::from_millis(ms);
            let passes: Vec<Pass> = (0..100).map(|_| quotas.on_type(kind, now)).collect();
            let taken = passes.iter().filter(|pass| **pass == Pass::Yes).count();
            assert!(passes[taken..].iter().all(|pass| *pass == Pass::Drop(None)));
            taken
        };
        assert_eq!(heard(MessageType::KeyCall, 0), 20);
        assert_eq!(heard(MessageType::KeyHeld, 0), 0, "one share for both");
        assert_eq!(heard(MessageType::KeyHeld, 500), 10);
        assert_eq!(heard(MessageType::KeyCall, 60_000), 20);
    }
}

//! Blocks below a snapshot, walked down to block 1: which range to ask of whom, and what proves it.
//!
//! The lowest block that is here names its parent by hash and carries the parent's certificate, and it was
//! proved before. So was, by induction, every block that hangs on it: walking down takes no validator
//! set and no judgement of signatures, only that each block is the one that its child names, and its body
//! the one that its header commits to. Nobody waits for these blocks, so one range is asked for at a time,
//! and a peer that does not have it is left alone for long.

use std::collections::BTreeMap;

use super::{RANGE_BYTES, RANGE_MAX, Request};
use crate::{
    chain::{Block, BlockHash, CommitCertificate, Height, check_body},
    consensus::Mono,
    crypto::NodeId,
};

/// Blocks asked for first: nothing is known yet of what they weigh.
const COUNT_FIRST: u64 = 8;
/// Least time between two ranges: at most 400 blocks a second.
const PAUSE_MS: u64 = 250;
/// Bytes of blocks fetched in a second, on average.
const BYTES_PER_S: u64 = 2 << 20;
/// A peer that was busy, or went away, is left alone this long.
const REFUSED_MS: u64 = 2_000;
/// One that did not answer in time.
const SLOW_MS: u64 = 60_000;
/// One that does not have the blocks, or sent others: it may have them later, or be another program then.
const MISSING_MS: u64 = 600_000;
/// Peers remembered; more than there are sessions. Beyond it those that may be asked again are forgotten.
const PEERS_MAX: usize = 4_096;

/// A peer that could be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// Who.
    pub peer: NodeId,
    /// The lowest block that it said it has, when its session began.
    pub lowest: Height,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Every block is here.
    Done,
    /// Ask for this range.
    Ask(Request),
    /// Nobody is there who has this block and may be asked now.
    NoHolder(Height),
}

/// A block that was proved, with its hash and its certificate.
pub type ProvedBlock = (Block, BlockHash, CommitCertificate);

/// What an answer is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// These blocks, ascending without gaps; the last is the parent of the lowest block that is here.
    Proved(Vec<ProvedBlock>),
    /// It ends below what could prove it, as an answer may that grew too large: nobody's fault. So many
    /// blocks came.
    Short(u64),
    /// It is not what was asked for; its sender is to blame.
    Wrong(&'static str),
    /// What was proved does not lead to our genesis: the fault is in what was trusted at the start.
    OtherChain,
}

/// How a range was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// The peer was busy or went away.
    Refused,
    /// It did not answer in time.
    Slow,
    /// It does not have the blocks, or sent what they are not.
    Missing,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    resting_until: Mono,
    /// Number of the question that it was asked last.
    asked: u64,
}

/// Where the walk stands. What it is told of has to be durable: it begins anew from what storage holds.
#[derive(Debug)]
pub struct Backfill {
    genesis: BlockHash,
    lowest: Height,
    /// The hash that the block below has to have, and its certificate.
    parent: BlockHash,
    certificate: Option<CommitCertificate>,
    /// Blocks to ask for next.
    count: u64,
    questions: u64,
    peers: BTreeMap<NodeId, Known>,
}

impl Backfill {
    /// Below `lowest`, a proved block of the chain whose block 0 has the hash `genesis`.
    pub fn below(lowest: &Block, genesis: BlockHash) -> Self {
        Self {
            genesis,
            lowest: lowest.height(),
            parent: lowest.header.prev_hash,
            certificate: lowest.prev_commit.clone(),
            count: COUNT_FIRST,
            questions: 0,
            peers: BTreeMap::new(),
        }
    }

    /// The lowest block that is here.
    pub fn lowest(&self) -> Height {
        self.lowest
    }

    /// What to do next, if these peers are there: whoever was not asked for longest, and has the blocks.
    pub fn next(&mut self, holders: &[Holder], now: Mono) -> Step {
        let Some(top) = self.lowest.prev().filter(|top| *top != Height::GENESIS) else {
            return Step::Done;
        };
        if self.peers.len() >= PEERS_MAX {
            self.peers.retain(|_, known| known.resting_until > now);
        }
        let mut chosen: Option<(u64, Holder)> = None;
        for holder in holders {
            let fresh = Known {
                // What it said was true when its session began: later it may be asked all the same.
                resting_until: match holder.lowest > top {
                    true => now.plus_ms(MISSING_MS),
                    false => now,
                },
                asked: 0,
            };
            let known = match self.peers.len() < PEERS_MAX {
                true => *self.peers.entry(holder.peer).or_insert(fresh),
                false => self.peers.get(&holder.peer).copied().unwrap_or(fresh),
            };
            let is_next = chosen.is_none_or(|(asked, _)| known.asked < asked);
            if known.resting_until <= now && is_next {
                chosen = Some((known.asked, *holder));
            }
        }
        let Some((_, holder)) = chosen else {
            return Step::NoHolder(top);
        };
        self.questions += 1;
        if let Some(known) = self.peers.get_mut(&holder.peer) {
            known.asked = self.questions;
        }
        let start = top.get().saturating_sub(self.count - 1).max(1);
        // Who has only a part of it gives that part.
        let start = match holder.lowest <= top {
            true => start.max(holder.lowest.get()),
            false => start,
        };
        Step::Ask(Request {
            peer: holder.peer,
            start: Height::new(start),
            count: top.get() - start + 1,
            bytes: RANGE_BYTES,
        })
    }

    /// What `blocks`, in answer to `request`, are worth. Hashes all of them.
    pub fn prove(&self, request: &Request, blocks: Vec<Block>) -> Answer {
        let came = blocks.len() as u64;
        if came == 0 || came > request.count {
            return Answer::Wrong("not as many blocks as were asked for");
        }
        let heights = (0..).map(|n| request.start.saturating_add(n));
        if !blocks.iter().map(Block::height).eq(heights.take(blocks.len())) {
            return Answer::Wrong("blocks of other heights than asked for");
        }
        if request.start.saturating_add(came) < self.lowest {
            return Answer::Short(came);
        }
        let (mut parent, mut certificate) = (self.parent, self.certificate.clone());
        let mut proved = Vec::with_capacity(blocks.len());
        for block in blocks.into_iter().rev() {
            let hash = block.hash();
            if hash != parent {
                return Answer::Wrong("a block that its child does not name");
            }
            if check_body(&block).is_err() {
                return Answer::Wrong("a body that is not its header's");
            }
            let certifies = |of: &CommitCertificate| of.block_hash == hash && of.height == block.height();
            let Some(certified) = certificate.filter(certifies) else {
                return Answer::OtherChain;
            };
            (parent, certificate) = (block.header.prev_hash, block.prev_commit.clone());
            proved.push((block, hash, certified));
        }
        proved.reverse();
        if request.start == Height::GENESIS.next() && parent != self.genesis {
            return Answer::OtherChain;
        }
        Answer::Proved(proved)
    }

    /// Proved blocks are durable: goes on below them. How long to wait before the next range, in ms.
    pub fn on_stored(&mut self, proved: &[ProvedBlock]) -> u64 {
        let Some((bottom, ..)) = proved.first() else {
            return PAUSE_MS;
        };
        let bytes: u64 = proved.iter().map(|(block, ..)| block.body_bytes() as u64).sum();
        self.lowest = bottom.height();
        self.parent = bottom.header.prev_hash;
        self.certificate = bottom.prev_commit.clone();
        // As many as fit if they weigh the same, and never many more than what just did.
        let weight = (bytes / proved.len() as u64).max(1);
        let fits = u64::from(RANGE_BYTES) / weight;
        self.count = fits.clamp(1, RANGE_MAX).min(self.count.saturating_mul(2));
        (bytes * 1_000 / BYTES_PER_S).max(PAUSE_MS)
    }

    /// An answer was [`Answer::Short`]: fewer are asked for, at last one, which always comes. How long to
    /// wait before, in ms: nobody makes us fetch in vain any faster than to some purpose.
    pub fn on_short(&mut self, came: u64) -> u64 {
        self.count = came.min(self.count.saturating_sub(1)).max(1);
        (u64::from(RANGE_BYTES) * 1_000 / BYTES_PER_S).max(PAUSE_MS)
    }

    /// A range was not answered; its peer is left alone for a while.
    pub fn on_unanswered(&mut self, peer: &NodeId, why: Unanswered, now: Mono) {
        let rest_ms = match why {
            Unanswered::Refused => REFUSED_MS,
            Unanswered::Slow => SLOW_MS,
            Unanswered::Missing => MISSING_MS,
        };
        if let Some(known) = self.peers.get_mut(peer) {
            known.resting_until = now.plus_ms(rest_ms);
        }
    }
}

#[cfg(test)]
mod tests;

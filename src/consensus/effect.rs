//! Everything the consensus machine can ask of the world, on one screen.
//!
//! Effects are performed in order. [`Effect::Persist`] is a barrier: nothing that follows it leaves
//! the process before it is durable.

use crate::{
    chain::{Block, BlockHash, CommitCertificate, Height},
    crypto::{NodeId, Verified},
};

use super::{ConsensusMessage, Evidence, Mono, Position, Record, Round, Statement, Timer};

/// One thing to do. Blocks and records are boxed: effects are moved often, and most are small.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Sign this; answered by [`Event::Signed`](super::Event::Signed). The guard was asked.
    Sign {
        /// Number to answer with.
        request: u64,
        /// What is said; the signed bytes follow from it.
        statement: Statement,
    },
    /// Append to the write-ahead log, durable before anything that follows.
    Persist(Box<Record>),
    /// Send to every validator we have a session with. Already delivered to ourselves.
    Broadcast {
        /// The message.
        message: ConsensusMessage,
        /// The block, with a PRE-PREPARE only.
        block: Option<Box<Block>>,
    },
    /// Pass a first-seen valid message on to validators other than `from`.
    Forward {
        /// Where it came from.
        from: NodeId,
        /// The message.
        message: ConsensusMessage,
        /// The block, with a PRE-PREPARE only.
        block: Option<Box<Block>>,
    },
    /// Fire [`Event::Timer`](super::Event::Timer) at this instant; replaces an equal timer.
    SetTimer {
        /// Which.
        timer: Timer,
        /// When.
        at: Mono,
    },
    /// Get this block's body from any peer; answered by [`Event::Fetched`](super::Event::Fetched).
    FetchBody {
        /// Height of the block.
        height: Height,
        /// Its hash.
        digest: BlockHash,
    },
    /// The height is decided. Follows the `Persist` of its record; whoever drives the machine
    /// connects the block and calls [`Machine::advance`](super::Machine::advance).
    Decide {
        /// The block.
        block: Box<Verified<Block>>,
        /// Its certificate.
        certificate: CommitCertificate,
    },
    /// A peer speaks of a height at or below our tip: help it on (R10).
    PeerBehind {
        /// Who.
        peer: NodeId,
        /// The height it works at.
        height: Height,
    },
    /// Somebody is provably ahead of the next height: synchronise.
    Behind {
        /// A height that was seen.
        height: Height,
    },
    /// A validator contradicted itself (§9).
    Evidence(Evidence),
    /// A message signed by our own key that our log does not hold: stop signing, raise the alarm.
    Doppelganger(ConsensusMessage),
    /// Two certificates for different blocks of one height: the chain has forked (§7). The machine
    /// stands still from here on; nothing is resolved automatically.
    SafetyViolation {
        /// The one we hold to.
        ours: CommitCertificate,
        /// The other.
        theirs: CommitCertificate,
    },
    /// A fact to count or log.
    Note(Note),
}

/// Facts for counters, the event ring and the log. They change nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// We propose a block.
    Proposing {
        /// Height.
        height: Height,
        /// Round.
        round: Round,
    },
    /// A proposal was accepted (ours included).
    Accepted {
        /// Height.
        height: Height,
        /// Round.
        round: Round,
        /// The block.
        digest: BlockHash,
        /// Transactions in it.
        txs: usize,
    },
    /// A proposal was refused; the sentence says why.
    Refused {
        /// Height.
        height: Height,
        /// Round.
        round: Round,
        /// Why.
        reason: String,
    },
    /// A quorum of PREPAREs was reached: COMMIT follows.
    Prepared {
        /// Height.
        height: Height,
        /// Round.
        round: Round,
        /// The block.
        digest: BlockHash,
    },
    /// We left a round.
    ViewChange {
        /// Height.
        height: Height,
        /// The round we enter.
        to: Round,
        /// Why we left.
        cause: ViewChangeCause,
    },
    /// The guard refused to contradict what was signed.
    DoubleSignPrevented(Position),
    /// A message was dropped; the word says which bound or rule.
    Dropped(&'static str),
}

/// Why a node leaves a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ViewChangeCause {
    /// The round's timer fired before a proposal was accepted.
    ProposalTimeout,
    /// It fired after, without enough votes.
    VoteTimeout,
    /// f + 1 others are in a later round.
    Join,
    /// The leader sent a provably bad proposal.
    BadProposal,
    /// The leader's link is down.
    LeaderDown,
}

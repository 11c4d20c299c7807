//! Everything the validator can ask of the world, on one screen.
//!
//! Effects are performed in order, and [`Effect::Persist`] is a barrier: nothing that follows it
//! leaves the process before it is durable (docs/CONSENSUS.md §8).

use std::sync::Arc;

use crate::{
    chain::{Block, BlockHash, CommitCertificate, Connected, Height, SharedTransaction, TxId},
    consensus::{ConsensusMessage, Evidence, Mono, Note, Record, Statement, Timer},
    crypto::NodeId,
    mempool::Refusal,
    sync::Request,
    wire::Fault,
};

use super::SigningHold;

/// One thing to do.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Sign and answer with [`Event::Signed`](super::Event::Signed).
    Sign {
        /// Number to answer with.
        request: u64,
        /// What is said; the signed bytes follow from it.
        statement: Statement,
    },
    /// Append to the consensus log, durable before anything that follows.
    Persist(Record),
    /// Send to every validator we have a session with.
    Broadcast {
        /// The message.
        message: ConsensusMessage,
        /// The block, with a PRE-PREPARE only.
        block: Option<Block>,
    },
    /// Pass on to validators other than the one it came from.
    Forward {
        /// Where it came from.
        from: NodeId,
        /// The message.
        message: ConsensusMessage,
        /// The block, with a PRE-PREPARE only.
        block: Option<Block>,
    },
    /// Fire this timer then; replaces an equal one.
    SetTimer {
        /// Which.
        timer: Timer,
        /// When.
        at: Mono,
    },
    /// Get a block's body from any peer.
    FetchBody {
        /// Height of the block.
        height: Height,
        /// Its hash.
        digest: BlockHash,
    },
    /// A block is final: write it, show it. Follows its `Persist`.
    Commit(Arc<CommittedBlock>),
    /// Tell a peer how that height was decided (R10).
    SendDecided {
        /// Whom.
        peer: NodeId,
        /// The height it works at.
        height: Height,
    },
    /// Ask a peer for a range of blocks.
    RequestBlocks(Request),
    /// Ask a peer for its tip and the certificate of it, under a nonce of our own.
    AskStatus {
        /// Whom.
        peer: NodeId,
    },
    /// Ask everybody whether another process has our consensus key.
    CallForKey,
    /// Offer transactions to masternodes, but not to whom they came from.
    Relay {
        /// The transactions, in order of arrival.
        transactions: Vec<SharedTransaction>,
        /// Where they came from.
        except: Option<NodeId>,
        /// Whole to masternodes, rather than as ids: they were submitted here.
        push: bool,
    },
    /// Offer these to one peer: the next leader, or a validator that just connected.
    Offer {
        /// Whom.
        peer: NodeId,
        /// The transactions.
        transactions: Vec<SharedTransaction>,
    },
    /// Ask a peer for transactions that it must have had: it sent what spends them.
    FetchTransactions {
        /// Whom.
        peer: NodeId,
        /// Which.
        txids: Vec<TxId>,
    },
    /// Answer whoever submitted a transaction.
    Reply {
        /// The number of [`Source::Local`](super::Source::Local).
        ticket: u64,
        /// The verdict.
        verdict: Result<TxId, Refusal>,
    },
    /// The pool took these: relay and look-ups may read them.
    Pooled(Vec<SharedTransaction>),
    /// The pool let these go; with the reason, if they were refused rather than committed.
    Unpooled(Vec<(TxId, Option<&'static str>)>),
    /// Keep and show this contradiction, and pass it on.
    Evidence(Evidence),
    /// A reason to sign nothing arose; an alarm follows.
    Held(SigningHold),
    /// Two certificates for one height: keep both, stop, call a human.
    SafetyViolation {
        /// Height.
        height: Height,
        /// What we hold.
        ours: CommitCertificate,
        /// What we were shown.
        theirs: CommitCertificate,
    },
    /// A peer did wrong; the peer book weighs it.
    Blame {
        /// Who.
        peer: NodeId,
        /// What.
        fault: Fault,
    },
    /// A fact of consensus to count or log.
    Note(Note),
    /// A fact of the engine to count or log.
    Happened(Happening),
}

/// A final block with everything that storage and people need of it.
#[derive(Debug)]
pub struct CommittedBlock {
    /// The block.
    pub block: Block,
    /// Its hash.
    pub hash: BlockHash,
    /// What decided it.
    pub certificate: CommitCertificate,
    /// What it changes, with its exact undo and the state after it.
    pub connected: Connected,
    /// True if it came by catching up rather than by this node's own part in consensus.
    pub by_sync: bool,
    /// From when it was due until it was decided here, in microseconds; `None` for synced blocks.
    pub finality_us: Option<u64>,
}

/// Facts for counters, the event ring and the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// The set is large enough and a quorum of it is connected, for the first time.
    ConsensusActivated {
        /// Validators connected, ourselves included.
        connected: usize,
        /// Validators in the set.
        n: usize,
    },
    /// Catching up began or ended.
    Syncing {
        /// True when it began.
        active: bool,
        /// The height it goes to.
        target: Height,
    },
    /// Our own store did not answer while a final block was connected.
    StoreUnreadable {
        /// Height.
        height: Height,
        /// What it said.
        reason: String,
    },
    /// Without the memory of its signatures, this node signs nothing up to this height (§8).
    RaisedTo {
        /// The height; it signs above once this one is final.
        height: Height,
    },
    /// A decided block could not be connected; the sentence says what differs.
    ExecutionMismatch {
        /// Height.
        height: Height,
        /// What differs.
        reason: String,
    },
}

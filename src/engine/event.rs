//! Everything that can happen to the validator, on one screen.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    chain::{Block, CommitCertificate, Height, SharedTransaction, TimestampMs},
    consensus::{Body, ConsensusMessage, Evidence, Timer},
    crypto::{Hash256, NodeId, PublicKey, Signature, Verified},
    sync::Failure,
};

/// One thing that happened.
#[derive(Debug)]
pub enum Event {
    /// A consensus message whose signer and signatures were checked.
    Consensus {
        /// The session it came over.
        from: NodeId,
        /// The message.
        message: Verified<ConsensusMessage>,
        /// The validator set that it was checked under. Positions of signers mean nothing in
        /// another one.
        vset_hash: Hash256,
        /// The proposed block, with a PRE-PREPARE only.
        body: Option<Body>,
    },
    /// A consensus message of a height so low or so high that nobody checked its signature.
    OffHeight {
        /// The session it came over.
        from: NodeId,
        /// The height it speaks of.
        height: Height,
    },
    /// A peer says that this height is decided (R5). The certificate is not checked yet.
    Decided {
        /// The session it came over.
        from: NodeId,
        /// The certificate.
        certificate: CommitCertificate,
        /// The block, if it came along.
        block: Option<Box<Verified<Block>>>,
    },
    /// A body we asked for came.
    Fetched(Box<Verified<Block>>),
    /// A peer answered a range request with consecutive blocks, ascending, possibly none.
    Blocks {
        /// Who.
        peer: NodeId,
        /// The blocks; every transaction signature holds.
        blocks: Vec<Verified<Block>>,
        /// Certificate of the last one; the others' stand in their children.
        certificate: Option<CommitCertificate>,
    },
    /// The answer to a range request came and is being checked; [`Event::Blocks`] or
    /// [`Event::BlocksFailed`] follows.
    BlocksReceived {
        /// From whom.
        peer: NodeId,
        /// First height of the range.
        start: Height,
    },
    /// A peer did not answer a range request, or what it sent does not hold.
    BlocksFailed {
        /// Who.
        peer: NodeId,
        /// First height of the range.
        start: Height,
        /// Why.
        failure: Failure,
    },
    /// A peer answered [`Effect::AskStatus`](super::Effect::AskStatus), with our own nonce.
    Status {
        /// Who.
        peer: NodeId,
        /// The height of its tip.
        height: Height,
        /// The tip's certificate, not checked yet; `None` at genesis.
        certificate: Option<CommitCertificate>,
    },
    /// Transactions whose signatures hold, in order of arrival.
    Transactions(Vec<Arrival>),
    /// Transactions that were refused before their signatures were looked at: how many, by reason.
    Refused(BTreeMap<&'static str, u64>),
    /// A contradiction that a peer showed or storage remembered, checked under the set of its height.
    Evidence(Box<Evidence>),
    /// A timer fired.
    Timer(Timer),
    /// The signature asked for by [`Effect::Sign`](super::Effect::Sign).
    Signed {
        /// Number of the request.
        request: u64,
        /// The signature; `None` if the signer refused or did not answer in time.
        signature: Option<Signature>,
    },
    /// A session came up.
    PeerUp {
        /// Who.
        peer: NodeId,
        /// The consensus key it proved, if any.
        validator: Option<PublicKey>,
        /// The height it claims.
        height: Height,
    },
    /// A session is about to come up whose peer has no blocks below a height.
    PeerServes {
        /// Who.
        peer: NodeId,
        /// The lowest block that it has.
        lowest: Height,
        /// It deletes old blocks, so that this rises while the session lasts.
        prunes: bool,
    },
    /// A peer did not answer when it was asked for the certificate of its tip.
    NoStatus {
        /// Who.
        peer: NodeId,
    },
    /// Peers claim heights (keep-alive), all that are connected at once.
    PeerHeights(Vec<(NodeId, Height)>),
    /// Which of the connected are asked for blocks first: those that we dialled, and masternodes.
    PeersPreferred(BTreeSet<NodeId>),
    /// A peer claims a height.
    PeerHeight {
        /// Who.
        peer: NodeId,
        /// The claim.
        height: Height,
    },
    /// A session went down.
    PeerDown {
        /// Who.
        peer: NodeId,
    },
    /// This block is durable in the log and visible in storage; the overlay may forget it.
    Committed(Height),
    /// Time passes: ranges are asked for, transactions expire. Several times a second.
    Tick,
    /// A reason to sign nothing arises or goes.
    Signing(SigningHold, bool),
    /// The node stops: sign nothing more.
    Stop,
}

/// A transaction and where it came from.
#[derive(Debug)]
pub struct Arrival {
    /// The transaction, signatures checked.
    pub transaction: Verified<SharedTransaction>,
    /// Who brought it.
    pub source: Source,
}

/// Where a transaction came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A peer.
    Peer(NodeId),
    /// Our own operator or an RPC client, who waits under this number for the verdict.
    Local(u64),
    /// This node itself, for nobody who waits for the verdict.
    Own,
    /// Our own file of pooled transactions, read again at start.
    Saved {
        /// Since when it waits.
        since: TimestampMs,
        /// It was submitted here, and no peer was known to have it.
        is_ours: bool,
    },
}

/// Why a validator holds its signature back. Several may hold at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SigningHold {
    /// Started as an observer by its operator.
    Observer,
    /// The consensus log is missing or older than what the chain shows.
    LogMissing,
    /// Just started: listening for a second node with our key.
    Listening,
    /// A second node signs with our key.
    Doppelganger,
    /// The log could not be made durable.
    LogFailed,
    /// The chain database takes no more blocks.
    StoreFailed,
    /// The disk is almost full.
    DiskFloor,
    /// A certified block executes to another state than its header says.
    ExecutionMismatch,
    /// Two certificates for different blocks at one height.
    SafetyViolation,
    /// The validator set is smaller than the network's minimum.
    TooFewMasternodes,
    /// The height is reached after which this node was told to decide nothing.
    HaltHeight,
    /// The signer that holds the key does not answer.
    SignerLost,
    /// The node is stopping.
    Stopping,
}

impl SigningHold {
    /// What an operator reads.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Observer => "observer mode: this node was told to sign nothing",
            Self::LogMissing => {
                "consensus log is missing or older than the chain: observer mode until the network has moved on"
            }
            Self::Listening => "listening for another node with this key before it signs",
            Self::Doppelganger => {
                "another node signs with this key: stop one of the two, then restart this one"
            }
            Self::LogFailed => "the consensus log could not be written: check the disk, then restart",
            Self::StoreFailed => {
                "the chain database takes no more blocks; what is final stays in the consensus log: check the disk, then restart"
            }
            Self::DiskFloor => "disk almost full: free space on the data volume",
            Self::ExecutionMismatch => {
                "a certified block gives another state here than its header says: keep the data and report it"
            }
            Self::SafetyViolation => {
                "SAFETY VIOLATION (conflicting_certificates): two certificates at one height; keep the data, and read conflicting-certificates.txt in consensus/"
            }
            Self::TooFewMasternodes => "too few masternodes active for this network",
            Self::HaltHeight => {
                "halt height reached, as node.halt_height says: nothing above is decided or taken here, what is here is served; to go on, take it out and restart"
            }
            Self::SignerLost => {
                "the signer does not answer: nothing is signed until it is back; look at `timed signer serve` and keys.signer"
            }
            Self::Stopping => "the node is stopping",
        }
    }

    /// True where the node must not even follow: what it would learn it could not keep, or not
    /// trust. It stands still and serves what it has.
    pub const fn stands_still(self) -> bool {
        match self {
            Self::LogFailed
            | Self::StoreFailed
            | Self::DiskFloor
            | Self::ExecutionMismatch
            | Self::HaltHeight
            | Self::SafetyViolation => true,
            Self::Observer
            | Self::LogMissing
            | Self::Listening
            | Self::Doppelganger
            | Self::TooFewMasternodes
            | Self::SignerLost
            | Self::Stopping => false,
        }
    }

    /// True where only a human can help; `/health` is 503 then.
    pub const fn is_safety_stop(self) -> bool {
        match self {
            Self::Doppelganger
            | Self::LogFailed
            | Self::StoreFailed
            | Self::DiskFloor
            | Self::ExecutionMismatch
            | Self::SafetyViolation => true,
            Self::Observer
            | Self::LogMissing
            | Self::Listening
            | Self::TooFewMasternodes
            | Self::HaltHeight
            | Self::SignerLost
            | Self::Stopping => false,
        }
    }
}

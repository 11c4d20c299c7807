//! Everything that can happen to the consensus machine, on one screen.

use crate::{
    chain::{Block, BlockHash, CommitCertificate, Height},
    crypto::{NodeId, PublicKey, Signature, Verified},
};

use super::{ConsensusMessage, Mono, Round};

/// One thing that happened.
///
/// Messages of the tip's height belong here too: late COMMITs join its certificate (R10).
#[derive(Debug, Clone)]
pub enum Event {
    /// A signed message of the current or next height, checked for membership and signatures.
    Message {
        /// The session it came over; `None` for our own.
        from: Option<NodeId>,
        /// The message.
        message: Verified<ConsensusMessage>,
        /// The proposed block, with a PRE-PREPARE only.
        body: Option<Body>,
    },
    /// A block we asked for with [`Effect::FetchBody`](super::Effect::FetchBody).
    Fetched(Box<Verified<Block>>),
    /// A block with a certificate of its height's quorum (R5), from a peer that is ahead.
    Decided {
        /// The certificate, checked under the set of its height.
        certificate: Verified<CommitCertificate>,
        /// The block, if it came along.
        block: Option<Box<Verified<Block>>>,
    },
    /// A timer set by [`Effect::SetTimer`](super::Effect::SetTimer) fired.
    Timer(Timer),
    /// The signature asked for by [`Effect::Sign`](super::Effect::Sign).
    Signed {
        /// Number of the request.
        request: u64,
        /// The signature.
        signature: Signature,
    },
    /// The signer refused or did not answer in time: we abstain.
    SignFailed {
        /// Number of the request.
        request: u64,
    },
    /// The pool's oldest transaction that a proposal would take has been waiting since then, and
    /// was offered to the next leader then; `None`: nothing waits.
    Work(Option<Mono>),
    /// A session that proved this consensus key came up. Drives resends (R9) and leader grace (R8).
    ValidatorUp(PublicKey),
    /// The last such session went down.
    ValidatorDown(PublicKey),
    /// We are more than two heights behind (no timers, no votes), or no longer are.
    Syncing(bool),
    /// Signing is allowed or not: observer mode, doppelganger watch, disk floor, operator.
    SigningAllowed(bool),
}

/// A proposal's body, with the verdict on its transactions' signatures.
#[derive(Debug, Clone)]
pub enum Body {
    /// Every transaction signature holds.
    Valid(Box<Verified<Block>>),
    /// The block matches the digest, but its content is provably bad: the leader's fault (E6).
    Invalid(Box<Block>),
    /// The block does not hash to the digest or to its own roots: the sending peer's fault.
    Mismatch,
}

/// The deadlines of the machine. A timer that no longer matters is recognised when it fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// The round's time is up (R6).
    Round {
        /// Height of the round.
        height: Height,
        /// The round.
        round: Round,
    },
    /// A block is due (R0).
    Work {
        /// Height that is due.
        height: Height,
    },
    /// Send our stored messages of this height again (R9).
    Resend {
        /// Height resent for.
        height: Height,
    },
    /// The leader's link has been down for `leader_grace` (R8).
    LeaderGrace {
        /// Height of the round.
        height: Height,
        /// The round whose leader is gone.
        round: Round,
    },
    /// A proposal that was early by our clock is due (R1).
    HeldProposal {
        /// Height of the proposal.
        height: Height,
        /// The block held.
        digest: BlockHash,
    },
}

impl Timer {
    /// The height it belongs to.
    pub const fn height(&self) -> Height {
        match self {
            Self::Round { height, .. }
            | Self::Work { height }
            | Self::Resend { height }
            | Self::LeaderGrace { height, .. }
            | Self::HeldProposal { height, .. } => *height,
        }
    }
}

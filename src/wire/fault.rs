//! What a peer can be blamed for, and how much each counts.
//!
//! Cancelled requests, Busy, NotFound, stale votes and missing parents are nobody's fault and have
//! no entry here. Provable crimes of validators are evidence, which is another matter: it names a
//! consensus key, a fault names a session.

/// How heavy a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// May happen to an honest node under load.
    Slight,
    /// Should not happen.
    Minor,
    /// Does not happen to a correct program more than once.
    Serious,
    /// Cannot happen to a correct program: the session ends.
    Fatal,
}

impl Severity {
    /// Points taken from a peer's score, which starts at 0 and ends at −100.
    pub const fn weight(self) -> i32 {
        match self {
            Self::Slight => 1,
            Self::Minor => 5,
            Self::Serious => 10,
            Self::Fatal => 100,
        }
    }
}

/// Something that a peer did wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// Broke the framing rules, or sent a message over its limit.
    Framing,
    /// Sent bytes that do not decode.
    Decode,
    /// Answered what was not asked.
    Unsolicited,
    /// Answered a pong that no ping asked for, or with another nonce.
    WrongPong,
    /// Pings, or asks for peers, more often than agreed.
    RequestFlood,
    /// Asked for more than a request may ask for.
    RequestOverLimit,
    /// Sent more than its share of some class of message.
    RateExceeded,
    /// Sent much that nobody asked for.
    Spam,
    /// Did not read what it was sent for ten seconds; a bad line does that too.
    SlowReader,
    /// A transaction, vote or certificate with a signature that does not verify.
    InvalidSignature,
    /// A transaction that breaks a rule which does not depend on the state.
    InvalidTransaction,
    /// A block or header that breaks a rule, or a body that is not its header's.
    InvalidBlock,
    /// A certificate that does not hold.
    InvalidCertificate,
    /// A malformed proposal, vote or view change.
    InvalidConsensus,
    /// A consensus message signed by no validator.
    NotValidator,
    /// Announced a transaction, block or height and did not deliver it.
    EmptyPromise,
    /// Let a request time out.
    Timeout,
}

impl Fault {
    /// How heavy it is.
    pub const fn severity(self) -> Severity {
        match self {
            Self::Framing
            | Self::Decode
            | Self::Unsolicited
            | Self::RequestOverLimit
            | Self::InvalidBlock
            | Self::InvalidCertificate => Severity::Fatal,
            Self::InvalidSignature
            | Self::InvalidTransaction
            | Self::InvalidConsensus
            | Self::EmptyPromise
            | Self::Spam => Severity::Serious,
            Self::WrongPong | Self::RequestFlood | Self::NotValidator => Severity::Minor,
            Self::RateExceeded | Self::SlowReader | Self::Timeout => Severity::Slight,
        }
    }

    /// A word for logs and screens.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Framing => "framing",
            Self::Decode => "decode",
            Self::Unsolicited => "unsolicited",
            Self::WrongPong => "wrong_pong",
            Self::RequestFlood => "request_flood",
            Self::RequestOverLimit => "request_over_limit",
            Self::RateExceeded => "rate_exceeded",
            Self::Spam => "spam",
            Self::SlowReader => "slow_reader",
            Self::InvalidSignature => "invalid_signature",
            Self::InvalidTransaction => "invalid_transaction",
            Self::InvalidBlock => "invalid_block",
            Self::InvalidCertificate => "invalid_certificate",
            Self::InvalidConsensus => "invalid_consensus",
            Self::NotValidator => "not_validator",
            Self::EmptyPromise => "empty_promise",
            Self::Timeout => "timeout",
        }
    }
}

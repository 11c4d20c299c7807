//! Why a transaction is not taken, and whether its sender should have known.

use crate::chain::{Amount, Height, OutPoint, RegistryError, TransactionError, TxId, ViewError};

/// Where a duplicate was seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DuplicateOf {
    /// It waits in the pool.
    Pool,
    /// A recent block has it.
    Confirmed,
    /// It was refused recently, for a reason that lasts.
    Rejected,
}

/// Why a transaction is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Above the size limit.
    #[error("transaction of {size} bytes is too large")]
    TooLarge {
        /// Its size.
        size: usize,
    },
    /// Known already.
    #[error("already known ({of:?})")]
    Duplicate {
        /// Where.
        of: DuplicateOf,
    },
    /// An input is claimed by a transaction that came first.
    #[error("{outpoint} is being spent by {by}")]
    DoubleSpend {
        /// The output.
        outpoint: OutPoint,
        /// The transaction that claimed it.
        by: TxId,
    },
    /// An input is neither unspent in the chain nor made by a transaction of the pool.
    #[error("{first} does not exist or is spent")]
    MissingInputs {
        /// The first one missing.
        first: OutPoint,
    },
    /// The fee is below the floor.
    #[error("fee of {fee} TIME is too low, at least {need} is needed now")]
    FeeTooLow {
        /// What it pays.
        fee: Amount,
        /// What it would have to pay.
        need: Amount,
    },
    /// The pool is full of transactions that pay more.
    #[error("the pool is full, a fee of at least {need} TIME is needed now")]
    PoolFull {
        /// What it would have to pay.
        need: Amount,
    },
    /// Spends a reward too early.
    #[error("spends a reward that matures at height {matures}")]
    Immature {
        /// First height whose block may include it.
        matures: Height,
    },
    /// A signature does not hold.
    #[error("the signature of input {input} does not verify")]
    BadSignature {
        /// Which input.
        input: usize,
    },
    /// An output is too small.
    #[error("output {output} is dust")]
    Dust {
        /// Which output.
        output: usize,
    },
    /// No block may include it any more.
    #[error("valid until height {until}, which has passed")]
    Expired {
        /// Its last height.
        until: Height,
    },
    /// Too many unconfirmed parents or children.
    #[error("more than {max} unconfirmed transactions would depend on each other: wait for a block")]
    ChainTooLong {
        /// The limit.
        max: usize,
    },
    /// The registry of masternodes does not allow it as things stand.
    #[error("{0}")]
    Registry(RegistryError),
    /// Not valid for another reason.
    #[error("{0}")]
    Invalid(TransactionError),
    /// Our own store failed; nothing is known about the transaction.
    #[error(transparent)]
    Unavailable(#[from] ViewError),
}

impl Refusal {
    /// One word for RPC clients and counters; stable.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::Duplicate { .. } => "duplicate",
            Self::DoubleSpend { .. } => "double_spend",
            Self::MissingInputs { .. } => "missing_inputs",
            Self::FeeTooLow { .. } => "fee_too_low",
            Self::PoolFull { .. } => "pool_full",
            Self::Immature { .. } => "immature",
            Self::BadSignature { .. } => "bad_signature",
            Self::Dust { .. } => "dust",
            Self::Expired { .. } => "expired",
            Self::ChainTooLong { .. } => "chain_too_long",
            Self::Registry(_) => "registry",
            Self::Invalid(_) => "invalid",
            Self::Unavailable(_) => "unavailable",
        }
    }

    /// Whether an honest, up-to-date peer could not have sent it. What depends on our chain or
    /// pool (timing, fees, conflicts) is nobody's fault.
    pub const fn is_peer_fault(&self) -> bool {
        match self {
            Self::TooLarge { .. } | Self::BadSignature { .. } | Self::Dust { .. } | Self::Invalid(_) => true,
            Self::Duplicate { .. }
            | Self::DoubleSpend { .. }
            | Self::MissingInputs { .. }
            | Self::FeeTooLow { .. }
            | Self::PoolFull { .. }
            | Self::Immature { .. }
            | Self::Expired { .. }
            | Self::ChainTooLong { .. }
            | Self::Registry(_)
            | Self::Unavailable(_) => false,
        }
    }

    /// Whether it will be refused tomorrow as well, so that its id is worth remembering.
    pub(super) const fn is_lasting(&self) -> bool {
        self.is_peer_fault() || matches!(self, Self::Expired { .. })
    }
}

impl From<TransactionError> for Refusal {
    fn from(error: TransactionError) -> Self {
        match error {
            TransactionError::TooLarge { found } => Self::TooLarge { size: found },
            TransactionError::Dust { output, .. } => Self::Dust { output },
            TransactionError::MissingInput { outpoint, .. } => Self::MissingInputs { first: outpoint },
            TransactionError::Immature { matures, .. } => Self::Immature { matures },
            TransactionError::Signature { input } => Self::BadSignature { input },
            TransactionError::Expired { until, .. } => Self::Expired { until },
            TransactionError::Registry(error) => Self::Registry(error),
            other => Self::Invalid(other),
        }
    }
}

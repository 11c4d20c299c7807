//! What the write-ahead log remembers of consensus (docs/CONSENSUS.md §8).
//!
//! The machine emits records as [`Effect::Persist`](super::Effect::Persist); whatever message
//! depends on one leaves the process only after it is durable. Recovery hands them back in order.

use bincode::{Decode, Encode};

use crate::{
    chain::{Block, BlockHash, CommitCertificate, Height},
    crypto::Signature,
};

use super::{ConsensusMessage, PreparedCert, Statement};

/// One record of the consensus log.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Record {
    /// A message we signed: the guard's high-water mark and the exact bytes to resend.
    Signed(ConsensusMessage),
    /// A block body that a PREPARE, a lock or a decision refers to. Logged once per digest.
    Body(Block),
    /// Our lock moved to this certificate.
    Lock(PreparedCert),
    /// The height is decided. Its body stands in the log already, or directly before.
    Decided(CommitCertificate),
    /// An operator or the observer rule raised the mark: nothing at or below this height is signed.
    RaisedTo(Height),
    /// Here the memory of our signatures ends: the log was lost, or is an old copy. Nothing new is
    /// signed until a [`Record::RaisedTo`] follows.
    Lost,
    /// What a signer of its own (`timed signer serve`) signed for whoever asked: the statement and the exact
    /// signature. Stands in the signer's log, never in a node's.
    Vouched(Box<Statement>, Signature),
}

impl Record {
    /// The height the record belongs to; it may be deleted once that height is in storage.
    pub fn height(&self) -> Height {
        match self {
            Self::Signed(message) => message.height(),
            Self::Body(block) => block.header.height,
            Self::Lock(certificate) => certificate.height,
            Self::Decided(certificate) => certificate.height,
            Self::RaisedTo(height) => *height,
            // It belongs to none, and outlives every pruning as the mark.
            Self::Lost => Height::GENESIS,
            Self::Vouched(statement, _) => statement.height,
        }
    }

    /// The block a record is about, if any.
    pub fn digest(&self) -> Option<BlockHash> {
        match self {
            Self::Signed(_) | Self::RaisedTo(_) | Self::Lost | Self::Vouched(..) => None,
            Self::Body(block) => Some(block.header.hash()),
            Self::Lock(certificate) => Some(certificate.digest),
            Self::Decided(certificate) => Some(certificate.block_hash),
        }
    }
}

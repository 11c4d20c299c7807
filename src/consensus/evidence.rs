//! Proof that a validator contradicted itself (docs/CONSENSUS.md §9).
//!
//! Each piece is self-contained: two signed messages that an honest validator cannot both have
//! signed, checked again by whoever receives it.

use bincode::{Decode, Encode};

use crate::{
    chain::Height,
    crypto::{Hash256, HashWriter, PublicKey},
};

use super::ConsensusMessage;

const TAG: &str = "timecoin/evidence/1";

/// What the two messages prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum EvidenceKind {
    /// E1: two PREPAREs in one round.
    Prepares,
    /// E2: two COMMITs in one round.
    Commits,
    /// E3: two PRE-PREPAREs in one round, of different digests.
    PrePrepares,
    /// E4: two VIEW-CHANGEs into one round, of different content.
    ViewChanges,
    /// E5: a COMMIT, and a later VIEW-CHANGE that forgot it.
    Amnesia,
    /// E6: a signed proposal that breaks the rules in what its header commits to. Kept and shown,
    /// scored, but never jailed for.
    BadProposal,
}

/// One contradiction: who, where, and the messages that prove it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Evidence {
    /// What is proven.
    pub kind: EvidenceKind,
    /// Who did it.
    pub offender: PublicKey,
    /// Where.
    pub height: Height,
    /// Set that the signed bytes name.
    pub vset_hash: Hash256,
    /// The messages, ascending by their signed bytes; one for [`EvidenceKind::BadProposal`], else two.
    pub messages: Vec<ConsensusMessage>,
}

impl Evidence {
    /// Identity of the piece: equal for equal contradictions, whoever found them.
    pub fn id(&self) -> Hash256 {
        let mut writer = HashWriter::new(TAG)
            .u32(self.kind as u32)
            .bytes(self.offender.as_bytes())
            .u64(self.height.get())
            .hash(&self.vset_hash);
        for message in &self.messages {
            writer = writer
                .u32(message.round().get())
                .bytes(message.signature().as_bytes());
        }
        writer.finish()
    }
}

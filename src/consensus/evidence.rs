//! Proof that a validator contradicted itself (docs/CONSENSUS.md §9).
//!
//! Each piece is self-contained: two signed messages that an honest validator cannot both have
//! signed, checked again by whoever receives it.

use bincode::{Decode, Encode};

use crate::{
    chain::{CommitCertificate, Height},
    crypto::{self, Hash256, HashWriter, PublicKey, Signature},
};

use super::{
    ConsensusMessage, MessageContext, Round, Signer, SigningDomain, Step, ValidatorSet, ViewChange,
    ViewChangeHeader, Vote, justify,
};

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

/// Why something is no evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// It names another validator set than the one it is checked under.
    #[error("evidence names another validator set")]
    OtherSet,
    /// The offender is not in the set.
    #[error("evidence names an offender outside the validator set")]
    NotAMember,
    /// A message is not the offender's, or not of the height named.
    #[error("evidence holds a message of another signer or height")]
    NotTheirs,
    /// A signature does not verify.
    #[error("evidence holds a signature that does not verify")]
    Signature,
    /// The messages do not stand in the order that makes equal evidence equal bytes.
    #[error("evidence messages are not in ascending order of their signed bytes, without attachments")]
    NotCanonical,
    /// An honest validator can have signed all of this.
    #[error("the messages do not contradict each other")]
    NoContradiction,
    /// A proposal whose fault is in its block, which only those who saw the block can judge.
    #[error("the proposal's fault does not show in the message alone")]
    NotShown,
}

impl Evidence {
    /// Puts `messages` of one signer into the form in which equal contradictions are equal bytes:
    /// ascending by signed bytes, without attachments that no signature covers.
    pub fn new(
        kind: EvidenceKind,
        offender: PublicKey,
        height: Height,
        domain: &SigningDomain,
        messages: Vec<ConsensusMessage>,
    ) -> Self {
        let mut messages: Vec<ConsensusMessage> = messages.into_iter().map(without_unsigned).collect();
        messages.sort_by_key(|message| message.signing_bytes(domain));
        Self {
            kind,
            offender,
            height,
            vset_hash: domain.vset_hash,
            messages,
        }
    }

    /// Checks the proof from scratch, under the chain and the validator set of its height.
    ///
    /// # Errors
    /// [`EvidenceError::NotShown`] for a bad proposal whose fault is in the block: who saw it keeps
    /// it, but it convinces nobody else. Otherwise the first thing that is wrong.
    pub fn verify(&self, context: MessageContext<'_>) -> Result<(), EvidenceError> {
        if self.vset_hash != context.domain.vset_hash {
            return Err(EvidenceError::OtherSet);
        }
        let signer = context
            .validators
            .signer_of(&self.offender)
            .ok_or(EvidenceError::NotAMember)?;
        let mut previous: Option<Vec<u8>> = None;
        for message in &self.messages {
            if message.signer() != signer || message.height() != self.height {
                return Err(EvidenceError::NotTheirs);
            }
            if let ConsensusMessage::PrePrepare(proposal) = message {
                let most = context.validators.len();
                let signers = proposal.prepared.as_ref().map_or(0, |cert| cert.signatures.len());
                if proposal.view_changes.len() > most || signers > most {
                    return Err(EvidenceError::NotCanonical);
                }
            }
            let bytes = message.signing_bytes(context.domain);
            let is_bare = !matches!(
                message,
                ConsensusMessage::ViewChange(ViewChange {
                    certificate: Some(_),
                    ..
                })
            );
            if !is_bare || previous.is_some_and(|previous| previous >= bytes) {
                return Err(EvidenceError::NotCanonical);
            }
            crypto::verify(&self.offender, &bytes, message.signature())
                .map_err(|_| EvidenceError::Signature)?;
            previous = Some(bytes);
        }
        self.check_contradiction(context)
    }

    fn check_contradiction(&self, context: MessageContext<'_>) -> Result<(), EvidenceError> {
        use ConsensusMessage::{PrePrepare, ViewChange, Vote};
        let is_proven = match (self.kind, self.messages.as_slice()) {
            (EvidenceKind::Prepares, [Vote(a), Vote(b)]) => is_double(a, b, Step::Prepare),
            (EvidenceKind::Commits, [Vote(a), Vote(b)]) => is_double(a, b, Step::Commit),
            (EvidenceKind::PrePrepares, [PrePrepare(a), PrePrepare(b)]) => {
                a.round == b.round && a.digest != b.digest
            }
            (EvidenceKind::ViewChanges, [ViewChange(a), ViewChange(b)]) => {
                a.header.round == b.header.round && a.header.prepared != b.header.prepared
            }
            (
                EvidenceKind::Amnesia,
                [Vote(commit), ViewChange(change)] | [ViewChange(change), Vote(commit)],
            ) => is_amnesia(commit, &change.header),
            (EvidenceKind::BadProposal, [PrePrepare(proposal)]) => {
                let leader = context.validators.proposer(proposal.height, proposal.round);
                let is_leader = leader == Some(proposal.signer);
                if is_leader && justify(proposal, context.validators.quorum()).is_ok() {
                    return Err(EvidenceError::NotShown);
                }
                true
            }
            (
                EvidenceKind::Prepares
                | EvidenceKind::Commits
                | EvidenceKind::PrePrepares
                | EvidenceKind::ViewChanges
                | EvidenceKind::Amnesia
                | EvidenceKind::BadProposal,
                _,
            ) => false,
        };
        if is_proven {
            Ok(())
        } else {
            Err(EvidenceError::NoContradiction)
        }
    }

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

/// E2 of everybody who stands in two certificates of one height and round for two blocks. Certificates of
/// different rounds name nobody by themselves: that takes the VIEW-CHANGEs between them (E5).
pub fn double_commits(
    one: &CommitCertificate,
    other: &CommitCertificate,
    validators: &ValidatorSet,
    domain: &SigningDomain,
) -> Vec<Evidence> {
    let is_contradiction =
        (one.height, one.round) == (other.height, other.round) && one.block_hash != other.block_hash;
    if !is_contradiction {
        return Vec::new();
    }
    let commit = |certificate: &CommitCertificate, (signer, signature): (Signer, Signature)| {
        ConsensusMessage::Vote(Vote {
            step: Step::Commit,
            height: certificate.height,
            round: Round::new(certificate.round),
            digest: certificate.block_hash,
            signer,
            signature,
        })
    };
    let both = one.signatures.iter().filter_map(|ours| {
        let at = other
            .signatures
            .binary_search_by_key(&ours.0, |(signer, _)| *signer)
            .ok()?;
        let messages = vec![commit(one, *ours), commit(other, other.signatures[at])];
        let offender = *validators.key(ours.0)?;
        Some(Evidence::new(
            EvidenceKind::Commits,
            offender,
            one.height,
            domain,
            messages,
        ))
    });
    both.collect()
}

fn is_double(a: &Vote, b: &Vote, step: Step) -> bool {
    a.step == step && b.step == step && a.round == b.round && a.digest != b.digest
}

/// E5: a later VIEW-CHANGE that names no lock, or one older than the COMMIT. An honest validator
/// locks before it commits and never forgets it.
pub(super) fn is_amnesia(commit: &Vote, view_change: &ViewChangeHeader) -> bool {
    commit.step == Step::Commit
        && view_change.round > commit.round
        && view_change.prepared.is_none_or(|(round, _)| round < commit.round)
}

/// A VIEW-CHANGE's certificate is not covered by its signature, and proves nothing here.
fn without_unsigned(message: ConsensusMessage) -> ConsensusMessage {
    match message {
        ConsensusMessage::ViewChange(ViewChange {
            header,
            certificate: _,
        }) => ConsensusMessage::ViewChange(ViewChange {
            header,
            certificate: None,
        }),
        ConsensusMessage::PrePrepare(_) | ConsensusMessage::Vote(_) => message,
    }
}

//! What validators say to each other, and the check of who said it.
//!
//! A message's signature covers the fields named in docs/CONSENSUS.md §1; bodies, view changes and
//! certificates travel beside it as attachments. What a message *means* is judged by the machine;
//! here only membership and signatures are checked, so that it can run on any thread.

use bincode::{Decode, Encode};

use crate::{
    chain::{BlockHash, Height},
    crypto::{self, Hash256, HashWriter, Signature, Verifiable},
};

use super::{
    Position, PreparedCert, Round, Signer, Step, ValidatorSet,
    certificate::{CertificateContext, CertificateError},
    signing::{Says, SigningDomain, Statement, pre_prepare_bytes, view_change_bytes, vote_bytes},
};

const JUSTIFICATION_TAG: &str = "timecoin/justification/1";

/// The leader's proposal, without the block itself, which travels beside it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PrePrepare {
    /// Height proposed for.
    pub height: Height,
    /// Round proposed in.
    pub round: Round,
    /// Hash of the proposed block's header.
    pub digest: BlockHash,
    /// Who signs; must be the proposer of (height, round).
    pub signer: Signer,
    /// Over the fields above and the hash of the two attachments below.
    pub signature: Signature,
    /// Attachment: a quorum of VIEW-CHANGEs with exactly this round; empty at round 0.
    pub view_changes: Vec<ViewChangeHeader>,
    /// Attachment: the certificate of the highest lock among them.
    pub prepared: Option<PreparedCert>,
}

/// A PREPARE or COMMIT. A COMMIT's signature is the finality seal; there is no second one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Vote {
    /// [`Step::Prepare`] or [`Step::Commit`]; anything else is malformed.
    pub step: Step,
    /// Height voted at.
    pub height: Height,
    /// Round voted in.
    pub round: Round,
    /// The block.
    pub digest: BlockHash,
    /// Who votes.
    pub signer: Signer,
    /// Over all of the above.
    pub signature: Signature,
}

/// The signed part of a VIEW-CHANGE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub struct ViewChangeHeader {
    /// Height of the round change.
    pub height: Height,
    /// The round entered, at least 1.
    pub round: Round,
    /// Round and digest of the signer's lock.
    pub prepared: Option<(Round, BlockHash)>,
    /// Who changes view.
    pub signer: Signer,
    /// Over all of the above.
    pub signature: Signature,
}

/// A VIEW-CHANGE with the certificate that proves its lock.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ViewChange {
    /// The signed part.
    pub header: ViewChangeHeader,
    /// Attachment: present exactly if the header names a lock.
    pub certificate: Option<PreparedCert>,
}

/// One signed consensus message.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum ConsensusMessage {
    /// The leader's proposal.
    PrePrepare(PrePrepare),
    /// A PREPARE or COMMIT.
    Vote(Vote),
    /// A VIEW-CHANGE.
    ViewChange(ViewChange),
}

/// Why a message is not from whom it says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// The signer index is outside the set.
    #[error("signer {0} is not in the validator set")]
    NotAMember(Signer),
    /// The signature does not verify.
    #[error("message signature does not verify")]
    Signature,
    /// A round above [`Round::MAX`].
    #[error("round {0} is above the maximum")]
    Round(Round),
    /// The zero digest.
    #[error("the zero digest is never valid")]
    ZeroDigest,
    /// A vote whose step is neither PREPARE nor COMMIT.
    #[error("a vote must be a PREPARE or a COMMIT")]
    Step,
    /// More attachments than there are validators.
    #[error("{0} view changes attached, more than validators")]
    TooMany(usize),
    /// An attached certificate does not certify.
    #[error("attached certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// An attachment does not match what was signed; the sending peer's fault, not the signer's.
    #[error("attachments do not match the signed justification hash")]
    Attachments,
}

/// What messages of one height are checked under.
#[derive(Debug, Clone, Copy)]
pub struct MessageContext<'a> {
    /// Chain and set in the signed bytes.
    pub domain: &'a SigningDomain,
    /// Validators of the message's height.
    pub validators: &'a ValidatorSet,
}

impl<'a> MessageContext<'a> {
    fn certificate(self) -> CertificateContext<'a> {
        CertificateContext {
            domain: self.domain,
            validators: self.validators,
        }
    }

    fn member(self, signer: Signer, bytes: &[u8], signature: &Signature) -> Result<(), MessageError> {
        if is_mutant!(StrangersCounted) && self.validators.key(signer).is_none() {
            return Ok(());
        }
        let key = self
            .validators
            .key(signer)
            .ok_or(MessageError::NotAMember(signer))?;
        crypto::verify(key, bytes, signature).map_err(|_| MessageError::Signature)
    }
}

fn valid_round(round: Round) -> Result<(), MessageError> {
    if round.is_valid() {
        Ok(())
    } else {
        Err(MessageError::Round(round))
    }
}

impl PrePrepare {
    /// H(vcs ‖ pcert), and zero when there is neither (round 0).
    pub fn justification_hash(view_changes: &[ViewChangeHeader], prepared: Option<&PreparedCert>) -> Hash256 {
        if view_changes.is_empty() && prepared.is_none() {
            return Hash256::ZERO;
        }
        let mut writer = HashWriter::new(JUSTIFICATION_TAG).u64(view_changes.len() as u64);
        for vc in view_changes {
            let (has, round, digest) = match vc.prepared {
                Some((round, digest)) => (1, round.get(), *digest.as_bytes()),
                None => (0, 0, [0; 32]),
            };
            writer = writer
                .u64(vc.height.get())
                .u32(vc.round.get())
                .u32(has)
                .u32(round)
                .bytes(&digest)
                .u32(u32::from(vc.signer))
                .bytes(vc.signature.as_bytes());
        }
        if let Some(cert) = prepared {
            writer = writer
                .u64(cert.height.get())
                .u32(cert.round.get())
                .bytes(cert.digest.as_bytes());
            writer = writer.u64(cert.signatures.len() as u64);
            for (signer, signature) in &cert.signatures {
                writer = writer.u32(u32::from(*signer)).bytes(signature.as_bytes());
            }
        }
        writer.finish()
    }

    /// The bytes its signature covers.
    pub fn signing_bytes(&self, domain: &SigningDomain) -> Vec<u8> {
        let justification = Self::justification_hash(&self.view_changes, self.prepared.as_ref());
        pre_prepare_bytes(domain, self.height, self.round, &self.digest, &justification)
    }
}

impl Verifiable for PrePrepare {
    type Context<'a> = MessageContext<'a>;
    type Error = MessageError;

    fn check_signatures(&self, context: MessageContext<'_>) -> Result<(), MessageError> {
        valid_round(self.round)?;
        if self.digest.is_zero() {
            return Err(MessageError::ZeroDigest);
        }
        if self.view_changes.len() > context.validators.len() {
            return Err(MessageError::TooMany(self.view_changes.len()));
        }
        context.member(self.signer, &self.signing_bytes(context.domain), &self.signature)?;
        for vc in &self.view_changes {
            vc.check_signatures(context)?;
        }
        if let Some(cert) = &self.prepared {
            cert.check_signatures(context.certificate())?;
        }
        Ok(())
    }
}

impl Vote {
    /// The bytes its signature covers.
    pub fn signing_bytes(&self, domain: &SigningDomain) -> Vec<u8> {
        vote_bytes(domain, self.step, self.height, self.round, &self.digest)
    }
}

impl Verifiable for Vote {
    type Context<'a> = MessageContext<'a>;
    type Error = MessageError;

    fn check_signatures(&self, context: MessageContext<'_>) -> Result<(), MessageError> {
        valid_round(self.round)?;
        if !matches!(self.step, Step::Prepare | Step::Commit) {
            return Err(MessageError::Step);
        }
        if self.digest.is_zero() {
            return Err(MessageError::ZeroDigest);
        }
        context.member(self.signer, &self.signing_bytes(context.domain), &self.signature)
    }
}

impl ViewChangeHeader {
    /// The bytes its signature covers.
    pub fn signing_bytes(&self, domain: &SigningDomain) -> Vec<u8> {
        view_change_bytes(domain, self.height, self.round, self.prepared)
    }
}

impl Verifiable for ViewChangeHeader {
    type Context<'a> = MessageContext<'a>;
    type Error = MessageError;

    fn check_signatures(&self, context: MessageContext<'_>) -> Result<(), MessageError> {
        valid_round(self.round)?;
        context.member(self.signer, &self.signing_bytes(context.domain), &self.signature)
    }
}

impl Verifiable for ViewChange {
    type Context<'a> = MessageContext<'a>;
    type Error = MessageError;

    fn check_signatures(&self, context: MessageContext<'_>) -> Result<(), MessageError> {
        self.header.check_signatures(context)?;
        if let Some(cert) = &self.certificate {
            cert.check_signatures(context.certificate())?;
        }
        Ok(())
    }
}

impl ConsensusMessage {
    /// Height of the message.
    pub fn height(&self) -> Height {
        match self {
            Self::PrePrepare(message) => message.height,
            Self::Vote(message) => message.height,
            Self::ViewChange(message) => message.header.height,
        }
    }

    /// Round of the message.
    pub fn round(&self) -> Round {
        match self {
            Self::PrePrepare(message) => message.round,
            Self::Vote(message) => message.round,
            Self::ViewChange(message) => message.header.round,
        }
    }

    /// Step of the message.
    pub fn step(&self) -> Step {
        match self {
            Self::PrePrepare(_) => Step::PrePrepare,
            Self::Vote(message) => message.step,
            Self::ViewChange(_) => Step::ViewChange,
        }
    }

    /// Where its signature stands.
    pub fn position(&self) -> Position {
        Position {
            height: self.height(),
            round: self.round(),
            step: self.step(),
        }
    }

    /// Who signed it.
    pub fn signer(&self) -> Signer {
        match self {
            Self::PrePrepare(message) => message.signer,
            Self::Vote(message) => message.signer,
            Self::ViewChange(message) => message.header.signer,
        }
    }

    /// Its signature.
    pub fn signature(&self) -> &Signature {
        match self {
            Self::PrePrepare(message) => &message.signature,
            Self::Vote(message) => &message.signature,
            Self::ViewChange(message) => &message.header.signature,
        }
    }

    /// What its signature says, field by field.
    pub fn statement(&self, domain: &SigningDomain) -> Statement {
        let says = match self {
            Self::PrePrepare(message) => Says::PrePrepare {
                digest: message.digest,
                justification: PrePrepare::justification_hash(
                    &message.view_changes,
                    message.prepared.as_ref(),
                ),
            },
            Self::Vote(message) if message.step == Step::Commit => Says::Commit {
                digest: message.digest,
            },
            Self::Vote(message) => Says::Prepare {
                digest: message.digest,
            },
            Self::ViewChange(message) => Says::ViewChange {
                prepared: message.header.prepared,
            },
        };
        Statement {
            domain: *domain,
            height: self.height(),
            round: self.round(),
            says,
        }
    }

    /// The bytes its signature covers.
    pub fn signing_bytes(&self, domain: &SigningDomain) -> Vec<u8> {
        match self {
            Self::PrePrepare(message) => message.signing_bytes(domain),
            Self::Vote(message) => message.signing_bytes(domain),
            Self::ViewChange(message) => message.header.signing_bytes(domain),
        }
    }
}

impl Verifiable for ConsensusMessage {
    type Context<'a> = MessageContext<'a>;
    type Error = MessageError;

    fn check_signatures(&self, context: MessageContext<'_>) -> Result<(), MessageError> {
        match self {
            Self::PrePrepare(message) => message.check_signatures(context),
            Self::Vote(message) => message.check_signatures(context),
            Self::ViewChange(message) => message.check_signatures(context),
        }
    }
}

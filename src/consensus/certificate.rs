//! Certificates: a quorum of signatures over one digest in one round.
//!
//! Signer lists are strictly ascending; a duplicate or an unsorted list is malformed, so a
//! signature can never be counted twice. COMMITs of different rounds never add up (R4).

use bincode::{Decode, Encode};

use crate::{
    chain::{BlockHash, CommitCertificate, Height},
    crypto::{self, PublicKey, Signature, Verifiable},
};

use super::{
    Round, Signer, Step, ValidatorSet,
    signing::{SigningDomain, vote_bytes},
};

/// Why a certificate does not certify.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Fewer signatures than the quorum.
    #[error("certificate carries {have} signatures, quorum is {need}")]
    TooFew {
        /// Signatures carried.
        have: usize,
        /// Quorum of the set.
        need: usize,
    },
    /// The signer list is unsorted, has a duplicate, or names somebody outside the set.
    #[error("certificate's signer list is not strictly ascending within the set")]
    Signers,
    /// The digest is zero, which is never valid.
    #[error("certificate is for the zero digest")]
    ZeroDigest,
    /// The round is above the maximum.
    #[error("certificate's round is above the maximum")]
    Round,
    /// A signature does not verify.
    #[error("certificate carries a signature that does not verify")]
    Signature,
}

/// At least a quorum of PREPAREs: proof that no other digest was prepared in this round, and the
/// lock that a VIEW-CHANGE carries on.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PreparedCert {
    /// Height of the block.
    pub height: Height,
    /// Round of all the PREPAREs.
    pub round: Round,
    /// The block.
    pub digest: BlockHash,
    /// Signatures, strictly ascending by signer.
    pub signatures: Vec<(Signer, Signature)>,
}

/// What a certificate is checked under.
#[derive(Debug, Clone, Copy)]
pub struct CertificateContext<'a> {
    /// Chain and set that the signed bytes name.
    pub domain: &'a SigningDomain,
    /// Validators of the certificate's own height.
    pub validators: &'a ValidatorSet,
}

impl Verifiable for PreparedCert {
    type Context<'a> = CertificateContext<'a>;
    type Error = CertificateError;

    fn check_signatures(&self, context: CertificateContext<'_>) -> Result<(), CertificateError> {
        check(
            context,
            Step::Prepare,
            self.height,
            self.round,
            self.digest,
            &self.signatures,
        )
    }
}

impl Verifiable for CommitCertificate {
    type Context<'a> = CertificateContext<'a>;
    type Error = CertificateError;

    fn check_signatures(&self, context: CertificateContext<'_>) -> Result<(), CertificateError> {
        let round = Round::new(self.round);
        check(
            context,
            Step::Commit,
            self.height,
            round,
            self.block_hash,
            &self.signatures,
        )
    }
}

fn check(
    context: CertificateContext<'_>,
    step: Step,
    height: Height,
    round: Round,
    digest: BlockHash,
    signatures: &[(Signer, Signature)],
) -> Result<(), CertificateError> {
    let quorum = context.validators.quorum();
    let carried = signatures.len() + usize::from(is_mutant!(SmallCertificate));
    if !quorum.is_reached(carried) {
        return Err(CertificateError::TooFew {
            have: signatures.len(),
            need: quorum.votes(),
        });
    }
    if digest.is_zero() {
        return Err(CertificateError::ZeroDigest);
    }
    if !round.is_valid() {
        return Err(CertificateError::Round);
    }
    if !signatures.windows(2).all(|pair| pair[0].0 < pair[1].0) {
        return Err(CertificateError::Signers);
    }
    let bytes = vote_bytes(context.domain, step, height, round, &digest);
    let items = signatures
        .iter()
        .map(|(signer, signature)| {
            let key = context.validators.key(*signer).ok_or(CertificateError::Signers)?;
            Ok((*key, bytes.as_slice(), *signature))
        })
        .collect::<Result<Vec<(PublicKey, &[u8], Signature)>, CertificateError>>()?;
    crypto::verify_batch(&items).map_err(|_| CertificateError::Signature)
}

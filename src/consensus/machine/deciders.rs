//! The set that decided the tip: who contradicts its certificate is named even after the decision, when
//! nobody of the height in progress is meant any more.

use std::collections::BTreeSet;

use crate::{
    chain::CommitCertificate,
    consensus::{Evidence, Round, Signer, SigningDomain, Step, ValidatorSet, Vote, evidence::double_commits},
    crypto::Signature,
};

#[derive(Debug, Clone)]
pub(super) struct Deciders {
    validators: ValidatorSet,
    domain: SigningDomain,
    accused: BTreeSet<Signer>,
}

impl Deciders {
    pub(super) fn new(validators: ValidatorSet, domain: SigningDomain) -> Self {
        Self {
            validators,
            domain,
            accused: BTreeSet::new(),
        }
    }

    pub(super) fn named_by(&self, ours: &CommitCertificate, theirs: &CommitCertificate) -> Vec<Evidence> {
        double_commits(ours, theirs, &self.validators, &self.domain)
    }

    /// E2 by a COMMIT that came after the decision: `ours` is what its signer has in `certificate`. Once per
    /// signer.
    pub(super) fn named_late(
        &mut self,
        certificate: &CommitCertificate,
        ours: Signature,
        vote: &Vote,
    ) -> Option<Evidence> {
        let of = |round: Round, block_hash, signature| CommitCertificate {
            height: certificate.height,
            round: round.get(),
            block_hash,
            signatures: vec![(vote.signer, signature)],
        };
        if vote.step != Step::Commit || vote.height != certificate.height {
            return None;
        }
        let one = of(Round::new(certificate.round), certificate.block_hash, ours);
        let other = of(vote.round, vote.digest, vote.signature);
        let named = self.named_by(&one, &other).pop()?;
        self.accused.insert(vote.signer).then_some(named)
    }
}

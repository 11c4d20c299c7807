//! R4 and R5: deciding, and what makes it impossible.

use crate::{
    chain::{Block, BlockHash, CommitCertificate},
    consensus::{
        Effect, Record, Round,
        evidence::double_commits,
        round::{Input, Output},
    },
    crypto::Verified,
};

use super::{Context, Machine, Moment};

impl Machine {
    /// R4: a certificate is there, or even the decision: nothing else happens at this height.
    pub(super) fn is_deciding(&self) -> bool {
        self.current.deciding.is_some() || self.current.decided.is_some()
    }

    /// R4: whatever round they are of, and even if we committed to another block.
    pub(super) fn on_commit_quorum(&mut self, context: &Context<'_>, round: Round, digest: BlockHash) {
        let certificate = self.commit_certificate(round, digest);
        self.begin_deciding(context, certificate);
    }

    fn commit_certificate(&self, round: Round, digest: BlockHash) -> CommitCertificate {
        CommitCertificate {
            height: self.current.height,
            round: round.get(),
            block_hash: digest,
            signatures: self.current.commits.signatures(round, digest),
        }
    }

    fn begin_deciding(&mut self, context: &Context<'_>, certificate: CommitCertificate) {
        let digest = certificate.block_hash;
        self.mark(
            context.now.mono,
            Moment::Committed {
                round: Round::new(certificate.round),
                digest,
            },
        );
        self.current.deciding = Some(certificate);
        if !self.current.bodies.contains(digest) {
            self.fetch(context, digest);
        }
    }

    /// R5, and the news that somebody is ahead.
    pub(super) fn on_decided(
        &mut self,
        context: &Context<'_>,
        certificate: CommitCertificate,
        block: Option<Box<Verified<Block>>>,
    ) {
        if self.is_halted {
            return;
        }
        let height = certificate.height;
        if height > self.current.height {
            self.report_behind(height);
        } else if height == self.current.height {
            self.on_certificate(context, certificate, block);
        } else if height == self.tip.height
            && certificate.block_hash != self.tip.hash
            && let Some(ours) = self.tip.certificate.clone()
        {
            self.halt(ours, certificate);
        }
    }

    fn on_certificate(
        &mut self,
        context: &Context<'_>,
        certificate: CommitCertificate,
        block: Option<Box<Verified<Block>>>,
    ) {
        let digest = certificate.block_hash;
        let ours = self.current.deciding.as_ref().or(self.current.decided.as_ref());
        if let Some(ours) = ours.filter(|ours| ours.block_hash != digest).cloned() {
            self.halt(ours, certificate);
            return;
        }
        if self.current.decided.is_some() {
            return;
        }
        if let Some(block) = block.filter(|block| block.hash() == digest) {
            self.current.bodies.insert(digest, *block);
            self.current.fetching.remove(&digest);
        }
        if self.current.deciding.is_none() {
            self.begin_deciding(context, certificate);
        }
    }

    /// The certificate is there and its block is: durable first, then told.
    pub(super) fn decide(&mut self, context: &Context<'_>) {
        let Some(certificate) = self.current.deciding.take() else {
            return;
        };
        let digest = certificate.block_hash;
        let Some(block) = self.current.bodies.get(digest).cloned() else {
            self.current.deciding = Some(certificate);
            return;
        };
        if block.header.height != self.current.height || block.header.prev_hash != self.tip.hash {
            self.halt_over_parent(certificate, &block);
            return;
        }
        if self.current.round.apply(Input::Committed) != Output::Decide {
            return;
        }
        let certificate = self.widened(certificate);
        self.persist_body(digest);
        self.effects
            .push(Effect::Persist(Box::new(Record::Decided(certificate.clone()))));
        self.current.decided = Some(certificate.clone());
        self.current.decided_at = Some(context.now.mono);
        self.current.deadline = None;
        let round = Round::new(certificate.round);
        self.mark(context.now.mono, Moment::Decided { round, digest });
        let block = Box::new(block);
        self.effects.push(Effect::Decide { block, certificate });
    }

    /// The certificate with every COMMIT of its round that has arrived.
    pub(super) fn widened(&self, certificate: CommitCertificate) -> CommitCertificate {
        let round = Round::new(certificate.round);
        let mut signatures = self.current.commits.signatures(round, certificate.block_hash);
        for (signer, signature) in &certificate.signatures {
            if let Err(at) = signatures.binary_search_by_key(signer, |(signer, _)| *signer) {
                signatures.insert(at, (*signer, *signature));
            }
        }
        CommitCertificate {
            signatures,
            ..certificate
        }
    }

    /// Two quorums of COMMITs for two blocks came together at one height.
    pub(super) fn on_fork(&mut self) {
        let quorum = self.current.quorum();
        let Some(ours) = self
            .current
            .deciding
            .clone()
            .or_else(|| self.current.decided.clone())
        else {
            return;
        };
        if let Some((round, digest)) = self.current.commits.reached_against(quorum, ours.block_hash) {
            let theirs = self.commit_certificate(round, digest);
            self.halt(ours, theirs);
        }
    }

    /// A quorum has decided a block whose parent is not our tip, so a quorum has decided that parent too:
    /// the chain forked below. Nothing of it is logged, and the certificate that the block carries for
    /// its parent is the one that contradicts ours.
    fn halt_over_parent(&mut self, certificate: CommitCertificate, block: &Block) {
        let contradicts = |parent: &&CommitCertificate| {
            parent.height == self.tip.height && parent.block_hash != self.tip.hash
        };
        let parent = block.prev_commit.as_ref().filter(contradicts);
        let theirs = parent.unwrap_or(&certificate).clone();
        let ours = self
            .tip
            .certificate
            .clone()
            .unwrap_or_else(|| certificate.clone());
        self.current.deciding = Some(certificate);
        self.halt(ours, theirs);
    }

    /// §7: nothing is resolved automatically; whoever stands in both certificates is named.
    pub(super) fn halt(&mut self, ours: CommitCertificate, theirs: CommitCertificate) {
        self.is_halted = true;
        let named = if ours.height == self.current.height {
            double_commits(&ours, &theirs, &self.current.validators, &self.current.domain)
        } else if let Some(deciders) = self.deciders.as_ref().filter(|_| ours.height == self.tip.height) {
            deciders.named_by(&ours, &theirs)
        } else {
            Vec::new()
        };
        self.effects.extend(named.into_iter().map(Effect::Evidence));
        self.effects.push(Effect::SafetyViolation { ours, theirs });
    }
}

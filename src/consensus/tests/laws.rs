//! What must hold after every schedule, whatever it did: the oracle O1–O4 of docs/CONSENSUS.md §11.

use std::collections::{BTreeMap, BTreeSet};

use timecoin::{
    chain::{BlockHash, CommitCertificate, Height},
    consensus::{
        CertificateContext, ConsensusMessage, EvidenceKind, Position, Record, SigningDomain, Step,
        ValidatorSet, ViewChangeHeader, Vote,
    },
    crypto::Verified,
};

/// Watches one world.
#[derive(Debug, Default)]
pub(super) struct Laws {
    decided: BTreeMap<Height, BlockHash>,
    by_node: BTreeMap<(usize, Height), BlockHash>,
    signed: BTreeMap<(usize, Position), Vec<u8>>,
    sent: BTreeMap<(usize, Height), Vec<ConsensusMessage>>,
    bodies: BTreeSet<(usize, BlockHash)>,
    pub(super) broken: Vec<String>,
}

impl Laws {
    /// O1, O2, O4: a node holds `certificate` and its block for final.
    pub(super) fn on_decided(
        &mut self,
        node: usize,
        certificate: &CommitCertificate,
        domain: &SigningDomain,
        validators: &ValidatorSet,
    ) {
        let (height, hash) = (certificate.height, certificate.block_hash);
        let first = *self.decided.entry(height).or_insert(hash);
        if first != hash {
            self.broken.push(format!(
                "O1: node {node} decided {hash:?} at {height}, others {first:?}"
            ));
        }
        let before = *self.by_node.entry((node, height)).or_insert(hash);
        if before != hash {
            self.broken.push(format!(
                "O2: node {node} at {height} went from {before:?} to {hash:?}"
            ));
        }
        if let Err(error) = Verified::check(certificate.clone(), CertificateContext { domain, validators }) {
            self.broken.push(format!("O4: node {node} at {height}: {error}"));
        }
    }

    /// O2: after a restart, `node` stands at `tip`; it must not have been further before.
    pub(super) fn on_restart(&mut self, node: usize, tip: Height) {
        let furthest = self
            .by_node
            .keys()
            .filter(|(one, _)| *one == node)
            .map(|(_, height)| *height)
            .max();
        if furthest.is_some_and(|furthest| furthest > tip) {
            self.broken
                .push(format!("O2: node {node} restarts at {tip}, had {furthest:?}"));
        }
    }

    /// O3: an honest node sends `message`.
    pub(super) fn on_sent(&mut self, node: usize, message: &ConsensusMessage, domain: &SigningDomain) {
        let position = message.position();
        let bytes = message.signing_bytes(domain);
        if let Some(first) = self.signed.get(&(node, position)) {
            if *first != bytes {
                self.broken
                    .push(format!("O3: node {node} signed twice at {position:?}"));
            }
            return;
        }
        self.signed.insert((node, position), bytes);
        let sent = self.sent.entry((node, position.height)).or_default();
        for other in sent.iter() {
            if let (ConsensusMessage::Vote(vote), ConsensusMessage::ViewChange(change))
            | (ConsensusMessage::ViewChange(change), ConsensusMessage::Vote(vote)) = (other, message)
                && is_amnesia(vote, &change.header)
            {
                self.broken
                    .push(format!("O3: node {node} forgot its COMMIT at {position:?}"));
            }
            if let (ConsensusMessage::Vote(one), ConsensusMessage::Vote(two)) = (other, message)
                && one.round == two.round
                && one.digest != two.digest
            {
                self.broken.push(format!(
                    "O3: node {node} voted for two blocks in the round of {position:?}"
                ));
            }
            if position.round < other.round() && !matches!(message, ConsensusMessage::ViewChange(_)) {
                self.broken
                    .push(format!("O3: node {node} went back to {position:?}"));
            }
        }
        sent.push(message.clone());
    }

    /// `node` has the body of `digest` on disk.
    pub(super) fn on_body(&mut self, node: usize, digest: BlockHash) {
        self.bodies.insert((node, digest));
    }

    /// §8: what has to be on `disk` before `message` may leave.
    pub(super) fn on_leaving(&mut self, node: usize, message: &ConsensusMessage, disk: &[Record]) {
        let is_signed = disk
            .iter()
            .rev()
            .any(|record| matches!(record, Record::Signed(signed) if signed == message));
        let has_body = |digest: BlockHash| self.bodies.contains(&(node, digest));
        let is_durable = match message {
            ConsensusMessage::PrePrepare(proposal) => has_body(proposal.digest),
            ConsensusMessage::Vote(vote) if vote.step == Step::Commit => {
                let is_lock = |record: &Record| {
                    matches!(record, Record::Lock(lock)
                        if (lock.height, lock.round, lock.digest) == (vote.height, vote.round, vote.digest))
                };
                has_body(vote.digest) && disk.iter().any(is_lock)
            }
            ConsensusMessage::Vote(vote) => has_body(vote.digest),
            ConsensusMessage::ViewChange(_) => true,
        };
        if !is_signed || !is_durable {
            self.broken.push(format!(
                "§8: node {node} sends {:?} before it is durable",
                message.position()
            ));
        }
    }

    /// O3: nobody honest is ever accused.
    pub(super) fn on_evidence(&mut self, offender: Option<usize>, is_honest: bool, kind: EvidenceKind) {
        if is_honest {
            self.broken
                .push(format!("O3: honest node {offender:?} accused of {kind:?}"));
        }
    }

    pub(super) fn check(&self) {
        assert!(self.broken.is_empty(), "{:#?}", self.broken);
    }
}

/// E5, judged apart from the code that is judged by it.
fn is_amnesia(commit: &Vote, view_change: &ViewChangeHeader) -> bool {
    commit.step == Step::Commit
        && view_change.round > commit.round
        && match view_change.prepared {
            Some((round, _)) => round < commit.round,
            None => true,
        }
}

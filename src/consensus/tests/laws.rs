//! What must hold after every schedule, whatever it did: the oracle O1–O4 of docs/CONSENSUS.md §11.

use std::collections::BTreeMap;

use crate::{
    chain::{BlockHash, CommitCertificate, Height},
    consensus::{
        CertificateContext, ConsensusMessage, EvidenceKind, Position, SigningDomain, ValidatorSet,
        evidence::is_amnesia,
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
            if position.round < other.round() && !matches!(message, ConsensusMessage::ViewChange(_)) {
                self.broken
                    .push(format!("O3: node {node} went back to {position:?}"));
            }
        }
        sent.push(message.clone());
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

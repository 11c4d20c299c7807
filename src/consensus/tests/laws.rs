//! What must hold after every schedule, whatever it did: the oracle O1–O4 of docs/CONSENSUS.md §11.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use timecoin::{
    chain::{BlockHash, CommitCertificate, Height},
    consensus::{
        CertificateContext, ConsensusMessage, EvidenceKind, Position, Record, Round, Signer, SigningDomain,
        Step, ValidatorSet,
    },
    crypto::{Signature, Verified},
};

/// A certificate, as far as it was judged: height, round, who signed what.
type Judged = (Height, u32, Vec<(Signer, Signature)>);

/// Watches one world.
#[derive(Debug, Default)]
pub(super) struct Laws {
    decided: BTreeMap<Height, BlockHash>,
    by_node: BTreeMap<(usize, Height), BlockHash>,
    signed: BTreeMap<(usize, Position), Signature>,
    sent: BTreeMap<(usize, Height), Vec<Spoken>>,
    bodies: BTreeSet<(usize, BlockHash)>,
    /// Certificates that were found to hold.
    held: BTreeSet<Judged>,
    /// Nobody honest may believe that its key is signed with elsewhere, or that the chain forked: so it is as
    /// long as the world is one that agreement survives.
    pub(super) alarms_are_false: bool,
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
        let key = (height, certificate.round, certificate.signatures.clone());
        if first == hash && self.held.contains(&key) {
            return;
        }
        match Verified::check(certificate.clone(), CertificateContext { domain, validators }) {
            Ok(_) => {
                self.held.insert(key);
            }
            Err(error) => self.broken.push(format!("O4: node {node} at {height}: {error}")),
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

    /// O3: an honest node sends `message`. A signature is a function of key and bytes: another one
    /// at the same place covers other bytes.
    pub(super) fn on_sent(&mut self, node: usize, message: &ConsensusMessage) {
        let position = message.position();
        match self.signed.entry((node, position)) {
            Entry::Occupied(first) => {
                if first.get() != message.signature() {
                    self.broken
                        .push(format!("O3: node {node} signed twice at {position:?}"));
                }
                return;
            }
            Entry::Vacant(place) => place.insert(*message.signature()),
        };
        let spoken = Spoken::from(message);
        let sent = self.sent.entry((node, position.height)).or_default();
        for other in sent.iter() {
            if is_amnesia(other, &spoken) || is_amnesia(&spoken, other) {
                self.broken
                    .push(format!("O3: node {node} forgot its COMMIT at {position:?}"));
            }
            let is_vote = spoken.voted.is_some() && other.voted.is_some();
            if is_vote && other.round == spoken.round && other.voted != spoken.voted {
                self.broken.push(format!(
                    "O3: node {node} voted for two blocks in the round of {position:?}"
                ));
            }
            if spoken.round < other.round && spoken.step != Step::ViewChange {
                self.broken
                    .push(format!("O3: node {node} went back to {position:?}"));
            }
        }
        sent.push(spoken);
    }

    /// `node` has the body of `digest` on disk.
    pub(super) fn on_body(&mut self, node: usize, digest: BlockHash) {
        self.bodies.insert((node, digest));
    }

    /// Whether `node` has it there.
    pub(super) fn has_body(&self, node: usize, digest: BlockHash) -> bool {
        self.bodies.contains(&(node, digest))
    }

    /// `node` crashed: what of its bodies is on disk, the next start says.
    pub(super) fn on_crash(&mut self, node: usize) {
        self.bodies.retain(|(one, _)| *one != node);
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
                has_body(vote.digest) && disk.iter().rev().any(is_lock)
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

    /// O1, O3: an honest node stops for good.
    pub(super) fn on_alarm(&mut self, node: usize, law: &str, what: &str) {
        if self.alarms_are_false {
            self.broken
                .push(format!("{law}: node {node} stops for good: {what}"));
        }
    }

    pub(super) fn check(&self) {
        assert!(self.broken.is_empty(), "{:#?}", self.broken);
    }
}

/// What of a message the laws look at.
#[derive(Debug, Clone, Copy)]
struct Spoken {
    step: Step,
    round: Round,
    /// Of a PREPARE or COMMIT.
    voted: Option<BlockHash>,
    /// Of a VIEW-CHANGE.
    locked: Option<Round>,
}

impl From<&ConsensusMessage> for Spoken {
    fn from(message: &ConsensusMessage) -> Self {
        let (voted, locked) = match message {
            ConsensusMessage::PrePrepare(_) => (None, None),
            ConsensusMessage::Vote(vote) => (Some(vote.digest), None),
            ConsensusMessage::ViewChange(change) => (None, change.header.prepared.map(|(round, _)| round)),
        };
        Self {
            step: message.step(),
            round: message.round(),
            voted,
            locked,
        }
    }
}

/// E5, judged apart from the code that is judged by it.
fn is_amnesia(commit: &Spoken, view_change: &Spoken) -> bool {
    commit.step == Step::Commit
        && view_change.step == Step::ViewChange
        && view_change.round > commit.round
        && view_change.locked.is_none_or(|locked| locked < commit.round)
}

//! PREPAREs and COMMITs: filing them, R3, and the contradictions that filing finds (E1, E2, E5).

use crate::{
    chain::BlockHash,
    consensus::{
        ConsensusMessage, EvidenceKind, Note, Phase, PreparedCert, Step, ViewChange, ViewChangeHeader, Vote,
        evidence::is_amnesia,
        round::{Input, Output},
        votes::Inserted,
    },
    crypto::NodeId,
};

use super::{Context, Machine, Moment};

impl Machine {
    pub(super) fn on_vote(&mut self, context: &Context<'_>, from: Option<NodeId>, vote: Vote) {
        let round = self.current.round.round;
        let tally = match vote.step {
            Step::Prepare => &mut self.current.prepares,
            Step::Commit => &mut self.current.commits,
            Step::ViewChange | Step::PrePrepare => return self.drop_because("a vote of another kind"),
        };
        match tally.insert(&vote, round, context.now.mono) {
            Inserted::New => {
                if vote.step == Step::Commit {
                    self.check_amnesia_of_commit(&vote);
                }
                self.forward(from, || ConsensusMessage::Vote(vote));
            }
            Inserted::Duplicate => {}
            Inserted::Full => self.drop_because("votes of too many rounds"),
            Inserted::Conflict(first) => {
                let kind = match vote.step {
                    Step::Commit => EvidenceKind::Commits,
                    Step::ViewChange | Step::PrePrepare | Step::Prepare => EvidenceKind::Prepares,
                };
                self.accuse(kind, ConsensusMessage::Vote(first), ConsensusMessage::Vote(vote));
            }
        }
    }

    /// R3: what a quorum prepared is locked, then committed to.
    pub(super) fn on_prepared(&mut self, context: &Context<'_>, digest: BlockHash) {
        let round = self.current.round.round;
        if is_mutant!(UnvalidatedCommit) && self.current.round.accepted.is_none() {
            self.current.round.phase = Phase::Prepare;
            self.current.round.accepted = Some(digest);
        }
        if self.current.round.apply(Input::Prepared { round, digest }) != Output::Commit {
            return;
        }
        let height = self.current.height;
        let signatures = self.current.prepares.signatures(round, digest);
        self.current.lock = Some(PreparedCert {
            height,
            round,
            digest,
            signatures,
        });
        self.current.is_lock_logged = false;
        self.note(Note::Prepared {
            height,
            round,
            digest,
        });
        self.mark(context.now.mono, Moment::Prepared { round, digest });
        self.send_vote(Step::Commit, digest);
    }

    /// E5, the COMMIT being the newer of the two messages.
    fn check_amnesia_of_commit(&mut self, commit: &Vote) {
        let forgot = self
            .current
            .view_changes
            .of(commit.signer)
            .find(|header| is_amnesia(commit, header))
            .copied();
        if let Some(header) = forgot {
            let view_change = ViewChange {
                header,
                certificate: None,
            };
            self.accuse(
                EvidenceKind::Amnesia,
                ConsensusMessage::Vote(*commit),
                ConsensusMessage::ViewChange(view_change),
            );
        }
    }

    /// E5, the VIEW-CHANGE being the newer of the two messages.
    pub(super) fn check_amnesia_of_view_change(&mut self, header: &ViewChangeHeader) {
        let forgotten = self
            .current
            .commits
            .of(header.signer)
            .find(|commit| is_amnesia(commit, header));
        if let Some(commit) = forgotten {
            let view_change = ViewChange {
                header: *header,
                certificate: None,
            };
            self.accuse(
                EvidenceKind::Amnesia,
                ConsensusMessage::Vote(commit),
                ConsensusMessage::ViewChange(view_change),
            );
        }
    }
}

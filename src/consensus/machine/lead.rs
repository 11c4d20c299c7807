//! R1 and R7c: what the leader of a round proposes.

use crate::{
    chain::BlockHash,
    consensus::{Note, Phase, PreparedCert, Round, Step, ViewChangeHeader, view_changes::Entry},
};

use super::{Context, Machine, Moment};

impl Machine {
    /// True if we lead this round, may propose in it, and have not tried yet.
    pub(super) fn can_lead(&self) -> bool {
        let current = &self.current;
        let round = current.round.round;
        if current.round.phase != Phase::PrePrepare
            || current.lead_tried == Some(round)
            || !current.is_leader()
            || !self.can_sign()
            || !self.guard.is_free(self.position(Step::PrePrepare))
            || self.requests.is_open(self.position(Step::PrePrepare))
        {
            return false;
        }
        if round == Round::ZERO {
            return current.is_due;
        }
        let complete = current
            .view_changes
            .exactly(round)
            .filter(|entry| entry.is_complete())
            .count();
        current.quorum().is_reached(complete)
    }

    /// R1 at round 0, R7c above: the block of the highest lock, else a fresh one.
    pub(super) fn lead(&mut self, context: &mut Context<'_>) {
        let round = self.current.round.round;
        self.current.lead_tried = Some(round);
        let entries: Vec<&Entry> = match round {
            Round::ZERO => Vec::new(),
            _ => self
                .current
                .view_changes
                .exactly(round)
                .filter(|entry| entry.is_complete())
                .collect(),
        };
        let headers: Vec<ViewChangeHeader> = entries.iter().map(|entry| entry.header).collect();
        let locks = entries.iter().filter_map(|entry| entry.certificate.as_ref());
        let highest = if is_mutant!(LowestLock) {
            locks.min_by_key(|certificate| certificate.round).cloned()
        } else {
            locks.max_by_key(|certificate| certificate.round).cloned()
        };
        match highest {
            Some(certificate) => self.propose_again(context, headers, certificate),
            None => self.propose_fresh(context, headers),
        }
    }

    fn propose_again(
        &mut self,
        context: &Context<'_>,
        headers: Vec<ViewChangeHeader>,
        certificate: PreparedCert,
    ) {
        let digest = certificate.digest;
        if !self.current.bodies.contains(digest) {
            self.fetch(context, digest);
            return;
        }
        self.propose(context, digest, headers, Some(certificate));
    }

    fn propose_fresh(&mut self, context: &mut Context<'_>, headers: Vec<ViewChangeHeader>) {
        let round = self.current.round.round;
        let Some(block) = context.app.build(round, context.now.wall, self.tip_certificate()) else {
            self.drop_because("no valid block can be built now");
            return;
        };
        let digest = block.hash();
        self.current.bodies.insert(digest, block);
        self.current.bodies.set_valid(digest);
        self.propose(context, digest, headers, None);
    }

    fn propose(
        &mut self,
        context: &Context<'_>,
        digest: BlockHash,
        headers: Vec<ViewChangeHeader>,
        certificate: Option<PreparedCert>,
    ) {
        let (height, round) = (self.current.height, self.current.round.round);
        self.current.leading = Some(digest);
        self.note(Note::Proposing { height, round });
        self.mark(context.now.mono, Moment::Proposing { round, digest });
        self.send_pre_prepare(digest, headers, certificate);
    }
}

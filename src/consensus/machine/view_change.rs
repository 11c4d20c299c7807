//! Leaving rounds and entering them: R0's timer, R6, R7a, R7b and R8.

use crate::{
    chain::Height,
    consensus::{
        ConsensusMessage, EvidenceKind, Mono, Note, Phase, Round, Signer, Timer, ViewChange, ViewChangeCause,
        justification::check_view_change,
        round::{Input, Output, RoundState},
        view_changes::Noted,
    },
    crypto::{NodeId, PublicKey},
};

use super::{Context, Link, Machine, Moment, RoundPast};

impl Machine {
    /// R0: arms round 0 when a block is due, on every node alike.
    pub(super) fn check_due(&mut self, context: &Context<'_>) {
        let current = &self.current;
        if current.is_due
            || self.is_syncing
            || self.is_halted
            || current.validators.is_empty()
            || current.round.phase == Phase::Finalized
        {
            return;
        }
        let work_at = self.work_at();
        if work_at > context.now.mono {
            if self.current.work_timer != Some(work_at) {
                self.current.work_timer = Some(work_at);
                self.set_timer(
                    Timer::Work {
                        height: self.current.height,
                    },
                    work_at,
                );
            }
            return;
        }
        self.current.is_due = true;
        if self.current.round.apply(Input::Due) == Output::Arm {
            self.arm(context);
        }
    }

    /// R0: when a block of this height is due, by what is known now.
    pub(super) fn work_at(&self) -> Mono {
        let current = &self.current;
        let proposer = current.validators.proposer(current.height, Round::ZERO);
        let is_proposer = current.me.is_some() && current.me == proposer;
        self.config
            .timing
            .work_at(current.decided_before, self.work_since, is_proposer)
    }

    pub(super) fn on_work(&mut self, context: &Context<'_>, since: Option<Mono>) {
        self.work_since = since;
        self.current.lead_tried = None;
        self.check_due(context);
    }

    pub(super) fn on_work_timer(&mut self, context: &Context<'_>, height: Height) {
        if height == self.current.height {
            self.current.work_timer = None;
            self.check_due(context);
        }
    }

    /// Starts the current round's timer and, if its leader is gone already, R8's.
    pub(super) fn arm(&mut self, context: &Context<'_>) {
        let round = self.current.round.round;
        let height = self.current.height;
        let deadline = context
            .now
            .mono
            .plus_ms(self.config.timing.round_timeout_ms(round));
        self.current.deadline = Some(deadline);
        self.current.futile_at = self.futile_at(context.now.mono);
        self.set_timer(Timer::Round { height, round }, deadline);
        self.mark(context.now.mono, Moment::Armed { round });
        self.start_resending(context.now.mono);
        self.watch_leader(context);
    }

    /// R6.
    pub(super) fn on_round_timer(&mut self, context: &Context<'_>, height: Height, round: Round) {
        if self.is_halted
            || self.is_syncing
            || height != self.current.height
            || self.current.deciding.is_some()
        {
            return;
        }
        let Some(deadline) = self
            .current
            .deadline
            .filter(|_| round == self.current.round.round)
        else {
            return;
        };
        if context.now.mono < deadline {
            self.set_timer(Timer::Round { height, round }, deadline);
            return;
        }
        let cause = match self.current.round.phase {
            Phase::PrePrepare => ViewChangeCause::ProposalTimeout,
            Phase::Prepare | Phase::Commit | Phase::Finalized => ViewChangeCause::VoteTimeout,
        };
        self.leave(context, Input::TimedOut { round }, cause);
    }

    /// R7a.
    pub(super) fn join(&mut self, context: &Context<'_>, round: Round) {
        self.leave(context, Input::Ahead { round }, ViewChangeCause::Join);
    }

    /// R7b.
    pub(super) fn enter(&mut self, context: &Context<'_>) {
        let round = self.current.round.round;
        if self.current.round.apply(Input::Gathered { round }) == Output::Arm {
            self.arm(context);
        }
    }

    /// R8: liveness only; what follows is a VIEW-CHANGE, never a vote.
    pub(super) fn lose_leader(&mut self, context: &Context<'_>, round: Round, cause: ViewChangeCause) {
        if !self.is_syncing {
            self.leave(context, Input::LeaderLost { round }, cause);
        }
    }

    fn leave(&mut self, context: &Context<'_>, input: Input, cause: ViewChangeCause) {
        let before = self.current.round;
        if self.is_deciding() || self.current.round.apply(input) != Output::ChangeView {
            return;
        }
        self.entered_round(context, before, Some(cause));
        self.note(Note::ViewChange {
            height: self.current.height,
            to: self.current.round.round,
            cause,
        });
        self.send_view_change();
        self.start_resending(context.now.mono);
    }

    /// Bookkeeping common to every way into a later round.
    pub(super) fn entered_round(
        &mut self,
        context: &Context<'_>,
        before: RoundState,
        cause: Option<ViewChangeCause>,
    ) {
        let now = context.now.mono;
        self.guard.enter(self.current.height, self.current.round.round);
        let past = RoundPast {
            round: before.round,
            proposer: self
                .current
                .validators
                .proposer(self.current.height, before.round),
            began_at: self.current.round_since,
            left_at: now,
            phase: before.phase,
            accepted: before.accepted,
            cause,
        };
        self.remember_round(past);
        self.current.round_since = now;
        self.current.deadline = None;
        self.current.futile_at = None;
        self.current.lead_tried = None;
        self.current.leading = None;
        self.mark(
            now,
            Moment::Round {
                round: self.current.round.round,
                cause,
            },
        );
    }

    /// R7: files a VIEW-CHANGE; what follows from it, [`Machine::settle`] finds.
    pub(super) fn on_view_change(
        &mut self,
        context: &Context<'_>,
        from: Option<NodeId>,
        view_change: ViewChange,
    ) {
        if let Err(why) = check_view_change(&view_change) {
            self.drop_because(why);
            return;
        }
        if self.ingest(context, view_change.clone()) {
            self.forward(from, || ConsensusMessage::ViewChange(view_change));
        }
    }

    /// True if it was news.
    pub(super) fn ingest(&mut self, context: &Context<'_>, view_change: ViewChange) -> bool {
        let header = view_change.header;
        if Some(header.signer) == self.current.me && !self.is_ours(&view_change) {
            return false;
        }
        match self.current.view_changes.insert(view_change, context.now.mono) {
            Noted::New => {
                self.current.lead_tried = None;
                self.check_amnesia_of_view_change(&header);
                true
            }
            Noted::Completed => {
                self.current.lead_tried = None;
                true
            }
            Noted::Duplicate | Noted::Stranger => false,
            Noted::Old => {
                self.drop_because("view change lower than one before");
                false
            }
            Noted::Conflict(first) => {
                let proof = |header| {
                    ConsensusMessage::ViewChange(ViewChange {
                        header,
                        certificate: None,
                    })
                };
                self.accuse(EvidenceKind::ViewChanges, proof(first), proof(header));
                false
            }
        }
    }

    /// A VIEW-CHANGE of ours inside somebody's proposal must be one that we sent.
    fn is_ours(&mut self, view_change: &ViewChange) -> bool {
        let message = ConsensusMessage::ViewChange(view_change.clone());
        let known = self
            .guard
            .own_at(message.position())
            .is_some_and(|own| match own {
                ConsensusMessage::ViewChange(own) => own.header.prepared == view_change.header.prepared,
                ConsensusMessage::PrePrepare(_) | ConsensusMessage::Vote(_) => false,
            });
        if !known {
            self.on_own_key(message);
        }
        known
    }

    pub(super) fn on_link(&mut self, context: &Context<'_>, key: PublicKey, is_up: bool) {
        if Some(&key) == self.config.me.as_ref() {
            return;
        }
        self.links.insert(
            key,
            Link {
                is_up,
                since: context.now.mono,
            },
        );
        if !self.is_started {
            return;
        }
        if is_up {
            self.resend_now(context);
        } else {
            self.watch_leader(context);
        }
    }

    /// R8: if the leader's link is down, looks again when `leader_grace` is over.
    fn watch_leader(&mut self, context: &Context<'_>) {
        let Some(down_since) = self.leader_down_since() else {
            return;
        };
        if self.current.round.armed && self.current.round.phase == Phase::PrePrepare {
            let at = down_since
                .plus_ms(self.config.leader_grace_ms)
                .max(context.now.mono);
            let timer = Timer::LeaderGrace {
                height: self.current.height,
                round: self.current.round.round,
            };
            self.set_timer(timer, at);
        }
    }

    fn leader_down_since(&self) -> Option<Mono> {
        let leader = self
            .current
            .leader()
            .filter(|leader| Some(*leader) != self.current.me)?;
        self.down_since(leader)
    }

    /// Since when `signer` has had no session with us; `None` while it has one.
    pub(super) fn down_since(&self, signer: Signer) -> Option<Mono> {
        let key = self.current.validators.key(signer)?;
        match self.links.get(key) {
            Some(link) => (!link.is_up).then_some(link.since),
            None => Some(self.started_at),
        }
    }

    /// R8, the leader's link being down: only if enough others are up to go on without it, only
    /// while its proposal is what we wait for, and only when a block is due.
    pub(super) fn on_leader_grace(&mut self, context: &Context<'_>, height: Height, round: Round) {
        let current = &self.current;
        if height != current.height
            || round != current.round.round
            || !current.round.armed
            || !current.is_due
            || current.deciding.is_some()
            || current.round.phase != Phase::PrePrepare
        {
            return;
        }
        let Some(down_since) = self.leader_down_since() else {
            return;
        };
        if down_since.plus_ms(self.config.leader_grace_ms) > context.now.mono {
            return self.watch_leader(context);
        }
        let others_up = current
            .validators
            .keys()
            .iter()
            .filter(|key| self.links.get(*key).is_some_and(|link| link.is_up))
            .count();
        if others_up + 1 >= current.quorum().votes() {
            self.lose_leader(context, round, ViewChangeCause::LeaderDown);
        }
    }

    pub(super) fn on_syncing(&mut self, context: &mut Context<'_>, is_syncing: bool) {
        let was_syncing = std::mem::replace(&mut self.is_syncing, is_syncing);
        if was_syncing && !is_syncing && self.is_started {
            self.resume(context);
        }
    }

    pub(super) fn on_signing_allowed(&mut self, context: &Context<'_>, is_allowed: bool) {
        self.may_sign = is_allowed;
        if is_allowed && self.is_started {
            self.current.lead_tried = None;
            self.request_missing();
            self.start_resending(context.now.mono);
        }
    }

    pub(super) fn is_signed_here(&self) -> bool {
        self.guard.own_of(self.current.height).next().is_some()
    }
}

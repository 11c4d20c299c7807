//! PRE-PREPAREs: `pp_ok` in full, and R2.

use crate::{
    chain::{Block, BlockHash, Height},
    consensus::{
        Body, ConsensusMessage, Effect, Evidence, EvidenceKind, Note, Phase, PrePrepare, Round, Signer, Step,
        Timer, Verdict, ViewChange, ViewChangeCause,
        justification::{Justified, justify},
        round::{Input, Output},
    },
    crypto::{NodeId, Verified},
};

use super::{
    Context, Machine, Moment,
    height::{Fate, Proposal},
};

/// Why a proposal is not voted for.
enum Fault {
    /// The leader's, and its signature proves it (E6).
    Leader(String),
    /// Nobody's that can be named: a block that a quorum prepared although we find it wrong.
    Quorum(String),
    /// Not yet: our clock is behind, for so many milliseconds.
    Early(u64),
}

impl Machine {
    pub(super) fn on_pre_prepare(
        &mut self,
        context: &mut Context<'_>,
        from: Option<NodeId>,
        message: PrePrepare,
        body: Option<Body>,
    ) {
        let round = message.round;
        if self.current.validators.proposer(self.current.height, round) != Some(message.signer) {
            self.refuse(round, "its signer does not lead this round");
            self.accuse_proposal(message);
            return;
        }
        if is_mutant!(SecondPrepare) && self.current.round.round == round {
            self.current.proposals.remove(&round);
            if self.current.round.phase == Phase::Prepare {
                self.current.round.phase = Phase::PrePrepare;
            }
        }
        if let Some(first) = self.current.proposals.get(&round) {
            if first.message.digest != message.digest {
                let first = ConsensusMessage::PrePrepare(first.message.clone());
                self.accuse(
                    EvidenceKind::PrePrepares,
                    first,
                    ConsensusMessage::PrePrepare(message),
                );
                self.lose_leader(context, round, ViewChangeCause::BadProposal);
                return;
            }
            if first.fate != Fate::WaitsForBody {
                self.drop_because("proposal known already");
                return;
            }
        }
        if round < self.current.round.round || self.is_deciding() {
            self.keep_late_body(context, message.digest, body);
            return;
        }
        let justified = match justify(&message, self.current.quorum()) {
            Ok(justified) => justified,
            Err(reason) => {
                self.refuse(round, reason);
                self.accuse_proposal(message);
                self.lose_leader(context, round, ViewChangeCause::BadProposal);
                return;
            }
        };
        let digest = message.digest;
        match body {
            Some(Body::Valid(block)) if block.hash() == digest => self.current.bodies.insert(digest, *block),
            Some(Body::Invalid(block)) if block.hash() == digest => {
                self.current.remember(Proposal {
                    message,
                    justified,
                    fate: Fate::Settled,
                });
                let reason = "its content is invalid".to_owned();
                let fault = match justified {
                    Justified::Fresh => Fault::Leader(reason),
                    Justified::Reproposal { .. } => Fault::Quorum(reason),
                };
                self.on_fault(context, round, digest, fault);
                return;
            }
            Some(Body::Valid(_) | Body::Invalid(_) | Body::Mismatch) => {
                self.drop_because("body that is not the proposed block");
                return;
            }
            None => {}
        }
        if !self.current.proposals.contains_key(&round) {
            self.current.remember(Proposal {
                message,
                justified,
                fate: Fate::WaitsForBody,
            });
        }
        self.consider(context, round, from);
    }

    /// R2 for the proposal of `round` that we hold: judge it now, or say what it waits for.
    fn consider(&mut self, context: &mut Context<'_>, round: Round, from: Option<NodeId>) {
        let Some(proposal) = self
            .current
            .proposals
            .get(&round)
            .filter(|one| one.fate != Fate::Settled)
        else {
            return;
        };
        let (digest, justified) = (proposal.message.digest, proposal.justified);
        let state = self.current.round;
        let is_open = round > state.round || (round == state.round && state.phase == Phase::PrePrepare);
        if !is_open || self.is_deciding() {
            self.settle_proposal(round, Fate::Settled);
            return;
        }
        let Some(block) = self.current.bodies.get(digest) else {
            self.fetch(context, digest);
            return;
        };
        match self.judge(context, round, digest, justified, block) {
            Ok(()) => {
                self.settle_proposal(round, Fate::Settled);
                self.current.bodies.set_valid(digest);
                self.accept(context, round, digest, from);
            }
            Err(fault) => self.on_fault(context, round, digest, fault),
        }
    }

    fn settle_proposal(&mut self, round: Round, fate: Fate) {
        if let Some(proposal) = self.current.proposals.get_mut(&round) {
            proposal.fate = fate;
        }
    }

    /// `fresh_ok` or `reproposal_ok`. The ledger is asked at most once per block and height.
    fn judge(
        &self,
        context: &mut Context<'_>,
        round: Round,
        digest: BlockHash,
        justified: Justified,
        block: &Verified<Block>,
    ) -> Result<(), Fault> {
        let current = &self.current;
        let header = &block.header;
        let created = Round::new(header.created_round);
        let wrong = if header.height != current.height {
            Some("its header names another height")
        } else if header.prev_hash != self.tip.hash {
            Some("its header does not link to the tip")
        } else if header.vset_hash != current.domain.vset_hash {
            Some("its header names another validator set")
        } else if current.validators.proposer_key(current.height, created) != Some(&header.proposer) {
            Some("its header names another proposer")
        } else {
            None
        };
        match justified {
            Justified::Fresh => {
                if let Some(wrong) = wrong {
                    return Err(Fault::Leader(wrong.to_owned()));
                }
                if created != round {
                    return Err(Fault::Leader("its header names another round".to_owned()));
                }
                if current.bodies.is_valid(digest) {
                    return Ok(());
                }
                match context.app.validate_fresh(block, context.now.wall) {
                    Verdict::Valid => Ok(()),
                    Verdict::EarlyUntil(due) => Err(Fault::Early(due.ms_since(context.now.wall))),
                    Verdict::Invalid(reason) => Err(Fault::Leader(reason)),
                }
            }
            // No clock, and no "made by the leader of this round": it was made in an earlier one.
            Justified::Reproposal { prepared } => {
                if let Some(wrong) = wrong {
                    return Err(Fault::Quorum(wrong.to_owned()));
                }
                if created > prepared {
                    return Err(Fault::Quorum(
                        "its header names a later round than its lock".to_owned(),
                    ));
                }
                if current.bodies.is_valid(digest) {
                    return Ok(());
                }
                match context.app.validate_reproposal(block) {
                    Verdict::Valid => Ok(()),
                    Verdict::EarlyUntil(_) => Err(Fault::Quorum("judged by the clock".to_owned())),
                    Verdict::Invalid(reason) => Err(Fault::Quorum(reason)),
                }
            }
        }
    }

    fn on_fault(&mut self, context: &mut Context<'_>, round: Round, digest: BlockHash, fault: Fault) {
        match fault {
            Fault::Early(wait_ms) if wait_ms <= self.config.drift_ms => {
                self.settle_proposal(round, Fate::Held);
                let height = self.current.height;
                let at = context.now.mono.plus_ms(wait_ms.max(1));
                self.set_timer(Timer::HeldProposal { height, digest }, at);
            }
            // Forgotten, so that it is judged again when it comes again.
            Fault::Early(_) => {
                self.current.proposals.remove(&round);
                self.drop_because("proposal from too far ahead of our clock");
            }
            Fault::Quorum(reason) => {
                self.settle_proposal(round, Fate::Settled);
                self.refuse(round, &reason);
            }
            Fault::Leader(reason) => {
                self.settle_proposal(round, Fate::Settled);
                self.refuse(round, &reason);
                let message = self
                    .current
                    .proposals
                    .get(&round)
                    .map(|proposal| proposal.message.clone());
                if let Some(message) = message.filter(|message| Some(message.signer) != self.current.me) {
                    self.accuse_proposal(message);
                }
                self.lose_leader(context, round, ViewChangeCause::BadProposal);
            }
        }
    }

    /// R2, all conditions met.
    fn accept(&mut self, context: &mut Context<'_>, round: Round, digest: BlockHash, from: Option<NodeId>) {
        let Some(message) = self
            .current
            .proposals
            .get(&round)
            .map(|proposal| proposal.message.clone())
        else {
            return;
        };
        for header in &message.view_changes {
            self.ingest(
                context,
                ViewChange {
                    header: *header,
                    certificate: None,
                },
            );
        }
        let before = self.current.round;
        if self.current.round.apply(Input::Proposal { round, digest }) != Output::Prepare {
            return;
        }
        if round > before.round {
            self.entered_round(context, before, None);
        }
        if round > before.round || !before.armed {
            self.arm(context);
        }
        let txs = self
            .current
            .bodies
            .get(digest)
            .map_or(0, |block| block.transactions.len());
        self.note(Note::Accepted {
            height: self.current.height,
            round,
            digest,
            txs,
        });
        self.mark(context.now.mono, Moment::Proposal { round, digest });
        self.forward(from, || ConsensusMessage::PrePrepare(message));
        self.send_vote(Step::Prepare, digest);
    }

    /// A proposal that comes too late may still bring the body that a certificate lacks.
    fn keep_late_body(&mut self, context: &mut Context<'_>, digest: BlockHash, body: Option<Body>) {
        let Some(Body::Valid(block)) = body.filter(|_| self.is_wanted(digest)) else {
            self.drop_because("proposal of a round that was left");
            return;
        };
        if block.hash() == digest {
            self.on_fetched(context, *block);
        }
    }

    fn is_wanted(&self, digest: BlockHash) -> bool {
        let current = &self.current;
        current
            .deciding
            .as_ref()
            .is_some_and(|certificate| certificate.block_hash == digest)
            || current.lock.as_ref().is_some_and(|lock| lock.digest == digest)
            || current.fetching.contains(&digest)
    }

    pub(super) fn fetch(&mut self, context: &Context<'_>, digest: BlockHash) {
        if self.current.fetching.insert(digest) {
            self.effects.push(Effect::FetchBody {
                height: self.current.height,
                digest,
            });
        }
        self.start_resending(context.now.mono);
    }

    pub(super) fn on_fetched(&mut self, context: &mut Context<'_>, block: Verified<Block>) {
        let digest = block.hash();
        if block.header.height != self.current.height || !self.is_wanted(digest) {
            self.drop_because("body that nobody waits for");
            return;
        }
        self.current.fetching.remove(&digest);
        self.current.bodies.insert(digest, block);
        self.current.lead_tried = None;
        self.consider_all(context, digest, Fate::WaitsForBody);
    }

    pub(super) fn on_held(&mut self, context: &mut Context<'_>, height: Height, digest: BlockHash) {
        if height == self.current.height {
            self.consider_all(context, digest, Fate::Held);
        }
    }

    fn consider_all(&mut self, context: &mut Context<'_>, digest: BlockHash, fate: Fate) {
        let rounds: Vec<Round> = self
            .current
            .proposals
            .iter()
            .filter(|(_, proposal)| proposal.message.digest == digest && proposal.fate == fate)
            .map(|(round, _)| *round)
            .collect();
        for round in rounds {
            self.consider(context, round, None);
        }
    }

    fn refuse(&mut self, round: Round, reason: &str) {
        let height = self.current.height;
        self.note(Note::Refused {
            height,
            round,
            reason: reason.to_owned(),
        });
    }

    /// E6, once per leader and height.
    fn accuse_proposal(&mut self, message: PrePrepare) {
        let signer = message.signer;
        if self.current.accused.insert((signer, EvidenceKind::BadProposal)) {
            let messages = vec![ConsensusMessage::PrePrepare(message)];
            self.send_evidence(EvidenceKind::BadProposal, signer, messages);
        }
    }

    /// E1–E5: two messages of one signer, once per kind, signer and height.
    pub(super) fn accuse(&mut self, kind: EvidenceKind, one: ConsensusMessage, other: ConsensusMessage) {
        let signer = one.signer();
        if self.current.accused.insert((signer, kind)) {
            self.send_evidence(kind, signer, vec![one, other]);
        }
    }

    fn send_evidence(&mut self, kind: EvidenceKind, signer: Signer, messages: Vec<ConsensusMessage>) {
        let current = &self.current;
        if let Some(offender) = current.validators.key(signer) {
            let evidence = Evidence::new(kind, *offender, current.height, &current.domain, messages);
            self.effects.push(Effect::Evidence(evidence));
        }
    }
}

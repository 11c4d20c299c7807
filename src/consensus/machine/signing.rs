//! From the wish to send a message to its effects: guard, signature, log, broadcast, our own copy.
//!
//! The order of effects here is the durability contract of docs/CONSENSUS.md §8.

use std::collections::BTreeMap;

use crate::{
    chain::{BlockHash, Height},
    consensus::{
        ConsensusMessage, Effect, Note, Phase, Position, PrePrepare, PreparedCert, Record, Round, Step,
        ViewChange, ViewChangeHeader, Vote, guard::Answer,
    },
    crypto::Signature,
};

use super::{Context, Machine};

/// Stands in a message until its signature comes.
const UNSIGNED: Signature = Signature::from_bytes([0; 64]);

/// Signature requests under way; at most one per position of the height in progress.
#[derive(Debug, Default)]
pub(super) struct Requests {
    last: u64,
    open: BTreeMap<u64, ConsensusMessage>,
}

impl Requests {
    pub(super) fn is_open(&self, position: Position) -> bool {
        self.open.values().any(|message| message.position() == position)
    }

    pub(super) fn forget_all(&mut self) {
        self.open.clear();
    }
}

impl Machine {
    /// True if we are a validator of this height that may sign now.
    pub(super) fn can_sign(&self) -> bool {
        let is_stopped = self.is_syncing || self.is_halted || self.is_doubled;
        self.current.me.is_some() && self.may_sign && !is_stopped
    }

    /// What we signed is not known (§8): nothing is signed until [`Machine::raise_to`]. Gives the
    /// record that makes a restart know it too.
    pub fn forget(&mut self) -> Record {
        self.guard.forget();
        Record::Lost
    }

    /// Nothing at or below `height` is signed from now on: what we signed there, we no longer know
    /// (§8). Gives the record that has to be durable before anything above is signed.
    pub fn raise_to(&mut self, height: Height) -> Record {
        self.guard.raise_to(height);
        Record::RaisedTo(height)
    }

    pub(super) fn position(&self, step: Step) -> Position {
        Position {
            height: self.current.height,
            round: self.current.round.round,
            step,
        }
    }

    /// Sends PREPARE or COMMIT in the current round.
    pub(super) fn send_vote(&mut self, step: Step, digest: BlockHash) {
        let Some(signer) = self.current.me else { return };
        let Position { height, round, step } = self.position(step);
        self.request(ConsensusMessage::Vote(Vote {
            step,
            height,
            round,
            digest,
            signer,
            signature: UNSIGNED,
        }));
    }

    /// Sends VIEW-CHANGE into the current round, with the lock as it is now.
    pub(super) fn send_view_change(&mut self) {
        let Some(signer) = self.current.me else { return };
        let Position { height, round, .. } = self.position(Step::ViewChange);
        let certificate = self.current.lock.clone().filter(|_| !is_mutant!(NaiveViewChange));
        let prepared = certificate.as_ref().map(|lock| (lock.round, lock.digest));
        let header = ViewChangeHeader {
            height,
            round,
            prepared,
            signer,
            signature: UNSIGNED,
        };
        self.request(ConsensusMessage::ViewChange(ViewChange { header, certificate }));
    }

    /// Sends PRE-PREPARE in the current round.
    pub(super) fn send_pre_prepare(
        &mut self,
        digest: BlockHash,
        view_changes: Vec<ViewChangeHeader>,
        prepared: Option<PreparedCert>,
    ) {
        let Some(signer) = self.current.me else { return };
        let Position { height, round, .. } = self.position(Step::PrePrepare);
        let signature = UNSIGNED;
        self.request(ConsensusMessage::PrePrepare(PrePrepare {
            height,
            round,
            digest,
            signer,
            signature,
            view_changes,
            prepared,
        }));
    }

    fn request(&mut self, message: ConsensusMessage) {
        let position = message.position();
        if !self.can_sign() || self.requests.is_open(position) {
            return;
        }
        match self.guard.ask(&message) {
            Answer::Sign => {
                self.requests.last += 1;
                let request = self.requests.last;
                let statement = message.statement(&self.current.domain);
                self.requests.open.insert(request, message);
                self.effects.push(Effect::Sign { request, statement });
            }
            Answer::Stored(stored) => self.broadcast(stored),
            Answer::Refuse => self.note(Note::DoubleSignPrevented(position)),
            Answer::Left => self.drop_because("signature for a round that was left"),
        }
    }

    pub(super) fn on_signed(&mut self, context: &mut Context<'_>, request: u64, signature: Signature) {
        let Some(message) = self.requests.open.remove(&request) else {
            return;
        };
        if !self.can_sign() || message.height() != self.current.height {
            self.drop_because("signature that is no longer wanted");
            return;
        }
        let message = signed(message, signature);
        match self.guard.admit(&message) {
            Answer::Sign => {}
            Answer::Stored(_) | Answer::Refuse => {
                self.note(Note::DoubleSignPrevented(message.position()));
                return;
            }
            Answer::Left => {
                self.drop_because("signature for a round that was left");
                return;
            }
        }
        if is_mutant!(CommitBeforeLock) && message.step() == Step::Commit {
            self.broadcast(message.clone());
        }
        self.persist_before(&message);
        self.effects
            .push(Effect::Persist(Box::new(Record::Signed(message.clone()))));
        self.broadcast(message.clone());
        self.start_resending(context.now.mono);
        self.on_current(context, None, message, None);
    }

    /// We abstain; the next resend asks again, if it still matters.
    pub(super) fn on_sign_failed(&mut self, context: &Context<'_>, request: u64) {
        if self.requests.open.remove(&request).is_some() {
            self.drop_because("the signer did not sign");
            self.start_resending(context.now.mono);
        }
    }

    /// §8: what has to be durable before `message` may leave, besides the message itself.
    fn persist_before(&mut self, message: &ConsensusMessage) {
        match message {
            ConsensusMessage::PrePrepare(proposal) => self.persist_body(proposal.digest),
            ConsensusMessage::Vote(vote) => {
                self.persist_body(vote.digest);
                if vote.step == Step::Commit {
                    self.persist_lock();
                }
            }
            ConsensusMessage::ViewChange(_) => self.persist_lock(),
        }
    }

    pub(super) fn persist_body(&mut self, digest: BlockHash) {
        if let Some(block) = self.current.bodies.take_unlogged(digest) {
            self.effects.push(Effect::Persist(Box::new(Record::Body(block))));
        }
    }

    fn persist_lock(&mut self) {
        let Some(lock) = self.current.lock.clone().filter(|_| !self.current.is_lock_logged) else {
            return;
        };
        self.persist_body(lock.digest);
        self.current.is_lock_logged = true;
        self.effects.push(Effect::Persist(Box::new(Record::Lock(lock))));
    }

    pub(super) fn broadcast(&mut self, message: ConsensusMessage) {
        let block = match &message {
            ConsensusMessage::PrePrepare(proposal) => self.current.bodies.block(proposal.digest),
            ConsensusMessage::Vote(_) | ConsensusMessage::ViewChange(_) => None,
        };
        self.effects.push(Effect::Broadcast { message, block });
    }

    /// Asks for every signature that the current phase calls for and that is not there: after a
    /// refusal of the signer, and when signing becomes allowed.
    pub(super) fn request_missing(&mut self) {
        let Some(me) = self.current.me.filter(|_| self.can_sign()) else {
            return;
        };
        let state = self.current.round;
        let is_missing = |step: Step| {
            let position = Position {
                height: self.current.height,
                round: state.round,
                step,
            };
            self.guard.own_at(position).is_none() && self.guard.is_free(position)
        };
        match (state.phase, state.accepted) {
            (Phase::PrePrepare, _) => {
                let known = self.current.view_changes.get(me).map(|entry| entry.header.round);
                if state.round > Round::ZERO && known != Some(state.round) && is_missing(Step::ViewChange) {
                    self.send_view_change();
                }
            }
            (Phase::Prepare, Some(digest)) if is_missing(Step::Prepare) => {
                self.send_vote(Step::Prepare, digest);
            }
            (Phase::Commit, Some(digest)) if is_missing(Step::Commit) => self.send_vote(Step::Commit, digest),
            (Phase::Prepare | Phase::Commit | Phase::Finalized, _) => {}
        }
    }
}

fn signed(message: ConsensusMessage, signature: Signature) -> ConsensusMessage {
    match message {
        ConsensusMessage::PrePrepare(proposal) => ConsensusMessage::PrePrepare(PrePrepare {
            signature,
            ..proposal
        }),
        ConsensusMessage::Vote(vote) => ConsensusMessage::Vote(Vote { signature, ..vote }),
        ConsensusMessage::ViewChange(view_change) => ConsensusMessage::ViewChange(ViewChange {
            header: ViewChangeHeader {
                signature,
                ..view_change.header
            },
            certificate: view_change.certificate,
        }),
    }
}

//! The consensus machine: one height after the other, many rounds of each, as a function from
//! events to effects.
//!
//! An event is first filed (a vote in its tally, a VIEW-CHANGE in its table, a body among the
//! bodies); then [`Machine::settle`] looks which rule's condition holds, applies it, and looks again
//! until none does. So it never matters in which order votes and proposals arrive.
//!
//! Never here: clocks, sockets, files, randomness. The ledger is asked through [`Application`].

mod advance;
mod behind;
mod config;
mod decide;
mod deciders;
mod futile;
mod height;
mod lead;
mod next_height;
mod pre_prepare;
mod recovery;
mod resend;
mod signing;
mod view;
mod view_change;
mod voting;

use std::collections::BTreeMap;

use crate::{
    chain::{BlockHash, CommitCertificate, Height},
    consensus::{
        Application, Body, ConsensusMessage, Effect, Event, Mono, Note, Now, Phase, Round, Signer, Timer,
        ValidatorSet,
        guard::{Guard, Origin},
    },
    crypto::{NodeId, PublicKey, Signature},
};

pub use config::{MachineConfig, Tip};
pub use recovery::Recovered;
pub use view::{Mark, Moment, RoundPast, Tallies, TimelineEntry, View, WaitingFor};

use behind::Answered;
use deciders::Deciders;
use height::HeightState;
use next_height::NextHeight;
use signing::Requests;

/// The clocks of an event and the ledger, handed down together.
struct Context<'a> {
    now: Now,
    app: &'a mut dyn Application,
}

/// A rule whose condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// §7: two quorums for different blocks at one height.
    Fork,
    /// R4: a quorum of COMMITs of one round.
    CommitQuorum(Round, BlockHash),
    /// R4, R5: a certificate and its block.
    Decide,
    /// R7a.
    Join(Round),
    /// R7b.
    Enter,
    /// R1, R7c: we lead this round and nothing was proposed in it.
    Lead,
    /// R3: a quorum of PREPAREs for what we accepted.
    Prepared(BlockHash),
}

/// The consensus machine of one node.
pub struct Machine {
    config: MachineConfig,
    tip: Tip,
    /// COMMITs of the tip's deciding round: the certificate that the next proposal carries (R10).
    tip_commits: BTreeMap<Signer, Signature>,
    /// Who joined it after the tip was decided, and when.
    late_commits: Vec<(Signer, Mono)>,
    /// Who could decide the tip; `None` if it is not known here.
    deciders: Option<Deciders>,
    current: HeightState,
    next: NextHeight,
    guard: Guard,
    requests: Requests,
    recovered: Recovered,
    links: BTreeMap<PublicKey, Link>,
    answered: Answered,
    /// Highest height that each validator of the current set was seen at.
    seen_at: BTreeMap<Signer, Height>,
    behind_reported: Height,
    work_since: Option<Mono>,
    is_started: bool,
    is_syncing: bool,
    may_sign: bool,
    is_halted: bool,
    /// Somebody else signs with our key: nothing is signed again in this life.
    is_doubled: bool,
    resend_at: Option<Mono>,
    resent_at: Option<Mono>,
    resends: u64,
    started_at: Mono,
    effects: Vec<Effect>,
}

/// The state of the sessions that proved one consensus key.
#[derive(Debug, Clone, Copy)]
struct Link {
    is_up: bool,
    since: Mono,
}

impl Machine {
    /// A machine that works on the height after `tip`, whose validators are `validators`.
    pub fn new(config: MachineConfig, tip: Tip, validators: ValidatorSet, mut recovered: Recovered) -> Self {
        let height = tip.height.next();
        let guard = recovered.take_guard();
        let tip_commits = tip
            .certificate
            .iter()
            .flat_map(|cert| cert.signatures.iter().copied())
            .collect();
        let current = HeightState::new(height, validators, config.chain_id, config.me.as_ref());
        Self {
            next: NextHeight::new(config.next_height_bytes_max),
            config,
            tip,
            tip_commits,
            late_commits: Vec::new(),
            deciders: None,
            current,
            guard,
            requests: Requests::default(),
            recovered,
            links: BTreeMap::new(),
            answered: Answered::default(),
            seen_at: BTreeMap::new(),
            behind_reported: height,
            work_since: None,
            is_started: false,
            is_syncing: false,
            may_sign: true,
            is_halted: false,
            is_doubled: false,
            resend_at: None,
            resent_at: None,
            resends: 0,
            started_at: Mono::default(),
            effects: Vec::new(),
        }
    }

    /// Takes up the height: puts back what the log held, arms timers. Called once; before it, only
    /// what may be signed and which links are up is taken note of.
    pub fn start(&mut self, now: Now, app: &mut dyn Application) -> Vec<Effect> {
        let mut context = Context { now, app };
        self.started_at = now.mono;
        self.is_started = true;
        self.begin_height(&mut context);
        self.settle(&mut context);
        std::mem::take(&mut self.effects)
    }

    /// One thing happened.
    pub fn step(&mut self, now: Now, event: Event, app: &mut dyn Application) -> Vec<Effect> {
        let mut context = Context { now, app };
        match event {
            Event::Message { from, message, body } => {
                self.on_message(&mut context, from, message.into_inner(), body);
            }
            Event::Fetched(block) => self.on_fetched(&mut context, *block),
            Event::Decided { certificate, block } => {
                self.on_decided(&context, certificate.into_inner(), block);
            }
            Event::Timer(timer) => self.on_timer(&mut context, timer),
            Event::Signed { request, signature } => self.on_signed(&mut context, request, signature),
            Event::SignFailed { request } => self.on_sign_failed(&context, request),
            Event::Work(since) => self.on_work(&context, since),
            Event::ValidatorUp(key) => self.on_link(&context, key, true),
            Event::ValidatorDown(key) => self.on_link(&context, key, false),
            Event::Syncing(is_syncing) => self.on_syncing(&mut context, is_syncing),
            Event::SigningAllowed(is_allowed) => self.on_signing_allowed(&context, is_allowed),
        }
        self.settle(&mut context);
        std::mem::take(&mut self.effects)
    }

    /// The height worked at.
    pub fn height(&self) -> Height {
        self.current.height
    }

    /// True once two certificates for different blocks of one height were seen; nothing moves again.
    pub fn is_halted(&self) -> bool {
        self.is_halted
    }

    /// The guard, for status: its mark is what the log must not be behind.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// The highest COMMIT certificate of the tip that we can offer: every COMMIT of its deciding
    /// round that arrived.
    pub fn tip_certificate(&self) -> Option<CommitCertificate> {
        let certificate = self.tip.certificate.as_ref()?;
        let signatures = self
            .tip_commits
            .iter()
            .map(|(signer, signature)| (*signer, *signature))
            .collect();
        Some(CommitCertificate {
            signatures,
            ..certificate.clone()
        })
    }

    /// Applies rules until none's condition holds. Every rule moves the height on or marks itself
    /// as tried, so this ends.
    fn settle(&mut self, context: &mut Context<'_>) {
        if !self.is_started {
            return;
        }
        self.check_due(context);
        while let Some(rule) = self.next_rule() {
            match rule {
                Rule::Fork => self.on_fork(),
                Rule::CommitQuorum(round, digest) => self.on_commit_quorum(context, round, digest),
                Rule::Decide => self.decide(context),
                Rule::Join(round) => self.join(context, round),
                Rule::Enter => self.enter(context),
                Rule::Lead => self.lead(context),
                Rule::Prepared(digest) => self.on_prepared(context, digest),
            }
        }
        self.check_futile(context);
    }

    /// The first rule whose condition holds, deciding first.
    fn next_rule(&self) -> Option<Rule> {
        let current = &self.current;
        if self.is_halted || current.validators.is_empty() {
            return None;
        }
        let quorum = current.quorum();
        let certificate = current.deciding.as_ref().or(current.decided.as_ref());
        let against = certificate.and_then(|ours| current.commits.reached_against(quorum, ours.block_hash));
        if against.is_some() {
            return Some(Rule::Fork);
        }
        if current.round.phase == Phase::Finalized {
            return None;
        }
        if let Some(certificate) = &current.deciding {
            // R4: without the body, nothing else happens at this height meanwhile.
            return current
                .bodies
                .contains(certificate.block_hash)
                .then_some(Rule::Decide);
        }
        if let Some((round, digest)) = current.commits.reached(quorum) {
            return Some(Rule::CommitQuorum(round, digest));
        }
        let round = current.round.round;
        if let Some(ahead) = current
            .view_changes
            .kth_highest(quorum.f())
            .filter(|ahead| *ahead > round)
        {
            return Some(Rule::Join(ahead));
        }
        let gathered = current
            .view_changes
            .kth_highest(quorum.votes() - 1)
            .is_some_and(|at| at >= round);
        if round > Round::ZERO
            && current.round.phase == Phase::PrePrepare
            && !current.round.armed
            && gathered
            && !self.is_syncing
        {
            return Some(Rule::Enter);
        }
        if self.can_lead() {
            return Some(Rule::Lead);
        }
        if is_mutant!(UnvalidatedCommit) && current.round.phase == Phase::PrePrepare {
            let blind = current.prepares.reached(quorum).filter(|(at, _)| *at == round);
            if let Some((_, digest)) = blind {
                return Some(Rule::Prepared(digest));
            }
        }
        let accepted = current
            .round
            .accepted
            .filter(|_| current.round.phase == Phase::Prepare)?;
        quorum
            .is_reached(current.prepares.count(round, accepted))
            .then_some(Rule::Prepared(accepted))
    }

    fn on_message(
        &mut self,
        context: &mut Context<'_>,
        from: Option<NodeId>,
        message: ConsensusMessage,
        body: Option<Body>,
    ) {
        if self.is_halted {
            return;
        }
        let height = message.height();
        if height <= self.tip.height {
            self.on_past(context, from, &message);
            return;
        }
        if Some(message.signer()) == self.current.me {
            self.on_own_key(message);
            return;
        }
        self.note_height(message.signer(), height);
        if height == self.current.height {
            self.on_current(context, from, message, body);
        } else if height == self.current.height.next() {
            self.buffer(from, message, body);
        } else {
            self.drop_because("more than one height ahead");
        }
    }

    /// A message of the height in progress; `from` is `None` for our own.
    fn on_current(
        &mut self,
        context: &mut Context<'_>,
        from: Option<NodeId>,
        message: ConsensusMessage,
        body: Option<Body>,
    ) {
        match message {
            ConsensusMessage::PrePrepare(proposal) => self.on_pre_prepare(context, from, proposal, body),
            ConsensusMessage::Vote(vote) => self.on_vote(context, from, vote),
            ConsensusMessage::ViewChange(view_change) => self.on_view_change(context, from, view_change),
        }
    }

    /// A message that bears our own signature came from outside: an echo, or a doppelganger.
    fn on_own_key(&mut self, message: ConsensusMessage) {
        match self.guard.origin(&message, self.current.height) {
            Origin::Ours => {}
            Origin::Forgotten => self.drop_because("our own, too old to recognise"),
            Origin::Foreign => {
                self.is_doubled = true;
                self.effects.push(Effect::Doppelganger(message));
            }
        }
    }

    fn on_timer(&mut self, context: &mut Context<'_>, timer: Timer) {
        match timer {
            Timer::Round { height, round } => self.on_round_timer(context, height, round),
            Timer::Work { height } => self.on_work_timer(context, height),
            Timer::Resend { height: _ } => self.on_resend_timer(context),
            Timer::LeaderGrace { height, round } => self.on_leader_grace(context, height, round),
            Timer::HeldProposal { height, digest } => self.on_held(context, height, digest),
        }
    }

    fn forward(&mut self, from: Option<NodeId>, message: impl FnOnce() -> ConsensusMessage) {
        let Some(from) = from.filter(|_| self.current.me.is_some()) else {
            return;
        };
        let message = message();
        let block = match &message {
            ConsensusMessage::PrePrepare(proposal) => self.current.bodies.block(proposal.digest),
            ConsensusMessage::Vote(_) | ConsensusMessage::ViewChange(_) => None,
        };
        self.effects.push(Effect::Forward { from, message, block });
    }

    fn note(&mut self, note: Note) {
        self.effects.push(Effect::Note(note));
    }

    fn drop_because(&mut self, why: &'static str) {
        self.note(Note::Dropped(why));
    }

    fn set_timer(&mut self, timer: Timer, at: Mono) {
        self.effects.push(Effect::SetTimer { timer, at });
    }
}

//! The engine's one match: which handler an event wakes.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use crate::{
    chain::{Height, History, Params},
    consensus::{self, Machine, MachineConfig, Now, Recovered, Timer, Timing, ValidatorSet},
    crypto::{Hash256, NodeId, PublicKey},
    mempool::{Mempool, PoolDetail},
    sync::CatchUp,
};

use super::{
    Effect, Event, Happening, SigningHold,
    asking::Asking,
    ledger::{DRIFT_MS, Ledger},
    listening::{Listening, Looked},
    observer::Observer,
    peers::Peers,
    ranges::Early,
};

/// R9: own messages of the height are sent again this often.
const RESEND_MS: u64 = 500;
/// R8: a leader's link may be down this long before the round is left.
const LEADER_GRACE_MS: u64 = 500;

/// What a node is told once.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Genesis hash.
    pub chain_id: Hash256,
    /// Genesis parameters.
    pub params: Params,
    /// Our consensus key; `None` for a node that only follows.
    pub me: Option<PublicKey>,
    /// Reasons to sign nothing that hold from the start.
    pub holds: BTreeSet<SigningHold>,
    /// How long to listen before signing, in ms; 0 for never.
    pub listen_ms: u64,
    /// Whether the log ever held a signature, so that listening begins at the start.
    pub has_signed: bool,
    /// A height that is known to be certified, however far below it the database stands.
    pub certified: Height,
}

/// What recovery found.
#[derive(Debug)]
pub struct Start {
    /// The tip, with everything decided in the log connected already.
    pub tip: consensus::Tip,
    /// What the log says of the height above it.
    pub recovered: Recovered,
}

/// The validator.
pub struct Engine {
    pub(super) config: EngineConfig,
    pub(super) machine: Machine,
    pub(super) ledger: Ledger,
    pub(super) sync: CatchUp,
    /// Blocks that came before those below them.
    pub(super) early: Early,
    pub(super) peers: Peers,
    pub(super) holds: BTreeSet<SigningHold>,
    pub(super) listening: Option<Listening>,
    pub(super) looked: Looked,
    pub(super) asking: Asking,
    /// Nothing above this height is decided or taken.
    pub(super) halt_at: Option<Height>,
    /// While the log does not know what we signed.
    pub(super) observer: Option<Observer>,
    /// Our signatures lie at or below, other than those of this run: the others were asked in it.
    pub(super) ours_end_at: Option<Height>,
    pub(super) syncing: bool,
    /// Whether the machine was told to stand back: we are catching up, or stand still.
    pub(super) stands_back: bool,
    /// When a peer was last asked for the certificate of its tip.
    pub(super) status_asked_at: consensus::Mono,
    /// When the tip moved last, and who was asked last because it does not.
    pub(super) tip_moved_at: consensus::Mono,
    pub(super) asked_in_silence: Option<(NodeId, consensus::Mono)>,
    activated: bool,
    pub(super) out: Vec<Effect>,
    /// Effects of the machine that wait to be translated; a decision adds to them.
    pending: VecDeque<consensus::Effect>,
    /// The last heights as they were when they were decided, newest first.
    pub(super) past: VecDeque<Arc<consensus::View>>,
    /// What people were last told of the pool, and when it was looked at.
    pub(super) pool_detail: Arc<PoolDetail>,
    pub(super) pool_detail_at: Option<consensus::Mono>,
}

impl Engine {
    /// An engine on `start`, with the ledger it stands on and an empty pool.
    pub fn new(config: EngineConfig, start: Start, ledger: Ledger) -> Self {
        let machine = Machine::new(
            MachineConfig {
                chain_id: config.chain_id,
                timing: Timing::from_params(&config.params),
                me: config.me,
                drift_ms: DRIFT_MS,
                resend_ms: RESEND_MS,
                leader_grace_ms: LEADER_GRACE_MS,
                next_height_bytes_max: usize::try_from(config.params.max_block_bytes * 2)
                    .unwrap_or(usize::MAX),
            },
            start.tip,
            ledger.validators().clone(),
            start.recovered,
        );
        let mut holds = config.holds.clone();
        let listening = (config.has_signed && config.listen_ms > 0).then(Listening::default);
        if listening.is_some() {
            // Not only from the first event on: people see the state before it, too.
            holds.insert(SigningHold::Listening);
        }
        Self {
            holds,
            listening,
            looked: Looked::default(),
            asking: Asking::default(),
            halt_at: None,
            observer: None,
            ours_end_at: None,
            config,
            machine,
            ledger,
            sync: CatchUp::default(),
            early: Early::default(),
            peers: Peers::default(),
            syncing: false,
            stands_back: false,
            status_asked_at: consensus::Mono::default(),
            tip_moved_at: consensus::Mono::default(),
            asked_in_silence: None,
            activated: false,
            out: Vec::new(),
            pending: VecDeque::new(),
            past: VecDeque::new(),
            pool_detail: Arc::default(),
            pool_detail_at: None,
        }
    }

    /// The same, which stands still once this height is its tip.
    pub fn halting_at(self, height: Option<Height>) -> Self {
        Self {
            halt_at: height,
            ..self
        }
    }

    /// Begins: arms what recovery left armed. Call once, before the first [`Engine::step`].
    pub fn start(&mut self, now: Now) -> Vec<Effect> {
        self.sync.on_certified(self.config.certified);
        self.syncing = self.sync.is_syncing(self.ledger.tip());
        self.hold_from_start(now);
        let effects = self.machine.start(now, &mut self.ledger);
        self.pending.extend(effects);
        self.translate(now);
        self.check_activation();
        std::mem::take(&mut self.out)
    }

    /// Advances by one event.
    pub fn step(&mut self, now: Now, event: Event) -> Vec<Effect> {
        self.look_around(now);
        if self.stands_still() && event.moves_the_chain() {
            if let Event::Blocks { peer, blocks, .. } = &event {
                self.leave_blocks(now, *peer, blocks);
            }
            return Vec::new();
        }
        match event {
            Event::Consensus {
                from,
                message,
                vset_hash,
                body,
            } => self.on_message(now, from, message, vset_hash, body),
            Event::OffHeight { from, height } => self.on_off_height(now, from, height),
            Event::Decided {
                from,
                certificate,
                block,
            } => self.on_decided(now, from, certificate, block),
            Event::Fetched(block) => self.on_fetched(now, block),
            Event::Blocks {
                peer,
                blocks,
                certificate,
            } => self.on_blocks(now, peer, blocks, certificate),
            Event::BlocksReceived { peer, start } => self.sync.on_received(&peer, start),
            Event::BlocksFailed { peer, start, failure } => {
                if self.sync.on_failure(&peer, start, failure, now.mono) {
                    self.blame_for_nothing(peer);
                }
                self.ask_for_blocks(now);
            }
            Event::Status {
                peer,
                height,
                certificate,
            } => self.on_status(now, peer, height, certificate),
            Event::Transactions(arrivals) => self.on_transactions(now, arrivals),
            Event::Refused(refused) => self.ledger.note_screened(&refused),
            Event::Evidence(evidence) => self.ledger.note_evidence(&evidence),
            Event::Timer(timer) => self.on_timer(now, timer),
            Event::Signed { request, signature } => self.consensus(
                now,
                match signature {
                    Some(signature) => consensus::Event::Signed { request, signature },
                    None => consensus::Event::SignFailed { request },
                },
            ),
            Event::PeerUp {
                peer,
                validator,
                height,
            } => self.on_peer_up(now, peer, validator, height),
            Event::PeerServes { peer, lowest, prunes } => self.sync.on_lowest(peer, lowest, prunes),
            Event::NoStatus { peer } => self.on_no_status(peer),
            Event::PeerHeights(claims) => {
                for (peer, height) in claims {
                    self.sync.on_said(peer, height, now.mono);
                }
            }
            Event::PeersPreferred(preferred) => self.sync.set_preferred(preferred),
            Event::PeerHeight { peer, height } => self.sync.on_said(peer, height, now.mono),
            Event::PeerDown { peer } => self.on_peer_down(now, peer),
            Event::Committed(height) => {
                self.ledger.on_committed(height);
                if self.syncing {
                    self.ask_for_blocks(now);
                }
            }
            Event::Tick => self.on_tick(now),
            // What we may have signed and forgotten is not for others to forgive.
            Event::Signing(SigningHold::LogMissing, false) => {}
            Event::Signing(hold, holds) => self.set_hold(now, hold, holds),
            Event::Stop => self.set_hold(now, SigningHold::Stopping, true),
        }
        self.translate(now);
        std::mem::take(&mut self.out)
    }

    /// The validators of the height being decided, and the one above the tip.
    pub fn validators(&self) -> &ValidatorSet {
        self.ledger.validators()
    }

    /// The validators who decided the tip; at genesis, those of the next height.
    pub fn validators_of_tip(&self) -> &ValidatorSet {
        self.ledger.validators_of_tip()
    }

    /// Validator sets of the last periods.
    pub fn history(&self) -> &Arc<History> {
        &self.ledger.state().history
    }

    /// Height of the tip.
    pub fn tip(&self) -> Height {
        self.ledger.tip()
    }

    /// The pool, for figures and for saving it at the end.
    pub fn pool(&self) -> &Mempool {
        self.ledger.pool()
    }

    /// Feeds the machine and translates what it asks for.
    pub(super) fn consensus(&mut self, now: Now, event: consensus::Event) {
        let effects = self.machine.step(now, event, &mut self.ledger);
        self.pending.extend(effects);
        self.translate(now);
    }

    /// Passes the machine on to the height above the ledger's tip.
    pub(super) fn advance(&mut self, now: Now, tip: consensus::Tip) {
        let validators = self.ledger.validators().clone();
        let effects = self.machine.advance(now, tip, validators, &mut self.ledger);
        self.pending.extend(effects);
    }

    /// Turns the machine's effects into the engine's, performing decisions on the way.
    pub(super) fn translate(&mut self, now: Now) {
        while let Some(effect) = self.pending.pop_front() {
            match effect {
                consensus::Effect::Sign { request, statement } => {
                    self.out.push(Effect::Sign { request, statement });
                }
                consensus::Effect::Persist(record) => self.out.push(Effect::Persist(*record)),
                consensus::Effect::Broadcast { message, block } => {
                    let block = block.map(|block| *block);
                    self.out.push(Effect::Broadcast { message, block });
                }
                consensus::Effect::Forward { from, message, block } => {
                    let block = block.map(|block| *block);
                    self.out.push(Effect::Forward { from, message, block });
                }
                consensus::Effect::SetTimer { timer, at } => self.out.push(Effect::SetTimer { timer, at }),
                consensus::Effect::FetchBody { height, digest } => {
                    self.out.push(Effect::FetchBody { height, digest });
                }
                consensus::Effect::Decide { block, certificate } => self.decide(now, *block, certificate),
                consensus::Effect::PeerBehind { peer, height } => self.help(now, peer, height),
                consensus::Effect::Behind { height } => self.on_behind(now, height),
                consensus::Effect::Evidence(evidence) => {
                    self.ledger.note_evidence(&evidence);
                    self.out.push(Effect::Evidence(evidence));
                }
                consensus::Effect::Doppelganger(_) => self.set_hold(now, SigningHold::Doppelganger, true),
                consensus::Effect::SafetyViolation { ours, theirs } => {
                    let height = ours.height;
                    self.out.push(Effect::SafetyViolation { height, ours, theirs });
                    self.set_hold(now, SigningHold::SafetyViolation, true);
                }
                consensus::Effect::Note(note) => self.out.push(Effect::Note(note)),
            }
        }
    }

    fn on_timer(&mut self, now: Now, timer: Timer) {
        if let Timer::Work { height } = timer {
            self.offer_overdue(now, height);
        }
        self.consensus(now, consensus::Event::Timer(timer));
    }

    fn on_tick(&mut self, now: Now) {
        self.expire(now);
        self.look_at_pool(now);
        self.ask_for_key(now);
        self.ask_for_proofs(now);
        self.ask_in_silence(now);
        self.ask_for_blocks(now);
        self.observe(now);
    }

    /// Says once that the set is large enough and a quorum of it is connected.
    pub(super) fn check_activation(&mut self) {
        if self.activated {
            return;
        }
        let set = self.ledger.validators();
        let minimum = self.masternodes_min();
        let connected = self.peers.connected_validators(set, self.config.me.as_ref());
        if set.len() >= minimum && !set.is_empty() && set.quorum().is_reached(connected) {
            self.activated = true;
            self.out.push(Effect::Happened(Happening::ConsensusActivated {
                connected,
                n: set.len(),
            }));
        }
    }

    /// True once [`Happening::ConsensusActivated`] was said.
    pub fn is_activated(&self) -> bool {
        self.activated
    }
}

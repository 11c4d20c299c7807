//! Whole machines on a virtual clock, network and disk.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use timecoin::{
    chain::{Block, BlockHash, CommitCertificate, Height, TimestampMs},
    consensus::{
        Body, CertificateContext, ConsensusMessage, Effect, Event, Evidence, Machine, MachineConfig,
        MessageContext, Mono, Note, Now, PrePrepare, PreparedCert, Record, Recovered, Round, Signer,
        SigningDomain, Step, Timer, Timing, Tip, ValidatorSet, ViewChange, ViewChangeHeader, Vote,
    },
    crypto::{Hash256, HashWriter, NodeId, SecretKey, Signature, Verified},
};

use super::{
    laws::Laws,
    toy_ledger::{ToyLedger, verified},
};

pub(super) const TIMING: Timing = Timing {
    proposal_timeout_ms: 400,
    view_change_timeout_ms: 4_000,
    block_interval_ms: 2_000,
    min_block_interval_ms: 20,
    batch_window_ms: 10,
    gossip_grace_ms: 100,
};
/// Wall clock of virtual time zero.
const EPOCH_MS: u64 = 1_000_000;

/// A message on its way; the network rule says after how many microseconds it arrives, if at all,
/// and how often.
pub(super) struct Envelope<'a> {
    pub(super) at: u64,
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) message: &'a ConsensusMessage,
}

/// Byzantine nodes, played by one mind that hears what any of them hears.
pub(super) trait Adversary {
    /// A message reached the Byzantine `node`.
    fn on_heard(&mut self, world: &mut World, node: usize, message: &ConsensusMessage, block: Option<&Block>);
    /// Called every so often.
    fn on_tick(&mut self, world: &mut World);
}

/// How often the adversary may act unasked, in microseconds.
const TICK_US: u64 = 40_000;

pub(super) type Network = Box<dyn FnMut(&Envelope<'_>) -> Vec<u64>>;

pub(super) enum Item {
    Deliver {
        to: usize,
        from: Option<NodeId>,
        message: Verified<ConsensusMessage>,
        body: Option<Body>,
    },
    Timer {
        node: usize,
        life: u32,
        timer: Timer,
        at: Mono,
    },
    Signed {
        node: usize,
        life: u32,
        request: u64,
        signature: Signature,
    },
    Blocks {
        to: usize,
        above: usize,
    },
    Fetched {
        to: usize,
        digest: BlockHash,
    },
    Restart {
        node: usize,
    },
    Crash {
        node: usize,
    },
    Decided {
        to: usize,
        certificate: CommitCertificate,
        block: Block,
    },
    Tick,
}

pub(super) struct Node {
    pub(super) key: SecretKey,
    pub(super) machine: Option<Machine>,
    pub(super) ledger: ToyLedger,
    /// What survives a crash.
    pub(super) disk: Vec<Record>,
    pub(super) life: u32,
    timers: BTreeMap<Timer, Mono>,
    pub(super) chain: Vec<(Block, CommitCertificate)>,
    pub(super) sent: Vec<ConsensusMessage>,
    pub(super) notes: Vec<Note>,
    pub(super) evidence: Vec<Evidence>,
    pub(super) doppelgangers: usize,
    pub(super) violations: usize,
    pub(super) behind: Vec<(NodeId, Height)>,
    /// Crash after so many more persists and sends.
    pub(super) crash_after: Option<u64>,
    pub(super) is_byzantine: bool,
    /// Runs without a consensus key.
    pub(super) only_follows: bool,
    pub(super) clock_offset_ms: u64,
}

pub(super) struct World {
    pub(super) nodes: Vec<Node>,
    pub(super) validators: ValidatorSet,
    pub(super) domain: SigningDomain,
    pub(super) chain_id: Hash256,
    pub(super) now: u64,
    queue: BTreeMap<(u64, u64), Box<Item>>,
    sequence: u64,
    pub(super) network: Network,
    pub(super) laws: Laws,
    /// Work waits for every height below this; above, only the block interval makes blocks.
    pub(super) work_below: u64,
    pub(super) forwards: bool,
    pub(super) answers: bool,
    pub(super) sign_delay_us: Option<fn(u64) -> u64>,
    pub(super) restart_after_us: u64,
    pub(super) points: u64,
    pub(super) messages: u64,
    checked: HashMap<Signature, Verified<ConsensusMessage>>,
    bodies: HashMap<BlockHash, Block>,
    pub(super) trace: Option<Vec<String>>,
    pub(super) adversary: Option<Box<dyn Adversary>>,
    /// Records that a restart does not find again.
    pub(super) loses: Option<fn(&Record) -> bool>,
}

pub(super) fn millis(ms: u64) -> u64 {
    ms * 1_000
}

impl World {
    /// `n` validators; everything arrives after a millisecond, and work always waits.
    pub(super) fn new(n: usize) -> Self {
        Self::with_keys(n, SecretKey::from_seed)
    }

    /// The same, with keys of the caller's making.
    pub(super) fn with_keys(n: usize, make: impl Fn(&[u8; 32]) -> SecretKey) -> Self {
        let chain_id = HashWriter::new("toy").u64(n as u64).finish();
        let mut keys: Vec<SecretKey> = (0..n)
            .map(|index| {
                let mut seed = [7; 32];
                seed[..8].copy_from_slice(&(index as u64 + 1).to_le_bytes());
                make(&seed)
            })
            .collect();
        keys.sort_by_key(SecretKey::public_key);
        let validators = ValidatorSet::new(keys.iter().map(SecretKey::public_key).collect());
        let nodes = keys
            .into_iter()
            .map(|key| Node {
                ledger: ToyLedger::new(key.public_key(), validators.clone(), chain_id),
                key,
                machine: None,
                disk: Vec::new(),
                life: 0,
                timers: BTreeMap::new(),
                chain: Vec::new(),
                sent: Vec::new(),
                notes: Vec::new(),
                evidence: Vec::new(),
                doppelgangers: 0,
                violations: 0,
                behind: Vec::new(),
                crash_after: None,
                is_byzantine: false,
                only_follows: false,
                clock_offset_ms: 0,
            })
            .collect();
        Self {
            nodes,
            domain: SigningDomain {
                chain_id,
                vset_hash: validators.hash(),
            },
            validators,
            chain_id,
            now: millis(1),
            queue: BTreeMap::new(),
            sequence: 0,
            network: Box::new(|_| vec![1_000]),
            laws: Laws::default(),
            work_below: u64::MAX,
            forwards: false,
            answers: true,
            sign_delay_us: None,
            restart_after_us: millis(200),
            points: 0,
            messages: 0,
            checked: HashMap::new(),
            bodies: HashMap::new(),
            trace: None,
            adversary: None,
            loses: None,
        }
    }

    /// `n` validators of whom only `node` lives; the test speaks for the others.
    pub(super) fn alone(n: usize, node: usize) -> Self {
        let mut world = Self::new(n);
        for other in (0..n).filter(|other| *other != node) {
            world.nodes[other].is_byzantine = true;
        }
        world.start();
        world
    }

    /// Starts every node that is not Byzantine.
    pub(super) fn start(&mut self) {
        for node in 0..self.nodes.len() {
            if !self.nodes[node].is_byzantine {
                self.boot(node);
            }
        }
        if self.adversary.is_some() {
            self.push(TICK_US, Item::Tick);
        }
    }

    pub(super) fn config(&self, node: usize) -> MachineConfig {
        MachineConfig {
            chain_id: self.chain_id,
            timing: TIMING,
            me: (!self.nodes[node].only_follows).then(|| self.nodes[node].key.public_key()),
            drift_ms: 10_000,
            resend_ms: 500,
            leader_grace_ms: 500,
            next_height_bytes_max: 1 << 20,
        }
    }

    /// Starts `node` from what its disk holds.
    pub(super) fn boot(&mut self, node: usize) {
        let config = self.config(node);
        let chain_id = self.chain_id;
        let validators = self.validators.clone();
        let one = &mut self.nodes[node];
        one.life += 1;
        one.timers.clear();
        one.crash_after = None;
        if let Some(loses) = self.loses {
            one.disk.retain(|record| !loses(record));
        }
        // What the storage would hold: every decided height with its body.
        let mut bodies: BTreeMap<BlockHash, Block> = BTreeMap::new();
        one.ledger = ToyLedger {
            salt: one.ledger.salt,
            can_build: one.ledger.can_build,
            ..ToyLedger::new(one.key.public_key(), validators, chain_id)
        };
        one.chain.clear();
        for record in &one.disk {
            match record {
                Record::Body(block) => {
                    self.laws.on_body(node, block.hash());
                    bodies.insert(block.hash(), block.clone());
                }
                Record::Decided(certificate) => {
                    let (tip, _, _) = one.ledger.tip();
                    if certificate.height == tip.next() {
                        let block = bodies
                            .get(&certificate.block_hash)
                            .expect("a decided body is logged")
                            .clone();
                        one.ledger.connect(&block);
                        one.chain.push((block, certificate.clone()));
                    }
                }
                Record::Signed(_) | Record::Lock(_) | Record::RaisedTo(_) | Record::Lost => {}
            }
        }
        let (height, hash, timestamp) = one.ledger.tip();
        self.laws.on_restart(node, height);
        let tip = Tip {
            height,
            hash,
            timestamp,
            certificate: one.chain.last().map(|(_, certificate)| certificate.clone()),
            decided_at: None,
        };
        let recovered =
            Recovered::from_records(one.disk.iter().cloned(), height, |block| Some(verified(block)));
        one.machine = Some(Machine::new(config, tip, self.validators.clone(), recovered));
        let now = self.clock(node);
        let one = &mut self.nodes[node];
        let effects = one.machine.as_mut().unwrap().start(now, &mut one.ledger);
        self.perform(node, effects);
        self.tell_work(node);
        self.tell_links(node, true);
    }

    /// Sessions come up and go down with the processes.
    fn tell_links(&mut self, node: usize, is_up: bool) {
        let key = self.nodes[node].key.public_key();
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            if self.nodes[other].machine.is_some() {
                let event = if is_up {
                    Event::ValidatorUp(key)
                } else {
                    Event::ValidatorDown(key)
                };
                self.step(other, event);
                let key = self.nodes[other].key.public_key();
                self.step(node, Event::ValidatorUp(key));
            }
        }
    }

    pub(super) fn crash(&mut self, node: usize) {
        self.nodes[node].machine = None;
        self.nodes[node].timers.clear();
        self.tell_links(node, false);
        self.push(self.restart_after_us, Item::Restart { node });
    }

    pub(super) fn kill(&mut self, node: usize) {
        self.nodes[node].machine = None;
        self.nodes[node].timers.clear();
    }

    pub(super) fn clock(&self, node: usize) -> Now {
        let wall = EPOCH_MS + self.now / 1_000 + self.nodes[node].clock_offset_ms;
        Now {
            mono: Mono::from_micros(self.now),
            wall: TimestampMs::new(wall),
        }
    }

    pub(super) fn push(&mut self, after_us: u64, item: Item) {
        self.sequence += 1;
        self.queue
            .insert((self.now + after_us, self.sequence), Box::new(item));
    }

    pub(super) fn tell_work(&mut self, node: usize) {
        let has_work = (self.nodes[node].chain.len() as u64) < self.work_below;
        if has_work && self.nodes[node].machine.is_some() {
            let since = Mono::from_micros(self.now);
            self.step(node, Event::Work(Some(since)));
        }
    }

    pub(super) fn step(&mut self, node: usize, event: Event) {
        let now = self.clock(node);
        let one = &mut self.nodes[node];
        let Some(machine) = one.machine.as_mut() else {
            return;
        };
        let effects = machine.step(now, event, &mut one.ledger);
        self.perform(node, effects);
    }

    /// Performs effects in order; a crash loses those that are left.
    pub(super) fn perform(&mut self, node: usize, effects: Vec<Effect>) {
        let mut todo: VecDeque<Effect> = effects.into();
        let life = self.nodes[node].life;
        while let Some(effect) = todo.pop_front() {
            if self.nodes[node].machine.is_none() || self.nodes[node].life != life {
                return;
            }
            if let Some(trace) = &mut self.trace {
                trace.push(format!("{} {node} {effect:?}", self.now));
            }
            let is_point = matches!(effect, Effect::Persist(_) | Effect::Broadcast { .. });
            self.perform_one(node, effect, &mut todo);
            if is_point {
                self.points += 1;
                let left = &mut self.nodes[node].crash_after;
                if let Some(count) = left {
                    *count -= 1;
                    if *count == 0 {
                        *left = None;
                        self.crash(node);
                        return;
                    }
                }
            }
        }
    }

    fn perform_one(&mut self, node: usize, effect: Effect, todo: &mut VecDeque<Effect>) {
        match effect {
            Effect::Sign { request, bytes, .. } => {
                let signature = self.nodes[node].key.sign(&bytes);
                match self.sign_delay_us {
                    Some(delay) => {
                        let life = self.nodes[node].life;
                        let after = delay(self.sequence);
                        self.push(
                            after,
                            Item::Signed {
                                node,
                                life,
                                request,
                                signature,
                            },
                        );
                    }
                    None => {
                        let now = self.clock(node);
                        let one = &mut self.nodes[node];
                        let event = Event::Signed { request, signature };
                        todo.extend(one.machine.as_mut().unwrap().step(now, event, &mut one.ledger));
                    }
                }
            }
            Effect::Persist(record) => {
                if let Record::Body(block) = &record {
                    let digest = block.hash();
                    self.laws.on_body(node, digest);
                    self.bodies.insert(digest, block.clone());
                }
                self.nodes[node].disk.push(record);
            }
            Effect::Broadcast { message, block } => {
                self.laws.on_sent(node, &message, &self.domain);
                self.laws.on_leaving(node, &message, &self.nodes[node].disk);
                self.nodes[node].sent.push(message.clone());
                let from = self.nodes[node].key.public_key();
                self.send(node, from, None, message, block);
            }
            Effect::Forward { from, message, block } => {
                if self.forwards {
                    let me = self.nodes[node].key.public_key();
                    self.send(node, me, Some(from), message, block);
                }
            }
            Effect::SetTimer { timer, at } => {
                let life = self.nodes[node].life;
                self.nodes[node].timers.insert(timer, at);
                let after = at.micros().saturating_sub(self.now);
                self.push(
                    after,
                    Item::Timer {
                        node,
                        life,
                        timer,
                        at,
                    },
                );
            }
            Effect::FetchBody { digest, .. } => self.push(2_000, Item::Fetched { to: node, digest }),
            Effect::Decide { block, certificate } => {
                self.laws
                    .on_decided(node, &certificate, &self.domain, &self.validators);
                let is_logged = self.nodes[node].disk.iter().any(
                    |record| matches!(record, Record::Decided(logged) if logged.height == certificate.height),
                );
                assert!(is_logged, "a decision is told before it is durable");
                let now = self.clock(node);
                let validators = self.validators.clone();
                let one = &mut self.nodes[node];
                one.ledger.connect(&block);
                one.chain.push((Block::clone(&block), certificate.clone()));
                let (height, hash, timestamp) = one.ledger.tip();
                let tip = Tip {
                    height,
                    hash,
                    timestamp,
                    certificate: Some(certificate),
                    decided_at: Some(now.mono),
                };
                let machine = one.machine.as_mut().unwrap();
                todo.extend(machine.advance(now, tip, validators, &mut one.ledger));
                if (one.chain.len() as u64) < self.work_below {
                    let event = Event::Work(Some(now.mono));
                    todo.extend(machine.step(now, event, &mut one.ledger));
                }
            }
            Effect::PeerBehind { peer, height } => {
                self.nodes[node].behind.push((peer, height));
                if let Some(to) = self.index_of(&peer).filter(|_| self.answers) {
                    self.push(2_000, Item::Blocks { to, above: node });
                }
            }
            Effect::Behind { .. } => {
                let longest = (0..self.nodes.len())
                    .max_by_key(|node| self.nodes[*node].chain.len())
                    .unwrap();
                self.push(
                    5_000,
                    Item::Blocks {
                        to: node,
                        above: longest,
                    },
                );
            }
            Effect::Evidence(evidence) => {
                let offender = self.index_of(&evidence.offender);
                let is_honest = offender.is_some_and(|offender| !self.nodes[offender].is_byzantine);
                self.laws.on_evidence(offender, is_honest, evidence.kind);
                self.nodes[node].evidence.push(evidence);
            }
            Effect::Doppelganger(_) => self.nodes[node].doppelgangers += 1,
            Effect::SafetyViolation { .. } => self.nodes[node].violations += 1,
            Effect::Note(note) => self.nodes[node].notes.push(note),
        }
    }

    fn send(
        &mut self,
        node: usize,
        from: NodeId,
        origin: Option<NodeId>,
        message: ConsensusMessage,
        block: Option<Block>,
    ) {
        if let Some(block) = &block {
            self.bodies.insert(block.hash(), block.clone());
        }
        let checked = self.check(message.clone());
        for to in 0..self.nodes.len() {
            let key = self.nodes[to].key.public_key();
            if to == node || Some(key) == origin {
                continue;
            }
            let envelope = Envelope {
                at: self.now,
                from: node,
                to,
                message: &message,
            };
            for after in (self.network)(&envelope) {
                self.messages += 1;
                let body = block.clone().map(|block| Body::Valid(verified(block)));
                self.push(
                    after,
                    Item::Deliver {
                        to,
                        from: Some(from),
                        message: checked.clone(),
                        body,
                    },
                );
            }
        }
    }

    /// Checks a message's signatures once, however often it is sent.
    pub(super) fn check(&mut self, message: ConsensusMessage) -> Verified<ConsensusMessage> {
        self.try_check(message).expect("a message that verifies")
    }

    fn try_check(&mut self, message: ConsensusMessage) -> Option<Verified<ConsensusMessage>> {
        let signature = *message.signature();
        if let Some(known) = self.checked.get(&signature)
            && **known == message
        {
            return Some(known.clone());
        }
        let context = MessageContext {
            domain: &self.domain,
            validators: &self.validators,
        };
        let checked = Verified::check(message, context).ok()?;
        self.checked.insert(signature, checked.clone());
        Some(checked)
    }

    /// The adversary speaks: to one node, over the network, if the signatures hold.
    pub(super) fn say(&mut self, from: usize, to: usize, message: ConsensusMessage, block: Option<Block>) {
        let Some(checked) = self.try_check(message.clone()) else {
            return;
        };
        if let Some(block) = &block {
            self.bodies.insert(block.hash(), block.clone());
        }
        let origin = self.nodes[from].key.public_key();
        let envelope = Envelope {
            at: self.now,
            from,
            to,
            message: &message,
        };
        for after in (self.network)(&envelope) {
            let body = block.clone().map(|block| Body::Valid(verified(block)));
            self.push(
                after,
                Item::Deliver {
                    to,
                    from: Some(origin),
                    message: checked.clone(),
                    body,
                },
            );
        }
    }

    fn with_adversary(&mut self, act: impl FnOnce(&mut dyn Adversary, &mut Self)) {
        if let Some(mut adversary) = self.adversary.take() {
            act(adversary.as_mut(), self);
            self.adversary = Some(adversary);
        }
    }

    fn index_of(&self, key: &NodeId) -> Option<usize> {
        self.validators.signer_of(key).map(usize::from)
    }

    /// Runs until virtual time `until`, in microseconds.
    pub(super) fn run_until(&mut self, until: u64) {
        while let Some(((at, _), _)) = self.queue.first_key_value() {
            if *at > until {
                break;
            }
            let ((at, _), item) = self.queue.pop_first().unwrap();
            self.now = at;
            self.handle(*item);
        }
        self.now = self.now.max(until);
    }

    pub(super) fn run_ms(&mut self, ms: u64) {
        self.run_until(self.now + millis(ms));
    }

    /// Runs until all live honest nodes have `height`, or `ms` have passed. True if they have.
    pub(super) fn run_to_height(&mut self, height: u64, ms: u64) -> bool {
        let end = self.now + millis(ms);
        while self.now < end && !self.all_at(height) {
            let next = self.queue.first_key_value().map_or(end, |((at, _), _)| *at);
            if next > end {
                break;
            }
            self.run_until(next.min(end));
        }
        self.all_at(height)
    }

    pub(super) fn all_at(&self, height: u64) -> bool {
        self.nodes
            .iter()
            .all(|node| node.is_byzantine || (node.machine.is_some() && node.chain.len() as u64 >= height))
    }

    fn handle(&mut self, item: Item) {
        match item {
            Item::Deliver {
                to, message, body, ..
            } if self.nodes[to].is_byzantine => {
                let block = match &body {
                    Some(Body::Valid(block)) => Some(Block::clone(block)),
                    Some(Body::Invalid(_) | Body::Mismatch) | None => None,
                };
                self.with_adversary(|adversary, world| {
                    adversary.on_heard(world, to, &message, block.as_ref())
                });
            }
            Item::Deliver {
                to,
                from,
                message,
                body,
            } => self.step(to, Event::Message { from, message, body }),
            Item::Timer {
                node,
                life,
                timer,
                at,
            } => {
                let one = &mut self.nodes[node];
                if one.life == life && one.timers.get(&timer) == Some(&at) {
                    one.timers.remove(&timer);
                    self.step(node, Event::Timer(timer));
                }
            }
            Item::Signed {
                node,
                life,
                request,
                signature,
            } => {
                if self.nodes[node].life == life {
                    self.step(node, Event::Signed { request, signature });
                }
            }
            Item::Blocks { to, above } => self.give_blocks(to, above),
            Item::Fetched { to, digest } => {
                let is_kept = self.nodes.iter().any(|node| {
                    node.machine.is_some()
                        && node
                            .disk
                            .iter()
                            .any(|record| matches!(record, Record::Body(block) if block.hash() == digest))
                });
                if let Some(block) = self.bodies.get(&digest).filter(|_| is_kept).cloned() {
                    self.step(to, Event::Fetched(verified(block)));
                }
            }
            Item::Decided {
                to,
                certificate,
                block,
            } => {
                let context = CertificateContext {
                    domain: &self.domain,
                    validators: &self.validators,
                };
                if let Ok(certificate) = Verified::check(certificate, context) {
                    self.step(
                        to,
                        Event::Decided {
                            certificate,
                            block: Some(verified(block)),
                        },
                    );
                }
            }
            Item::Tick => {
                self.with_adversary(|adversary, world| adversary.on_tick(world));
                self.push(TICK_US, Item::Tick);
            }
            Item::Restart { node } => {
                if self.nodes[node].machine.is_none() {
                    self.boot(node);
                }
            }
            Item::Crash { node } => {
                if self.nodes[node].machine.is_some() {
                    self.crash(node);
                }
            }
        }
    }

    /// Catch-up: every block that `above` has and `to` lacks, as DECIDED.
    fn give_blocks(&mut self, to: usize, above: usize) {
        while let Some((block, certificate)) =
            self.nodes[above].chain.get(self.nodes[to].chain.len()).cloned()
        {
            let before = self.nodes[to].chain.len();
            let context = CertificateContext {
                domain: &self.domain,
                validators: &self.validators,
            };
            let certificate = Verified::check(certificate, context).expect("a certificate that verifies");
            self.step(
                to,
                Event::Decided {
                    certificate,
                    block: Some(verified(block)),
                },
            );
            if self.nodes[to].chain.len() == before {
                return;
            }
        }
    }

    // What a test says in somebody's name.

    pub(super) fn vote(&self, signer: usize, step: Step, height: u64, round: u32, digest: BlockHash) -> Vote {
        let mut vote = Vote {
            step,
            height: Height::new(height),
            round: Round::new(round),
            digest,
            signer: signer as Signer,
            signature: Signature::from_bytes([0; 64]),
        };
        vote.signature = self.nodes[signer].key.sign(&vote.signing_bytes(&self.domain));
        vote
    }

    pub(super) fn prepared(
        &self,
        signers: &[usize],
        height: u64,
        round: u32,
        digest: BlockHash,
    ) -> PreparedCert {
        let signatures = signers
            .iter()
            .map(|signer| {
                (
                    *signer as Signer,
                    self.vote(*signer, Step::Prepare, height, round, digest).signature,
                )
            })
            .collect();
        PreparedCert {
            height: Height::new(height),
            round: Round::new(round),
            digest,
            signatures,
        }
    }

    pub(super) fn certificate(
        &self,
        signers: &[usize],
        height: u64,
        round: u32,
        digest: BlockHash,
    ) -> CommitCertificate {
        let signatures = signers
            .iter()
            .map(|signer| {
                (
                    *signer as Signer,
                    self.vote(*signer, Step::Commit, height, round, digest).signature,
                )
            })
            .collect();
        CommitCertificate {
            height: Height::new(height),
            round,
            block_hash: digest,
            signatures,
        }
    }

    pub(super) fn view_change(
        &self,
        signer: usize,
        height: u64,
        round: u32,
        lock: Option<PreparedCert>,
    ) -> ViewChange {
        let mut header = ViewChangeHeader {
            height: Height::new(height),
            round: Round::new(round),
            prepared: lock.as_ref().map(|lock| (lock.round, lock.digest)),
            signer: signer as Signer,
            signature: Signature::from_bytes([0; 64]),
        };
        header.signature = self.nodes[signer].key.sign(&header.signing_bytes(&self.domain));
        ViewChange {
            header,
            certificate: lock,
        }
    }

    pub(super) fn pre_prepare(
        &self,
        signer: usize,
        height: u64,
        round: u32,
        digest: BlockHash,
        view_changes: Vec<ViewChangeHeader>,
        prepared: Option<PreparedCert>,
    ) -> PrePrepare {
        let mut message = PrePrepare {
            height: Height::new(height),
            round: Round::new(round),
            digest,
            signer: signer as Signer,
            signature: Signature::from_bytes([0; 64]),
            view_changes,
            prepared,
        };
        message.signature = self.nodes[signer].key.sign(&message.signing_bytes(&self.domain));
        message
    }

    /// Delivers a message to `to` at once, as from its signer.
    pub(super) fn give(&mut self, to: usize, message: ConsensusMessage, body: Option<Block>) {
        let from = self.nodes[usize::from(message.signer())].key.public_key();
        if let Some(block) = &body {
            self.bodies.insert(block.hash(), block.clone());
        }
        let message = self.check(message);
        let body = body.map(|block| Body::Valid(verified(block)));
        self.step(
            to,
            Event::Message {
                from: Some(from),
                message,
                body,
            },
        );
    }

    /// Who leads `round` of `height`.
    pub(super) fn leader(&self, height: u64, round: u32) -> usize {
        usize::from(
            self.validators
                .proposer(Height::new(height), Round::new(round))
                .unwrap(),
        )
    }

    /// A block that is valid on `node`'s tip, made by the leader of `round`.
    pub(super) fn block(&self, node: usize, round: u32, salt: u64) -> Block {
        let ledger = &self.nodes[node].ledger;
        let (height, _, parent) = ledger.tip();
        let leader = self.leader(height.next().get(), round);
        let timestamp = TimestampMs::new(self.clock(node).wall.get().max(parent.get() + 1));
        let prev_commit = self.nodes[node]
            .machine
            .as_ref()
            .and_then(Machine::tip_certificate);
        ledger.make(
            *self.validators.key(leader as Signer).unwrap(),
            Round::new(round),
            timestamp,
            prev_commit,
            salt,
        )
    }

    /// Messages that `node` sent at `height`, of one step, without resends.
    pub(super) fn sent(&self, node: usize, height: u64, step: Step) -> Vec<ConsensusMessage> {
        let mut seen = BTreeSet::new();
        self.nodes[node]
            .sent
            .iter()
            .filter(|message| message.height().get() == height && message.step() == step)
            .filter(|message| seen.insert(*message.signature()))
            .cloned()
            .collect()
    }

    pub(super) fn round(&self, node: usize) -> u32 {
        self.nodes[node].machine.as_ref().unwrap().view().round.get()
    }

    pub(super) fn trace_hash(&self) -> Hash256 {
        let lines = self.trace.as_ref().expect("a traced world");
        let mut writer = HashWriter::new("toy-trace");
        for line in lines {
            writer = writer.bytes(line.as_bytes()).bytes(b"\n");
        }
        writer.finish()
    }
}

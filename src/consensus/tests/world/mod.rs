//! Whole machines on a virtual clock, network and disk.

mod perform;
mod queue;
mod run;
mod voices;
mod wire;

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasherDefault, Hasher},
    rc::Rc,
};

use timecoin::{
    chain::{Block, BlockHash, BlockHeader, CommitCertificate, Height, TimestampMs},
    consensus::{
        Body, ConsensusMessage, Effect, Event, Evidence, Machine, MachineConfig, Mono, Note, Now, Quorum,
        Record, Recovered, SigningDomain, Timer, Timing, Tip, ValidatorSet,
    },
    crypto::{Hash256, HashWriter, NodeId, SecretKey, Signature, Verified},
};

use super::{
    laws::Laws,
    set_plan::SetPlan,
    toy_ledger::{ToyLedger, verified},
};

pub(crate) use queue::Queue;

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

/// After how many microseconds an envelope arrives: never, once or twice.
pub(crate) type Arrivals = [Option<u64>; 2];

/// It is lost.
pub(crate) const NEVER: Arrivals = [None, None];

/// It arrives once.
pub(crate) const fn once(after_us: u64) -> Arrivals {
    [Some(after_us), None]
}

/// Says when an envelope arrives.
pub(super) type Network = Box<dyn FnMut(&Envelope<'_>) -> Arrivals>;

/// A message and its block, checked once, however many it goes to.
#[derive(Clone)]
pub(super) struct Parcel {
    pub(super) message: Rc<Verified<ConsensusMessage>>,
    pub(super) block: Option<Rc<Verified<Block>>>,
}

pub(super) enum Item {
    Deliver {
        to: usize,
        from: usize,
        parcel: Parcel,
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
        decision: Rc<(CommitCertificate, Block)>,
    },
    Tick,
}

impl Item {
    /// The node whose attention it takes.
    fn target(&self) -> Option<usize> {
        match self {
            Self::Deliver { to, .. }
            | Self::Blocks { to, .. }
            | Self::Fetched { to, .. }
            | Self::Decided { to, .. } => Some(*to),
            Self::Timer { node, .. } | Self::Signed { node, .. } => Some(*node),
            Self::Restart { .. } | Self::Crash { .. } | Self::Tick => None,
        }
    }
}

/// What happens in a world, for whoever watches it.
pub(super) enum Sight<'a> {
    /// A message arrives at `node`.
    Arrives(Option<usize>, &'a ConsensusMessage),
    /// `node` does this.
    Does(&'a Effect),
    /// In words.
    Says(String),
    Starts(Height),
    Crashes,
}

/// Told of everything that happens: the time in microseconds, the node, and what.
pub(super) type Watcher = Box<dyn FnMut(u64, usize, &Sight<'_>)>;

pub(super) struct Node {
    pub(super) key: SecretKey,
    /// Its public half, asked for with every message.
    pub(super) id: NodeId,
    pub(super) machine: Option<Machine>,
    pub(super) ledger: ToyLedger,
    /// What survives a crash.
    pub(super) disk: Vec<Record>,
    /// How many of its records were synced: the rest, a crash may lose.
    synced: usize,
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
    /// Byzantine, but running the honest program on a key that another node has too.
    pub(super) is_twin: bool,
    /// Once it is down it stays down, and nobody waits for it.
    pub(super) stays_down: bool,
    /// Busy with a block until then; what comes meanwhile waits.
    busy_until: u64,
    /// Runs without a consensus key.
    pub(super) only_follows: bool,
    pub(super) clock_offset_ms: u64,
}

impl Node {
    /// Byzantine, and played by the adversary.
    fn is_puppet(&self) -> bool {
        self.is_byzantine && !self.is_twin
    }

    fn new(key: SecretKey, plan: SetPlan, chain_id: Hash256) -> Self {
        Self {
            ledger: ToyLedger::new(key.public_key(), plan, chain_id),
            id: key.public_key(),
            key,
            machine: None,
            disk: Vec::new(),
            synced: 0,
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
            is_twin: false,
            stays_down: false,
            busy_until: 0,
            only_follows: false,
            clock_offset_ms: 0,
        }
    }
}

pub(super) struct World {
    pub(super) nodes: Vec<Node>,
    /// The set of height 1; of every height, unless a plan says otherwise.
    pub(super) validators: ValidatorSet,
    pub(super) domain: SigningDomain,
    plan: Option<SetPlan>,
    pub(super) chain_id: Hash256,
    pub(super) now: u64,
    queue: Queue<Item>,
    pub(super) network: Network,
    pub(super) laws: Laws,
    /// Work waits for every height below this; above, only the block interval makes blocks.
    pub(super) work_below: u64,
    pub(super) forwards: bool,
    pub(super) answers: bool,
    pub(super) sign_delay_us: Option<fn(u64) -> u64>,
    pub(super) restart_after_us: u64,
    /// How long a node is busy with a proposed block.
    pub(super) validation_us: Option<fn(u64) -> u64>,
    /// A crash loses what was written and not synced, or a part of it.
    pub(super) loses_unsynced: bool,
    pub(super) points: u64,
    pub(super) messages: u64,
    /// What was found to verify, by the first bytes of its signature.
    checked: HashMap<u64, Rc<Verified<ConsensusMessage>>, BuildHasherDefault<AsItIs>>,
    bodies: BTreeMap<BlockHash, Rc<Verified<Block>>>,
    /// Of every height, the headers that were hashed.
    hashed: BTreeMap<Height, Vec<(BlockHeader, BlockHash)>>,
    pub(super) trace: Option<Vec<String>>,
    pub(super) watcher: Option<Watcher>,
    /// Whether nodes' messages and notes are kept for a test to look at.
    pub(super) remembers: bool,
    pub(super) adversary: Option<Box<dyn Adversary>>,
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
        let plan = SetPlan::fixed(validators.clone(), chain_id);
        let nodes = keys
            .into_iter()
            .map(|key| Node::new(key, plan.clone(), chain_id))
            .collect();
        Self {
            nodes,
            domain: SigningDomain {
                chain_id,
                vset_hash: validators.hash(),
            },
            validators,
            plan: None,
            chain_id,
            now: millis(1),
            queue: Queue::new(),
            network: Box::new(|_| once(1_000)),
            laws: Laws::default(),
            work_below: u64::MAX,
            forwards: false,
            answers: true,
            sign_delay_us: None,
            restart_after_us: millis(200),
            validation_us: None,
            loses_unsynced: false,
            points: 0,
            messages: 0,
            checked: HashMap::default(),
            bodies: BTreeMap::new(),
            hashed: BTreeMap::new(),
            trace: None,
            watcher: None,
            remembers: true,
            adversary: None,
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

    /// From now on one node sits out every epoch of `every` heights, in turn. Before the start.
    pub(super) fn rotate(&mut self, every: u64) {
        let keys: Vec<_> = self.nodes.iter().map(|node| node.id).collect();
        let plan = SetPlan::rotating(&keys, every, self.chain_id);
        for node in &mut self.nodes {
            node.ledger.plan = plan.clone();
        }
        let (validators, domain) = plan.at(Height::new(1));
        (self.validators, self.domain) = (validators.clone(), *domain);
        self.plan = Some(plan);
    }

    /// A second node with the key of `node`, and a disk of its own. Before the start.
    pub(super) fn add_twin(&mut self, node: usize) {
        let original = &mut self.nodes[node];
        (original.is_byzantine, original.is_twin) = (true, true);
        let (key, plan) = (original.key.clone(), original.ledger.plan.clone());
        let mut twin = Node::new(key, plan, self.chain_id);
        (twin.is_byzantine, twin.is_twin) = (true, true);
        self.nodes.push(twin);
    }

    /// The validators of `height`, and what their signatures are bound to.
    pub(super) fn set_at(&self, height: Height) -> (&ValidatorSet, &SigningDomain) {
        match &self.plan {
            Some(plan) => plan.at(height),
            None => (&self.validators, &self.domain),
        }
    }

    /// The arithmetic of the sets, all of which are equally large.
    pub(super) fn quorum(&self) -> Quorum {
        self.validators.quorum()
    }

    /// Starts every node that is not Byzantine.
    pub(super) fn start(&mut self) {
        for node in 0..self.nodes.len() {
            if !self.nodes[node].is_puppet() {
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
            me: (!self.nodes[node].only_follows).then(|| self.nodes[node].id),
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
        let one = &mut self.nodes[node];
        one.life += 1;
        one.timers.clear();
        one.crash_after = None;
        one.busy_until = 0;
        one.synced = one.disk.len();
        // What the storage would hold: every decided height with its body.
        let mut bodies: BTreeMap<BlockHash, Block> = BTreeMap::new();
        one.ledger = ToyLedger {
            salt: one.ledger.salt,
            can_build: one.ledger.can_build,
            ..ToyLedger::new(one.id, one.ledger.plan.clone(), chain_id)
        };
        one.chain.clear();
        for record in &one.disk {
            match record {
                Record::Body(block) => {
                    let digest = block.hash();
                    self.laws.on_body(node, digest);
                    bodies.insert(digest, block.clone());
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
                Record::Signed(_)
                | Record::Lock(_)
                | Record::RaisedTo(_)
                | Record::Lost
                | Record::Vouched(..) => {}
            }
        }
        let (height, hash, timestamp) = one.ledger.tip();
        if !self.nodes[node].is_byzantine {
            self.laws.on_restart(node, height);
        }
        self.show(node, &Sight::Starts(height));
        let one = &self.nodes[node];
        let tip = Tip {
            height,
            hash,
            timestamp,
            certificate: one.chain.last().map(|(_, certificate)| certificate.clone()),
            decided_at: None,
        };
        let recovered =
            Recovered::from_records(one.disk.iter().cloned(), height, |block| Some(verified(block)));
        let validators = self.set_at(height.next()).0.clone();
        let now = self.clock(node);
        let one = &mut self.nodes[node];
        one.machine = Some(Machine::new(config, tip, validators, recovered));
        let effects = one.machine.as_mut().unwrap().start(now, &mut one.ledger);
        self.perform(node, effects);
        self.tell_work(node);
        self.tell_links(node, true);
    }

    /// Sessions come up and go down with the processes.
    fn tell_links(&mut self, node: usize, is_up: bool) {
        let key = self.nodes[node].id;
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            if self.adversary.is_some() && self.nodes[other].is_puppet() {
                let key = self.nodes[other].id;
                self.step(node, Event::ValidatorUp(key));
            }
            if self.nodes[other].machine.is_some() {
                let event = if is_up {
                    Event::ValidatorUp(key)
                } else {
                    Event::ValidatorDown(key)
                };
                self.step(other, event);
                let key = self.nodes[other].id;
                self.step(node, Event::ValidatorUp(key));
            }
        }
    }

    pub(super) fn crash(&mut self, node: usize) {
        self.kill(node);
        self.tell_links(node, false);
        if !self.nodes[node].stays_down {
            self.push(self.restart_after_us, Item::Restart { node });
        }
    }

    pub(super) fn kill(&mut self, node: usize) {
        self.show(node, &Sight::Crashes);
        let drawn = self.queue.sequence().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
        let one = &mut self.nodes[node];
        one.machine = None;
        one.timers.clear();
        if self.loses_unsynced {
            // A record that was torn counts for nothing: the log's checksum finds it.
            let unsynced = one.disk.len() - one.synced;
            let kept = drawn as usize % (unsynced + 1);
            one.disk.truncate(one.synced + kept);
            self.laws.on_crash(node);
        }
    }

    pub(super) fn clock(&self, node: usize) -> Now {
        let wall = EPOCH_MS + self.now / 1_000 + self.nodes[node].clock_offset_ms;
        Now {
            mono: Mono::from_micros(self.now),
            wall: TimestampMs::new(wall),
        }
    }

    pub(super) fn push(&mut self, after_us: u64, item: Item) {
        self.queue.push(self.now + after_us, item);
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
        if !effects.is_empty() {
            self.perform(node, effects);
        }
    }

    fn show(&mut self, node: usize, sight: &Sight<'_>) {
        if let Some(watcher) = &mut self.watcher {
            watcher(self.now, node, sight);
        }
    }

    fn index_of(&self, key: &NodeId) -> Option<usize> {
        self.nodes.iter().position(|node| node.id == *key)
    }

    /// The node that signs as `signer` at `height`.
    fn node_of(&self, height: Height, signer: timecoin::consensus::Signer) -> Option<usize> {
        let key = self.set_at(height).0.key(signer)?;
        self.index_of(key)
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

/// For keys that are bytes of a hash already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 << 8) | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

fn body_of(parcel: &Parcel) -> Option<Body> {
    let block = parcel.block.as_ref()?;
    Some(Body::Valid(Box::new(Verified::clone(block))))
}

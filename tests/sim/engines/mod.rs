//! Whole validators: `timecoin::engine` with its ledger, pool and catching up, on a virtual clock,
//! network and disk. What their driver owes them, this world does: effects in order, nothing leaves
//! before what was persisted is on the disk, signatures are checked before an event is made of them.
//!
//! Slower than the machines of `world`, and beside them for what these leave out: real blocks and
//! coins, the pool, range requests, storage that flushes later than the log, and holds.

mod disk;
mod perform;
mod schedule;
mod stage;
mod traffic;
mod wire;

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
};

use timecoin::{
    chain::{
        Address, Amount, Block, BlockHash, ChainState, CommitCertificate, Genesis, GenesisMasternode,
        GenesisOutput, Height, Network as ChainNetwork, Params, Rules, SharedTransaction, Tier, TimestampMs,
        TxId,
    },
    consensus::{
        ConsensusMessage, Evidence, Mono, Now, Recovered, SigningDomain, Timer, Tip, ValidatorSet,
        judge_evidence,
    },
    crypto::{Hash256, HashWriter, NodeId, SecretKey, Signature, Verified},
    engine::{Engine, EngineConfig, Event, Ledger, Start},
    mempool::PoolLimits,
    sync::Request,
};

use crate::{
    byzantine::Mind,
    laws::Laws,
    one::Digest,
    world::{Arrivals, Queue, Sight, Watcher, once},
};

use disk::Disk;
pub(crate) use schedule::run;

/// Wall clock of virtual time zero.
const EPOCH_MS: u64 = 2_000_000;
/// How often an engine gets its tick, in microseconds.
const TICK_US: u64 = 100_000;
/// How often the adversary may act unasked, in microseconds.
const MIND_US: u64 = 40_000;
/// How long a restarted validator listens before it signs, in milliseconds.
const LISTEN_MS: u64 = 1_000;
/// What every coin of the genesis holds.
const COIN_UNITS: u64 = 1_000_000;

/// What travels between nodes.
#[derive(Clone)]
enum Packet {
    Consensus(Rc<ConsensusMessage>, Option<Rc<Block>>),
    Decided(Rc<(CommitCertificate, Block)>),
    GetBody(BlockHash),
    Body(Rc<Block>),
    GetBlocks(Request),
    Blocks(Height, Rc<Vec<Block>>, Option<CommitCertificate>),
    GetStatus,
    Status(Height, Option<CommitCertificate>),
    GetTransactions(Rc<Vec<TxId>>),
    Transactions(Rc<Vec<SharedTransaction>>),
    Evidence(Rc<Evidence>),
}

enum Item {
    Deliver {
        from: usize,
        to: usize,
        packet: Packet,
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
    Tick {
        node: usize,
        life: u32,
    },
    /// Storage has the block and serves it.
    Stored {
        node: usize,
        life: u32,
        height: Height,
    },
    /// Storage flushed everything up to here; the log forgets it.
    Flushed {
        node: usize,
        life: u32,
        height: Height,
    },
    /// A range that was asked for did not come.
    Unanswered {
        node: usize,
        life: u32,
        request: Request,
    },
    Submit {
        node: usize,
        transaction: SharedTransaction,
    },
    Crash {
        node: usize,
    },
    Restart {
        node: usize,
    },
    Mind,
}

/// When a packet arrives.
type Link = Box<dyn FnMut(u64, usize, usize) -> Arrivals>;

struct Node {
    key: SecretKey,
    /// Its public half, asked for with every packet.
    id: NodeId,
    engine: Option<Engine>,
    disk: Disk,
    life: u32,
    timers: BTreeMap<Timer, Mono>,
    /// Transactions of the pool and proposals seen: what it serves besides its chain.
    pooled: BTreeMap<TxId, SharedTransaction>,
    proposals: BTreeMap<BlockHash, Rc<Block>>,
    asked: BTreeMap<(NodeId, Height), Request>,
    is_byzantine: bool,
    /// Its next crash takes the log with it.
    loses_log: bool,
    crash_after: Option<u64>,
    clock_offset_ms: u64,
}

/// Whole validators and everything around them.
pub(crate) struct Engines {
    nodes: Vec<Node>,
    genesis: Genesis,
    chain_id: Hash256,
    pub(crate) now: u64,
    queue: Queue<Item>,
    link: Link,
    laws: Laws,
    /// The set of every height that somebody got to.
    sets: BTreeMap<Height, (ValidatorSet, SigningDomain)>,
    commitments: BTreeMap<Height, Hash256>,
    checked: wire::Checked,
    mind: Option<Box<Mind>>,
    sign_delay_us: Option<fn(u64) -> u64>,
    flush_after_us: u64,
    restart_after_us: u64,
    drawn: u64,
    watcher: Option<Watcher>,
}

impl Engines {
    /// `n` masternodes and `coins` coins, coin i spendable by [`owner`] i.
    fn new(n: usize, coins: u64, period_ms: u64, make: &dyn Fn(&[u8; 32]) -> SecretKey) -> Self {
        let mut keys: Vec<SecretKey> = (0..n).map(|index| make(&seed("node", index as u64))).collect();
        keys.sort_by_key(SecretKey::public_key);
        let address = |key: &SecretKey| Address::of(&key.public_key());
        let genesis = Genesis {
            network: ChainNetwork::Devnet,
            timestamp_ms: TimestampMs::new(EPOCH_MS - 1_000),
            params: Params {
                reward_period_ms: period_ms,
                ..Params::default_for(ChainNetwork::Devnet)
            },
            masternodes: (0..n)
                .map(|index| GenesisMasternode {
                    name: format!("node{index}"),
                    validator_key: keys[index].public_key(),
                    node_key: None,
                    payout: address(&keys[index]),
                    tier: Tier::ALL[index % Tier::ALL.len()],
                })
                .collect(),
            outputs: (0..coins)
                .map(|index| GenesisOutput {
                    address: address(&make(&seed("owner", index))),
                    amount: Amount::from_units(COIN_UNITS),
                })
                .collect(),
        };
        let chain_id = genesis.chain_id();
        let first = ChainState::genesis(&genesis);
        let nodes = keys
            .into_iter()
            .map(|key| Node {
                id: key.public_key(),
                key,
                engine: None,
                disk: Disk::new(first.clone()),
                life: 0,
                timers: BTreeMap::new(),
                pooled: BTreeMap::new(),
                proposals: BTreeMap::new(),
                asked: BTreeMap::new(),
                is_byzantine: false,
                loses_log: false,
                crash_after: None,
                clock_offset_ms: 0,
            })
            .collect();
        let mut world = Self {
            nodes,
            genesis,
            chain_id,
            now: 1_000,
            queue: Queue::new(),
            link: Box::new(|_, _, _| once(1_000)),
            laws: Laws::default(),
            sets: BTreeMap::new(),
            commitments: BTreeMap::new(),
            checked: wire::Checked::default(),
            mind: None,
            sign_delay_us: None,
            flush_after_us: 200_000,
            restart_after_us: 200_000,
            drawn: 0,
            watcher: None,
        };
        world.note_set(Height::GENESIS, 0);
        world
    }

    fn rules(&self) -> Rules {
        Rules::of(&self.genesis, judge_evidence)
    }

    /// Takes down who decides the height above `tip`, from the state of `node`.
    fn note_set(&mut self, tip: Height, node: usize) {
        if self.sets.contains_key(&tip.next()) {
            return;
        }
        let set = ValidatorSet::new(self.nodes[node].disk.state_at(tip).validators());
        let domain = SigningDomain {
            chain_id: self.chain_id,
            vset_hash: set.hash(),
        };
        self.sets.insert(tip.next(), (set, domain));
    }

    fn start(&mut self) {
        for node in 0..self.nodes.len() {
            if !self.nodes[node].is_byzantine {
                self.boot(node);
            }
        }
        if self.mind.is_some() {
            self.push(MIND_US, Item::Mind);
        }
    }

    fn push(&mut self, after_us: u64, item: Item) {
        self.queue.push(self.now + after_us, item);
    }

    fn draw(&mut self) -> u64 {
        self.drawn = self.drawn.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.drawn ^ (self.drawn >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed ^ (mixed >> 31)
    }

    fn clock(&self, node: usize) -> Now {
        Now {
            mono: Mono::from_micros(self.now),
            wall: TimestampMs::new(EPOCH_MS + self.now / 1_000 + self.nodes[node].clock_offset_ms),
        }
    }

    fn index_of(&self, key: &NodeId) -> Option<usize> {
        self.nodes.iter().position(|node| node.id == *key)
    }

    /// Starts a node from its disk, as `timed` does: the log's decisions first, then the engine.
    fn boot(&mut self, node: usize) {
        let (chain_id, params, rules) = (self.chain_id, self.genesis.params, self.rules());
        let one = &mut self.nodes[node];
        one.life += 1;
        one.timers.clear();
        one.asked.clear();
        one.crash_after = None;
        one.disk.recover(&rules);
        for body in one.disk.bodies() {
            self.laws.on_body(node, body);
        }
        let one = &mut self.nodes[node];
        let state = one.disk.state().clone();
        let tip = Tip {
            height: state.tip.height,
            hash: state.tip.hash,
            timestamp: state.tip.timestamp_ms,
            certificate: one.disk.certificate(),
            decided_at: None,
        };
        if !one.is_byzantine {
            self.laws.on_restart(node, tip.height);
        }
        self.show(node, &Sight::Starts(tip.height));
        let one = &mut self.nodes[node];
        let me = one.id;
        let view: Arc<disk::Coins> = one.disk.coins();
        let mut ledger = Ledger::new(chain_id, params, Some(me), state, view, PoolLimits::default());
        if let Some(certificate) = tip.certificate.clone() {
            ledger.remember_tip(certificate);
        }
        let recovered =
            Recovered::from_records(one.disk.log().iter().cloned(), tip.height, disk::checked_before);
        let config = EngineConfig {
            chain_id,
            params,
            me: Some(me),
            holds: BTreeSet::new(),
            certified: tip.height,
            listen_ms: LISTEN_MS,
            has_signed: recovered.last_signed().is_some(),
        };
        one.engine = Some(Engine::new(config, Start { tip, recovered }, ledger));
        let life = one.life;
        let now = self.clock(node);
        let effects = self.nodes[node].engine.as_mut().map(|engine| engine.start(now));
        self.perform(node, effects.unwrap_or_default());
        self.push(TICK_US, Item::Tick { node, life });
        for other in 0..self.nodes.len() {
            if other != node && (self.nodes[other].engine.is_some() || self.nodes[other].is_byzantine) {
                self.connect(node, other);
                self.connect(other, node);
            }
        }
    }

    /// `node` gets a session with `other`.
    fn connect(&mut self, node: usize, other: usize) {
        let peer = self.nodes[other].id;
        let event = Event::PeerUp {
            peer,
            validator: Some(peer),
            height: self.nodes[other].disk.tip(),
        };
        self.step(node, event);
    }

    fn show(&mut self, node: usize, sight: &Sight<'_>) {
        if let Some(watcher) = &mut self.watcher {
            watcher(self.now, node, sight);
        }
    }

    fn crash(&mut self, node: usize) {
        self.show(node, &Sight::Crashes);
        let draw = self.draw();
        let one = &mut self.nodes[node];
        one.engine = None;
        // Whatever was under way for this life comes to nothing.
        one.life += 1;
        one.timers.clear();
        one.pooled.clear();
        one.proposals.clear();
        if std::mem::take(&mut one.loses_log) {
            one.disk.lose_log();
        }
        one.disk.lose_unsynced(draw);
        self.laws.on_crash(node);
        let peer = self.nodes[node].id;
        for other in 0..self.nodes.len() {
            self.step(other, Event::PeerDown { peer });
        }
        self.push(self.restart_after_us, Item::Restart { node });
    }

    fn step(&mut self, node: usize, event: Event) {
        let now = self.clock(node);
        let Some(engine) = self.nodes[node].engine.as_mut() else {
            return;
        };
        let effects = engine.step(now, event);
        if !effects.is_empty() {
            self.perform(node, effects);
        }
    }

    fn run_until(&mut self, until: u64) {
        while self.queue.next_at().is_some_and(|at| at <= until) && self.laws.broken.is_empty() {
            self.happen();
        }
        self.now = self.now.max(until);
    }

    fn run_to_height(&mut self, height: u64, ms: u64) -> bool {
        let end = self.now + ms * 1_000;
        while !self.all_at(height) && self.laws.broken.is_empty() {
            if self.queue.next_at().is_none_or(|at| at > end) {
                return false;
            }
            self.happen();
        }
        true
    }

    fn all_at(&self, height: u64) -> bool {
        self.nodes
            .iter()
            .all(|node| node.is_byzantine || (node.engine.is_some() && node.disk.tip().get() >= height))
    }

    fn happen(&mut self) {
        let Some((at, item)) = self.queue.pop() else {
            return;
        };
        self.now = at;
        match item {
            Item::Deliver { from, to, packet } => self.deliver(from, to, packet),
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
                    let signature = Some(signature);
                    self.step(node, Event::Signed { request, signature });
                }
            }
            Item::Tick { node, life } => {
                if self.nodes[node].life == life && self.nodes[node].engine.is_some() {
                    self.step(node, Event::Tick);
                    self.push(TICK_US, Item::Tick { node, life });
                }
            }
            Item::Stored { node, life, height } => {
                if self.nodes[node].life == life {
                    self.step(node, Event::Committed(height));
                }
            }
            Item::Flushed { node, life, height } => {
                if self.nodes[node].life == life {
                    self.nodes[node].disk.flush(height);
                }
            }
            Item::Unanswered { node, life, request } => self.give_up(node, life, &request),
            Item::Submit { node, transaction } => self.submit(node, transaction),
            Item::Crash { node } => {
                if self.nodes[node].engine.is_some() {
                    self.crash(node);
                }
            }
            Item::Restart { node } => {
                if self.nodes[node].engine.is_none() {
                    self.boot(node);
                }
            }
            Item::Mind => {
                self.with_mind(|mind, world| mind.act(world));
                self.push(MIND_US, Item::Mind);
            }
        }
    }

    fn with_mind(&mut self, act: impl FnOnce(&mut Mind, &mut Self)) {
        if let Some(mut mind) = self.mind.take() {
            act(&mut mind, self);
            self.mind = Some(mind);
        }
    }

    /// Mixes into `digest` what everybody came to.
    pub(crate) fn digest(&self, mut digest: Digest) -> u64 {
        digest.mix(self.now);
        digest.mix(self.drawn);
        digest.mix(self.queue.sequence());
        for node in &self.nodes {
            for stored in node.disk.chain() {
                digest.decided(stored.hash(), &stored.certificate);
            }
        }
        digest.finish()
    }

    /// The size of the first set.
    pub(crate) fn n(&self) -> usize {
        self.genesis.masternodes.len()
    }

    /// The longest honest chain's certificates.
    pub(crate) fn certificates(&self) -> Vec<CommitCertificate> {
        let honest = self.nodes.iter().filter(|node| !node.is_byzantine);
        let longest = honest.max_by_key(|node| node.disk.tip());
        longest.map_or_else(Vec::new, |node| node.disk.certificates())
    }
}

/// The seed of a key of this world.
fn seed(whose: &str, index: u64) -> [u8; 32] {
    let writer = HashWriter::new("engines").bytes(whose.as_bytes()).u64(index);
    *writer.finish().as_bytes()
}

fn verified_block(block: Block, chain_id: &Hash256) -> Option<Verified<Block>> {
    let known = &|_: &timecoin::chain::WitnessTxId| false;
    Verified::check(block, timecoin::chain::BlockContext { chain_id, known }).ok()
}

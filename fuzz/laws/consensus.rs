//! The validator: whatever validators say to it in whatever order, and whatever its timers do, it does
//! not panic, signs one thing at a position and only upwards, and logs what it signs before it says it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use timecoin::{
    chain::{
        Address, Amount, Block, BlockContext, BlockHash, ChainState, CommitCertificate, Draft, EmptyView,
        Genesis, GenesisMasternode, GenesisOutput, Height, Network, Params, Rules, Tier, TimestampMs,
        assemble,
    },
    consensus::{
        Body, ConsensusMessage, MessageContext, Mono, Now, Position, PrePrepare, PreparedCert, Record,
        Recovered, Round, Signer, SigningDomain, Step, Timer, Tip, ValidatorSet, ViewChange,
        ViewChangeHeader, Vote, judge_evidence,
    },
    crypto::{Hash256, SecretKey, Signature, Verified},
    engine::{Effect, Engine, EngineConfig, Event, Ledger, SharedView, Start},
    mempool::PoolLimits,
};

use super::Bytes;

const NODES: u64 = 4;
/// Steps of one run: more finds nothing new and takes long.
const STEPS_MAX: usize = 160;

fn key(n: u64) -> SecretKey {
    let mut seed = [1; 32];
    seed[0] = n as u8;
    SecretKey::from_seed(&seed)
}

/// A chain of `nodes` masternodes.
pub(crate) fn genesis(nodes: u64) -> Genesis {
    Genesis {
        network: Network::Devnet,
        timestamp_ms: TimestampMs::new(1_000_000),
        params: Params::default_for(Network::Devnet),
        masternodes: (0..nodes)
            .map(|n| GenesisMasternode {
                name: format!("node{n}"),
                validator_key: key(n).public_key(),
                node_key: None,
                payout: Address::of(&key(n).public_key()),
                tier: Tier::ALL[0],
            })
            .collect(),
        outputs: vec![GenesisOutput {
            address: Address::of(&key(100).public_key()),
            amount: Amount::from_units(1_000_000),
        }],
    }
}

struct World {
    engine: Engine,
    keys: Vec<SecretKey>,
    me: Signer,
    domain: SigningDomain,
    validators: ValidatorSet,
    chain_id: Hash256,
    rules: Rules,
    state: ChainState,
    /// Blocks that could be proposed: the leader's of each of the first rounds, and a second one.
    blocks: Vec<Block>,
    now_ms: u64,
    timers: BTreeSet<Timer>,
    signed: BTreeMap<Position, Vec<u8>>,
    logged: BTreeMap<Position, Signature>,
    highest: Option<Position>,
}

impl World {
    fn new(me: u64) -> Self {
        let genesis = genesis(NODES);
        let (state, _) = ChainState::genesis(&genesis);
        let validators = ValidatorSet::new(state.validators());
        let mut keys: Vec<SecretKey> = (0..NODES).map(key).collect();
        keys.sort_by_key(|key| validators.signer_of(&key.public_key()));
        let chain_id = genesis.chain_id();
        let my_key = keys[me as usize].public_key();
        let config = EngineConfig {
            chain_id,
            params: genesis.params,
            me: Some(my_key),
            holds: BTreeSet::new(),
            listen_ms: 0,
            has_signed: false,
            certified: Height::GENESIS,
        };
        let tip = Tip {
            height: state.tip.height,
            hash: state.tip.hash,
            timestamp: state.tip.timestamp_ms,
            certificate: None,
            decided_at: None,
        };
        let recovered = Recovered::from_records(Vec::new(), state.tip.height, |_| None);
        let view: SharedView = Arc::new(EmptyView);
        let ledger = Ledger::new(
            chain_id,
            genesis.params,
            Some(my_key),
            state.clone(),
            view,
            PoolLimits::default(),
        );
        let mut world = Self {
            engine: Engine::new(config, Start { tip, recovered }, ledger),
            domain: SigningDomain {
                chain_id,
                vset_hash: validators.hash(),
            },
            keys,
            me: me as Signer,
            validators,
            chain_id,
            rules: Rules::of(&genesis, judge_evidence),
            blocks: Vec::new(),
            state,
            now_ms: 2_000_000,
            timers: BTreeSet::new(),
            signed: BTreeMap::new(),
            logged: BTreeMap::new(),
            highest: None,
        };
        world.blocks = (0..5).map(|n| world.block(n % 4, u64::from(n) / 4)).collect();
        let now = world.now();
        let effects = world.engine.start(now);
        world.perform(effects);
        world
    }

    fn now(&self) -> Now {
        Now {
            mono: Mono::from_micros(self.now_ms * 1_000),
            wall: TimestampMs::new(self.now_ms),
        }
    }

    fn block(&self, round: u32, salt: u64) -> Block {
        let leader = self.leader(1, round);
        let draft = Draft {
            proposer: self.keys[usize::from(leader)].public_key(),
            created_round: round,
            timestamp_ms: TimestampMs::new(2_000_000 + salt),
            prev_commit: None,
            evidence: Vec::new(),
            transactions: Vec::new(),
        };
        let assembled = assemble(draft, &self.state, &EmptyView, &self.rules);
        assembled.expect("an empty block is valid").block.into_inner()
    }

    fn leader(&self, height: u64, round: u32) -> Signer {
        self.validators
            .proposer(Height::new(height), Round::new(round))
            .expect("the set is not empty")
    }

    fn step(&mut self, event: Event) {
        let now = self.now();
        let effects = self.engine.step(now, event);
        self.perform(effects);
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Sign { request, statement } => {
                    let (position, bytes) = (statement.position(), statement.bytes());
                    let known = self.signed.entry(position).or_insert_with(|| bytes.clone());
                    assert_eq!(*known, bytes, "two things at {position:?}");
                    let signature = Some(self.keys[usize::from(self.me)].sign(&bytes));
                    self.step(Event::Signed { request, signature });
                }
                Effect::Persist(Record::Signed(message)) => {
                    let position = message.position();
                    assert!(
                        Some(position) > self.highest,
                        "{position:?} after {:?}",
                        self.highest
                    );
                    self.highest = Some(position);
                    self.logged.insert(position, *message.signature());
                }
                Effect::Broadcast { message, .. } => {
                    let logged = self.logged.get(&message.position());
                    assert_eq!(logged, Some(message.signature()), "said before it was logged");
                }
                Effect::SetTimer { timer, .. } => {
                    self.timers.insert(timer);
                }
                Effect::Commit(block) => {
                    let height = block.block.height();
                    self.step(Event::Committed(height));
                }
                _ => {}
            }
        }
    }

    fn digest(&self, bytes: &mut Bytes<'_>) -> BlockHash {
        let which = bytes.below(self.blocks.len() as u64 + 1) as usize;
        self.blocks
            .get(which)
            .map_or(BlockHash::from_hash(Hash256::ZERO), Block::hash)
    }

    fn sign(&self, signer: Signer, bytes: &[u8]) -> Signature {
        self.keys[usize::from(signer)].sign(bytes)
    }

    fn vote(&self, signer: Signer, step: Step, height: u64, round: u32, digest: BlockHash) -> Vote {
        let mut vote = Vote {
            step,
            height: Height::new(height),
            round: Round::new(round),
            digest,
            signer,
            signature: Signature::from_bytes([0; 64]),
        };
        vote.signature = self.sign(signer, &vote.signing_bytes(&self.domain));
        vote
    }

    /// Signers by the bits of a byte, ascending.
    fn signers(bits: u8) -> impl Iterator<Item = Signer> {
        (0..NODES as Signer).filter(move |signer| bits & (1 << signer) != 0)
    }

    fn prepared(&self, bits: u8, round: u32, digest: BlockHash) -> PreparedCert {
        PreparedCert {
            height: Height::new(1),
            round: Round::new(round),
            digest,
            signatures: Self::signers(bits)
                .map(|signer| {
                    (
                        signer,
                        self.vote(signer, Step::Prepare, 1, round, digest).signature,
                    )
                })
                .collect(),
        }
    }

    fn lock(&self, bytes: &mut Bytes<'_>) -> Option<PreparedCert> {
        let choice = bytes.u8();
        if choice.is_multiple_of(2) {
            return None;
        }
        let digest = self.digest(bytes);
        Some(self.prepared(choice >> 1, bytes.below(4) as u32, digest))
    }

    fn header(&self, signer: Signer, round: u32, lock: Option<(Round, BlockHash)>) -> ViewChangeHeader {
        let mut header = ViewChangeHeader {
            height: Height::new(1),
            round: Round::new(round),
            prepared: lock,
            signer,
            signature: Signature::from_bytes([0; 64]),
        };
        header.signature = self.sign(signer, &header.signing_bytes(&self.domain));
        header
    }

    /// Delivers a message if its signatures hold, as the verifier would.
    fn give(&mut self, message: ConsensusMessage, block: Option<Block>) {
        let signer = usize::from(message.signer());
        let context = MessageContext {
            domain: &self.domain,
            validators: &self.validators,
        };
        let Ok(message) = Verified::check(message, context) else {
            return;
        };
        let from = self.keys[signer].public_key();
        let body = block
            .and_then(|block| self.verified(block))
            .map(|block| Body::Valid(Box::new(block)));
        let vset_hash = self.domain.vset_hash;
        self.step(Event::Consensus {
            from,
            vset_hash,
            message,
            body,
        });
    }

    fn verified(&self, block: Block) -> Option<Verified<Block>> {
        let context = BlockContext {
            chain_id: &self.chain_id,
            known: &|_| false,
        };
        Verified::check(block, context).ok()
    }

    /// Whoever else speaks; never we ourselves, whose messages are not made up here.
    fn other(&self, bytes: &mut Bytes<'_>) -> Signer {
        let signer = bytes.below(NODES) as Signer;
        match signer == self.me {
            true => (signer + 1) % NODES as Signer,
            false => signer,
        }
    }

    fn act(&mut self, bytes: &mut Bytes<'_>) {
        match bytes.u8() % 9 {
            choice @ (0 | 1) => {
                let step = if choice == 0 { Step::Prepare } else { Step::Commit };
                let (signer, digest) = (self.other(bytes), self.digest(bytes));
                let height = 1 + u64::from(bytes.below(12) == 0);
                let vote = self.vote(signer, step, height, bytes.below(5) as u32, digest);
                self.give(ConsensusMessage::Vote(vote), None);
            }
            2 => {
                let (signer, round) = (self.other(bytes), bytes.below(6) as u32);
                let certificate = self.lock(bytes);
                let prepared = certificate.as_ref().map(|lock| (lock.round, lock.digest));
                let header = self.header(signer, round, prepared);
                self.give(
                    ConsensusMessage::ViewChange(ViewChange { header, certificate }),
                    None,
                );
            }
            3 => self.propose(bytes),
            4 => {
                let which = bytes.below(self.timers.len() as u64) as usize;
                if let Some(timer) = self.timers.iter().nth(which).copied() {
                    self.timers.remove(&timer);
                    self.step(Event::Timer(timer));
                }
            }
            5 => {
                self.now_ms += u64::from(bytes.u16());
                self.step(Event::Tick);
            }
            6 => {
                let which = bytes.below(self.blocks.len() as u64) as usize;
                if let Some(block) = self.verified(self.blocks[which].clone()) {
                    self.step(Event::Fetched(Box::new(block)));
                }
            }
            7 => {
                let signer = self.other(bytes);
                let key = self.keys[usize::from(signer)].public_key();
                self.step(match bytes.u8() % 2 {
                    0 => Event::PeerUp {
                        peer: key,
                        validator: Some(key),
                        height: Height::new(0),
                    },
                    _ => Event::PeerDown { peer: key },
                });
            }
            _ => {
                let (bits, round, digest) = (bytes.u8(), bytes.below(4) as u32, self.digest(bytes));
                let signatures = Self::signers(bits)
                    .map(|signer| {
                        (
                            signer,
                            self.vote(signer, Step::Commit, 1, round, digest).signature,
                        )
                    })
                    .collect();
                let certificate = CommitCertificate {
                    height: Height::new(1),
                    round,
                    block_hash: digest,
                    signatures,
                };
                let block = self.blocks.iter().find(|block| block.hash() == digest).cloned();
                let block = block.and_then(|block| self.verified(block)).map(Box::new);
                let from = self.keys[usize::from(self.other(bytes))].public_key();
                self.step(Event::Decided {
                    from,
                    certificate,
                    block,
                });
            }
        }
    }

    fn propose(&mut self, bytes: &mut Bytes<'_>) {
        let round = bytes.below(5) as u32;
        let which = bytes.below(self.blocks.len() as u64) as usize;
        let block = self.blocks[which].clone();
        let signer = match bytes.u8() % 8 {
            0 => self.other(bytes),
            _ => self.leader(1, round),
        };
        if signer == self.me {
            return;
        }
        let prepared = self.lock(bytes);
        let (bits, locked) = (bytes.u8(), bytes.u8());
        let named = prepared.as_ref().map(|lock| (lock.round, lock.digest));
        let view_changes = match round {
            0 if bits < 250 => Vec::new(),
            _ => Self::signers(bits)
                .map(|one| self.header(one, round, named.filter(|_| locked & (1 << one) != 0)))
                .collect(),
        };
        let mut proposal = PrePrepare {
            height: Height::new(1),
            round: Round::new(round),
            digest: block.hash(),
            signer,
            signature: Signature::from_bytes([0; 64]),
            view_changes,
            prepared,
        };
        proposal.signature = self.sign(signer, &proposal.signing_bytes(&self.domain));
        let block = (!bytes.u8().is_multiple_of(4)).then_some(block);
        self.give(ConsensusMessage::PrePrepare(proposal), block);
    }
}

pub(crate) fn holds(data: &[u8]) {
    let mut bytes = Bytes(data);
    let mut world = World::new(bytes.below(NODES));
    for _ in 0..STEPS_MAX {
        if bytes.is_empty() {
            break;
        }
        world.act(&mut bytes);
    }
}

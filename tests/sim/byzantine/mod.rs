//! Byzantine validators, played by one mind that hears everything any of them hears. Each crime
//! stands in a file of its own; here is only what the mind knows and when it acts.

mod crime;
mod delayer;
mod double_spender;
mod equivocator;
mod forger;
mod liar;
mod silent;
mod stage;
mod tempter;
mod twin;
mod usurper;
mod voter;
mod withholder;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    rc::Rc,
};

use timecoin::{
    chain::{Block, BlockHash, CommitCertificate},
    consensus::{
        ConsensusMessage, PrePrepare, PreparedCert, Quorum, Round, Signer, Step, ViewChange,
        ViewChangeHeader, Vote,
    },
    crypto::Signature,
};

use crate::{
    schedule::Draws,
    world::{Adversary, Item, World},
};

pub(crate) use crime::Crime;
pub(crate) use stage::Stage;

/// Heights whose messages the mind remembers; older ones cannot be attacked any more.
const HEIGHTS_REMEMBERED: u64 = 3;

/// Proposals that it can make again.
const SAID_MAX: usize = 6;

type Slot = (u64, u32, BlockHash);

/// What all Byzantine nodes of one world know together.
pub(crate) struct Mind {
    draws: Draws,
    nodes: Vec<usize>,
    /// How often a crime is committed where one is possible, in percent; drawn per world, so that
    /// some adversaries are loud and some lie once.
    boldness: u64,
    salt: u64,
    prepares: BTreeMap<Slot, BTreeMap<Signer, Signature>>,
    commits: BTreeMap<Slot, BTreeMap<Signer, Signature>>,
    changes: BTreeMap<(u64, u32), BTreeMap<Signer, ViewChange>>,
    blocks: BTreeMap<BlockHash, Block>,
    led: BTreeSet<(u64, u32)>,
    /// Proposals made lately, to make them again to somebody else.
    said: VecDeque<(usize, PrePrepare, Block)>,
    crimes: Vec<Crime>,
    /// Positions voted at by crimes that vote but once.
    once: BTreeSet<(usize, Step, u64, u32)>,
    late: Vec<delayer::Late>,
    temptation: Option<tempter::Temptation>,
    forgotten_below: u64,
}

impl Mind {
    pub(crate) fn new(nodes: Vec<usize>, crimes: Vec<Crime>, mut draws: Draws) -> Self {
        Self {
            boldness: draws.pick(&[10, 40, 70, 95]),
            draws,
            nodes,
            salt: 1 << 32,
            prepares: BTreeMap::new(),
            commits: BTreeMap::new(),
            changes: BTreeMap::new(),
            blocks: BTreeMap::new(),
            led: BTreeSet::new(),
            said: VecDeque::new(),
            crimes,
            once: BTreeSet::new(),
            late: Vec::new(),
            temptation: None,
            forgotten_below: 0,
        }
    }

    fn remember(&mut self, message: &ConsensusMessage, block: Option<&Block>) {
        let (height, round) = (message.height().get(), message.round().get());
        let known = match message {
            ConsensusMessage::PrePrepare(proposal) => self.blocks.get(&proposal.digest),
            ConsensusMessage::Vote(_) | ConsensusMessage::ViewChange(_) => None,
        };
        if let Some(block) = block.filter(|block| known != Some(*block)) {
            self.blocks.insert(block.hash(), block.clone());
        }
        match message {
            ConsensusMessage::PrePrepare(proposal) => {
                for header in &proposal.view_changes {
                    let change = ViewChange {
                        header: *header,
                        certificate: None,
                    };
                    self.changes
                        .entry((height, round))
                        .or_default()
                        .entry(header.signer)
                        .or_insert(change);
                }
            }
            ConsensusMessage::Vote(vote) => {
                let votes = if vote.step == Step::Commit {
                    &mut self.commits
                } else {
                    &mut self.prepares
                };
                votes
                    .entry((height, round, vote.digest))
                    .or_default()
                    .insert(vote.signer, vote.signature);
            }
            ConsensusMessage::ViewChange(change) => {
                self.changes
                    .entry((height, round))
                    .or_default()
                    .insert(change.header.signer, change.clone());
            }
        }
        let oldest = height.saturating_sub(HEIGHTS_REMEMBERED);
        if oldest <= self.forgotten_below {
            return;
        }
        self.forgotten_below = oldest;
        self.prepares.retain(|(at, _, _), _| *at >= oldest);
        self.commits.retain(|(at, _, _), _| *at >= oldest);
        self.changes.retain(|(at, _), _| *at >= oldest);
        self.blocks.retain(|_, block| block.header.height.get() >= oldest);
    }

    /// Makes a proposal, and remembers it.
    fn say_proposal(
        &mut self,
        stage: &mut dyn Stage,
        leader: usize,
        to: &[usize],
        proposal: PrePrepare,
        block: &Block,
    ) {
        for to in to {
            let message = ConsensusMessage::PrePrepare(proposal.clone());
            stage.say(leader, *to, message, Some(block.clone()));
        }
        if self.said.len() >= SAID_MAX {
            self.said.pop_front();
        }
        self.said.push_back((leader, proposal, block.clone()));
    }

    fn honest(&self, stage: &dyn Stage) -> Vec<usize> {
        (0..stage.count())
            .filter(|node| !self.nodes.contains(node))
            .collect()
    }

    /// The heights that honest nodes work at.
    fn heights(&self, stage: &dyn Stage) -> BTreeSet<u64> {
        let honest = self.honest(stage);
        honest.iter().map(|node| stage.height_of(*node)).collect()
    }

    fn commits(&self, crime: Crime) -> bool {
        self.crimes.contains(&crime)
    }

    /// Honest nodes to speak to: all of them, or some.
    fn some(&mut self, stage: &dyn Stage) -> Vec<usize> {
        let honest = self.honest(stage);
        if self.draws.chance(30) {
            return honest;
        }
        if self.draws.chance(30) && !honest.is_empty() {
            // A lock that only one node holds is what most attacks need.
            let one = self.draws.below(honest.len() as u64) as usize;
            return vec![honest[one]];
        }
        honest.into_iter().filter(|_| self.draws.chance(50)).collect()
    }

    /// An honest node that works at `height`, whose ledger blocks can be made on.
    fn witness(&self, stage: &dyn Stage, height: u64) -> Option<usize> {
        let mut honest = self.honest(stage).into_iter();
        honest.find(|node| stage.height_of(*node) == height && stage.is_honest_and_up(*node))
    }

    fn fresh(&mut self, stage: &dyn Stage, height: u64, round: u32) -> Option<Block> {
        self.salt += 1;
        let block = stage.block(self.witness(stage, height)?, round, self.salt);
        self.blocks.insert(block.hash(), block.clone());
        Some(block)
    }

    /// Certificates of locks below `round` that the mind can prove, its own PREPAREs added.
    fn locks(&self, stage: &dyn Stage, height: u64, round: u32) -> Vec<PreparedCert> {
        let quorum = stage.quorum();
        let mut locks = Vec::new();
        for ((at, of, digest), heard) in self
            .prepares
            .range((height, 0, BlockHash::ZERO)..(height, round, BlockHash::ZERO))
        {
            let mut signatures = heard.clone();
            for node in &self.nodes {
                let vote = stage.vote(*node, Step::Prepare, *at, *of, *digest);
                signatures.insert(vote.signer, vote.signature);
            }
            if quorum.is_reached(signatures.len()) {
                locks.push(PreparedCert {
                    height: timecoin::chain::Height::new(*at),
                    round: Round::new(*of),
                    digest: *digest,
                    signatures: signatures.into_iter().collect(),
                });
            }
        }
        locks
    }
}

impl Mind {
    /// A message reached one of us.
    pub(crate) fn hear(
        &mut self,
        stage: &mut dyn Stage,
        node: usize,
        message: &ConsensusMessage,
        block: Option<&Block>,
    ) {
        if silent::is_mute(&self.crimes) || !stage.is_member(node, message.height().get()) {
            return;
        }
        self.remember(message, block);
        if self.commits(Crime::Delayer) {
            delayer::keep(self, stage, node, message, block);
        }
        if !self.draws.chance(self.boldness) {
            return;
        }
        let (height, round) = (message.height().get(), message.round().get());
        let digest = match message {
            ConsensusMessage::PrePrepare(proposal) => Some(proposal.digest),
            ConsensusMessage::Vote(vote) => Some(vote.digest),
            ConsensusMessage::ViewChange(_) => None,
        };
        match digest {
            Some(digest) if self.commits(Crime::Voter) => {
                voter::vote(self, stage, node, height, round, digest);
            }
            Some(digest) if self.commits(Crime::Withholder) => {
                withholder::vote(self, stage, node, height, round, digest);
            }
            Some(_) => {}
            None if self.commits(Crime::Liar) => {
                liar::change_view(self, stage, node, height, round);
                liar::lead(self, stage, height, round);
            }
            None => {}
        }
    }

    /// Called every so often.
    pub(crate) fn act(&mut self, stage: &mut dyn Stage) {
        delayer::say(self, stage);
        if silent::is_mute(&self.crimes) || !self.draws.chance(self.boldness) {
            return;
        }
        if self.commits(Crime::DoubleSpender) {
            double_spender::propose(self, stage);
        }
        if self.commits(Crime::Tempter) {
            tempter::act(self, stage);
        }
        if self.commits(Crime::Withholder) && (!self.commits(Crime::Equivocator) || self.draws.chance(50)) {
            withholder::propose(self, stage);
        }
        if self.commits(Crime::Equivocator) {
            equivocator::propose(self, stage);
            equivocator::repeat(self, stage);
        }
        if self.commits(Crime::Forger) {
            forger::forge(self, stage);
        }
        if self.commits(Crime::Usurper) {
            usurper::show(self, stage);
        }
    }
}

/// Puts `nodes` of `world` under one mind, or gives each of them a twin.
pub(crate) fn corrupt(world: &mut World, nodes: Vec<usize>, crimes: Vec<Crime>, draws: Draws) {
    for node in &nodes {
        world.nodes[*node].is_byzantine = true;
    }
    if crimes.contains(&Crime::Twin) {
        twin::arrange(world, &nodes);
    } else {
        world.adversary = Some(Box::new(Mind::new(nodes, crimes, draws)));
    }
}

impl Adversary for Mind {
    fn on_heard(
        &mut self,
        world: &mut World,
        node: usize,
        message: &ConsensusMessage,
        block: Option<&Block>,
    ) {
        self.hear(world, node, message, block);
    }

    fn on_tick(&mut self, world: &mut World) {
        self.act(world);
    }
}

impl Stage for World {
    fn now_us(&self) -> u64 {
        self.now
    }

    fn count(&self) -> usize {
        self.nodes.len()
    }

    fn quorum(&self) -> Quorum {
        World::quorum(self)
    }

    fn height_of(&self, node: usize) -> u64 {
        self.nodes[node].chain.len() as u64 + 1
    }

    fn is_honest_and_up(&self, node: usize) -> bool {
        !self.nodes[node].is_byzantine && self.nodes[node].machine.is_some()
    }

    fn is_member(&self, node: usize, height: u64) -> bool {
        World::is_member(self, node, height)
    }

    fn leader(&self, height: u64, round: u32) -> usize {
        World::leader(self, height, round)
    }

    fn block(&self, witness: usize, round: u32, salt: u64) -> Block {
        World::block(self, witness, round, salt)
    }

    fn bad_block(&self, witness: usize, round: u32, salt: u64) -> Block {
        let mut block = World::block(self, witness, round, salt);
        match salt % 3 {
            0 => block.header.next_vset_hash = block.header.tx_root,
            1 => block.header.prev_commit_hash = block.header.utxo_commitment,
            _ => block.header.timestamp_ms = timecoin::chain::TimestampMs::new(1),
        }
        block
    }

    fn vote(&self, node: usize, step: Step, height: u64, round: u32, digest: BlockHash) -> Vote {
        World::vote(self, node, step, height, round, digest)
    }

    fn view_change(&self, node: usize, height: u64, round: u32, lock: Option<PreparedCert>) -> ViewChange {
        World::view_change(self, node, height, round, lock)
    }

    fn pre_prepare(
        &self,
        node: usize,
        (height, round, digest): (u64, u32, BlockHash),
        view_changes: Vec<ViewChangeHeader>,
        prepared: Option<PreparedCert>,
    ) -> PrePrepare {
        World::pre_prepare(self, node, height, round, digest, view_changes, prepared)
    }

    fn usurped(&self, _: usize, _: usize, _: u64) -> Option<(CommitCertificate, Block)> {
        None
    }

    fn say(&mut self, from: usize, to: usize, message: ConsensusMessage, block: Option<Block>) {
        World::say(self, from, to, message, block);
    }

    fn fell(&mut self, node: usize, down_us: u64) {
        self.push(0, Item::Crash { node });
        self.push(down_us, Item::Restart { node });
    }

    fn show_decision(&mut self, _: usize, to: usize, certificate: CommitCertificate, block: Block) {
        let decision = Rc::new((certificate, block));
        self.push(1_000, Item::Decided { to, decision });
    }
}

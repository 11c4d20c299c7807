//! Byzantine validators, played by one mind that hears everything any of them hears. Each crime
//! stands in a file of its own; here is only what the mind knows and when it acts.

mod equivocator;
mod forger;
mod liar;
mod voter;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use timecoin::{
    chain::{Block, BlockHash},
    consensus::{ConsensusMessage, PrePrepare, PreparedCert, Quorum, Round, Signer, Step, ViewChange},
    crypto::Signature,
};

use crate::{
    schedule::Draws,
    world::{Adversary, World},
};

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
}

impl Mind {
    pub(crate) fn new(nodes: Vec<usize>, mut draws: Draws) -> Self {
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
        }
    }

    fn remember(&mut self, message: &ConsensusMessage, block: Option<&Block>) {
        let (height, round) = (message.height().get(), message.round().get());
        if let Some(block) = block {
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
        self.prepares.retain(|(at, _, _), _| *at >= oldest);
        self.commits.retain(|(at, _, _), _| *at >= oldest);
        self.changes.retain(|(at, _), _| *at >= oldest);
        self.blocks.retain(|_, block| block.header.height.get() >= oldest);
    }

    /// Makes a proposal, and remembers it.
    fn say_proposal(
        &mut self,
        world: &mut World,
        leader: usize,
        to: &[usize],
        proposal: PrePrepare,
        block: &Block,
    ) {
        for to in to {
            let message = ConsensusMessage::PrePrepare(proposal.clone());
            world.say(leader, *to, message, Some(block.clone()));
        }
        if self.said.len() >= SAID_MAX {
            self.said.pop_front();
        }
        self.said.push_back((leader, proposal, block.clone()));
    }

    fn honest(&self, world: &World) -> Vec<usize> {
        (0..world.nodes.len())
            .filter(|node| !self.nodes.contains(node))
            .collect()
    }

    /// Honest nodes to speak to: all of them, or some.
    fn some(&mut self, world: &World) -> Vec<usize> {
        let honest = self.honest(world);
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
    fn witness(&self, world: &World, height: u64) -> Option<usize> {
        self.honest(world).into_iter().find(|node| {
            world.nodes[*node].chain.len() as u64 + 1 == height && world.nodes[*node].machine.is_some()
        })
    }

    fn fresh(&mut self, world: &World, height: u64, round: u32) -> Option<Block> {
        self.salt += 1;
        let block = world.block(self.witness(world, height)?, round, self.salt);
        self.blocks.insert(block.hash(), block.clone());
        Some(block)
    }

    /// Certificates of locks below `round` that the mind can prove, its own PREPAREs added.
    fn locks(&self, world: &World, height: u64, round: u32) -> Vec<PreparedCert> {
        let quorum = Quorum::of(world.nodes.len());
        let mut locks = Vec::new();
        for ((at, of, digest), heard) in self
            .prepares
            .range((height, 0, BlockHash::ZERO)..(height, round, BlockHash::ZERO))
        {
            let mut signatures = heard.clone();
            for node in &self.nodes {
                let vote = world.vote(*node, Step::Prepare, *at, *of, *digest);
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

impl Adversary for Mind {
    fn on_heard(
        &mut self,
        world: &mut World,
        node: usize,
        message: &ConsensusMessage,
        block: Option<&Block>,
    ) {
        self.remember(message, block);
        if !self.draws.chance(self.boldness) {
            return;
        }
        match message {
            ConsensusMessage::PrePrepare(proposal) => {
                voter::vote(
                    self,
                    world,
                    node,
                    proposal.height.get(),
                    proposal.round.get(),
                    proposal.digest,
                );
            }
            ConsensusMessage::Vote(vote) => {
                voter::vote(
                    self,
                    world,
                    node,
                    vote.height.get(),
                    vote.round.get(),
                    vote.digest,
                );
            }
            ConsensusMessage::ViewChange(change) => {
                let (height, round) = (change.header.height.get(), change.header.round.get());
                liar::change_view(self, world, node, height, round);
                liar::lead(self, world, height, round);
            }
        }
    }

    fn on_tick(&mut self, world: &mut World) {
        if !self.draws.chance(self.boldness) {
            return;
        }
        equivocator::propose(self, world);
        equivocator::repeat(self, world);
        forger::forge(self, world);
    }
}

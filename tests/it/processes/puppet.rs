//! A masternode that the test plays itself: real keys, real sessions, and whatever it is made to say.

use std::sync::Arc;

use arc_swap::ArcSwap;
use timecoin::{
    chain::{Block, BlockHash, Height},
    consensus::{
        ConsensusMessage, PrePrepare, Round, Signer, SigningDomain, Step, ValidatorSet, ViewChange,
        ViewChangeHeader, Vote,
    },
    crypto::{NodeId, PublicKey, SecretKey, Signature},
    metrics::Metrics,
    network::{self, Network, NetworkConfig, Spawner, Surroundings, Task},
    signer::{NODE_KEY_FILE, VALIDATOR_KEY_FILE, read_key_file},
    wire::{ChainIdentity, LocalTip, MasternodeProof, Message},
};
use tokio::runtime::Handle;

use super::net::{Net, limit};

struct Tasks(Handle);

impl Spawner for Tasks {
    fn spawn(&self, _: &'static str, task: Task) {
        self.0.spawn(task);
    }
}

/// A masternode's keys and its sessions with the others.
pub(super) struct Puppet {
    network: Network,
    consensus: SecretKey,
    domain: SigningDomain,
    signer: Signer,
    _inboxes: network::Inboxes,
}

impl Puppet {
    /// Joins the network in the place of `node`, which does not run.
    pub(super) fn join(net: &Net, node: u16) -> Self {
        Self::claiming(net, node, 0)
    }

    /// Starts all others, joins in the place of `node`, and waits until everybody is connected; gives the others.
    pub(super) fn among_others(net: &mut Net, node: u16) -> (Vec<u16>, Self) {
        let others: Vec<u16> = net.all().filter(|other| *other != node).collect();
        for other in &others {
            net.start(*other);
        }
        let puppet = Self::join(net, node);
        net.wait("all are connected", limit(20), |net| {
            let sessions = others.len() as u32;
            others.iter().all(|other| net.status(*other).peers == sessions)
        });
        (others, puppet)
    }

    /// The same as [`Puppet::join`], saying in its greeting and with every ping that it has a height. It answers no question.
    pub(super) fn claiming(net: &Net, node: u16, height: u64) -> Self {
        let keys = net.layout.node_dir(node).join("keys");
        let consensus = read_key_file(&keys.join(VALIDATOR_KEY_FILE)).unwrap();
        let (genesis, prover) = (net.genesis(), consensus.clone());
        let around = Surroundings {
            node_key: read_key_file(&keys.join(NODE_KEY_FILE)).unwrap(),
            chain: ChainIdentity::new(genesis.network, genesis.chain_id()),
            tip: Arc::new(ArcSwap::from_pointee(LocalTip {
                height,
                hash: genesis.chain_id(),
                ..LocalTip::default()
            })),
            prove: Arc::new(move |request| {
                Some(MasternodeProof {
                    key: prover.public_key(),
                    signature: prover.sign(&request.signing_bytes()),
                })
            }),
            is_member: Arc::new(|_| true),
            metrics: Metrics::new(genesis.network.name()),
            spawner: Arc::new(Tasks(net.runtime().handle().clone())),
        };
        let mut config = NetworkConfig::new(net.layout.p2p(node));
        let others = net.all().filter(|other| *other != node);
        config.peers = others
            .map(|other| net.layout.p2p(other).to_string().parse().unwrap())
            .collect();
        let (outboxes, inboxes) = network::queues();
        let started = Network::start(config, around, outboxes);
        let validators = ValidatorSet::new(genesis.validator_keys());
        Self {
            network: net.runtime().block_on(started).unwrap(),
            domain: SigningDomain {
                chain_id: genesis.chain_id(),
                vset_hash: validators.hash(),
            },
            // Nobody's number for who is no validator.
            signer: validators
                .signer_of(&consensus.public_key())
                .unwrap_or(Signer::MAX),
            consensus,
            _inboxes: inboxes,
        }
    }

    pub(super) fn key(&self) -> PublicKey {
        self.consensus.public_key()
    }

    /// Sessions that stand.
    pub(super) fn peers(&self) -> usize {
        self.network.peer_count()
    }

    pub(super) fn leave(self, net: &Net) {
        net.runtime().block_on(self.network.shutdown());
    }

    /// Says something to the first `count` of its peers.
    fn say(&self, message: ConsensusMessage, block: Option<Block>, count: usize) -> usize {
        let message = Message::from_consensus(message, block).unwrap();
        let mut chosen: Vec<NodeId> = self.network.peers().iter().map(|peer| peer.node_id).collect();
        chosen.truncate(count);
        self.network
            .broadcast(&message, |link| chosen.contains(&link.node_id))
            .unwrap()
    }

    /// Says something to one node.
    pub(super) fn tell(&self, net: &Net, node: u16, message: &Message) {
        let keys = net.layout.node_dir(node).join("keys");
        let key = read_key_file(&keys.join(NODE_KEY_FILE)).unwrap();
        self.network.send(&key.public_key(), message).unwrap();
    }

    /// Votes, towards the first `count` of its peers.
    pub(super) fn vote(&self, step: Step, height: u64, round: u32, digest: BlockHash, count: usize) -> usize {
        let mut vote = Vote {
            step,
            height: Height::new(height),
            round: Round::new(round),
            digest,
            signer: self.signer,
            signature: Signature::from_bytes([0; 64]),
        };
        vote.signature = self.consensus.sign(&vote.signing_bytes(&self.domain));
        self.say(ConsensusMessage::Vote(vote), None, count)
    }

    /// Leaves for a round without a lock, towards the first `count` of its peers.
    pub(super) fn view_change(&self, height: u64, round: u32, count: usize) -> usize {
        let mut header = ViewChangeHeader {
            height: Height::new(height),
            round: Round::new(round),
            prepared: None,
            signer: self.signer,
            signature: Signature::from_bytes([0; 64]),
        };
        header.signature = self.consensus.sign(&header.signing_bytes(&self.domain));
        let message = ViewChange {
            header,
            certificate: None,
        };
        self.say(ConsensusMessage::ViewChange(message), None, count)
    }

    /// Proposes a block to everybody.
    pub(super) fn propose(&self, round: Round, block: Block) -> usize {
        let mut proposal = PrePrepare {
            height: block.height(),
            round,
            digest: block.hash(),
            signer: self.signer,
            signature: Signature::from_bytes([0; 64]),
            view_changes: Vec::new(),
            prepared: None,
        };
        proposal.signature = self.consensus.sign(&proposal.signing_bytes(&self.domain));
        self.say(ConsensusMessage::PrePrepare(proposal), Some(block), usize::MAX)
    }
}

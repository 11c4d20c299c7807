//! What the engine believes of what peers send: blocks, certificates, tips. Real blocks under real
//! certificates, no threads, virtual time.

use std::{collections::BTreeSet, sync::Arc};

use super::*;
use crate::{
    chain::{
        Block, BlockContext, ChainState, CommitCertificate, Height, SharedTransaction, TimestampMs, assemble,
        testing::{MapView, TestChain, key},
    },
    consensus::{EvidenceKind, Mono, Now, Recovered, Round, SigningDomain, Step, Tip, ValidatorSet, Vote},
    crypto::{NodeId, PublicKey, Signature, Verified},
    mempool::PoolLimits,
    sync::Failure,
    wire::Fault,
};

/// A chain and what every node would hold of it.
struct World {
    chain: TestChain,
    genesis_state: ChainState,
    genesis_view: MapView,
    /// Block and certificate, from height 1 on.
    blocks: Vec<(Block, CommitCertificate)>,
}

impl World {
    fn new(blocks: u64) -> Self {
        let chain = TestChain::new(4, 40);
        let mut world = Self {
            genesis_state: chain.state.clone(),
            genesis_view: chain.view.clone(),
            chain,
            blocks: Vec::new(),
        };
        for _ in 0..blocks {
            world.extend();
        }
        world
    }

    fn certificate(&self, block: &Block, signers: &[u16]) -> CommitCertificate {
        self.certificate_on(self.chain.chain_id, block, signers)
    }

    fn certificate_on(
        &self,
        chain_id: crate::crypto::Hash256,
        block: &Block,
        signers: &[u16],
    ) -> CommitCertificate {
        let set = ValidatorSet::new(self.genesis_state.validators());
        let domain = SigningDomain {
            chain_id,
            vset_hash: set.hash(),
        };
        let sign = |signer: &u16| {
            let secret = (0..4)
                .map(|n| key(1_000 + n))
                .find(|secret| set.signer_of(&secret.public_key()) == Some(*signer))
                .unwrap();
            let vote = Vote {
                step: Step::Commit,
                height: block.height(),
                round: Round::ZERO,
                digest: block.hash(),
                signer: *signer,
                signature: Signature::from_bytes([0; 64]),
            };
            (*signer, secret.sign(&vote.signing_bytes(&domain)))
        };
        CommitCertificate {
            height: block.height(),
            round: 0,
            block_hash: block.hash(),
            signatures: signers.iter().map(sign).collect(),
        }
    }

    /// A block on the tip that nobody appends.
    fn draft(&self, after_ms: u64) -> Block {
        let mut draft = self.chain.draft(after_ms, Vec::new());
        draft.prev_commit = self.blocks.last().map(|(_, certificate)| certificate.clone());
        assemble(draft, &self.chain.state, &self.chain.view, &self.chain.rules())
            .unwrap()
            .block
            .into_inner()
    }

    fn extend(&mut self) {
        let block = self.draft(1_000);
        let connected = self.chain.connect(block.clone()).unwrap();
        self.chain.view.apply(&connected.delta);
        self.chain.state = connected.state;
        let certificate = self.certificate(&block, &[0, 1, 2]);
        self.blocks.push((block, certificate));
    }

    /// A node at genesis.
    fn node(&self) -> Node {
        self.node_with(PoolLimits::default())
    }

    fn node_with(&self, limits: PoolLimits) -> Node {
        let state = self.genesis_state.clone();
        let tip = Tip {
            height: Height::GENESIS,
            hash: state.tip.hash,
            timestamp: state.tip.timestamp_ms,
            certificate: None,
            decided_at: None,
        };
        let config = EngineConfig {
            chain_id: self.chain.chain_id,
            params: self.chain.genesis.params,
            me: None,
            holds: BTreeSet::new(),
            listen_ms: 0,
            has_signed: false,
            certified: Height::GENESIS,
        };
        let view: SharedView = Arc::new(self.genesis_view.clone());
        let (chain_id, params) = (self.chain.chain_id, self.chain.genesis.params);
        let ledger = Ledger::new(chain_id, params, None, state, view, limits);
        let recovered = Recovered::empty();
        let mut engine = Engine::new(config, Start { tip, recovered }, ledger);
        engine.start(now(0));
        Node(engine)
    }

    fn block(&self, height: u64) -> Block {
        self.blocks[height as usize - 1].0.clone()
    }

    /// What a peer answers for `first` to `last`.
    fn range(&self, from: u8, first: u64, last: u64) -> Event {
        Event::Blocks {
            peer: peer(from),
            blocks: (first..=last)
                .map(|height| verified(self.block(height)))
                .collect(),
            certificate: Some(self.blocks[last as usize - 1].1.clone()),
        }
    }
}

struct Node(Engine);

impl Node {
    fn step(&mut self, ms: u64, event: Event) -> Vec<Effect> {
        self.0.step(now(ms), event)
    }

    fn digest(&self) -> crate::crypto::Hash256 {
        self.0.ledger.state().commitment.digest()
    }

    fn tip(&self) -> u64 {
        self.0.tip().get()
    }
}

fn now(ms: u64) -> Now {
    Now {
        mono: Mono::default().plus_ms(ms),
        wall: TimestampMs::new(1_000_000_000 + ms),
    }
}

fn peer(n: u8) -> NodeId {
    PublicKey::from_bytes([n; 32])
}

fn verified(block: Block) -> Verified<Block> {
    let chain_id = crate::crypto::Hash256::ZERO;
    let context = BlockContext {
        chain_id: &chain_id,
        known: &|_| true,
    };
    Verified::check(block, context).unwrap()
}

fn up(n: u8, height: u64) -> Event {
    Event::PeerUp {
        peer: peer(n),
        validator: None,
        height: Height::new(height),
    }
}

fn blamed(effects: &[Effect]) -> Vec<(NodeId, Fault)> {
    let blame = |effect: &Effect| match effect {
        Effect::Blame { peer, fault } => Some((*peer, *fault)),
        _ => None,
    };
    effects.iter().filter_map(blame).collect()
}

fn commits(effects: &[Effect]) -> usize {
    effects
        .iter()
        .filter(|effect| matches!(effect, Effect::Commit(_)))
        .count()
}

#[test]
fn ranges_that_come_early_wait_for_those_before_them() {
    let world = World::new(9);
    let mut node = world.node();
    let asked = node.step(1, up(1, 9));
    assert!(
        asked
            .iter()
            .any(|effect| matches!(effect, Effect::RequestBlocks(_)))
    );
    let requests = node.0.view(now(1)).sync.in_flight;
    // One peer was asked for all of it in one range; it delivers the whole, then nothing is left.
    assert_eq!(requests.len(), 1);
    let effects = node.step(2, world.range(1, 1, 4));
    assert_eq!((node.tip(), commits(&effects)), (4, 4));
    let effects = node.step(3, world.range(1, 5, 9));
    assert_eq!((node.tip(), commits(&effects)), (9, 5));
    assert_eq!(node.digest(), world.chain.state.commitment.digest());
}

#[test]
fn dos_20_a_boaster_never_makes_a_node_sync_and_is_charged_within_ten_seconds() {
    let world = World::new(0);
    let mut node = world.node();
    let (mut charged, mut silent_until, mut believed_until) = (Vec::new(), None, 0);
    let mut at = 1_000;
    let mut effects = node.step(at, up(1, 1_000_000_000));
    while at < 61_000 {
        charged.extend(blamed(&effects).iter().map(|_| at));
        assert!(
            blamed(&effects)
                .iter()
                .all(|found| *found == (peer(1), Fault::EmptyPromise))
        );
        if effects
            .iter()
            .any(|effect| matches!(effect, Effect::AskStatus { .. }))
        {
            silent_until = Some(at + 5_000);
        }
        at += 100;
        // What its keep-alive says is passed on twice a second.
        if at % 500 == 0 {
            let said = vec![(peer(1), Height::new(1_000_000_000 + at))];
            effects = node.step(at, Event::PeerHeights(said));
        } else if silent_until.is_some_and(|until| at >= until) {
            silent_until = None;
            effects = node.step(at, Event::NoStatus { peer: peer(1) });
        } else {
            effects = node.step(at, Event::Tick);
        }
        let view = node.0.view(now(at));
        assert!(!view.sync.active, "it still votes");
        if view.sync.target > Height::GENESIS {
            believed_until = at;
        }
    }
    assert!(
        believed_until <= 11_000,
        "the claim counts no more: {believed_until}"
    );
    assert!(charged[0] <= 11_200, "{charged:?}");
    assert!(charged.len() >= 5, "as often as it goes on: {charged:?}");
    assert_eq!(Fault::EmptyPromise.severity(), crate::wire::Severity::Serious);
}

#[test]
fn dos_21_a_forged_certificate_appends_nothing_and_blames_its_sender() {
    let world = World::new(3);
    let block = world.block(1);
    let whole = world.certificate(&block, &[0, 1, 2]);
    let duplicate = {
        let mut forged = whole.clone();
        forged.signatures[2] = forged.signatures[1];
        forged
    };
    let other_chain = world.certificate_on(crate::crypto::Hash256::ZERO, &block, &[0, 1, 2]);
    let too_few = world.certificate(&block, &[0, 1]);
    let mut stranger = whole.clone();
    stranger.signatures[2].0 = 9;
    let mut for_another = whole.clone();
    for_another.block_hash = world.block(2).hash();
    for forged in [duplicate, other_chain, too_few, stranger, for_another] {
        let mut node = world.node();
        node.step(1, up(1, 3));
        let before = node.digest();
        let effects = node.step(
            2,
            Event::Blocks {
                peer: peer(1),
                blocks: vec![verified(block.clone())],
                certificate: Some(forged.clone()),
            },
        );
        assert_eq!(node.tip(), 0, "{forged:?}");
        assert_eq!(node.digest(), before);
        assert_eq!(blamed(&effects), [(peer(1), Fault::InvalidBlock)]);
        assert_eq!(Fault::InvalidBlock.severity(), crate::wire::Severity::Fatal);
    }
}

#[test]
fn dos_22_an_altered_body_blames_its_sender_and_another_peer_completes() {
    let world = World::new(3);
    let mut node = world.node();
    node.step(1, up(1, 3));
    node.step(1, up(2, 3));
    let mut altered = world.block(2);
    altered.transactions = vec![world.chain.transfer(&[(world.chain.coin(1), 1)], &[(2, 1_000)])];
    let effects = node.step(
        2,
        Event::Blocks {
            peer: peer(1),
            blocks: vec![
                verified(world.block(1)),
                verified(altered),
                verified(world.block(3)),
            ],
            certificate: Some(world.blocks[2].1.clone()),
        },
    );
    assert_eq!(node.tip(), 1, "what came before it holds");
    assert_eq!(blamed(&effects), [(peer(1), Fault::InvalidBlock)]);
    let asked: Vec<_> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::RequestBlocks(request) => Some((request.peer, request.start.get())),
            _ => None,
        })
        .collect();
    assert_eq!(asked, [(peer(2), 2)], "at once, of somebody else");
    node.step(3, world.range(2, 2, 3));
    assert_eq!(node.tip(), 3);
    assert_eq!(node.digest(), world.chain.state.commitment.digest());
}

#[test]
fn dos_26_two_certificates_at_one_height_stop_everything_loudly() {
    let mut world = World::new(2);
    let rival = {
        let before = World::new(1);
        let rival = before.draft(2_000);
        before.certificate(&rival, &[1, 2, 3])
    };
    assert_eq!(rival.height, Height::new(2));
    assert_ne!(rival.block_hash, world.block(2).hash());
    let mut node = world.node();
    node.step(1, up(1, 2));
    node.step(2, world.range(1, 1, 2));
    assert_eq!(node.tip(), 2);
    let effects = node.step(
        3,
        Event::Decided {
            from: peer(2),
            certificate: rival.clone(),
            block: None,
        },
    );
    let violation = effects.iter().find_map(|effect| match effect {
        Effect::SafetyViolation { height, ours, theirs } => Some((*height, ours.clone(), theirs.clone())),
        _ => None,
    });
    let (height, ours, theirs) = violation.expect("it is loud");
    let named = effects.iter().filter_map(|effect| match effect {
        Effect::Evidence(evidence) => Some((evidence.kind, evidence.offender)),
        _ => None,
    });
    let both = ours.signatures.iter().filter(|(signer, _)| {
        let mut signers = theirs.signatures.iter().map(|(signer, _)| signer);
        signers.any(|other| other == signer)
    });
    let set = ValidatorSet::new(world.genesis_state.validators());
    let expected: Vec<_> = both
        .map(|(signer, _)| (EvidenceKind::Commits, *set.key(*signer).unwrap()))
        .collect();
    assert!(expected.len() >= 2, "two quorums share f + 1");
    assert_eq!(named.collect::<Vec<_>>(), expected);
    assert_eq!((height, theirs), (Height::new(2), rival));
    assert_eq!(ours, world.blocks[1].1);
    assert!(node.0.view(now(3)).holds.contains(&SigningHold::SafetyViolation));
    assert!(SigningHold::SafetyViolation.is_safety_stop() && SigningHold::SafetyViolation.stands_still());
    // Nothing moves it any more, not even a longer certified chain.
    world.extend();
    let effects = node.step(4, world.range(1, 3, 3));
    assert_eq!((node.tip(), commits(&effects)), (2, 0));
    node.step(
        5,
        Event::BlocksFailed {
            peer: peer(1),
            start: Height::new(3),
            failure: Failure::Refused,
        },
    );
    let asks = node.step(60_000, Event::Tick);
    assert!(
        !asks
            .iter()
            .any(|effect| matches!(effect, Effect::RequestBlocks(_)))
    );
}

#[test]
fn what_the_pool_takes_and_lets_go_within_one_batch_is_told_as_gone() {
    let world = World::new(0);
    let limits = PoolLimits {
        txs_max: 1,
        ..PoolLimits::default()
    };
    let mut node = world.node_with(limits);
    let pay = |coin: u32, fee: u64| {
        let outpoint = world.chain.coin(coin);
        let units = world.chain.view.0[&outpoint].output.amount.units();
        world
            .chain
            .transfer(&[(outpoint, u64::from(coin))], &[(5, units - fee)])
    };
    let (poor, rich) = (pay(0, 10_000), pay(1, 50_000));
    let arrivals = [&poor, &rich].map(|transaction| Arrival {
        transaction: world.chain.verified(transaction.clone()),
        source: Source::Peer(peer(1)),
    });
    let effects = node.step(1, Event::Transactions(arrivals.into()));
    let mut held = BTreeSet::new();
    let mut relayed = Vec::new();
    for effect in &effects {
        match effect {
            Effect::Pooled(pooled) => held.extend(pooled.iter().map(SharedTransaction::txid)),
            Effect::Unpooled(gone) => gone.iter().for_each(|(txid, _)| {
                held.remove(txid);
            }),
            Effect::Relay { transactions, .. } => {
                relayed.extend(transactions.iter().map(SharedTransaction::txid))
            }
            _ => {}
        }
    }
    assert_eq!(
        Vec::from_iter(held),
        [rich.txid()],
        "what others read is the pool"
    );
    assert_eq!(relayed, [rich.txid()]);
}

#[test]
fn a_transaction_with_somebody_elses_key_says_nothing_of_its_id() {
    let world = World::new(0);
    let mut node = world.node_with(PoolLimits::default());
    let right = world.chain.transfer(&[(world.chain.coin(0), 0)], &[(5, 900_000)]);
    // The same id, and signatures that hold: of a key that is not the coin's.
    let wrong = world.chain.transfer(&[(world.chain.coin(0), 1)], &[(5, 900_000)]);
    assert_eq!(right.txid(), wrong.txid());
    let arrive = |transaction: &SharedTransaction, from: u8| {
        let transaction = world.chain.verified(transaction.clone());
        let source = Source::Peer(peer(from));
        Event::Transactions(vec![Arrival { transaction, source }])
    };
    let effects = node.step(1, arrive(&wrong, 1));
    let is_said = |effect: &Effect| matches!(effect, Effect::Unpooled(gone) if !gone.is_empty());
    assert!(
        !effects.iter().any(is_said),
        "nobody would be asked for it any more: {effects:?}"
    );
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Blame { .. }))
    );
    let effects = node.step(2, arrive(&right, 2));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Pooled(_))));
}

#[test]
fn nothing_above_the_halt_height_is_taken_and_it_is_no_safety_stop() {
    let chain = World::new(6);
    let mut node = chain.node();
    node.0 = node.0.halting_at(Some(Height::new(4)));
    node.step(1, up(1, 6));
    let effects = node.step(2, chain.range(1, 1, 6));
    assert_eq!(
        (node.tip(), commits(&effects)),
        (4, 4),
        "up to it, and no further"
    );
    let held: Vec<_> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Held(hold) => Some(*hold),
            _ => None,
        })
        .collect();
    assert_eq!(held, [SigningHold::HaltHeight]);
    assert!(!SigningHold::HaltHeight.is_safety_stop());
    // Whatever comes: it stands, and asks nobody for more.
    for ms in [3, 1_000, 60_000] {
        let mut effects = node.step(ms, chain.range(1, 5, 6));
        effects.extend(node.step(ms, Event::Tick));
        assert_eq!((node.tip(), commits(&effects)), (4, 0));
    }
    // A node that comes back above such a height, or at it, does not begin.
    let mut again = chain.node();
    again.step(1, up(1, 6));
    again.step(2, chain.range(1, 1, 6));
    assert_eq!(again.tip(), 6);
    let mut again = again.0.halting_at(Some(Height::new(5)));
    again.hold_from_start(now(3));
    assert!(again.holds.contains(&SigningHold::HaltHeight) && again.stands_still());
}

/// What is decided reaches only sessions that proved a key; whoever else hears nothing asks.
#[test]
fn who_hears_nothing_for_a_second_asks_one_after_the_other() {
    let world = World::new(0);
    let mut node = world.node();
    let (mut asked, mut at) = (Vec::new(), 1_000);
    for peer in 1..=3 {
        node.step(at, up(peer, 0));
    }
    while at < 7_000 {
        at += 100;
        let effects = node.step(at, Event::Tick);
        asked.extend(effects.iter().filter_map(|effect| match effect {
            Effect::AskStatus { peer } => Some(*peer),
            _ => None,
        }));
    }
    assert!((5..=7).contains(&asked.len()), "once a second: {asked:?}");
    assert!(
        asked
            .windows(3)
            .all(|three| three.iter().collect::<std::collections::BTreeSet<_>>().len() == 3)
    );
}

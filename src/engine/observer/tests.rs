//! The way back of a validator that lost its log: nothing is signed up to two heights above what the
//! others prove, and everything above.

use std::{collections::BTreeSet, sync::Arc};

use super::super::{
    Effect, Engine, EngineConfig, Event, Ledger, ObserverView, SigningHold, Start, ledger::SharedView,
};
use crate::{
    chain::{
        Block, BlockContext, BlockHash, CommitCertificate, Height, TimestampMs, assemble,
        testing::{TestChain, key},
    },
    consensus::{
        ConsensusMessage, MessageContext, Mono, Now, Position, Record, Recovered, Round, Signer,
        SigningDomain, Step, Timer, Tip, ValidatorSet, Vote,
    },
    crypto::{NodeId, PublicKey, SecretKey, Signature, Verified},
    mempool::PoolLimits,
};

/// Where the network stands when the node comes back.
const TIP: u64 = 5;

/// A network of which one validator is a real engine and the others are keys.
pub(in crate::engine) struct World {
    pub(in crate::engine) engine: Engine,
    /// The chain as the engine has it.
    chain: TestChain,
    domain: SigningDomain,
    validators: ValidatorSet,
    me: PublicKey,
    pub(in crate::engine) now_ms: u64,
    tip: Option<CommitCertificate>,
    out: Vec<Effect>,
    /// Certificates bear our signature, too.
    pub(in crate::engine) signs_elsewhere: bool,
}

impl World {
    /// An engine at height `TIP` whose log held `records`.
    pub(in crate::engine) fn new(masternodes: u64, records: Vec<Record>) -> Self {
        Self::with_holds(masternodes, records, BTreeSet::new())
    }

    fn with_holds(masternodes: u64, records: Vec<Record>, holds: BTreeSet<SigningHold>) -> Self {
        let chain = TestChain::new(masternodes, 1);
        let validators = ValidatorSet::new(chain.state.validators());
        let domain = SigningDomain {
            chain_id: chain.chain_id,
            vset_hash: validators.hash(),
        };
        let me = key(1_000).public_key();
        let mut world = Self {
            engine: engine(&chain, me, records.clone(), holds.clone(), None),
            chain,
            domain,
            validators,
            me,
            now_ms: 2_000_000,
            tip: None,
            out: Vec::new(),
            signs_elsewhere: false,
        };
        for _ in 0..TIP {
            let (block, certificate) = world.next_block();
            world.connect(&block, certificate);
        }
        world.engine = engine(&world.chain, me, records, holds, world.tip.clone());
        let now = world.now();
        let effects = world.engine.start(now);
        world.perform(effects);
        world
    }

    pub(in crate::engine) fn now(&self) -> Now {
        Now {
            mono: Mono::from_micros(self.now_ms * 1_000),
            wall: TimestampMs::new(self.now_ms),
        }
    }

    pub(in crate::engine) fn step(&mut self, event: Event) {
        let now = self.now();
        let effects = self.engine.step(now, event);
        self.perform(effects);
    }

    /// All that the engine asked for so far.
    pub(in crate::engine) fn effects(&self) -> &[Effect] {
        &self.out
    }

    /// Signs what the engine wants signed and keeps the rest for the test to look at.
    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            if let Effect::Sign { request, statement } = &effect {
                let (request, signature) = (*request, Some(key(1_000).sign(&statement.bytes())));
                self.out.push(effect);
                self.step(Event::Signed { request, signature });
            } else {
                self.out.push(effect);
            }
        }
    }

    /// Keys of everybody else, in the order of the set.
    pub(in crate::engine) fn others(&self) -> Vec<SecretKey> {
        let everybody = (0..self.validators.len() as u64).map(|n| key(1_000 + n));
        everybody.filter(|key| key.public_key() != self.me).collect()
    }

    fn signer(&self, key: &SecretKey) -> Signer {
        self.validators.signer_of(&key.public_key()).unwrap()
    }

    fn vote(&self, by: &SecretKey, step: Step, height: u64, digest: BlockHash) -> Vote {
        let mut vote = Vote {
            step,
            height: Height::new(height),
            round: Round::ZERO,
            digest,
            signer: self.signer(by),
            signature: Signature::from_bytes([0; 64]),
        };
        vote.signature = by.sign(&vote.signing_bytes(&self.domain));
        vote
    }

    /// The next block and its certificate, signed by the first quorum of the others.
    fn next_block(&self) -> (Block, CommitCertificate) {
        let height = self.chain.state.tip.height.next();
        let mut draft = self.chain.draft(1_000, Vec::new());
        let leader = self.validators.proposer(height, Round::ZERO).unwrap();
        draft.proposer = *self.validators.key(leader).unwrap();
        draft.prev_commit = self.tip.clone();
        let block = assemble(draft, &self.chain.state, &self.chain.view, &self.chain.rules()).unwrap();
        let block = block.block.into_inner();
        let certificate = self.certificate(height.get(), block.hash());
        (block, certificate)
    }

    fn certificate(&self, height: u64, digest: BlockHash) -> CommitCertificate {
        let own = self.signs_elsewhere.then(|| key(1_000));
        let mut signatures: Vec<_> = self
            .others()
            .iter()
            .chain(own.iter())
            .map(|key| {
                let vote = self.vote(key, Step::Commit, height, digest);
                (vote.signer, vote.signature)
            })
            .collect();
        signatures.sort_unstable_by_key(|(signer, _)| *signer);
        CommitCertificate {
            height: Height::new(height),
            round: 0,
            block_hash: digest,
            signatures,
        }
    }

    /// A COMMIT by our key was late: the next block bears it.
    pub(in crate::engine) fn add_own_commit_to_tip(&mut self) {
        let tip = &self.chain.state.tip;
        let (height, hash) = (tip.height.get(), tip.hash);
        self.signs_elsewhere = true;
        self.tip = Some(self.certificate(height, hash));
        self.signs_elsewhere = false;
    }

    /// The test's own copy of the chain moves on.
    fn connect(&mut self, block: &Block, certificate: CommitCertificate) {
        let connected = self.chain.connect(block.clone()).unwrap();
        self.chain.view.apply(&connected.delta);
        self.chain.state = connected.state;
        self.tip = Some(certificate);
    }

    fn verified(&self, block: Block) -> Verified<Block> {
        let context = BlockContext {
            chain_id: &self.chain.chain_id,
            known: &|_| true,
        };
        Verified::check(block, context).unwrap()
    }

    /// The others decide the next height and show it.
    pub(in crate::engine) fn decide(&mut self) {
        let (block, certificate) = self.next_block();
        self.connect(&block, certificate.clone());
        self.now_ms += 1_000;
        let block = Some(Box::new(self.verified(block)));
        self.step(Event::Decided {
            from: self.others()[0].public_key(),
            certificate,
            block,
        });
        let height = self.chain.state.tip.height;
        assert_eq!(self.engine.tip(), height);
        self.step(Event::Committed(height));
    }

    pub(in crate::engine) fn connect_others(&mut self) {
        for key in self.others() {
            self.step(Event::PeerUp {
                peer: key.public_key(),
                validator: Some(key.public_key()),
                height: self.chain.state.tip.height,
            });
        }
    }

    pub(in crate::engine) fn disconnect_others(&mut self) {
        for key in self.others() {
            self.step(Event::PeerDown {
                peer: key.public_key(),
            });
        }
    }

    pub(in crate::engine) fn tick(&mut self) {
        self.now_ms += 1_000;
        self.step(Event::Tick);
    }

    fn answer(&mut self, peer: NodeId, height: u64, certificate: Option<CommitCertificate>) {
        let height = Height::new(height);
        self.step(Event::Status {
            peer,
            height,
            certificate,
        });
    }

    /// Every other validator shows a tip that is ours.
    pub(in crate::engine) fn all_answer(&mut self) {
        for key in self.others() {
            let certificate = self.tip.clone();
            self.answer(key.public_key(), self.chain.state.tip.height.get(), certificate);
        }
    }

    fn records(&self) -> Vec<&Record> {
        let records = self.out.iter().filter_map(|effect| match effect {
            Effect::Persist(record) => Some(record),
            _ => None,
        });
        records
            .filter(|record| matches!(record, Record::Lost | Record::RaisedTo(_)))
            .collect()
    }

    pub(in crate::engine) fn signed(&self) -> Vec<Position> {
        let signed = self.out.iter().filter_map(|effect| match effect {
            Effect::Sign { statement, .. } => Some(statement.position()),
            _ => None,
        });
        signed.collect()
    }

    fn asked(&self) -> BTreeSet<NodeId> {
        let asked = self.out.iter().filter_map(|effect| match effect {
            Effect::AskStatus { peer } => Some(*peer),
            _ => None,
        });
        asked.collect()
    }

    pub(in crate::engine) fn holds(&self) -> BTreeSet<SigningHold> {
        self.engine.view(self.now()).holds
    }

    fn observation(&self) -> Option<ObserverView> {
        self.engine.view(self.now()).observation
    }

    /// The round's time is up without a proposal: a validator that may sign sends a VIEW-CHANGE.
    pub(in crate::engine) fn let_time_pass(&mut self) {
        let height = self.chain.state.tip.height.next();
        self.now_ms += 3_600_000;
        self.step(Event::Timer(Timer::Work { height }));
        self.now_ms += 3_600_000;
        self.step(Event::Timer(Timer::Round {
            height,
            round: Round::ZERO,
        }));
    }

    /// A message of our own key that we do not know.
    pub(in crate::engine) fn hear_own(&mut self, height: u64) {
        let digest = BlockHash::from_hash(crate::crypto::HashWriter::new("other").finish());
        let vote = self.vote(&key(1_000), Step::Prepare, height, digest);
        let message = ConsensusMessage::Vote(vote);
        let context = MessageContext {
            domain: &self.domain,
            validators: &self.validators,
        };
        let message = Verified::check(message, context).unwrap();
        self.step(Event::Consensus {
            from: self.others()[0].public_key(),
            vset_hash: self.validators.hash(),
            message,
            body: None,
        });
    }
}

fn engine(
    chain: &TestChain,
    me: PublicKey,
    records: Vec<Record>,
    holds: BTreeSet<SigningHold>,
    certificate: Option<CommitCertificate>,
) -> Engine {
    let config = EngineConfig {
        chain_id: chain.chain_id,
        params: *chain.params(),
        me: Some(me),
        holds,
        listen_ms: 0,
        has_signed: false,
        certified: Height::GENESIS,
    };
    let tip = &chain.state.tip;
    let recovered = Recovered::from_records(records, tip.height, |_| None);
    let view: SharedView = Arc::new(chain.view.clone());
    let mut ledger = Ledger::new(
        chain.chain_id,
        *chain.params(),
        Some(me),
        chain.state.clone(),
        view,
        PoolLimits::default(),
    );
    if let Some(certificate) = certificate.clone() {
        ledger.remember_tip(certificate);
    }
    let tip = Tip {
        height: tip.height,
        hash: tip.hash,
        timestamp: tip.timestamp_ms,
        certificate,
        decided_at: None,
    };
    Engine::new(config, Start { tip, recovered }, ledger)
}

pub(in crate::engine) fn lost() -> World {
    World::new(4, vec![Record::Lost])
}

#[test]
fn a_lost_log_is_signed_above_two_heights_after_what_the_others_prove() {
    let mut world = lost();
    assert!(world.holds().contains(&SigningHold::LogMissing));
    world.connect_others();
    world.tick();
    let others: BTreeSet<NodeId> = world.others().iter().map(SecretKey::public_key).collect();
    assert_eq!(world.asked(), others);
    world.let_time_pass();
    world.all_answer();
    let mark = Height::new(TIP + 2);
    assert_eq!(world.records(), [&Record::RaisedTo(mark)]);
    // The first height that may have been signed before, and the second.
    for _ in 0..2 {
        world.let_time_pass();
        assert!(world.holds().contains(&SigningHold::LogMissing));
        world.decide();
    }
    assert_eq!(world.signed(), []);
    assert_eq!(world.holds(), BTreeSet::new());
    world.let_time_pass();
    let signed = world.signed();
    assert!(!signed.is_empty());
    assert!(
        signed.iter().all(|position| position.height == mark.next()),
        "{signed:?}"
    );
}

#[test]
fn too_few_answers_raise_no_mark() {
    let mut world = lost();
    world.connect_others();
    world.tick();
    let (first, others) = (world.others()[0].public_key(), world.others().len());
    let certificate = world.tip.clone();
    // One answer often is one answer; nor does a claim without a certificate count above our tip.
    for _ in 0..10 {
        world.answer(first, TIP, certificate.clone());
        for key in &world.others()[1..] {
            world.answer(key.public_key(), TIP + 50, None);
        }
    }
    assert_eq!(others, 3);
    let observation = world.observation().unwrap();
    assert_eq!((observation.answers, observation.answers_needed), (1, 3));
    assert_eq!(world.records(), Vec::<&Record>::new());
    // Who has not answered is asked again.
    world.out.clear();
    world.tick();
    assert_eq!(world.asked().len(), 2);
    assert!(!world.asked().contains(&first));
}

#[test]
fn the_highest_proved_tip_counts_not_the_lagging_one() {
    let mut world = lost();
    world.connect_others();
    world.tick();
    // Two lag like us; one proves a tip that is further.
    let ahead = {
        let (block, certificate) = world.next_block();
        (block.height().get(), certificate)
    };
    let others = world.others();
    for key in &others[..2] {
        let certificate = world.tip.clone();
        world.answer(key.public_key(), TIP, certificate);
    }
    world.answer(others[2].public_key(), ahead.0, Some(ahead.1));
    assert_eq!(world.records(), [&Record::RaisedTo(Height::new(TIP + 3))]);
}

#[test]
fn a_restart_forgets_neither_that_the_log_was_lost_nor_the_mark() {
    let world = lost();
    assert_eq!(world.records(), Vec::<&Record>::new(), "the log says so already");
    assert_eq!(world.observation().unwrap().signs_above, None);

    let mark = Height::new(TIP + 2);
    let mut world = World::new(4, vec![Record::Lost, Record::RaisedTo(mark)]);
    assert!(world.holds().contains(&SigningHold::LogMissing));
    assert_eq!(world.observation().unwrap().signs_above, Some(mark));
    world.connect_others();
    world.tick();
    assert!(
        world.asked().len() <= 1,
        "what is known is not asked, apart from how far the chain is"
    );
    world.let_time_pass();
    world.decide();
    world.let_time_pass();
    assert_eq!(world.signed(), []);
    world.decide();
    world.let_time_pass();
    assert!(!world.signed().is_empty());

    let mut world = World::new(4, vec![Record::Lost, Record::RaisedTo(Height::new(TIP))]);
    assert_eq!(world.holds(), BTreeSet::new());
    world.let_time_pass();
    assert!(!world.signed().is_empty());
}

#[test]
fn an_old_copy_becomes_a_lost_log_durably() {
    let holds = BTreeSet::from([SigningHold::LogMissing]);
    let mut world = World::with_holds(4, Vec::new(), holds);
    assert_eq!(world.records(), [&Record::Lost]);
    world.connect_others();
    world.tick();
    world.all_answer();
    assert_eq!(
        world.records(),
        [&Record::Lost, &Record::RaisedTo(Height::new(TIP + 2))]
    );
}

#[test]
fn an_observer_that_meets_its_own_old_signature_goes_on() {
    let mut world = lost();
    world.hear_own(TIP + 1);
    assert!(!world.holds().contains(&SigningHold::Doppelganger));
    world.connect_others();
    world.tick();
    world.all_answer();
    // Its mark is known; what lies below it may still be its own.
    world.hear_own(TIP + 1);
    world.hear_own(TIP + 2);
    assert!(!world.holds().contains(&SigningHold::Doppelganger));
    world.decide();
    world.decide();
    world.let_time_pass();
    assert!(!world.signed().is_empty(), "it signs in this very life");
}

#[test]
fn a_signature_above_the_mark_is_somebody_elses() {
    let mut world = World::new(4, vec![Record::Lost, Record::RaisedTo(Height::new(TIP))]);
    world.hear_own(TIP + 1);
    assert!(world.holds().contains(&SigningHold::Doppelganger));
    world.let_time_pass();
    assert_eq!(world.signed(), []);
}

#[test]
fn where_the_others_cannot_go_on_alone_only_an_operator_ends_it() {
    for masternodes in [1, 2] {
        let mut world = World::new(masternodes, vec![Record::Lost]);
        world.connect_others();
        world.tick();
        world.all_answer();
        assert_eq!(world.records(), Vec::<&Record>::new());
        assert!(world.asked().len() <= 1, "only how far the chain is");
        let observation = world.observation().unwrap();
        assert!(!observation.ends_by_itself);
        world.let_time_pass();
        assert_eq!(world.signed(), []);
        // What `timed signer state init` writes.
        let mut world = World::new(
            masternodes,
            vec![Record::Lost, Record::RaisedTo(Height::new(TIP))],
        );
        world.let_time_pass();
        assert!(!world.signed().is_empty());
    }
}

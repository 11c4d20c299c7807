//! Votes: what counts, what does not, and what decides.

use crate::{
    chain::{Block, CommitCertificate, Height},
    consensus::{
        CertificateContext, ConsensusMessage, Event, EvidenceKind, Record, Round, Step, WaitingFor,
        votes::{Inserted, ROUNDS_PER_SIGNER_MAX, Votes},
    },
    crypto::Verified,
};

use super::{
    toy_ledger::verified,
    world::{World, once},
};

fn setup() -> (World, usize, [usize; 3]) {
    let leader = World::new(4).leader(1, 0);
    let me = (leader + 1) % 4;
    let others: Vec<usize> = (0..4).filter(|node| *node != me).collect();
    (World::alone(4, me), me, others.try_into().unwrap())
}

fn give_votes(
    world: &mut World,
    me: usize,
    signers: &[usize],
    step: Step,
    round: u32,
    digest: crate::chain::BlockHash,
) {
    for signer in signers {
        let vote = world.vote(*signer, step, 1, round, digest);
        world.give(me, ConsensusMessage::Vote(vote), None);
    }
}

#[test]
fn a07_second_proposal_gets_no_second_prepare() {
    let (mut world, me, _) = setup();
    let leader = world.leader(1, 0);
    let blocks = [world.block(me, 0, 1), world.block(me, 0, 2)];
    for block in &blocks {
        let proposal = world.pre_prepare(leader, 1, 0, block.hash(), Vec::new(), None);
        world.give(me, ConsensusMessage::PrePrepare(proposal), Some(block.clone()));
    }
    let prepares = world.sent(me, 1, Step::Prepare);
    assert_eq!(prepares.len(), 1);
    let kinds: Vec<_> = world.nodes[me]
        .evidence
        .iter()
        .map(|evidence| evidence.kind)
        .collect();
    assert_eq!(kinds, [EvidenceKind::PrePrepares]);
    assert_eq!(world.round(me), 1, "R8: an equivocating leader is not waited for");
}

#[test]
fn a08_commits_first_decide_without_a_blind_commit() {
    let (mut world, me, others) = setup();
    let leader = world.leader(1, 0);
    let block = world.block(me, 0, 1);
    give_votes(&mut world, me, &others, Step::Commit, 0, block.hash());
    let view = world.nodes[me].machine.as_ref().unwrap().view();
    assert_eq!(view.waiting_for, WaitingFor::Body(block.hash()));
    assert!(world.nodes[me].chain.is_empty());
    let proposal = world.pre_prepare(leader, 1, 0, block.hash(), Vec::new(), None);
    world.give(me, ConsensusMessage::PrePrepare(proposal), Some(block.clone()));
    assert_eq!(world.nodes[me].chain[0].0.hash(), block.hash());
    assert!(world.sent(me, 1, Step::Commit).is_empty());
    world.laws.check();
}

#[test]
fn a09_late_commits_of_an_old_round_decide() {
    let (mut world, me, others) = setup();
    let block = world.block(me, 0, 1);
    for signer in &others[..2] {
        let change = world.view_change(*signer, 1, 2, None);
        world.give(me, ConsensusMessage::ViewChange(change), None);
    }
    assert_eq!(world.round(me), 2);
    give_votes(&mut world, me, &others, Step::Commit, 0, block.hash());
    world.step(me, Event::Fetched(Box::new(verified(block.clone()))));
    assert_eq!(world.nodes[me].chain[0].0.hash(), block.hash());
    assert_eq!(world.nodes[me].chain[0].1.round, 0);
}

#[test]
fn a10_committed_to_another_block_than_the_quorum() {
    let (mut world, me, others) = setup();
    let leader = world.leader(1, 0);
    let (a, b) = (world.block(me, 0, 1), world.block(me, 0, 2));
    let proposal = world.pre_prepare(leader, 1, 0, a.hash(), Vec::new(), None);
    world.give(me, ConsensusMessage::PrePrepare(proposal), Some(a.clone()));
    give_votes(&mut world, me, &others[..2], Step::Prepare, 0, a.hash());
    assert_eq!(world.sent(me, 1, Step::Commit).len(), 1, "committed to A");
    give_votes(&mut world, me, &others, Step::Commit, 0, b.hash());
    world.step(me, Event::Fetched(Box::new(verified(b.clone()))));
    assert_eq!(world.nodes[me].chain[0].0.hash(), b.hash());
}

#[test]
fn a12_duplicates_never_make_a_quorum() {
    let (mut world, me, others) = setup();
    let leader = world.leader(1, 0);
    let block = world.block(me, 0, 1);
    let proposal = world.pre_prepare(leader, 1, 0, block.hash(), Vec::new(), None);
    world.give(me, ConsensusMessage::PrePrepare(proposal), Some(block.clone()));
    for _ in 0..100 {
        give_votes(&mut world, me, &others[..1], Step::Prepare, 0, block.hash());
        give_votes(&mut world, me, &others[..2], Step::Commit, 0, block.hash());
    }
    assert!(world.sent(me, 1, Step::Commit).is_empty());
    assert!(world.nodes[me].chain.is_empty());
}

#[test]
fn a12_replays_of_old_heights_are_answered_within_limits() {
    let mut world = World::new(4);
    world.answers = false;
    world.start();
    assert!(world.run_to_height(2, 3_000));
    let me = 0;
    world.nodes[me].behind.clear();
    world.work_below = 0;
    let old = world.sent(1, 1, Step::Prepare)[0].clone();
    let (from, before) = (world.nodes[1].key.public_key(), world.nodes[me].chain.len());
    // For 40 s at one height of ours: the others are gone.
    for node in 1..4 {
        world.kill(node);
        world.nodes[node].is_byzantine = true;
    }
    world.run_ms(2_000);
    world.nodes[me].behind.clear();
    for _ in 0..400 {
        world.give(me, old.clone(), None);
        world.run_ms(100);
    }
    assert_eq!(world.nodes[me].chain.len(), before);
    let answers = world.nodes[me]
        .behind
        .iter()
        .filter(|(peer, _)| *peer == from)
        .count();
    assert!((10..=16).contains(&answers), "{answers}");
}

#[test]
fn votes_of_different_rounds_never_add_up() {
    let (mut world, me, others) = setup();
    let block = world.block(me, 0, 1);
    for (round, signer) in others.iter().enumerate() {
        give_votes(
            &mut world,
            me,
            &[*signer],
            Step::Commit,
            round as u32,
            block.hash(),
        );
    }
    world.step(me, Event::Fetched(Box::new(verified(block))));
    assert!(world.nodes[me].chain.is_empty());
}

#[test]
fn r5_a_certificate_and_its_block_decide() {
    let (mut world, me, others) = setup();
    let block = world.block(me, 0, 1);
    let certificate = world.certificate(&others, 1, 3, block.hash());
    let context = CertificateContext {
        domain: &world.domain,
        validators: &world.validators,
    };
    let checked = Verified::check(certificate, context).unwrap();
    world.step(
        me,
        Event::Decided {
            certificate: checked.clone(),
            block: None,
        },
    );
    assert!(world.nodes[me].chain.is_empty(), "not without the block");
    world.step(
        me,
        Event::Decided {
            certificate: checked,
            block: Some(Box::new(verified(block))),
        },
    );
    assert_eq!(world.nodes[me].chain.len(), 1);
    let few = world.certificate(&others[..2], 1, 3, world.nodes[me].chain[0].0.hash());
    let context = CertificateContext {
        domain: &world.domain,
        validators: &world.validators,
    };
    assert!(Verified::check(few, context).is_err(), "q - 1 certify nothing");
}

/// R10: a COMMIT that comes after the decision stands in the certificate that the next block carries.
#[test]
fn r10_late_commits_join_the_certificate() {
    let mut world = World::new(4);
    let slow = (0..4)
        .find(|node| (1..4).all(|height| world.leader(height, 0) != *node))
        .unwrap_or(3);
    world.network = Box::new(move |envelope| {
        let is_late = envelope.from == slow && envelope.message.step() == Step::Commit;
        once(if is_late { 12_000 } else { 1_000 })
    });
    world.start();
    assert!(world.run_to_height(3, 5_000));
    let carried = world.nodes[0].chain[1].0.prev_commit.as_ref().unwrap();
    assert_eq!(carried.signatures.len(), 4, "the slow one's COMMIT too");
    world.laws.check();
}

/// R10: whoever repeats a COMMIT for our tip has not decided, and nothing else may ever help it.
#[test]
fn r10_a_commit_that_is_repeated_for_the_tip_is_answered() {
    let mut world = World::new(4);
    world.answers = false;
    world.start();
    assert!(world.run_to_height(1, 3_000));
    let me = 0;
    world.work_below = 0;
    let commit = world.sent(1, 1, Step::Commit)[0].clone();
    let from = world.nodes[1].key.public_key();
    for node in 1..4 {
        world.kill(node);
        world.nodes[node].is_byzantine = true;
    }
    world.nodes[me].behind.clear();
    world.give(me, commit.clone(), None);
    assert!(world.nodes[me].behind.is_empty(), "a copy that was under way");
    world.run_ms(600);
    world.nodes[me].behind.clear();
    world.give(me, commit, None);
    assert_eq!(world.nodes[me].behind, [(from, Height::new(1))]);
}

/// §7: two certificates at one height stop the machine for good.
#[test]
fn a_fork_is_never_resolved() {
    let (mut world, me, others) = setup();
    let (a, b) = (world.block(me, 0, 1), world.block(me, 0, 2));
    let context = |world: &World, certificate| {
        Verified::check(
            certificate,
            CertificateContext {
                domain: &world.domain,
                validators: &world.validators,
            },
        )
    };
    let first = context(&world, world.certificate(&others, 1, 0, a.hash())).unwrap();
    let second = context(&world, world.certificate(&others, 1, 0, b.hash())).unwrap();
    world.step(
        me,
        Event::Decided {
            certificate: first,
            block: Some(Box::new(verified(a))),
        },
    );
    assert_eq!(world.nodes[me].chain.len(), 1);
    world.step(
        me,
        Event::Decided {
            certificate: second,
            block: Some(Box::new(verified(b))),
        },
    );
    assert_eq!(world.nodes[me].violations, 1);
    assert_eq!(
        world.nodes[me].evidence.len(),
        3,
        "whoever stands in both is named"
    );
    world.nodes[me].sent.clear();
    world.run_ms(20_000);
    assert!(world.nodes[me].sent.is_empty(), "nothing is signed any more");
}

/// A quorum decided the next height upon another parent than ours: nothing of it is logged.
#[test]
fn a_decided_block_upon_another_parent_stops_us_before_it_is_logged() {
    let (mut world, me, others) = setup();
    let (a, b) = (world.block(me, 0, 1), world.block(me, 0, 2));
    let decide = |world: &mut World, certificate: CommitCertificate, block: Block| {
        let context = CertificateContext {
            domain: &world.domain,
            validators: &world.validators,
        };
        let certificate = Verified::check(certificate, context).unwrap();
        let block = Some(Box::new(verified(block)));
        world.step(me, Event::Decided { certificate, block });
    };
    let for_a = world.certificate(&others, 1, 0, a.hash());
    decide(&mut world, for_a, a);
    assert_eq!(world.nodes[me].chain.len(), 1);
    let for_b = world.certificate(&others, 1, 0, b.hash());
    let mut upon_b = world.block(me, 0, 3);
    upon_b.header.prev_hash = b.hash();
    upon_b.header.prev_commit_hash = for_b.hash();
    upon_b.prev_commit = Some(for_b);
    let certificate = world.certificate(&others, 2, 0, upon_b.hash());
    decide(&mut world, certificate, upon_b);
    assert_eq!(world.nodes[me].violations, 1);
    assert_eq!(
        world.nodes[me].evidence.len(),
        3,
        "whoever stands in both is named"
    );
    assert_eq!(world.nodes[me].chain.len(), 1);
    let decided = |record: &&Record| matches!(record, Record::Decided(_));
    assert_eq!(world.nodes[me].disk.iter().filter(decided).count(), 1);
    world.nodes[me].sent.clear();
    world.run_ms(20_000);
    assert!(world.nodes[me].sent.is_empty(), "nothing is signed any more");
}

/// Two quorums that come in as votes, at the height in progress: the culprits are named.
#[test]
fn a_fork_in_votes_names_the_culprits() {
    let (mut world, me, others) = setup();
    let (a, b) = (world.block(me, 0, 1), world.block(me, 0, 2));
    give_votes(&mut world, me, &others, Step::Commit, 0, a.hash());
    let certificate = world.certificate(&others, 1, 0, b.hash());
    let context = CertificateContext {
        domain: &world.domain,
        validators: &world.validators,
    };
    let checked = Verified::check(certificate, context).unwrap();
    world.step(
        me,
        Event::Decided {
            certificate: checked,
            block: None,
        },
    );
    assert_eq!(world.nodes[me].violations, 1);
    let culprits = world.nodes[me]
        .evidence
        .iter()
        .filter(|one| one.kind == EvidenceKind::Commits)
        .count();
    assert_eq!(culprits, 3);
}

#[test]
fn votes_are_bounded_per_signer_and_the_lowest_past_round_goes_first() {
    let world = World::new(4);
    let digest = world.block(0, 0, 1).hash();
    let mut votes = Votes::new(Step::Prepare, Height::new(1), 4);
    let insert = |votes: &mut Votes, round: u32, current: u32| {
        let mut vote = world.vote(1, Step::Prepare, 1, 0, digest);
        vote.round = Round::new(round);
        votes.insert(&vote, Round::new(current), crate::consensus::Mono::default())
    };
    for round in 0..ROUNDS_PER_SIGNER_MAX as u32 {
        assert_eq!(insert(&mut votes, round, 0), Inserted::New);
    }
    assert_eq!(insert(&mut votes, 20, 0), Inserted::Full, "nothing here is past");
    assert_eq!(insert(&mut votes, 20, 5), Inserted::New, "round 0 made room");
    assert_eq!(
        (
            votes.count(Round::ZERO, digest),
            votes.count(Round::new(20), digest)
        ),
        (0, 1)
    );
    assert_eq!(insert(&mut votes, 20, 5), Inserted::Duplicate);
    assert_eq!(
        insert(&mut votes, 0, 5),
        Inserted::Full,
        "lower than everything kept"
    );
}

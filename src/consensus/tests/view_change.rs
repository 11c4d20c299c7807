//! Leaving rounds, joining them, and what their leaders propose.

use crate::{
    chain::Block,
    consensus::{ConsensusMessage, Event, EvidenceKind, Step, ViewChange},
};

use super::world::{NEVER, World, millis, once};

fn is_commit_below(message: &ConsensusMessage, round: u32) -> bool {
    message.step() == Step::Commit && message.round().get() < round
}

#[test]
fn a02_silent_leader_view_changes_carry_no_lock() {
    for n in [2, 3, 4, 5, 7, 10] {
        let mut world = World::new(n);
        world.start();
        let silent = world.leader(1, 0);
        world.kill(silent);
        world.nodes[silent].is_byzantine = true;
        let is_live = world.run_to_height(1, 2_000);
        assert_eq!(is_live, n > 2, "n = {n}");
        for node in (0..n).filter(|node| *node != silent) {
            for change in world.sent(node, 1, Step::ViewChange) {
                let ConsensusMessage::ViewChange(change) = change else {
                    panic!("a view change")
                };
                assert_eq!(change.header.prepared, None);
            }
            if is_live {
                assert_eq!(world.nodes[node].chain[0].1.round, 1);
            }
        }
        world.laws.check();
    }
}

#[test]
fn a03_prepared_block_is_proposed_again() {
    for lost_rounds in [1, 2] {
        let mut world = World::new(4);
        world.network = Box::new(move |envelope| {
            if is_commit_below(envelope.message, lost_rounds) {
                NEVER
            } else {
                once(1_000)
            }
        });
        world.start();
        assert!(world.run_to_height(1, 10_000));
        let (block, certificate) = &world.nodes[0].chain[0];
        assert_eq!(block.header.created_round, 0, "the block of round 0");
        assert_eq!(certificate.round, lost_rounds);
        for round in 0..=lost_rounds {
            let leader = world.leader(1, round);
            let proposals = world.sent(leader, 1, Step::PrePrepare);
            let of_round = proposals
                .iter()
                .find(|message| message.round().get() == round)
                .unwrap();
            let ConsensusMessage::PrePrepare(proposal) = of_round else {
                panic!("a proposal")
            };
            assert_eq!(proposal.digest, block.hash());
            assert_eq!(
                proposal.prepared.as_ref().map(|lock| lock.round.get()),
                round.checked_sub(1)
            );
        }
        world.laws.check();
    }
}

/// Three VIEW-CHANGEs into round 2: no lock, a lock of round 0 on the first block, one of round 1
/// on the second.
fn mixed(world: &World, me: usize) -> (Vec<ViewChange>, Block, Block) {
    let (low, high) = (world.block(me, 0, 1), world.block(me, 1, 2));
    let others: Vec<usize> = (0..4).filter(|node| *node != me).collect();
    let low_lock = world.prepared(&[0, 1, 2], 1, 0, low.hash());
    let high_lock = world.prepared(&[1, 2, 3], 1, 1, high.hash());
    let changes = vec![
        world.view_change(others[0], 1, 2, None),
        world.view_change(others[1], 1, 2, Some(low_lock)),
        world.view_change(others[2], 1, 2, Some(high_lock)),
    ];
    (changes, low, high)
}

#[test]
fn a04_leader_proposes_the_highest_lock() {
    let me = World::new(4).leader(1, 2);
    let mut world = World::alone(4, me);
    let (changes, _, high) = mixed(&world, me);
    for change in changes.into_iter().rev() {
        world.give(me, ConsensusMessage::ViewChange(change), None);
    }
    assert!(
        world.sent(me, 1, Step::PrePrepare).is_empty(),
        "not without the block"
    );
    world.step(
        me,
        Event::Fetched(Box::new(super::toy_ledger::verified(high.clone()))),
    );
    let proposals = world.sent(me, 1, Step::PrePrepare);
    let ConsensusMessage::PrePrepare(proposal) = &proposals[0] else {
        panic!("a proposal")
    };
    assert_eq!(proposal.digest, high.hash());
    assert_eq!(proposal.prepared.as_ref().unwrap().round.get(), 1);
    assert_eq!(world.sent(me, 1, Step::Prepare).len(), 1);
}

#[test]
fn a04_a06_mixed_view_changes_allow_the_highest_lock_only() {
    let leader = World::new(4).leader(1, 2);
    let me = (leader + 1) % 4;
    let mut world = World::alone(4, me);
    let (mut changes, low, high) = mixed(&world, me);
    changes.sort_by_key(|change| change.header.signer);
    let headers: Vec<_> = changes.iter().map(|change| change.header).collect();
    let low_lock = world.prepared(&[0, 1, 2], 1, 0, low.hash());
    let high_lock = world.prepared(&[1, 2, 3], 1, 1, high.hash());

    let lower = world.pre_prepare(leader, 1, 2, low.hash(), headers.clone(), Some(low_lock));
    world.give(me, ConsensusMessage::PrePrepare(lower), Some(low));
    assert!(world.sent(me, 1, Step::Prepare).is_empty());
    assert_eq!(world.nodes[me].evidence[0].kind, EvidenceKind::BadProposal);

    let higher = world.pre_prepare(leader, 1, 2, high.hash(), headers, Some(high_lock));
    world.give(me, ConsensusMessage::PrePrepare(higher), Some(high.clone()));
    let prepares = world.sent(me, 1, Step::Prepare);
    assert_eq!(prepares.len(), 1);
    let ConsensusMessage::Vote(vote) = prepares[0] else {
        panic!("a vote")
    };
    assert_eq!((vote.digest, vote.round.get()), (high.hash(), 2));
}

#[test]
fn a13_joins_the_round_that_f_plus_one_reached() {
    let me = 3;
    let mut world = World::alone(7, me);
    let change = |world: &World, signer, round| {
        ConsensusMessage::ViewChange(world.view_change(signer, 1, round, None))
    };
    for (signer, round, expected) in [(0, 9, 0), (0, 11, 0), (0, 11, 0), (1, 3, 0), (1, 2, 0), (2, 5, 3)] {
        let message = change(&world, signer, round);
        world.give(me, message, None);
        assert_eq!(world.round(me), expected, "after {signer} in round {round}");
    }
    assert_eq!(world.sent(me, 1, Step::ViewChange).len(), 1);
    let view = world.nodes[me].machine.as_ref().unwrap().view();
    assert!(
        view.is_view_change,
        "three in round 3 are no quorum of five beyond it"
    );
    assert_eq!(view.tallies.view_changes, 4);
    let message = change(&world, 4, 3);
    world.give(me, message, None);
    assert!(
        !world.nodes[me].machine.as_ref().unwrap().view().is_view_change,
        "five are"
    );
}

#[test]
fn a14_isolated_node_stays_one_round_ahead() {
    for me in 0..4 {
        let mut world = World::alone(4, me);
        world.network = Box::new(|_| NEVER);
        world.run_ms(3_600_000);
        assert_eq!(world.round(me), 1, "node {me}");
        world.laws.check();
    }
}

#[test]
fn a11_split_prepares_move_on_to_the_next_round() {
    let mut world = World::new(4);
    let leader = world.leader(1, 0);
    world.nodes[leader].is_byzantine = true;
    world.start();
    let honest: Vec<usize> = (0..4).filter(|node| *node != leader).collect();
    let (a, b) = (world.block(honest[0], 0, 1), world.block(honest[0], 0, 2));
    for (index, node) in honest.iter().enumerate() {
        let block = if index < 2 { &a } else { &b };
        let proposal = world.pre_prepare(leader, 1, 0, block.hash(), Vec::new(), None);
        world.give(*node, ConsensusMessage::PrePrepare(proposal), Some(block.clone()));
        let vote = world.vote(leader, Step::Prepare, 1, 0, b.hash());
        world.give(*node, ConsensusMessage::Vote(vote), None);
    }
    world.run_ms(100);
    for node in &honest {
        assert_eq!(world.sent(*node, 1, Step::Prepare).len(), 1);
        assert!(world.sent(*node, 1, Step::Commit).is_empty());
    }
    assert!(world.run_to_height(1, 2_000));
    assert_eq!(world.nodes[honest[0]].chain[0].1.round, 1);
    world.laws.check();
}

/// R8: a leader whose link is down is not waited for, if enough others are there.
#[test]
fn r8_leader_link_down_changes_view_at_once() {
    let leader = World::new(4).leader(1, 0);
    let me = (leader + 1) % 4;
    for others_up in [1, 2] {
        let mut world = World::alone(4, me);
        let others: Vec<usize> = (0..4).filter(|node| *node != me && *node != leader).collect();
        for other in others.iter().take(others_up) {
            let key = world.nodes[*other].key.public_key();
            world.step(me, Event::ValidatorUp(key));
        }
        // The link was down for longer than the grace when the block became due, 110 ms in, so a
        // node started at 1 ms leaves at 501 ms at the latest, T0 being at 511.
        world.run_until(millis(505));
        assert_eq!(
            world.round(me),
            u32::from(others_up == 2),
            "{others_up} others up"
        );
    }
}

#[test]
fn r8_a_leader_that_is_back_is_waited_for() {
    let leader = World::new(4).leader(1, 0);
    let me = (leader + 1) % 4;
    let mut world = World::alone(4, me);
    for other in (0..4).filter(|node| *node != me) {
        let key = world.nodes[other].key.public_key();
        world.step(me, Event::ValidatorUp(key));
    }
    let key = world.nodes[leader].key.public_key();
    world.step(me, Event::ValidatorDown(key));
    world.run_ms(300);
    world.step(me, Event::ValidatorUp(key));
    world.run_until(millis(505));
    assert_eq!(world.round(me), 0);
}

/// A signature that comes back after its round was left is never sent.
#[test]
fn an_aborted_signature_is_dropped() {
    let leader = World::new(4).leader(1, 0);
    let me = (leader + 1) % 4;
    let mut world = World::alone(4, me);
    world.sign_delay_us = Some(|_| 600_000);
    let block = world.block(me, 0, 1);
    let proposal = world.pre_prepare(leader, 1, 0, block.hash(), Vec::new(), None);
    world.give(me, ConsensusMessage::PrePrepare(proposal), Some(block));
    world.run_ms(2_000);
    assert_eq!(world.round(me), 1);
    assert!(world.sent(me, 1, Step::Prepare).is_empty());
    assert_eq!(world.sent(me, 1, Step::ViewChange).len(), 1);
    world.laws.check();
}

/// A signer that refuses once is asked again; meanwhile the node abstains.
#[test]
fn a_refusing_signer_is_asked_again() {
    let me = 0;
    let mut world = World::alone(4, me);
    world.sign_delay_us = Some(|_| 3_600_000_000);
    world.run_ms(600);
    assert_eq!(world.round(me), 1);
    world.sign_delay_us = None;
    for request in 1..=8 {
        world.step(me, Event::SignFailed { request });
    }
    world.run_ms(700);
    assert_eq!(world.sent(me, 1, Step::ViewChange).len(), 1);
    world.laws.check();
}

/// A node that may not sign follows, decides, and catches up with its signatures when it may.
#[test]
fn a_node_that_may_not_sign_follows() {
    let mut world = World::new(4);
    world.start();
    world.step(2, Event::SigningAllowed(false));
    assert!(world.run_to_height(5, 8_000));
    assert!(world.nodes[2].sent.is_empty());
    world.step(2, Event::SigningAllowed(true));
    let height = world.nodes[2].chain.len() as u64;
    assert!(world.run_to_height(height + 3, 3_000));
    assert!(!world.nodes[2].sent.is_empty());
    world.laws.check();
}

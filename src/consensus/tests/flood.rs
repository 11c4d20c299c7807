//! A15: bounded buffers under a flood, and what they are for.

use crate::{
    chain::Height,
    consensus::{
        ConsensusMessage, Effect, MessageContext, Mono, Note, Round, Step, ViewChange, ViewChangeHeader,
        view_changes::ViewChanges,
        votes::{ROUNDS_PER_SIGNER_MAX, Votes},
    },
    crypto::{Signature, Verified},
};

use super::{
    schedule::Draws,
    world::{NEVER, World, once},
};

#[test]
fn dos_34_a15_a_million_view_changes_take_no_memory() {
    let mut table = ViewChanges::new(4);
    let mut draws = Draws::new(1);
    for _ in 0..1_000_000 {
        let header = ViewChangeHeader {
            height: Height::new(1),
            round: Round::new(draws.next() as u32),
            prepared: None,
            signer: draws.below(6) as u16,
            signature: Signature::from_bytes([0; 64]),
        };
        table.insert(
            ViewChange {
                header,
                certificate: None,
            },
            Mono::default(),
        );
    }
    assert_eq!((0..6).filter(|signer| table.get(*signer).is_some()).count(), 4);
    assert!(table.kth_highest(3).is_some() && table.kth_highest(4).is_none());
}

#[test]
fn dos_34_a15_a_million_votes_take_no_memory() {
    let mut votes = Votes::new(Step::Prepare, Height::new(1), 4);
    let world = World::new(4);
    let (a, b) = (world.block(0, 0, 1).hash(), world.block(0, 0, 2).hash());
    let mut vote = world.vote(0, Step::Prepare, 1, 0, a);
    let mut draws = Draws::new(2);
    for _ in 0..1_000_000 {
        vote.signer = draws.below(6) as u16;
        vote.round = Round::new(draws.next() as u32);
        vote.digest = if draws.chance(50) { a } else { b };
        votes.insert(&vote, Round::new(draws.next() as u32), Mono::default());
    }
    let kept: usize = (0..6).map(|signer| votes.of(signer).count()).sum();
    assert!(kept <= 4 * ROUNDS_PER_SIGNER_MAX, "{kept}");
}

/// Through the machine, with real signatures: rounds up to the maximum, no overflow, and the node
/// is still able to decide.
#[test]
fn a15_flooded_machine_goes_on() {
    let me = 0;
    let mut world = World::alone(4, me);
    for round in (0..300).map(|step| 1 + step * 7_000_000) {
        for height in [1, 2] {
            let change = world.view_change(1, height, round, None);
            world.give(me, ConsensusMessage::ViewChange(change), None);
            let vote = world.vote(2, Step::Commit, height, round, world.block(me, 0, 1).hash());
            world.give(me, ConsensusMessage::Vote(vote), None);
        }
    }
    let view = world.nodes[me].machine.as_ref().unwrap().view();
    assert_eq!(view.round, Round::ZERO, "one signer moves nobody");
    assert!(view.buffered_next <= 2, "{}", view.buffered_next);
    assert!(view.timeline.len() <= 64);

    // Two signers at the very last round take it there, and there it stays without overflow.
    for signer in [1, 2] {
        let change = world.view_change(signer, 1, Round::MAX.get(), None);
        world.give(me, ConsensusMessage::ViewChange(change), None);
    }
    assert_eq!(world.round(me), Round::MAX.get());
    world.run_ms(60_000);
    assert_eq!(world.round(me), Round::MAX.get());

    let above = world.view_change(3, 1, u32::MAX, None);
    let context = MessageContext {
        domain: &world.domain,
        validators: &world.validators,
    };
    assert!(Verified::check(ConsensusMessage::ViewChange(above), context).is_err());
    world.laws.check();
}

#[test]
fn a15_next_height_is_kept_and_used_and_the_one_after_dropped() {
    // Node 3 gets nothing of height 1 but a late decision; everything of height 2 came before.
    let mut world = World::new(4);
    let late = 3;
    world.network = Box::new(move |envelope| {
        if envelope.to != late {
            return once(1_000);
        }
        match envelope.message.height().get() {
            1 => once(120_000),
            2 => once(1_000),
            _ => NEVER,
        }
    });
    world.work_below = 2;
    world.start();
    world.run_ms(160);
    assert_eq!(
        world.nodes[late].chain.len(),
        2,
        "height 2 was decided from what was kept"
    );
    assert!(
        world.nodes[late]
            .chain
            .iter()
            .all(|(_, certificate)| certificate.round == 0)
    );
    world.laws.check();

    let me = 0;
    let mut world = World::alone(4, me);
    let digest = world.block(me, 0, 1).hash();
    for signer in 1..4 {
        let vote = world.vote(signer, Step::Commit, 3, 0, digest);
        world.give(me, ConsensusMessage::Vote(vote), None);
    }
    assert_eq!(world.nodes[me].machine.as_ref().unwrap().view().buffered_next, 0);
    let dropped = Note::Dropped("more than one height ahead");
    assert_eq!(
        world.nodes[me]
            .notes
            .iter()
            .filter(|note| **note == dropped)
            .count(),
        3
    );
}

/// §7: f + 1 validators more than one height ahead cannot all be lying.
#[test]
fn f_plus_one_signers_ahead_mean_behind() {
    let me = 0;
    let mut world = World::alone(4, me);
    world.trace = Some(Vec::new());
    let digest = world.block(me, 0, 1).hash();
    for (signer, expected) in [(1, 0), (1, 0), (2, 1), (3, 1)] {
        let vote = world.vote(signer, Step::Commit, 7, 0, digest);
        world.give(me, ConsensusMessage::Vote(vote), None);
        let behind = format!(
            "{:?}",
            Effect::Behind {
                height: Height::new(7)
            }
        );
        let count = world
            .trace
            .as_ref()
            .unwrap()
            .iter()
            .filter(|line| line.ends_with(&behind))
            .count();
        assert_eq!(count, expected);
    }
}

/// Only the leader's proposal for the next height is kept, and only while bodies fit.
#[test]
fn next_height_proposals_are_the_leaders_only() {
    let me = World::new(4).leader(2, 1);
    let mut world = World::alone(4, me);
    let leader = world.leader(2, 0);
    for signer in (0..4).filter(|signer| *signer != me) {
        let block = world.block(me, 0, 1);
        let proposal = world.pre_prepare(signer, 2, 0, block.hash(), Vec::new(), None);
        world.give(me, ConsensusMessage::PrePrepare(proposal), Some(block));
        let kept = world.nodes[me].machine.as_ref().unwrap().view().buffered_next;
        assert_eq!(
            kept,
            usize::from(signer >= leader),
            "signer {signer}, leader {leader}"
        );
    }
}

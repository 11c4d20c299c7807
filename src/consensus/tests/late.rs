//! Contradictions that come to light late: after the decision, or after a VIEW-CHANGE took another's place.

use timecoin::{
    consensus::{ConsensusMessage, EvidenceKind, Step},
    crypto::NodeId,
};

use super::world::World;

fn setup() -> (World, usize, [usize; 3]) {
    let me = (World::new(4).leader(1, 0) + 1) % 4;
    let others: Vec<usize> = (0..4).filter(|node| *node != me).collect();
    (World::alone(4, me), me, others.try_into().unwrap())
}

fn accused(world: &World, me: usize) -> Vec<(EvidenceKind, NodeId)> {
    let evidence = world.nodes[me].evidence.iter();
    evidence
        .map(|evidence| (evidence.kind, evidence.offender))
        .collect()
}

#[test]
fn a_second_commit_is_proof_even_when_the_height_is_decided() {
    let (mut world, me, others) = setup();
    let (a, b) = (world.block(me, 0, 1), world.block(me, 0, 2));
    let leader = world.leader(1, 0);
    let proposal = world.pre_prepare(leader, 1, 0, a.hash(), Vec::new(), None);
    world.give(me, ConsensusMessage::PrePrepare(proposal), Some(a.clone()));
    for signer in others {
        let vote = world.vote(signer, Step::Commit, 1, 0, a.hash());
        world.give(me, ConsensusMessage::Vote(vote), None);
    }
    assert_eq!(world.nodes[me].chain.len(), 1);
    assert!(accused(&world, me).is_empty());
    let offender = others[1];
    let (other_round, second) = (
        world.vote(offender, Step::Commit, 1, 1, b.hash()),
        world.vote(offender, Step::Commit, 1, 0, b.hash()),
    );
    world.give(me, ConsensusMessage::Vote(other_round), None);
    assert!(
        accused(&world, me).is_empty(),
        "of another round it may be honest"
    );
    for _ in 0..3 {
        world.give(me, ConsensusMessage::Vote(second), None);
    }
    assert_eq!(
        accused(&world, me),
        [(EvidenceKind::Commits, world.nodes[offender].id)]
    );
}

#[test]
fn a_commit_that_a_replaced_view_change_forgot_is_proof() {
    let (mut world, me, others) = setup();
    let a = world.block(me, 0, 1);
    let offender = others[0];
    let forgot = world.view_change(offender, 1, 2, None);
    let lock = world.prepared(&others, 1, 1, a.hash());
    let remembers = world.view_change(offender, 1, 3, Some(lock));
    world.give(me, ConsensusMessage::ViewChange(forgot), None);
    world.give(me, ConsensusMessage::ViewChange(remembers), None);
    assert!(accused(&world, me).is_empty());
    let commit = world.vote(offender, Step::Commit, 1, 1, a.hash());
    world.give(me, ConsensusMessage::Vote(commit), None);
    assert_eq!(
        accused(&world, me),
        [(EvidenceKind::Amnesia, world.nodes[offender].id)]
    );
}

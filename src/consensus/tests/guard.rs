//! A16: the guard's whole table, and what it makes of messages that bear our signature.

use crate::{
    chain::{BlockHash, Height},
    consensus::{Answer, ConsensusMessage, Event, Guard, Origin, Position, Record, Recovered, Round, Step},
};

use super::world::World;

const STEPS: [Step; 4] = [Step::ViewChange, Step::PrePrepare, Step::Prepare, Step::Commit];

fn digest(n: u8) -> BlockHash {
    BlockHash::from_bytes([n; 32])
}

fn message(world: &World, position: Position, choice: u8) -> ConsensusMessage {
    let (height, round) = (position.height.get(), position.round.get());
    match position.step {
        Step::ViewChange => {
            let lock = (choice > 1).then(|| world.prepared(&[0], height, 0, digest(choice)));
            ConsensusMessage::ViewChange(world.view_change(0, height, round, lock))
        }
        Step::PrePrepare => ConsensusMessage::PrePrepare(world.pre_prepare(
            0,
            height,
            round,
            digest(choice),
            Vec::new(),
            None,
        )),
        step @ (Step::Prepare | Step::Commit) => {
            ConsensusMessage::Vote(world.vote(0, step, height, round, digest(choice)))
        }
    }
}

fn positions() -> Vec<Position> {
    let mut all = Vec::new();
    for height in 1..=2 {
        for round in 0..=2 {
            for step in STEPS {
                all.push(Position {
                    height: Height::new(height),
                    round: Round::new(round),
                    step,
                });
            }
        }
    }
    all
}

#[test]
fn a16_every_pair_of_positions() {
    let world = World::new(4);
    for first in positions() {
        let signed = message(&world, first, 1);
        for second in positions() {
            for choice in [1, 2] {
                let mut guard = Guard::new();
                assert_eq!(guard.admit(&signed), Answer::Sign);
                let asked = message(&world, second, choice);
                let expected = if second > first {
                    Answer::Sign
                } else if second == first && choice == 1 {
                    Answer::Stored(signed.clone())
                } else {
                    Answer::Refuse
                };
                assert_eq!(guard.ask(&asked), expected, "{first:?} then {second:?} {choice}");
                assert_eq!(
                    guard.admit(&asked),
                    expected,
                    "asked again when the signature is there"
                );
                assert_eq!(
                    guard.last(),
                    Some(first.max(if expected == Answer::Sign { second } else { first }))
                );
            }
        }
    }
}

#[test]
fn a16_the_stored_message_is_given_back_byte_for_byte() {
    let world = World::new(4);
    for position in positions() {
        let mut guard = Guard::new();
        let signed = message(&world, position, 2);
        guard.restore(signed.clone());
        let mut asked = message(&world, position, 2);
        if let ConsensusMessage::PrePrepare(proposal) = &mut asked {
            // Another justification for the same block: still the proposal that was signed.
            proposal
                .view_changes
                .push(world.view_change(1, 1, 1, None).header);
        }
        let Answer::Stored(stored) = guard.ask(&asked) else {
            panic!("{position:?}")
        };
        assert_eq!(stored, signed);
        assert_eq!(stored.signature(), signed.signature());
    }
}

#[test]
fn a_round_that_was_left_is_closed() {
    let world = World::new(4);
    let mut guard = Guard::new();
    guard.enter(Height::new(1), Round::new(1));
    for position in positions() {
        let expected = if (position.height, position.round) < (Height::new(1), Round::new(1)) {
            Answer::Left
        } else {
            Answer::Sign
        };
        assert_eq!(guard.ask(&message(&world, position, 1)), expected);
    }
}

#[test]
fn a_raised_mark_closes_whole_heights() {
    let world = World::new(4);
    let record = Record::RaisedTo(Height::new(1));
    let mut guard = Guard::new();
    guard.raise_to(Height::new(1));
    for position in positions() {
        let expected = if position.height.get() == 1 {
            Answer::Refuse
        } else {
            Answer::Sign
        };
        assert_eq!(guard.ask(&message(&world, position, 1)), expected);
    }
    // The machine then follows height 1 without a word, and votes from height 2 on.
    let mut world = World::new(4);
    world.nodes[2].disk.push(record);
    world.start();
    assert!(world.run_to_height(3, 5_000));
    assert!(
        world.nodes[2]
            .sent
            .iter()
            .all(|message| message.height() > Height::new(1))
    );
    assert!(!world.nodes[2].sent.is_empty());
    world.laws.check();
}

/// A message by our key that our log does not hold: somebody else runs with it.
#[test]
fn doppelganger_stops_signing() {
    let leader = World::new(4).leader(1, 0);
    let me = (leader + 1) % 4;
    for height in [1, 2, 5] {
        let mut world = World::alone(4, me);
        let block = world.block(me, 0, 1);
        let vote = world.vote(me, Step::Prepare, height, 0, block.hash());
        world.give(me, ConsensusMessage::Vote(vote), None);
        assert_eq!(world.nodes[me].doppelgangers, 1, "height {height}");
        let proposal = world.pre_prepare(leader, 1, 0, block.hash(), Vec::new(), None);
        world.give(me, ConsensusMessage::PrePrepare(proposal), Some(block));
        world.step(me, Event::SigningAllowed(true));
        world.run_ms(5_000);
        assert!(world.nodes[me].sent.is_empty(), "nothing is signed from then on");
    }
}

#[test]
fn our_own_echo_is_no_doppelganger() {
    let leader = World::new(4).leader(1, 0);
    let me = (leader + 1) % 4;
    let mut world = World::alone(4, me);
    let block = world.block(me, 0, 1);
    let proposal = world.pre_prepare(leader, 1, 0, block.hash(), Vec::new(), None);
    world.give(me, ConsensusMessage::PrePrepare(proposal), Some(block.clone()));
    world.run_ms(3_000);
    let sent = world.nodes[me].sent.clone();
    assert!(sent.len() > 2);
    for message in sent {
        world.give(me, message, None);
    }
    // After a restart the log still knows them.
    world.crash(me);
    world.run_ms(300);
    for message in world.nodes[me].sent.clone() {
        world.give(me, message, None);
    }
    assert_eq!(world.nodes[me].doppelgangers, 0);
    let other = world.vote(me, Step::Prepare, 1, 0, world.block(me, 0, 9).hash());
    world.give(me, ConsensusMessage::Vote(other), None);
    assert_eq!(world.nodes[me].doppelgangers, 1);
}

#[test]
fn origins_are_told_apart() {
    let world = World::new(4);
    let at = |round, step| Position {
        height: Height::new(1),
        round: Round::new(round),
        step,
    };
    let mut guard = Guard::new();
    guard.restore(message(&world, at(0, Step::Prepare), 1));
    let origin =
        |guard: &Guard, position, choice| guard.origin(&message(&world, position, choice), Height::new(1));
    assert_eq!(origin(&guard, at(0, Step::Prepare), 1), Origin::Ours);
    assert_eq!(origin(&guard, at(0, Step::Prepare), 2), Origin::Foreign);
    assert_eq!(
        origin(&guard, at(0, Step::PrePrepare), 1),
        Origin::Foreign,
        "below the mark, but never ours"
    );
    assert_eq!(origin(&guard, at(1, Step::Commit), 1), Origin::Foreign);
    for round in 1..200 {
        guard.admit(&message(&world, at(round, Step::ViewChange), 1));
    }
    assert_eq!(origin(&guard, at(0, Step::Prepare), 1), Origin::Forgotten);
    assert_eq!(origin(&guard, at(199, Step::ViewChange), 1), Origin::Ours);
    assert_eq!(
        guard.ask(&message(&world, at(0, Step::Prepare), 1)),
        Answer::Refuse,
        "forgotten, not forgiven"
    );
    guard.raise_to(Height::new(9));
    assert_eq!(origin(&guard, at(300, Step::Commit), 1), Origin::Forgotten);
}

#[test]
fn an_empty_log_starts_at_the_beginning() {
    let recovered = Recovered::from_records(Vec::new(), Height::GENESIS, |_| None);
    assert_eq!(recovered.last_signed(), None);
    let mut world = World::alone(1, 0);
    world.step(0, Event::Work(None));
    assert!(world.run_to_height(1, 3_000));
}

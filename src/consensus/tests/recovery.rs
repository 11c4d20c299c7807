//! Crashes that lose everything but the log: A17 (the machine's half), A19, and recovery in detail.

use crate::consensus::{ConsensusMessage, Record, Step};

use super::world::{NEVER, World, millis, once};

#[test]
fn a19_power_cut_after_commit_finalizes_the_same_block() {
    for n in [1, 2, 3, 4, 7] {
        let mut world = World::new(n);
        world.network = Box::new(|envelope| {
            if envelope.message.step() == Step::Commit {
                NEVER
            } else {
                once(1_000)
            }
        });
        world.start();
        world.run_ms(80);
        if n > 1 {
            assert!(world.nodes.iter().all(|node| node.chain.is_empty()));
            assert!(
                (0..n).all(|node| world.sent(node, 1, Step::Commit).len() == 1),
                "n = {n}"
            );
        }
        let ConsensusMessage::Vote(vote) = world.sent(0, 1, Step::Commit)[0].clone() else {
            panic!("a vote")
        };
        for node in 0..n {
            world.crash(node);
        }
        world.network = Box::new(|_| once(1_000));
        assert!(world.run_to_height(1, 5_000), "n = {n}");
        assert_eq!(world.nodes[0].chain[0].0.hash(), vote.digest);
        assert_eq!(world.nodes[0].chain[0].1.round, 0, "nobody had to change view");
        world.laws.check();
    }
}

#[test]
fn a19_power_cut_after_prepare_too() {
    let mut world = World::new(4);
    world.network = Box::new(|envelope| {
        if envelope.message.step() == Step::Prepare {
            NEVER
        } else {
            once(1_000)
        }
    });
    world.start();
    world.run_ms(80);
    assert!((0..4).all(|node| world.sent(node, 1, Step::Prepare).len() == 1));
    for node in 0..4 {
        world.crash(node);
    }
    world.network = Box::new(|_| once(1_000));
    assert!(world.run_to_height(2, 5_000));
    assert_eq!(world.nodes[0].chain[0].1.round, 0);
    world.laws.check();
}

/// From every prefix of the log a machine comes back that contradicts nothing of it, resends it
/// byte for byte, and goes on.
#[test]
fn a17_recovery_from_every_prefix_of_the_log() {
    // Two rounds at height 1 and normal heights after it, so that every kind of record is there.
    let make = || {
        let mut world = World::new(4);
        world.network = Box::new(|envelope| {
            let is_lost = envelope.message.step() == Step::Commit
                && envelope.message.height().get() == 1
                && envelope.message.round().get() == 0;
            if is_lost { NEVER } else { once(1_000) }
        });
        world.start();
        assert!(world.run_to_height(3, 8_000));
        world
    };
    let lengths: Vec<usize> = make().nodes.iter().map(|node| node.disk.len()).collect();
    for (node, records) in lengths.into_iter().enumerate() {
        for length in 0..=records {
            let mut world = make();
            for other in (0..4).filter(|other| *other != node) {
                world.kill(other);
                world.nodes[other].is_byzantine = true;
            }
            let disk = world.nodes[node].disk.clone();
            world.nodes[node].disk.truncate(length);
            let kept = world.nodes[node].disk.clone();
            world.kill(node);
            // The laws remember what was sent before: a log that lost its tail may not be judged by
            // them, but nothing that the kept part holds may be contradicted.
            world.laws = super::laws::Laws::default();
            world.nodes[node].sent.clear();
            world.boot(node);
            world.run_until(world.now + millis(3_000));
            let signed: Vec<&ConsensusMessage> = kept
                .iter()
                .filter_map(|record| match record {
                    Record::Signed(message) => Some(message),
                    Record::Body(_)
                    | Record::Lock(_)
                    | Record::Decided(_)
                    | Record::RaisedTo(_)
                    | Record::Lost
                    | Record::Vouched(..) => None,
                })
                .collect();
            for sent in &world.nodes[node].sent {
                for known in &signed {
                    if known.position() == sent.position() {
                        assert_eq!(*known, sent, "node {node}, {length} of {} records", disk.len());
                    }
                }
                let last = signed.iter().map(|known| known.position()).max();
                let is_new = signed.iter().all(|known| known.position() != sent.position());
                assert!(
                    !is_new || Some(sent.position()) > last,
                    "below the mark: {:?}",
                    sent.position()
                );
            }
            // Locks, bodies and votes are back: with the whole log the tip is as before.
            world.laws.check();
        }
    }
}

/// Without its own votes put back, a node that crashed after COMMIT would count only the others.
#[test]
fn own_votes_are_back_in_the_tallies() {
    let mut world = World::new(4);
    world.network = Box::new(|envelope| {
        if envelope.message.step() == Step::Commit {
            NEVER
        } else {
            once(1_000)
        }
    });
    world.start();
    world.run_ms(80);
    world.network = Box::new(|_| NEVER);
    world.crash(1);
    world.run_ms(250);
    let view = world.nodes[1].machine.as_ref().unwrap().view();
    assert_eq!(
        (view.tallies.prepares, view.tallies.commits),
        (3, 1),
        "the lock's PREPAREs and our COMMIT"
    );
    assert!(
        view.is_armed,
        "a height in which something was signed runs on time at once"
    );
    assert!(view.lock.is_some());
}

#[test]
fn own_proposal_is_delivered_to_ourselves_again() {
    let world = World::new(4);
    let me = world.leader(1, 0);
    let mut world = World::alone(4, me);
    world.nodes[me].crash_after = Some(3);
    world.run_ms(120);
    let kinds = |world: &World| -> Vec<Step> {
        let signed = world.nodes[me].disk.iter().filter_map(|record| match record {
            Record::Signed(message) => Some(message.step()),
            Record::Body(_)
            | Record::Lock(_)
            | Record::Decided(_)
            | Record::RaisedTo(_)
            | Record::Lost
            | Record::Vouched(..) => None,
        });
        signed.collect()
    };
    assert_eq!(
        kinds(&world),
        [Step::PrePrepare],
        "crashed right after sending the proposal"
    );
    world.run_ms(300);
    assert_eq!(kinds(&world), [Step::PrePrepare, Step::Prepare]);
    world.laws.check();
}

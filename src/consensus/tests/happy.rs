//! Nothing goes wrong.

use crate::consensus::{Quorum, Step};

use super::world::World;

#[test]
fn a01_happy_path_for_every_size() {
    for n in [1, 2, 3, 4, 5, 6, 7, 10, 13, 15, 31] {
        let mut world = World::new(n);
        world.start();
        assert!(world.run_to_height(1, 5_000), "n = {n}");
        let count = |step| (0..n).map(|node| world.sent(node, 1, step).len()).sum::<usize>();
        assert_eq!(
            (
                count(Step::PrePrepare),
                count(Step::Prepare),
                count(Step::Commit),
                count(Step::ViewChange)
            ),
            (1, n, n, 0),
            "n = {n}"
        );
        for node in &world.nodes {
            assert_eq!(node.chain[0].1.round, 0);
        }
        world.laws.check();
    }
}

#[test]
fn a01_quorum_table() {
    let table = [
        (1, 1, 0),
        (2, 2, 0),
        (3, 2, 0),
        (4, 3, 1),
        (5, 4, 1),
        (6, 4, 1),
        (7, 5, 2),
        (10, 7, 3),
        (13, 9, 4),
        (15, 10, 4),
        (22, 15, 7),
        (31, 21, 10),
    ];
    for (n, q, f) in table {
        let quorum = Quorum::of(n);
        assert_eq!((quorum.votes(), quorum.f()), (q, f), "n = {n}");
        assert!(!quorum.is_reached(q - 1));
    }
    for n in 1..=200 {
        let (q, f) = (Quorum::of(n).votes(), Quorum::of(n).f());
        assert!(2 * q > n + f, "two quorums of {n} share an honest validator");
        assert!(n - f >= q, "the honest of {n} are a quorum");
    }
    assert!(!Quorum::of(0).is_reached(0));
}

#[test]
fn many_heights_in_a_row() {
    let mut world = World::new(4);
    world.start();
    assert!(world.run_to_height(20, 10_000));
    world.laws.check();
    let proposers: std::collections::BTreeSet<_> = world.nodes[0]
        .chain
        .iter()
        .map(|(block, _)| block.header.proposer)
        .collect();
    assert_eq!(proposers.len(), 4, "everybody leads in turn");
}

/// A node without a key follows: it accepts, counts and decides, and never says a word.
#[test]
fn a_follower_decides_in_silence() {
    let mut world = World::new(4);
    world.nodes[2].only_follows = true;
    world.start();
    assert!(world.run_to_height(8, 10_000));
    assert!(world.nodes[2].sent.is_empty());
    let view = world.nodes[2].machine.as_ref().unwrap().view();
    assert_eq!((view.me, view.may_sign), (None, false));
    world.laws.check();
}

/// A set of nobody makes no blocks, arms nothing and does not fall over.
#[test]
fn an_empty_set_stands_still() {
    let mut world = World::new(1);
    world.validators = crate::consensus::ValidatorSet::new(Vec::new());
    world.start();
    world.run_ms(10_000);
    assert!(world.nodes[0].sent.is_empty() && world.nodes[0].chain.is_empty());
}

//! Durations: how long a round lasts, when a block is due, and what a timer does.

use crate::{
    chain::{BlockHash, Height, TimestampMs},
    consensus::{
        ConsensusMessage, Event, Mono, Note, Phase, Round, Step, Timer, Verdict, ViewChangeCause, WaitingFor,
    },
};

use super::world::{TIMING, World, millis};

fn ms(ms: u64) -> Mono {
    Mono::from_micros(millis(ms))
}

/// T(r) = min(T0 · 2^r, Tmax), without overflow at any round; and a machine whose round fails
/// leaves it exactly then, not earlier.
#[test]
fn test_consensus_timeout() {
    let table = [
        (0, 400),
        (1, 800),
        (2, 1_600),
        (3, 3_200),
        (4, 4_000),
        (63, 4_000),
        (64, 4_000),
        (u32::MAX, 4_000),
    ];
    for (round, expected) in table {
        assert_eq!(
            TIMING.round_timeout_ms(Round::new(round)),
            expected,
            "round {round}"
        );
    }

    let leader = World::new(4).leader(1, 0);
    let mut world = World::alone(4, (leader + 1) % 4);
    let node = (leader + 1) % 4;
    let view = |world: &World| world.nodes[node].machine.as_ref().unwrap().view();
    assert_eq!(view(&world).waiting_for, WaitingFor::Work);
    world.run_ms(150);
    assert_eq!(view(&world).waiting_for, WaitingFor::Proposal(leader as u16));
    let deadline = view(&world).deadline.expect("armed once work is due");
    // Nothing due before it; another height's or round's timer does not count either.
    for timer in [
        Timer::Round {
            height: Height::new(1),
            round: Round::ZERO,
        },
        Timer::Round {
            height: Height::new(2),
            round: Round::ZERO,
        },
        Timer::Round {
            height: Height::new(1),
            round: Round::new(1),
        },
    ] {
        world.step(node, Event::Timer(timer));
        assert_eq!(world.round(node), 0, "{timer:?}");
    }
    world.run_until(deadline.micros() - 1);
    assert_eq!(world.round(node), 0);
    world.run_until(deadline.micros());
    assert_eq!(world.round(node), 1);
    assert!(world.nodes[node].notes.contains(&Note::ViewChange {
        height: Height::new(1),
        to: Round::new(1),
        cause: ViewChangeCause::ProposalTimeout
    }));
    assert!(view(&world).is_view_change, "and there it waits for a quorum");
}

/// A silent leader costs one timeout: everybody changes view, without a lock, and round 1 decides.
#[test]
fn test_view_change_on_timeout() {
    let mut world = World::new(4);
    world.start();
    let silent = world.leader(1, 0);
    world.kill(silent);
    world.nodes[silent].is_byzantine = true;
    assert!(world.run_to_height(1, 1_000), "within T0 and a little");
    for node in (0..4).filter(|node| *node != silent) {
        let changes = world.sent(node, 1, Step::ViewChange);
        assert_eq!(changes.len(), 1);
        let ConsensusMessage::ViewChange(change) = &changes[0] else {
            panic!("a view change")
        };
        assert_eq!((change.header.round.get(), &change.header.prepared), (1, &None));
        assert_eq!(world.nodes[node].chain[0].1.round, 1);
    }
    world.laws.check();
}

#[test]
fn work_is_due_by_the_earlier_of_transaction_and_interval() {
    let decided = ms(10_000);
    let at = |since: Option<u64>, is_proposer| {
        TIMING
            .work_at(decided, since.map(ms), is_proposer)
            .ms_since(decided)
    };
    assert_eq!(at(None, true), 2_000, "nothing waits: the interval");
    assert_eq!(
        at(Some(9_000), true),
        30,
        "waiting since before: minimum interval and batch window"
    );
    assert_eq!(at(Some(9_000), false), 30, "known to the leader long enough");
    assert_eq!(at(Some(10_500), true), 510);
    assert_eq!(at(Some(10_500), false), 610, "the leader gets its grace");
    assert_eq!(at(Some(11_990), false), 2_000, "never later than the interval");
}

#[test]
fn an_idle_chain_makes_empty_blocks_at_the_interval_only() {
    let mut world = World::new(4);
    world.work_below = 0;
    world.start();
    world.run_ms(1_999);
    assert!(world.nodes.iter().all(|node| node.chain.is_empty()));
    world.run_ms(4_100);
    assert!(world.nodes.iter().all(|node| (2..=3).contains(&node.chain.len())));
    assert!(
        world
            .nodes
            .iter()
            .all(|node| node.chain.iter().all(|(_, cert)| cert.round == 0))
    );
    // A transaction does not wait for the interval.
    let before = world.nodes[0].chain.len() as u64;
    world.work_below = before + 1;
    for node in 0..4 {
        world.tell_work(node);
    }
    assert!(world.run_to_height(before + 1, 150));
}

/// R1: a proposal that is early by our clock is held, neither refused nor scored.
#[test]
fn an_early_proposal_is_held_until_it_is_due() {
    let leader = World::new(4).leader(1, 0);
    let node = (leader + 1) % 4;
    let mut world = World::alone(4, node);
    let wall = world.clock(node).wall.get();
    let mut block = world.block(node, 0, 1);
    block.header.timestamp_ms = TimestampMs::new(wall + super::toy_ledger::DRIFT_MS + 100);
    let digest = block.hash();
    let proposal = world.pre_prepare(leader, 1, 0, digest, Vec::new(), None);
    world.give(node, ConsensusMessage::PrePrepare(proposal), Some(block));
    assert_eq!(
        world.nodes[node].machine.as_ref().unwrap().view().waiting_for,
        WaitingFor::Clock(digest)
    );
    world.run_ms(99);
    assert!(world.sent(node, 1, Step::Prepare).is_empty());
    world.run_ms(2);
    assert_eq!(world.sent(node, 1, Step::Prepare).len(), 1);
    assert!(world.nodes[node].evidence.is_empty());
}

#[test]
fn a_proposal_from_far_ahead_of_our_clock_is_dropped_and_may_come_again() {
    let leader = World::new(4).leader(1, 0);
    let node = (leader + 1) % 4;
    let mut world = World::alone(4, node);
    let block = world.block(node, 0, 1);
    let proposal = world.pre_prepare(leader, 1, 0, block.hash(), Vec::new(), None);
    let far = world.clock(node).wall.saturating_add(60_000);
    world.nodes[node].ledger.verdict = Some(Verdict::EarlyUntil(far));
    world.give(
        node,
        ConsensusMessage::PrePrepare(proposal.clone()),
        Some(block.clone()),
    );
    assert!(world.sent(node, 1, Step::Prepare).is_empty());
    world.nodes[node].ledger.verdict = None;
    world.give(node, ConsensusMessage::PrePrepare(proposal), Some(block));
    assert_eq!(world.sent(node, 1, Step::Prepare).len(), 1);
    assert!(world.nodes[node].evidence.is_empty());
}

/// While far behind: no timers, no votes. Then the height is taken up anew.
#[test]
fn catching_up_stands_still_and_then_arms_again() {
    let leader = World::new(4).leader(1, 0);
    let node = (leader + 1) % 4;
    let mut world = World::alone(4, node);
    world.step(node, Event::Syncing(true));
    let block = world.block(node, 0, 1);
    let proposal = world.pre_prepare(leader, 1, 0, block.hash(), Vec::new(), None);
    world.run_ms(10_000);
    assert_eq!(world.round(node), 0);
    world.give(node, ConsensusMessage::PrePrepare(proposal), Some(block));
    assert!(world.nodes[node].sent.is_empty());
    world.step(node, Event::Syncing(false));
    assert_eq!(world.sent(node, 1, Step::Prepare).len(), 1);
    world.run_ms(401);
    assert_eq!(world.round(node), 1);
}

/// A leader whose ledger cannot build now tries again.
#[test]
fn a_leader_that_cannot_build_tries_again() {
    let mut world = World::new(1);
    world.nodes[0].ledger.can_build = false;
    world.start();
    world.run_ms(300);
    assert!(world.nodes[0].chain.is_empty());
    world.nodes[0].ledger.can_build = true;
    assert!(world.run_to_height(1, 1_500));
    assert_eq!(
        world.nodes[0].machine.as_ref().unwrap().view().phase,
        Phase::PrePrepare
    );
    assert_ne!(world.nodes[0].ledger.tip().1, BlockHash::ZERO);
}

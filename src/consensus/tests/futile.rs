//! Rounds that can gather no quorum any more: they end after half their time, and no other does
//! (R6; docs/adr/0028-rounds-that-end-early.md).

use crate::{
    chain::BlockHash,
    consensus::{ConsensusMessage, Event, Step},
    crypto::Hash256,
};

use super::world::{World, millis};

/// A validator of four in round 1 since 50 ms, with two others; T(1) is over at 850 ms. The fourth,
/// `far`, has not been heard of.
struct Case {
    world: World,
    me: usize,
    ahead: usize,
    far: usize,
}

impl Case {
    fn new(is_far_up: bool) -> Self {
        let [far, near, ahead, me] = [0, 1, 2, 3].map(|round| World::new(4).leader(1, round));
        let mut world = World::alone(4, me);
        for other in [near, ahead].into_iter().chain(is_far_up.then_some(far)) {
            let key = world.nodes[other].id;
            world.step(me, Event::ValidatorUp(key));
        }
        let mut case = Self {
            world,
            me,
            ahead,
            far,
        };
        case.world.run_until(millis(50));
        case.goes_to(near, 1);
        case.goes_to(ahead, 1);
        assert_eq!(case.world.round(me), 1, "two others are joined");
        case
    }

    fn goes_to(&mut self, node: usize, round: u32) {
        let change = self.world.view_change(node, 1, round, None);
        self.world
            .give(self.me, ConsensusMessage::ViewChange(change), None);
    }

    fn round_at(&mut self, ms: u64) -> u32 {
        self.world.run_until(millis(ms));
        self.world.laws.check();
        self.world.round(self.me)
    }
}

#[test]
fn r6_a_futile_round_is_not_waited_for_to_its_end() {
    let mut case = Case::new(false);
    case.goes_to(case.ahead, 2);
    assert_eq!(case.round_at(440), 1, "half of T(1) is waited for in any case");
    assert_eq!(
        case.round_at(520),
        1,
        "looked at with the next thing that happens"
    );
    case.goes_to(case.ahead, 2);
    assert_eq!(case.round_at(650), 2, "two of four are gone");
}

#[test]
fn r6_a_round_with_a_quorum_left_lasts_its_whole_time() {
    let mut one_is_ahead = Case::new(true);
    one_is_ahead.goes_to(one_is_ahead.ahead, 2);
    let mut one_is_down = Case::new(false);
    assert_eq!(one_is_ahead.round_at(840), 1, "f that left are no reason");
    assert_eq!(one_is_down.round_at(840), 1, "nor is one whose link is down");
    assert_eq!(one_is_ahead.round_at(860), 2);
    assert_eq!(one_is_down.round_at(860), 2);
}

#[test]
fn r6_whoever_was_heard_in_a_round_is_not_gone_from_it() {
    let mut case = Case::new(false);
    let digest = BlockHash::from_hash(Hash256::from_bytes([1; 32]));
    let vote = case.world.vote(case.far, Step::Prepare, 1, 1, digest);
    case.world.give(case.me, ConsensusMessage::Vote(vote), None);
    case.goes_to(case.ahead, 2);
    assert_eq!(case.round_at(840), 1, "its vote came by another way");
}

#[test]
fn r6_round_0_is_never_cut_short() {
    let [_, near, ahead, me] = [0, 1, 2, 3].map(|round| World::new(4).leader(1, round));
    let mut world = World::alone(4, me);
    let key = world.nodes[near].id;
    world.step(me, Event::ValidatorUp(key));
    let change = world.view_change(ahead, 1, 2, None);
    world.give(me, ConsensusMessage::ViewChange(change), None);
    world.run_until(millis(490));
    assert_eq!(world.round(me), 0, "everybody enters it by the clock");
}

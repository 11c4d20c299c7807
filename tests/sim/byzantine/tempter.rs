//! Crime: as leader of round 0, one block for one node and another for all the rest, and no vote for
//! either, so that nobody decides. When the one has voted it falls; on its feet again it is shown
//! the others' block, with the vote that was held back. Who forgot what it accepted, follows.

use timecoin::{
    chain::{Block, BlockHash},
    consensus::{ConsensusMessage, PrePrepare, Step},
};

use super::{Mind, Stage};

/// How long whoever falls is down, in microseconds: short enough that the round is still on.
const DOWN_US: u64 = 20_000;
/// From its proposal until it is made to fall: it has voted by then, unless the network is slow.
const VOTED_US: u64 = 30_000;
/// From its fall until it is shown the other block.
const RISEN_US: u64 = DOWN_US + 10_000;
/// How often it is shown it; the network loses things.
const SHOWN_MAX: u32 = 4;

/// How far it got.
pub(super) struct Temptation {
    height: u64,
    leader: usize,
    victim: usize,
    proposal: PrePrepare,
    block: Block,
    next_us: u64,
    has_fallen: bool,
    shown: u32,
}

pub(super) fn act(mind: &mut Mind, stage: &mut dyn Stage) {
    match mind.temptation.take() {
        Some(temptation) => mind.temptation = go_on(stage, temptation),
        None => begin(mind, stage),
    }
}

fn begin(mind: &mut Mind, stage: &mut dyn Stage) {
    for height in mind.heights(stage) {
        let leader = stage.leader(height, 0);
        if !mind.nodes.contains(&leader) || !mind.led.insert((height, 0)) {
            continue;
        }
        let mut honest = mind.honest(stage);
        let (Some(one), Some(other)) = (mind.fresh(stage, height, 0), mind.fresh(stage, height, 0)) else {
            mind.led.remove(&(height, 0));
            continue;
        };
        let victim = honest.remove(mind.draws.below(honest.len() as u64) as usize);
        let propose = |stage: &dyn Stage, digest: BlockHash| {
            stage.pre_prepare(leader, (height, 0, digest), Vec::new(), None)
        };
        let bait = propose(stage, one.hash());
        let proposal = propose(stage, other.hash());
        stage.say(leader, victim, ConsensusMessage::PrePrepare(bait), Some(one));
        for to in honest {
            let message = ConsensusMessage::PrePrepare(proposal.clone());
            stage.say(leader, to, message, Some(other.clone()));
        }
        mind.temptation = Some(Temptation {
            height,
            leader,
            victim,
            proposal,
            block: other,
            next_us: stage.now_us() + VOTED_US,
            has_fallen: false,
            shown: 0,
        });
        return;
    }
}

fn go_on(stage: &mut dyn Stage, mut temptation: Temptation) -> Option<Temptation> {
    let Temptation { leader, victim, .. } = temptation;
    if stage.height_of(victim) != temptation.height || temptation.shown >= SHOWN_MAX {
        return None;
    }
    if stage.now_us() < temptation.next_us {
        return Some(temptation);
    }
    if temptation.has_fallen {
        let digest = temptation.proposal.digest;
        let message = ConsensusMessage::PrePrepare(temptation.proposal.clone());
        stage.say(leader, victim, message, Some(temptation.block.clone()));
        let vote = stage.vote(leader, Step::Prepare, temptation.height, 0, digest);
        stage.say(leader, victim, ConsensusMessage::Vote(vote), None);
        temptation.shown += 1;
    } else {
        stage.fell(victim, DOWN_US);
        temptation.has_fallen = true;
        temptation.next_us = stage.now_us() + RISEN_US;
    }
    Some(temptation)
}

//! Crime: as leader of round 0, two blocks for two halves of the network, or one block for a few.

use timecoin::consensus::ConsensusMessage;

use super::{Mind, Stage};

pub(super) fn propose(mind: &mut Mind, stage: &mut dyn Stage) {
    for height in mind.heights(stage) {
        let leader = stage.leader(height, 0);
        if !mind.nodes.contains(&leader) || !mind.led.insert((height, 0)) {
            continue;
        }
        let (Some(one), Some(other)) = (mind.fresh(stage, height, 0), mind.fresh(stage, height, 0)) else {
            mind.led.remove(&(height, 0));
            continue;
        };
        let overlaps = mind.draws.chance(20);
        let is_single = mind.draws.chance(30);
        let mut ears = [Vec::new(), Vec::new()];
        for to in mind.honest(stage) {
            let side = mind.draws.chance(50);
            if side || overlaps {
                ears[0].push(to);
            }
            if (!side || overlaps) && !is_single {
                ears[1].push(to);
            }
        }
        for (block, ears) in [one, other].iter().zip(ears) {
            let proposal = stage.pre_prepare(leader, (height, 0, block.hash()), Vec::new(), None);
            mind.say_proposal(stage, leader, &ears, proposal, block);
        }
    }
}

/// Says an earlier proposal again, to others: to whoever forgot what it accepted.
pub(super) fn repeat(mind: &mut Mind, stage: &mut dyn Stage) {
    if mind.said.is_empty() || !mind.draws.chance(50) {
        return;
    }
    let drawn = mind.draws.below(mind.said.len() as u64) as usize;
    let (leader, proposal, block) = mind.said[drawn].clone();
    for to in mind.some(stage) {
        stage.say(
            leader,
            to,
            ConsensusMessage::PrePrepare(proposal.clone()),
            Some(block.clone()),
        );
    }
}

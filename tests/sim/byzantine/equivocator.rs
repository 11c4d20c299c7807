//! Crime: as leader of round 0, two blocks for two halves of the network, or one block for a few.

use timecoin::consensus::ConsensusMessage;

use crate::world::World;

use super::Mind;

pub(super) fn propose(mind: &mut Mind, world: &mut World) {
    let heights: Vec<u64> = {
        let honest = mind.honest(world);
        honest
            .iter()
            .map(|node| world.nodes[*node].chain.len() as u64 + 1)
            .collect()
    };
    for height in heights {
        let leader = world.leader(height, 0);
        if !mind.nodes.contains(&leader) || !mind.led.insert((height, 0)) {
            continue;
        }
        let (Some(one), Some(other)) = (mind.fresh(world, height, 0), mind.fresh(world, height, 0)) else {
            mind.led.remove(&(height, 0));
            continue;
        };
        let overlaps = mind.draws.chance(20);
        let is_single = mind.draws.chance(30);
        let mut ears = [Vec::new(), Vec::new()];
        for to in mind.honest(world) {
            let side = mind.draws.chance(50);
            if side || overlaps {
                ears[0].push(to);
            }
            if (!side || overlaps) && !is_single {
                ears[1].push(to);
            }
        }
        for (block, ears) in [one, other].iter().zip(ears) {
            let proposal = world.pre_prepare(leader, height, 0, block.hash(), Vec::new(), None);
            mind.say_proposal(world, leader, &ears, proposal, block);
        }
    }
}

/// Says an earlier proposal again, to others: to whoever forgot what it accepted.
pub(super) fn repeat(mind: &mut Mind, world: &mut World) {
    if mind.said.is_empty() || !mind.draws.chance(50) {
        return;
    }
    let drawn = mind.draws.below(mind.said.len() as u64) as usize;
    let (leader, proposal, block) = mind.said[drawn].clone();
    for to in mind.some(world) {
        world.say(
            leader,
            to,
            ConsensusMessage::PrePrepare(proposal.clone()),
            Some(block.clone()),
        );
    }
}

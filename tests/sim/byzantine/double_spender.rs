//! Crime: as leader, a block whose content no honest node may accept: money spent twice where there
//! is money, a header that claims another state where there is none.

use timecoin::consensus::ConsensusMessage;

use super::{Mind, Stage};

pub(super) fn propose(mind: &mut Mind, stage: &mut dyn Stage) {
    for height in mind.heights(stage) {
        let leader = stage.leader(height, 0);
        if !mind.nodes.contains(&leader) || mind.led.contains(&(height, 0)) || !mind.draws.chance(50) {
            continue;
        }
        let Some(witness) = mind.witness(stage, height) else {
            continue;
        };
        mind.salt += 1;
        let block = stage.bad_block(witness, 0, mind.salt);
        mind.led.insert((height, 0));
        mind.blocks.insert(block.hash(), block.clone());
        let at = (height, 0, block.hash());
        let proposal = ConsensusMessage::PrePrepare(stage.pre_prepare(leader, at, Vec::new(), None));
        for to in mind.some(stage) {
            stage.say(leader, to, proposal.clone(), Some(block.clone()));
        }
    }
}

//! Crime: tells a few what all should hear: a proposal whose block only one gets, a vote that only
//! some can count.

use timecoin::{
    chain::BlockHash,
    consensus::{ConsensusMessage, Step},
};

use super::{Mind, Stage};

/// Proposes a valid block; the block itself goes to one or a few.
pub(super) fn propose(mind: &mut Mind, stage: &mut dyn Stage) {
    for height in mind.heights(stage) {
        let leader = stage.leader(height, 0);
        if !mind.nodes.contains(&leader) || !mind.led.insert((height, 0)) {
            continue;
        }
        let Some(block) = mind.fresh(stage, height, 0) else {
            mind.led.remove(&(height, 0));
            continue;
        };
        let at = (height, 0, block.hash());
        let proposal = ConsensusMessage::PrePrepare(stage.pre_prepare(leader, at, Vec::new(), None));
        for to in mind.some(stage) {
            let body = mind.draws.chance(40).then(|| block.clone());
            stage.say(leader, to, proposal.clone(), body);
        }
    }
}

/// Votes as an honest node would, but not to everybody.
pub(super) fn vote(
    mind: &mut Mind,
    stage: &mut dyn Stage,
    node: usize,
    height: u64,
    round: u32,
    digest: BlockHash,
) {
    for step in [Step::Prepare, Step::Commit] {
        let first = mind.once.insert((node, step, height, round));
        if !first {
            continue;
        }
        let vote = ConsensusMessage::Vote(stage.vote(node, step, height, round, digest));
        for to in mind.some(stage) {
            stage.say(node, to, vote.clone(), None);
        }
    }
}

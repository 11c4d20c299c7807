//! Crime: votes for whatever it hears of, PREPARE and COMMIT, to whom it likes.

use timecoin::{
    chain::BlockHash,
    consensus::{ConsensusMessage, Step},
};

use super::{Mind, Stage};

pub(super) fn vote(
    mind: &mut Mind,
    stage: &mut dyn Stage,
    node: usize,
    height: u64,
    round: u32,
    digest: BlockHash,
) {
    for (step, percent) in [(Step::Prepare, 60), (Step::Commit, 40)] {
        if !mind.draws.chance(percent) {
            continue;
        }
        let vote = ConsensusMessage::Vote(stage.vote(node, step, height, round, digest));
        for to in mind.some(stage) {
            stage.say(node, to, vote.clone(), None);
        }
    }
}

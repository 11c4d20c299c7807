//! Crime: says everything late, its own votes and what it heard of others, when nobody waits for it
//! any more.

use timecoin::{
    chain::Block,
    consensus::{ConsensusMessage, Step},
};

use super::{Mind, Stage};

/// What it keeps to say later.
const KEPT_MAX: usize = 64;

/// Something to be said later.
#[derive(Debug)]
pub(super) struct Late {
    due_us: u64,
    from: usize,
    message: ConsensusMessage,
    block: Option<Block>,
}

/// Keeps what it heard, and its own vote for it.
pub(super) fn keep(
    mind: &mut Mind,
    stage: &dyn Stage,
    node: usize,
    message: &ConsensusMessage,
    block: Option<&Block>,
) {
    if mind.late.len() >= KEPT_MAX {
        return;
    }
    let mut due_us = stage.now_us() + 1_000 * (100 + mind.draws.below(4_000));
    if let ConsensusMessage::PrePrepare(proposal) = message {
        let (height, round) = (proposal.height.get(), proposal.round.get());
        for step in [Step::Prepare, Step::Commit] {
            if mind.once.insert((node, step, height, round)) {
                let vote = stage.vote(node, step, height, round, proposal.digest);
                let message = ConsensusMessage::Vote(vote);
                due_us += 1_000 * mind.draws.below(600);
                mind.late.push(Late {
                    due_us,
                    from: node,
                    message,
                    block: None,
                });
            }
        }
    }
    if mind.draws.chance(30) {
        mind.late.push(Late {
            due_us,
            from: node,
            message: message.clone(),
            block: block.cloned(),
        });
    }
}

/// Says what is due.
pub(super) fn say(mind: &mut Mind, stage: &mut dyn Stage) {
    let now = stage.now_us();
    let (due, late): (Vec<Late>, Vec<Late>) = mind.late.drain(..).partition(|late| late.due_us <= now);
    mind.late = late;
    for Late {
        from, message, block, ..
    } in due
    {
        for to in mind.some(stage) {
            stage.say(from, to, message.clone(), block.clone());
        }
    }
}

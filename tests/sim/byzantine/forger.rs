//! Crime: certificates with a signature too few, and votes in the name of nobody. Both fail at the
//! door; they are here to find a door left open.

use timecoin::{
    chain::{CommitCertificate, Height},
    consensus::{ConsensusMessage, Step, Vote},
};

use super::{Mind, Stage};

pub(super) fn forge(mind: &mut Mind, stage: &mut dyn Stage) {
    let quorum = stage.quorum().votes();
    let Some(((height, round, digest), heard)) =
        mind.prepares.last_key_value().map(|(slot, by)| (*slot, by.len()))
    else {
        return;
    };
    if heard == 0 || !mind.draws.chance(30) {
        return;
    }
    let node = mind.nodes[0];
    let mut signatures = mind
        .commits
        .get(&(height, round, digest))
        .cloned()
        .unwrap_or_default();
    for own in &mind.nodes {
        let vote = stage.vote(*own, Step::Commit, height, round, digest);
        signatures.insert(vote.signer, vote.signature);
    }
    while signatures.len() >= quorum {
        signatures.pop_last();
    }
    if let Some(block) = mind.blocks.get(&digest).cloned() {
        let certificate = CommitCertificate {
            height: Height::new(height),
            round,
            block_hash: digest,
            signatures: signatures.into_iter().collect(),
        };
        for to in mind.some(stage) {
            stage.show_decision(node, to, certificate.clone(), block.clone());
        }
    }
    for step in [Step::Prepare, Step::Commit] {
        let vote = stage.vote(node, step, height, round, digest);
        for to in mind.some(stage) {
            let stranger = Vote {
                signer: stage.quorum().n() as u16,
                ..vote
            };
            stage.say(node, to, ConsensusMessage::Vote(stranger), None);
        }
    }
}

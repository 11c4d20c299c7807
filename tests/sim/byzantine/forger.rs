//! Crime: certificates with a signature too few, and votes in the name of nobody. Both fail at the
//! door; they are here to find a door left open.

use timecoin::{
    chain::{CommitCertificate, Height},
    consensus::{ConsensusMessage, Quorum, Step, Vote},
};

use crate::world::{Item, World};

use super::Mind;

pub(super) fn forge(mind: &mut Mind, world: &mut World) {
    let n = world.nodes.len();
    let quorum = Quorum::of(n).votes();
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
        let vote = world.vote(*own, Step::Commit, height, round, digest);
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
        for to in mind.some(world) {
            world.push(
                1_000,
                Item::Decided {
                    to,
                    certificate: certificate.clone(),
                    block: block.clone(),
                },
            );
        }
    }
    for step in [Step::Prepare, Step::Commit] {
        let vote = world.vote(node, step, height, round, digest);
        for to in mind.some(world) {
            let stranger = Vote {
                signer: n as u16,
                ..vote
            };
            world.say(node, to, ConsensusMessage::Vote(stranger), None);
        }
    }
}

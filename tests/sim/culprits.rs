//! Accountability: with more than f Byzantine validators the chain may fork, and then what was said
//! names at least f + 1 of them and nobody else (docs/CONSENSUS.md §9).

use std::collections::{BTreeMap, BTreeSet};

use timecoin::{
    chain::{BlockHash, Height},
    consensus::{ConsensusMessage, Round, Step, ViewChangeHeader},
    crypto::PublicKey,
};

use crate::{
    schedule::{self, Draws},
    world::World,
};

/// How long after healing a fork may still come to light, in virtual time.
const SETTLES_WITHIN_MS: u64 = 3_000;

/// Runs one schedule with more criminals than can be borne.
///
/// # Errors
/// A fork that names too few, or somebody honest; any other broken law.
pub(crate) fn run(
    seed: u64,
    sizes: &[u64],
    make: impl FnOnce(usize) -> World,
    prepare: impl FnOnce(&mut World, &mut Draws),
) -> Result<World, String> {
    let (mut world, faults) = schedule::play(seed, sizes, make, prepare);
    world.run_ms(SETTLES_WITHIN_MS);
    let other = world.laws.broken.iter().find(|broken| !broken.starts_with("O1"));
    if let Some(other) = other {
        return Err(format!("seed {seed} {faults:?}: {other}"));
    }
    if world.laws.broken.is_empty() {
        return Ok(world);
    }
    let named = named(&world);
    let honest = world.nodes.iter().filter(|node| !node.is_byzantine);
    if let Some(node) = honest
        .map(|node| node.key.public_key())
        .find(|key| named.contains(key))
    {
        return Err(format!("seed {seed} {faults:?}: honest {node:?} is named"));
    }
    let needed = world.quorum().f() + 1;
    if named.len() < needed {
        return Err(format!(
            "seed {seed} {faults:?}: forked, and names {} of {needed}: {:?}",
            named.len(),
            world.laws.broken
        ));
    }
    Ok(world)
}

type Spoken<T> = BTreeMap<(PublicKey, Height, Round, Step), BTreeSet<T>>;

/// Whoever contradicted himself in anything that was said: E1 to E5, judged apart from the program.
fn named(world: &World) -> BTreeSet<PublicKey> {
    let mut blocks: Spoken<BlockHash> = BTreeMap::new();
    let mut locks: Spoken<Option<(Round, BlockHash)>> = BTreeMap::new();
    let key = |height: Height, signer| world.set_at(height).0.key(signer).copied();
    let mut changes = |header: &ViewChangeHeader| {
        if let Some(key) = key(header.height, header.signer) {
            let place = (key, header.height, header.round, Step::ViewChange);
            locks.entry(place).or_default().insert(header.prepared);
        }
    };
    for message in world.archive() {
        let digest = match message {
            ConsensusMessage::PrePrepare(proposal) => {
                proposal.view_changes.iter().for_each(&mut changes);
                proposal.digest
            }
            ConsensusMessage::Vote(vote) => vote.digest,
            ConsensusMessage::ViewChange(change) => {
                changes(&change.header);
                continue;
            }
        };
        if let Some(key) = key(message.height(), message.signer()) {
            let place = (key, message.height(), message.round(), message.step());
            blocks.entry(place).or_default().insert(digest);
        }
    }
    let mut named = BTreeSet::new();
    named.extend(contradictions(&blocks));
    named.extend(contradictions(&locks));
    for (key, height, round, step) in blocks.keys() {
        let forgets = |(place, locked): (&(PublicKey, Height, Round, Step), &BTreeSet<_>)| {
            let is_later = place.0 == *key && place.1 == *height && place.2 > *round;
            let is_lower = |lock: &Option<(Round, BlockHash)>| lock.is_none_or(|(at, _)| at < *round);
            is_later && locked.iter().any(is_lower)
        };
        if *step == Step::Commit && locks.iter().any(forgets) {
            named.insert(*key);
        }
    }
    named
}

fn contradictions<T>(spoken: &Spoken<T>) -> impl Iterator<Item = PublicKey> + '_ {
    let contradicted = spoken.iter().filter(|(_, said)| said.len() > 1);
    contradicted.map(|((key, _, _, _), _)| *key)
}

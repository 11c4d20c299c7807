//! Crime: VIEW-CHANGEs that name a lock too low or none, different ones for different ears; and,
//! as leader, justifications picked by hand.

use timecoin::consensus::{ConsensusMessage, PreparedCert, ViewChange};

use super::{Mind, Stage};

/// Says a VIEW-CHANGE into `round` in `node`'s name, with any lock that it can prove, or none.
pub(super) fn change_view(mind: &mut Mind, stage: &mut dyn Stage, node: usize, height: u64, round: u32) {
    let once = lie(mind, stage, node, height, round);
    let is_two_faced = mind.draws.chance(30);
    for to in mind.some(stage) {
        let change = if is_two_faced {
            lie(mind, stage, node, height, round)
        } else {
            once.clone()
        };
        stage.say(node, to, ConsensusMessage::ViewChange(change), None);
    }
}

fn lie(mind: &mut Mind, stage: &dyn Stage, node: usize, height: u64, round: u32) -> ViewChange {
    let locks = mind.locks(stage, height, round);
    let drawn = mind.draws.below(locks.len() as u64 + 1) as usize;
    stage.view_change(node, height, round, locks.get(drawn).cloned())
}

/// Leads `round` if it is ours: from any quorum of VIEW-CHANGEs, the block they allow, or another.
pub(super) fn lead(mind: &mut Mind, stage: &mut dyn Stage, height: u64, round: u32) {
    let leader = stage.leader(height, round);
    if round == 0 || !mind.nodes.contains(&leader) || mind.led.contains(&(height, round)) {
        return;
    }
    let proposals = 1 + mind.draws.below(2);
    let mut has_led = false;
    for _ in 0..proposals {
        let Some((headers, lock)) = pick(mind, stage, leader, height, round) else {
            return;
        };
        let is_lawless = mind.draws.chance(15);
        let locked = lock
            .as_ref()
            .and_then(|lock| mind.blocks.get(&lock.digest))
            .cloned();
        let (block, certificate) = match (lock, locked) {
            (Some(lock), Some(block)) if !is_lawless => (block, Some(lock)),
            (Some(_), None) if !is_lawless => return,
            _ => match mind.fresh(stage, height, round) {
                Some(block) => (block, None),
                None => return,
            },
        };
        let proposal = stage.pre_prepare(leader, (height, round, block.hash()), headers, certificate);
        let ears = mind.some(stage);
        has_led |= !ears.is_empty();
        mind.say_proposal(stage, leader, &ears, proposal, &block);
    }
    if has_led {
        mind.led.insert((height, round));
    }
}

type Justification = (Vec<timecoin::consensus::ViewChangeHeader>, Option<PreparedCert>);

/// A quorum of VIEW-CHANGEs into `round`, our own lies among them, and the highest lock in it.
fn pick(mind: &mut Mind, stage: &dyn Stage, leader: usize, height: u64, round: u32) -> Option<Justification> {
    let mut known = mind.changes.get(&(height, round))?.clone();
    for node in mind.nodes.clone() {
        let change = lie(mind, stage, node, height, round);
        known.insert(change.header.signer, change);
    }
    let quorum = stage.quorum().votes();
    let mut chosen: Vec<ViewChange> = known.into_values().collect();
    while chosen.len() > quorum {
        let out = mind.draws.below(chosen.len() as u64) as usize;
        chosen.remove(out);
    }
    if chosen.len() < quorum {
        return None;
    }
    debug_assert!(mind.nodes.contains(&leader));
    let highest = chosen
        .iter()
        .filter_map(|change| change.header.prepared)
        .map(|(round, _)| round)
        .max();
    let locks = mind.locks(stage, height, round);
    let lock = highest.and_then(|highest| {
        let named = chosen
            .iter()
            .filter_map(|change| change.header.prepared)
            .find(|(round, _)| *round == highest);
        let heard = chosen.iter().filter_map(|change| change.certificate.clone());
        heard
            .chain(locks)
            .find(|lock| Some((lock.round, lock.digest)) == named)
    });
    if highest.is_some() && lock.is_none() {
        return None;
    }
    Some((chosen.into_iter().map(|change| change.header).collect(), lock))
}

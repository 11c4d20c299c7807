//! A schedule of whole validators: the same faults as for machines, and people who pay.

use std::{cell::RefCell, rc::Rc};

use timecoin::crypto::SecretKey;

use crate::{
    byzantine::{Crime, Mind},
    schedule::{Draws, Faults, is_cut},
    world::{Arrivals, NEVER, Watcher, once},
};

use super::{Engines, Item};

/// Coins, each of which somebody spends.
const COINS: u64 = 6;
/// Heights that have to be decided after the network has healed.
const HEIGHTS_AFTER_HEALING: u64 = 2;
/// How long that may take, in virtual time: a block is due every few seconds at the latest.
const HEALED_WITHIN_MS: u64 = 60_000;

/// In so many of a hundred schedules that can bear it, a crash takes the log of an honest validator.
const LOSES_LOG_PERCENT: u64 = 25;

/// Runs one schedule to its end.
///
/// # Errors
/// The laws that were broken, or that it hangs.
pub(crate) fn run(
    seed: u64,
    sizes: &[u64],
    make: &dyn Fn(&[u8; 32]) -> SecretKey,
    watcher: Option<Watcher>,
    recruit: impl FnOnce(usize, usize, &mut Draws) -> (Vec<usize>, Vec<Crime>),
) -> Result<Engines, String> {
    let mut draws = Draws::new(seed ^ 0x5EED_0FE1);
    let faults = Faults::draw(&mut draws, sizes);
    // Sets change where periods end: who is jailed leaves there.
    let period_ms = draws.pick(&[800, 3_000, 30_000]);
    let mut world = Engines::new(faults.n, COINS, period_ms, make);
    world.drawn = draws.next();
    world.watcher = watcher;
    let f = timecoin::consensus::Quorum::of(faults.n).f();
    let (nodes, crimes) = recruit(faults.n, f, &mut draws);
    let criminals = nodes.len();
    if !nodes.is_empty() {
        for node in &nodes {
            world.nodes[*node].is_byzantine = true;
        }
        timecoin::consensus::mutant::claim(nodes.iter().map(|node| world.own_set(*node)).collect());
        world.mind = Some(Box::new(Mind::new(nodes, crimes, Draws::new(draws.next()))));
    }
    world.restart_after_us = 1_000 * (50 + draws.below(1_500));
    world.flush_after_us = 1_000 * draws.below(800);
    if faults.signs_slowly {
        world.sign_delay_us = Some(|draw| draw.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 46);
    }
    if faults.clocks_differ {
        for node in &mut world.nodes {
            node.clock_offset_ms = draws.below(8_000);
        }
    }
    let heals_at = 1_000 * faults.heals_at_ms;
    let shared = Rc::new(RefCell::new(draws.clone()));
    let network = faults.clone();
    world.link =
        Box::new(move |at, from, to| link(&network, &mut shared.borrow_mut(), heals_at, (at, from, to)));
    world.spend_all(COINS, heals_at, &mut draws, make);
    world.start();
    // Whoever lost its log signs nothing for a while: one more that does not is borne only below f.
    if criminals < f && draws.chance(LOSES_LOG_PERCENT) {
        let honest = (0..faults.n).filter(|node| !world.nodes[*node].is_byzantine);
        let honest: Vec<usize> = honest.collect();
        let node = honest[draws.below(honest.len() as u64) as usize];
        world.nodes[node].loses_log = true;
        world.push(1_000 * draws.below(faults.heals_at_ms), Item::Crash { node });
    }
    for _ in 0..faults.crashes {
        let node = draws.below(faults.n as u64) as usize;
        let at = 1_000 * draws.below(faults.heals_at_ms);
        if draws.chance(60) {
            world.run_until(at.max(world.now));
            world.nodes[node].crash_after = Some(1 + draws.below(12));
        } else {
            world.push(at.saturating_sub(world.now), Item::Crash { node });
        }
    }
    world.run_until(heals_at.max(world.now));
    for node in &mut world.nodes {
        node.crash_after = None;
    }
    let highest = world.tips().into_iter().max().map_or(0, |height| height.get());
    let goal = highest + HEIGHTS_AFTER_HEALING;
    let is_live = world.run_to_height(goal, HEALED_WITHIN_MS);
    if !world.laws.broken.is_empty() {
        return Err(format!(
            "seed {seed} engines {faults:?}: {:#?}",
            world.laws.broken
        ));
    }
    if !is_live {
        let tips = world.tips();
        return Err(format!(
            "seed {seed} engines {faults:?}: hangs at {tips:?}, goal {goal}"
        ));
    }
    Ok(world)
}

fn link(faults: &Faults, draws: &mut Draws, heals_at: u64, (at, from, to): (u64, usize, usize)) -> Arrivals {
    if at >= heals_at {
        return once(1_000);
    }
    if is_cut(faults, at, from, to) || draws.chance(faults.loss_percent) {
        return NEVER;
    }
    let first = 500 + draws.below(faults.delay_max_us);
    let is_doubled = draws.chance(faults.duplicates_percent);
    let second = is_doubled.then(|| 500 + draws.below(2 * faults.delay_max_us));
    [Some(first), second]
}

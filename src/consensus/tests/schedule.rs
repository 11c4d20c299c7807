//! A schedule: everything that can go wrong, drawn from a seed. It makes things happen and judges
//! nothing; what must hold stands in `laws`.

use std::{cell::RefCell, rc::Rc};

use timecoin::crypto::HashWriter;

use super::world::{Arrivals, Envelope, Item, NEVER, World, millis, once};

/// SplitMix64: small, and equal on every machine.
#[derive(Debug, Clone)]
pub(super) struct Draws(u64);

impl Draws {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(super) fn pick(&mut self, from: &[u64]) -> u64 {
        from[self.below(from.len() as u64) as usize]
    }
}

/// What may go wrong, and how much of it.
#[derive(Debug, Clone)]
pub(super) struct Faults {
    pub(super) n: usize,
    pub(super) loss_percent: u64,
    pub(super) duplicates_percent: u64,
    pub(super) delay_max_us: u64,
    /// Nodes are cut into two halves that change every so often.
    pub(super) partition_every_ms: Option<u64>,
    pub(super) one_way: bool,
    pub(super) crashes: u64,
    pub(super) signs_slowly: bool,
    pub(super) forwards: bool,
    pub(super) clocks_differ: bool,
    /// A crash loses what was not synced, or part of it.
    pub(super) loses_unsynced: bool,
    /// Nodes are busy with a proposed block for a while.
    pub(super) validates_slowly: bool,
    /// One more node than validators: they take turns at sitting out, so many heights each.
    pub(super) set_lasts: Option<u64>,
    /// From here on the network is good, and everybody is up.
    pub(super) heals_at_ms: u64,
}

impl Faults {
    pub(super) fn draw(draws: &mut Draws, sizes: &[u64]) -> Self {
        let n = draws.pick(sizes) as usize;
        Self {
            n,
            loss_percent: draws.pick(&[0, 0, 5, 20, 40]),
            duplicates_percent: draws.pick(&[0, 0, 10]),
            delay_max_us: millis(draws.pick(&[2, 50, 300, 700, 2_500])),
            partition_every_ms: draws.chance(30).then(|| 200 + draws.below(3_000)),
            one_way: draws.chance(50),
            crashes: draws.pick(&[0, 0, 1, 3, 8]),
            signs_slowly: draws.chance(25),
            forwards: draws.chance(30),
            clocks_differ: draws.chance(20),
            loses_unsynced: draws.chance(50),
            validates_slowly: draws.chance(20),
            set_lasts: (draws.chance(20) && n >= SETS_CHANGE_FROM).then(|| 1 + draws.below(2)),
            heals_at_ms: 500 + draws.below(4_000),
        }
    }
}

/// Sets change among so many validators and more. A smaller one may lose a node that it cannot do
/// without and that has nothing to say, and bare machines have no other way to tell it what it missed;
/// whole validators have.
const SETS_CHANGE_FROM: usize = 4;
/// Heights that there is work for while faults happen: few, so that each gets its share of them.
const HEIGHTS_WITH_FAULTS: u64 = 3;
/// Heights that have to be decided after the network has healed.
const HEIGHTS_AFTER_HEALING: u64 = 2;
/// How long that may take, in virtual time.
const HEALED_WITHIN_MS: u64 = 30_000;

/// Runs one schedule to its end.
///
/// # Errors
/// The laws that were broken, or that it hangs.
pub(super) fn run(
    seed: u64,
    sizes: &[u64],
    make: impl FnOnce(usize) -> World,
    prepare: impl FnOnce(&mut World, &mut Draws),
) -> Result<World, String> {
    let (mut world, faults) = play(seed, sizes, make, prepare);
    let honest = world.nodes.iter().filter(|node| !node.is_byzantine);
    let highest = honest.map(|node| node.chain.len() as u64).max();
    let goal = highest.unwrap_or(0) + HEIGHTS_AFTER_HEALING;
    let is_live = world.run_to_height(goal, HEALED_WITHIN_MS);
    if !world.laws.broken.is_empty() {
        return Err(format!("seed {seed} {faults:?}: {:#?}", world.laws.broken));
    }
    if !is_live {
        let heights: Vec<usize> = world.nodes.iter().map(|node| node.chain.len()).collect();
        return Err(format!(
            "seed {seed} {faults:?}: hangs at {heights:?}, goal {goal}"
        ));
    }
    Ok(world)
}

/// Seeds whose traces every build has to agree on (A22).
const A22_SEEDS: u64 = 40;

/// What their traces hash to. Whatever changes what a validator does changes it: take the new one
/// from the failed test, and see that `cargo sim -- --a22` agrees.
pub(super) const A22_HASH: &str = "b56fec5dfa0299f462154b0fd0728c5c3b5a79226909a8b2cbf1a9fcef2310cd";

/// The hash of their traces in this build: every effect of every node, with its time.
pub(super) fn a22_hash() -> String {
    let mut all = HashWriter::new("toy-traces");
    for seed in 0..A22_SEEDS {
        let traced = |world: &mut World, _: &mut Draws| world.trace = Some(Vec::new());
        match run(seed, &[4, 5, 7], World::new, traced) {
            Ok(world) => all = all.hash(&world.trace_hash()).u64(world.messages).u64(world.now),
            Err(broken) => all = all.bytes(broken.as_bytes()),
        }
    }
    all.finish().to_string()
}

/// Everything that goes wrong in one schedule, up to the moment after healing.
pub(super) fn play(
    seed: u64,
    sizes: &[u64],
    make: impl FnOnce(usize) -> World,
    prepare: impl FnOnce(&mut World, &mut Draws),
) -> (World, Faults) {
    let mut draws = Draws::new(seed);
    let faults = Faults::draw(&mut draws, sizes);
    let mut world = match faults.set_lasts {
        Some(every) => {
            let mut world = make(faults.n + 1);
            world.rotate(every);
            world
        }
        None => make(faults.n),
    };
    prepare(&mut world, &mut draws);
    world.work_below = HEIGHTS_WITH_FAULTS;
    world.forwards = faults.forwards;
    world.restart_after_us = millis(50 + draws.below(1_500));
    if faults.signs_slowly {
        world.sign_delay_us = Some(|draw| draw.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 46);
    }
    if faults.validates_slowly {
        world.validation_us = Some(|draw| draw.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 45);
    }
    world.loses_unsynced = faults.loses_unsynced;
    if faults.clocks_differ {
        for node in &mut world.nodes {
            node.clock_offset_ms = draws.below(12_000);
        }
    }
    let heals_at = millis(faults.heals_at_ms);
    let shared = Rc::new(RefCell::new(draws.clone()));
    let network = faults.clone();
    let for_network = shared.clone();
    world.network =
        Box::new(move |envelope| deliver(&network, &mut for_network.borrow_mut(), heals_at, envelope));
    world.start();
    for _ in 0..faults.crashes {
        let node = draws.below(world.nodes.len() as u64) as usize;
        if draws.chance(60) {
            // At a persist or a send: where it hurts.
            let at = millis(draws.below(faults.heals_at_ms));
            world.run_until(at.max(world.now));
            world.nodes[node].crash_after = Some(1 + draws.below(12));
        } else {
            let after = millis(draws.below(faults.heals_at_ms)).saturating_sub(world.now);
            world.push(after, Item::Crash { node });
        }
    }
    world.run_until(heals_at.max(world.now));
    for node in &mut world.nodes {
        node.crash_after = None;
    }
    world.validation_us = None;
    world.work_below = u64::MAX;
    for node in 0..world.nodes.len() {
        world.tell_work(node);
    }
    world.run_ms(100);
    (world, faults)
}

fn deliver(faults: &Faults, draws: &mut Draws, heals_at: u64, envelope: &Envelope<'_>) -> Arrivals {
    if envelope.at >= heals_at {
        return once(1_000);
    }
    if is_cut(faults, envelope.at, envelope.from, envelope.to) {
        return NEVER;
    }
    if draws.chance(faults.loss_percent) {
        return NEVER;
    }
    let first = 500 + draws.below(faults.delay_max_us);
    let is_doubled = draws.chance(faults.duplicates_percent);
    let second = is_doubled.then(|| 500 + draws.below(2 * faults.delay_max_us));
    [Some(first), second]
}

/// Whether the partition of this moment cuts the way between two nodes.
pub(super) fn is_cut(faults: &Faults, at: u64, from: usize, to: usize) -> bool {
    let Some(every) = faults.partition_every_ms else {
        return false;
    };
    let cut = Draws::new(at / millis(every)).next();
    let side = |node: usize| (cut >> (node % 64)) & 1;
    side(from) != side(to) && !(faults.one_way && side(from) == 0)
}

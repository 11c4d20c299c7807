//! How long trouble lasts, in virtual time over many seeds (docs/TESTING.md, "Time"): a silent leader, a
//! leader that is provably bad, and the end of an outage.

use std::{cell::RefCell, rc::Rc};

use crate::consensus::ConsensusMessage;

use super::{
    schedule::Draws,
    world::{NEVER, TIMING, World, millis, once},
};

/// Sizes, with how many seeds each gets: large ones cost more.
const SIZES: [(usize, u64); 4] = [(4, 200), (7, 100), (10, 50), (31, 5)];
/// One way, between two nodes of a network that is not special.
const DELAY_MS: std::ops::Range<u64> = 1..20;

struct Weather {
    draws: Draws,
    is_cut: bool,
}

/// A world whose messages take their time, and the switch that cuts every link.
fn world(n: usize, seed: u64) -> (World, Rc<RefCell<Weather>>) {
    let mut world = World::new(n);
    let weather = Rc::new(RefCell::new(Weather {
        draws: Draws::new(seed),
        is_cut: false,
    }));
    let network = weather.clone();
    world.network = Box::new(move |_| {
        let weather = &mut *network.borrow_mut();
        if weather.is_cut {
            return NEVER;
        }
        let span = millis(DELAY_MS.end - DELAY_MS.start);
        once(millis(DELAY_MS.start) + weather.draws.below(span))
    });
    (world, weather)
}

/// Milliseconds until everybody has `height`.
fn until(world: &mut World, height: u64) -> u64 {
    let from = world.now;
    assert!(world.run_to_height(height, 60_000), "no decision within a minute");
    (world.now - from) / 1_000
}

/// The 50th and 99th percentile and the largest.
fn percentiles(mut took: Vec<u64>) -> (u64, u64, u64) {
    took.sort_unstable();
    let at = |share: usize| took[(took.len() * share / 100).min(took.len() - 1)];
    (at(50), at(99), at(100))
}

#[test]
fn a_silent_leader_costs_less_than_a_second() {
    for (n, seeds) in SIZES {
        let took = (0..seeds).map(|seed| {
            let (mut world, _) = world(n, seed);
            let silent = world.leader(1, 0);
            world.nodes[silent].is_byzantine = true;
            world.start();
            let took = until(&mut world, 1);
            world.laws.check();
            took
        });
        let (p50, p99, max) = percentiles(took.collect());
        println!("silent leader, n = {n}: p50 {p50} ms, p99 {p99} ms, max {max} ms, {seeds} seeds");
        assert!(p99 < 1_000, "n = {n}: {p99} ms");
    }
}

#[test]
fn a_leader_that_contradicts_itself_costs_less_than_200_ms() {
    for (n, seeds) in SIZES {
        let took = (0..seeds).map(|seed| {
            let (mut world, _) = world(n, seed);
            let bad = world.leader(1, 0);
            world.nodes[bad].is_byzantine = true;
            world.start();
            let blocks = [1, 2].map(|salt| world.block((bad + 1) % n, 0, salt));
            for to in (0..n).filter(|to| *to != bad) {
                for block in &blocks {
                    let proposal = world.pre_prepare(bad, 1, 0, block.hash(), Vec::new(), None);
                    let message = ConsensusMessage::PrePrepare(proposal);
                    world.say(bad, to, message, Some(block.clone()));
                }
            }
            let took = until(&mut world, 1);
            world.laws.check();
            took
        });
        let (p50, p99, max) = percentiles(took.collect());
        println!("bad leader, n = {n}: p50 {p50} ms, p99 {p99} ms, max {max} ms, {seeds} seeds");
        assert!(p99 < 200, "n = {n}: {p99} ms");
    }
}

#[test]
fn after_any_outage_three_times_t0_suffice() {
    for (n, seeds) in [(4, 200), (7, 60)] {
        let took = (0..seeds).map(|seed| {
            let (mut world, weather) = world(n, seed);
            let mut draws = Draws::new(seed.wrapping_add(1_000_000));
            let dead = draws.below(n as u64) as usize;
            world.nodes[dead].is_byzantine = true;
            world.start();
            world.run_ms(200 + draws.below(1_000));
            weather.borrow_mut().is_cut = true;
            world.run_ms(60_000 + draws.below(240_000));
            weather.borrow_mut().is_cut = false;
            let alive = world.nodes.iter().filter(|node| !node.is_byzantine);
            let goal = alive.map(|node| node.chain.len() as u64).max().unwrap_or(0) + 1;
            let took = until(&mut world, goal);
            world.laws.check();
            took
        });
        let (p50, p99, max) = percentiles(took.collect());
        let t0 = TIMING.proposal_timeout_ms;
        println!("outage, n = {n}, T0 = {t0} ms: p50 {p50} ms, p99 {p99} ms, max {max} ms, {seeds} seeds");
        assert!(p99 <= 3 * t0, "n = {n}: {p99} ms");
    }
}

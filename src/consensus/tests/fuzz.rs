//! Thousands of random schedules, and the proof that a seed names one of them.

use super::{
    schedule::{A22_HASH, Draws, a22_hash, run},
    world::World,
};

fn schedules(from: u64, count: u64, sizes: &[u64]) {
    for seed in from..from + count {
        if let Err(broken) = run(seed, sizes, World::new, |_, _| {}) {
            panic!("{broken}");
        }
    }
}

#[test]
fn random_schedules_of_four() {
    schedules(0, 1_200, &[4]);
}

#[test]
fn random_schedules_of_other_sizes() {
    schedules(1_000_000, 600, &[1, 2, 3, 5, 6, 7]);
}

/// Twins: two nodes run the honest program on one key. Progress after healing, no fork, and nobody but
/// the twin is ever accused. `cargo sim -- --a20` runs them by the hundred thousand.
#[test]
fn a20_twins() {
    for seed in 2_000_000..2_000_200 {
        let twin = |world: &mut World, draws: &mut Draws| world.add_twin(draws.below(4) as usize);
        if let Err(broken) = run(seed, &[4], World::new, twin) {
            panic!("{broken}");
        }
    }
}

#[test]
fn a22_one_seed_one_trace() {
    for seed in 0..40 {
        let trace = || {
            let world = run(seed, &[4, 5, 7], World::new, |world, _| {
                world.trace = Some(Vec::new());
            })
            .unwrap();
            (world.trace_hash(), world.messages, world.now)
        };
        assert_eq!(trace(), trace(), "seed {seed}");
    }
    assert_ne!(Draws::new(1).next(), Draws::new(2).next());
}

/// Here in this build; `cargo sim -- --a22` compares the optimized one with the same hash.
#[test]
fn a22_every_build_makes_the_same_traces() {
    assert_eq!(a22_hash(), A22_HASH, "see A22_HASH");
}

/// Replays the schedule that `SEED` names, with its trace.
#[test]
#[ignore = "a tool: SEED=n cargo test --lib replay_a_seed -- --ignored --nocapture"]
fn replay_a_seed() {
    let seed = option_env!("SEED")
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(0);
    let result = run(seed, &[4], World::new, |world, _| {
        world.trace = Some(Vec::new());
    });
    println!("{:?}", result.map(|world| world.trace));
}

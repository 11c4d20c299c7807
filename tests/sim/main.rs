//! The simulator: validators on a virtual clock, network and disk, by the million, each schedule
//! from one seed (docs/TESTING.md; docs/CONSENSUS.md §11, §12).
//!
//! ```text
//! cargo sim -- --schedules 1000000 --nodes 4,5,7,10 [--json]
//! cargo sim -- --mutants               every planted fault must be found
//! cargo sim -- --mutant LowestLock
//! cargo sim -- --a20                   Twins
//! cargo sim -- --a22                   the traces that the unoptimized build makes
//! TIMED_SIM_SEED=17 cargo sim -- --nodes 4    replays one schedule, line by line
//! ```
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test that reports on the terminal: a panic is a finding, told with its seed"
)]

mod byzantine;
mod campaign;
mod culprits;
mod engines;
mod flood;
#[allow(dead_code, reason = "shared with the unit tests, which use more of it")]
#[path = "../../src/consensus/tests/laws.rs"]
mod laws;
mod mutants;
mod one;
mod options;
mod replay;
#[path = "../../src/consensus/tests/schedule.rs"]
mod schedule;
#[path = "../../src/consensus/tests/set_plan.rs"]
mod set_plan;
#[path = "../../src/consensus/tests/toy_ledger.rs"]
mod toy_ledger;
#[allow(dead_code, reason = "shared with the unit tests, which use more of it")]
#[path = "../../src/consensus/tests/world/mod.rs"]
mod world;

use std::process::ExitCode;

/// A fifth of a schedule is small pieces of memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use timecoin::consensus::mutant::Mutant;

use options::Options;

fn main() -> ExitCode {
    let options = match Options::from_args() {
        Ok(options) => options,
        Err(wrong) => {
            eprintln!("{wrong}");
            return ExitCode::from(2);
        }
    };
    if options.is_flood {
        return flood::measure(&options);
    }
    // A panic inside a schedule is a finding, reported with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    if let Some(seed) = options.replay {
        return replay::replay(seed, &options);
    }
    if options.is_a22 {
        return replay::a22_same_in_every_build();
    }
    if options.is_a20 {
        return campaign::a20_twins(&options);
    }
    match (options.mutant, options.all_mutants) {
        (Some(mutant), _) => mutants::hunt(&[mutant], &options),
        (None, true) => mutants::hunt(&Mutant::ALL, &options),
        (None, false) => campaign::run(&options),
    }
}

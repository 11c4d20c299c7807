//! The simulator: whole consensus machines on a virtual clock, network and disk, by the million,
//! each schedule from one seed (docs/CONSENSUS.md §11, §12).
//!
//! ```text
//! cargo sim -- --schedules 1000000 --nodes 4,5,7,10 [--json]
//! cargo sim -- --mutants               every planted fault must be found
//! cargo sim -- --mutant LowestLock
//! TIMED_SIM_SEED=17 cargo sim -- --nodes 4    replays one schedule with its trace
//! ```
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool that reports on the terminal"
)]

mod byzantine;
#[allow(dead_code, reason = "shared with the unit tests, which use more of it")]
#[path = "../../src/consensus/tests/laws.rs"]
mod laws;
mod options;
#[path = "../../src/consensus/tests/schedule.rs"]
mod schedule;
#[path = "../../src/consensus/tests/toy_ledger.rs"]
mod toy_ledger;
#[allow(dead_code, reason = "shared with the unit tests, which use more of it")]
#[path = "../../src/consensus/tests/world.rs"]
mod world;

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use timecoin::{
    consensus::{
        Quorum, Record,
        mutant::{self, Mutant},
    },
    crypto::SecretKey,
};

use byzantine::Mind;
use options::Options;
use schedule::Draws;
use world::World;

/// One schedule in so many has real signatures.
const REAL_SIGNATURES_EVERY: u64 = 1_000;
/// Schedules after which a mutant that was not found counts as a survivor.
const MUTANT_SCHEDULES_MAX: u64 = 3_000_000;

fn main() -> ExitCode {
    let options = match Options::from_args() {
        Ok(options) => options,
        Err(wrong) => {
            eprintln!("{wrong}");
            return ExitCode::from(2);
        }
    };
    std::panic::set_hook(Box::new(|_| {}));
    if let Some(seed) = options.replay {
        return replay(seed, &options);
    }
    let mutants: Vec<Mutant> = match (options.mutant, options.all_mutants) {
        (Some(mutant), _) => vec![mutant],
        (None, true) => Mutant::ALL.to_vec(),
        (None, false) => return hunt_bugs(&options),
    };
    hunt_mutants(&mutants, &options)
}

/// Runs one schedule; a panic inside counts as a violation.
fn schedule(seed: u64, nodes: &[u64], mutant: Option<Mutant>, is_traced: bool) -> Result<World, String> {
    mutant::switch_to(mutant);
    let run = || {
        let make = |n: usize| {
            if seed % REAL_SIGNATURES_EVERY == REAL_SIGNATURES_EVERY - 1 {
                World::new(n)
            } else {
                World::with_keys(n, simulated_key)
            }
        };
        schedule::run(seed, nodes, make, |world, draws| {
            world.trace = is_traced.then(Vec::new);
            recruit(world, draws);
            world.loses = match mutant {
                Some(Mutant::NoLog) => Some(|record| matches!(record, Record::Signed(_) | Record::Lock(_))),
                Some(Mutant::LockLost) => Some(|record| matches!(record, Record::Lock(_))),
                _ => None,
            };
        })
    };
    let outcome = catch_unwind(AssertUnwindSafe(run));
    mutant::switch_to(None);
    outcome.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("seed {seed}: panic: {}", text.unwrap_or_default()))
    })
}

thread_local! {
    static KEYS: std::cell::RefCell<BTreeMap<[u8; 32], SecretKey>> = const { std::cell::RefCell::new(BTreeMap::new()) };
}

/// Keys are the same in every world: made once per thread.
fn simulated_key(seed: &[u8; 32]) -> SecretKey {
    KEYS.with(|keys| {
        keys.borrow_mut()
            .entry(*seed)
            .or_insert_with(|| SecretKey::simulated(seed))
            .clone()
    })
}

/// In two of three worlds up to f validators are Byzantine.
fn recruit(world: &mut World, draws: &mut Draws) {
    let n = world.nodes.len();
    let f = Quorum::of(n).f();
    if f == 0 || draws.chance(33) {
        return;
    }
    let count = 1 + draws.below(f as u64) as usize;
    let first = draws.below(n as u64) as usize;
    let step = 1 + draws.below(n as u64 - 1) as usize;
    let mut nodes: Vec<usize> = (0..count).map(|index| (first + index * step) % n).collect();
    nodes.sort_unstable();
    nodes.dedup();
    for node in &nodes {
        world.nodes[*node].is_byzantine = true;
    }
    world.adversary = Some(Box::new(Mind::new(nodes, Draws::new(draws.next()))));
}

#[derive(Default)]
struct Tally {
    schedules: u64,
    blocks: u64,
    later_rounds: u64,
    forks: u64,
    hangs: u64,
    by_nodes: BTreeMap<usize, u64>,
}

fn hunt_bugs(options: &Options) -> ExitCode {
    let next = AtomicU64::new(options.seed);
    let end = options.seed + options.schedules;
    let is_over = AtomicBool::new(false);
    let tally = Mutex::new(Tally::default());
    let found = Mutex::new(Vec::<String>::new());
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..options.threads {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        break;
                    }
                    let outcome = schedule(seed, &options.nodes, None, false);
                    let mut tally = tally.lock().expect("no holder of this lock panics");
                    tally.schedules += 1;
                    match outcome {
                        Ok(world) => {
                            *tally.by_nodes.entry(world.nodes.len()).or_insert(0) += 1;
                            let chain = world
                                .nodes
                                .iter()
                                .map(|node| &node.chain)
                                .max_by_key(|chain| chain.len());
                            if let Some(chain) = chain {
                                tally.blocks += chain.len() as u64;
                                tally.later_rounds +=
                                    chain.iter().filter(|(_, cert)| cert.round > 0).count() as u64;
                            }
                        }
                        Err(broken) => {
                            if broken.contains("hangs") {
                                tally.hangs += 1;
                            } else {
                                tally.forks += 1;
                            }
                            is_over.store(!options.goes_on, Ordering::Relaxed);
                            found.lock().expect("no holder of this lock panics").push(broken);
                        }
                    }
                }
            });
        }
        if !options.is_json {
            let progress = || {
                let done = next.load(Ordering::Relaxed).min(end) - options.seed;
                let rate = done as f64 / began.elapsed().as_secs_f64();
                eprint!(
                    "\r{done} of {} schedules, {rate:.0} per second ",
                    options.schedules
                );
                done
            };
            while progress() < options.schedules && !is_over.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(500));
            }
            eprintln!();
        }
    });
    let tally = tally.into_inner().expect("no holder of this lock panics");
    let found = found.into_inner().expect("no holder of this lock panics");
    for broken in found.iter().take(5) {
        eprintln!("{broken}");
    }
    let rate = tally.schedules as f64 / began.elapsed().as_secs_f64();
    if options.is_json {
        println!(
            "{}",
            serde_json::json!({
                "schedules": tally.schedules, "forks": tally.forks, "hangs": tally.hangs,
                "schedules_per_s": rate.round(), "by_nodes": tally.by_nodes,
                "blocks": tally.blocks, "decided_in_later_rounds": tally.later_rounds,
            })
        );
    } else {
        println!(
            "{} schedules, {} forks or broken laws, {} hangs, {rate:.0} per second; {} blocks, {} of them in later rounds",
            tally.schedules, tally.forks, tally.hangs, tally.blocks, tally.later_rounds
        );
    }
    if found.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Every planted fault has to be found, or what finds nothing proves nothing.
fn hunt_mutants(mutants: &[Mutant], options: &Options) -> ExitCode {
    let mut survivors = Vec::new();
    let mut took = BTreeMap::new();
    for mutant in mutants {
        let next = AtomicU64::new(options.seed);
        let end = options.seed + options.schedules.clamp(1, MUTANT_SCHEDULES_MAX);
        let found = Mutex::new(None::<(u64, String)>);
        std::thread::scope(|scope| {
            for _ in 0..options.threads {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        let is_found = found.lock().expect("no holder of this lock panics").is_some();
                        if seed >= end || is_found {
                            break;
                        }
                        if let Err(broken) = schedule(seed, &options.nodes, Some(*mutant), false) {
                            let mut found = found.lock().expect("no holder of this lock panics");
                            if found.as_ref().is_none_or(|(first, _)| seed < *first) {
                                *found = Some((seed, broken));
                            }
                        }
                    }
                });
            }
        });
        match found.into_inner().expect("no holder of this lock panics") {
            Some((seed, broken)) => {
                let count = seed - options.seed + 1;
                took.insert(format!("{mutant:?}"), count);
                if !options.is_json {
                    let first = broken.split_once(": ").map_or(broken.as_str(), |(_, rest)| rest);
                    let law: String = first
                        .chars()
                        .rev()
                        .take(100)
                        .collect::<Vec<_>>()
                        .into_iter()
                        .rev()
                        .collect();
                    println!(
                        "{mutant:?}: found in schedule {count}: …{}",
                        law.replace('\n', " ")
                    );
                }
            }
            None => survivors.push(format!("{mutant:?}")),
        }
    }
    if options.is_json {
        println!(
            "{}",
            serde_json::json!({ "mutants": took, "survivors": survivors })
        );
    }
    for survivor in &survivors {
        eprintln!("{survivor} SURVIVED");
    }
    if survivors.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn replay(seed: u64, options: &Options) -> ExitCode {
    let outcome = schedule(seed, &options.nodes, options.mutant, true);
    match outcome {
        Ok(world) => {
            println!("seed {seed}: nothing broken; trace hash {}", world.trace_hash());
            ExitCode::SUCCESS
        }
        Err(broken) => {
            println!("{broken}");
            ExitCode::FAILURE
        }
    }
}

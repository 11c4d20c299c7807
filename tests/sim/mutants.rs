//! A21, the mutation gate: every planted fault has to be found, or what finds nothing proves nothing.

use std::{
    collections::BTreeMap,
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use timecoin::consensus::mutant::Mutant;

use crate::{one, options::Options};

/// Schedules after which a mutant that was not found counts as a survivor, unless the command line
/// says more.
const SCHEDULES_MAX: u64 = 3_000_000;
/// What is told of a finding, in characters.
const TOLD_MAX: usize = 110;

/// Plants `mutants` one after the other; fails if one survives.
pub(crate) fn hunt(mutants: &[Mutant], options: &Options) -> ExitCode {
    let began = Instant::now();
    let mut survivors = Vec::new();
    let mut took = BTreeMap::new();
    let (mut forks, mut hangs) = (0, 0);
    let played = Mutex::new(BTreeMap::<usize, u64>::new());
    for mutant in mutants {
        let name = format!("{mutant:?}");
        match find(*mutant, options, &played) {
            Some((seed, broken)) => {
                let count = seed - options.seed + 1;
                println!(
                    "{name:<20} violation in schedule {count:>7}: {}",
                    in_short(&broken)
                );
                if broken.contains("hangs") {
                    hangs += 1;
                } else {
                    forks += 1;
                }
                took.insert(name, count);
            }
            None => {
                println!("{name:<20} SURVIVED");
                survivors.push(name);
            }
        }
    }
    if options.is_json {
        let by_nodes = played.into_inner().expect("no holder of this lock panics");
        // Those that broke nothing, and the one of each mutant that did.
        let schedules = by_nodes.values().sum::<u64>() + forks + hangs;
        println!(
            "{}",
            serde_json::json!({
                "schedules": schedules, "forks": forks, "hangs": hangs,
                "schedules_per_s": (schedules as f64 / began.elapsed().as_secs_f64()).round(),
                "by_nodes": by_nodes, "mutants": took, "survivors": survivors,
            })
        );
    }
    if survivors.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The lowest seed under which the fault shows.
fn find(mutant: Mutant, options: &Options, played: &Mutex<BTreeMap<usize, u64>>) -> Option<(u64, String)> {
    let next = AtomicU64::new(options.seed);
    let end = options.seed + options.schedules.max(SCHEDULES_MAX);
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
                    match one::schedule(seed, options, Some(mutant), None) {
                        Ok(one) => {
                            let mut played = played.lock().expect("no holder of this lock panics");
                            *played.entry(one.n).or_insert(0) += 1;
                        }
                        Err(broken) => {
                            let mut found = found.lock().expect("no holder of this lock panics");
                            if found.as_ref().is_none_or(|(first, _)| seed < *first) {
                                *found = Some((seed, broken));
                            }
                        }
                    }
                }
            });
        }
    });
    found.into_inner().expect("no holder of this lock panics")
}

/// The law that broke, without everything that was drawn.
fn in_short(broken: &str) -> String {
    let flat: Vec<&str> = broken.split_whitespace().collect();
    let flat = flat.join(" ");
    let law = ["O1:", "O2:", "O3:", "O4:", "O5:", "§8:", "hangs", "panic:"]
        .iter()
        .filter_map(|law| flat.find(law))
        .min();
    flat[law.unwrap_or(0)..].chars().take(TOLD_MAX).collect()
}

//! Many schedules, over all cores, until something breaks or all are done.

use std::{
    collections::BTreeMap,
    io::IsTerminal,
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    byzantine::Crime,
    one::{self, Played},
    options::{Few, Options},
};

/// Failures that are told in full.
const TOLD_MAX: usize = 5;

#[derive(Default)]
struct Tally {
    schedules: u64,
    blocks: u64,
    later_rounds: u64,
    forks: u64,
    hangs: u64,
    by_nodes: BTreeMap<usize, u64>,
    /// Schedules of each kind, and what they took on their threads.
    machines: (u64, Duration),
    engines: (u64, Duration),
    /// Forks by more than f, all of whose culprits were named.
    forced: u64,
    /// Sum of the schedules' digests: the same seeds have the same one in every build.
    digest: u64,
}

impl Tally {
    fn count(&mut self, played: &Played, took: Duration) {
        *self.by_nodes.entry(played.n).or_insert(0) += 1;
        self.blocks += played.blocks;
        self.later_rounds += played.later_rounds;
        self.digest = self.digest.wrapping_add(played.digest);
        self.forced += u64::from(played.is_forked);
        let kind = if played.is_engines {
            &mut self.engines
        } else {
            &mut self.machines
        };
        kind.0 += 1;
        kind.1 += took;
    }

    /// Schedules per second, had all threads run only this kind.
    fn rate((count, took): (u64, Duration), threads: usize) -> f64 {
        let seconds = took.as_secs_f64() / threads.max(1) as f64;
        count as f64 / seconds.max(f64::EPSILON)
    }
}

/// Runs the campaign that the command line describes.
pub(crate) fn run(options: &Options) -> ExitCode {
    let next = AtomicU64::new(options.seed);
    let end = options.seed.saturating_add(options.schedules);
    let is_over = AtomicBool::new(false);
    let tally = Mutex::new(Tally::default());
    let found = Mutex::new(Vec::<(u64, String)>::new());
    let began = Instant::now();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..options.threads)
            .map(|_| {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= end {
                            break;
                        }
                        let started = Instant::now();
                        let outcome = one::schedule(seed, options, None, None);
                        let took = started.elapsed();
                        let mut tally = tally.lock().expect("no holder of this lock panics");
                        tally.schedules += 1;
                        match outcome {
                            Ok(played) => tally.count(&played, took),
                            Err(broken) => {
                                if broken.contains("hangs") {
                                    tally.hangs += 1;
                                } else {
                                    tally.forks += 1;
                                }
                                is_over.store(!options.goes_on, Ordering::Relaxed);
                                found
                                    .lock()
                                    .expect("no holder of this lock panics")
                                    .push((seed, broken));
                            }
                        }
                    }
                })
            })
            .collect();
        if std::io::stderr().is_terminal() {
            while workers.iter().any(|worker| !worker.is_finished()) {
                let done = next.load(Ordering::Relaxed).min(end) - options.seed;
                show(done, options.schedules, began);
                std::thread::sleep(Duration::from_millis(250));
            }
            eprintln!();
        }
    });
    let tally = tally.into_inner().expect("no holder of this lock panics");
    let found = found.into_inner().expect("no holder of this lock panics");
    for (seed, broken) in found.iter().take(TOLD_MAX) {
        eprintln!("{broken}\nsee it: {}", options.replay_command(*seed));
    }
    let rate = tally.schedules as f64 / began.elapsed().as_secs_f64();
    println!(
        "{} schedules, {} forks or broken laws, {} hangs, {rate:.0} per second; {} blocks, {} of them in later rounds",
        tally.schedules, tally.forks, tally.hangs, tally.blocks, tally.later_rounds
    );
    for (kind, played) in [("machines", tally.machines), ("whole validators", tally.engines)] {
        if played.0 > 0 {
            let rate = Tally::rate(played, options.threads);
            println!(
                "{kind}: {} schedules, {rate:.0} per second by themselves",
                played.0
            );
        }
    }
    if options.is_beyond_f {
        println!(
            "{} forks by more than f; each named at least f + 1, and nobody honest",
            tally.forced
        );
    }
    if options.is_json {
        println!(
            "{}",
            serde_json::json!({
                "schedules": tally.schedules, "forks": tally.forks, "hangs": tally.hangs,
                "schedules_per_s": rate.round(), "by_nodes": tally.by_nodes,
                "blocks": tally.blocks, "decided_in_later_rounds": tally.later_rounds,
                "digest": format!("{:016x}", tally.digest), "engines": tally.engines.0, "forced_forks": tally.forced,
                "machines_per_s": Tally::rate(tally.machines, options.threads).round(),
                "engines_per_s": Tally::rate(tally.engines, options.threads).round(),
            })
        );
    }
    if found.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// A20: one twin among 4 and two among 7, nothing else Byzantine; progress after healing, and evidence
/// names nobody but twins.
pub(crate) fn a20_twins(options: &Options) -> ExitCode {
    for n in [4, 7] {
        let twins = Options {
            nodes: vec![n],
            crime: Some(Crime::Twin),
            byzantine: Some(Few::F),
            ..options.clone()
        };
        let code = run(&twins);
        if code != ExitCode::SUCCESS {
            return code;
        }
    }
    ExitCode::SUCCESS
}

/// A bar, how far, how fast, how long still.
fn show(done: u64, of: u64, began: Instant) {
    const WIDTH: u64 = 30;
    let seconds = began.elapsed().as_secs_f64();
    let rate = done as f64 / seconds.max(0.001);
    let full = done * WIDTH / of.max(1);
    let bar: String = (0..WIDTH).map(|at| if at < full { '█' } else { '░' }).collect();
    let left = (of - done) as f64 / rate.max(0.001);
    eprint!("\r{bar} {done} of {of}, {rate:.0} per second, {left:.0} s left   ");
}

//! What it costs a validator that somebody looks at it: its throughput with console, recorder and an
//! attached client, beside that of the same validator without any, in one run.

use std::{fs, time::Duration};

use timecoin::devnet::{LoadPlan, load};
use tokio_util::sync::CancellationToken;

use super::{
    screen::{Files, TIMED, waits},
    term::{Term, command, signal, thread_cpu_ns},
};

/// Pairs of runs; the median of their ratios counts.
const PAIRS: usize = 5;
const LOAD: Duration = Duration::from_secs(12);
/// More than one validator takes. At 20 000 two quiet cores took all that was offered, and any console
/// would have cost nothing.
const RATE: f64 = 60_000.0;
/// Of what is offered; above it, the load was the limit and nothing was measured.
const TAKEN_MAX: f64 = 0.9;

/// The least share of the throughput that is left: the aim of T5 of the console's targets.
const SHARE_MIN: f64 = 0.99;
/// The most that the recorder may take of a core.
const RECORDER_MAX_PERCENT: f64 = 1.0;

struct Run {
    tps: f64,
    /// Share of a core that the recorder, the sockets and the console took, in percent.
    shares: Vec<(&'static str, f64)>,
}

fn tps(files: &Files) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let plan = LoadPlan {
        rpc: files.layout.url(0),
        wallets: (0..4).map(|wallet| files.layout.wallet(wallet)).collect(),
        rate: RATE,
        duration: Some(LOAD),
        inputs: 1,
        presigned: true,
    };
    let report = runtime.block_on(load(plan, CancellationToken::new())).unwrap();
    assert_eq!(report.lost, 0, "{report:?}");
    assert!(
        report.tps < RATE * TAKEN_MAX,
        "the load was the limit: raise RATE ({report:?})"
    );
    report.tps
}

/// Nobody looks, nothing is recorded, no socket is open.
fn unwatched() -> Run {
    let files = Files::new(1);
    let mut node = std::process::Command::new(TIMED)
        .args(["run", "--headless", "--config", &files.config()])
        .env("TIMED_RECORDER__ENABLED", "false")
        .env("TIMED_ATTACH__ENABLED", "false")
        .stderr(fs::File::create(files.layout.dir().join("stderr")).unwrap())
        .spawn()
        .unwrap();
    waits("the node to make blocks", || files.height() > 0);
    let tps = tps(&files);
    signal(node.id(), "TERM");
    assert!(node.wait().unwrap().success());
    Run {
        tps,
        shares: Vec::new(),
    }
}

/// The console on a terminal, the recorder, and one attached client on another terminal.
fn watched() -> Run {
    let files = Files::new(1);
    let mut term = Term::spawn(files.run(), 120, 36);
    term.sees("VALIDATING");
    let mut attach = command(TIMED);
    attach.arg("attach");
    attach.arg(files.layout.node_dir(0));
    let mut other = Term::spawn(attach, 120, 36);
    other.sees("VALIDATING");
    other.keys("2");
    let threads = ["recorder", "timed-attach", "console"];
    let cpu = || threads.map(|thread| thread_cpu_ns(term.pid(), thread));
    let (before, at) = (cpu(), std::time::Instant::now());
    let tps = tps(&files);
    let passed_ns = at.elapsed().as_nanos() as f64;
    let after = cpu();
    let share = |n: usize| (after[n] - before[n]) as f64 * 100.0 / passed_ns;
    let shares = (0..threads.len()).map(|n| (threads[n], share(n))).collect();
    other.keys("q");
    assert_eq!(other.exit_code(), 0);
    term.signal("TERM");
    assert_eq!(term.exit_code(), 0);
    Run { tps, shares }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[test]
#[ignore = "four minutes on a quiet machine: cargo test --release --test it -- --ignored --nocapture looking_costs"]
fn looking_costs_a_validator_next_to_nothing() {
    let mut ratios = Vec::new();
    let mut recorder = Vec::new();
    for pair in 0..PAIRS {
        // Who comes first changes, so that what warms up or wears out favours neither.
        let (without, with) = match pair % 2 {
            0 => {
                let without = unwatched();
                (without, watched())
            }
            _ => {
                let with = watched();
                (unwatched(), with)
            }
        };
        let ratio = with.tps / without.tps;
        println!(
            "without {:.0} tx/s, with {:.0} tx/s, ratio {ratio:.4}; of a core: {}",
            without.tps,
            with.tps,
            with.shares
                .iter()
                .map(|(thread, share)| format!("{thread} {share:.2} %"))
                .collect::<Vec<_>>()
                .join(", ")
        );
        ratios.push(ratio);
        recorder.push(with.shares[0].1);
    }
    let (ratio, recorder) = (median(ratios), median(recorder));
    println!("median ratio {ratio:.4}, recorder {recorder:.2} % of a core");
    assert!(
        recorder <= RECORDER_MAX_PERCENT,
        "the recorder takes {recorder:.2} %"
    );
    assert!(ratio >= SHARE_MIN, "{ratio:.4} of the throughput is left");
}

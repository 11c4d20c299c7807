//! `timed devnet` and `timed load` as people and scripts run them.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use timecoin::devnet::{Layout, files};

use super::net::{Net, TIMED, processes_of, run_timed};

/// How long a whole devnet may take to come up and be driven, beside its own duration.
const START_LIMIT: Duration = Duration::from_secs(60);

fn last_line(text: &str) -> Value {
    let line = text.lines().last().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn devnet(arguments: &str) -> (i32, Value) {
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let (code, out, err) = run_timed(&[&["devnet", "--headless", "--json"], &arguments[..]].concat());
    assert!(!out.is_empty(), "exit {code}: {err}");
    (code, last_line(&out))
}

#[test]
fn a_devnet_of_four_reports_one_chain_and_nothing_lost() {
    let _turn = Net::turn();
    let (code, report) = devnet("--nodes 4 --txs 20 --duration 5s");
    assert_eq!(code, 0, "{report}");
    assert_eq!(report["nodes"], 4);
    assert_eq!(report["hashes_agree"], true);
    assert_eq!(report["utxo_commitments_agree"], true);
    assert_eq!(report["txs_lost"], 0);
    assert!(report["first_block_ms"].as_f64().unwrap() < 10_000.0, "{report}");
    assert!(report["txs_final"].as_u64().unwrap() >= 90, "{report}");
    assert_eq!(report["txs_final"], report["txs_accepted"]);
    assert_eq!(report["errors"], Value::Array(vec![]), "{report}");
    for key in [
        "duration_s",
        "blocks",
        "height_min",
        "height_max",
        "txs_submitted",
        "tps",
        "view_changes",
    ] {
        assert!(report[key].is_number(), "{key}: {report}");
    }
    for key in ["p50", "p95", "p99", "max"] {
        assert!(report["finality_ms"][key].as_f64().unwrap() > 0.0, "{report}");
    }
    for key in ["p50", "p99"] {
        assert!(report["block_interval_ms"][key].is_number(), "{report}");
    }
    for key in ["rss_mb", "cpu_s", "db_mb"] {
        assert_eq!(report[key].as_array().unwrap().len(), 4, "{key}: {report}");
    }
    assert!(report["rss_mb"][0].as_f64().unwrap() > 1.0, "{report}");
}

#[test]
fn a23_a_thousand_transactions_and_all_nodes_equal() {
    let _turn = Net::turn();
    let (code, report) = devnet("--nodes 4 --txs 200 --duration 5s");
    println!("finality: {}", report["finality_ms"]);
    assert_eq!(code, 0, "{report}");
    assert!(report["txs_final"].as_u64().unwrap() >= 950, "{report}");
    assert_eq!(report["txs_lost"], 0);
    assert_eq!(report["hashes_agree"], true);
}

#[test]
fn faults_are_made_and_mended_and_lose_nothing() {
    let _turn = Net::turn();
    let (code, report) = devnet("--nodes 4 --txs 20 --soak 20s --faults 3s --fault-seed 31");
    assert_eq!(code, 0, "{report}");
    let faults = &report["faults"];
    assert_eq!(faults["seed"], 31);
    assert!(faults["count"].as_u64().unwrap() >= 2, "{report}");
    for fault in faults["listed"].as_array().unwrap() {
        let kind = fault["kind"].as_str().unwrap();
        assert!(["kill", "freeze", "cut", "slow"].contains(&kind), "{report}");
        assert!(fault["lasted_s"].as_f64().unwrap() > 0.05, "{report}");
    }
    assert_eq!(report["txs_lost"], 0);
    assert_eq!(report["hashes_agree"], true);
    let trends = report["trends"].as_array().unwrap();
    assert_eq!(trends.len(), 4);
    assert!(
        trends
            .iter()
            .any(|node| node["rss_mb"]["late"].as_f64().unwrap() > 1.0),
        "{report}"
    );

    let (code, _, errors) = run_timed(&["devnet", "--nodes", "17", "--duration", "1s", "--faults"]);
    assert_ne!(code, 0);
    assert!(errors.contains("at most 16"), "{errors}");
}

/// A devnet as a process of its own, killed by id if the test ends early.
struct Running(Child);

impl Running {
    fn start(dir: &Path, nodes: u16) -> Self {
        let child = Command::new(TIMED)
            .args([
                "devnet",
                "--headless",
                "--txs",
                "0",
                "--nodes",
                &nodes.to_string(),
                "--dir",
            ])
            .arg(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        while processes_of(dir).len() < usize::from(nodes) + 1 {
            assert!(started.elapsed() < START_LIMIT, "the nodes do not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self(child)
    }

    fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.0), signal).unwrap();
    }

    fn wait(&mut self, limit: Duration) -> Option<i32> {
        let started = Instant::now();
        while started.elapsed() < limit {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the devnet does not end");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn assert_nobody_left(dir: &Path, limit: Duration) {
    let started = Instant::now();
    while !processes_of(dir).is_empty() {
        assert!(started.elapsed() < limit, "left behind: {:?}", processes_of(dir));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn nodes_stop_when_their_devnet_is_killed() {
    let _turn = Net::turn();
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("net");
    let running = Running::start(&place, 3);
    running.signal(rustix::process::Signal::KILL);
    assert_nobody_left(&place, Duration::from_secs(15));
}

#[test]
fn an_interrupted_devnet_stops_its_nodes_reports_and_can_go_on_later() {
    let _turn = Net::turn();
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("net");
    for signal in [rustix::process::Signal::INT, rustix::process::Signal::TERM] {
        let mut running = Running::start(&place, 3);
        std::thread::sleep(Duration::from_secs(3));
        running.signal(signal);
        assert_eq!(running.wait(Duration::from_secs(30)), Some(0));
        assert_nobody_left(&place, Duration::from_secs(1));
    }
    assert!(place.join("genesis.toml").exists(), "--dir is kept");
}

#[test]
fn devnet_files_can_be_started_by_hand_and_loaded() {
    let mut net = Net::started(3);
    net.wait_height(&[0, 1, 2], 1, Duration::from_secs(10));
    let wallet = net.layout.wallet(3);
    let (code, out, err) = run_timed(&[
        "load",
        "--rpc",
        &net.layout.url(1),
        "--wallet",
        &wallet.to_string_lossy(),
        "--rate",
        "50",
        "--duration",
        "3s",
        "--json",
    ]);
    assert_eq!(code, 0, "{err}");
    let report = last_line(&out);
    assert!(report["final"].as_u64().unwrap() >= 130, "{report}");
    assert_eq!(report["final"], report["accepted"]);
    assert_eq!(report["lost"], 0);
    assert!(report["refused"].as_object().unwrap().is_empty(), "{report}");
    assert!(
        report["tps"].is_number() && report["finality_ms"]["p95"].is_number(),
        "{report}"
    );
    net.check(&[0, 1, 2]);
    net.kill_all();
}

#[test]
fn a_directory_of_another_devnet_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("net");
    let path = place.to_string_lossy().into_owned();
    let (code, out, _) = run_timed(&["devnet", "files", "--nodes", "3", "--dir", &path]);
    assert_eq!(code, 0);
    assert!(out.contains("node2"), "{out}");
    let again = run_timed(&["devnet", "files", "--nodes", "3", "--dir", &path]);
    assert_eq!(again.0, 0);
    let (code, _, err) = run_timed(&["devnet", "files", "--nodes", "4", "--dir", &path]);
    assert_eq!(code, 64);
    assert!(err.contains("holds a devnet of 3 nodes"), "{err}");
    assert_eq!(
        files::find(&place).unwrap().map(|layout: Layout| layout.nodes()),
        Some(3)
    );
}

#[test]
fn a_load_without_a_node_or_money_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("net").to_string_lossy().into_owned();
    run_timed(&["devnet", "files", "--nodes", "1", "--dir", &path]);
    let wallet = format!("{path}/wallets/wallet0.key.json");
    let (code, _, err) = run_timed(&[
        "load",
        "--rpc",
        "127.0.0.1:9",
        "--wallet",
        &wallet,
        "--rate",
        "1",
        "--duration",
        "1s",
    ]);
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("127.0.0.1:9"), "{err}");
}

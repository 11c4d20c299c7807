//! What an operator does to one node from a shell: waits for it, asks how it is, migrates its
//! configuration, signals it, and reads its log in each form.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::net::{Net, TIMED, limit, run_timed};

/// A child that does not outlive the test.
struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn status(net: &Net, more: &[&str]) -> (i32, String) {
    let url = net.layout.url(0);
    let mut arguments = vec!["status", "--rpc", &url];
    arguments.extend(more);
    let (code, out, err) = run_timed(&arguments);
    (code, format!("{out}{err}"))
}

#[test]
fn status_waits_for_what_it_is_told_and_health_judges() {
    let mut net = Net::new(2);
    let url = net.layout.url(0);
    let health = |net: &Net| run_timed(&["health", "--rpc", &net.layout.url(0)]);
    // Nobody answers.
    assert_eq!(status(&net, &[]).0, 2);
    assert_eq!(health(&net).0, 2);
    let (code, text) = status(&net, &["--wait", "ready", "--timeout", "300ms"]);
    assert_eq!(code, 75, "{text}");
    assert!(
        text.contains("error[TD-7501]") && text.contains("no node answers"),
        "{text}"
    );
    for wrong in ["redy", "height=high", "final=1234", "height"] {
        assert_eq!(status(&net, &["--wait", wrong]).0, 2, "{wrong}");
    }
    // One of two: it answers, and cannot be ready.
    net.start(0);
    let (code, text) = status(&net, &["--wait", "ready", "--timeout", "300ms"]);
    assert_eq!(code, 75, "{text}");
    assert!(text.contains("not ready") && text.contains("quorum"), "{text}");
    let (code, text, _) = health(&net);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("NOT OK  quorum"), "{text}");

    // Somebody waits while the other one comes.
    let waiting = Command::new(TIMED)
        .args(["status", "--rpc", &url, "--wait", "height=3", "--timeout", "2m"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut waiting = Reaped(waiting);
    net.start(1);
    let ended = waiting.0.wait().unwrap();
    assert_eq!(ended.code(), Some(0));
    assert!(net.height(0) >= 3);
    for goal in ["ready", "synced", "height=1"] {
        let (code, text) = status(&net, &["--wait", goal]);
        assert_eq!(code, 0, "{goal}: {text}");
    }
    let (code, text, _) = health(&net);
    assert_eq!(code, 0, "{text}");
    let (transaction, _) = net.spend(0, 0);
    net.ask(net.client(0).submit(&transaction.canonical_bytes()))
        .unwrap();
    let txid = transaction.txid();
    let (code, text) = status(&net, &["--wait", &format!("final={txid}"), "--json"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("\"health\""), "{text}");
    let unknown = format!("final={}", "ab".repeat(32));
    let (code, text) = status(&net, &["--wait", &unknown, "--timeout", "300ms"]);
    assert_eq!(code, 75, "{text}");
    assert!(text.contains("does not know this transaction"), "{text}");
}

#[test]
fn an_old_configuration_is_migrated_on_request_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    let old = "# mine\n[storage]\ncache_utxos = 500\n[telemetry]\nfile = true\n";
    fs::write(&path, old).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let file = path.to_str().unwrap();
    let migrate = |more: &[&str]| {
        let mut arguments = vec!["config", "migrate", "--config", file];
        arguments.extend(more);
        let (code, out, err) = run_timed(&arguments);
        (code, format!("{out}{err}"))
    };
    let (code, _, err) = run_timed(&["config", "check", "--config", file]);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("is now `storage.cache_coins`"), "{err}");
    let (code, text) = migrate(&["--check"]);
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("- cache_utxos = 500") && text.contains("+ cache_coins = 500"),
        "{text}"
    );
    // Nobody is there to agree.
    let (code, text) = migrate(&[]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("--yes"), "{text}");
    assert_eq!(fs::read_to_string(&path).unwrap(), old);

    let (code, text) = migrate(&["--yes"]);
    assert_eq!(code, 0, "{text}");
    let backup = dir.path().join("config.toml.old-1");
    assert!(text.contains(backup.to_str().unwrap()), "{text}");
    assert_eq!(fs::read_to_string(&backup).unwrap(), old);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
    let new = fs::read_to_string(&path).unwrap();
    assert!(new.starts_with("# mine\n[storage]\ncache_coins = 500\n"), "{new}");
    assert_eq!(run_timed(&["config", "check", "--config", file]).2, "");
    assert_eq!(migrate(&["--check"]).0, 0);
    assert_eq!(migrate(&["--yes"]).0, 0);
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        2,
        "one backup and no rest"
    );
    // A second migration keeps both old files.
    fs::write(&path, old).unwrap();
    assert_eq!(migrate(&["--yes", "--json"]).0, 0);
    assert!(dir.path().join("config.toml.old-2").exists());
    // What would not be valid is not put in place.
    fs::write(&path, "[mempool]\ntxs_max = 1\n[storage]\ncache_mb = 5\n").unwrap();
    let (code, text) = migrate(&["--yes"]);
    assert_eq!(code, 64, "{text}");
    assert!(fs::read_to_string(&path).unwrap().contains("\ncache_mb = 5\n"));
}

fn send(net: &mut Net, signal: Signal) {
    let pid = Pid::from_raw(net.node(0).pid().unwrap().try_into().unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

fn dumps(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "tar"))
        .collect();
    found.sort();
    found
}

#[test]
fn sigusr1_begins_a_moved_log_anew_and_sigquit_writes_a_dump_and_goes_on() {
    let mut net = Net::started(1);
    net.wait_height(&[0], 1, limit(20));
    let logs = net.layout.node_dir(0).join("logs");
    let today = fs::canonicalize(logs.join("timed.log")).unwrap();
    let moved = logs.join("moved-away");
    fs::rename(&today, &moved).unwrap();
    send(&mut net, Signal::USR1);
    net.wait("the log is begun anew", limit(20), |net| {
        net.log(0).contains("SIGUSR1: log file opened again")
    });
    assert!(!net.log(0).contains("Consensus activated"), "it is another file");
    assert!(
        fs::read_to_string(&moved)
            .unwrap()
            .contains("Consensus activated")
    );

    let dir = net.layout.node_dir(0);
    send(&mut net, Signal::QUIT);
    net.wait("the dump is written", limit(40), |net| {
        net.log(0).contains("SIGQUIT: debug dump written")
    });
    let found = dumps(&dir);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(fs::metadata(&found[0]).unwrap().mode() & 0o777, 0o600);
    let bytes = fs::read(&found[0]).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("status.json") && text.contains("\"utxo_commitment\""));
    let height = net.height(0);
    net.wait_height(&[0], height + 2, limit(20));
    assert_eq!(net.stop(0).1, Some(0));
}

/// Lines that a headless node writes to standard error until it has made a block.
fn stderr_lines(more: &[&str], with_journal: bool) -> Vec<String> {
    let net = Net::new(1);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("stderr");
    let file = fs::File::create(&path).unwrap();
    let metadata = file.metadata().unwrap();
    let mut command = Command::new(TIMED);
    command
        .args(["run", "--headless", "--config"])
        .arg(net.layout.config(0))
        .args(more);
    if with_journal {
        let name = format!("{}:{}", metadata.dev(), metadata.ino());
        command.env("JOURNAL_STREAM", name);
    }
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file)
        .spawn()
        .unwrap();
    let child = Reaped(child);
    let until = Instant::now() + limit(20);
    loop {
        let text = fs::read_to_string(&path).unwrap();
        if text.contains("Block finalized") && text.ends_with('\n') {
            drop(child);
            // The first line is of the program before it logs.
            return text.lines().skip(1).map(str::to_owned).collect();
        }
        assert!(Instant::now() < until, "no block within the limit:\n{text}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn log_lines_are_text_json_or_the_journals() {
    let text = stderr_lines(&[], false);
    assert!(text.iter().all(|line| line.starts_with("20")), "{text:#?}");
    for (more, with_journal) in [(&[][..], true), (&["--log-format", "journald"][..], false)] {
        let lines = stderr_lines(more, with_journal);
        for line in &lines {
            let rest = ["<3>", "<4>", "<6>"]
                .iter()
                .find_map(|mark| line.strip_prefix(mark));
            let rest = rest.unwrap_or_else(|| panic!("no priority: {line}"));
            assert!(
                !rest.trim_start().starts_with("20"),
                "the journal has the time: {line}"
            );
        }
        assert!(lines.iter().any(|line| line.starts_with("<6>")), "{lines:#?}");
    }
    for line in stderr_lines(&["--log-format", "json"], false) {
        let value: serde_json::Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for key in ["timestamp", "level", "target", "message"] {
            assert!(value[key].is_string(), "{key}: {line}");
        }
    }
}

//! The questions of a first run, on a real terminal; and never without one.

use std::{fs, net::TcpListener, path::Path, process::Command};

use super::{
    screen::TIMED,
    term::{Term, command, signal},
};

const PASSPHRASE: &str = "a long passphrase";

fn ends_well(mut term: Term) {
    term.waits("the program to end", |term| !term.text().is_empty());
    let status = term.child.wait().unwrap();
    assert!(status.success(), "{}", term.text());
}

#[test]
fn init_on_a_terminal_asks_four_questions_and_shows_no_passphrase() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("node");
    let mut init = command(TIMED);
    init.args(["init", "--data-dir", data.to_str().unwrap()]);
    let mut term = Term::spawn(init, 120, 40);
    term.sees("Network, testnet or mainnet [testnet]:");
    term.keys("\n");
    term.sees("Role, masternode");
    term.keys("folower\n");
    term.sees("that is none of the answers");
    term.keys("follower\n");
    term.sees("Port for peers [24100]:");
    term.keys("25555\n");
    term.sees("Passphrase for the keys");
    term.keys("tiny77\n");
    term.sees("it is too short");
    term.keys(&format!("{PASSPHRASE}\n"));
    term.sees("The same again:");
    term.keys(&format!("{PASSPHRASE}\n"));
    term.sees("Make keys and configuration for testnet in");
    assert!(!data.exists(), "nothing is made before the last answer");
    term.keys("\n");
    term.sees("Start it with: timed run --data-dir");
    let shown = String::from_utf8_lossy(&term.raw.lock().unwrap()).into_owned();
    assert!(
        !shown.contains(PASSPHRASE) && !shown.contains("tiny77"),
        "{shown}"
    );
    ends_well(term);
    let config = fs::read_to_string(data.join("config.toml")).unwrap();
    assert!(config.contains("listen = \"0.0.0.0:25555\""), "{config}");
    assert!(config.contains("name = \"testnet\""), "{config}");
    assert!(
        !data.join("keys/validator.key").exists(),
        "a follower has no consensus key"
    );
    let node_key = fs::read_to_string(data.join("keys/node.key")).unwrap();
    assert!(node_key.contains("ENCRYPTED PRIVATE KEY"));
}

#[test]
fn who_would_rather_not_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("node");
    let mut init = command(TIMED);
    init.args([
        "init",
        "--network",
        "testnet",
        "--follower",
        "--listen",
        "127.0.0.1:25556",
    ]);
    init.args(["--data-dir", data.to_str().unwrap()]);
    let mut term = Term::spawn(init, 120, 40);
    // What flags have answered is not asked.
    term.sees("Passphrase for the keys");
    assert!(!term.text().contains("Network,") && !term.text().contains("Port"));
    term.keys("\n");
    term.sees("[Y/n]");
    term.keys("n\n");
    term.sees("nothing was made");
    assert_eq!(term.child.wait().unwrap().exit_code(), 1);
    assert!(!data.exists());
}

#[test]
fn the_first_run_on_a_terminal_asks_and_then_shows_the_console() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("node");
    let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [p2p, http] = ports.map(|port| port.local_addr().unwrap().to_string());
    let mut run = command(TIMED);
    run.args(["run", "--data-dir", data.to_str().unwrap()]);
    run.args(["--listen", &p2p, "--rpc-listen", &http]);
    let mut term = Term::spawn(run, 120, 40);
    term.sees("Network, testnet or mainnet");
    term.keys("\n");
    term.sees("Role, masternode");
    term.keys("\n");
    // Typed before it is asked for, answers are answers all the same; and what the keys are under is not
    // asked for again to open them.
    term.sees("Passphrase for the keys");
    term.keys(&format!("{PASSPHRASE}\n{PASSPHRASE}\n\n"));
    term.waits("the console", |term| term.is_drawing());
    term.sees("testnet");
    let shown = String::from_utf8_lossy(&term.raw.lock().unwrap()).into_owned();
    assert!(
        !shown.contains("Passphrase of") && !shown.contains(PASSPHRASE),
        "{shown}"
    );
    let key = fs::read_to_string(data.join("keys/validator.key")).unwrap();
    assert!(key.contains("ENCRYPTED PRIVATE KEY"));
    assert!(data.join("keys/validator.key").exists());
    signal(term.pid(), "TERM");
    assert!(term.child.wait().unwrap().success(), "{}", term.text());
}

#[test]
fn without_a_terminal_nothing_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("node");
    let run = |arguments: &[&str]| {
        let output = Command::new(TIMED)
            .args(arguments)
            .args([Path::new("--data-dir"), &data])
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    };
    let (code, text) = run(&["run"]);
    assert_eq!(code, Some(64), "{text}");
    assert!(
        text.contains("TD-6403") && text.contains("--non-interactive"),
        "{text}"
    );
    assert!(!data.exists());
    let (code, text) = run(&["init"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(!text.contains("[Y/n]") && !text.contains("Role"), "{text}");
}

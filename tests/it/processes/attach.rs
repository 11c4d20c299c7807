//! Consoles that come and go at running nodes: the real binary on a PTY, attached over the node's own
//! socket, while the node is killed, started again, asked and stopped.

use std::{fs, os::unix::net::UnixListener, path::Path};

use timecoin::{control::EventKind, recorder::Recording};

use super::net::{Net, TIMED, limit, run_timed};
use crate::term::{Term, command, signal};

fn attached(arguments: &[&str]) -> Term {
    let mut timed = command(TIMED);
    timed.arg("attach");
    timed.args(arguments);
    Term::spawn(timed, 120, 36)
}

fn socket(net: &Net, node: u16) -> String {
    let path = net.layout.node_dir(node).join("timed.sock");
    path.to_str().unwrap().to_owned()
}

fn read_only(net: &Net, node: u16) -> String {
    socket(net, node).replace("timed.sock", "timed-ro.sock")
}

/// A network of one: everything but consensus between nodes, in the time of one start.
fn single() -> Net {
    let net = Net::started(1);
    net.wait_height(&[0], 2, limit(20));
    net
}

#[test]
fn pty_attach_shows_a_headless_node_and_q_leaves_it_running() {
    let net = single();
    let mut term = attached(&[&socket(&net, 0)]);
    term.sees("VALIDATING");
    term.sees("attached");
    term.keys("2");
    term.sees("Votes");
    term.keys("6");
    term.sees("console attached");
    term.keys("q");
    assert_eq!(term.exit_code(), 0);
    assert!(term.is_restored());
    let height = net.height(0);
    net.wait_height(&[0], height + 2, limit(20));
    net.wait("the goodbye in the log", limit(10), |net| {
        net.log(0).contains("console detached")
    });
    // ^C closes as well, and asks nothing.
    let mut again = attached(&[&socket(&net, 0)]);
    again.sees("VALIDATING");
    again.keys("\x03");
    assert_eq!(again.exit_code(), 0);
}

#[test]
fn pty_attach_survives_a_killed_node_and_goes_on_with_the_next_run() {
    let mut net = single();
    let mut term = attached(&[&socket(&net, 0)]);
    term.sees("VALIDATING");
    term.sees("live");
    net.kill(0);
    term.sees("disconnected");
    term.sees("retry in");
    // The last frame stays, and input is live.
    term.sees("VALIDATING");
    term.keys("5");
    term.sees("at tip");
    term.keys("?");
    term.sees("Everywhere");
    // Alone: with a key right behind it, an escape byte would be that key with Alt.
    term.keys("\x1b");
    term.loses("Everywhere");
    term.keys("1");
    net.start(0);
    term.sees("connected again");
    term.loses("disconnected");
    term.sees("live");
    term.keys("q");
    assert_eq!(term.exit_code(), 0);
}

#[test]
fn pty_attach_read_only_shows_and_refuses() {
    let net = single();
    let mut term = attached(&["--read-only", net.layout.node_dir(0).to_str().unwrap()]);
    term.sees("attached, read only");
    term.sees("VALIDATING");
    term.keys("6");
    term.sees("console attached");
    term.keys("L");
    term.sees("read only");
    term.keys("q");
    assert_eq!(term.exit_code(), 0);
    // The socket itself refuses, whatever the client thinks of itself.
    let (code, _, errors) = run_timed(&["log", "level", "debug", "--socket", &read_only(&net, 0)]);
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains("read only"), "{errors}");
    let (code, _, errors) = run_timed(&["stop", "--force", "--socket", &read_only(&net, 0)]);
    assert_eq!(code, 1, "{errors}");
    net.wait("the refusal in the log", limit(10), |net| {
        net.log(0).contains("refused: read only")
    });
    assert!(net.try_status(0).is_some());
}

#[test]
fn pty_two_consoles_see_each_others_commands() {
    let net = single();
    let (mut first, second) = (attached(&[&socket(&net, 0)]), attached(&[&socket(&net, 0)]));
    first.sees("VALIDATING");
    second.sees("VALIDATING");
    first.keys("6");
    first.keys("L");
    first.sees("Cancel");
    first.keys("y");
    second.sees("set log filter to");
    let (code, level, _) = run_timed(&["log", "level", "--socket", &socket(&net, 0)]);
    assert_eq!(code, 0);
    assert!(!level.trim().is_empty());
    // One place writes them down: who, what, and what came of it.
    net.wait("the audit line", limit(10), |net| {
        let log = net.log(0);
        log.lines().any(|line| {
            line.contains("operator command")
                && line.contains("socket")
                && line.contains("set log filter to")
                && line.contains("done")
        })
    });
}

#[test]
fn pty_several_nodes_stand_side_by_side() {
    let mut net = Net::started(4);
    net.wait_height(&[0, 1, 2, 3], 2, limit(30));
    let sockets: Vec<String> = net.all().map(|node| socket(&net, node)).collect();
    let arguments: Vec<&str> = sockets.iter().map(String::as_str).collect();
    let mut term = attached(&arguments);
    for name in ["node0", "node1", "node2", "node3"] {
        term.sees(name);
    }
    term.waits("all to validate", |term| {
        term.text().matches("VALIDATING").count() == 4
    });
    net.kill(2);
    term.sees("GONE");
    term.keys("j\r");
    term.sees("1 Overview");
    term.sees("node1");
    term.keys("\x1b");
    term.sees("Nodes  4");
    term.keys("q");
    assert_eq!(term.exit_code(), 0);
    assert!(term.is_restored());
}

#[test]
fn pty_attach_suspends_and_comes_back() {
    let net = single();
    let mut term = attached(&[&socket(&net, 0)]);
    term.sees("VALIDATING");
    term.keys("\x1a");
    term.waits("the terminal to be lent", |term| !term.is_drawing());
    let state = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", term.pid())).unwrap();
        stat.rsplit(')').next().unwrap().trim().chars().next().unwrap()
    };
    net.wait("the process to be stopped", limit(10), |_| state() == 'T');
    signal(term.pid(), "CONT");
    term.waits("the console to be drawn again", |term| {
        term.is_drawing() && term.text().contains("VALIDATING")
    });
    term.keys("q");
    assert_eq!(term.exit_code(), 0);
    assert!(term.is_restored());
}

#[test]
fn one_frame_and_one_snapshot_go_to_pipes() {
    let net = single();
    let (code, frame, errors) = run_timed(&["attach", "--once", &socket(&net, 0)]);
    assert_eq!(code, 0, "{errors}");
    assert!(frame.contains("node0") && frame.contains("VALIDATING"), "{frame}");
    assert!(
        frame.chars().all(|c| c == '\n' || !c.is_control()),
        "escapes in a pipe"
    );
    assert_eq!(frame.lines().count(), 36);
    // By the data directory, through the socket that refuses commands, as JSON.
    let dir = net.layout.node_dir(0);
    let (code, text, errors) = run_timed(&[
        "attach",
        "--once",
        "--json",
        "--read-only",
        "--data-dir",
        dir.to_str().unwrap(),
    ]);
    assert_eq!(code, 0, "{errors}");
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["status"]["node"]["name"], "node0");
    assert!(json["status"]["chain"]["height"].as_u64().unwrap() >= 2);
    assert!(!json["events"].as_array().unwrap().is_empty());
}

#[test]
fn who_is_not_there_or_speaks_otherwise_is_told_so_with_status_3() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("timed.sock");
    let attach = |path: &Path| run_timed(&["attach", "--once", path.to_str().unwrap()]);
    let (code, _, errors) = attach(&path);
    assert_eq!(code, 3);
    assert!(
        errors.contains("TD-0301") && errors.contains("no node answers"),
        "{errors}"
    );

    // A node of the future: only the head of its hello has a layout that is known.
    let listener = UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut hello = b"timed-at".to_vec();
        hello.extend(77_u32.to_le_bytes());
        hello.push(6);
        hello.extend(b"99.0.1 and what nobody knows yet");
        let length = (hello.len() as u32).to_le_bytes();
        std::io::Write::write_all(&mut stream, &[&length[..], &hello[..]].concat()).unwrap();
        let _ = std::io::Read::read(&mut stream, &mut [0; 64]);
    });
    let (code, _, errors) = attach(&path);
    server.join().unwrap();
    assert_eq!(code, 3);
    for part in [
        "TD-0302",
        "timed 99.0.1",
        "protocol 77",
        env!("CARGO_PKG_VERSION"),
    ] {
        assert!(errors.contains(part), "{part} is missing in {errors}");
    }
}

#[test]
fn a_stop_over_the_socket_is_graceful_and_never_halts_the_network_unasked() {
    let net = Net::started(4);
    net.wait_height(&[0, 1, 2, 3], 2, limit(30));
    // Three of four are a quorum: one may go.
    let (code, text, errors) = run_timed(&["stop", "--wait", "--when-idle", "--socket", &socket(&net, 3)]);
    assert_eq!(code, 0, "{errors}");
    assert!(text.contains("node3 has stopped"), "{text}");
    assert!(!Path::new(&socket(&net, 3)).exists());
    assert!(net.log(3).contains("All tasks shut down gracefully"));
    let height = net.height(0);
    net.wait_height(&[0, 1, 2], height + 2, limit(30));
    // The next one is refused, by name and number, unless it is meant.
    net.wait("the loss to be seen", limit(30), |net| {
        net.status(2).validators.iter().filter(|row| row.online).count() == 3
    });
    let (code, _, errors) = run_timed(&["stop", "--socket", &socket(&net, 2)]);
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains("finality would halt"), "{errors}");
    assert!(net.try_status(2).is_some());
    let (code, _, errors) = run_timed(&["stop", "--force", "--wait", "--socket", &socket(&net, 2)]);
    assert_eq!(code, 0, "{errors}");
}

#[test]
fn a_log_level_is_changed_and_shown_over_the_socket() {
    let net = single();
    let level = |arguments: &[&str]| {
        let dir = net.layout.node_dir(0);
        let mut all = vec!["log", "level", "--data-dir", dir.to_str().unwrap()];
        all.extend(arguments);
        run_timed(&all)
    };
    let configured = level(&[]).1;
    let (code, text, errors) = level(&["info,timecoin::consensus=debug"]);
    assert_eq!(code, 0, "{errors}");
    assert!(text.contains("after 10 m"), "{text}");
    net.wait("the level in force", limit(10), |_| {
        level(&[]).1.trim() == "info,timecoin::consensus=debug"
    });
    let (code, _, errors) = level(&["=nonsense="]);
    assert_eq!(code, 1);
    assert!(errors.contains("not a log filter"), "{errors}");
    let (code, ..) = level(&[configured.trim()]);
    assert_eq!(code, 0);
}

/// What a node's recording says happened, by kind.
fn recorded(net: &Net, node: u16, is_it: impl Fn(&EventKind) -> bool) -> bool {
    let Ok(recording) = Recording::open(&net.layout.node_dir(node)) else {
        return false;
    };
    let events = recording.events(0, u64::MAX, 10_000).unwrap();
    events.iter().any(|event| is_it(&event.kind))
}

#[test]
fn pty_replay_shows_a_view_change_again() {
    let mut net = Net::started(4);
    net.wait_height(&[0, 1, 2, 3], 2, limit(30));
    net.kill(3);
    net.wait("a view change in the recording", limit(60), |net| {
        recorded(net, 0, |kind| matches!(kind, EventKind::ViewChange { .. }))
    });
    let dir = net.layout.node_dir(0);
    let dir = dir.to_str().unwrap();
    // From the console that is attached, and back to it.
    let mut term = attached(&[&socket(&net, 0)]);
    term.sees("attached");
    term.keys("r");
    term.sees("REPLAY");
    term.sees("before the end");
    term.keys(")");
    term.sees("at its end");
    term.sees("→r1");
    term.keys("(");
    term.waits("the time before it happened", |term| !term.text().contains("→r1"));
    // Played, it happens again.
    term.keys("++++ ");
    term.sees("▶ ×30");
    term.sees("→r1");
    term.keys(" 2");
    term.sees("Votes");
    term.keys("q");
    term.sees("attached");
    term.keys("q");
    assert_eq!(term.exit_code(), 0);

    // A span of it as one file, which opens where the node is not known.
    let out = net.layout.dir().join("incident.rec");
    let out = out.to_str().unwrap();
    let (code, text, errors) = run_timed(&["replay", dir, "--export", out, "--from", "-10m"]);
    assert_eq!(code, 0, "{errors}");
    assert!(text.contains("snapshots from"), "{text}");
    net.kill(0);
    // kill -9 tears at most the last record: what was kept is read all the same.
    for place in [dir, out] {
        let (code, text, errors) = run_timed(&["replay", place, "--info"]);
        assert_eq!(code, 0, "{errors}");
        assert!(text.contains("snapshots"), "{text}");
        let (code, frame, errors) = run_timed(&["replay", place, "--once"]);
        assert_eq!(code, 0, "{errors}");
        assert!(frame.contains("node0") && frame.contains("→r1"), "{frame}");
    }
    let mut replay = command(TIMED);
    replay.args(["replay", out, "--at", "-5s"]);
    let mut term = Term::spawn(replay, 80, 24);
    term.sees("REPLAY");
    term.sees("before the end");
    term.keys("D");
    term.keys("q");
    assert_eq!(term.exit_code(), 0);
    assert!(term.is_restored());
    // The next run records on behind what was torn.
    let before = Recording::open(Path::new(dir)).unwrap().snapshots();
    net.start(0);
    net.wait("the recording to go on", limit(30), |_| {
        Recording::open(Path::new(dir)).unwrap().snapshots() > before
    });
}

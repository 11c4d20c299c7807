//! The real binary on a real terminal: `timed run` and `timed devnet` are typed at as an operator would,
//! and whatever ends the console, the terminal is the shell's again and the node is where it should be.

use std::{
    fs,
    io::Read,
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use portable_pty::CommandBuilder;
use timecoin::{
    control::status_json::HealthJson,
    devnet::{Layout, PortRange, files},
    rpc::client::Client,
};

use super::term::{PATIENCE, Term, command, cpu_ticks, signal, thread_cpu_ns};

pub(crate) const TIMED: &str = env!("CARGO_BIN_EXE_timed");
/// Where these tests look for ports: between people's devnets and those of the process tests.
const FIRST_PORT: u16 = 25_000;

/// Files of a devnet and its ports.
pub(crate) struct Files {
    pub(crate) layout: Layout,
    _ports: PortRange,
    _dir: tempfile::TempDir,
}

impl Files {
    pub(crate) fn new(nodes: u16) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ports = PortRange::find(FIRST_PORT, nodes).unwrap();
        let layout = Layout::new(dir.path().join("net"), nodes, ports.base());
        files::write(&files::Plan::new(layout.clone())).unwrap();
        Self {
            layout,
            _ports: ports,
            _dir: dir,
        }
    }

    pub(crate) fn config(&self) -> String {
        self.layout.config(0).to_string_lossy().into_owned()
    }

    pub(crate) fn run(&self) -> CommandBuilder {
        let mut command = command(TIMED);
        command.args(["run", "--config", &self.config()]);
        command
    }

    /// What `/health` says, if anybody answers.
    fn health(&self) -> Option<HealthJson> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let client = Client::new(&self.layout.url(0)).unwrap();
        runtime.block_on(async {
            let asked = client.get::<HealthJson>("/health");
            tokio::time::timeout(Duration::from_secs(5), asked)
                .await
                .ok()?
                .ok()
        })
    }

    pub(crate) fn height(&self) -> u64 {
        self.health().map_or(0, |health| health.height)
    }

    /// The node makes blocks: three more than it had.
    fn goes_on(&self) {
        let before = self.height();
        waits("the node to make blocks", || self.height() > before);
    }

    fn log(&self) -> String {
        let log = self.layout.node_dir(0).join("logs").join("timed.log");
        fs::read_to_string(log).unwrap_or_default()
    }

    fn logs(&self, text: &str) {
        waits(&format!("the log to say {text:?}"), || self.log().contains(text));
    }
}

pub(crate) fn waits(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A validator alone on its chain, with its console on a terminal.
struct Validator {
    term: Term,
    files: Files,
}

impl Validator {
    fn start(columns: u16, rows: u16, variables: &[(&str, &str)]) -> Self {
        let files = Files::new(1);
        let mut command = files.run();
        for (name, value) in variables {
            command.env(name, value);
        }
        let term = Term::spawn(command, columns, rows);
        term.sees("VALIDATING");
        Self { term, files }
    }

    fn is_given_back(&self) {
        self.waits("the terminal to be given back", |term| term.is_restored());
    }
}

impl Deref for Validator {
    type Target = Term;

    fn deref(&self) -> &Term {
        &self.term
    }
}

impl DerefMut for Validator {
    fn deref_mut(&mut self) -> &mut Term {
        &mut self.term
    }
}

impl Drop for Validator {
    fn drop(&mut self) {
        if self.term.is_alive() {
            signal(self.term.pid(), "TERM");
            let begun = Instant::now();
            while self.term.is_alive() && begun.elapsed() < Duration::from_secs(15) {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

#[test]
fn pty_timed_opens_every_screen_by_its_key() {
    let mut node = Validator::start(120, 36, &[]);
    assert!(node.is_drawing());
    for (key, text) in [
        ("2", "Votes  ·  height"),
        ("3", "Peers  0 of 0"),
        ("4", "Pressure"),
        ("5", "At the tip"),
        ("6", "Logs  following"),
        ("?", "This screen"),
    ] {
        node.keys(key);
        node.sees(text);
    }
    node.keys("\x1b");
    node.loses("This screen");
    node.keys("\t");
    node.sees("▌1 Overview▐");
    node.keys("\x1b[Z");
    node.sees("▌6 Logs▐");
    // The screen lives: the next block appears by itself.
    node.keys("1");
    let height = node.files.height();
    node.waits("a later block on screen", |term| {
        let seen = term.text();
        (height + 1..height + 60).any(|height| seen.contains(&format!("H {height} ")))
    });
}

#[test]
fn pty_timed_detach_gives_the_terminal_back_and_the_node_goes_on() {
    let mut node = Validator::start(80, 24, &[]);
    node.keys("q");
    node.sees("Leave the console");
    node.keys("d");
    let pid = node.pid();
    node.sees(&format!("console closed, node running, pid {pid}"));
    node.is_given_back();
    node.files.goes_on();
    assert!(node.is_alive());
    node.files.logs("console closed, node running");
}

#[test]
fn pty_timed_stop_shows_its_steps_and_exits_well() {
    let mut node = Validator::start(80, 24, &[]);
    node.keys("qs");
    node.sees("Type  devnet  to confirm");
    node.keys("devne");
    node.keys("\r");
    node.sees("type devnet to confirm");
    node.keys("t");
    node.sees("devnet ✓");
    node.keys("\r");
    assert_eq!(node.exit_code(), 0);
    node.is_given_back();
    node.files.logs("Shutdown signal received");
    assert!(node.files.health().is_none());
}

#[test]
fn pty_timed_control_c_asks_once_and_stops_at_the_second() {
    let mut node = Validator::start(80, 24, &[]);
    node.keys("\x03");
    node.sees("^C again within 3 s stops the node");
    assert!(node.is_alive());
    // Under load the second may come after the three seconds: then it asks again.
    while node.is_alive() {
        node.keys("\x03");
        std::thread::sleep(Duration::from_millis(200));
    }
    let code = node.exit_code();
    assert!(code == 0 || code == 143, "{code}");
    node.is_given_back();
    node.files.logs("Ctrl-C twice");
}

#[test]
fn pty_timed_control_z_never_stops_the_validator() {
    let mut node = Validator::start(80, 24, &[]);
    node.keys("\x1a");
    node.sees("^Z would stop the validator");
    node.files.goes_on();
    let stat = fs::read_to_string(format!("/proc/{}/stat", node.pid())).unwrap();
    assert!(!stat.contains(") T "), "{stat}");
}

#[test]
fn pty_timed_sigterm_gives_the_terminal_back_and_stops_in_order() {
    let mut node = Validator::start(80, 24, &[]);
    node.signal("TERM");
    assert_eq!(node.exit_code(), 0);
    node.is_given_back();
    node.files.logs("Shutdown signal received");
}

#[test]
fn pty_timed_sighup_closes_the_console_only() {
    let mut node = Validator::start(80, 24, &[]);
    node.signal("HUP");
    node.is_given_back();
    node.files
        .logs("SIGHUP: terminal lost, console closed, node running");
    node.files.goes_on();
    assert!(node.is_alive());
}

#[test]
fn pty_timed_goes_on_when_its_terminal_goes_away() {
    let mut node = Validator::start(80, 24, &[]);
    node.drop_terminal();
    node.files.logs("terminal lost");
    node.files.goes_on();
    assert!(node.is_alive());
}

/// The trigger is only in programs with debug assertions.
#[cfg(debug_assertions)]
#[test]
fn pty_timed_goes_on_headless_when_its_console_panics() {
    let mut node = Validator::start(80, 24, &[("PANIC_KEY_OF_TIMED", "!")]);
    node.keys("!");
    node.sees("console crashed, node running headless");
    node.is_given_back();
    node.files.goes_on();
    assert!(node.is_alive());
    node.files.logs("console crashed, node running headless");
    waits("the alarm", || {
        let health = node.files.health();
        health.is_some_and(|health| {
            health
                .alarms
                .iter()
                .any(|alarm| alarm.kind == timecoin::control::AlarmKind::ConsoleCrashed)
        })
    });
}

/// The trigger is only in programs with debug assertions.
#[cfg(debug_assertions)]
#[test]
fn pty_timed_keeps_its_screen_when_a_worker_panics() {
    use timecoin::storage::failpoint::{PLAN_FILE, STALL_FILE};
    let files = Files::new(1);
    let dir = files.layout.node_dir(0);
    fs::write(dir.join(PLAN_FILE), "panic").unwrap();
    let mut term = Term::spawn(files.run(), 80, 24);
    term.sees("VALIDATING");
    fs::write(dir.join(STALL_FILE), "").unwrap();
    files.logs("a thread panicked");
    term.keys("2");
    term.sees("▌2 Cons");
    assert!(term.screen.lock().unwrap().screen().alternate_screen());
    assert!(term.is_alive());
}

#[test]
fn pty_timed_draws_at_any_size() {
    let node = Validator::start(80, 24, &[]);
    for (columns, rows, mark) in [
        (120, 36, "▌1 Overview▐"),
        (20, 4, "VALIDATING"),
        (1, 1, "●"),
        (200, 60, "▌1 Overview▐"),
        (40, 10, "prep "),
        (60, 20, "▌1 Over"),
    ] {
        node.resize(columns, rows);
        node.sees(mark);
    }
}

#[test]
fn pty_timed_without_colours_sends_none() {
    let mut node = Validator::start(120, 36, &[("NO_COLOR", "1")]);
    for keys in ["2j", "3", "6", "q"] {
        node.keys(keys);
    }
    node.sees("Leave the console");
    assert_eq!(node.colours(), Vec::<String>::new());
    let with = Validator::start(120, 36, &[]);
    assert!(!with.colours().is_empty(), "or the test would see nothing");
}

#[test]
fn pty_timed_without_utf8_draws_ascii() {
    let mut node = Validator::start(120, 36, &[("LANG", "C")]);
    node.sees("# VALIDATING");
    for keys in ["2", "3", "4", "5", "?"] {
        node.keys(keys);
    }
    node.sees("This screen");
    assert!(node.text().is_ascii(), "{}", node.text());
}

/// Nobody can give a terminal back after kill -9. The shell's own line editing and the next console on
/// the same terminal find their way out of what it leaves.
#[test]
fn pty_timed_killed_leaves_a_terminal_that_the_next_console_mends() {
    let files = Files::new(1);
    let script = format!(
        "{TIMED} run --config {0}; echo ended=$?; {TIMED} run --config {0}; echo ended=$?; sleep 60",
        files.config()
    );
    let mut shell = command("/bin/sh");
    shell.args(["-c", &script]);
    let mut term = Term::spawn(shell, 80, 24);
    term.sees("VALIDATING");
    assert!(term.is_drawing() && !term.is_restored());
    signal(child_of(term.pid()), "KILL");
    // The lock of the data directory went with the process: the next start needs no help.
    term.waits("the second console", |term| {
        let raw = String::from_utf8_lossy(&term.raw.lock().unwrap()).into_owned();
        raw.contains("ended=137") && raw.matches("\x1b[?1049h").count() == 2
    });
    term.sees("VALIDATING");
    term.keys("\x03");
    term.sees("^C again within 3 s stops the node");
    term.keys("\x03");
    term.waits("the second to stop", |term| {
        String::from_utf8_lossy(&term.raw.lock().unwrap()).contains("ended=0")
    });
    term.waits("a terminal as it was", |term| term.is_restored());
}

fn child_of(pid: u32) -> u32 {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let children = fs::read_to_string(path).unwrap();
    children.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn pty_timed_on_a_dumb_terminal_runs_headless() {
    let files = Files::new(1);
    let mut command = files.run();
    command.env("TERM", "dumb");
    let mut term = Term::spawn(command, 80, 24);
    term.sees("no console: running headless");
    files.goes_on();
    assert!(!term.is_drawing());
    term.signal("TERM");
    assert_eq!(term.exit_code(), 0);
}

#[test]
fn without_a_terminal_timed_runs_headless_and_says_so_once() {
    let files = Files::new(1);
    let mut node = Command::new(TIMED)
        .args(["run", "--config", &files.config()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    files.goes_on();
    signal(node.id(), "TERM");
    assert!(node.wait().unwrap().success());
    let (mut out, mut err) = (String::new(), String::new());
    node.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    node.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!(out, "");
    assert_eq!(err.matches("headless").count(), 1, "{err}");
    assert!(!err.contains('\x1b'), "{err}");
}

#[test]
fn pty_devnet_shows_four_validators_and_leaves_none_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = command(TIMED);
    let place = dir.path().join("net");
    command.args(["devnet", "--nodes", "4", "--txs", "5", "--dir"]);
    command.arg(&place);
    let mut term = Term::spawn(command, 120, 36);
    term.sees("live 4/4");
    term.keys("2");
    for name in ["node0", "node1", "node2", "node3"] {
        term.sees(name);
    }
    term.keys("3");
    term.sees("3 of 3");
    let children = children_of(&place);
    assert_eq!(children.len(), 3, "{children:?}");
    term.keys("qsdevnet\r");
    assert_eq!(term.exit_code(), 0);
    term.waits("the terminal to be given back", |term| term.is_restored());
    assert_eq!(children_of(&place), Vec::<u32>::new());
}

/// The processes that run a node of this devnet, but for the one in the terminal's own.
fn children_of(place: &Path) -> Vec<u32> {
    let place = place.to_string_lossy().into_owned();
    let mut pids = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        if line.contains(&place) && line.contains("--config") {
            pids.push(pid);
        }
    }
    pids
}

/// A devnet of four with its console, on its seventh screen.
struct Devnet {
    term: Term,
    place: PathBuf,
    _dir: tempfile::TempDir,
}

impl Devnet {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("net");
        let mut command = command(TIMED);
        command.args(["devnet", "--nodes", "4", "--txs", "2", "--dir"]);
        command.arg(&place);
        let mut term = Term::spawn(command, 120, 36);
        term.sees("live 4/4");
        term.keys("7");
        term.sees("4 of 4 run");
        Self {
            term,
            place,
            _dir: dir,
        }
    }

    /// The row of a node on the screen.
    fn row(&self, node: &str) -> String {
        let text = self.term.text();
        let line = text.lines().find(|line| line.contains(node));
        line.unwrap_or_default().to_owned()
    }

    fn shows(&self, node: &str, word: &str) {
        self.term
            .waits(&format!("{node} to be {word}"), |_| self.row(node).contains(word));
    }
}

impl Drop for Devnet {
    fn drop(&mut self) {
        signal(self.term.pid(), "TERM");
        let begun = Instant::now();
        while self.term.is_alive() && begun.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(
            children_of(&self.place).is_empty() || std::thread::panicking(),
            "nodes outlive their devnet"
        );
    }
}

#[test]
fn pty_devnet_ends_with_its_terminal() {
    let mut net = Devnet::start();
    net.term.drop_terminal();
    let begun = std::time::Instant::now();
    while !children_of(&net.place).is_empty() {
        assert!(
            begun.elapsed() < PATIENCE,
            "nodes that nobody watches are left behind"
        );
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

#[test]
fn pty_devnet_nodes_are_killed_frozen_stopped_and_started() {
    let mut net = Devnet::start();
    net.term.keys("j");
    net.term.keys("K");
    net.term.sees("3 of 4 stay, quorum 3: at the limit");
    net.term.keys("y");
    net.shows("node1", "down");
    net.shows("node1", "killed");
    assert_eq!(children_of(&net.place).len(), 2);
    // A second one would halt the chain, and the question says so first.
    net.term.keys("jP");
    net.term.sees("finality halts");
    net.term.keys("y");
    net.shows("node2", "paused");
    net.term.sees("✖ nothing can become final");
    // Whom the chain waits for stands there, by name.
    net.term.waits("the names of both", |term| {
        let text = term.text();
        let line = text
            .lines()
            .find(|line| line.contains("waits for"))
            .unwrap_or_default();
        line.contains("node1") && line.contains("node2")
    });
    net.term.keys("P");
    net.shows("node2", "running");
    net.term.keys("kr");
    net.shows("node1", "running");
    net.term.sees("● enough");
    net.term.keys("jj");
    net.term.keys("Xy");
    net.shows("node3", "stopped in order");
}

#[test]
fn pty_devnet_a_peer_is_banned_and_let_in_again() {
    let mut net = Devnet::start();
    net.term.keys("3");
    net.term.sees("3 of 3");
    net.term.keys("jB");
    net.term.sees("is a validator: 3 of 4 stay reachable,");
    net.term.sees("quorum is 3. One more loss halts finality.");
    net.term.keys("y");
    net.term.sees("2 of 2");
    net.term.sees("by hand at the console");
    net.term.keys("bU");
    net.term.sees("Lift the ban?");
    net.term.keys("y");
    net.term.sees("nobody is banned");
    // It comes back by itself.
    net.term.sees("3 of 3");
}

#[test]
fn pty_devnet_the_log_level_is_changed_and_goes_back_by_itself() {
    let mut net = Devnet::start();
    net.term.keys("6");
    net.term.sees("node logs info");
    net.term.keys("L");
    net.term.sees("It goes back by itself after 10 minutes.");
    net.term.keys("\x1b[Cy");
    net.term.sees("node logs debug for 9 m");
}

#[test]
fn pty_devnet_links_are_cut_and_mended_and_traffic_rises() {
    let mut net = Devnet::start();
    net.term.keys("v");
    net.term.sees("4 cut");
    net.term.sees("✖ nothing can become final");
    net.term.keys("u");
    net.term.sees("all open");
    net.term.sees("● enough");
    net.term.keys("++");
    net.term.sees("10 tx/s asked for");
    net.term.keys(":cut node1 node2\r");
    net.term.sees("1 cut");
    net.term.keys(":slow node0 node3\r");
    net.term.sees("1 cut   1 slow");
    net.term.keys(":mend node1 node2\r");
    net.term.sees("0 cut   1 slow");
    net.term.keys(":heal\r");
    net.term.sees("all open");
    net.term.keys(":split\r");
    net.term.sees("4 cut");
    net.term.keys(":heal\r");
    net.term.sees("● enough");
}

/// T2 to T4 of the console's targets on the real binary, a validator that makes blocks meanwhile.
#[test]
#[ignore = "figures: cargo test --release --test it -- --ignored --nocapture console_figures"]
fn console_figures() {
    let files = Files::new(1);
    let begun = Instant::now();
    let mut term = Term::spawn(files.run(), 120, 36);
    term.waits("the first frame", |term| {
        term.received.load(std::sync::atomic::Ordering::Relaxed) > 500
    });
    let first_ms = begun.elapsed().as_millis();
    println!("start to first frame: {first_ms} ms");
    term.sees("VALIDATING");
    let mut repaints = Vec::new();
    for round in 0..40 {
        let (key, mark) = if round % 2 == 0 {
            ("2", "▌2 Consensus▐")
        } else {
            ("1", "▌1 Overview▐")
        };
        let pressed = Instant::now();
        term.keys(key);
        term.sees(mark);
        repaints.push(pressed.elapsed());
    }
    repaints.sort_unstable();
    println!(
        "key to repaint: p50 {} ms, p95 {} ms",
        repaints[20].as_millis(),
        repaints[37].as_millis()
    );
    // How old the newest height is when the screen shows it: p95 over heights seen over HTTP first.
    let mut ages = Vec::new();
    let mut height = files.height();
    while ages.len() < 40 {
        while files.height() == height {
            std::thread::sleep(Duration::from_millis(2));
        }
        let final_since = Instant::now();
        height = files.height();
        term.sees(&format!("H {height} "));
        ages.push(final_since.elapsed());
    }
    ages.sort_unstable();
    println!(
        "age of the data: p50 {} ms, p95 {} ms",
        ages[20].as_millis(),
        ages[37].as_millis()
    );
    let pid = term.pid();
    let sent = || term.received.load(std::sync::atomic::Ordering::Relaxed);
    let (ticks, cpu) = (cpu_ticks(pid), thread_cpu_ns(pid, "console"));
    let (bytes, at) = (sent(), Instant::now());
    std::thread::sleep(Duration::from_secs(20));
    let passed = at.elapsed().as_secs_f64();
    let cpu = (thread_cpu_ns(pid, "console") - cpu) as f64 / 1e9;
    let percent = cpu * 100.0 / passed;
    let rate = (sent() - bytes) as f64 / passed;
    println!("console thread: {percent:.2} % of a core");
    // The status task is one of many on the node's threads: with all of them it is bounded from above.
    let whole = (cpu_ticks(pid) - ticks) as f64 / passed;
    println!("the whole validator with its console: {whole:.2} % of a core");
    println!("bytes: {rate:.0} a second at 120x36");
    term.signal("TERM");
    assert_eq!(term.exit_code(), 0);
    // What must hold; an unoptimized build has no figures.
    if cfg!(debug_assertions) {
        return;
    }
    assert!(first_ms <= 150, "T3: first frame after {first_ms} ms");
    assert!(
        repaints[37].as_millis() <= 50,
        "T3: {:?} to repaint",
        repaints[37]
    );
    assert!(ages[37].as_millis() <= 300, "T3: data {:?} old", ages[37]);
    assert!(percent <= 1.0, "T2: {percent:.2} % of a core");
    assert!(rate <= 5_000.0, "T4: {rate:.0} bytes a second");
}

/// What scripts/record-view-change runs.
#[test]
#[ignore = "a recording: scripts/record-view-change"]
#[allow(clippy::disallowed_methods, reason = "the script says where to write")]
fn record_a_view_change() {
    let Some(to) = std::env::var_os("RECORD_TO").map(PathBuf::from) else {
        return;
    };
    let mut net = Devnet::start();
    let pause = |seconds: f64| std::thread::sleep(Duration::from_secs_f64(seconds));
    net.term.keys("2");
    net.term.sees("Votes");
    pause(3.0);
    net.term.keys("7jK");
    net.term.sees("at the limit");
    pause(1.5);
    net.term.keys("y");
    net.shows("node1", "killed");
    pause(1.5);
    net.term.keys("2");
    // One height in four is led by the dead node: its round times out, the view changes, another leads.
    net.term
        .waits("a view change", |term| term.text().contains("r1 "));
    pause(8.0);
    net.term.keys("7r");
    net.shows("node1", "running");
    net.term.keys("2");
    pause(4.0);
    let raw = net.term.raw.lock().unwrap().clone();
    let times = net.term.times.lock().unwrap().clone();
    let start = times[0].0;
    let mut cast = String::from(
        "{\"version\": 2, \"width\": 120, \"height\": 36, \"title\": \"timed devnet: a leader dies, the view changes\"}\n",
    );
    let (mut from, mut carried) = (0, Vec::new());
    for (at, until) in times {
        carried.extend_from_slice(&raw[from..until]);
        from = until;
        // A character that came in two parts belongs to the second.
        let whole = match std::str::from_utf8(&carried) {
            Ok(_) => carried.len(),
            Err(error) => error.valid_up_to(),
        };
        let text: String = String::from_utf8_lossy(&carried[..whole]).into_owned();
        carried.drain(..whole);
        let event = serde_json::json!([at.duration_since(start).as_secs_f64(), "o", text]);
        cast.push_str(&event.to_string());
        cast.push('\n');
    }
    fs::write(to, cast).unwrap();
}

//! The console in a real terminal: a child of this very test binary draws on a PTY, and the tests
//! look at the screen it makes, type on it, and take the terminal away.
//!
//! The child is the ignored test [`console_child`]: the console on a node that is only data, so
//! these tests need no network and no clock but their own patience.

use std::{
    fs,
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use timecoin::{
    chain::OutPoint,
    console::{self, Config, Environment, GlyphName, Options, Source, ThemeName},
    control::{
        BalanceView, BlockView, ChainStatus, Clock, Command, CommandRequest, ConsensusStatus, EventRing,
        EvidenceView, LogRing, MasternodeView, Mode, Moment, NodeHandle, NodeStatus, Page, PeersStatus,
        Query, QueryError, Reply, SigningStatus, Status, StepState, StopStatus, StopStep, SyncState,
        SyncStatus, TransactionState, TransactionView, UtxoEntry, ValidatorRow, VoteCell, Watchers,
    },
    crypto::{Hash256, PublicKey},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
};

use super::term::{PATIENCE, Term, command, cpu_ticks};

/// The variable that tells the child where to work; unset, the child test does nothing.
const CHILD_DIR: &str = "TIMED_TEST_CONSOLE_CHILD";

// ---- the child ---------------------------------------------------------------------------------

struct NoStore;

impl Query for NoStore {
    fn block(&self, _: u64) -> Result<Option<BlockView>, QueryError> {
        Ok(None)
    }
    fn transaction(&self, _: Hash256) -> Result<TransactionView, QueryError> {
        Ok(TransactionView {
            state: TransactionState::Unknown,
            height: None,
            finalized_at_ms: None,
            reason: None,
        })
    }
    fn mempool_has(&self, _: Hash256) -> bool {
        false
    }
    fn evidence(&self, _: Page) -> Result<Vec<EvidenceView>, QueryError> {
        Ok(Vec::new())
    }
    fn balance(&self, _: &str) -> Result<BalanceView, QueryError> {
        Err(QueryError::Invalid("no storage here".to_owned()))
    }
    fn utxos(&self, _: &str, _: Option<OutPoint>, _: Page) -> Result<Vec<UtxoEntry>, QueryError> {
        Ok(Vec::new())
    }

    fn masternodes(&self, _: Page) -> Result<Vec<MasternodeView>, QueryError> {
        Ok(Vec::new())
    }

    fn masternode(&self, _: Hash256) -> Result<Option<MasternodeView>, QueryError> {
        Ok(None)
    }
}

fn snapshot(revision: u64, at: Moment) -> Status {
    let validators = (0..4_u16)
        .map(|index| ValidatorRow {
            index,
            id: PublicKey::from_bytes([index as u8 + 1; 32]),
            name: format!("node{index}"),
            is_self: index == 0,
            online: true,
            last_seen_mono_ms: Some(at.mono_ms),
            last_signed_height: Some(41),
            silent_heights: 0,
            pre_prepare: VoteCell::default(),
            prepare: VoteCell::default(),
            commit: VoteCell::default(),
            view_change: VoteCell::default(),
            history: Vec::new(),
            has_evidence: false,
        })
        .collect();
    Status {
        at,
        revision,
        node: Arc::new(NodeStatus {
            network: "devnet".to_owned(),
            name: "node0".to_owned(),
            mode: Mode::Validator,
            log_filter: "info".to_owned(),
            ..NodeStatus::default()
        }),
        chain: Arc::new(ChainStatus {
            height: 41,
            finalized: Some(Moment::default()),
            ..ChainStatus::default()
        }),
        consensus: Arc::new(ConsensusStatus {
            activated: true,
            height: 42,
            n: 4,
            quorum: 3,
            f: 1,
            leader: Some(1),
            validators,
            ..ConsensusStatus::default()
        }),
        signing: SigningStatus {
            signing: true,
            ..SigningStatus::default()
        },
        peers: Arc::new(PeersStatus::default()),
        sync: Arc::new(SyncStatus {
            state: SyncState::Synced,
            ..SyncStatus::default()
        }),
        ..Status::default()
    }
}

/// Publishes snapshots at 4 Hz and answers commands, until a stop is through.
async fn play_node(
    clock: Clock,
    status: watch::Sender<Arc<Status>>,
    mut commands: mpsc::Receiver<CommandRequest>,
) {
    let mut revision = 1;
    let mut stop: Option<StopStatus> = None;
    let mut tick = tokio::time::interval(Duration::from_millis(250));
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            Some(request) = commands.recv() => {
                let reply = match request.command {
                    Command::Stop { reason } => {
                        stop.get_or_insert(StopStatus {
                            started: clock.now(),
                            budget_ms: 10_000,
                            reason,
                            steps: vec![StopStep {
                                name: "flush storage".to_owned(),
                                state: StepState::Running,
                                took_ms: None,
                            }],
                        });
                        Reply::Stopping
                    }
                    _ => Reply::Done,
                };
                let _ = request.reply.send(Ok(reply));
            }
        }
        if let Some(stop) = &stop {
            // Long enough for a test to see the progress and to press Ctrl-C meanwhile.
            if clock.now().since_ms(stop.started) > 1_500 {
                return;
            }
        }
        revision += 1;
        let mut next = snapshot(revision, clock.now());
        next.stop = stop.clone().map(Arc::new);
        status.send_replace(Arc::new(next));
    }
}

#[test]
#[ignore = "the child of the other tests"]
fn console_child() {
    let Some(dir) = std::env::var_os(CHILD_DIR).map(PathBuf::from) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let clock = Clock::start();
        let (status_tx, status) = watch::channel(Arc::new(snapshot(1, clock.now())));
        let (commands, requests) = mpsc::channel(8);
        let handle = NodeHandle {
            status,
            commands,
            events: Arc::new(EventRing::new()),
            logs: Arc::new(LogRing::new()),
            query: Arc::new(NoStore),
            watchers: Watchers::new(),
            clock,
        };
        tokio::spawn(play_node(clock, status_tx, requests));
        let mut hang_up = signal(SignalKind::hangup()).unwrap();
        let mut terminate = signal(SignalKind::terminate()).unwrap();
        let options = Options {
            config: Config {
                theme: ThemeName::Auto,
                glyphs: GlyphName::Unicode,
                notify: false,
            },
            environment: Environment::read(|name| {
                std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
            }),
            on_terminal: None,
            socket: None,
            fleet: None,
            panic_on_key: Some('!'),
        };
        let console = console::spawn(Source::Node(handle.clone()), options).unwrap();
        let outcome = loop {
            tokio::select! {
                outcome = console.ended() => break outcome,
                _ = terminate.recv() => {
                    break console.join(Duration::from_secs(1));
                }
                // The console finds out by itself; the signal alone must not end the process.
                _ = hang_up.recv() => {}
                () = tokio::time::sleep(Duration::from_millis(20)) => {
                    if fs::remove_file(dir.join("panic")).is_ok() {
                        let worker = thread::Builder::new().name("worker".to_owned());
                        let _ = worker.spawn(|| panic!("a worker failed")).unwrap().join();
                        fs::write(dir.join("panicked"), "").unwrap();
                    }
                }
            }
        };
        let crashed = handle.watchers.has_crashed();
        fs::write(dir.join("outcome.tmp"), format!("{outcome:?} crashed={crashed}")).unwrap();
        fs::rename(dir.join("outcome.tmp"), dir.join("outcome")).unwrap();
        // The node goes on: the process lives until the test is done with it.
        while !dir.join("quit").exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}

// ---- the terminal ------------------------------------------------------------------------------

/// The child on its terminal, and where the two of us leave each other word.
struct Watched {
    term: Term,
    dir: tempfile::TempDir,
}

impl Watched {
    fn start(columns: u16, rows: u16, variables: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut command = command(std::env::current_exe().unwrap());
        command.args([
            "--exact",
            "console::console_child",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ]);
        command.env(CHILD_DIR, dir.path());
        for (name, value) in variables {
            command.env(name, value);
        }
        let term = Term::spawn(command, columns, rows);
        Self { term, dir }
    }

    fn outcome(&self) -> String {
        let file = self.dir.path().join("outcome");
        self.waits("the console to end", |_| file.exists());
        fs::read_to_string(file).unwrap()
    }

    fn touch(&self, name: &str) {
        fs::write(self.dir.path().join(name), "").unwrap();
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Deref for Watched {
    type Target = Term;

    fn deref(&self) -> &Term {
        &self.term
    }
}

impl DerefMut for Watched {
    fn deref_mut(&mut self) -> &mut Term {
        &mut self.term
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.touch("quit");
        let begun = Instant::now();
        while self.path().join("outcome").exists()
            && self.is_alive()
            && begun.elapsed() < Duration::from_secs(5)
        {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

// ---- the tests ---------------------------------------------------------------------------------

#[test]
fn pty_first_frame_shows_the_node() {
    let term = Watched::start(120, 36, &[]);
    term.sees("VALIDATING");
    term.sees("live 4/4");
    assert!(term.text().contains("H 41"));
}

#[test]
fn pty_keys_open_screens_and_help() {
    let mut term = Watched::start(120, 36, &[]);
    term.sees("VALIDATING");
    term.keys("2");
    term.sees("Votes  ·  height 42");
    term.keys("6");
    term.sees("Logs  following");
    term.keys("?");
    term.sees("This screen");
    term.keys("\x1b");
    term.waits("help to close", |term| !term.text().contains("This screen"));
    term.keys("\t");
    term.sees("▌1 Overview▐");
}

#[test]
fn pty_detach_leaves_the_node_and_a_clean_terminal() {
    let mut term = Watched::start(80, 24, &[]);
    term.sees("VALIDATING");
    term.keys("q");
    term.sees("Leave the console");
    term.sees("3 of 4 stay, quorum 3: at the limit");
    term.keys("d");
    assert_eq!(term.outcome(), "Detached crashed=false");
    term.sees("console closed, node running, pid");
    term.waits("the terminal to be restored", |term| term.is_restored());
    assert!(term.is_alive());
}

#[test]
fn pty_a_panic_of_the_console_costs_only_the_console() {
    let mut term = Watched::start(80, 24, &[]);
    term.sees("VALIDATING");
    term.keys("!");
    assert_eq!(term.outcome(), "Panicked crashed=true");
    term.sees("console crashed, node running headless");
    term.waits("the terminal to be restored", |term| term.is_restored());
    assert!(term.is_alive());
}

#[test]
fn pty_a_panic_elsewhere_leaves_the_screen_alone() {
    let mut term = Watched::start(80, 24, &[]);
    term.sees("VALIDATING");
    term.touch("panic");
    let panicked = term.path().join("panicked");
    term.waits("the worker to panic", |_| panicked.exists());
    term.keys("2");
    term.sees("Votes");
    assert!(term.screen.lock().unwrap().screen().alternate_screen());
}

#[test]
fn pty_a_lost_terminal_leaves_the_node_and_burns_no_core() {
    let mut term = Watched::start(80, 24, &[]);
    term.sees("VALIDATING");
    let pid = term.pid();
    term.drop_terminal();
    assert_eq!(term.outcome(), "TerminalLost crashed=false");
    assert!(term.is_alive());
    let before = cpu_ticks(pid);
    thread::sleep(Duration::from_millis(500));
    let spent = cpu_ticks(pid) - before;
    assert!(spent < 15, "{spent} ticks in half a second");
}

#[test]
fn pty_stop_asks_for_the_network_and_shows_its_progress() {
    let mut term = Watched::start(80, 24, &[]);
    term.sees("VALIDATING");
    term.keys("qs");
    term.sees("Type  devnet  to confirm");
    term.keys("devnet");
    term.sees("devnet ✓");
    term.keys("\r");
    term.sees("Stopping  asked by operator at the console");
    term.sees("flush storage");
    assert_eq!(term.outcome(), "StopRequested crashed=false");
    term.waits("the terminal to be restored", |term| term.is_restored());
}

#[test]
fn pty_control_c_twice_stops_and_a_third_leaves_at_once() {
    let mut term = Watched::start(80, 24, &[]);
    term.sees("VALIDATING");
    term.keys("\x03");
    term.sees("^C again within 3 s stops the node");
    term.keys("\x03");
    term.sees("Stopping");
    term.keys("\x03");
    assert_eq!(term.outcome(), "ForceExit crashed=false");
    term.waits("the terminal to be restored", |term| term.is_restored());
}

#[test]
fn pty_control_z_does_not_stop_the_process() {
    let mut term = Watched::start(80, 24, &[]);
    term.sees("VALIDATING");
    term.keys("\x1a");
    term.sees("^Z would stop the validator");
    let stat = fs::read_to_string(format!("/proc/{}/stat", term.pid())).unwrap();
    assert!(!stat.contains(") T "), "{stat}");
    term.keys("2");
    term.sees("Votes");
}

#[test]
fn pty_sigterm_restores_the_terminal() {
    let term = Watched::start(80, 24, &[]);
    term.sees("VALIDATING");
    term.signal("TERM");
    assert_eq!(term.outcome(), "Closed crashed=false");
    term.waits("the terminal to be restored", |term| term.is_restored());
}

#[test]
fn pty_a_frozen_terminal_does_not_hold_the_process() {
    let mut term = Watched::start(200, 60, &[]);
    term.sees("VALIDATING");
    let frozen = term.screen.clone();
    // The reader stops taking output, as a suspended emulator would; the terminal fills up.
    let _held = frozen.lock().unwrap();
    let writer = term.writer.as_mut().unwrap();
    for _ in 0..40 {
        writer.write_all(b"2346").unwrap();
        writer.flush().unwrap();
        thread::sleep(Duration::from_millis(40));
    }
    term.signal("TERM");
    let file = term.dir.path().join("outcome");
    let begun = Instant::now();
    while !file.exists() {
        assert!(begun.elapsed() < PATIENCE, "a frozen terminal holds the process");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn pty_resizing_draws_at_the_new_size() {
    let term = Watched::start(80, 24, &[]);
    term.sees("VALIDATING");
    for (columns, rows) in [(120, 36), (40, 10), (100, 30)] {
        term.resize(columns, rows);
        let mark = if rows == 10 { "prep " } else { "▌1 Overview▐" };
        term.sees(mark);
        term.waits("the last row to be used", |term| {
            let screen = term.screen.lock().unwrap();
            let last = screen.screen().rows(0, columns).last().unwrap_or_default();
            last.contains("leave")
        });
    }
}

#[test]
fn pty_no_color_means_no_colour() {
    let mut term = Watched::start(120, 36, &[("NO_COLOR", "1")]);
    term.sees("VALIDATING");
    term.keys("2j");
    term.sees("Votes");
    term.keys("q");
    term.sees("Leave the console");
    assert_eq!(term.colours(), Vec::<String>::new());
}

#[test]
fn pty_an_idle_screen_sends_next_to_nothing() {
    let term = Watched::start(120, 36, &[]);
    term.sees("live 4 Hz");
    let before = term.received.load(Ordering::Relaxed);
    thread::sleep(Duration::from_secs(2));
    let sent = term.received.load(Ordering::Relaxed) - before;
    assert!(
        sent < 10_000,
        "{sent} bytes in two idle seconds; 5 kB/s is the limit"
    );
}

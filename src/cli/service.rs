//! A node with its faces: started in order, run until it shall stop, stopped in order.
//!
//! `timed run` is one of these; `timed devnet` runs its first node as one, so that both meet the same
//! signals, the same console and the same stop.

use std::{os::unix::fs::MetadataExt, path::Path, process::ExitCode, sync::Arc, time::Duration};

use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

mod signals;

use signals::{Received, Signals};

use super::{
    attach::places,
    debug::Dumper,
    failure::{Code, Failure},
    manager::Manager,
    reload::Reloader,
    run::Prepared,
    start_lines,
};
use crate::{
    attach,
    config::{Config, DataDir, Environment},
    console::{self, ConsoleHandle, Outcome},
    control::{FleetHandle, LogRing, NodeHandle},
    node::{self, Node, NodeOptions},
    recorder::Recorder,
    rpc,
    telemetry::{self, Telemetry},
};

/// Workers of the node's runtime: sessions and tasks, none of which computes for long.
const WORKERS: usize = 2;
/// Why a devnet ends when its terminal does.
const DEVNET_UNWATCHED: &str = "the devnet's terminal is gone";
/// How long the console has to give the terminal back.
const CONSOLE_PATIENCE: Duration = Duration::from_secs(2);
/// What a shell shows for a process that SIGTERM ended.
const EXIT_FORCED: u8 = 143;

/// Everything that runs.
pub(super) struct Service {
    node: Node,
    rpc: Option<rpc::Server>,
    /// The socket for other consoles; it outlasts the stop, so that they see it through.
    attach: Option<attach::Server>,
    /// Records until the node has stopped.
    recorder: Option<Recorder>,
    runtime: Runtime,
    telemetry: Telemetry,
    with_console: bool,
    console: console::Config,
    fleet: Option<FleetHandle>,
    stop_budget: Duration,
    reloader: Reloader,
    dumper: Dumper,
}

/// Whether a stream is the one that the service manager connected to the journal, by what it says itself.
pub(super) fn is_journal(stream: &Path) -> bool {
    let journal = Environment::variable("JOURNAL_STREAM").unwrap_or_default();
    std::fs::metadata(stream).is_ok_and(|found| journal == format!("{}:{}", found.dev(), found.ino()))
}

fn bad_address(key: &str) -> Failure {
    Failure::new(Code::Config, format!("{key} is no address; write ip:port"))
}

/// Something that lives as long as the node: a devnet's other nodes and its traffic.
pub(super) struct Beside {
    /// Asks it to end.
    pub(super) stop: CancellationToken,
    /// Ends when it has.
    pub(super) ended: JoinHandle<()>,
}

/// Why a node shall stop.
enum End {
    /// In order, for this reason.
    Stop(String),
    /// The same, asked for through the node: by a command, or because it has to start anew.
    Asked(String),
    /// At once.
    Now,
}

impl Service {
    /// Starts logging, the node and HTTP.
    pub(super) fn start(prepared: Prepared) -> Result<Self, Failure> {
        let config = &prepared.loaded.config;
        let logs = Arc::new(LogRing::new());
        let telemetry = telemetry::init(telemetry::Options {
            config: config.telemetry.clone(),
            directory: Some(prepared.dir.logs()),
            stderr: prepared.logs_to_stderr,
            stderr_is_journal: is_journal(Path::new("/proc/self/fd/2")),
            ring: Arc::clone(&logs),
        })?;
        for warning in &prepared.loaded.warnings {
            tracing::warn!("{warning}");
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name("node")
            .enable_all()
            .build()
            .map_err(|error| {
                Failure::new(
                    Code::Unexpected,
                    format!("no runtime: {error}; check `ulimit -u`"),
                )
            })?;
        let mut warnings = prepared.loaded.warnings.clone();
        warnings.extend(config.halt_at().map(|height| {
            format!("halts after block {height}, as node.halt_height says: take it out before the node is to go on")
        }));
        let network = config.network_config().ok_or_else(|| bad_address("network"))?;
        let mut http = config.rpc_config().ok_or_else(|| bad_address("rpc.listen"))?;
        http.cookie = Some(prepared.dir.cookie());
        http.tokens = Some(prepared.dir.tokens());
        let stop_budget = Duration::from_secs(config.shutdown.timeout_s);
        let options = NodeOptions {
            name: prepared.name(),
            data_dir: prepared.dir.root().to_owned(),
            node_key: prepared.node_key,
            signer: prepared.signer,
            observer: config.node.observer,
            halt_at: config.halt_at(),
            skip_doppelganger: false,
            network,
            pool: config.pool_limits(),
            store: config.store_options(),
            rpc_listen: Some(http.listen.to_string()),
            log_file: telemetry.log_file().map(Into::into),
            logs,
            log_filter: telemetry.filter(),
            log_lines_dropped: {
                let dropped = telemetry.drop_counter();
                Arc::new(move || dropped.lines())
            },
            warnings,
            stop_budget,
            on_start_step: match prepared.with_console {
                true => start_lines::shown(),
                false => start_lines::silent(),
            },
            may_restart: prepared.may_restart,
            trusted: config.trusted().map_err(|_| bad_address("storage.trusted"))?,
            backfill: config.sync.backfill,
            genesis: prepared.genesis,
        };
        let node = runtime
            .block_on(node::start(options, runtime.handle().clone()))
            .inspect_err(|_| {
                if prepared.with_console {
                    start_lines::broken_off();
                }
            })?;
        let dumper = Dumper::new(&prepared.arguments, &prepared.dir, &http);
        let rpc = rpc::Server::start(http, node.handle().clone(), Arc::clone(node.metrics()));
        let rpc = match rpc {
            Ok(rpc) => rpc,
            Err(error) => {
                runtime.block_on(node.stop("HTTP could not be started"));
                return Err(error.into());
            }
        };
        let attach = open_socket(&prepared.loaded.config, &prepared.dir, node.handle());
        let recorder = start_recorder(&prepared.loaded.config, &prepared.dir, node.handle());
        Ok(Self {
            node,
            rpc: Some(rpc),
            attach,
            recorder,
            runtime,
            with_console: prepared.with_console,
            console: config.console.clone(),
            fleet: None,
            telemetry,
            stop_budget,
            reloader: Reloader::new(prepared.arguments, prepared.loaded.config.clone()),
            dumper,
        })
    }

    /// Shows the devnet that the node belongs to.
    pub(super) fn with_fleet(mut self, fleet: FleetHandle) -> Self {
        self.fleet = Some(fleet);
        self
    }

    /// What faces hold of the node.
    pub(super) fn handle(&self) -> &NodeHandle {
        self.node.handle()
    }

    /// The runtime that the node's tasks run on.
    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Runs until a signal, a command or the console ends it; then stops in order, and with the node
    /// whatever runs beside it.
    pub(super) fn run(mut self, beside: Option<Beside>) -> Result<ExitCode, Failure> {
        // Before the terminal is taken: a signal that finds no listener ends the process at once, and
        // nobody would give the terminal back.
        let mut signals = {
            let _runtime = self.runtime.enter();
            Signals::listen()?
        };
        let mut console = self.open_console();
        let manager = Manager::find();
        let end = self.runtime.block_on(async {
            let report = async {
                match &manager {
                    Some(manager) => manager.report(self.handle()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                end = self.until_end(&mut console, &mut signals, beside.is_some()) => end,
                never = report => match never {},
            }
        });
        let (reason, may_restart) = match end {
            End::Stop(reason) => (reason, false),
            End::Asked(reason) => (reason, true),
            End::Now => {
                restore(console);
                return Ok(ExitCode::from(EXIT_FORCED));
            }
        };
        tracing::info!(reason, "Shutdown signal received");
        if let Some(manager) = &manager {
            manager.stopping(self.stop_budget);
        }
        if let Some(rpc) = self.rpc.take() {
            rpc.stop();
        }
        let Self {
            node,
            attach,
            recorder,
            runtime,
            telemetry,
            stop_budget,
            ..
        } = self;
        // Whoever sends a signal meanwhile wants it to end, also if it was about to begin anew.
        let restarts = may_restart && node.wants_restart();
        let (clean, was_forced) = runtime.block_on(async {
            let stop = tokio::time::timeout(stop_budget, async {
                let beside = async {
                    if let Some(beside) = beside {
                        beside.stop.cancel();
                        // Its own limit is the same budget; a panic there has been logged.
                        let _ = beside.ended.await;
                    }
                };
                tokio::join!(node.stop(&reason), beside).0
            });
            tokio::select! {
                stopped = stop => (stopped.unwrap_or(false).then_some(ExitCode::SUCCESS), false),
                forced = force_asked(&mut console, &mut signals) => (Some(forced), true),
            }
        });
        if let Some(recorder) = recorder {
            recorder.stop();
        }
        if let Some(attach) = attach {
            attach.stop();
        }
        restore(console);
        runtime.shutdown_timeout(Duration::from_millis(200));
        drop(telemetry);
        if restarts && !was_forced {
            return Err(restart());
        }
        Ok(clean.unwrap_or(ExitCode::FAILURE))
    }

    fn open_console(&self) -> Option<ConsoleHandle> {
        if !self.with_console {
            return None;
        }
        let gate = self.telemetry.stderr_gate();
        let options = console::Options {
            config: self.console.clone(),
            environment: console::Environment::read(Environment::variable),
            on_terminal: Some(Box::new(move |taken| gate.set(!taken))),
            socket: self.attach.as_ref().map(|server| server.paths().admin.clone()),
            fleet: self.fleet.clone(),
            panic_on_key: panic_key(),
        };
        let drawn = console::can_draw(&options.environment)
            .and_then(|()| console::spawn(console::Source::Node(self.node.handle().clone()), options));
        match drawn {
            Ok(console) => Some(console),
            Err(error) => {
                self.telemetry.stderr_gate().set(true);
                tracing::info!(%error, "no console: running headless");
                None
            }
        }
    }

    /// Waits for a reason to stop. A validator goes on without its terminal; a devnet is there to be
    /// watched, and nobody could end it.
    async fn until_end(
        &self,
        console: &mut Option<ConsoleHandle>,
        signals: &mut Signals,
        is_devnet: bool,
    ) -> End {
        loop {
            let console_ended = async {
                match console.as_ref() {
                    Some(console) => console.ended().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                signal = signals.next() => match signal {
                    Received::Stop(name) => return End::Stop(name.to_owned()),
                    Received::ReopenLog => {
                        self.telemetry.reopen_log();
                        tracing::info!("SIGUSR1: log file opened again");
                    }
                    Received::Dump => self.dumper.dump(),
                    Received::HangUp => {
                        // The terminal is gone, or a manager asks for a reload: the validator goes on.
                        match console.take() {
                            Some(console) if is_devnet => {
                                console.join(CONSOLE_PATIENCE);
                                return End::Stop(DEVNET_UNWATCHED.to_owned());
                            }
                            Some(console) => {
                                console.join(CONSOLE_PATIENCE);
                                tracing::warn!("SIGHUP: terminal lost, console closed, node running");
                            }
                            None => self.reloader.reload(self.handle(), &*self.telemetry.filter()).await,
                        }
                    }
                },
                reason = self.node.stop_requested() => return End::Asked(reason),
                outcome = console_ended => match outcome {
                    Outcome::ForceExit => return End::Now,
                    Outcome::TerminalLost if is_devnet => return End::Stop(DEVNET_UNWATCHED.to_owned()),
                    Outcome::Detached | Outcome::TerminalLost | Outcome::Panicked | Outcome::Closed => {
                        *console = None;
                        self.telemetry.stderr_gate().set(outcome != Outcome::TerminalLost);
                    }
                    Outcome::StopRequested => return End::Stop("operator at the console".to_owned()),
                },
            }
        }
    }
}

/// Starts this program again with the same arguments, in the same process id, so that a service
/// manager and a terminal keep it. Comes back only if that fails; what was begun goes on at the next
/// start anyway.
fn restart() -> Failure {
    use std::os::unix::process::CommandExt;
    let failed = |error: std::io::Error| {
        Failure::new(
            Code::Unexpected,
            format!("the program could not be started again: {error}; start it, and the resync goes on"),
        )
    };
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return failed(error),
    };
    failed(
        std::process::Command::new(program)
            .args(std::env::args_os().skip(1))
            .exec(),
    )
}

/// Opens the console socket. A validator does not need it: what fails here is told and left.
fn open_socket(config: &Config, dir: &DataDir, node: &NodeHandle) -> Option<attach::Server> {
    if !config.attach.enabled {
        return None;
    }
    let opened = places(config, dir)
        .map_err(|failure| failure.to_string())
        .and_then(|places| {
            let paths = places.sockets().ok_or_else(|| {
                let path = places.data_dir.clone();
                attach::AttachError::PathTooLong { path }.to_string()
            })?;
            attach::Server::start(paths, node.clone()).map_err(|error| error.to_string())
        });
    match opened {
        Ok(server) => Some(server),
        Err(reason) => {
            tracing::warn!(reason, "no console socket: `timed attach` cannot reach this node");
            None
        }
    }
}

/// Starts the flight recorder, if it is wanted. The node runs without it as well.
fn start_recorder(config: &Config, dir: &DataDir, node: &NodeHandle) -> Option<Recorder> {
    if !config.recorder.enabled {
        return None;
    }
    match Recorder::start(&config.recorder, dir.recorder(), node.clone()) {
        Ok(recorder) => Some(recorder),
        Err(error) => {
            tracing::warn!(%error, "no flight recorder");
            None
        }
    }
}

/// A second signal, or an operator who would not wait.
async fn force_asked(console: &mut Option<ConsoleHandle>, signals: &mut Signals) -> ExitCode {
    loop {
        let forced = async {
            match console.as_ref() {
                Some(console) => console.ended().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            signal = signals.next() => if matches!(signal, Received::Stop(_)) {
                return ExitCode::from(EXIT_FORCED);
            },
            outcome = forced => {
                if outcome == Outcome::ForceExit {
                    return ExitCode::from(EXIT_FORCED);
                }
                *console = None;
            }
        }
    }
}

/// The key that makes the console panic, for the test that shows what happens then. A program that is
/// built for use has none.
#[cfg(debug_assertions)]
fn panic_key() -> Option<char> {
    Environment::variable("PANIC_KEY_OF_TIMED")?.chars().next()
}

#[cfg(not(debug_assertions))]
fn panic_key() -> Option<char> {
    None
}

fn restore(console: Option<ConsoleHandle>) {
    if let Some(console) = console {
        console.join(CONSOLE_PATIENCE);
    }
}

//! One node as a child process: started, watched, killed, paused and stopped by its process id.
//!
//! A node is in a process group of its own, so a Ctrl-C in the terminal reaches only the devnet,
//! which then stops its nodes in order. It dies with its parent (see [`super::parent`]), and with
//! this value: dropping it kills the child and reaps it. Nothing here waits without a bound.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Seek, SeekFrom},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{DevnetError, Layout, error::io_error, figures::ProcessFigures, parent::DIE_WITH_PARENT};
use crate::rpc::client::Client;

/// As the units of the package have it: memory goes back to the system after a burst.
const ALLOCATOR: [(&str, &str); 3] = [
    ("MALLOC_ARENA_MAX", "2"),
    ("MALLOC_TRIM_THRESHOLD_", "131072"),
    ("MALLOC_MMAP_THRESHOLD_", "1048576"),
];

/// How often a wait looks again.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long one look at a starting node may take.
const ASK_LIMIT: Duration = Duration::from_secs(2);
/// How long a killed process may take to be gone: the kernel only has to take it off the cores.
const REAP_LIMIT: Duration = Duration::from_secs(10);
/// How much of a node's log an error shows.
const TAIL_BYTES: u64 = 2_000;

/// What a node writes to standard output and error, in its `logs/`: why it could not start, or how it
/// ended. Its log lines are in its own files beside it.
const PROCESS_LOG: &str = "stderr.log";
/// The link in `logs/` to a node's newest log file.
const NODE_LOG: &str = "timed.log";

/// A node that runs, or can be started, as a child process.
#[derive(Debug)]
pub struct NodeProcess {
    name: String,
    program: PathBuf,
    arguments: Vec<String>,
    data_dir: PathBuf,
    url: String,
    child: Option<Child>,
    is_paused: bool,
    /// CPU time of earlier processes of this node.
    spent: Duration,
}

impl NodeProcess {
    /// Node `node` of a devnet, to be run by `program`. Nothing is started yet.
    pub fn new(program: &Path, layout: &Layout, node: u16) -> Self {
        let config = layout.config(node).to_string_lossy().into_owned();
        let arguments = ["run", "--headless", DIE_WITH_PARENT, "--config"].map(str::to_owned);
        Self {
            name: layout.name(node),
            program: program.to_owned(),
            arguments: arguments.into_iter().chain([config]).collect(),
            data_dir: layout.node_dir(node),
            url: layout.url(node),
            child: None,
            is_paused: false,
            spent: Duration::ZERO,
        }
    }

    /// Adds arguments for the next start.
    pub fn with_arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments
            .extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    /// Has it dial these addresses and no others, from the next start on.
    pub fn dial(&mut self, addresses: &[String]) {
        for address in addresses {
            self.arguments.extend(["--peer".to_owned(), address.clone()]);
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The URL of its HTTP port.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its data directory.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Its newest log file.
    pub fn log(&self) -> PathBuf {
        self.data_dir.join("logs").join(NODE_LOG)
    }

    fn output(&self) -> PathBuf {
        self.data_dir.join("logs").join(PROCESS_LOG)
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// True while it is stopped by [`NodeProcess::pause`].
    pub fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Starts it, unless it runs.
    ///
    /// # Errors
    /// [`DevnetError::Io`] if there is no place for its output, [`DevnetError::Spawn`] if it cannot
    /// start.
    pub fn start(&mut self) -> Result<(), DevnetError> {
        if self.child.is_some() {
            return Ok(());
        }
        let output = self.open_output()?;
        let again = output.try_clone().map_err(io_error(self.output()))?;
        let spawned = Command::new(&self.program)
            .args(&self.arguments)
            .envs(ALLOCATOR)
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(again)
            .process_group(0)
            .spawn();
        self.child = Some(spawned.map_err(|source| DevnetError::Spawn {
            name: self.name.clone(),
            source,
        })?);
        self.is_paused = false;
        Ok(())
    }

    /// Waits until it answers `/status`, which it does once its log has been replayed.
    ///
    /// # Errors
    /// [`DevnetError::Exited`] with the end of its log, or [`DevnetError::NotReady`].
    pub async fn wait_ready(&mut self, limit: Duration) -> Result<(), DevnetError> {
        let client = Client::new(&self.url)?;
        let until = Instant::now() + limit;
        loop {
            if let Some(status) = self.try_exit() {
                return Err(self.exited(status));
            }
            if let Ok(Ok(_)) = tokio::time::timeout(ASK_LIMIT, client.status()).await {
                return Ok(());
            }
            if Instant::now() >= until {
                return Err(DevnetError::NotReady {
                    name: self.name.clone(),
                    seconds: limit.as_secs(),
                    log: self.log(),
                });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// If it has ended by itself: how. It can then be started again.
    pub fn try_exit(&mut self) -> Option<ExitStatus> {
        let figures = self.figures();
        let status = self.child.as_mut()?.try_wait().ok().flatten()?;
        self.forget(figures);
        Some(status)
    }

    /// Describes an end that nobody asked for.
    pub fn exited(&self, status: ExitStatus) -> DevnetError {
        DevnetError::Exited {
            name: self.name.clone(),
            status: describe(status),
            log: self.output(),
            tail: tail(&self.output()),
        }
    }

    /// Ends it without warning, as a power cut would, and waits until it is gone.
    pub fn kill(&mut self) {
        let figures = self.figures();
        if let Some(child) = &mut self.child {
            // Fails only if it has ended already.
            let _ = child.kill();
            let until = Instant::now() + REAP_LIMIT;
            while matches!(child.try_wait(), Ok(None)) && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        self.forget(figures);
    }

    /// Freezes it (SIGSTOP): it neither runs nor ends, and its connections stay open.
    pub fn pause(&mut self) {
        self.is_paused = self.signal(Signal::STOP);
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&mut self) {
        self.signal(Signal::CONT);
        self.is_paused = false;
    }

    /// Asks it to stop in order (SIGTERM). [`NodeProcess::wait_exit`] waits for it.
    pub fn terminate(&mut self) {
        if self.is_paused {
            self.resume();
        }
        self.signal(Signal::TERM);
    }

    /// Waits for it to end; `None` if it has not within `limit`, or does not run.
    pub async fn wait_exit(&mut self, limit: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + limit;
        while self.child.is_some() {
            if let Some(status) = self.try_exit() {
                return Some(status);
            }
            if Instant::now() >= until {
                return None;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        None
    }

    /// What it uses of the machine now, and of the cores since its first start.
    pub fn figures(&self) -> ProcessFigures {
        let now = self.pid().map(ProcessFigures::of).unwrap_or_default();
        ProcessFigures {
            cpu: now.cpu + self.spent,
            ..now
        }
    }

    fn forget(&mut self, last: ProcessFigures) {
        self.spent = self.spent.max(last.cpu);
        self.child = None;
        self.is_paused = false;
    }

    /// True if the signal was delivered. A child that was not reaped yet keeps its process id, so
    /// no other process can be hit.
    fn signal(&self, signal: Signal) -> bool {
        self.child
            .as_ref()
            .is_some_and(|child| kill_process(Pid::from_child(child), signal).is_ok())
    }

    fn open_output(&self) -> Result<File, DevnetError> {
        let dir = self.data_dir.join("logs");
        fs::create_dir_all(&dir).map_err(io_error(dir))?;
        let path = self.output();
        let opened = OpenOptions::new().create(true).append(true).open(&path);
        opened.map_err(io_error(path))
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown status".to_owned(),
    }
}

/// The end of a text file, from the first whole line on.
fn tail(path: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(match text.split_once('\n') {
            Some((_, rest)) if length > TAIL_BYTES => rest.to_owned(),
            _ => text,
        })
    };
    read().unwrap_or_default()
}

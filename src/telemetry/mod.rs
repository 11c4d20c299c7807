//! Where log lines go: a daily rolling file, stderr while nobody draws on the terminal, and the
//! ring that the Logs screen reads. One filter steers them all and can be changed while running.
//!
//! No writer here ever makes the node wait: file and stderr have their own threads and bounded
//! queues, a full queue drops lines and counts them. Keep [`Telemetry`] until the very end of
//! `main`; dropping it writes out what is still queued.

mod call_sites;
mod capped;
mod config;
mod filter;
mod panics;
mod reopened;
mod ring;
mod stderr;
#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tracing::Subscriber;
use tracing_appender::{
    non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard},
    rolling::{RollingFileAppender, Rotation},
};
use tracing_subscriber::{
    EnvFilter, Layer, Registry, fmt, layer::SubscriberExt, registry::LookupSpan, reload,
    util::SubscriberInitExt,
};

pub use config::{Config, Format};
pub use ring::RingLayer;
pub use stderr::StderrGate;

use crate::control::{LogFilter, LogRing};
use call_sites::{CallSites, Limited, Teller};
use capped::Capped;
use filter::LiveFilter;
use reopened::Reopened;

/// Lines that may wait for the disk or the terminal: about a second of a debug flood, some MB.
const QUEUED_LINES_MAX: usize = 16_384;
/// Bytes of a megabyte in the configuration.
const MEGABYTE: u64 = 1_000_000;
/// The link in the log directory that always names today's file.
const LATEST: &str = "timed.log";

/// What to log and where.
pub struct Options {
    /// Level, format, how many files to keep.
    pub config: Config,
    /// The directory of the rolling file; `None` writes none.
    pub directory: Option<PathBuf>,
    /// Whether lines go to stderr from the start. The console closes the gate while it draws.
    pub stderr: bool,
    /// Whether stderr is the system's journal: lines then bear its priorities and leave the time to it.
    pub stderr_is_journal: bool,
    /// The ring that faces read.
    pub ring: Arc<LogRing>,
}

/// Running telemetry. Dropping it flushes and ends the writers.
pub struct Telemetry {
    filter: Arc<LiveFilter>,
    gate: StderrGate,
    log_file: Option<PathBuf>,
    dropped: Vec<ErrorCounter>,
    reopen: Arc<AtomicBool>,
    sites: Arc<CallSites>,
    /// Before the writers: what it says last is still written.
    teller: Option<Teller>,
    _guards: Vec<WorkerGuard>,
}

impl Telemetry {
    /// The live filter, for node/operator.
    pub fn filter(&self) -> Arc<dyn LogFilter> {
        self.filter.clone()
    }

    /// The gate before stderr, for who owns the terminal.
    pub fn stderr_gate(&self) -> StderrGate {
        self.gate.clone()
    }

    /// The file that holds today's lines: a link whose target changes at midnight UTC.
    pub fn log_file(&self) -> Option<&Path> {
        self.log_file.as_deref()
    }

    /// Has the log file opened again with the next line, since somebody moved it away.
    pub fn reopen_log(&self) {
        self.reopen.store(true, Ordering::Release);
    }

    /// Counts the lines dropped so far; may be called from anywhere, at any rate.
    pub fn drop_counter(&self) -> DropCounter {
        DropCounter(self.dropped.clone())
    }
}

/// Counts lines that were dropped because their writer was too slow.
#[derive(Clone, Debug)]
pub struct DropCounter(Vec<ErrorCounter>);

impl DropCounter {
    /// Lines dropped since the process began.
    pub fn lines(&self) -> u64 {
        self.0.iter().map(|counter| counter.dropped_lines() as u64).sum()
    }
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level in the config is not a filter.
    #[error("{0}")]
    Filter(#[from] crate::control::LogFilterError),
    /// The log directory cannot be used.
    #[error("cannot write logs to {directory}: {cause}; make the directory writable or name another")]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What the system said.
        cause: String,
    },
    /// Logging was set up before in this process.
    #[error("logging is set up already in this process; start it once")]
    AlreadySet,
}

/// Sets logging up for the whole process, and the panic hook that logs panics of any thread.
///
/// # Errors
/// See [`TelemetryError`]; nothing was installed then.
pub fn init(options: Options) -> Result<Telemetry, TelemetryError> {
    let (subscriber, mut telemetry) = build(options)?;
    subscriber.try_init().map_err(|_| TelemetryError::AlreadySet)?;
    telemetry.teller = Some(Teller::start(Arc::clone(&telemetry.sites)));
    panics::install(telemetry.gate.clone());
    Ok(telemetry)
}

fn build(options: Options) -> Result<(impl Subscriber + Send + Sync, Telemetry), TelemetryError> {
    let Config {
        level,
        format,
        files_max,
        size_max_mb,
    } = options.config;
    let (filter_layer, handle) = reload::Layer::<EnvFilter, Registry>::new(filter::parse(&level)?);
    let filter = Arc::new(LiveFilter::new(level, handle));

    let reopen = Arc::new(AtomicBool::new(false));
    let mut guards = Vec::new();
    let mut dropped = Vec::new();
    let mut writer = |name: &str, out: Box<dyn std::io::Write + Send>| -> NonBlocking {
        let (writer, guard) = NonBlockingBuilder::default()
            .lossy(true)
            .buffered_lines_limit(QUEUED_LINES_MAX)
            .thread_name(name)
            .finish(out);
        dropped.push(writer.error_counter());
        guards.push(guard);
        writer
    };

    let file_layer = match &options.directory {
        Some(directory) => {
            let file = open_rolling(directory, files_max)?;
            let again = directory.clone();
            let open = move || open_rolling(&again, files_max).map_err(std::io::Error::other);
            let file = Reopened::new(file, open, Arc::clone(&reopen));
            let file = Capped::new(file, directory, size_max_mb.saturating_mul(MEGABYTE));
            // The journal's priorities are for the journal.
            let format = match format {
                Format::Journald => Format::Text,
                Format::Text | Format::Json => format,
            };
            Some(lines(format, writer("log-file", Box::new(file))))
        }
        None => None,
    };
    let gate = StderrGate::new(options.stderr);
    let stderr = writer("log-stderr", Box::new(std::io::stderr()));
    let has_priorities = options.stderr_is_journal || format == Format::Journald;
    let stderr_format = match format {
        Format::Text if has_priorities => Format::Journald,
        Format::Text | Format::Json | Format::Journald => format,
    };
    let stderr_layer = lines(stderr_format, gate.guarding(stderr, has_priorities));

    let sites = Arc::new(CallSites::default());
    let subscriber = tracing_subscriber::registry()
        .with(filter_layer)
        .with(Limited(Arc::clone(&sites)))
        .with(RingLayer::new(options.ring))
        .with(file_layer)
        .with(stderr_layer);
    let telemetry = Telemetry {
        filter,
        gate,
        log_file: options.directory.map(|directory| directory.join(LATEST)),
        dropped,
        reopen,
        sites,
        teller: None,
        _guards: guards,
    };
    Ok((subscriber, telemetry))
}

fn open_rolling(directory: &Path, files_max: usize) -> Result<RollingFileAppender, TelemetryError> {
    let refuse = |cause: String| TelemetryError::Directory {
        directory: directory.to_owned(),
        cause,
    };
    std::fs::create_dir_all(directory).map_err(|error| refuse(error.to_string()))?;
    RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("timed")
        .filename_suffix("log")
        .latest_symlink(LATEST)
        .max_log_files(files_max.max(1))
        .build(directory)
        .map_err(|error| refuse(error.to_string()))
}

fn lines<S, W>(format: Format, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> fmt::MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = fmt::layer().with_ansi(false).with_writer(writer);
    match format {
        Format::Text => layer.boxed(),
        Format::Journald => layer.without_time().boxed(),
        Format::Json => layer.json().flatten_event(true).boxed(),
    }
}

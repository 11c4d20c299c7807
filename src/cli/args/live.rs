//! Arguments of what looks at a running node, or at its recording.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{
    place::{Asked, ChainPlace, Place},
    units::duration,
};
use crate::cli::wait::{Goal, goal};

#[derive(Debug, Args)]
pub(in crate::cli) struct StatusArguments {
    #[command(flatten)]
    pub(in crate::cli) asked: Asked,
    /// As JSON: the body of /status with `health` beside it.
    #[arg(long)]
    pub(in crate::cli) json: bool,
    /// Return once this holds: ready, synced, height=N or final=TXID. Exit 0 then, 75 after the timeout.
    #[arg(long, value_name = "GOAL", value_parser = goal)]
    pub(in crate::cli) wait: Option<Goal>,
    /// Look again and again, every 2 s or as often as it says, until interrupted; with --json a line each
    /// time.
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "2s", value_parser = duration, conflicts_with = "wait")]
    pub(in crate::cli) watch: Option<std::time::Duration>,
    /// How long --wait waits.
    #[arg(long, value_name = "TIME", requires = "wait", default_value = "60s", value_parser = duration)]
    pub(in crate::cli) timeout: std::time::Duration,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct AttachArguments {
    /// Sockets, or data directories of nodes; several are shown side by side. Without any, the
    /// configured node.
    #[arg(value_name = "SOCKET")]
    pub(in crate::cli) sockets: Vec<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) place: Place,
    /// Look only: through timed-ro.sock, which the node's group may open.
    #[arg(long)]
    pub(in crate::cli) read_only: bool,
    /// Print one frame and exit; for pipes and bug reports.
    #[arg(long)]
    pub(in crate::cli) once: bool,
    /// With --once: the whole snapshot and the last events as JSON.
    #[arg(long, requires = "once")]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ReplayArguments {
    /// A recording: an exported file, or a data directory. Without it, the configured node's.
    #[arg(value_name = "FILE")]
    pub(in crate::cli) file: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) place: Place,
    /// Where to begin: -30m (before the end), 03:12 (UTC) or unix seconds; without it, at the end.
    #[arg(long, value_name = "MOMENT", allow_hyphen_values = true)]
    pub(in crate::cli) at: Option<String>,
    /// Print one frame of that moment and exit.
    #[arg(long)]
    pub(in crate::cli) once: bool,
    /// Print what the recording spans, and its alarms.
    #[arg(long, conflicts_with = "once")]
    pub(in crate::cli) info: bool,
    /// With --info: as JSON.
    #[arg(long, requires = "info")]
    pub(in crate::cli) json: bool,
    /// Write a span into one new file, which `timed replay` opens anywhere.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["once", "info"])]
    pub(in crate::cli) export: Option<PathBuf>,
    /// The beginning of the span; without it, that of the recording.
    #[arg(long, value_name = "MOMENT", requires = "export", allow_hyphen_values = true)]
    pub(in crate::cli) from: Option<String>,
    /// The end of the span.
    #[arg(long, value_name = "MOMENT", requires = "export", allow_hyphen_values = true)]
    pub(in crate::cli) to: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct StopArguments {
    #[command(flatten)]
    pub(in crate::cli) place: Place,
    /// The node's admin socket; without it, the configured node's.
    #[arg(long, value_name = "SOCKET")]
    pub(in crate::cli) socket: Option<PathBuf>,
    /// Return only once the node is gone.
    #[arg(long)]
    pub(in crate::cli) wait: bool,
    /// Wait for a moment at which it does not lead a round.
    #[arg(long, conflicts_with = "force")]
    pub(in crate::cli) when_idle: bool,
    /// Stop even if the network then has no quorum.
    #[arg(long)]
    pub(in crate::cli) force: bool,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum LogCommand {
    /// Show the log filter, or change it; a change ends by itself after 10 minutes.
    Level {
        #[command(flatten)]
        place: Place,
        /// The node's admin socket; without it, the configured node's.
        #[arg(long, value_name = "SOCKET")]
        socket: Option<PathBuf>,
        /// A level (debug) or targets (info,timecoin::network=debug).
        filter: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DoctorArguments {
    #[command(flatten)]
    pub(in crate::cli) chain: ChainPlace,
    /// As JSON.
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum DebugCommand {
    /// Write one file with status, configuration, the doctor's answer and the end of the log, and no secret.
    Dump(DumpArguments),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DumpArguments {
    #[command(flatten)]
    pub(in crate::cli) asked: Asked,
    /// The file, a tar archive; never overwritten [default: timed-debug-<time>.tar].
    #[arg(short, long, value_name = "FILE")]
    pub(in crate::cli) output: Option<PathBuf>,
}

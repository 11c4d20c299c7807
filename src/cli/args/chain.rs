//! Arguments of `timed config`, `timed db` and `timed resync`.

use clap::{Args, Subcommand};

use super::{
    place::{ChainPlace, Place},
    run::RunArguments,
};
use crate::control::ResyncMode;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ConfigCommand {
    /// Say whether the configuration is valid; exit 64 if not.
    Check {
        #[command(flatten)]
        run: RunArguments,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print every value and where it came from.
    Print {
        #[command(flatten)]
        run: RunArguments,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the values that are not the default's, and where they came from.
    Diff {
        #[command(flatten)]
        run: RunArguments,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say what a key means, what is in force, and where that came from.
    Explain {
        #[command(flatten)]
        run: RunArguments,
        /// The key, such as rpc.listen.
        key: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print a config file with every key, its default and its meaning.
    Default,
    /// Rewrite a config file of an earlier version; the old one is kept beside it.
    Migrate(MigrateArguments),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct MigrateArguments {
    #[command(flatten)]
    pub(in crate::cli) place: Place,
    /// Only look: exit 1 if the file should be rewritten.
    #[arg(long)]
    pub(in crate::cli) check: bool,
    /// Do not ask.
    #[arg(long, conflicts_with = "check")]
    pub(in crate::cli) yes: bool,
    /// As JSON.
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum DbCommand {
    /// Check that blocks hang together, that the indexes lead where they say, and that the coins are those
    /// that the tip commits to.
    Check(DbArguments),
    /// Height, coins, transactions, size.
    Stats(DbArguments),
    /// Version of the layout.
    Version(DbArguments),
    /// Snapshots of the state, which nodes that join can begin with.
    #[command(subcommand)]
    Snapshot(SnapshotCommand),
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum SnapshotCommand {
    /// Write one of the last block; the node serves it from its next start on.
    Create(DbArguments),
}

impl DbCommand {
    /// The arguments, which are every command's.
    pub(in crate::cli) const fn arguments(&self) -> &DbArguments {
        match self {
            Self::Check(arguments)
            | Self::Stats(arguments)
            | Self::Version(arguments)
            | Self::Snapshot(SnapshotCommand::Create(arguments)) => arguments,
        }
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DbArguments {
    #[command(flatten)]
    pub(in crate::cli) chain: ChainPlace,
    /// As JSON.
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ResyncArguments {
    #[command(flatten)]
    pub(in crate::cli) chain: ChainPlace,
    /// reindex (own blocks, judged again), snapshot (coins from peers, proved) or full (all from peers).
    #[arg(long, value_name = "MODE", default_value = "reindex", value_parser = resync_mode)]
    pub(in crate::cli) mode: ResyncMode,
    /// Only say what it would do.
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    pub(in crate::cli) yes: bool,
    /// Give the old database up before the new one is whole, where the disk cannot hold both.
    #[arg(long)]
    pub(in crate::cli) delete_first: bool,
    /// Give up the resync that is under way, and go back to the old database.
    #[arg(long, conflicts_with_all = ["dry_run", "delete_first"])]
    pub(in crate::cli) cancel: bool,
    /// The plan as JSON.
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// The mode of a resync by its word.
fn resync_mode(word: &str) -> Result<ResyncMode, String> {
    ResyncMode::named(word).ok_or_else(|| "write reindex, snapshot or full".to_owned())
}

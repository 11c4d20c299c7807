//! Arguments of `timed backup`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::place::{ChainPlace, PassphraseArguments};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum BackupCommand {
    /// Write what a node cannot be made again without into a new directory: keys, configuration, bans,
    /// tokens. The node may be running.
    Create(BackupCreateArguments),
    /// Check that a backup is whole and, with its passphrase, that its keys open.
    Verify(BackupVerifyArguments),
    /// Make a node from a backup where none is. Its consensus key observes before it signs.
    Restore(BackupRestoreArguments),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct BackupCreateArguments {
    #[command(flatten)]
    pub(in crate::cli) chain: ChainPlace,
    /// The directory to make; must not exist.
    pub(in crate::cli) dir: PathBuf,
    #[command(flatten)]
    pub(in crate::cli) passphrase: PassphraseArguments,
    /// Private file with the passphrase of the keys in the backup. Without it, encrypted keys keep theirs,
    /// and for others one is asked for.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) new_passphrase_file: Option<PathBuf>,
    /// Leave keys that are not encrypted as they are.
    #[arg(long, conflicts_with = "new_passphrase_file")]
    pub(in crate::cli) unencrypted: bool,
    /// As JSON.
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct BackupVerifyArguments {
    /// The backup.
    pub(in crate::cli) dir: PathBuf,
    #[command(flatten)]
    pub(in crate::cli) passphrase: PassphraseArguments,
    /// As JSON.
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct BackupRestoreArguments {
    /// The backup.
    pub(in crate::cli) dir: PathBuf,
    /// Data directory to make [default: ~/.timecoin/<network>].
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) data_dir: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

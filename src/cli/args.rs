//! Every argument there is, one file for a subject. Help texts are what `--help` prints.
//!
//! What several commands share is a struct that they flatten: `Place`, `ChainPlace`, `Asked`,
//! `Question`, `PaymentArguments`.

mod backup;
mod chain;
mod devnet;
mod keys;
mod live;
mod masternode;
mod money;
mod peers;
mod place;
mod run;
mod token;
pub(super) mod units;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub(super) use backup::{
    BackupCommand, BackupCreateArguments, BackupRestoreArguments, BackupVerifyArguments,
};
pub(super) use chain::{ConfigCommand, DbArguments, DbCommand, MigrateArguments, ResyncArguments};
pub(super) use devnet::{DevnetArguments, DevnetCommand, LoadArguments};
pub(super) use keys::{
    KeyCheckArguments, KeyExportArguments, KeyFiles, KeyImportArguments, KeyKind, KeysCommand,
    ServeArguments, SignerCommand, StateCommand, StateExportArguments, StateImportArguments,
    StateInitArguments,
};
pub(super) use live::{
    AttachArguments, DebugCommand, DoctorArguments, DumpArguments, LogCommand, ReplayArguments,
    StatusArguments, StopArguments,
};
pub(super) use masternode::{DeregisterArguments, MasternodeCommand, RegisterArguments, UpdateArguments};
pub(super) use money::{Owners, PaymentArguments, SendArguments, TxCommand, WalletCommand};
pub(super) use peers::PeersCommand;
pub(super) use place::{Asked, ChainPlace, DocsArguments, Place, Question, push_text};
pub(super) use run::{InitArguments, RunArguments};
pub(super) use token::{ScopeName, TokenCommand};

/// A TimeCoin masternode: a BFT validator and its operator's console in one binary.
#[derive(Debug, Parser)]
#[command(
    name = "timed",
    version,
    args_conflicts_with_subcommands = true,
    max_term_width = 100
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) run: RunArguments,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the node; with a terminal, with its console (the default command).
    Run(RunArguments),
    /// Make a data directory: config, keys, consensus log. Never overwrites.
    Init(InitArguments),
    /// Show how a running node stands. Exit 0: ready, 1: degraded, 2: down.
    Status(StatusArguments),
    /// Show every check of a running node. Exit 0: ready, 1: not ready, 2: it needs help or does not answer.
    Health(Question),
    /// See, dial, disconnect and ban peers of a running node.
    #[command(subcommand)]
    Peers(PeersCommand),
    /// Open the console on a node that runs already; q leaves it running.
    Attach(AttachArguments),
    /// Look again at what a node showed of itself in the last day.
    Replay(ReplayArguments),
    /// Stop a running node in order, when that costs the network least.
    Stop(StopArguments),
    /// Look at and change what a running node logs.
    #[command(subcommand)]
    Log(LogCommand),
    /// Say who else may call the node over HTTP, and for what.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Make and show keys, and put them under a passphrase.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Keep what a node cannot be made again without, and make a node from it.
    #[command(subcommand)]
    Backup(BackupCommand),
    /// What this masternode has signed, and the way back after its consensus log was lost.
    #[command(subcommand)]
    Signer(SignerCommand),
    /// Address and balance of a wallet file.
    #[command(subcommand)]
    Wallet(WalletCommand),
    /// Register, change and end a masternode, and see how masternodes stand.
    #[command(subcommand)]
    Masternode(MasternodeCommand),
    /// Send money.
    #[command(subcommand)]
    Tx(TxCommand),
    /// Look at everything that keeps a node from working, and say what to do. Exit 1 if anything fails.
    Doctor(DoctorArguments),
    /// Collect what somebody else needs to understand a node.
    #[command(subcommand)]
    Debug(DebugCommand),
    /// Check and show the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Look at the chain database of a stopped node, and check it.
    #[command(subcommand)]
    Db(DbCommand),
    /// Build the chain database of a stopped node anew; keys, log and config are not touched.
    Resync(ResyncArguments),
    /// Run a network of masternodes on this machine, with traffic between their wallets.
    Devnet(DevnetArguments),
    /// Send transactions to any node at a steady rate, and report how they fared.
    Load(LoadArguments),
    /// Print a completion script for a shell.
    Completions {
        /// bash, zsh, fish, elvish or powershell.
        shell: clap_complete::Shell,
    },
    /// Write the references of docs/reference from the code.
    #[command(hide = true)]
    Docs(DocsArguments),
    /// Write manual pages, one for each command.
    #[command(hide = true)]
    Man {
        /// Where to.
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
    },
    /// Print the version.
    Version {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

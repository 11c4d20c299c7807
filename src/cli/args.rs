//! Every argument there is. Help texts are what `--help` prints.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use toml::Value;

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
    /// Make and show keys.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Address and balance of a wallet file.
    #[command(subcommand)]
    Wallet(WalletCommand),
    /// Send money.
    #[command(subcommand)]
    Tx(TxCommand),
    /// Check and show the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a completion script for a shell.
    Completions {
        /// bash, zsh, fish, elvish or powershell.
        shell: clap_complete::Shell,
    },
    /// Print the version.
    Version {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Which node's files are meant.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Place {
    /// Config file; without it, config.toml in the data directory.
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Data directory [default: ~/.timecoin/<network>].
    #[arg(long, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
    /// mainnet, testnet or devnet.
    #[arg(long, value_name = "NAME")]
    pub(super) network: Option<String>,
}

#[derive(Debug, Clone, Default, Args)]
pub(super) struct RunArguments {
    #[command(flatten)]
    pub(super) place: Place,
    /// Without the console; so it is too when stdin or stdout is no terminal.
    #[arg(long)]
    pub(super) headless: bool,
    /// Genesis file; a devnet needs one.
    #[arg(long, value_name = "FILE")]
    pub(super) genesis: Option<PathBuf>,
    /// Where peers may connect, e.g. 0.0.0.0:24100.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listen: Option<String>,
    /// Where HTTP answers, e.g. 127.0.0.1:24101.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) rpc_listen: Option<String>,
    /// A peer that is always dialed, as host:port; may be repeated. Replaces the configured ones.
    #[arg(long = "peer", value_name = "HOST:PORT")]
    pub(super) peers: Vec<String>,
    /// Sync and serve, but never sign.
    #[arg(long)]
    pub(super) observer: bool,
    /// A level (info) or targets (info,timecoin::network=debug).
    #[arg(long, value_name = "FILTER")]
    pub(super) log_level: Option<String>,
    /// How log lines look.
    #[arg(long, value_name = "FORMAT")]
    pub(super) log_format: Option<LogFormat>,
    /// More in the log: -v for debug, -vv for trace.
    #[arg(short = 'v', action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Args)]
pub(super) struct InitArguments {
    #[command(flatten)]
    pub(super) place: Place,
    /// Genesis file; a devnet needs one.
    #[arg(long, value_name = "FILE")]
    pub(super) genesis: Option<PathBuf>,
    /// A name for screens.
    #[arg(long, value_name = "NAME", default_value = "")]
    pub(super) moniker: String,
    /// Ask nothing (the default off a terminal).
    #[arg(long)]
    pub(super) non_interactive: bool,
}

/// Which running node is asked.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Asked {
    /// The node's HTTP address; without it, the configured one.
    #[arg(long, value_name = "URL")]
    pub(super) rpc: Option<String>,
    #[command(flatten)]
    pub(super) place: Place,
}

#[derive(Debug, Args)]
pub(super) struct StatusArguments {
    #[command(flatten)]
    pub(super) asked: Asked,
    /// As JSON: the body of /status with `health` beside it.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum KeyKind {
    /// Signs votes; is born with its consensus log.
    Validator,
    /// Names the node to its peers.
    Node,
    /// Spends money.
    Wallet,
}

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Make a new key in the data directory. Never overwrites.
    Generate {
        #[command(flatten)]
        place: Place,
        /// Which key.
        kind: KeyKind,
        /// Another file (wallets only).
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Show the public keys of the data directory.
    Show {
        #[command(flatten)]
        place: Place,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum WalletCommand {
    /// Show the address of a wallet file.
    Address {
        /// Wallet file (*.key.json, or a PEM with --network).
        #[arg(long, value_name = "FILE")]
        wallet: PathBuf,
        /// The network whose address is shown; without it, the file's.
        #[arg(long, value_name = "NAME")]
        network: Option<String>,
    },
    /// Show what a wallet or address owns in final blocks.
    Balance {
        #[command(flatten)]
        asked: Asked,
        /// Wallet file.
        #[arg(
            long,
            value_name = "FILE",
            required_unless_present = "address",
            conflicts_with = "address"
        )]
        wallet: Option<PathBuf>,
        /// An address.
        #[arg(long, value_name = "ADDRESS")]
        address: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum TxCommand {
    /// Send money from a wallet file and print the transaction id.
    Send(SendArguments),
    /// Show where a transaction stands.
    Show {
        #[command(flatten)]
        asked: Asked,
        /// Its id.
        txid: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct SendArguments {
    #[command(flatten)]
    pub(super) asked: Asked,
    /// Wallet file that pays.
    #[arg(long, value_name = "FILE")]
    pub(super) wallet: PathBuf,
    /// Who gets it.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) to: String,
    /// How much, in TIME, e.g. 12.5.
    #[arg(long, value_name = "TIME")]
    pub(super) amount: String,
    /// Fee in TIME; without it, a low rate by size.
    #[arg(long, value_name = "TIME")]
    pub(super) fee: Option<String>,
    /// Wait until it is final.
    #[arg(long)]
    pub(super) wait_final: bool,
    /// As JSON.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Say whether the configuration is valid; exit 64 if not.
    Check(RunArguments),
    /// Print every value and where it came from.
    Print {
        #[command(flatten)]
        run: RunArguments,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print a config file with every key, its default and its meaning.
    Default,
}

impl Place {
    /// The configuration keys that these flags set.
    pub(super) fn flags(&self) -> Vec<(&'static str, Value)> {
        let mut flags = Vec::new();
        push_path(&mut flags, "data_dir", self.data_dir.as_ref());
        push_text(&mut flags, "network.name", self.network.as_ref());
        flags
    }
}

impl RunArguments {
    /// The configuration keys that these flags set.
    pub(super) fn flags(&self) -> Vec<(&'static str, Value)> {
        let mut flags = self.place.flags();
        push_path(&mut flags, "network.genesis", self.genesis.as_ref());
        push_text(&mut flags, "network.listen", self.listen.as_ref());
        push_text(&mut flags, "rpc.listen", self.rpc_listen.as_ref());
        if !self.peers.is_empty() {
            flags.push(("network.peers", Value::from(self.peers.clone())));
        }
        if self.observer {
            flags.push(("node.observer", Value::Boolean(true)));
        }
        match (self.verbose, &self.log_level) {
            (_, Some(level)) => flags.push(("telemetry.level", Value::from(level.as_str()))),
            (0, None) => {}
            (1, None) => flags.push(("telemetry.level", Value::from("info,timecoin=debug"))),
            (_, None) => flags.push(("telemetry.level", Value::from("info,timecoin=trace"))),
        }
        if let Some(format) = self.log_format {
            let name = match format {
                LogFormat::Text => "text",
                LogFormat::Json => "json",
            };
            flags.push(("telemetry.format", Value::from(name)));
        }
        flags
    }
}

fn push_text(flags: &mut Vec<(&'static str, Value)>, key: &'static str, value: Option<&String>) {
    flags.extend(value.map(|value| (key, Value::from(value.as_str()))));
}

fn push_path(flags: &mut Vec<(&'static str, Value)>, key: &'static str, value: Option<&PathBuf>) {
    flags.extend(value.map(|value| (key, Value::from(value.to_string_lossy().as_ref()))));
}

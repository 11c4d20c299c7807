//! Every argument there is. Help texts are what `--help` prints.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use toml::Value;

use crate::control::ResyncMode;

/// Longest duration of a run: more is a typing error.
const DURATION_MAX: Duration = Duration::from_secs(30 * 86_400);
/// Longest ban with an end.
const BAN_SECONDS_MAX: u64 = 3_650 * 86_400;
/// Highest rate of traffic: far above what one machine can sign.
const RATE_MAX: f64 = 1_000_000.0;

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
    /// Make and show keys.
    #[command(subcommand)]
    Keys(KeysCommand),
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
    /// Stop in order when standard input ends; a devnet starts its nodes so.
    #[arg(long, hide = true)]
    pub(super) die_with_parent: bool,
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

#[derive(Debug, Subcommand)]
pub(super) enum PeersCommand {
    /// Show who is connected.
    List {
        #[command(flatten)]
        asked: Asked,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Keep a connection to a peer until the next start.
    Add {
        #[command(flatten)]
        asked: Asked,
        /// host:port, or node_id@host:port to accept only that node.
        address: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Stop dialling a peer until the next start; a session with it stays.
    Remove {
        #[command(flatten)]
        asked: Asked,
        /// As it was added or configured.
        address: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Close the session with a peer; it may come back.
    Disconnect {
        #[command(flatten)]
        asked: Asked,
        /// Name, node id, or its first digits.
        peer: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Keep a node, an address or a network out, and close its sessions.
    Ban(BanArguments),
    /// Lift a ban, and whatever the node itself holds against a peer.
    Unban {
        #[command(flatten)]
        asked: Asked,
        /// Node id, address or network, as `timed peers bans` shows it.
        target: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show who is kept out, why, by whom and for how long.
    Bans {
        #[command(flatten)]
        asked: Asked,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Lift every ban and every discouragement.
    ClearBans {
        #[command(flatten)]
        asked: Asked,
        /// Yes, all of them.
        #[arg(long)]
        yes: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct BanArguments {
    #[command(flatten)]
    pub(super) asked: Asked,
    /// Node id, address (203.0.113.7), network (203.0.113.0/24, 2001:db8::/32), or the name of a connected peer.
    pub(super) target: String,
    /// For how long, e.g. 30m, 24h, 7d, or `ever`.
    #[arg(long = "for", value_name = "TIME", default_value = "24h", value_parser = ban_length)]
    pub(super) length: u64,
    /// Why, for the list.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(super) reason: String,
    /// Also if finality halts by it.
    #[arg(long)]
    pub(super) yes: bool,
    /// As JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// Seconds of a ban; 0 for ever.
pub(super) fn ban_length(text: &str) -> Result<u64, String> {
    if text == "ever" {
        return Ok(0);
    }
    let length = match text.strip_suffix('d').map(str::parse::<u64>) {
        Some(Ok(days)) => days.checked_mul(86_400),
        Some(Err(_)) => None,
        None => Some(duration(text)?.as_secs()),
    };
    length
        .filter(|seconds| (1..=BAN_SECONDS_MAX).contains(seconds))
        .ok_or_else(|| "a ban lasts from 1s to 3650d, or `ever`".to_owned())
}

#[derive(Debug, Args)]
pub(super) struct AttachArguments {
    /// Sockets, or data directories of nodes; several are shown side by side. Without any, the
    /// configured node.
    #[arg(value_name = "SOCKET")]
    pub(super) sockets: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) place: Place,
    /// Look only: through timed-ro.sock, which the node's group may open.
    #[arg(long)]
    pub(super) read_only: bool,
    /// Print one frame and exit; for pipes and bug reports.
    #[arg(long)]
    pub(super) once: bool,
    /// With --once: the whole snapshot and the last events as JSON.
    #[arg(long, requires = "once")]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ReplayArguments {
    /// A recording: an exported file, or a data directory. Without it, the configured node's.
    #[arg(value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) place: Place,
    /// Where to begin: -30m (before the end), 03:12 (UTC) or unix seconds; without it, at the end.
    #[arg(long, value_name = "MOMENT", allow_hyphen_values = true)]
    pub(super) at: Option<String>,
    /// Print one frame of that moment and exit.
    #[arg(long)]
    pub(super) once: bool,
    /// Print what the recording spans, and its alarms.
    #[arg(long, conflicts_with = "once")]
    pub(super) info: bool,
    /// Write a span into one new file, which `timed replay` opens anywhere.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["once", "info"])]
    pub(super) export: Option<PathBuf>,
    /// The beginning of the span; without it, that of the recording.
    #[arg(long, value_name = "MOMENT", requires = "export", allow_hyphen_values = true)]
    pub(super) from: Option<String>,
    /// The end of the span.
    #[arg(long, value_name = "MOMENT", requires = "export", allow_hyphen_values = true)]
    pub(super) to: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct StopArguments {
    #[command(flatten)]
    pub(super) place: Place,
    /// The node's admin socket; without it, the configured node's.
    #[arg(long, value_name = "SOCKET")]
    pub(super) socket: Option<PathBuf>,
    /// Return only once the node is gone.
    #[arg(long)]
    pub(super) wait: bool,
    /// Wait for a moment at which it does not lead a round.
    #[arg(long, conflicts_with = "force")]
    pub(super) when_idle: bool,
    /// Stop even if the network then has no quorum.
    #[arg(long)]
    pub(super) force: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum LogCommand {
    /// Show the log filter, or change it; a change ends by itself after 10 minutes.
    Level {
        #[command(flatten)]
        place: Place,
        /// The node's admin socket; without it, the configured node's.
        #[arg(long, value_name = "SOCKET")]
        socket: Option<PathBuf>,
        /// A level (debug) or targets (info,timecoin::network=debug).
        filter: Option<String>,
    },
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
pub(super) enum SignerCommand {
    /// The memory of our signatures.
    #[command(subcommand)]
    State(StateCommand),
}

#[derive(Debug, Subcommand)]
pub(super) enum StateCommand {
    /// Show what the consensus log knows of our signatures. Changes nothing.
    Show {
        #[command(flatten)]
        place: Place,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Let a stopped node whose consensus log was lost sign again above a height. Dangerous: read
    /// docs/OPERATIONS.md, "Observer mode", first.
    Init(StateInitArguments),
}

#[derive(Debug, Args)]
pub(super) struct StateInitArguments {
    #[command(flatten)]
    pub(super) place: Place,
    /// Genesis file; a devnet needs one.
    #[arg(long, value_name = "FILE")]
    pub(super) genesis: Option<PathBuf>,
    /// The highest height that is final on any node; nothing at or below it is signed again.
    #[arg(long, value_name = "HEIGHT")]
    pub(super) above: u64,
    /// You made sure that no other process holds this key.
    #[arg(long)]
    pub(super) i_have_stopped_every_other_node: bool,
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
    /// List the unspent outputs of a wallet or address: what can be spent, what matures, what is locked.
    Utxos {
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
    #[command(visible_alias = "status")]
    Show {
        #[command(flatten)]
        asked: Asked,
        /// Its id.
        txid: String,
        /// Wait until it is final.
        #[arg(long)]
        wait_final: bool,
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
pub(super) enum DbCommand {
    /// Check that blocks hang together and that the coins are those that the tip commits to.
    Check(DbArguments),
    /// Height, coins, transactions, size.
    Stats(DbArguments),
    /// Version of the layout.
    Version(DbArguments),
}

#[derive(Debug, Args)]
pub(super) struct DbArguments {
    #[command(flatten)]
    pub(super) place: Place,
    /// Genesis file; a devnet needs one.
    #[arg(long, value_name = "FILE")]
    pub(super) genesis: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ResyncArguments {
    #[command(flatten)]
    pub(super) place: Place,
    /// Genesis file; a devnet needs one.
    #[arg(long, value_name = "FILE")]
    pub(super) genesis: Option<PathBuf>,
    /// reindex (own blocks, judged again), snapshot (coins from peers, proved) or full (all from peers).
    #[arg(long, value_name = "MODE", default_value = "reindex", value_parser = resync_mode)]
    pub(super) mode: ResyncMode,
    /// Only say what it would do.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    pub(super) yes: bool,
    /// Give the old database up before the new one is whole, where the disk cannot hold both.
    #[arg(long)]
    pub(super) delete_first: bool,
    /// Give up the resync that is under way, and go back to the old database.
    #[arg(long, conflicts_with_all = ["dry_run", "delete_first"])]
    pub(super) cancel: bool,
    /// The plan as JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// The mode of a resync by its word.
fn resync_mode(word: &str) -> Result<ResyncMode, String> {
    ResyncMode::named(word).ok_or_else(|| "write reindex, snapshot or full".to_owned())
}

#[derive(Debug, Subcommand)]
pub(super) enum MasternodeCommand {
    /// Lock collateral for a new masternode and print the transaction id, which is the masternode's id.
    Register(RegisterArguments),
    /// Change a masternode's keys or addresses, or bring an inactive one back. Takes effect with the next
    /// reward period.
    Update(UpdateArguments),
    /// End a masternode; its collateral is free once the reward period is over.
    Deregister(DeregisterArguments),
    /// List all masternodes and how they stand.
    List {
        #[command(flatten)]
        asked: Asked,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show how a masternode stands: why, since when, what to do, and its next turn to lead.
    Status {
        #[command(flatten)]
        asked: Asked,
        /// Its id or consensus key; without it, the node's own.
        id: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Rank of a masternode on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum TierName {
    /// Locks 1 000 TIME.
    Bronze,
    /// Locks 10 000 TIME.
    Silver,
    /// Locks 100 000 TIME.
    Gold,
}

impl TierName {
    /// The tier.
    pub(super) const fn tier(self) -> crate::chain::Tier {
        match self {
            Self::Bronze => crate::chain::Tier::Bronze,
            Self::Silver => crate::chain::Tier::Silver,
            Self::Gold => crate::chain::Tier::Gold,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct RegisterArguments {
    #[command(flatten)]
    pub(super) asked: Asked,
    /// Wallet file that pays, and owns the masternode from then on.
    #[arg(long, value_name = "FILE")]
    pub(super) wallet: PathBuf,
    /// Consensus key; without it, the one of the data directory.
    #[arg(long, value_name = "FILE")]
    pub(super) validator_key: Option<PathBuf>,
    /// How much is locked.
    #[arg(long, value_enum, default_value = "bronze")]
    pub(super) tier: TierName,
    /// Where it can be reached, as ip:port.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) service: Option<String>,
    /// Where its rewards go; without it, the wallet.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) payout: Option<String>,
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

#[derive(Debug, Args)]
pub(super) struct UpdateArguments {
    #[command(flatten)]
    pub(super) asked: Asked,
    /// The masternode's id.
    pub(super) id: String,
    /// Wallet file of its owner.
    #[arg(long, value_name = "FILE")]
    pub(super) wallet: PathBuf,
    /// File of the consensus key that takes over.
    #[arg(long, value_name = "FILE")]
    pub(super) new_validator_key: Option<PathBuf>,
    /// Where it can be reached, as ip:port.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) service: Option<String>,
    /// Where its rewards go.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) payout: Option<String>,
    /// Bring it back after it was inactive.
    #[arg(long = "return")]
    pub(super) returns: bool,
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

#[derive(Debug, Args)]
pub(super) struct DeregisterArguments {
    #[command(flatten)]
    pub(super) asked: Asked,
    /// The masternode's id.
    pub(super) id: String,
    /// Wallet file of its owner.
    #[arg(long, value_name = "FILE")]
    pub(super) wallet: PathBuf,
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

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct DevnetArguments {
    #[command(subcommand)]
    pub(super) command: Option<DevnetCommand>,
    /// How many masternodes.
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub(super) nodes: u16,
    /// Transactions per second among the devnet's wallets; 0 for none.
    #[arg(long, value_name = "RATE", default_value = "5", value_parser = rate)]
    pub(super) txs: f64,
    /// Coins that a transaction spends.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(super) inputs: u8,
    /// Sign everything before it begins, and send it in batches: more than the nodes can take. Needs
    /// --duration, implies --headless; the report has the machine's signature limit beside it.
    #[arg(long, requires = "duration")]
    pub(super) presigned: bool,
    /// Without the console; so it is too when stdin or stdout is no terminal.
    #[arg(long)]
    pub(super) headless: bool,
    /// Stop after this long, e.g. 30s or 5m; without it, when interrupted.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) duration: Option<Duration>,
    /// End with the report as one line of JSON; implies --headless.
    #[arg(long)]
    pub(super) json: bool,
    /// Where the nodes keep their files, and keep them for the next run.
    #[arg(long, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
    /// Keep the temporary directory.
    #[arg(long)]
    pub(super) keep: bool,
    /// First port; node i listens 2·i above it (peers) and one above that (HTTP). Without it, the first
    /// free stretch from 24200 on.
    #[arg(long, value_name = "PORT")]
    pub(super) base_port: Option<u16>,
}

#[derive(Debug, Subcommand)]
pub(super) enum DevnetCommand {
    /// Only write the files: genesis, and config, keys and log of each node, and funded wallets.
    Files {
        /// How many masternodes.
        #[arg(long, value_name = "N", default_value_t = 4)]
        nodes: u16,
        /// Where to.
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// First port [default: 24200, or what DIR has already].
        #[arg(long, value_name = "PORT")]
        base_port: Option<u16>,
    },
}

#[derive(Debug, Args)]
pub(super) struct LoadArguments {
    /// The node's HTTP address.
    #[arg(long, value_name = "URL")]
    pub(super) rpc: String,
    /// Wallet file that pays, e.g. wallets/wallet0.key.json of a devnet; repeat it for several.
    #[arg(long, value_name = "FILE", required = true)]
    pub(super) wallet: Vec<PathBuf>,
    /// Transactions per second.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub(super) rate: f64,
    /// Sign everything before it begins, and send it in batches: more than a node can take. Needs
    /// --duration.
    #[arg(long, requires = "duration")]
    pub(super) presigned: bool,
    /// For how long, e.g. 30s or 5m; without it, until interrupted.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) duration: Option<Duration>,
    /// Coins that a transaction spends.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(super) inputs: u8,
    /// End with the report as one line of JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// `250ms`, `30s`, `5m`, `2h`; a bare number is seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let ms = match unit {
        "ms" => 1.0,
        "s" | "" => 1_000.0,
        "m" => 60_000.0,
        "h" => 3_600_000.0,
        _ => return Err(format!("`{unit}` is no unit of time; write 250ms, 30s, 5m or 2h")),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| "write a number and a unit, such as 30s".to_owned())?;
    Duration::try_from_secs_f64(number * ms / 1_000.0)
        .ok()
        .filter(|duration| *duration <= DURATION_MAX)
        .ok_or_else(|| "a duration is between 0 and 30 days".to_owned())
}

/// `100`, `0.5` or `100/s`.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    number
        .parse()
        .ok()
        .filter(|rate| (0.0..=RATE_MAX).contains(rate))
        .ok_or_else(|| format!("a rate is a number of transactions per second, from 0 to {RATE_MAX}"))
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

//! Arguments of `timed devnet` and `timed load`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};

use super::units::{duration, rate};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct DevnetArguments {
    #[command(subcommand)]
    pub(in crate::cli) command: Option<DevnetCommand>,
    /// How many masternodes.
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub(in crate::cli) nodes: u16,
    /// Transactions per second among the devnet's wallets; 0 for none.
    #[arg(long, value_name = "RATE", default_value = "5", value_parser = rate)]
    pub(in crate::cli) txs: f64,
    /// Coins that a transaction spends.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(in crate::cli) inputs: u8,
    /// Sign everything before it begins, and send it in batches: more than the nodes can take. Needs
    /// --duration, implies --headless; the report has the machine's signature limit beside it.
    #[arg(long, requires = "duration")]
    pub(in crate::cli) presigned: bool,
    /// Without the console; so it is too when stdin or stdout is no terminal.
    #[arg(long)]
    pub(in crate::cli) headless: bool,
    /// Stop after this long, e.g. 30s or 5m; without it, when interrupted.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(in crate::cli) duration: Option<Duration>,
    /// Run for this long and tell how memory, descriptors and threads of each node went; implies
    /// --headless.
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "duration")]
    pub(in crate::cli) soak: Option<Duration>,
    /// Kill, freeze, cut off or slow a random node for a while, every so often; implies --headless. For at
    /// most 16 nodes.
    #[arg(long, value_name = "EVERY", value_parser = duration, num_args = 0..=1, default_missing_value = "30s")]
    pub(in crate::cli) faults: Option<Duration>,
    /// Draw the faults of an earlier run again; its report has the number.
    #[arg(long, value_name = "N", requires = "faults")]
    pub(in crate::cli) fault_seed: Option<u64>,
    /// End with the report as one line of JSON; implies --headless.
    #[arg(long)]
    pub(in crate::cli) json: bool,
    /// Where the nodes keep their files, and keep them for the next run.
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) dir: Option<PathBuf>,
    /// Keep the temporary directory.
    #[arg(long)]
    pub(in crate::cli) keep: bool,
    /// First port; node i listens 2·i above it (peers) and one above that (HTTP). Without it, the first
    /// free stretch from 24200 on.
    #[arg(long, value_name = "PORT")]
    pub(in crate::cli) base_port: Option<u16>,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum DevnetCommand {
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
pub(in crate::cli) struct LoadArguments {
    /// The node's HTTP address.
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) rpc: String,
    /// Wallet file that pays, e.g. wallets/wallet0.key.json of a devnet; repeat it for several.
    #[arg(long, value_name = "FILE", required = true)]
    pub(in crate::cli) wallet: Vec<PathBuf>,
    /// Transactions per second.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub(in crate::cli) rate: f64,
    /// Sign everything before it begins, and send it in batches: more than a node can take. Needs
    /// --duration.
    #[arg(long, requires = "duration")]
    pub(in crate::cli) presigned: bool,
    /// For how long, e.g. 30s or 5m; without it, until interrupted.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(in crate::cli) duration: Option<Duration>,
    /// Coins that a transaction spends.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(in crate::cli) inputs: u8,
    /// End with the report as one line of JSON.
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

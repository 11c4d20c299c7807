//! The arguments of `timed run` and `timed init`.

use clap::{Args, ValueEnum};
use toml::Value;

use super::place::{ChainPlace, PassphraseArguments, push_text};

#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct RunArguments {
    #[command(flatten)]
    pub(in crate::cli) chain: ChainPlace,
    #[command(flatten)]
    pub(in crate::cli) passphrase: PassphraseArguments,
    /// Without the console; so it is too when stdin or stdout is no terminal.
    #[arg(long)]
    pub(in crate::cli) headless: bool,
    /// Where peers may connect, e.g. 0.0.0.0:24100.
    #[arg(long, value_name = "ADDRESS")]
    pub(in crate::cli) listen: Option<String>,
    /// Where others reach this node, as ip:port, if that is not where it listens.
    #[arg(long, value_name = "ADDRESS")]
    pub(in crate::cli) external_address: Option<String>,
    /// Where HTTP answers, e.g. 127.0.0.1:24101.
    #[arg(long, value_name = "ADDRESS")]
    pub(in crate::cli) rpc_listen: Option<String>,
    /// A peer that is always dialed, as host:port; may be repeated. Replaces the configured ones.
    #[arg(long = "peer", value_name = "HOST:PORT")]
    pub(in crate::cli) peers: Vec<String>,
    /// Sync and serve, but never sign.
    #[arg(long)]
    pub(in crate::cli) observer: bool,
    /// Decide nothing above this height; stand still there and serve.
    #[arg(long, value_name = "HEIGHT")]
    pub(in crate::cli) halt_height: Option<u64>,
    /// A level (info) or targets (info,timecoin::network=debug).
    #[arg(long, value_name = "FILTER")]
    pub(in crate::cli) log_level: Option<String>,
    /// How log lines look.
    #[arg(long, value_name = "FORMAT")]
    pub(in crate::cli) log_format: Option<LogFormat>,
    /// More in the log: -v for debug, -vv for trace.
    #[arg(short = 'v', action = clap::ArgAction::Count)]
    pub(in crate::cli) verbose: u8,
    /// Stop in order when standard input ends; a devnet starts its nodes so.
    #[arg(long, hide = true)]
    pub(in crate::cli) die_with_parent: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(in crate::cli) enum LogFormat {
    Text,
    Json,
    Journald,
}

impl RunArguments {
    /// The configuration keys that these flags set.
    pub(in crate::cli) fn flags(&self) -> Vec<(&'static str, Value)> {
        let mut flags = self.chain.flags();
        push_text(&mut flags, "network.listen", self.listen.as_ref());
        push_text(
            &mut flags,
            "network.external_address",
            self.external_address.as_ref(),
        );
        push_text(&mut flags, "rpc.listen", self.rpc_listen.as_ref());
        if !self.peers.is_empty() {
            flags.push(("network.peers", Value::from(self.peers.clone())));
        }
        if self.observer {
            flags.push(("node.observer", Value::Boolean(true)));
        }
        if let Some(height) = self.halt_height {
            let height = i64::try_from(height).unwrap_or(i64::MAX);
            flags.push(("node.halt_height", Value::Integer(height)));
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
                LogFormat::Journald => "journald",
            };
            flags.push(("telemetry.format", Value::from(name)));
        }
        flags
    }
}

#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct InitArguments {
    #[command(flatten)]
    pub(in crate::cli) chain: ChainPlace,
    /// A name for screens.
    #[arg(long, value_name = "NAME", default_value = "")]
    pub(in crate::cli) moniker: String,
    /// Where peers may connect, e.g. 0.0.0.0:24100.
    #[arg(long, value_name = "ADDRESS")]
    pub(in crate::cli) listen: Option<String>,
    /// Without a consensus key: follows and serves, and never votes.
    #[arg(long)]
    pub(in crate::cli) follower: bool,
    /// Encrypt the keys: the passphrase is asked for twice, or read from --passphrase-file.
    #[arg(long)]
    pub(in crate::cli) encrypt: bool,
    #[command(flatten)]
    pub(in crate::cli) passphrase: PassphraseArguments,
    /// Ask nothing (the default off a terminal).
    #[arg(long)]
    pub(in crate::cli) non_interactive: bool,
}

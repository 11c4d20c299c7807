//! Which node is meant: its files, its chain, or the running one.

use std::path::PathBuf;

use clap::Args;
use toml::Value;

/// Which node's files are meant.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct Place {
    /// Config file; without it, config.toml in the data directory.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) config: Option<PathBuf>,
    /// Data directory [default: ~/.timecoin/<network>].
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) data_dir: Option<PathBuf>,
    /// mainnet, testnet or devnet.
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) network: Option<String>,
}

impl Place {
    /// The configuration keys that these flags set.
    pub(in crate::cli) fn flags(&self) -> Vec<(&'static str, Value)> {
        let mut flags = Vec::new();
        push_path(&mut flags, "data_dir", self.data_dir.as_ref());
        push_text(&mut flags, "network.name", self.network.as_ref());
        flags
    }
}

/// Which node's files are meant, and which chain they are of.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct ChainPlace {
    #[command(flatten)]
    pub(in crate::cli) place: Place,
    /// Genesis file; a devnet needs one.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) genesis: Option<PathBuf>,
}

impl ChainPlace {
    /// The configuration keys that these flags set.
    pub(in crate::cli) fn flags(&self) -> Vec<(&'static str, Value)> {
        let mut flags = self.place.flags();
        push_path(&mut flags, "network.genesis", self.genesis.as_ref());
        flags
    }
}

/// Which reference is written.
#[derive(Debug, Args)]
pub(in crate::cli) struct DocsArguments {
    /// cli, config, errors, metrics or rpc.
    pub(in crate::cli) name: Option<String>,
    /// Write all of them into this directory.
    #[arg(long, value_name = "DIR", conflicts_with = "name")]
    pub(in crate::cli) dir: Option<PathBuf>,
}

/// Where the passphrase of encrypted keys comes from.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct PassphraseArguments {
    /// Private file with the passphrase of encrypted keys, or a descriptor such as /dev/fd/3.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) passphrase_file: Option<PathBuf>,
}

/// Which running node is asked.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct Asked {
    /// The node's HTTP address; without it, the configured one.
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) rpc: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) place: Place,
}

/// Which running node is asked, and how the answer looks.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct Question {
    #[command(flatten)]
    pub(in crate::cli) asked: Asked,
    /// As JSON.
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

pub(in crate::cli) fn push_text(
    flags: &mut Vec<(&'static str, Value)>,
    key: &'static str,
    value: Option<&String>,
) {
    flags.extend(value.map(|value| (key, Value::from(value.as_str()))));
}

fn push_path(flags: &mut Vec<(&'static str, Value)>, key: &'static str, value: Option<&PathBuf>) {
    flags.extend(value.map(|value| (key, Value::from(value.to_string_lossy().as_ref()))));
}

//! Where things are: the data directory and what is in it, and where a node listens.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use crate::chain::Network;

use super::{Config, ConfigError};

/// Name of the configuration file in a data directory.
pub const CONFIG_FILE: &str = "config.toml";

/// The directory that everything of one network is in, below the home directory.
const HOME_DIR: &str = ".timecoin";

/// A data directory. Its parts are independent: `blocks` may be deleted and is rebuilt from peers;
/// `consensus` and `keys` may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir {
    root: PathBuf,
}

impl DataDir {
    /// The directory at `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The configured directory, or `~/.timecoin/<network>`.
    ///
    /// # Errors
    /// [`ConfigError::NoHome`] if none is configured and the system names no home.
    pub fn resolve(config: &Config) -> Result<Self, ConfigError> {
        if !config.data_dir.as_os_str().is_empty() {
            return Ok(Self::new(&config.data_dir));
        }
        let home = directories::BaseDirs::new().ok_or(ConfigError::NoHome)?;
        Ok(Self::new(
            home.home_dir().join(HOME_DIR).join(&config.network.name),
        ))
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `config.toml`.
    pub fn config_file(&self) -> PathBuf {
        self.root.join(CONFIG_FILE)
    }

    /// `keys/`: who this node is.
    pub fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// `consensus/`: write-ahead log and sign guard.
    pub fn consensus(&self) -> PathBuf {
        self.root.join("consensus")
    }

    /// `blocks/`: chain and state.
    pub fn blocks(&self) -> PathBuf {
        self.root.join("blocks")
    }

    /// `peers/`: address book and bans.
    pub fn peers(&self) -> PathBuf {
        self.root.join("peers")
    }

    /// Hashes of the tokens that may call.
    pub fn tokens(&self) -> PathBuf {
        self.root.join("tokens.json")
    }

    /// `.cookie`: the token of this run for commands over HTTP.
    pub fn cookie(&self) -> PathBuf {
        self.root.join(".cookie")
    }

    /// `logs/`.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// `recorder/`: what the node showed of itself in the last day.
    pub fn recorder(&self) -> PathBuf {
        self.root.join(crate::recorder::DIRECTORY)
    }

    /// `exports/`: what the console writes for people.
    pub fn exports(&self) -> PathBuf {
        self.root.join("exports")
    }
}

impl Config {
    /// The network; testnet if the name is none, which validation refuses.
    pub fn network(&self) -> Network {
        self.network.name.parse().unwrap_or(Network::Testnet)
    }

    /// Where peers may connect; `None` only if the text is no address, which validation refuses.
    pub fn p2p_listen(&self) -> Option<SocketAddr> {
        let all = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), self.network().p2p_port());
        address_or(&self.network.listen, all)
    }

    /// Where others reach this node, if told; `None` only if the text is no address, which validation
    /// refuses.
    pub fn external_address(&self) -> Option<Option<SocketAddr>> {
        match self.network.external_address.as_str() {
            "" => Some(None),
            text => text.parse().ok().map(Some),
        }
    }

    /// Where HTTP answers; `None` only if the text is no address, which validation refuses.
    pub fn rpc_listen(&self) -> Option<SocketAddr> {
        let local = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), self.network().rpc_port());
        address_or(&self.rpc.listen, local)
    }
}

fn address_or(text: &str, default: SocketAddr) -> Option<SocketAddr> {
    if text.is_empty() {
        Some(default)
    } else {
        text.parse().ok()
    }
}

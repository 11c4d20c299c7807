//! Where everything of a devnet is: directories, names and ports, all computed from three values.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

/// Most nodes of a devnet: each is a process with a database, and they all share one machine.
pub const NODES_MAX: u16 = 100;

/// Wallets that a devnet funds.
pub const WALLETS: u16 = 8;

/// A devnet's place in the file system and among the ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    dir: PathBuf,
    nodes: u16,
    base_port: u16,
}

impl Layout {
    /// `nodes` nodes below `dir`, listening from `base_port` on.
    pub fn new(dir: impl Into<PathBuf>, nodes: u16, base_port: u16) -> Self {
        Self {
            dir: dir.into(),
            nodes,
            base_port,
        }
    }

    /// The directory that everything is in.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// How many nodes.
    pub fn nodes(&self) -> u16 {
        self.nodes
    }

    /// The first port.
    pub fn base_port(&self) -> u16 {
        self.base_port
    }

    /// The genesis file that all nodes share.
    pub fn genesis(&self) -> PathBuf {
        self.dir.join("genesis.toml")
    }

    /// The name of a node, in genesis, on screens and as directory: `node0`.
    pub fn name(&self, node: u16) -> String {
        format!("node{node}")
    }

    /// A node's data directory.
    pub fn node_dir(&self, node: u16) -> PathBuf {
        self.dir.join(self.name(node))
    }

    /// A node's configuration.
    pub fn config(&self, node: u16) -> PathBuf {
        self.node_dir(node).join("config.toml")
    }

    /// Where a node's peers connect.
    pub fn p2p(&self, node: u16) -> SocketAddr {
        self.address(2 * node)
    }

    /// Where a node answers HTTP.
    pub fn http(&self, node: u16) -> SocketAddr {
        self.address(2 * node + 1)
    }

    /// The URL of a node's HTTP port.
    pub fn url(&self, node: u16) -> String {
        format!("http://{}", self.http(node))
    }

    /// The directory of the funded wallets.
    pub fn wallets(&self) -> PathBuf {
        self.dir.join("wallets")
    }

    /// A wallet's key file.
    pub fn wallet(&self, wallet: u16) -> PathBuf {
        self.wallets().join(format!("wallet{wallet}.key.json"))
    }

    fn address(&self, offset: u16) -> SocketAddr {
        // Ports were checked to end below 65 536 when the range was chosen.
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.base_port.saturating_add(offset)))
    }
}

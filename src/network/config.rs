//! What the node tells its network at start.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwap;

use crate::{
    crypto::{PublicKey, SecretKey},
    metrics::Metrics,
    wire::{ChainIdentity, LocalTip, MasternodeProof, ProofRequest, capability},
};

use super::{PeerAddress, Spawner};

/// Most peers that are dialled by configuration or command; each has a task of its own.
pub const DIALLED_PEERS_MAX: usize = 256;

/// Settings of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkConfig {
    /// Address and port on which peers reach this node. Port 0 takes any free one.
    pub listen: SocketAddr,
    /// Peers to keep a connection to.
    pub peers: Vec<PeerAddress>,
    /// Most connections from others, registered masternodes not counted.
    pub inbound_max: usize,
    /// Further connections that only registered masternodes may take.
    pub reserved_max: usize,
    /// Most connections from one IP address; loopback is exempt.
    pub per_ip_max: usize,
    /// Program and version, as peers see it: printable ASCII, at most 64 bytes.
    pub user_agent: String,
    /// Bits of [`crate::wire::capability`] that peers are told.
    pub capabilities: u64,
    /// Whether peers are held to their share of each kind of message; only measurements turn it off.
    pub rate_limits: bool,
    /// Learn of and dial other peers than the configured ones.
    pub discovery: bool,
    /// Outbound sessions that discovery keeps, configured peers included.
    pub outbound_max: usize,
    /// Where others reach us, if that is not where we listen.
    pub external: Option<SocketAddr>,
    /// Addresses of this machine and of private networks are peers like others: for devnets.
    pub allow_private: bool,
    /// The chain stands still if it has not grown for so long; then some outbound peers are exchanged.
    pub stall_after: Duration,
    /// Where bans and the address book are kept; `None` keeps them in memory.
    pub directory: Option<PathBuf>,
}

impl NetworkConfig {
    /// The usual limits, listening on `listen`, with nobody to dial.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            peers: Vec::new(),
            inbound_max: 184,
            reserved_max: 100,
            per_ip_max: 2,
            user_agent: concat!("timed/", env!("CARGO_PKG_VERSION")).to_owned(),
            capabilities: capability::FULL
                | capability::TX_RELAY
                | capability::COMPRESSION
                | capability::COMPACT
                | capability::DIALS_BACK,
            rate_limits: true,
            discovery: true,
            outbound_max: 16,
            external: None,
            allow_private: false,
            stall_after: Duration::from_secs(1_800),
            directory: None,
        }
    }
}

/// Signs a masternode proof with the consensus key; `None` on a node that has none, or may not sign.
pub type ProofSource = Arc<dyn Fn(&ProofRequest) -> Option<MasternodeProof> + Send + Sync>;
/// Whether a consensus key belongs to a registered masternode.
pub type Membership = Arc<dyn Fn(&PublicKey) -> bool + Send + Sync>;

/// What the network needs from the rest of the node.
#[derive(Clone)]
pub struct Surroundings {
    /// The node key: identity and TLS key at once.
    pub node_key: SecretKey,
    /// The chain we are on.
    pub chain: ChainIdentity,
    /// What we tell peers about our chain; whoever connects blocks keeps it fresh.
    pub tip: Arc<ArcSwap<LocalTip>>,
    /// Signs masternode proofs.
    pub prove: ProofSource,
    /// Knows the registered masternodes.
    pub is_member: Membership,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Starts tasks.
    pub spawner: Arc<dyn Spawner>,
}

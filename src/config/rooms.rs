//! From what the operator wrote to what each room takes.

use std::path::{Path, PathBuf};

use super::Config;
use crate::{
    chain::{BlockHash, Height},
    mempool::PoolLimits,
    network::{NetworkConfig, PeerAddress},
    rpc,
    storage::{FlushOptions, StoreOptions},
};

/// Bytes in the unit that operators count memory in.
pub(super) const MEGABYTE: usize = 1_000_000;
/// Milliseconds in the unit that operators count long waits in.
pub(super) const HOUR_MS: u64 = 3_600_000;

impl Config {
    /// The caps of the pool.
    pub fn pool_limits(&self) -> PoolLimits {
        PoolLimits {
            txs_max: self.mempool.txs_max,
            heap_bytes_max: self.mempool.memory_max_mb.saturating_mul(MEGABYTE),
            expiry_ms: self.mempool.expiry_h.saturating_mul(HOUR_MS),
        }
    }

    /// How the store is tuned.
    pub fn store_options(&self) -> StoreOptions {
        StoreOptions {
            cache_coins: self.storage.cache_coins,
            cache_bytes: self.storage.page_cache_mb.saturating_mul(MEGABYTE as u64),
            flush: FlushOptions {
                snapshot_every: self.storage.snapshot_every,
                keep_blocks: self.storage.keep_blocks,
                ..FlushOptions::default()
            },
        }
    }

    /// The block that the operator vouches for; an error unless it is empty or `height:hash`.
    pub fn trusted(&self) -> Result<Option<(Height, BlockHash)>, String> {
        let text = self.storage.trusted.as_str();
        if text.is_empty() {
            return Ok(None);
        }
        let parsed = text
            .split_once(':')
            .and_then(|(height, hash)| Some((Height::new(height.parse().ok()?), hash.parse().ok()?)));
        match parsed {
            Some(block) => Ok(Some(block)),
            None => Err("write height:hash, such as 5000:0f3c…, from a source that you trust".to_owned()),
        }
    }

    /// The height after which nothing is decided here; `None` if there is none.
    pub fn halt_at(&self) -> Option<Height> {
        (self.node.halt_height > 0).then(|| Height::new(self.node.halt_height))
    }

    /// Where the signer listens that holds the consensus key; `None` if the key is in `keys/`.
    ///
    /// # Errors
    /// What `keys.signer` should look like.
    pub fn signer_socket(&self) -> Result<Option<PathBuf>, String> {
        let text = self.keys.signer.as_str();
        if text.is_empty() {
            return Ok(None);
        }
        match text.strip_prefix("unix:").map(Path::new) {
            Some(path) if path.is_absolute() => Ok(Some(path.to_owned())),
            Some(_) | None => Err(format!("`{text}` is no signer; write unix:/path/to/signer.sock")),
        }
    }

    /// How peers are met; `None` only if a text is no address, which validation refuses.
    pub fn network_config(&self) -> Option<NetworkConfig> {
        let peers: Result<Vec<PeerAddress>, _> = self.network.peers.iter().map(|peer| peer.parse()).collect();
        Some(NetworkConfig {
            peers: peers.ok()?,
            inbound_max: self.network.inbound_max,
            per_ip_max: self.network.per_ip_max,
            discovery: self.network.discovery,
            external: self.external_address()?,
            allow_private: self.network.allow_private,
            ..NetworkConfig::new(self.p2p_listen()?)
        })
    }

    /// Where and for whom HTTP answers; `None` only if the text is no address, which validation
    /// refuses.
    pub fn rpc_config(&self) -> Option<rpc::Config> {
        Some(rpc::Config {
            listen: self.rpc_listen()?,
            allowed_hosts: self.rpc.allowed_hosts.clone(),
            cookie: None,
            tokens: None,
            network: self.network(),
        })
    }
}

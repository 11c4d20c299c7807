//! Values that are well-formed but cannot work, each with what would be right.

use std::net::SocketAddr;

use crate::{
    chain::Network,
    network::{DIALLED_PEERS_MAX, PeerAddress},
    storage::KEEP_BLOCKS_MIN,
};

use super::{Config, ConfigError, error::Problem, nearest};

/// Bounds a name on other people's screens.
const MONIKER_CHARS_MAX: usize = 32;
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    let mut problems = Vec::new();
    let mut problem = |key: &'static str, reason: String| problems.push(Problem { key, reason });

    if let Err(error) = config.network.name.parse::<Network>() {
        let hint = nearest(&config.network.name, Network::ALL.map(Network::name))
            .map_or(String::new(), |name| format!(", did you mean `{name}`?"));
        problem("network.name", format!("{error}{hint}"));
    }
    for (key, address) in [
        ("network.listen", &config.network.listen),
        ("network.external_address", &config.network.external_address),
        ("rpc.listen", &config.rpc.listen),
    ] {
        if !address.is_empty() && address.parse::<SocketAddr>().is_err() {
            problem(
                key,
                format!("`{address}` is not an address with a port, such as 127.0.0.1:24101 or [::1]:24101"),
            );
        }
    }
    if config.network.peers.len() > DIALLED_PEERS_MAX {
        problem(
            "network.peers",
            format!(
                "{} peers, at most {DIALLED_PEERS_MAX}",
                config.network.peers.len()
            ),
        );
    }
    for peer in &config.network.peers {
        if let Err(error) = peer.parse::<PeerAddress>() {
            problem("network.peers", error.to_string());
        }
    }
    if let Err(error) = config.signer_socket() {
        problem("keys.signer", error);
    }
    if let Err(error) = config.trusted() {
        problem("storage.trusted", error);
    }
    let keep = config.storage.keep_blocks;
    if keep > 0 && keep < KEEP_BLOCKS_MIN {
        problem(
            "storage.keep_blocks",
            format!("{keep} is less than {KEEP_BLOCKS_MIN}, which repairs need; 0 keeps all"),
        );
    }
    if keep > 0 && config.sync.backfill {
        problem(
            "storage.keep_blocks",
            "what it deletes, sync.backfill would fetch again; set one of them".to_owned(),
        );
    }
    let moniker = &config.node.moniker;
    if moniker.chars().count() > MONIKER_CHARS_MAX || moniker.chars().any(|c| c.is_control()) {
        problem(
            "node.moniker",
            format!("at most {MONIKER_CHARS_MAX} printable characters"),
        );
    }
    for (key, value, least, most) in [
        (
            "storage.cache_coins",
            config.storage.cache_coins as u64,
            100,
            10_000_000,
        ),
        ("storage.page_cache_mb", config.storage.page_cache_mb, 1, 100_000),
        (
            "network.inbound_max",
            config.network.inbound_max as u64,
            0,
            10_000,
        ),
        ("network.per_ip_max", config.network.per_ip_max as u64, 1, 10_000),
        ("mempool.txs_max", config.mempool.txs_max as u64, 10, 1_000_000),
        (
            "mempool.memory_max_mb",
            config.mempool.memory_max_mb as u64,
            1,
            16_000,
        ),
        ("mempool.expiry_h", config.mempool.expiry_h, 1, 24 * 30),
        ("telemetry.files_max", config.telemetry.files_max as u64, 1, 365),
        (
            "telemetry.size_max_mb",
            config.telemetry.size_max_mb,
            10,
            1_000_000,
        ),
        ("shutdown.timeout_s", config.shutdown.timeout_s, 1, 600),
    ] {
        if !(least..=most).contains(&value) {
            problem(key, format!("{value} is not between {least} and {most}"));
        }
    }
    if config.telemetry.level.trim().is_empty() {
        problem(
            "telemetry.level",
            "is empty; use error, warn, info, debug or trace".to_owned(),
        );
    }

    if !problems.is_empty() {
        return Err(ConfigError::Invalid(problems));
    }
    let remote = config
        .rpc_listen()
        .is_some_and(|address| !address.ip().is_loopback());
    if remote && !config.rpc.allow_remote {
        return Err(ConfigError::RemoteRpc {
            listen: config.rpc.listen.clone(),
        });
    }
    Ok(())
}

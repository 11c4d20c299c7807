//! Asking a running node: which one, and how to wait for it.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{
    args::{Asked, Place},
    failure::{Code, Failure},
};
use crate::{
    config::{Config, DataDir, Environment, Loaded, Sources, load},
    rpc::client::Client,
};

/// The configuration that `place` names, without the flags of `run`.
pub(super) fn load_place(place: &Place) -> Result<Loaded, Failure> {
    let sources = Sources {
        file: place.config.clone(),
        environment: Environment::read().settings,
        flags: place.flags(),
    };
    Ok(load(&sources)?)
}

/// A client of the node that `--rpc` names, else of the configured one.
pub(super) fn client(asked: &Asked) -> Result<Client, Failure> {
    if let Some(url) = &asked.rpc {
        return Ok(Client::new(url)?);
    }
    client_of(&load_place(&asked.place)?.config)
}

/// A client of the node that runs with this configuration.
pub(super) fn client_of(config: &Config) -> Result<Client, Failure> {
    let address = config
        .rpc_listen()
        .ok_or_else(|| Failure::new(Code::Config, "rpc.listen is no address; correct it or use --rpc"))?;
    Ok(Client::new(&local(address).to_string())?)
}

/// Where a node that listens at `address` is reached from this machine.
pub(super) fn local(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// The text that lets its owner give commands to the node of `asked`'s data directory.
pub(super) fn cookie(asked: &Asked) -> Result<String, Failure> {
    let loaded = load_place(&asked.place)?;
    cookie_of(&DataDir::resolve(&loaded.config)?)
}

/// The same for the node that runs in `dir`.
pub(super) fn cookie_of(dir: &DataDir) -> Result<String, Failure> {
    let path = dir.cookie();
    std::fs::read_to_string(&path).map_err(|error| {
        Failure::new(
            Code::Unauthorized,
            format!(
                "{}: {error}; run this on the node's machine as its user, with its --config or --data-dir, while it runs",
                path.display()
            ),
        )
    })
}

/// Runs the asking part of a command.
pub(super) fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::new(
                Code::Unexpected,
                format!("no runtime: {error}; check `ulimit -n`"),
            )
        })?
        .block_on(future)
}

//! SIGHUP: the configuration is read again, and what can change while the node runs does: the log filter
//! and the peers that are dialled. Tokens and bans need no signal. A configuration that is not valid changes
//! nothing.

use std::{cell::RefCell, collections::BTreeSet};

use toml::Table;

use super::{args::RunArguments, config::load_run};
use crate::{
    config::Config,
    control::{Caller, Command, LogFilter, NodeHandle},
};

/// Keys that a reload puts in force.
const LIVE: [&str; 2] = ["network.peers", "telemetry.level"];

/// What the node was started with, and what is in force since.
pub(super) struct Reloader {
    arguments: RunArguments,
    current: RefCell<Config>,
}

impl Reloader {
    pub(super) fn new(arguments: RunArguments, config: Config) -> Self {
        Self {
            arguments,
            current: RefCell::new(config),
        }
    }

    /// Reads the configuration again and puts in force what can be. Tells the log what came of it.
    pub(super) async fn reload(&self, node: &NodeHandle, filter: &dyn LogFilter) {
        let next = match load_run(&self.arguments) {
            Ok(loaded) => loaded.config,
            Err(failure) => {
                tracing::error!(%failure, "SIGHUP: configuration not reloaded, the old one stays in force");
                return;
            }
        };
        let current = self.current.borrow().clone();
        let waiting: Vec<String> = differing(&current, &next)
            .into_iter()
            .filter(|key| !LIVE.contains(&key.as_str()))
            .collect();
        if !waiting.is_empty() {
            tracing::warn!(
                keys = waiting.join(", "),
                "SIGHUP: these take effect at the next start"
            );
        }
        let mut reached = current.clone();
        if current.telemetry.level != next.telemetry.level {
            // A level that was lent for ten minutes is given back first, or it would come back later.
            let command = Command::SetLogFilter {
                filter: current.telemetry.level.clone(),
            };
            let set = match node.ask(command, Caller::Process).await {
                Ok(_) => filter
                    .set(&next.telemetry.level)
                    .map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            match set {
                Ok(()) => reached.telemetry.level.clone_from(&next.telemetry.level),
                Err(error) => tracing::error!(error, "SIGHUP: log filter not changed"),
            }
        }
        let [before, after] = [&current, &next].map(|config| {
            let peers = config.network.peers.iter().cloned();
            peers.collect::<BTreeSet<String>>()
        });
        let removed = before.difference(&after).map(|address| Command::RemovePeer {
            address: address.clone(),
        });
        let added = after.difference(&before).map(|address| Command::AddPeer {
            address: address.clone(),
        });
        for command in removed.chain(added) {
            let name = command.name();
            if let Err(error) = node.ask(command, Caller::Process).await {
                tracing::warn!(%error, name, "SIGHUP: a peer was not changed");
            }
        }
        reached.network.peers = next.network.peers;
        *self.current.borrow_mut() = reached;
        tracing::info!("SIGHUP: configuration reloaded");
    }
}

/// The keys whose values differ.
fn differing(one: &Config, other: &Config) -> Vec<String> {
    let flat = |config: &Config| {
        let table = Table::try_from(config).unwrap_or_default();
        let keys = table.into_iter().flat_map(|(section, value)| match value {
            toml::Value::Table(keys) => keys
                .into_iter()
                .map(|(key, value)| (format!("{section}.{key}"), value))
                .collect::<Vec<_>>(),
            value => vec![(section, value)],
        });
        keys.collect::<Vec<_>>()
    };
    let (one, other) = (flat(one), flat(other));
    one.into_iter()
        .zip(other)
        .filter(|(one, other)| one != other)
        .map(|(one, _)| one.0)
        .collect()
}

//! The files of a devnet: genesis, and for each node its configuration, keys and empty consensus
//! log; and wallets that genesis funds.
//!
//! Everything is plain TOML that another program may rewrite before the nodes start. The genesis
//! file is written last, so a directory that has one is complete. Nothing that exists is ever
//! overwritten: a directory that already holds the devnet asked for is used as it is.

use std::{
    fs,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use toml::Table;

use super::{
    DevnetError, Layout,
    error::io_error,
    layout::{NODES_MAX, WALLETS},
};
use crate::{
    chain::{Address, Amount, Genesis, GenesisMasternode, GenesisOutput, Network, Params, Tier, TimestampMs},
    signer::{NODE_KEY_FILE, VALIDATOR_KEY_FILE, WalletFile, create_key_dir, create_key_file, generate_key},
    storage::wal::Wal,
};

/// Coins of every wallet for traffic: with eight wallets enough for thousands of transactions in
/// flight, and still a genesis file of 200 kB that parses in milliseconds.
pub const COINS_PER_WALLET: u16 = 250;

/// Value of a coin for traffic, whole TIME.
const COIN_TIME: u64 = 100;

/// One coin more per wallet, for people: enough to register a masternode of any tier.
const PURSE_TIME: u64 = 1_000_000;

/// With more nodes than this, rounds last longer than the profile of a devnet says.
const PATIENCE_FROM: u16 = 31;

/// So long a node each.
const PATIENCE_MS: u64 = 100;

/// What a new devnet shall be.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Place, number of nodes and ports.
    pub layout: Layout,
    /// Timeouts and intervals of its genesis.
    pub params: Params,
}

impl Plan {
    /// A devnet with the default parameters, and more patience the more nodes there are: all of them share
    /// one machine, and what they say to each other for one block grows with their square and more.
    pub fn new(layout: Layout) -> Self {
        let mut params = Params::default_for(Network::Devnet);
        if layout.nodes() > PATIENCE_FROM {
            params.proposal_timeout_ms = u64::from(layout.nodes()) * PATIENCE_MS;
            params.view_change_timeout_ms = 10 * params.proposal_timeout_ms;
        }
        Self { layout, params }
    }
}

/// The devnet in `dir`, if there is one.
///
/// # Errors
/// [`DevnetError::Damaged`], [`DevnetError::NotEmpty`] or [`DevnetError::Io`] if there is something
/// else, or it cannot be read.
pub fn find(dir: &Path) -> Result<Option<Layout>, DevnetError> {
    if !Layout::new(dir, 0, 0).genesis().exists() {
        return match fs::read_dir(dir) {
            Ok(mut entries) => match entries.next() {
                Some(_) => Err(DevnetError::NotEmpty { dir: dir.to_owned() }),
                None => Ok(None),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error(dir)(error)),
        };
    }
    let any = Layout::new(dir, NODES_MAX, 0);
    let nodes = (0..NODES_MAX)
        .take_while(|node| any.config(*node).exists())
        .count() as u16;
    let base_port = listening_port(&any.config(0))?;
    Ok(Some(Layout::new(dir, nodes, base_port)))
}

/// Writes a devnet, or finds that it is there already.
///
/// # Errors
/// [`DevnetError::OtherDevnet`] or [`DevnetError::NotEmpty`] if the directory holds something else;
/// otherwise what could not be written.
pub fn write(plan: &Plan) -> Result<(), DevnetError> {
    let layout = &plan.layout;
    let (nodes, port) = (layout.nodes(), layout.base_port());
    if nodes == 0 || nodes > NODES_MAX {
        return Err(DevnetError::NodeCount {
            nodes,
            max: NODES_MAX,
        });
    }
    if port.checked_add(2 * nodes).is_none() {
        return Err(DevnetError::PortInUse { port });
    }
    match find(layout.dir())? {
        Some(found) if found == *layout => return Ok(()),
        Some(found) => {
            return Err(DevnetError::OtherDevnet {
                dir: layout.dir().to_owned(),
                nodes_found: found.nodes(),
                port_found: found.base_port(),
                nodes,
                port,
            });
        }
        None => {}
    }
    let wallets = write_wallets(layout)?;
    let masternodes = (0..nodes)
        .map(|node| write_node(layout, node, wallets[usize::from(node % WALLETS)]))
        .collect::<Result<_, _>>()?;
    let genesis = Genesis {
        network: Network::Devnet,
        timestamp_ms: now(),
        params: plan.params,
        masternodes,
        outputs: outputs(&wallets),
    };
    genesis.check()?;
    let path = layout.genesis();
    fs::write(&path, genesis.to_toml()).map_err(io_error(path))
}

/// The port that a node's configuration gives its peers.
fn listening_port(config: &Path) -> Result<u16, DevnetError> {
    let damaged = |reason: String| DevnetError::Damaged {
        path: config.to_owned(),
        reason,
    };
    let text = fs::read_to_string(config).map_err(io_error(config))?;
    let table: Table = text.parse().map_err(|_| damaged("it is no TOML".to_owned()))?;
    table
        .get("network")
        .and_then(|network| network.get("listen")?.as_str()?.rsplit_once(':')?.1.parse().ok())
        .ok_or_else(|| damaged("network.listen names no port".to_owned()))
}

fn write_wallets(layout: &Layout) -> Result<Vec<Address>, DevnetError> {
    create_key_dir(&layout.wallets())?;
    (0..WALLETS)
        .map(|wallet| {
            let key = generate_key()?;
            let address = Address::of(&key.public_key());
            let text = address.to_text(Network::Devnet);
            WalletFile::create(&layout.wallet(wallet), &key, Network::Devnet.name(), &text)?;
            Ok(address)
        })
        .collect()
}

fn write_node(layout: &Layout, node: u16, payout: Address) -> Result<GenesisMasternode, DevnetError> {
    let dir = layout.node_dir(node);
    let keys = dir.join("keys");
    create_key_dir(&keys)?;
    create_key_file(&keys.join(NODE_KEY_FILE), &generate_key()?)?;
    // The log first: a key without its log would make the node observe before it signs.
    Wal::create(&dir.join("consensus"))?;
    let validator = generate_key()?;
    create_key_file(&keys.join(VALIDATOR_KEY_FILE), &validator)?;
    let config = layout.config(node);
    fs::write(&config, config_text(layout, node)).map_err(io_error(config))?;
    Ok(GenesisMasternode {
        name: layout.name(node),
        validator_key: validator.public_key(),
        // Unpublished, so that a network key may be replaced without a new genesis.
        node_key: None,
        payout,
        tier: Tier::Bronze,
    })
}

fn config_text(layout: &Layout, node: u16) -> String {
    let name = layout.name(node);
    let peers: Vec<String> = (0..layout.nodes())
        .filter(|peer| *peer != node)
        .map(|peer| format!("\"{}\"", layout.p2p(peer)))
        .collect();
    format!(
        "# {name} of a devnet on this machine. `timed config default` lists every key there is.\n\
         # Start it with: timed run --headless --config <this file>\n\
         data_dir = \".\"\n\
         \n\
         [node]\n\
         moniker = \"{name}\"\n\
         \n\
         [network]\n\
         name = \"{}\"\n\
         genesis = \"../genesis.toml\"\n\
         listen = \"{}\"\n\
         peers = [{}]\n\
         discovery = false\n\
         \n\
         [rpc]\n\
         listen = \"{}\"\n",
        Network::Devnet,
        layout.p2p(node),
        peers.join(", "),
        layout.http(node),
    )
}

fn outputs(wallets: &[Address]) -> Vec<GenesisOutput> {
    let coin = Amount::from_time(COIN_TIME).unwrap_or(Amount::ZERO);
    let purse = Amount::from_time(PURSE_TIME).unwrap_or(Amount::ZERO);
    let amounts = std::iter::repeat_n(coin, usize::from(COINS_PER_WALLET)).chain([purse]);
    wallets
        .iter()
        .flat_map(|address| {
            amounts.clone().map(|amount| GenesisOutput {
                address: *address,
                amount,
            })
        })
        .collect()
}

fn now() -> TimestampMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    TimestampMs::new(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

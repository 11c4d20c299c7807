//! `timed init`: a data directory that `timed run` can start in.

use std::{
    fs::{DirBuilder, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::{
    args::{InitArguments, push_text},
    failure::{Code, Failure},
    identity, output,
    passphrase::new_passphrase,
    wizard,
};
use crate::{
    chain::{Genesis, Network},
    config::{Config, DataDir, EXAMPLE, Environment, Sources, load},
    signer::{NODE_KEY_FILE, Passphrase, VALIDATOR_KEY_FILE, create_key_dir},
};

/// Only the owner looks into a data directory.
const DIR_MODE: u32 = 0o700;

pub(super) fn init(arguments: &InitArguments) -> Result<ExitCode, Failure> {
    let mut arguments = arguments.clone();
    let asks = !arguments.non_interactive && output::has_terminal();
    match make(&mut arguments, asks)? {
        None => Ok(ExitCode::FAILURE),
        Some(made) => {
            output::line(&format!(
                "Start it with: timed run --data-dir {}",
                made.dir.root().display()
            ))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// What was made.
pub(super) struct Made {
    pub(super) dir: DataDir,
    /// What its keys are under.
    pub(super) passphrase: Option<Passphrase>,
}

/// Makes what a node starts from; `None` if the person at the terminal would rather not. What was answered
/// there stands in `arguments` afterwards.
pub(super) fn make(arguments: &mut InitArguments, asks: bool) -> Result<Option<Made>, Failure> {
    // Before anything is asked: somebody who answers four questions wants no refusal after that.
    refuse_existing(&place(arguments)?.1)?;
    let chosen = match asks {
        true => Some(wizard::ask(arguments)?),
        false => None,
    };
    let (config, dir) = place(arguments)?;
    let genesis = genesis_of(&config)?;
    refuse_existing(&dir)?;
    if asks && !agreed(&dir, genesis.network)? {
        output::diagnostic("nothing was made");
        return Ok(None);
    }

    let passphrase = match arguments.encrypt {
        true => Some(new_passphrase(
            arguments.passphrase.passphrase_file.as_deref(),
            &dir.keys().join(VALIDATOR_KEY_FILE),
        )?),
        false => chosen.and_then(|chosen| chosen.passphrase),
    };
    let under = passphrase.as_ref();

    let made = DirBuilder::new()
        .recursive(true)
        .mode(DIR_MODE)
        .create(dir.root());
    made.map_err(|error| Failure::io(dir.root(), &error))?;
    let node_id = identity::create_node_key(&dir, under)?;
    let validator_id = match arguments.follower {
        true => None,
        false => Some(identity::create_validator_key(&dir, under)?),
    };
    create_key_dir(&dir.keys())?;
    let address = identity::create_wallet(&dir.keys().join(identity::WALLET_FILE), genesis.network, under)?;
    let genesis_path = arguments.chain.genesis.as_deref().map(absolute).transpose()?;
    let content = config_text(genesis.network, arguments, genesis_path.as_deref());
    write_config(&dir.config_file(), &content)?;

    output::line(&format!("made {} for {}", dir.root().display(), genesis.network))?;
    output::line(&format!("  node id       {node_id}"))?;
    match validator_id {
        Some(id) => output::line(&format!("  validator id  {id}"))?,
        None => output::line("  validator id  none: it follows and serves")?,
    }
    output::line(&format!("  address       {address}"))?;
    output::line(&format!("  chain id      {}", genesis.chain_id()))?;
    output::line("")?;
    output::line(&format!(
        "Back up {} now: without these keys nobody can act as this masternode.",
        dir.keys().display()
    ))?;
    Ok(Some(Made { dir, passphrase }))
}

/// The configuration that the arguments make, and the directory it is for.
fn place(arguments: &InitArguments) -> Result<(Config, DataDir), Failure> {
    let mut flags = arguments.chain.flags();
    flags.push(("node.moniker", arguments.moniker.as_str().into()));
    push_text(&mut flags, "network.listen", arguments.listen.as_ref());
    let sources = Sources {
        file: arguments.chain.place.config.clone(),
        environment: Environment::read().settings,
        flags,
    };
    let loaded = load(&sources)?;
    let dir = loaded.data_dir()?;
    Ok((loaded.config, dir))
}

/// The genesis that a configuration names: its file, else the one built in for its network.
///
/// # Errors
/// A file that is missing, invalid or another network's, and a network that has none built in.
pub(super) fn genesis_of(config: &Config) -> Result<Genesis, Failure> {
    let network = config.network();
    let path = &config.network.genesis;
    if path.as_os_str().is_empty() {
        return Genesis::builtin(network)?.ok_or_else(|| {
            Failure::new(
                Code::Genesis,
                format!(
                    "{network} has no genesis of its own; name a file with --genesis, or try `timed devnet`"
                ),
            )
        });
    }
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::new(
            Code::Genesis,
            format!(
                "genesis file {}: {error}; check --genesis or network.genesis",
                path.display()
            ),
        )
    })?;
    let genesis = Genesis::from_toml(&text)
        .map_err(|error| Failure::new(Code::Genesis, format!("{}: {error}", path.display())))?;
    if genesis.network != network {
        return Err(Failure::new(
            Code::Genesis,
            format!(
                "{} is the genesis of {}, but the network is {network}; correct --network or --genesis",
                path.display(),
                genesis.network
            ),
        ));
    }
    Ok(genesis)
}

fn refuse_existing(dir: &DataDir) -> Result<(), Failure> {
    let keys = dir.keys();
    let files = [
        dir.config_file(),
        keys.join(NODE_KEY_FILE),
        keys.join(VALIDATOR_KEY_FILE),
        keys.join(identity::WALLET_FILE),
    ];
    match files.iter().find(|path| path.exists()) {
        Some(path) => Err(Failure::new(
            Code::AlreadyInitialised,
            format!(
                "{} exists already and init never overwrites; use another --data-dir",
                path.display()
            ),
        )),
        None => Ok(()),
    }
}

fn agreed(dir: &DataDir, network: Network) -> Result<bool, Failure> {
    let answer = output::ask(&format!(
        "Make keys and configuration for {network} in {}? [Y/n] ",
        dir.root().display()
    ))?;
    Ok(matches!(answer.to_lowercase().as_str(), "" | "y" | "yes"))
}

/// The example with what was chosen filled in.
fn config_text(network: Network, arguments: &InitArguments, genesis: Option<&Path>) -> String {
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let mut text = EXAMPLE
        .replacen("data_dir = \"\"", "data_dir = \".\"", 1)
        .replacen(
            "\nname = \"testnet\"",
            &format!("\nname = {}", quoted(network.name())),
            1,
        )
        .replacen(
            "\nmoniker = \"\"",
            &format!("\nmoniker = {}", quoted(&arguments.moniker)),
            1,
        );
    if let Some(listen) = &arguments.listen {
        // The first one is the network's; rpc's comes later in the file.
        text = text.replacen("\nlisten = \"\"", &format!("\nlisten = {}", quoted(listen)), 1);
    }
    if let Some(path) = genesis {
        text = text.replacen(
            "\ngenesis = \"\"",
            &format!("\ngenesis = {}", quoted(&path.to_string_lossy())),
            1,
        );
    }
    text
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::io(path, &error))
}

fn write_config(path: &Path, content: &str) -> Result<(), Failure> {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(content.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error| Failure::io(path, &error))
}

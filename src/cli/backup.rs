//! `timed backup`: what a node cannot be made again without, in a directory of its own.
//!
//! A backup holds keys, configuration, genesis file, bans and hashes of tokens. It never holds the consensus
//! log, whose old copy is how a validator comes to sign twice, nor what peers give back: chain and address
//! book. So whoever restores a consensus key restores it without its memory, and its node observes before it
//! signs.

mod manifest;

#[cfg(test)]
mod tests;

use std::{fs::DirBuilder, io, os::unix::fs::DirBuilderExt, path::Path, process::ExitCode};

use serde_json::json;

use super::{
    args::{
        BackupCommand, BackupCreateArguments, BackupRestoreArguments, BackupVerifyArguments, ChainPlace,
        Place,
    },
    config::load_chain,
    failure::{Code, Failure},
    init::genesis_of,
    output,
    passphrase::{Passphrases, new_passphrase},
    run::refuse_empty,
};
use crate::{
    config::{CONFIG_FILE, DataDir, Sources, load},
    control::{Clock, words::counted},
    crypto::PublicKey,
    node::handover,
    signer::{
        NoPassphrase, Passphrase, SignerError, VALIDATOR_KEY_FILE, VALIDATOR_PUBLIC_FILE, WalletFile,
        WalletLabel, create_key_dir, create_private_file, is_key_file_encrypted,
    },
};
use manifest::{KEYS, MANIFEST_FILE, Manifest, NAMES, content, damaged};

/// Only the owner looks into a backup and a data directory.
const DIR_MODE: u32 = 0o700;
/// The genesis file in a backup.
const GENESIS_FILE: &str = "genesis.toml";

pub(super) fn backup(command: &BackupCommand) -> Result<ExitCode, Failure> {
    match command {
        BackupCommand::Create(arguments) => create(arguments)?,
        BackupCommand::Verify(arguments) => verify(arguments)?,
        BackupCommand::Restore(arguments) => restore(arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn create(arguments: &BackupCreateArguments) -> Result<(), Failure> {
    let loaded = load_chain(&arguments.chain)?;
    let genesis = genesis_of(&loaded.config)?;
    let dir = loaded.data_dir()?;
    refuse_empty(&dir)?;
    let target = &arguments.dir;
    // The passphrase before anything is made: somebody who has none leaves nothing half done.
    let passphrase = passphrase_of(arguments, &dir)?;
    let passphrases = Passphrases::of(arguments.passphrase.passphrase_file.as_deref(), &loaded);
    make_dir(target, false)?;
    for name in NAMES {
        let from = match name {
            CONFIG_FILE => loaded.file.clone(),
            GENESIS_FILE => {
                Some(loaded.config.network.genesis.clone()).filter(|path| !path.as_os_str().is_empty())
            }
            name => Some(dir.root().join(name)),
        };
        let Some(from) = from.filter(|path| path.exists()) else {
            continue;
        };
        let to = target.join(name);
        make_parent(target, &to)?;
        match &passphrase {
            Some(passphrase) if KEYS.contains(&name) => {
                WalletFile::open(&from, &passphrases)?.create_copy(&to, Some(passphrase))?;
            }
            _ => create_private_file(&to, &content(&from)?)?,
        }
    }
    let keys = [public_of(target, KEYS[0])?, validator_of(target)?];
    let made_ms = Clock::start().now().unix_ms;
    let manifest = Manifest::of(target, genesis.network.name(), genesis.chain_id(), made_ms, keys)?;
    create_private_file(&target.join(MANIFEST_FILE), manifest.to_text().as_bytes())?;
    if arguments.json {
        output::json(&json!({ "schema": 1, "dir": target, "backup": manifest }))?;
    } else {
        output::line(&format!(
            "{} holds {} of {} on {}",
            target.display(),
            counted(manifest.files.len() as u64, "file"),
            manifest
                .validator_id
                .or(manifest.node_id)
                .map_or_else(|| "a node".to_owned(), |key| key.short()),
            manifest.network,
        ))?;
    }
    let plain = plain_keys(target, &manifest)?;
    if !plain.is_empty() {
        output::diagnostic(&format!(
            "not encrypted, so whoever reads it has the keys: {}",
            plain.join(", ")
        ));
    }
    output::diagnostic(
        "take it to another machine, its passphrase elsewhere, and try it there: `timed backup verify`",
    );
    Ok(())
}

/// The passphrase that keys get in the backup; `None` if all of them stay as they are.
fn passphrase_of(arguments: &BackupCreateArguments, dir: &DataDir) -> Result<Option<Passphrase>, Failure> {
    if arguments.unencrypted {
        return Ok(None);
    }
    let mut is_needed = arguments.new_passphrase_file.is_some();
    for name in KEYS {
        let path = dir.root().join(name);
        is_needed |= path.exists() && !is_key_file_encrypted(&path)?;
    }
    match is_needed {
        false => Ok(None),
        true => new_passphrase(
            arguments.new_passphrase_file.as_deref(),
            &dir.keys().join(VALIDATOR_KEY_FILE),
        )
        .map(Some),
    }
}

fn verify(arguments: &BackupVerifyArguments) -> Result<(), Failure> {
    let dir = &arguments.dir;
    let manifest = Manifest::read_whole(dir)?;
    if public_of(dir, KEYS[0])? != manifest.node_id || validator_of(dir)? != manifest.validator_id {
        return Err(damaged(
            &dir.join(MANIFEST_FILE),
            "it names other keys than lie beside it",
        ));
    }
    // No configuration of this machine: a backup is tried where its node never was.
    let named = arguments.passphrase.passphrase_file.as_deref();
    let passphrases = Passphrases::named(named);
    let mut closed = Vec::new();
    for name in KEYS.into_iter().filter(|name| manifest.holds(name)) {
        let path = dir.join(name);
        if !is_key_file_encrypted(&path)? {
            WalletFile::open(&path, &NoPassphrase)?;
        } else if named.is_some() || output::has_terminal() {
            WalletFile::open(&path, &passphrases)?;
        } else {
            closed.push(name);
        }
    }
    if arguments.json {
        return output::json(
            &json!({ "schema": 1, "whole": true, "not_opened": closed, "backup": manifest }),
        );
    }
    output::line(&format!(
        "whole: {} of network {}, chain {}",
        counted(manifest.files.len() as u64, "file"),
        manifest.network,
        manifest.chain_id.short()
    ))?;
    for entry in &manifest.files {
        output::line(&format!("  {:>9}  {}", entry.bytes, entry.name))?;
    }
    if !closed.is_empty() {
        output::diagnostic(&format!(
            "not opened: {}; --passphrase-file tries the passphrase",
            closed.join(", ")
        ));
    }
    Ok(())
}

fn restore(arguments: &BackupRestoreArguments) -> Result<(), Failure> {
    let from = &arguments.dir;
    let manifest = Manifest::read_whole(from)?;
    let place = Place {
        data_dir: arguments.data_dir.clone(),
        network: Some(manifest.network.clone()),
        ..Place::default()
    };
    let dir = target_of(&place)?;
    refuse_existing(&dir)?;
    let config = match manifest.holds(CONFIG_FILE) {
        true => Some(at_home(
            &content(&from.join(CONFIG_FILE))?,
            manifest.holds(GENESIS_FILE),
        )?),
        false => None,
    };
    let is_named = config.as_deref().is_some_and(names_genesis);
    make_dir(dir.root(), true)?;
    create_key_dir(&dir.keys())?;
    // The log before the key, as ever; it says that nobody knows what the key signed.
    let has_key = manifest.holds("keys/validator.key");
    if has_key {
        handover::begin_lost(dir.root())?;
    }
    for entry in manifest.files.iter().filter(|entry| entry.name != CONFIG_FILE) {
        let to = dir.root().join(&entry.name);
        make_parent(dir.root(), &to)?;
        create_private_file(&to, &content(&from.join(&entry.name))?)?;
    }
    // Last: a restore that broke off is no node.
    if let Some(config) = config {
        create_private_file(&dir.config_file(), config.as_bytes())?;
    }
    let checked = load_chain(&ChainPlace {
        place: Place {
            data_dir: Some(dir.root().to_owned()),
            ..Place::default()
        },
        genesis: None,
    })?;
    if arguments.json {
        output::json(&json!({
            "schema": 1, "data_dir": dir.root(), "observes": has_key, "backup": manifest,
        }))?;
    } else {
        output::line(&format!("made {} for {}", dir.root().display(), manifest.network))?;
        output::line(&format!(
            "Start it with: timed run --data-dir {}",
            dir.root().display()
        ))?;
    }
    if has_key {
        output::diagnostic(
            "make sure that no other machine runs this masternode; the node observes until the chain has moved on, and then signs",
        );
    }
    if manifest.holds(GENESIS_FILE) && !is_named {
        output::diagnostic(&format!(
            "a flag or variable named its genesis file: set network.genesis = \"{GENESIS_FILE}\", or start it with --genesis"
        ));
    }
    for warning in &checked.warnings {
        output::diagnostic(&format!("warning: {warning}"));
    }
    Ok(())
}

/// Where a restore makes the node.
fn target_of(place: &Place) -> Result<DataDir, Failure> {
    let loaded = load(&Sources {
        flags: place.flags(),
        ..Sources::default()
    });
    match loaded {
        Ok(loaded) => Ok(loaded.data_dir()?),
        // A configuration that lies there already is what `refuse_existing` names.
        Err(error) => match &place.data_dir {
            Some(dir) => Ok(DataDir::new(dir)),
            None => Err(error.into()),
        },
    }
}

/// A backup is for a place where nothing is.
fn refuse_existing(dir: &DataDir) -> Result<(), Failure> {
    let known = NAMES.iter().map(|name| dir.root().join(name));
    let mut known = known.chain([dir.consensus(), dir.blocks()]);
    match known.find(|path| path.exists()) {
        None => Ok(()),
        Some(path) => Err(Failure::new(
            Code::AlreadyInitialised,
            format!(
                "{} is there already, and a restore never overwrites; use another --data-dir, or, if it is what an earlier restore left that broke off, remove that directory",
                path.display()
            ),
        )),
    }
}

/// The configuration as it holds in the directory that it lies in: this data directory, this genesis file.
fn at_home(text: &[u8], has_genesis: bool) -> Result<String, Failure> {
    let text = std::str::from_utf8(text).map_err(|error| {
        Failure::new(
            Code::Backup,
            format!("{CONFIG_FILE}: {error}; restore it by hand"),
        )
    })?;
    let mut section = String::new();
    let mut lines = Vec::new();
    for line in text.lines() {
        let bare = line.trim();
        if let Some(name) = bare.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            section = name.trim().to_owned();
        }
        let key = bare.split('=').next().unwrap_or_default().trim();
        lines.push(match (section.as_str(), key) {
            ("", "data_dir") if bare.contains('=') => "data_dir = \".\"".to_owned(),
            ("network", "genesis") if has_genesis && bare.contains('=') => {
                format!("genesis = \"{GENESIS_FILE}\"")
            }
            _ => line.to_owned(),
        });
    }
    Ok(lines.join("\n") + "\n")
}

/// Whether a configuration names the genesis file that lies beside it.
fn names_genesis(config: &str) -> bool {
    let table: Option<toml::Table> = config.parse().ok();
    let name = table
        .as_ref()
        .and_then(|table| table.get("network")?.get("genesis")?.as_str());
    name == Some(GENESIS_FILE)
}

/// Makes a directory that only its owner looks into.
fn make_dir(dir: &Path, may_exist: bool) -> Result<(), Failure> {
    let made = DirBuilder::new().recursive(may_exist).mode(DIR_MODE).create(dir);
    made.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => SignerError::Exists { path: dir.to_owned() }.into(),
        _ => Failure::io(dir, &error),
    })
}

/// The directory of a file below `root`.
fn make_parent(root: &Path, file: &Path) -> Result<(), Failure> {
    match file.parent() {
        Some(parent) if parent != root => make_dir(parent, true),
        _ => Ok(()),
    }
}

/// The public half of a key in a backup.
fn public_of(backup: &Path, name: &str) -> Result<Option<PublicKey>, Failure> {
    let path = backup.join(name);
    match path.exists() {
        true => Ok(Some(WalletLabel::read(&path)?.public_key)),
        false => Ok(None),
    }
}

/// The consensus key in a backup, or the one that a signer of its own holds.
fn validator_of(backup: &Path) -> Result<Option<PublicKey>, Failure> {
    if let Some(key) = public_of(backup, KEYS[1])? {
        return Ok(Some(key));
    }
    let path = backup.join("keys").join(VALIDATOR_PUBLIC_FILE);
    if !path.exists() {
        return Ok(None);
    }
    let text = content(&path)?;
    let key = std::str::from_utf8(&text)
        .ok()
        .and_then(|text| text.trim().parse().ok());
    key.map(Some).ok_or_else(|| damaged(&path, "it is no public key"))
}

/// Keys of a backup that are not encrypted.
fn plain_keys(backup: &Path, manifest: &Manifest) -> Result<Vec<&'static str>, Failure> {
    let mut plain = Vec::new();
    for name in KEYS.into_iter().filter(|name| manifest.holds(name)) {
        if !is_key_file_encrypted(&backup.join(name))? {
            plain.push(name);
        }
    }
    Ok(plain)
}

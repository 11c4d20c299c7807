//! `timed keys`: make them, show their public halves, and put them under a passphrase. How they leave
//! and arrive is in `key_copy`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::json;

use super::{
    args::{KeyFiles, KeyKind, KeysCommand, Place},
    client::load_place,
    failure::{Code, Failure},
    identity, key_copy, output,
    passphrase::{Passphrases, new_passphrase},
};
use crate::{
    crypto::PublicKey,
    signer::{
        NODE_KEY_FILE, Passphrase, SignerError, VALIDATOR_KEY_FILE, WalletFile, WalletLabel, create_key_dir,
        is_key_file_encrypted, public_key_of,
    },
};

pub(super) fn keys(command: &KeysCommand) -> Result<ExitCode, Failure> {
    match command {
        KeysCommand::Generate { place, kind, out } => generate(place, *kind, out.as_deref())?,
        KeysCommand::Show { place, json } => show(place, *json)?,
        KeysCommand::Encrypt(files) => encrypt(files)?,
        KeysCommand::Decrypt(files) => decrypt(files)?,
        KeysCommand::ChangePassphrase {
            files,
            new_passphrase_file,
        } => change_passphrase(files, new_passphrase_file.as_deref())?,
        KeysCommand::Export(arguments) => key_copy::export(arguments)?,
        KeysCommand::Import(arguments) => key_copy::import(arguments)?,
        KeysCommand::Check(arguments) => {
            if !key_copy::check(arguments)? {
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn generate(place: &Place, kind: KeyKind, out: Option<&Path>) -> Result<(), Failure> {
    if out.is_some() && kind != KeyKind::Wallet {
        return Err(Failure::new(
            Code::Argument,
            "--out is for wallets; node and validator keys live in the data directory, choose it with --data-dir",
        ));
    }
    let loaded = load_place(place)?;
    let dir = loaded.data_dir()?;
    match kind {
        KeyKind::Node => output::line(&format!("node id {}", identity::create_node_key(&dir, None)?)),
        KeyKind::Validator => {
            let id = identity::create_validator_key(&dir, None)?;
            output::line(&format!("validator id {id}"))?;
            output::line(&format!(
                "its consensus log is {}; keep both together",
                dir.consensus().display()
            ))
        }
        KeyKind::Wallet => {
            let path = match out {
                Some(path) => path.to_owned(),
                None => {
                    create_key_dir(&dir.keys())?;
                    dir.keys().join(identity::WALLET_FILE)
                }
            };
            let address = identity::create_wallet(&path, loaded.config.network(), None)?;
            output::line(&format!("address {address}"))?;
            output::line(&format!("in {}", path.display()))
        }
    }
}

fn show(place: &Place, as_json: bool) -> Result<(), Failure> {
    let dir = load_place(place)?.data_dir()?.keys();
    let public = |name: &str| -> Result<Option<PublicKey>, Failure> { found(public_key_of(&dir.join(name))) };
    let node = public(NODE_KEY_FILE)?;
    let validator = public(VALIDATOR_KEY_FILE)?;
    let address = found(WalletLabel::read(&dir.join(identity::WALLET_FILE)))?.and_then(|label| label.address);
    let encrypted = |name: &str| -> Result<bool, Failure> {
        Ok(found(is_key_file_encrypted(&dir.join(name)))?.unwrap_or(false))
    };
    let [node_is, validator_is, wallet_is] = [
        encrypted(NODE_KEY_FILE)?,
        encrypted(VALIDATOR_KEY_FILE)?,
        encrypted(identity::WALLET_FILE)?,
    ];
    if as_json {
        return output::json(&json!({
            "schema": 1, "node_id": node, "validator_id": validator, "address": address,
            "encrypted": { "node": node_is, "validator": validator_is, "wallet": wallet_is },
        }));
    }
    let shown = |key: Option<String>, is_encrypted: bool| match (key, is_encrypted) {
        (Some(key), true) => format!("{key}  encrypted"),
        (Some(key), false) => format!("{key}  not encrypted"),
        (None, _) => "none (`timed keys generate` makes one)".to_owned(),
    };
    let text = |key: Option<PublicKey>| key.map(|key| key.to_string());
    output::line(&format!("node id       {}", shown(text(node), node_is)))?;
    output::line(&format!("validator id  {}", shown(text(validator), validator_is)))?;
    output::line(&format!("address       {}", shown(address, wallet_is)))
}

/// What a file holds; `None` if there is no such file.
fn found<T>(read: Result<T, SignerError>) -> Result<Option<T>, Failure> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(SignerError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn encrypt(files: &KeyFiles) -> Result<(), Failure> {
    let paths = chosen(files, false)?;
    let Some(first) = paths.first() else {
        return output::line("all of them are encrypted already");
    };
    let passphrase = new_passphrase(files.passphrase.passphrase_file.as_deref(), first)?;
    let plain: Vec<WalletFile> = open_all(&paths, &crate::signer::NoPassphrase)?;
    rewrite(&paths, &plain, Some(&passphrase), "encrypted")?;
    output::line("keep the passphrase apart from the keys: without it they are lost")
}

fn decrypt(files: &KeyFiles) -> Result<(), Failure> {
    let paths = chosen(files, true)?;
    if paths.is_empty() {
        return output::line("none of them is encrypted");
    }
    let open = open_all(&paths, &passphrases(files)?)?;
    rewrite(&paths, &open, None, "not encrypted any more")
}

fn change_passphrase(files: &KeyFiles, new: Option<&Path>) -> Result<(), Failure> {
    let paths = chosen(files, true)?;
    let Some(first) = paths.first() else {
        return output::line("none of them is encrypted; use `timed keys encrypt`");
    };
    // All are opened before one is changed, so that a wrong passphrase changes none.
    let open = open_all(&paths, &passphrases(files)?)?;
    let passphrase = new_passphrase(new, first)?;
    rewrite(&paths, &open, Some(&passphrase), "under the new passphrase")
}

fn passphrases(files: &KeyFiles) -> Result<Passphrases, Failure> {
    let loaded = load_place(&files.place)?;
    Ok(Passphrases::of(
        files.passphrase.passphrase_file.as_deref(),
        &loaded,
    ))
}

/// The files that are meant, of those that are encrypted or of those that are not.
fn chosen(files: &KeyFiles, encrypted: bool) -> Result<Vec<PathBuf>, Failure> {
    let dir = load_place(&files.place)?.data_dir()?.keys();
    let named = match (&files.file, files.kind) {
        (Some(file), _) => vec![file.clone()],
        (None, Some(kind)) => vec![dir.join(file_of(kind))],
        (None, None) => {
            let all = [KeyKind::Node, KeyKind::Validator, KeyKind::Wallet];
            let there: Vec<PathBuf> = all
                .into_iter()
                .map(|kind| dir.join(file_of(kind)))
                .filter(|path| path.exists())
                .collect();
            if there.is_empty() {
                let path = dir.join(NODE_KEY_FILE);
                return Err(SignerError::Missing { path }.into());
            }
            there
        }
    };
    let mut chosen = Vec::new();
    for path in named {
        if is_key_file_encrypted(&path)? == encrypted {
            chosen.push(path);
        }
    }
    Ok(chosen)
}

pub(super) const fn file_of(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Node => NODE_KEY_FILE,
        KeyKind::Validator => VALIDATOR_KEY_FILE,
        KeyKind::Wallet => identity::WALLET_FILE,
    }
}

/// A bare key file reads as a wallet without a label, so that one road serves all three.
fn open_all(paths: &[PathBuf], unlock: &dyn crate::signer::Unlock) -> Result<Vec<WalletFile>, Failure> {
    let open = |path: &PathBuf| WalletFile::open(path, unlock).map_err(Failure::from);
    paths.iter().map(open).collect()
}

fn rewrite(
    paths: &[PathBuf],
    keys: &[WalletFile],
    passphrase: Option<&Passphrase>,
    now: &str,
) -> Result<(), Failure> {
    for (path, key) in paths.iter().zip(keys) {
        key.rewrite(path, passphrase)?;
        output::line(&format!("{} is {now}", path.display()))?;
    }
    Ok(())
}

//! `timed keys`: make them, and show their public halves.

use std::{path::Path, process::ExitCode};

use serde_json::json;

use super::{
    args::{KeyKind, KeysCommand, Place},
    client::load_place,
    failure::{Code, Failure},
    identity, output,
};
use crate::{
    crypto::PublicKey,
    signer::{NODE_KEY_FILE, SignerError, VALIDATOR_KEY_FILE, WalletFile, create_key_dir, read_key_file},
};

pub(super) fn keys(command: &KeysCommand) -> Result<ExitCode, Failure> {
    match command {
        KeysCommand::Generate { place, kind, out } => generate(place, *kind, out.as_deref())?,
        KeysCommand::Show { place, json } => show(place, *json)?,
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
        KeyKind::Node => output::line(&format!("node id {}", identity::create_node_key(&dir)?)),
        KeyKind::Validator => {
            let id = identity::create_validator_key(&dir)?;
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
            let address = identity::create_wallet(&path, loaded.config.network())?;
            output::line(&format!("address {address}"))?;
            output::line(&format!("in {}", path.display()))
        }
    }
}

fn show(place: &Place, as_json: bool) -> Result<(), Failure> {
    let dir = load_place(place)?.data_dir()?.keys();
    let public = |name: &str| -> Result<Option<PublicKey>, Failure> {
        match read_key_file(&dir.join(name)) {
            Ok(key) => Ok(Some(key.public_key())),
            Err(SignerError::Missing { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    };
    let node = public(NODE_KEY_FILE)?;
    let validator = public(VALIDATOR_KEY_FILE)?;
    let address = match WalletFile::read(&dir.join(identity::WALLET_FILE)) {
        Ok(wallet) => wallet.address,
        Err(SignerError::Missing { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    if as_json {
        return output::json(&json!({
            "schema": 1, "node_id": node, "validator_id": validator, "address": address,
        }));
    }
    let none = || "none (`timed keys generate` makes one)".to_owned();
    output::line(&format!(
        "node id       {}",
        node.map_or_else(none, |key| key.to_string())
    ))?;
    output::line(&format!(
        "validator id  {}",
        validator.map_or_else(none, |key| key.to_string())
    ))?;
    output::line(&format!("address       {}", address.unwrap_or_else(none)))
}

//! The birth of keys: a consensus key and its log are made together, or not at all.

use std::path::PathBuf;

use super::failure::{Code, Failure};
use crate::{
    chain::{Address, Network},
    config::DataDir,
    crypto::PublicKey,
    signer::{
        NODE_KEY_FILE, Passphrase, VALIDATOR_KEY_FILE, WalletFile, create_key_dir, create_key_file_under,
        generate_key,
    },
    storage::wal::{Wal, WalError},
};

/// File name of the wallet that `init` makes.
pub(super) const WALLET_FILE: &str = "wallet.key.json";

/// Makes `keys/node.key`.
pub(super) fn create_node_key(dir: &DataDir, passphrase: Option<&Passphrase>) -> Result<PublicKey, Failure> {
    create_key_dir(&dir.keys())?;
    let key = generate_key()?;
    create_key_file_under(&dir.keys().join(NODE_KEY_FILE), &key, passphrase)?;
    Ok(key.public_key())
}

/// Makes the consensus log and then `keys/validator.key`.
///
/// In this order, because a key without its log makes a node observe before it signs, while a log
/// without a key is only an empty directory that the next attempt may use.
pub(super) fn create_validator_key(
    dir: &DataDir,
    passphrase: Option<&Passphrase>,
) -> Result<PublicKey, Failure> {
    let path = dir.keys().join(VALIDATOR_KEY_FILE);
    if path.exists() {
        return Err(crate::signer::SignerError::Exists { path }.into());
    }
    create_key_dir(&dir.keys())?;
    create_log(dir)?;
    let key = generate_key()?;
    create_key_file_under(&path, &key, passphrase)?;
    Ok(key.public_key())
}

/// The log of a key that never signed. One that is there already may be used if it holds nothing.
pub(super) fn create_log(dir: &DataDir) -> Result<(), Failure> {
    match Wal::create(&dir.consensus()) {
        Ok(_) => Ok(()),
        Err(WalError::AlreadyExists { dir: log }) => refuse_used_log(log),
        Err(error) => Err(error.into()),
    }
}

fn refuse_used_log(log: PathBuf) -> Result<(), Failure> {
    let (_, recovered) = Wal::open(&log)?;
    if recovered.records.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        Code::AlreadyInitialised,
        format!(
            "{} holds what another key has signed; restore that key, or move the directory away if it is retired",
            log.display()
        ),
    ))
}

/// Makes a wallet file and tells its address.
pub(super) fn create_wallet(
    path: &std::path::Path,
    network: Network,
    passphrase: Option<&Passphrase>,
) -> Result<String, Failure> {
    let key = generate_key()?;
    let address = Address::of(&key.public_key()).to_text(network);
    WalletFile::create_under(path, &key, network.name(), &address, passphrase)?;
    Ok(address)
}

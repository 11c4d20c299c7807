//! `timed wallet`: the address of a wallet file, and what it owns.

use std::{path::Path, process::ExitCode};

use super::{
    args::WalletCommand,
    client::{block_on, client},
    failure::{Code, Failure},
    output, tx,
};
use crate::{
    chain::{Address, Amount, Network},
    control::{UtxoEntry, words::counted},
    rpc::client::Client,
    signer::{Unlock, WalletFile, WalletLabel},
};

pub(super) fn wallet(command: &WalletCommand) -> Result<ExitCode, Failure> {
    match command {
        WalletCommand::Address { wallet, network } => {
            let network = network.as_deref().map(parse_network).transpose()?;
            output::line(&address_of(wallet, network)?)?;
        }
        WalletCommand::Utxos {
            question,
            wallet,
            address,
        } => {
            let client = client(&question.asked)?;
            let utxos = block_on(async {
                let address = whose(&client, wallet.as_deref(), address.as_deref()).await?;
                Ok(tx::all_utxos(&client, &address).await?)
            })?;
            if question.json {
                output::json(&utxos)?;
            } else {
                show_utxos(&utxos)?;
            }
        }
        WalletCommand::Balance {
            question,
            wallet,
            address,
        } => {
            let client = client(&question.asked)?;
            let balance = block_on(async {
                let address = whose(&client, wallet.as_deref(), address.as_deref()).await?;
                Ok(client.balance(&address).await?)
            })?;
            if question.json {
                output::json(&balance)?;
            } else {
                output::line(&format!(
                    "{} TIME in {} at height {}, of which {} can be spent now and {} are locked as collateral",
                    Amount::from_units(balance.amount),
                    counted(balance.utxos, "output"),
                    balance.height,
                    Amount::from_units(balance.spendable),
                    Amount::from_units(balance.locked),
                ))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One line per output, in the order of ids.
fn show_utxos(utxos: &[UtxoEntry]) -> Result<(), Failure> {
    for utxo in utxos {
        let state = match (utxo.locked_for, utxo.matures) {
            (Some(id), _) => format!("locked for masternode {}", id.short()),
            (None, Some(height)) => format!("reward, can be spent from height {height}"),
            (None, None) => "can be spent".to_owned(),
        };
        output::line(&format!(
            "{}:{}  {:>20} TIME  height {}  {state}",
            utxo.txid,
            utxo.index,
            Amount::from_units(utxo.amount).to_string(),
            utxo.height
        ))?;
    }
    Ok(())
}

/// The address that a wallet file or an argument names, on the node's network.
async fn whose(client: &Client, wallet: Option<&Path>, address: Option<&str>) -> Result<String, Failure> {
    let network = parse_network(&client.status().await?.network)?;
    match (wallet, address) {
        (Some(path), _) => address_of(path, Some(network)),
        (None, Some(address)) => Ok(address.to_owned()),
        (None, None) => Err(Failure::new(Code::Argument, "name --wallet or --address")),
    }
}

/// Opens a wallet file; gives it and its address on `network`, or on the file's own.
pub(super) fn open(
    path: &Path,
    network: Option<Network>,
    unlock: &dyn Unlock,
) -> Result<(WalletFile, String), Failure> {
    let wallet = WalletFile::open(path, unlock)?;
    let label = WalletLabel {
        public_key: wallet.key.public_key(),
        network: wallet.network.clone(),
        address: wallet.address.clone(),
    };
    let address = checked_address(path, network, &label)?;
    Ok((wallet, address))
}

/// The address of a wallet file on `network`, or on the file's own; needs no passphrase.
pub(super) fn address_of(path: &Path, network: Option<Network>) -> Result<String, Failure> {
    checked_address(path, network, &WalletLabel::read(path)?)
}

/// The address of the public key, if the file's own words agree with it.
fn checked_address(path: &Path, network: Option<Network>, label: &WalletLabel) -> Result<String, Failure> {
    let own = label.network.as_deref().map(parse_network).transpose()?;
    let network = match (network, own) {
        (Some(asked), Some(own)) if asked != own => {
            return Err(Failure::new(
                Code::Argument,
                format!(
                    "{} is a wallet for {own}, not for {asked}; choose another wallet or node",
                    path.display()
                ),
            ));
        }
        (Some(network), _) | (None, Some(network)) => network,
        (None, None) => {
            return Err(Failure::new(
                Code::Argument,
                format!("{} names no network; say which with --network", path.display()),
            ));
        }
    };
    let address = Address::of(&label.public_key).to_text(network);
    if label.address.as_ref().is_some_and(|written| *written != address) {
        return Err(Failure::new(
            Code::KeyUnreadable,
            format!(
                "{} names an address that is not its key's; restore it from your backup",
                path.display()
            ),
        ));
    }
    Ok(address)
}

pub(super) fn parse_network(name: &str) -> Result<Network, Failure> {
    name.parse()
        .map_err(|error| Failure::new(Code::Argument, format!("{error}")))
}

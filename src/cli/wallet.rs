//! `timed wallet`: the address of a wallet file, and what it owns.

use std::{path::Path, process::ExitCode};

use super::{
    args::WalletCommand,
    client::{block_on, client},
    failure::{Code, Failure},
    output,
};
use crate::{
    chain::{Address, Amount, Network},
    control::words::counted,
    signer::WalletFile,
};

pub(super) fn wallet(command: &WalletCommand) -> Result<ExitCode, Failure> {
    match command {
        WalletCommand::Address { wallet, network } => {
            let network = network.as_deref().map(parse_network).transpose()?;
            let (_, address) = open(wallet, network)?;
            output::line(&address)?;
        }
        WalletCommand::Balance {
            asked,
            wallet,
            address,
            json,
        } => {
            let client = client(asked)?;
            let balance = block_on(async {
                let network = parse_network(&client.status().await?.network)?;
                let address = match (wallet, address) {
                    (Some(path), _) => open(path, Some(network))?.1,
                    (None, Some(address)) => address.clone(),
                    (None, None) => return Err(Failure::new(Code::Argument, "name --wallet or --address")),
                };
                Ok(client.balance(&address).await?)
            })?;
            if *json {
                output::json(&balance)?;
            } else {
                output::line(&format!(
                    "{} TIME in {} at height {}",
                    Amount::from_units(balance.amount),
                    counted(balance.utxos, "output"),
                    balance.height
                ))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads a wallet file and its address on `network`, or on the file's own.
pub(super) fn open(path: &Path, network: Option<Network>) -> Result<(WalletFile, String), Failure> {
    let wallet = WalletFile::read(path)?;
    let own = wallet.network.as_deref().map(parse_network).transpose()?;
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
    let address = Address::of(&wallet.key.public_key()).to_text(network);
    if wallet.address.as_ref().is_some_and(|written| *written != address) {
        return Err(Failure::new(
            Code::KeyUnreadable,
            format!(
                "{} names an address that is not its key's; restore it from your backup",
                path.display()
            ),
        ));
    }
    Ok((wallet, address))
}

pub(super) fn parse_network(name: &str) -> Result<Network, Failure> {
    name.parse()
        .map_err(|error| Failure::new(Code::Argument, format!("{error}")))
}

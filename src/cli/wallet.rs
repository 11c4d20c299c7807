//! `timed wallet`: the addresses of wallet files, and what they own.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::json;

use super::{
    args::{Owners, Place, WalletCommand},
    client::{block_on, client, load_place},
    failure::{Code, Failure},
    identity::WALLET_FILE,
    output, payer, wallet_history,
};
use crate::{
    chain::{Address, Amount, Network},
    control::{BalanceView, PendingOutput, UtxoEntry, words::counted},
    crypto::Hash256,
    rpc::client::Client,
    signer::{Unlock, WalletFile, WalletLabel},
};

/// Directory of further wallets, in `keys/`.
const WALLETS_DIR: &str = "wallets";
/// Ending of a wallet's file.
const WALLET_SUFFIX: &str = ".key.json";

pub(super) fn wallet(command: &WalletCommand) -> Result<ExitCode, Failure> {
    match command {
        WalletCommand::Address { wallet, place, json } => {
            let network = place.network.as_deref().map(parse_network).transpose()?;
            let own = match wallet.is_empty() {
                true => wallets_of(place)?,
                false => Vec::new(),
            };
            let addresses: Vec<String> = wallet
                .iter()
                .chain(&own)
                .map(|path| address_of(path, network))
                .collect::<Result<_, _>>()?;
            match json {
                true => output::json(&json!({ "schema": 1, "addresses": addresses }))?,
                false => {
                    for address in &addresses {
                        output::line(address)?;
                    }
                }
            }
        }
        WalletCommand::Utxos { question, owners } => {
            let client = client(&question.asked)?;
            let owned = block_on(async {
                let mut owned = Vec::new();
                for address in whose(&client, owners, &question.asked.place).await? {
                    let pending = payer::all_pending(&client, &address).await?;
                    let utxos = payer::all_utxos(&client, &address).await?;
                    owned.push((address, utxos, pending));
                }
                Ok(owned)
            })?;
            match question.json {
                true => output::json(&json!({
                    "schema": 1,
                    "addresses": owned.iter().map(|(address, utxos, pending)| json!({
                        "address": address, "utxos": utxos, "pending": pending,
                    })).collect::<Vec<_>>(),
                }))?,
                false => {
                    let is_alone = owned.len() == 1;
                    for (address, utxos, pending) in &owned {
                        if !is_alone {
                            output::line(address)?;
                        }
                        show_utxos(utxos, pending)?;
                    }
                }
            }
        }
        WalletCommand::Balance { question, owners } => {
            let client = client(&question.asked)?;
            let balances = block_on(async {
                let mut balances = Vec::new();
                for address in whose(&client, owners, &question.asked.place).await? {
                    balances.push(client.balance(&address).await?);
                }
                Ok(balances)
            })?;
            let total = total(&balances);
            match question.json {
                true => output::json(&json!({ "schema": 1, "addresses": balances, "total": total }))?,
                false => {
                    if balances.len() > 1 {
                        for balance in &balances {
                            output::line(&format!("{}  {}", balance.address, sentence(balance)))?;
                        }
                    }
                    output::line(&sentence(&total))?;
                }
            }
        }
        WalletCommand::History {
            question,
            owners,
            skip,
            limit,
        } => wallet_history::history(question, owners, *skip, *limit)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// All of them together, at the lowest of their heights.
pub(super) fn total(balances: &[BalanceView]) -> BalanceView {
    let mut total = BalanceView {
        height: balances.iter().map(|balance| balance.height).min().unwrap_or(0),
        ..BalanceView::default()
    };
    for balance in balances {
        for (sum, part) in [
            (&mut total.amount, balance.amount),
            (&mut total.utxos, balance.utxos),
            (&mut total.spendable, balance.spendable),
            (&mut total.locked, balance.locked),
            (&mut total.pending_out, balance.pending_out),
            (&mut total.pending_in, balance.pending_in),
        ] {
            *sum = sum.saturating_add(part);
        }
    }
    total
}

fn sentence(balance: &BalanceView) -> String {
    let time = |units: u64| Amount::from_units(units);
    let mut sentence = format!(
        "{} TIME in {} at height {}, of which {} can be spent now and {} are locked as collateral",
        time(balance.amount),
        counted(balance.utxos, "output"),
        balance.height,
        time(balance.spendable),
        time(balance.locked),
    );
    if balance.pending_out > 0 || balance.pending_in > 0 {
        sentence += &format!(
            "; waiting transactions spend {} and pay {} to it",
            time(balance.pending_out),
            time(balance.pending_in),
        );
    }
    sentence
}

/// One line per output, in the order of ids: what is final, then what is on its way.
fn show_utxos(utxos: &[UtxoEntry], pending: &[PendingOutput]) -> Result<(), Failure> {
    for utxo in utxos {
        let state = match (utxo.locked_for, utxo.matures, utxo.spent_by) {
            (Some(id), _, _) => format!("locked for masternode {}", id.short()),
            (None, _, Some(by)) => format!("{}, spent by {}", utxo.state.word(), by.short()),
            (None, Some(height), None) => format!("reward, can be spent from height {height}"),
            (None, None, None) => "can be spent".to_owned(),
        };
        let height = format!("height {}", utxo.height);
        show_output(&utxo.txid, utxo.index, utxo.amount, &height, &state)?;
    }
    for output in pending {
        let state = match output.is_collateral {
            true => "will be locked as collateral",
            false => "unconfirmed",
        };
        show_output(&output.txid, output.index, output.amount, "not final", state)?;
    }
    Ok(())
}

fn show_output(txid: &Hash256, index: u32, units: u64, height: &str, state: &str) -> Result<(), Failure> {
    output::line(&format!(
        "{txid}:{index}  {:>20} TIME  {height}  {state}",
        Amount::from_units(units).to_string(),
    ))
}

/// The wallets of a node's data directory: the one that `init` made, then the others by name.
fn wallets_of(place: &Place) -> Result<Vec<PathBuf>, Failure> {
    let keys = load_place(place)?.data_dir()?.keys();
    let others = std::fs::read_dir(keys.join(WALLETS_DIR))
        .into_iter()
        .flatten()
        .flatten();
    let is_wallet = |path: &PathBuf| path.to_string_lossy().ends_with(WALLET_SUFFIX);
    let mut found: Vec<PathBuf> = others.map(|entry| entry.path()).filter(is_wallet).collect();
    found.sort_unstable();
    found.insert(0, keys.join(WALLET_FILE));
    found.retain(|path| path.is_file());
    if found.is_empty() {
        return Err(Failure::new(
            Code::Argument,
            format!(
                "there is no wallet in {}; name one with --wallet, or an --address",
                keys.display()
            ),
        ));
    }
    Ok(found)
}

/// The addresses that wallet files and arguments name, else those of the data directory's wallets; each once,
/// on the node's network.
pub(super) async fn whose(client: &Client, owners: &Owners, place: &Place) -> Result<Vec<String>, Failure> {
    let own = match owners.wallet.is_empty() && owners.address.is_empty() {
        true => wallets_of(place)?,
        false => Vec::new(),
    };
    let network = parse_network(&client.status().await?.network)?;
    let mut addresses: Vec<String> = Vec::new();
    let of_wallets = owners
        .wallet
        .iter()
        .chain(&own)
        .map(|path| address_of(path, Some(network)));
    let named = owners.address.iter().map(|text| {
        let address = Address::from_text(text, network);
        let address = address.map_err(|error| Failure::new(Code::Argument, format!("--address: {error}")))?;
        Ok(address.to_text(network))
    });
    for address in of_wallets.chain(named) {
        let address = address?;
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(addresses)
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

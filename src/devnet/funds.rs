//! Where traffic gets its coins: the outputs that wallets own on the chain, split if they are few.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use super::{
    DevnetError,
    coins::{Coin, Purse},
    target::{Submission, Target},
};
use crate::{
    chain::{Address, Amount, Network, OutPoint, TxId},
    control::{Page, TransactionState},
    crypto::SecretKey,
    signer::WalletFile,
};

/// Coins that are read at most: more than the fastest traffic has in flight.
const COINS_MAX: usize = 50_000;
/// Pieces that one coin is split into; a transaction has at most 256 outputs.
const PIECES_MAX: usize = 200;
/// Rounds of splitting: 200 pieces each, so that two are enough for any rate.
const ROUNDS_MAX: usize = 3;
/// How long a splitting transaction may take to become final.
const SPLIT_LIMIT: Duration = Duration::from_secs(30);
/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Reads a wallet for `network`.
///
/// # Errors
/// [`DevnetError::Key`] if the file cannot be read, [`DevnetError::WalletNetwork`] if it is another
/// network's.
pub(super) fn read_wallet(path: &Path, network: Network) -> Result<SecretKey, DevnetError> {
    let file = WalletFile::read(path)?;
    match file.network {
        Some(found) if found != network.name() => Err(DevnetError::WalletNetwork {
            path: path.to_owned(),
            found,
            expected: network.name().to_owned(),
        }),
        Some(_) | None => Ok(file.key),
    }
}

/// Fills the purse with what its keys own on `target`, spread over its `nodes` nodes.
///
/// # Errors
/// [`DevnetError::NoCoins`] if that is nothing, [`DevnetError::Prepare`] if the node does not tell.
pub(super) async fn fill(
    purse: &mut Purse,
    target: &Target,
    network: Network,
    nodes: usize,
) -> Result<(), DevnetError> {
    let addresses: Vec<Address> = purse.addresses().collect();
    let mut turn = 0;
    for (owner, address) in addresses.iter().enumerate() {
        let text = address.to_text(network);
        let mut skip = 0;
        while turn < COINS_MAX {
            let page = Page::new(skip, Page::LIMIT_MAX);
            let entries = target.utxos(text.clone(), page).await;
            let entries = entries.map_err(|_| unprepared("the node does not tell what the wallet owns"))?;
            // Collateral, young rewards and what the pool already spends would only be refused.
            for entry in entries.iter().filter(|entry| entry.is_spendable()) {
                let coin = Coin {
                    outpoint: OutPoint::new(TxId::from_hash(entry.txid), entry.index),
                    amount: Amount::from_units(entry.amount),
                    owner,
                };
                purse.add(turn % nodes, [coin]);
                turn += 1;
            }
            if entries.len() < Page::LIMIT_MAX as usize {
                break;
            }
            skip += Page::LIMIT_MAX;
        }
    }
    if turn == 0 {
        let address = addresses.first().map(|address| address.to_text(network));
        return Err(DevnetError::NoCoins {
            address: address.unwrap_or_default(),
        });
    }
    Ok(())
}

/// Splits the coins that the first node of a purse has in stock until there are `wanted`.
///
/// # Errors
/// [`DevnetError::Prepare`] if a splitting transaction is refused or does not become final.
pub(super) async fn split(purse: &mut Purse, target: &Target, wanted: usize) -> Result<(), DevnetError> {
    for _ in 0..ROUNDS_MAX {
        let have = purse.stock(0);
        if have >= wanted {
            return Ok(());
        }
        let mut open = Vec::new();
        let mut missing = wanted - have;
        while missing > 0 {
            let pieces = (missing + 1).clamp(2, PIECES_MAX);
            let Some(made) = purse.split(0, pieces) else {
                break;
            };
            match target.submit(made.transaction.canonical_bytes()).await {
                Submission::Accepted => {}
                Submission::Refused(code) => {
                    return Err(unprepared(&format!("the node refused to ({code})")));
                }
                Submission::Unknown => return Err(unprepared("the node does not answer")),
            }
            missing = missing.saturating_sub(pieces - 1);
            open.push(made);
        }
        if open.is_empty() {
            return Err(unprepared("they are too small"));
        }
        let until = Instant::now() + SPLIT_LIMIT;
        for made in open {
            wait_final(target, made.transaction.txid(), until).await?;
            purse.add(0, made.created);
        }
    }
    Ok(())
}

async fn wait_final(target: &Target, txid: TxId, until: Instant) -> Result<(), DevnetError> {
    loop {
        let view = target.transaction(*txid.as_hash()).await;
        if view.is_ok_and(|view| view.state == TransactionState::Final) {
            return Ok(());
        }
        if Instant::now() >= until {
            return Err(unprepared("it does not become final; see `timed status`"));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn unprepared(reason: &str) -> DevnetError {
    DevnetError::Prepare {
        reason: reason.to_owned(),
    }
}

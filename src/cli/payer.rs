//! Whoever pays for a transaction: one wallet or several, what they can spend now, and sending it.
//!
//! What the pool already spends is left alone; what comes back from our own payments that are not final yet
//! is spent when nothing else is enough. Two payments may still choose the same output, if they are made at
//! the same moment: the pool takes one of them, and the other looks again.

use std::path::PathBuf;

use super::{
    args::Question,
    client::client,
    failure::{Code, Failure},
    output,
    payment::{self, Order, Spendable},
    tx, wallet,
};
use crate::{
    chain::{Address, Amount, Network, OutPoint, TxId},
    control::{Page, PendingOutput, UtxoEntry, words::grouped},
    crypto::{Hash256, SecretKey},
    rpc::client::{Client, ClientError},
    signer::Unlock,
};

/// Pages of an address's outputs that are read: of 10 000 outputs 256 can be spent at once.
const PAGES_MAX: u32 = 10;
/// How often a payment is built again because somebody else spent what it chose.
const ATTEMPTS_MAX: usize = 5;

/// Opened wallets on one chain.
pub(super) struct Payer {
    pub(super) client: Client,
    pub(super) chain_id: Hash256,
    pub(super) network: Network,
    /// Key and address of each wallet; the first owns what is made, and gets the change.
    owners: Vec<(SecretKey, String)>,
}

/// A transaction that the pool took.
pub(super) struct Sent {
    pub(super) txid: Hash256,
    pub(super) fee: Amount,
    /// The block it is final in, if that was waited for.
    pub(super) height: Option<u64>,
}

impl Payer {
    /// Opens the wallet files for the chain of the node that is asked.
    pub(super) async fn open(
        question: &Question,
        wallets: &[PathBuf],
        unlock: &dyn Unlock,
    ) -> Result<Self, Failure> {
        let client = client(&question.asked)?;
        let status = client.status().await?;
        let network = wallet::parse_network(&status.network)?;
        let mut owners: Vec<(SecretKey, String)> = Vec::new();
        for path in wallets {
            let (opened, address) = wallet::open(path, Some(network), unlock)?;
            if owners.iter().all(|(_, known)| *known != address) {
                owners.push((opened.key, address));
            }
        }
        if owners.is_empty() {
            return Err(Failure::new(
                Code::Argument,
                "name the wallet that pays with --wallet",
            ));
        }
        Ok(Self {
            client,
            chain_id: status.chain_id,
            network,
            owners,
        })
    }

    /// The address of the first wallet.
    pub(super) fn address(&self) -> Address {
        let first = self.owners.first();
        first.map_or(Address::from_bytes([0; 20]), |(key, _)| {
            Address::of(&key.public_key())
        })
    }

    /// An address in text; without one, the first wallet's.
    pub(super) fn address_or_own(&self, text: Option<&String>, flag: &str) -> Result<Address, Failure> {
        match text {
            Some(text) => Address::from_text(text, self.network)
                .map_err(|error| Failure::new(Code::Argument, format!("{flag}: {error}"))),
            None => Ok(self.address()),
        }
    }

    /// Signs, submits, and waits if that was asked for.
    pub(super) async fn send(&self, order: Order, wait_final: bool) -> Result<Sent, Failure> {
        let keys: Vec<&SecretKey> = self.owners.iter().map(|(key, _)| key).collect();
        let mut attempts = 0;
        let (txid, fee) = loop {
            attempts += 1;
            let (coins, away) = self.spendable().await?;
            let signed = payment::build(order.clone(), &coins, away, &keys, &self.chain_id)?;
            let bytes = signed.transaction.canonical_bytes();
            match self.client.submit(&bytes).await {
                Ok(txid) => break (txid, signed.fee),
                Err(error) if was_taken(&error) && attempts < ATTEMPTS_MAX => {}
                Err(error) => return Err(error.into()),
            }
        };
        let height = match wait_final {
            true => tx::wait_final(&self.client, txid).await?.height,
            false => None,
        };
        Ok(Sent { txid, fee, height })
    }

    /// What the wallets can spend now, and what they own in transactions that are not final yet and that
    /// nobody may build on.
    async fn spendable(&self) -> Result<(Vec<Spendable>, Amount), Failure> {
        let mut coins = Vec::new();
        let mut away = 0_u64;
        for (owner, (_, address)) in self.owners.iter().enumerate() {
            // The pool first: what becomes final in between is then in both, and counts once.
            let pending = all_pending(&self.client, address).await?;
            let utxos = all_utxos(&self.client, address).await?;
            for utxo in utxos.iter().filter(|utxo| utxo.is_spendable()) {
                coins.push(Spendable {
                    outpoint: OutPoint::new(TxId::from_hash(utxo.txid), utxo.index),
                    amount: Amount::from_units(utxo.amount),
                    owner,
                    is_final: true,
                });
            }
            for output in pending {
                let is_known = utxos
                    .iter()
                    .any(|utxo| (utxo.txid, utxo.index) == (output.txid, output.index));
                if is_known {
                    continue;
                }
                match self.is_ours(&output) {
                    true => coins.push(Spendable {
                        outpoint: OutPoint::new(TxId::from_hash(output.txid), output.index),
                        amount: Amount::from_units(output.amount),
                        owner,
                        is_final: false,
                    }),
                    false => away = away.saturating_add(output.amount),
                }
            }
        }
        Ok((coins, Amount::from_units(away)))
    }

    /// True for change: what somebody else pays could still be spent otherwise by whoever pays it.
    fn is_ours(&self, output: &PendingOutput) -> bool {
        let is_own = |payer: &String| self.owners.iter().any(|(_, address)| address == payer);
        !output.is_collateral && !output.from.is_empty() && output.from.iter().all(is_own)
    }
}

/// True if the pool or the chain spends otherwise what a payment chose.
fn was_taken(error: &ClientError) -> bool {
    matches!(error.code(), Some("double_spend" | "missing_inputs"))
}

/// What an address owns in final blocks, as far as a wallet reads it; says so if there is more.
pub(super) async fn all_utxos(client: &Client, address: &str) -> Result<Vec<UtxoEntry>, ClientError> {
    let mut all: Vec<UtxoEntry> = Vec::new();
    for _ in 0..PAGES_MAX {
        let last = all.last();
        let after = last.map(|last| OutPoint::new(TxId::from_hash(last.txid), last.index));
        let found = client
            .utxos(address, after, Page::new(0, Page::LIMIT_MAX))
            .await?;
        let is_last = found.len() < Page::LIMIT_MAX as usize;
        all.extend(found);
        if is_last {
            return Ok(all);
        }
    }
    say_cut(address, "outputs");
    Ok(all)
}

/// What waits for an address, as far as a wallet reads it; says so if there is more.
pub(super) async fn all_pending(client: &Client, address: &str) -> Result<Vec<PendingOutput>, ClientError> {
    let mut all = Vec::new();
    for page in 0..PAGES_MAX {
        let page = Page::new(page * Page::LIMIT_MAX, Page::LIMIT_MAX);
        let found = client.pending(address, page).await?;
        let is_last = found.len() < Page::LIMIT_MAX as usize;
        all.extend(found);
        if is_last {
            return Ok(all);
        }
    }
    say_cut(address, "outputs that wait");
    Ok(all)
}

fn say_cut(address: &str, what: &str) {
    output::diagnostic(&format!(
        "{address}: only the first {} {what} are looked at; join them by payments to yourself if you need the others",
        grouped(u64::from(PAGES_MAX * Page::LIMIT_MAX)),
    ));
}

//! `timed tx`: pay, and see where a payment stands.

use std::{process::ExitCode, time::Duration};

use serde_json::json;

use super::{
    args::{SendArguments, TxCommand},
    client::{block_on, client},
    failure::{Code, Failure},
    masternode, output,
    payment::{self, Order},
    wallet,
};
use crate::{
    chain::{Address, Amount},
    control::{Page, TransactionState, TransactionView, UtxoEntry},
    crypto::Hash256,
    rpc::client::{Client, ClientError},
};

/// How often `--wait-final` asks.
const POLL: Duration = Duration::from_millis(100);
/// How long `--wait-final` waits: two block intervals of the slowest network.
const WAIT_FINAL: Duration = Duration::from_secs(1200);
/// Pages of a wallet's outputs that are read: 10 000 outputs, of which 256 can be spent at once.
const PAGES_MAX: u32 = 10;

pub(super) fn tx(command: &TxCommand) -> Result<ExitCode, Failure> {
    match command {
        TxCommand::Send(arguments) => send(arguments),
        TxCommand::Show {
            asked,
            txid,
            wait_final: waits,
        } => {
            let txid: Hash256 = txid
                .parse()
                .map_err(|error| Failure::new(Code::Argument, format!("transaction id: {error}")))?;
            let client = client(asked)?;
            let view = block_on(async {
                match waits {
                    true => wait_final(&client, txid).await,
                    false => Ok(client.transaction(txid).await?),
                }
            })?;
            output::json(&view)?;
            if view.state == TransactionState::Unknown {
                return Err(Failure::new(
                    Code::NotFound,
                    "this node does not know the transaction; ask another, or send it again",
                ));
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn send(arguments: &SendArguments) -> Result<ExitCode, Failure> {
    let amount = |text: &str| -> Result<Amount, Failure> {
        text.parse()
            .map_err(|error| Failure::new(Code::Argument, format!("`{text}` is {error}")))
    };
    let value = amount(&arguments.amount)?;
    let fee = arguments.payment.fee.as_deref().map(amount).transpose()?;
    let passphrases = masternode::passphrases(&arguments.payment)?;
    let client = client(&arguments.payment.question.asked)?;
    block_on(async {
        let status = client.status().await?;
        let network = wallet::parse_network(&status.network)?;
        let to = Address::from_text(&arguments.to, network)
            .map_err(|error| Failure::new(Code::Argument, format!("--to: {error}")))?;
        let (wallet, from) = wallet::open(&arguments.payment.wallet, Some(network), &passphrases)?;
        let utxos = all_utxos(&client, &from).await?;
        let order = Order::transfer(to, value, fee);
        let signed = payment::build(order, &utxos, &wallet.key, &status.chain_id)?;
        let txid = client.submit(&signed.transaction.canonical_bytes()).await?;
        let view = match arguments.payment.wait_final {
            true => Some(wait_final(&client, txid).await?),
            false => None,
        };
        if arguments.payment.question.json {
            output::json(&json!({
                "schema": 1,
                "txid": txid,
                "fee": signed.fee.units(),
                "state": view.as_ref().map_or(TransactionState::Pending, |view| view.state),
                "height": view.as_ref().and_then(|view| view.height),
            }))?;
        } else {
            output::line(&txid.to_string())?;
            if let Some(height) = view.and_then(|view| view.height) {
                output::diagnostic(&format!("final at height {height}, fee {} TIME", signed.fee));
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

pub(super) async fn all_utxos(client: &Client, address: &str) -> Result<Vec<UtxoEntry>, ClientError> {
    let mut all = Vec::new();
    for page in 0..PAGES_MAX {
        let found = client
            .utxos(address, Page::new(page * Page::LIMIT_MAX, Page::LIMIT_MAX))
            .await?;
        let is_last = found.len() < Page::LIMIT_MAX as usize;
        all.extend(found);
        if is_last {
            break;
        }
    }
    Ok(all)
}

pub(super) async fn wait_final(client: &Client, txid: Hash256) -> Result<TransactionView, Failure> {
    let waited = tokio::time::timeout(WAIT_FINAL, async {
        loop {
            let view = client.transaction(txid).await?;
            match view.state {
                TransactionState::Final => return Ok(view),
                TransactionState::Rejected => {
                    let reason = view.reason.unwrap_or_else(|| "no reason is known".to_owned());
                    return Err(Failure::new(
                        Code::Refused,
                        format!("{txid} was rejected: {reason}; build it again"),
                    ));
                }
                TransactionState::Unknown | TransactionState::Pending | TransactionState::Proposed => {
                    tokio::time::sleep(POLL).await;
                }
            }
        }
    });
    waited.await.unwrap_or_else(|_| {
        Err(Failure::new(
            Code::NotFinal,
            format!(
                "{txid} is not final after {} s; see `timed status` for what the chain waits for",
                WAIT_FINAL.as_secs()
            ),
        ))
    })
}

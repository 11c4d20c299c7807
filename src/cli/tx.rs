//! `timed tx`: pay, and see where a payment stands.

use std::{process::ExitCode, time::Duration};

use serde_json::json;

use super::{
    args::{SendArguments, TxCommand},
    client::{block_on, client},
    failure::{Code, Failure},
    masternode, output,
    payer::Payer,
    payment::Order,
};
use crate::{
    chain::Amount,
    control::{TransactionState, TransactionView},
    crypto::Hash256,
    rpc::client::Client,
};

/// How often `--wait-final` asks.
const POLL: Duration = Duration::from_millis(100);
/// How long `--wait-final` waits: two block intervals of the slowest network.
const WAIT_FINAL: Duration = Duration::from_secs(1200);
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
    block_on(async {
        let payer = Payer::open(&arguments.payment.question, &arguments.wallet, &passphrases).await?;
        let to = payer.address_or_own(Some(&arguments.to), "--to")?;
        let order = Order::transfer(to, value, fee);
        let sent = payer.send(order, arguments.payment.wait_final).await?;
        let state = match sent.height {
            Some(_) => TransactionState::Final,
            None => TransactionState::Pending,
        };
        if arguments.payment.question.json {
            output::json(&json!({
                "schema": 1,
                "txid": sent.txid,
                "fee": sent.fee.units(),
                "state": state,
                "height": sent.height,
            }))?;
        } else {
            output::line(&sent.txid.to_string())?;
            if let Some(height) = sent.height {
                output::diagnostic(&format!("final at height {height}, fee {} TIME", sent.fee));
            }
        }
        Ok(ExitCode::SUCCESS)
    })
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

//! `timed status --wait`: returns once a running node has come to where somebody wants it.

use std::time::{Duration, Instant};

use super::failure::{Code, Failure};
use crate::{
    control::{
        TransactionState,
        status_json::{HealthJson, StatusJson},
        words::counted,
    },
    crypto::Hash256,
    rpc::client::{Client, ClientError},
};

/// How often it looks again.
const POLL: Duration = Duration::from_millis(250);

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    /// `/ready` is 200.
    Ready,
    /// No block is missing.
    Synced,
    /// This height is final here.
    Height(u64),
    /// This transaction is final here.
    Final(Hash256),
}

/// `ready`, `synced`, `height=N` or `final=TXID`.
pub(super) fn goal(text: &str) -> Result<Goal, String> {
    let wrong = || "write ready, synced, height=N or final=TXID".to_owned();
    match text.split_once('=') {
        None if text == "ready" => Ok(Goal::Ready),
        None if text == "synced" => Ok(Goal::Synced),
        Some(("height", height)) => height.parse().map(Goal::Height).map_err(|_| wrong()),
        Some(("final", txid)) => txid.parse().map(Goal::Final).map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

/// Waits until the goal is reached, at most `limit`, and gives the node's last answers. A node that does
/// not answer may be starting, so that is no reason to give up earlier.
pub(super) async fn wait(
    client: &Client,
    goal: Goal,
    limit: Duration,
) -> Result<(StatusJson, HealthJson), Failure> {
    let until = Instant::now() + limit;
    loop {
        let missing = match look(client, goal).await {
            Ok(Look::There(answers)) => return Ok(*answers),
            Ok(Look::Never(reason)) => return Err(Failure::new(Code::Refused, reason)),
            Ok(Look::Missing(missing)) => missing,
            Err(error) => error.to_string(),
        };
        if Instant::now() >= until {
            return Err(Failure::new(
                Code::NotInTime,
                format!("not within {} s: {missing}", limit.as_secs()),
            ));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// What one look finds.
enum Look {
    /// It is reached.
    There(Box<(StatusJson, HealthJson)>),
    /// Not yet: what is missing.
    Missing(String),
    /// It will not be.
    Never(String),
}

async fn look(client: &Client, goal: Goal) -> Result<Look, ClientError> {
    let (status, health) = (client.status().await?, client.ready().await?);
    let waiting = match status.waiting_for.is_empty() {
        true => String::new(),
        false => format!(", waiting: {}", status.waiting_for),
    };
    let missing = match goal {
        Goal::Ready => (!health.ready).then(|| {
            let failing = health.checks.iter().filter(|check| !check.ok);
            let named: Vec<String> = failing
                .map(|check| format!("{}: {}", check.name, check.detail))
                .collect();
            format!("not ready: {}", named.join("; "))
        }),
        Goal::Synced => (status.syncing || status.blocks_behind > 0)
            .then(|| format!("{} behind", counted(status.blocks_behind, "block"))),
        Goal::Height(height) => {
            (status.height < height).then(|| format!("the height is {}{waiting}", status.height))
        }
        Goal::Final(txid) => {
            let view = client.transaction(txid).await?;
            match view.state {
                TransactionState::Final => None,
                TransactionState::Rejected => {
                    let reason = view.reason.unwrap_or_else(|| "no reason is known".to_owned());
                    return Ok(Look::Never(format!(
                        "{txid} was rejected: {reason}; build it again"
                    )));
                }
                TransactionState::Unknown => Some("the node does not know this transaction".to_owned()),
                TransactionState::Pending => Some(format!("the transaction is in the pool{waiting}")),
                TransactionState::Proposed => Some(format!("the transaction is in a proposal{waiting}")),
            }
        }
    };
    Ok(match missing {
        None => Look::There(Box::new((status, health))),
        Some(missing) => Look::Missing(missing),
    })
}

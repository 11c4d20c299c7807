//! A node as traffic sees it: over HTTP, or in this process.

use std::{sync::Arc, time::Duration};

use crate::{
    control::{
        BlockView, Caller, Command, CommandError, NodeHandle, Page, QueryError, Reply, TransactionView,
        UtxoEntry,
    },
    crypto::Hash256,
    rpc::{
        Verdict,
        client::{Client, ClientError},
    },
};

/// How long one question may take. A node that is paused answers nothing at all.
const LIMIT: Duration = Duration::from_secs(5);

/// Where transactions are submitted and finality is observed.
#[derive(Clone)]
pub enum Target {
    /// A node behind its HTTP port.
    Http(Arc<Client>),
    /// The node in this process.
    Local(NodeHandle),
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Submission {
    /// The pool took it.
    Accepted,
    /// It was refused, with this code.
    Refused(String),
    /// Nobody answered: it may have arrived or not.
    Unknown,
}

impl Target {
    /// The node at `url`.
    ///
    /// # Errors
    /// [`ClientError::Url`] if that is no URL of a node.
    pub fn http(url: &str) -> Result<Self, ClientError> {
        Client::new(url).map(|client| Self::Http(Arc::new(client)))
    }

    /// True if its clock is ours, so that its stamps can be compared with our own.
    pub(super) fn shares_our_clock(&self) -> bool {
        match self {
            Self::Local(_) => true,
            Self::Http(client) => client
                .authority()
                .rsplit_once(':')
                .is_some_and(|(host, _)| matches!(host, "127.0.0.1" | "localhost" | "[::1]")),
        }
    }

    pub(super) async fn submit(&self, bytes: Vec<u8>) -> Submission {
        match self {
            Self::Http(client) => match bounded(client.submit(&bytes)).await {
                Some(Ok(_)) => Submission::Accepted,
                Some(Err(ClientError::Refused { status, code, .. }))
                    if status < 500 || code == "busy" || code == "unavailable" =>
                {
                    Submission::Refused(code)
                }
                Some(Err(_)) | None => Submission::Unknown,
            },
            Self::Local(node) => {
                let command = Command::SubmitTransaction { bytes };
                match bounded(node.ask(command, Caller::Process)).await {
                    Some(Ok(Reply::Accepted { .. })) => Submission::Accepted,
                    Some(Err(CommandError::Refused { code, .. })) => Submission::Refused(code),
                    Some(Err(CommandError::Busy)) => Submission::Refused("busy".to_owned()),
                    Some(Ok(_) | Err(_)) | None => Submission::Unknown,
                }
            }
        }
    }

    /// Submits many at once; the verdicts stand in their order.
    pub(super) async fn submit_all(&self, batch: Vec<Vec<u8>>) -> Vec<Submission> {
        let count = batch.len();
        let judged = |verdict: Result<Hash256, CommandError>| match verdict {
            Ok(_) => Submission::Accepted,
            Err(CommandError::Refused { code, .. }) => Submission::Refused(code),
            Err(CommandError::Busy) => Submission::Refused("busy".to_owned()),
            Err(_) => Submission::Unknown,
        };
        let verdicts: Option<Vec<Submission>> = match self {
            Self::Http(client) => match bounded(client.submit_all(&batch)).await {
                Some(Ok(verdicts)) => Some(
                    verdicts
                        .into_iter()
                        .map(|verdict| match verdict {
                            Verdict::Accepted(_) => Submission::Accepted,
                            Verdict::Refused(refusal) => Submission::Refused(refusal.code),
                        })
                        .collect(),
                ),
                Some(Err(error)) if error.code() == Some("busy") => {
                    Some(vec![Submission::Refused("busy".to_owned()); count])
                }
                Some(Err(_)) | None => None,
            },
            Self::Local(node) => {
                let command = Command::SubmitTransactions { batch };
                match bounded(node.ask(command, Caller::Process)).await {
                    Some(Ok(Reply::Judged { verdicts })) => Some(verdicts.into_iter().map(judged).collect()),
                    Some(Err(CommandError::Busy)) => {
                        Some(vec![Submission::Refused("busy".to_owned()); count])
                    }
                    Some(Ok(_) | Err(_)) | None => None,
                }
            }
        };
        let verdicts = verdicts.filter(|verdicts| verdicts.len() == count);
        verdicts.unwrap_or_else(|| vec![Submission::Unknown; count])
    }

    /// The final block of a height; `Ok(None)` while there is none.
    pub(super) async fn block(&self, height: u64) -> Result<Option<BlockView>, Silent> {
        match self {
            Self::Http(client) => match bounded(client.block(height)).await {
                Some(Ok(block)) => Ok(Some(block)),
                Some(Err(error)) if error.code() == Some("not_found") => Ok(None),
                Some(Err(_)) | None => Err(Silent),
            },
            Self::Local(node) => look_up(node, move |query| query.block(height)).await,
        }
    }

    /// Where a transaction stands.
    pub(super) async fn transaction(&self, txid: Hash256) -> Result<TransactionView, Silent> {
        match self {
            Self::Http(client) => match bounded(client.transaction(txid)).await {
                Some(Ok(view)) => Ok(view),
                Some(Err(_)) | None => Err(Silent),
            },
            Self::Local(node) => look_up(node, move |query| query.transaction(txid)).await,
        }
    }

    /// One page of what an address owns in final blocks.
    pub(super) async fn utxos(&self, address: String, page: Page) -> Result<Vec<UtxoEntry>, Silent> {
        match self {
            Self::Http(client) => match bounded(client.utxos(&address, None, page)).await {
                Some(Ok(entries)) => Ok(entries),
                Some(Err(_)) | None => Err(Silent),
            },
            Self::Local(node) => look_up(node, move |query| query.utxos(&address, None, page)).await,
        }
    }

    /// Height of its last final block, by its last snapshot, and how many views changed there.
    pub(super) async fn progress(&self) -> Result<Progress, Silent> {
        match self {
            Self::Http(client) => match bounded(client.status()).await {
                Some(Ok(status)) => Ok(Progress {
                    height: status.height,
                    view_changes: status.view_changes,
                }),
                Some(Err(_)) | None => Err(Silent),
            },
            Self::Local(node) => {
                let status = node.status();
                Ok(Progress {
                    height: status.chain.height,
                    view_changes: status.consensus.view_changes_total,
                })
            }
        }
    }
}

/// How far a node is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) height: u64,
    pub(super) view_changes: u64,
}

/// The node did not answer in time, or cannot answer now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Silent;

async fn bounded<T>(answer: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(LIMIT, answer).await.ok()
}

/// Look-ups block on storage, so they run on a blocking thread.
async fn look_up<T: Send + 'static>(
    node: &NodeHandle,
    read: impl FnOnce(&dyn crate::control::Query) -> Result<T, QueryError> + Send + 'static,
) -> Result<T, Silent> {
    let query = node.query.clone();
    let answer = tokio::task::spawn_blocking(move || read(query.as_ref()));
    match bounded(answer).await {
        Some(Ok(Ok(value))) => Ok(value),
        Some(_) | None => Err(Silent),
    }
}

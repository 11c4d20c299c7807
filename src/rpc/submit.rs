//! `POST /tx`: hex in, txid or `{code, reason}` out.

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};

use super::{App, ErrorBody, error::Refusal, limits::BATCH_MAX, server::Peer};
use crate::{
    control::{Caller, Command, Reply},
    crypto::Hash256,
};

/// The answer to an accepted transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Its id.
    pub txid: Hash256,
}

pub(super) async fn submit(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Accepted>, Refusal> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::too_large(),
        _ => Refusal::bad_request("the body could not be read"),
    })?;
    let bytes = decode(&body)?;
    let caller = Caller::Http {
        address: peer.0.to_string(),
    };
    match app.node.ask(Command::SubmitTransaction { bytes }, caller).await? {
        Reply::Accepted { txid } => Ok(Json(Accepted { txid })),
        Reply::Done
        | Reply::DoneWith { .. }
        | Reply::Stopping
        | Reply::Restarting
        | Reply::Plan(_)
        | Reply::Judged { .. } => Err(Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "unexpected",
            "the node gave an answer that does not fit; please report it",
        )),
    }
}

/// What became of one transaction of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Verdict {
    /// The pool took it.
    Accepted(Accepted),
    /// It was refused, or not looked at.
    Refused(ErrorBody),
}

/// `POST /txs`: a transaction in hex per line in, a list of verdicts in their order out.
pub(super) async fn submit_all(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Vec<Verdict>>, Refusal> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::too_large(),
        _ => Refusal::bad_request("the body could not be read"),
    })?;
    let lines = body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty());
    // One more than there may be tells that there are too many.
    let batch = lines
        .take(BATCH_MAX + 1)
        .map(decode)
        .collect::<Result<Vec<Vec<u8>>, Refusal>>()?;
    if batch.is_empty() || batch.len() > BATCH_MAX {
        return Err(Refusal::bad_request(
            "the body must hold 1 to 500 transactions, one in hex per line",
        ));
    }
    let caller = Caller::Http {
        address: peer.0.to_string(),
    };
    let command = Command::SubmitTransactions { batch };
    let verdicts = match app.node.ask(command, caller).await? {
        Reply::Judged { verdicts } => verdicts,
        Reply::Done
        | Reply::DoneWith { .. }
        | Reply::Stopping
        | Reply::Restarting
        | Reply::Plan(_)
        | Reply::Accepted { .. } => Vec::new(),
    };
    let told = verdicts.into_iter().map(|verdict| match verdict {
        Ok(txid) => Verdict::Accepted(Accepted { txid }),
        Err(error) => Verdict::Refused(Refusal::from(error).into_body()),
    });
    Ok(Json(told.collect()))
}

/// Hex digits, with space around them or as a JSON string.
pub(super) fn decode(body: &[u8]) -> Result<Vec<u8>, Refusal> {
    let malformed = || {
        Refusal::new(
            StatusCode::BAD_REQUEST,
            "malformed",
            "the body must be a transaction in hex",
        )
    };
    let text = std::str::from_utf8(body).map_err(|_| malformed())?.trim();
    let text = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text);
    match const_hex::decode(text) {
        Ok(bytes) if !bytes.is_empty() => Ok(bytes),
        _ => Err(malformed()),
    }
}

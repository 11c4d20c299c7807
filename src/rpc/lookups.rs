//! What is read from storage: on blocking threads, behind a semaphore, never on a runtime worker.

use axum::{
    Json,
    extract::{Path, Query as Parameters, State},
};
use serde::Deserialize;

use super::{App, error::Refusal, limits};
use crate::{
    chain::{Address, OutPoint},
    control::{
        BalanceView, BlockView, EvidenceView, HistoryPage, HistoryPlace, MasternodeView, OutputView, Page,
        PendingOutput, Query, QueryError, TransactionView, UtxoEntry,
    },
    crypto::Hash256,
};

/// `?skip=&limit=` of lists.
#[derive(Debug, Deserialize)]
pub(super) struct PageParameters {
    skip: Option<u32>,
    limit: Option<u32>,
}

impl PageParameters {
    pub(super) fn page(&self) -> Page {
        Page::new(self.skip.unwrap_or(0), self.limit.unwrap_or(limits::PAGE_DEFAULT))
    }
}

/// `GET /blocks/{height}`.
pub(super) async fn block(
    State(app): State<App>,
    Path(height): Path<String>,
) -> Result<Json<BlockView>, Refusal> {
    let height: u64 = height
        .parse()
        .map_err(|_| Refusal::bad_request("a height is a whole number, such as /blocks/42"))?;
    let found = look_up(&app, move |query| query.block(height)).await?;
    let missing = || Refusal::not_found(format!("there is no final block at height {height} here"));
    found.map(Json).ok_or_else(missing)
}

/// `GET /tx/{txid}`.
pub(super) async fn transaction(
    State(app): State<App>,
    Path(txid): Path<String>,
) -> Result<Json<TransactionView>, Refusal> {
    let txid: Hash256 = txid
        .parse()
        .map_err(|_| Refusal::bad_request("a transaction id has 64 hex digits"))?;
    look_up(&app, move |query| query.transaction(txid))
        .await
        .map(Json)
}

/// `GET /evidence`.
pub(super) async fn evidence(
    State(app): State<App>,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Json<Vec<EvidenceView>>, Refusal> {
    look_up(&app, move |query| query.evidence(page.page()))
        .await
        .map(Json)
}

/// `GET /address/{address}/balance`.
pub(super) async fn balance(
    State(app): State<App>,
    Path(address): Path<String>,
) -> Result<Json<BalanceView>, Refusal> {
    check_address(&app, &address)?;
    look_up(&app, move |query| query.balance(&address))
        .await
        .map(Json)
}

/// `?after=&skip=&limit=` of unspent outputs.
#[derive(Debug, Deserialize)]
pub(super) struct UtxoParameters {
    after: Option<String>,
    skip: Option<u32>,
    limit: Option<u32>,
}

/// The output that a page goes on above, if one is named.
pub(super) fn parse_after(text: Option<&str>) -> Result<Option<OutPoint>, Refusal> {
    let after = text.map(str::parse::<OutPoint>).transpose();
    after
        .map_err(|_| Refusal::bad_request("after: an output is TXID:INDEX, 64 hex digits and a whole number"))
}

/// `GET /address/{address}/utxos`.
pub(super) async fn utxos(
    State(app): State<App>,
    Path(address): Path<String>,
    Parameters(asked): Parameters<UtxoParameters>,
) -> Result<Json<Vec<UtxoEntry>>, Refusal> {
    check_address(&app, &address)?;
    let after = parse_after(asked.after.as_deref())?;
    let UtxoParameters { skip, limit, .. } = asked;
    let page = PageParameters { skip, limit }.page();
    look_up(&app, move |query| query.utxos(&address, after, page))
        .await
        .map(Json)
}

/// `GET /address/{address}/pending`.
pub(super) async fn pending(
    State(app): State<App>,
    Path(address): Path<String>,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Json<Vec<PendingOutput>>, Refusal> {
    check_address(&app, &address)?;
    look_up(&app, move |query| query.pending(&address, page.page()))
        .await
        .map(Json)
}

/// `GET /txout/{txid}/{index}`.
pub(super) async fn output(
    State(app): State<App>,
    Path((txid, index)): Path<(String, String)>,
) -> Result<Json<OutputView>, Refusal> {
    let parsed = txid.parse::<Hash256>().ok().zip(index.parse::<u32>().ok());
    let (txid, index) = parsed.ok_or_else(|| {
        Refusal::bad_request("an output is /txout/TXID/INDEX: 64 hex digits and a whole number")
    })?;
    let found = look_up(&app, move |query| query.output(txid, index)).await?;
    let missing = || Refusal::not_found("no transaction that is known here makes this output");
    found.map(Json).ok_or_else(missing)
}

/// `?address=&before=&limit=` of the history; several addresses stand between commas.
#[derive(Debug, Deserialize)]
pub(super) struct HistoryParameters {
    address: String,
    before: Option<String>,
    limit: Option<u32>,
}

/// `GET /history`.
pub(super) async fn history(
    State(app): State<App>,
    Parameters(asked): Parameters<HistoryParameters>,
) -> Result<Json<HistoryPage>, Refusal> {
    let addresses = split_addresses(&asked.address);
    let before = parse_before(asked.before.as_deref())?;
    let limit = asked.limit.unwrap_or(limits::PAGE_DEFAULT);
    look_up(&app, move |query| query.history(&addresses, before, limit))
        .await
        .map(Json)
}

/// Addresses that stand between commas; what cannot be read is refused by the look-up.
pub(super) fn split_addresses(text: &str) -> Vec<String> {
    text.split(',').map(str::to_owned).collect()
}

/// A place in history, if one is named.
pub(super) fn parse_before(text: Option<&str>) -> Result<Option<HistoryPlace>, Refusal> {
    let place = text.map(str::parse::<HistoryPlace>).transpose();
    place.map_err(|error| Refusal::bad_request(format!("before: {error}")))
}

/// `GET /masternodes`.
pub(super) async fn masternodes(
    State(app): State<App>,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Json<Vec<MasternodeView>>, Refusal> {
    look_up(&app, move |query| query.masternodes(page.page()))
        .await
        .map(Json)
}

/// `GET /masternodes/{id}`; a consensus key does too.
pub(super) async fn masternode(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<MasternodeView>, Refusal> {
    let id: Hash256 = id
        .parse()
        .map_err(|_| Refusal::bad_request("a masternode id or consensus key has 64 hex digits"))?;
    let found = look_up(&app, move |query| query.masternode(id)).await?;
    let missing = || Refusal::not_found("no masternode has this id or consensus key");
    found.map(Json).ok_or_else(missing)
}

fn check_address(app: &App, text: &str) -> Result<(), Refusal> {
    Address::from_text(text, app.config.network)
        .map(|_| ())
        .map_err(|error| Refusal::bad_request(error.to_string()))
}

/// Runs a blocking look-up. The permit goes with it, so a look-up whose client gave up still counts
/// until storage has answered.
pub(super) async fn look_up<T: Send + 'static>(
    app: &App,
    read: impl FnOnce(&dyn Query) -> Result<T, QueryError> + Send + 'static,
) -> Result<T, Refusal> {
    let closing = |_| Refusal::busy("the server is closing");
    let permit = app.lookups.clone().acquire_owned().await.map_err(closing)?;
    let query = app.node.query.clone();
    let answered = tokio::task::spawn_blocking(move || {
        let answer = read(query.as_ref());
        drop(permit);
        answer
    });
    match answered.await {
        Ok(answer) => answer.map_err(Refusal::from),
        Err(_) => Err(Refusal::busy(
            "the look-up was cut short; see the log of the node",
        )),
    }
}

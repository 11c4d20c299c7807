//! What each JSON-RPC method answers: the same views as the plain paths, under the names of the table.

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    App,
    access::{Access, Caller as Who},
    error::Refusal,
    info,
    json_rpc::{Fault, Given},
    limits,
    lookups::{look_up, parse_after, parse_before, split_addresses},
    methods::{METHODS, Method},
    observe,
    server::Peer,
};
use crate::{
    chain::Address,
    control::{BanTarget, Caller, Command, Page, Reply, ResyncMode, status_json},
    crypto::{Hash256, PublicKey},
};

pub(super) async fn call(
    app: &App,
    peer: &Peer,
    access: &Access,
    method: &Method,
    given: Given,
) -> Result<Value, Fault> {
    let status = app.node.status();
    match method.name {
        "help" => help(given.text("method")),
        "uptime" => Ok(json!(status.at.since_ms(status.node.started) / 1_000)),
        "getversion" => Ok(json!({ "version": status.node.version, "network": status.node.network })),
        "getstatus" => value(&status_json::status(&status)),
        "gethealth" => value(&observe::judged(&app.node)),
        "getblockchaininfo" => Ok(json!({
            "chain": status.node.network,
            "chain_id": status.node.chain_id,
            "blocks": status.chain.height,
            "bestblockhash": status.chain.hash,
            "utxo_commitment": status.chain.utxo_commitment,
            "blocks_behind": status.sync.blocks_behind,
            "initialblockdownload": status.sync.syncing,
            "warnings": status.node.warnings,
        })),
        "getblockcount" => Ok(json!(status.chain.height)),
        "getbestblockhash" => Ok(json!(status.chain.hash)),
        "getrpcinfo" => Ok(info::rpc(app, access)),
        "getnodeinfo" => Ok(info::node(&status)),
        "getblockhash" | "getblockheader" => {
            let height = height(app, &given).await?;
            let found = look_up(app, move |query| query.header(height)).await?;
            let header = found.ok_or_else(|| no_block(height))?;
            match method.name {
                "getblockheader" => value(&header),
                _ => Ok(json!(header.hash)),
            }
        }
        "getblock" => {
            let height = height(app, &given).await?;
            let found = look_up(app, move |query| query.block(height)).await?;
            value(&found.ok_or_else(|| no_block(height))?)
        }
        "getrawtransaction" => {
            let txid = hash(given.text("txid"), "txid")?;
            let found = look_up(app, move |query| query.raw_transaction(txid)).await?;
            let missing = "the transaction neither waits here nor is it in a block that is held here";
            value(&found.ok_or_else(|| Fault::new(Fault::NOT_FOUND, "not_found", missing))?)
        }
        "gettxout" => {
            let txid = hash(given.text("txid"), "txid")?;
            let index = given.number("n").unwrap_or(0);
            let index = u32::try_from(index).map_err(|_| invalid("no transaction has so many outputs"))?;
            value(&look_up(app, move |query| query.output(txid, index)).await?)
        }
        "gettxoutsetinfo" => Ok(info::coins(&status)),
        "getrawmempool" => {
            let page = page(&given);
            value(&look_up(app, move |query| query.waiting(page)).await?)
        }
        "getmempoolentry" => {
            let txid = hash(given.text("txid"), "txid")?;
            let found = look_up(app, move |query| query.waiting_transaction(txid)).await?;
            let missing = "the transaction does not wait here";
            value(&found.ok_or_else(|| Fault::new(Fault::NOT_FOUND, "not_found", missing))?)
        }
        "getnetworkinfo" => Ok(info::network(&status)),
        "getsyncinfo" => Ok(info::sync(&status)),
        "gettransactionfinality" => {
            let txid = hash(given.text("txid"), "txid")?;
            value(&look_up(app, move |query| query.transaction(txid)).await?)
        }
        "getbalance" => {
            let address = address(app, &given)?;
            value(&look_up(app, move |query| query.balance(&address)).await?)
        }
        "listunspent" => {
            let (address, page) = (address(app, &given)?, page(&given));
            let after = parse_after(Some(given.text("after")).filter(|text| !text.is_empty()))?;
            value(&look_up(app, move |query| query.utxos(&address, after, page)).await?)
        }
        "listpending" => {
            let (address, page) = (address(app, &given)?, page(&given));
            value(&look_up(app, move |query| query.pending(&address, page)).await?)
        }
        "listtransactions" => {
            let addresses = split_addresses(given.text("addresses"));
            let before = parse_before(Some(given.text("before")).filter(|text| !text.is_empty()))?;
            let limit = page(&given).limit;
            value(&look_up(app, move |query| query.history(&addresses, before, limit)).await?)
        }
        "getmempoolinfo" => Ok(json!({
            "size": status.mempool.txs,
            "bytes": status.mempool.wire_bytes,
            "usage": status.mempool.bytes,
            "maxmempool": status.mempool.bytes_max,
            "max_count": status.mempool.txs_max,
            "minfee": status.mempool.fee_floor,
            "oldest_age_ms": status.mempool.oldest_ms,
        })),
        "getconnectioncount" => Ok(json!(status.peers.rows.len())),
        "getpeerinfo" => value(&status_json::peers(&status)),
        "listbanned" => {
            let page = page(&given);
            value(&look_up(app, move |query| query.bans(page)).await?)
        }
        "getconsensusinfo" => Ok(info::consensus(&status)),
        "getmasternodelist" => {
            let page = page(&given);
            value(&look_up(app, move |query| query.masternodes(page)).await?)
        }
        "getmasternodestatus" => {
            let id = hash(given.text("id"), "id")?;
            let found = look_up(app, move |query| query.masternode(id)).await?;
            let missing = "no masternode has this id or consensus key";
            value(&found.ok_or_else(|| Fault::new(Fault::NOT_FOUND, "not_found", missing))?)
        }
        "listevidence" => {
            let page = page(&given);
            value(&look_up(app, move |query| query.evidence(page)).await?)
        }
        _ => act(app, peer, access, method, &given).await,
    }
}

/// The methods that ask the node to do something.
async fn act(
    app: &App,
    peer: &Peer,
    access: &Access,
    method: &Method,
    given: &Given,
) -> Result<Value, Fault> {
    let caller = Caller::Http {
        address: match &access.caller {
            Who::Token(name) => format!("{} token {name}", peer.0),
            Who::Cookie | Who::Address(_) => peer.0.to_string(),
        },
    };
    let command = match method.name {
        "sendrawtransaction" => Command::SubmitTransaction {
            bytes: super::submit::decode(given.text("hex").as_bytes())?,
        },
        "stop" => Command::Stop {
            reason: match given.text("reason") {
                "" => "operator: rpc".to_owned(),
                reason => format!("operator: rpc: {}", crate::control::words::printable(reason)),
            },
        },
        "setban" => {
            let target: BanTarget = given
                .text("target")
                .parse()
                .map_err(|error| invalid(format!("{error}")))?;
            match given.text("command") {
                "add" => {
                    let seconds = given.number("seconds").unwrap_or(Command::BAN_SECONDS);
                    Command::BanPeer {
                        target,
                        seconds: (seconds > 0).then_some(seconds),
                        reason: given.text("reason").to_owned(),
                    }
                }
                "remove" => Command::UnbanPeer { target },
                _ => return Err(invalid("`command` is add or remove")),
            }
        }
        "clearbanned" => Command::ClearBans,
        "addnode" => {
            let address = given.text("address").to_owned();
            match given.text("command") {
                "add" => Command::AddPeer { address },
                "remove" => Command::RemovePeer { address },
                _ => return Err(invalid("`command` is add or remove")),
            }
        }
        "disconnectnode" => Command::DisconnectPeer {
            peer: given
                .text("node_id")
                .parse::<PublicKey>()
                .map_err(|error| invalid(format!("node_id: {error}")))?,
        },
        "planresync" | "resync" => {
            let mode = ResyncMode::named(given.text("mode"))
                .ok_or_else(|| invalid("`mode` is reindex, snapshot or full"))?;
            let ours = &app.node.status().node.network;
            match method.name {
                "planresync" => Command::PlanResync { mode },
                _ if given.text("network") == ours => Command::Resync { mode },
                _ => {
                    let what =
                        format!("a resync is confirmed with the name of the network: `network` is {ours}");
                    return Err(invalid(what));
                }
            }
        }
        "cancelresync" => Command::CancelResync,
        "setloglevel" => Command::SetLogFilter {
            filter: given.text("filter").to_owned(),
        },
        // The table and this match are compared by a test.
        _ => return Err(Fault::new(Fault::INTERNAL, "unexpected", "please report this")),
    };
    match app.node.ask(command, caller).await.map_err(Refusal::from)? {
        Reply::Accepted { txid } => Ok(json!(txid)),
        Reply::DoneWith { consequence } => Ok(json!({ "consequence": consequence })),
        Reply::Plan(plan) => value(&plan),
        Reply::Restarting => {
            Ok(json!({ "consequence": "the node stops in order and starts again by itself" }))
        }
        Reply::Done | Reply::Stopping | Reply::Judged { .. } => Ok(json!({ "consequence": "" })),
    }
}

fn help(name: &str) -> Result<Value, Fault> {
    let described = |method: &Method| {
        let parameters = method.parameters.iter().map(|parameter| {
            json!({
                "name": parameter.name,
                "kind": parameter.kind.word(),
                "required": parameter.required,
            })
        });
        json!({
            "method": method.name,
            "scope": method.scope,
            "parameters": parameters.collect::<Vec<_>>(),
            "says": method.says,
        })
    };
    if name.is_empty() {
        return Ok(METHODS.iter().map(described).collect());
    }
    let found = super::methods::find(name).map(described);
    found.ok_or_else(|| Fault::new(Fault::NOT_FOUND, "not_found", "there is no such method"))
}

/// The height of the block that is meant.
async fn height(app: &App, given: &Given) -> Result<u64, Fault> {
    if let Some(height) = given.number("height") {
        return Ok(height);
    }
    let hash = hash(given.text("height"), "height")?;
    let found = look_up(app, move |query| query.height_of(hash)).await?;
    found.ok_or_else(|| Fault::new(Fault::NOT_FOUND, "not_found", "no final block here has this hash"))
}

fn no_block(height: u64) -> Fault {
    let what = format!("there is no final block at height {height} here");
    Fault::new(Fault::NOT_FOUND, "not_found", what)
}

fn page(given: &Given) -> Page {
    let number = |name, default| match given.number(name) {
        Some(number) => u32::try_from(number).unwrap_or(u32::MAX),
        None => default,
    };
    Page::new(number("skip", 0), number("limit", limits::PAGE_DEFAULT))
}

fn hash(text: &str, name: &str) -> Result<Hash256, Fault> {
    text.parse()
        .map_err(|_| invalid(format!("`{name}` has 64 hex digits")))
}

fn address(app: &App, given: &Given) -> Result<String, Fault> {
    let text = given.text("address");
    match Address::from_text(text, app.config.network) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(invalid(error.to_string())),
    }
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::new(Fault::INVALID, "invalid", message)
}

fn value(view: &impl Serialize) -> Result<Value, Fault> {
    serde_json::to_value(view).map_err(|error| {
        Fault::new(
            Fault::INTERNAL,
            "unexpected",
            format!("{error}; please report it"),
        )
    })
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        use axum::http::StatusCode;
        let number = match refusal.status() {
            StatusCode::BAD_REQUEST => Self::INVALID,
            StatusCode::NOT_FOUND => Self::NOT_FOUND,
            StatusCode::UNPROCESSABLE_ENTITY => Self::REJECTED,
            StatusCode::SERVICE_UNAVAILABLE => Self::UNAVAILABLE,
            _ => Self::INTERNAL,
        };
        let body = refusal.into_body();
        Self::new(number, &body.code, body.reason)
    }
}

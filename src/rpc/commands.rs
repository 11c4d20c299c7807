//! `POST /command`: acts that change the node, for callers on this machine with its cookie or a token of scope admin.

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Query as Parameters, State},
    http::{HeaderMap, StatusCode},
};
use serde::{Deserialize, Serialize};

use super::{
    App, access::access, error::Refusal, lookups::PageParameters, lookups::look_up, methods::Scope,
    server::Peer,
};
use crate::{
    control::{Ban, BanTarget, Caller, Command, Reply, ResyncMode, ban_consequence},
    crypto::PublicKey,
    metrics::labels::RpcReject,
};

/// What `POST /command` takes: `{"command": "ban", "target": "203.0.113.0/24", "seconds": 3600}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum CommandJson {
    /// Keep a node, address or network out.
    Ban {
        /// Who.
        target: BanTarget,
        /// For how long; a day if absent, for ever if 0.
        #[serde(default = "a_day")]
        seconds: u64,
        /// Why.
        #[serde(default)]
        reason: String,
    },
    /// Lift a ban.
    Unban {
        /// Who.
        target: BanTarget,
    },
    /// Lift all bans.
    ClearBans,
    /// Keep a connection.
    AddPeer {
        /// `host:port` or `node_id@host:port`.
        address: String,
    },
    /// Keep it no longer.
    RemovePeer {
        /// As it was added.
        address: String,
    },
    /// Close a session.
    Disconnect {
        /// Its network key.
        peer: PublicKey,
    },
    /// Say what a resync would do.
    PlanResync {
        /// From where.
        mode: ResyncMode,
    },
    /// Build the chain database anew; the node stops in order and starts again by itself.
    Resync {
        /// From where.
        mode: ResyncMode,
        /// Name of the node's network, as the console has it typed: this is not undone by a key.
        network: String,
    },
    /// Give up a resync that is under way.
    CancelResync,
}

const fn a_day() -> u64 {
    Command::BAN_SECONDS
}

impl From<CommandJson> for Command {
    fn from(command: CommandJson) -> Self {
        match command {
            CommandJson::Ban {
                target,
                seconds,
                reason,
            } => Self::BanPeer {
                target,
                seconds: (seconds > 0).then_some(seconds),
                reason,
            },
            CommandJson::Unban { target } => Self::UnbanPeer { target },
            CommandJson::ClearBans => Self::ClearBans,
            CommandJson::AddPeer { address } => Self::AddPeer { address },
            CommandJson::RemovePeer { address } => Self::RemovePeer { address },
            CommandJson::Disconnect { peer } => Self::DisconnectPeer { peer },
            CommandJson::PlanResync { mode } => Self::PlanResync { mode },
            CommandJson::Resync { mode, .. } => Self::Resync { mode },
            CommandJson::CancelResync => Self::CancelResync,
        }
    }
}

/// The answer to a command that was carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedOut {
    /// What follows from it, for people; empty if nothing is to be said.
    pub consequence: String,
}

/// `POST /command`.
pub(super) async fn command(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<CarriedOut>, Refusal> {
    let access = access(&app, &peer, &headers).await?;
    if access.scope < Scope::Admin {
        app.metrics.rpc.rejected.inc(RpcReject::Unauthorized);
        return Err(Refusal::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "send the text of .cookie in the node's data directory, new at each start, or a token of scope admin, from this machine, as `Authorization: Bearer <text>`",
        ));
    }
    let command: CommandJson = serde_json::from_slice(&body).map_err(|error| {
        Refusal::bad_request(format!("not a command: {error}; docs/OPERATIONS.md lists them"))
    })?;
    if let CommandJson::Resync { network, .. } = &command {
        let ours = app.node.status().node.network.clone();
        if *network != ours {
            return Err(Refusal::bad_request(format!(
                "a resync is confirmed with the name of the network: add \"network\": \"{ours}\""
            )));
        }
    }
    let caller = Caller::Http {
        address: peer.0.to_string(),
    };
    let consequence = match app.node.ask(command.into(), caller).await? {
        Reply::DoneWith { consequence } => consequence,
        Reply::Restarting => "the node stops in order and starts again by itself".to_owned(),
        Reply::Plan(plan) => match plan.obstacle {
            Some(obstacle) => format!("not possible now: {obstacle}"),
            None => plan.consequences.join("; "),
        },
        Reply::Done | Reply::Stopping | Reply::Accepted { .. } | Reply::Judged { .. } => String::new(),
    };
    Ok(Json(CarriedOut { consequence }))
}

/// `?target=`.
#[derive(Debug, Deserialize)]
pub(super) struct PlanParameters {
    target: BanTarget,
}

/// What a ban would do, as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BanPlan {
    /// In words.
    pub consequence: String,
    /// Whether finality stops that goes on now.
    pub halts: bool,
}

/// `GET /bans/plan?target=`.
pub(super) async fn plan(
    State(app): State<App>,
    Parameters(parameters): Parameters<PlanParameters>,
) -> Json<BanPlan> {
    let consequence = ban_consequence(&app.node.status(), &parameters.target);
    Json(BanPlan {
        consequence: consequence.sentence(),
        halts: consequence.halts(),
    })
}

/// `GET /bans`.
pub(super) async fn bans(
    State(app): State<App>,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Json<Vec<Ban>>, Refusal> {
    look_up(&app, move |query| query.bans(page.page()))
        .await
        .map(Json)
}

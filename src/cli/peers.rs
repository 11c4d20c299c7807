//! `timed peers …`: who is connected, who is dialled, who is kept out.

use std::process::ExitCode;

use serde_json::json;

use super::{
    args::{PeersCommand, Question},
    client::{block_on, client, cookie},
    failure::{Code, Failure},
    output,
};
use crate::{
    control::{
        Ban, BanTarget, Page, ParseBanTargetError,
        status_json::PeerJson,
        words::{counted, duration, grouped},
    },
    crypto::PublicKey,
    rpc::{CarriedOut, CommandJson, client::Client},
};

/// Fewest digits of a node id that may stand for it.
const ID_DIGITS_MIN: usize = 6;

pub(super) fn peers(command: &PeersCommand) -> Result<ExitCode, Failure> {
    match command {
        PeersCommand::List { question } => list(question),
        PeersCommand::Bans { question } => bans(question),
        PeersCommand::Add { question, address } => {
            let address = address.clone();
            carry_out(question, CommandJson::AddPeer { address })
        }
        PeersCommand::Remove { question, address } => {
            let address = address.clone();
            carry_out(question, CommandJson::RemovePeer { address })
        }
        PeersCommand::Disconnect { question, peer } => {
            let client = client(&question.asked)?;
            let peer = block_on(async { node(&client.peers().await?, peer) })?;
            carry_out(question, CommandJson::Disconnect { peer })
        }
        PeersCommand::Ban(arguments) => {
            let client = client(&arguments.question.asked)?;
            let target = block_on(target(&client, &arguments.target))?;
            let plan = block_on(async { Ok(client.ban_plan(&target).await?) })?;
            if plan.halts && !arguments.yes {
                return Err(Failure::new(
                    Code::Refused,
                    format!("{}; say --yes if you mean it", plan.consequence),
                ));
            }
            let command = CommandJson::Ban {
                target,
                seconds: arguments.length,
                reason: arguments.reason.clone(),
            };
            carry_out(&arguments.question, command)
        }
        PeersCommand::Unban {
            question,
            target: text,
        } => {
            let client = client(&question.asked)?;
            let target = block_on(target(&client, text))?;
            carry_out(question, CommandJson::Unban { target })
        }
        PeersCommand::ClearBans { question, yes } => {
            if !yes {
                return Err(Failure::new(
                    Code::Refused,
                    "this lifts every ban and every discouragement; say --yes if you mean it",
                ));
            }
            carry_out(question, CommandJson::ClearBans)
        }
    }
}

fn carry_out(question: &Question, command: CommandJson) -> Result<ExitCode, Failure> {
    let client = client(&question.asked)?;
    let cookie = cookie(&question.asked)?;
    let CarriedOut { consequence } = block_on(async { Ok(client.command(&command, &cookie).await?) })?;
    if question.json {
        output::json(&json!({ "schema": 1, "done": true, "consequence": consequence }))?;
    } else {
        output::line(match consequence.as_str() {
            "" => "done",
            consequence => consequence,
        })?;
    }
    Ok(ExitCode::SUCCESS)
}

fn list(question: &Question) -> Result<ExitCode, Failure> {
    let client = client(&question.asked)?;
    let peers = block_on(async { Ok(client.peers().await?) })?;
    if question.json {
        output::json(&json!({ "schema": 1, "peers": peers }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = counted(peers.len() as u64, "peer") + "\n";
    for peer in &peers {
        let name = peer.name.clone().unwrap_or_else(|| peer.id.short());
        let rtt = peer.rtt_ms.map_or("–".to_owned(), |ms| format!("{ms} ms"));
        text += &format!(
            "{:<14} {:<3} {:<24} height {:<10} rtt {:<8} faults {:<3} up {:<8} {}  {}\n",
            name,
            peer.direction.word(),
            peer.address,
            peer.height.map_or("–".to_owned(), grouped),
            rtt,
            peer.score,
            duration(peer.connected_s * 1_000),
            if peer.validator.is_some() {
                "masternode"
            } else {
                ""
            },
            peer.agent,
        );
    }
    output::raw(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn bans(question: &Question) -> Result<ExitCode, Failure> {
    let client = client(&question.asked)?;
    let bans = block_on(async {
        let mut all: Vec<Ban> = Vec::new();
        loop {
            let skip = u32::try_from(all.len()).unwrap_or(u32::MAX);
            let page = client.bans(Page::new(skip, Page::LIMIT_MAX)).await?;
            let is_last = page.len() < Page::LIMIT_MAX as usize;
            all.extend(page);
            if is_last {
                return Ok(all);
            }
        }
    })?;
    if question.json {
        output::json(&json!({ "schema": 1, "bans": bans }))?;
        return Ok(ExitCode::SUCCESS);
    }
    output::raw(&table(&bans, now_ms()))?;
    Ok(ExitCode::SUCCESS)
}

/// The list as people read it.
pub(super) fn table(bans: &[Ban], now_ms: u64) -> String {
    if bans.is_empty() {
        return "nobody is banned or discouraged\n".to_owned();
    }
    let mut text = String::new();
    for ban in bans {
        let left = match ban.until_ms {
            None => "for ever".to_owned(),
            Some(until) => format!("{} left", duration(until.saturating_sub(now_ms))),
        };
        let evidence = match ban.evidence.as_str() {
            "" => String::new(),
            evidence => format!(" [{evidence}]"),
        };
        text += &format!(
            "{}  {}  {left}  by {}: {}{evidence}\n",
            ban.target,
            ban.source.word(),
            ban.by,
            ban.reason
        );
    }
    text
}

fn now_ms() -> u64 {
    crate::control::Clock::start().now().unix_ms
}

/// A node id, address or network as written; else the name or the first digits of a connected peer.
async fn target(client: &Client, text: &str) -> Result<BanTarget, Failure> {
    match text.parse() {
        Ok(target) => Ok(target),
        Err(error @ ParseBanTargetError::TooWide { .. }) => {
            Err(Failure::new(Code::Argument, error.to_string()))
        }
        Err(_) => node(&client.peers().await?, text).map(BanTarget::Node),
    }
}

/// The one connected peer of that name, id, or beginning of an id.
pub(super) fn node(peers: &[PeerJson], text: &str) -> Result<PublicKey, Failure> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let is_meant = |peer: &&PeerJson| {
        peer.name.as_deref() == Some(text)
            || (text.len() >= ID_DIGITS_MIN && peer.id.to_string().starts_with(text))
    };
    let mut meant = peers.iter().filter(is_meant);
    match (meant.next(), meant.next()) {
        (Some(peer), None) => Ok(peer.id),
        (Some(_), Some(_)) => Err(Failure::new(
            Code::Argument,
            format!("`{text}` fits several peers; write more of the node id"),
        )),
        (None, _) => Err(Failure::new(
            Code::NotFound,
            format!("`{text}` is no node id, address, network or connected peer; look at `timed peers list`"),
        )),
    }
}

//! `timed token`: who else may call the node's JSON-RPC. The node sees a change within a second.

use std::{path::PathBuf, process::ExitCode};

use serde_json::json;

use super::{
    args::{Place, ScopeName, TokenCommand},
    client::load_place,
    failure::Failure,
    output,
};
use crate::{
    control::{Clock, words::duration},
    rpc::{Scope, tokens},
};

pub(super) fn token(command: &TokenCommand) -> Result<ExitCode, Failure> {
    match command {
        TokenCommand::Add {
            place,
            name,
            scope,
            json,
        } => {
            let scope = match scope {
                ScopeName::Read => Scope::Read,
                ScopeName::Submit => Scope::Submit,
                ScopeName::Admin => Scope::Admin,
            };
            let text = tokens::add(&file(place)?, name, scope, now_ms())?;
            if *json {
                output::json(&json!({ "schema": 1, "name": name, "scope": scope, "token": text }))?;
            } else {
                output::line(&text)?;
                output::diagnostic("shown once and kept nowhere; send it as `Authorization: Bearer <token>`");
            }
        }
        TokenCommand::List { place, json } => list(place, *json)?,
        TokenCommand::Revoke { place, name } => {
            tokens::revoke(&file(place)?, name)?;
            output::line(&format!("{name} is revoked"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(place: &Place, as_json: bool) -> Result<(), Failure> {
    let tokens = tokens::read(&file(place)?)?;
    if as_json {
        let shown: Vec<_> = tokens
            .iter()
            .map(|token| json!({ "name": token.name, "scope": token.scope, "created_ms": token.created_ms }))
            .collect();
        return output::json(&json!({ "schema": 1, "tokens": shown }));
    }
    if tokens.is_empty() {
        return output::line("no tokens; `timed token add NAME --scope read` makes one");
    }
    let now = now_ms();
    for token in &tokens {
        let age = duration(now.saturating_sub(token.created_ms));
        output::line(&format!("{:<24} {:<7} {age} old", token.name, token.scope.word()))?;
    }
    Ok(())
}

fn file(place: &Place) -> Result<PathBuf, Failure> {
    let dir = load_place(place)?.data_dir()?;
    super::run::refuse_empty(&dir)?;
    Ok(dir.tokens())
}

fn now_ms() -> u64 {
    Clock::start().now().unix_ms
}

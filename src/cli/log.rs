//! `timed log level`: what a running node logs, shown or changed over the admin socket.

use std::process::ExitCode;

use serde_json::json;

use super::{
    args::LogCommand,
    attach::socket_of,
    client::block_on,
    failure::{Code, Failure},
    output,
};
use crate::{
    attach::{Connection, Notice, Sections, Subscribe},
    control::{Command, LOG_FILTER_REVERTS_MS, Status, words::duration},
};

pub(super) fn log(command: &LogCommand) -> Result<ExitCode, Failure> {
    let LogCommand::Level {
        place,
        socket,
        filter,
        json: as_json,
    } = command;
    // Looking needs no more than the read-only socket offers, but who may change may look.
    let path = match socket {
        Some(socket) => socket.clone(),
        None => socket_of(place, false)?,
    };
    block_on(async {
        let mut connection = Connection::open(&path).await?;
        connection.subscribe(Subscribe::snapshots(Sections::NODE)).await?;
        let Some(filter) = filter else {
            let mut status = Status::default();
            while status.revision == 0 {
                if let Notice::Update(delta) = connection.next().await? {
                    delta.apply(&mut status);
                }
            }
            let (filter, until) = (&status.node.log_filter, status.node.log_filter_until);
            match as_json {
                true => output::json(&json!({ "filter": filter, "until_ms": until.map(|at| at.unix_ms) }))?,
                false => output::line(filter)?,
            }
            return Ok(ExitCode::SUCCESS);
        };
        let command = Command::SetLogFilter {
            filter: filter.clone(),
        };
        match connection.ask(command, |_| {}).await? {
            Ok(_) => {
                match as_json {
                    true => {
                        output::json(&json!({ "filter": filter, "reverts_after_ms": LOG_FILTER_REVERTS_MS }))?
                    }
                    false => output::line(&format!(
                        "logging {filter}; back to the configured level after {}",
                        duration(LOG_FILTER_REVERTS_MS)
                    ))?,
                }
                Ok(ExitCode::SUCCESS)
            }
            Err(error) => Err(Failure::new(Code::Refused, error.to_string())),
        }
    })
}

//! `timed status`: one screen about a running node. Exit 0: ready, 1: degraded, 2: down; with `--wait`, 0
//! as soon as what is waited for is there, 75 if it is not in time.

use std::process::ExitCode;

use serde_json::json;

use super::{
    args::StatusArguments,
    client::{block_on, client},
    failure::Failure,
    output,
    wait::wait,
};
use crate::control::{
    status_json::{HealthJson, StatusJson},
    words::{counted, duration, grouped},
};

/// Exit status of a node that answers but is not ready.
const EXIT_DEGRADED: u8 = 1;
/// Exit status when nobody answers.
const EXIT_DOWN: u8 = 2;

pub(super) fn status(arguments: &StatusArguments) -> Result<ExitCode, Failure> {
    let client = client(&arguments.asked)?;
    if let Some(goal) = arguments.wait {
        let (status, health) = block_on(wait(&client, goal, arguments.timeout))?;
        show(&status, &health, arguments.json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let asked = block_on(async { Ok((client.status().await?, client.ready().await?)) });
    let (status, health) = match asked {
        Ok(answers) => answers,
        Err(failure) => {
            output::diagnostic(&failure.to_string());
            return Ok(ExitCode::from(EXIT_DOWN));
        }
    };
    show(&status, &health, arguments.json)?;
    Ok(if health.ready {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_DEGRADED)
    })
}

fn show(status: &StatusJson, health: &HealthJson, as_json: bool) -> Result<(), Failure> {
    match as_json {
        true => output::json(&json!({ "status": status, "health": health })),
        false => output::raw(&screen(status, health)),
    }
}

/// The screen: the verdict first, then what stands behind it, then what to do.
pub(super) fn screen(status: &StatusJson, health: &HealthJson) -> String {
    let online = status
        .validators
        .iter()
        .filter(|validator| validator.online)
        .count();
    let signing = match (status.signing, status.signing_reason.is_empty()) {
        (true, _) => "yes".to_owned(),
        (false, true) => "no".to_owned(),
        (false, false) => format!("no: {}", status.signing_reason),
    };
    let mut lines = vec![
        format!("{} on {}: {}", status.name, status.network, health.status.word()),
        format!(
            "  height      {} ({})",
            grouped(status.height),
            status.hash.short()
        ),
        format!("  round       {} {}", status.round, status.phase.word()),
        format!(
            "  validators  {online} of {} online, quorum {}",
            status.validators.len(),
            status.quorum
        ),
        format!("  signing     {signing}"),
        format!("  peers       {}", status.peers),
        format!("  mempool     {}", counted(status.mempool_txs, "transaction")),
        format!(
            "  up          {}, timed {}",
            duration(status.uptime_s * 1000),
            status.version
        ),
    ];
    if status.blocks_behind > 0 {
        lines.push(format!(
            "  behind      {}",
            counted(status.blocks_behind, "block")
        ));
    }
    if !status.waiting_for.is_empty() {
        lines.push(format!("waiting: {}", status.waiting_for));
    }
    if !status.hint.is_empty() {
        lines.push(format!("hint: {}", status.hint));
    }
    for check in health.checks.iter().filter(|check| !check.ok) {
        lines.push(format!("not ok: {}: {}", check.name, check.detail));
    }
    lines.extend(
        status
            .warnings
            .iter()
            .map(|warning| format!("warning: {warning}")),
    );
    lines.join("\n") + "\n"
}

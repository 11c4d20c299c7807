//! `timed health`: every check of a running node, for people and for scripts. Exit 0: ready, 1: it
//! answers and is not ready, 2: it needs help, or nobody answers.

use std::process::ExitCode;

use super::{
    args::Question,
    client::{block_on, client},
    failure::Failure,
    output,
};
use crate::control::status_json::HealthJson;

/// Exit status of a node that answers but is not ready.
const EXIT_DEGRADED: u8 = 1;
/// Exit status when nobody answers, or a restart or a human is needed.
const EXIT_DOWN: u8 = 2;

pub(super) fn health(arguments: &Question) -> Result<ExitCode, Failure> {
    let client = client(&arguments.asked)?;
    let health = match block_on(async { Ok(client.ready().await?) }) {
        Ok(health) => health,
        Err(failure) => {
            output::diagnostic(&failure.to_string());
            return Ok(ExitCode::from(EXIT_DOWN));
        }
    };
    match arguments.json {
        true => output::json(&health)?,
        false => output::raw(&screen(&health))?,
    }
    Ok(ExitCode::from(verdict(&health)))
}

fn verdict(health: &HealthJson) -> u8 {
    match (health.live, health.ready) {
        (true, true) => 0,
        (true, false) => EXIT_DEGRADED,
        (false, _) => EXIT_DOWN,
    }
}

/// The word, each check with what was found, and what raises an alarm.
fn screen(health: &HealthJson) -> String {
    let mut lines = vec![health.status.word().to_owned()];
    lines.extend(health.checks.iter().map(|check| {
        let word = if check.ok { "ok    " } else { "NOT OK" };
        format!("  {word}  {:<14} {}", check.name, check.detail)
            .trim_end()
            .to_owned()
    }));
    if !health.waiting_for.is_empty() {
        lines.push(format!("waiting: {}", health.waiting_for));
    }
    lines.extend(health.alarms.iter().map(|alarm| format!("alarm: {}", alarm.text)));
    lines.extend(
        health
            .warnings
            .iter()
            .map(|warning| format!("warning: {warning}")),
    );
    lines.join("\n") + "\n"
}

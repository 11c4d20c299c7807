//! `timed status`: one screen about a running node. Exit 0: ready, 1: degraded, 2: down; with `--wait`, 0
//! as soon as what is waited for is there, 75 if it is not in time.

use std::{process::ExitCode, time::Duration};

use serde_json::json;

use super::{
    args::StatusArguments,
    client::{block_on, client},
    failure::Failure,
    output,
    wait::wait,
};
use crate::{
    chain::Amount,
    control::{
        status_json::{HealthJson, StatusJson},
        words::{counted, duration, grouped},
    },
    rpc::client::{Client, ClientError},
};

/// Exit status of a node that answers but is not ready.
const EXIT_DEGRADED: u8 = 1;
/// Exit status when nobody answers.
const EXIT_DOWN: u8 = 2;
/// Looking more often than this tells nothing: a node makes its status four times a second.
const WATCH_MIN: Duration = Duration::from_millis(250);
/// Goes to the first place of a terminal and wipes it.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

pub(super) fn status(arguments: &StatusArguments) -> Result<ExitCode, Failure> {
    let client = client(&arguments.asked)?;
    if let Some(goal) = arguments.wait {
        let (status, health) = block_on(wait(&client, goal, arguments.timeout))?;
        show(&status, &health, arguments.json)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(every) = arguments.watch {
        return block_on(watch(&client, every, arguments.json)).map(|()| ExitCode::SUCCESS);
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

/// Shows what the node says again and again, a node that does not answer too, until nobody reads it.
async fn watch(client: &Client, every: Duration, as_json: bool) -> Result<(), Failure> {
    let mut looks = tokio::time::interval(every.max(WATCH_MIN));
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let asked = async { Ok::<_, ClientError>((client.status().await?, client.ready().await?)) };
        let text = match (asked.await, as_json) {
            (Ok((status, health)), true) => json!({ "status": status, "health": health }).to_string() + "\n",
            (Ok((status, health)), false) => screen(&status, &health),
            (Err(error), true) => json!({ "error": error.to_string() }).to_string() + "\n",
            (Err(error), false) => format!("{}\n", Failure::from(error)),
        };
        let text = match (as_json, output::has_terminal()) {
            (true, _) => text,
            (false, true) => format!("{CLEAR}{text}"),
            (false, false) => text + "\n",
        };
        if !output::is_taken(&text)? {
            return Ok(());
        }
    }
}

fn show(status: &StatusJson, health: &HealthJson, as_json: bool) -> Result<(), Failure> {
    match as_json {
        true => output::json(&json!({ "status": status, "health": health })),
        false => output::raw(&screen(status, health)),
    }
}

/// All money that there is, in words.
fn supply(units: Option<u64>) -> String {
    units.map_or_else(
        || "not known".to_owned(),
        |units| format!("{} TIME", Amount::from_units(units)),
    )
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
        format!("  supply      {}", supply(status.supply)),
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
    if !status.backfill.is_empty() {
        lines.push(format!("  blocks      {}", status.backfill));
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

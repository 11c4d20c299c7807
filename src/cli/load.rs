//! `timed load`: transactions at a steady rate against any node.

use std::process::ExitCode;

use super::{
    args::LoadArguments,
    client::block_on,
    devnet::{json_line, print_finality},
    failure::Failure,
    output,
    signals::until_signalled,
};
use crate::devnet::{LoadPlan, LoadReport, load as run_load};

pub(super) fn load(arguments: &LoadArguments) -> Result<ExitCode, Failure> {
    let plan = LoadPlan {
        rpc: arguments.rpc.clone(),
        wallets: arguments.wallet.clone(),
        rate: arguments.rate,
        duration: arguments.duration,
        inputs: usize::from(arguments.inputs),
        presigned: arguments.presigned,
    };
    let ended = block_on(until_signalled(async |stop| run_load(plan, stop).await))?;
    let report = match ended {
        Ok(report) => report?,
        Err(code) => return Ok(code),
    };
    if arguments.json {
        json_line(&report)?;
    } else {
        print(&report)?;
    }
    Ok(match report.lost {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn print(report: &LoadReport) -> Result<(), Failure> {
    output::line(&format!(
        "{} submitted, {} accepted, {} final, {} lost in {} s: {} tx/s",
        report.submitted, report.accepted, report.made_final, report.lost, report.duration_s, report.tps
    ))?;
    print_finality(&report.finality_ms)?;
    for (reason, count) in &report.refused {
        output::line(&format!("refused  {count} {reason}"))?;
    }
    Ok(())
}

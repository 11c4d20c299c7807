//! `timed version`.

use std::process::ExitCode;

use serde_json::json;

use super::{failure::Failure, output};

pub(super) fn version(as_json: bool) -> Result<ExitCode, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    if as_json {
        output::json(&json!({ "schema": 1, "name": "timed", "version": version }))?;
    } else {
        output::line(&format!("timed {version}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

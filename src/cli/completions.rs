//! `timed completions`: a script for the shell.

use std::process::ExitCode;

use clap::CommandFactory;

use super::{args::Arguments, failure::Failure, output};

pub(super) fn completions(shell: clap_complete::Shell) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "timed", &mut script);
    output::raw(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}

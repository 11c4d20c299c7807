//! `timed config`: what would be in force, and where it came from.

use std::process::ExitCode;

use serde_json::json;
use toml::{Table, Value};

use super::{
    args::{ChainPlace, ConfigCommand, RunArguments},
    failure::{Code, Failure},
    output,
};
use crate::config::{EXAMPLE, Environment, Loaded, Sources, load};

pub(super) fn config(command: &ConfigCommand) -> Result<ExitCode, Failure> {
    match command {
        ConfigCommand::Default => output::raw(EXAMPLE)?,
        ConfigCommand::Check(arguments) => check(&load_run(arguments)?)?,
        ConfigCommand::Print { run, json } => print(&load_run(run)?, *json)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The configuration that `timed run` with these arguments would have.
pub(super) fn load_run(arguments: &RunArguments) -> Result<Loaded, Failure> {
    let sources = Sources {
        file: arguments.chain.place.config.clone(),
        environment: Environment::read().settings,
        flags: arguments.flags(),
    };
    Ok(load(&sources)?)
}

/// The configuration that `place` names, for a command that works on the files of a stopped node.
pub(super) fn load_chain(place: &ChainPlace) -> Result<Loaded, Failure> {
    let sources = Sources {
        file: place.place.config.clone(),
        environment: Environment::read().settings,
        flags: place.flags(),
    };
    Ok(load(&sources)?)
}

fn check(loaded: &Loaded) -> Result<(), Failure> {
    for warning in &loaded.warnings {
        output::diagnostic(&format!("warning: {warning}"));
    }
    let file = loaded
        .file
        .as_ref()
        .map_or("no config file".to_owned(), |path| path.display().to_string());
    output::line(&format!("configuration is valid ({file})"))?;
    output::line(&format!(
        "data directory: {}",
        loaded.data_dir()?.root().display()
    ))
}

fn print(loaded: &Loaded, as_json: bool) -> Result<(), Failure> {
    let values = Table::try_from(&loaded.config)
        .map_err(|error| Failure::new(Code::Unexpected, format!("{error}; please report it")))?;
    let value_of = |key: &str| -> Option<Value> {
        let found = match key.split_once('.') {
            Some((section, key)) => values.get(section)?.get(key)?,
            None => values.get(key)?,
        };
        Some(found.clone())
    };
    if as_json {
        let entries: serde_json::Map<String, serde_json::Value> = loaded
            .origins
            .iter()
            .map(|(key, origin)| {
                (
                    key.clone(),
                    json!({ "value": value_of(key), "origin": origin.to_string() }),
                )
            })
            .collect();
        return output::json(&json!({ "schema": 1, "config": entries }));
    }
    for (key, origin) in &loaded.origins {
        let value = value_of(key).map_or(String::new(), |value| value.to_string());
        output::line(&format!("{key} = {value}  # {origin}"))?;
    }
    Ok(())
}

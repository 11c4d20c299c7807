//! `timed config`: what would be in force, and where it came from.

use std::{collections::BTreeMap, process::ExitCode};

use serde_json::json;
use toml::{Table, Value};

use super::{
    args::{ChainPlace, ConfigCommand, RunArguments},
    docs::settings,
    failure::{Code, Failure},
    migrate, output,
};
use crate::config::{Config, EXAMPLE, Environment, Loaded, Sources, load, nearest};

pub(super) fn config(command: &ConfigCommand) -> Result<ExitCode, Failure> {
    match command {
        ConfigCommand::Default => output::raw(EXAMPLE)?,
        ConfigCommand::Check { run, json } => check(&load_run(run)?, *json)?,
        ConfigCommand::Print { run, json } => print(&load_run(run)?, *json)?,
        ConfigCommand::Diff { run, json } => {
            print(&differing(run)?, *json)?;
        }
        ConfigCommand::Migrate(arguments) => return migrate::migrate(arguments),
        ConfigCommand::Explain { run, key, json } => explain(&load_run(run)?, key, *json)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The configuration of `timed run`, with those keys alone that do not have their default.
pub(super) fn differing(arguments: &RunArguments) -> Result<Loaded, Failure> {
    let mut loaded = load_run(arguments)?;
    // By value: a file that `timed init` made sets every key, most of them to the default.
    let usual = Loaded {
        config: Config::default(),
        origins: loaded.origins.clone(),
        warnings: Vec::new(),
        file: None,
    };
    let (set, usual) = (values(&loaded)?, values(&usual)?);
    loaded.origins.retain(|key, _| set.get(key) != usual.get(key));
    Ok(loaded)
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

fn check(loaded: &Loaded, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return output::json(&json!({
            "schema": 1,
            "valid": true,
            "file": loaded.file,
            "data_dir": loaded.data_dir()?.root(),
            "warnings": loaded.warnings,
        }));
    }
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

/// One key, for somebody who wonders.
fn explain(loaded: &Loaded, key: &str, as_json: bool) -> Result<(), Failure> {
    let settings = settings();
    let Some(setting) = settings.iter().find(|setting| setting.key == key) else {
        let hint = nearest(key, settings.iter().map(|setting| setting.key.as_str()))
            .map_or_else(String::new, |near| format!(" (did you mean {near}?)"));
        return Err(Failure::new(
            Code::NotFound,
            format!("there is no key {key}{hint}; `timed config print` lists all"),
        ));
    };
    let value = values(loaded)?
        .get(key)
        .map_or_else(String::new, Value::to_string);
    let origin = loaded
        .origins
        .get(key)
        .map_or_else(String::new, ToString::to_string);
    if as_json {
        return output::json(&json!({
            "schema": 1, "key": key, "meaning": setting.meaning, "default": setting.default,
            "variable": setting.variable(), "value": value, "origin": origin,
        }));
    }
    output::line(&format!("{key}: {}", setting.meaning))?;
    output::line(&format!("in force   {value}  ({origin})"))?;
    output::line(&format!("default    {}", setting.default))?;
    output::line(&format!("variable   {}", setting.variable()))
}

/// Every value by its key.
fn values(loaded: &Loaded) -> Result<BTreeMap<String, Value>, Failure> {
    let table = Table::try_from(&loaded.config)
        .map_err(|error| Failure::new(Code::Unexpected, format!("{error}; please report it")))?;
    let of = |key: &str| match key.split_once('.') {
        Some((section, key)) => table.get(section)?.get(key),
        None => table.get(key),
    };
    let known = loaded.origins.keys();
    Ok(known
        .filter_map(|key| Some((key.clone(), of(key)?.clone())))
        .collect())
}

/// Every value with its origin, as JSON. There is no secret among them: these are in files of their own.
pub(super) fn shown(loaded: &Loaded) -> Result<serde_json::Value, Failure> {
    let values = values(loaded)?;
    let entries: serde_json::Map<String, serde_json::Value> = loaded
        .origins
        .iter()
        .map(|(key, origin)| {
            (
                key.clone(),
                json!({ "value": values.get(key), "origin": origin.to_string() }),
            )
        })
        .collect();
    Ok(json!({ "schema": 1, "config": entries }))
}

fn print(loaded: &Loaded, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return output::json(&shown(loaded)?);
    }
    let values = values(loaded)?;
    for (key, origin) in &loaded.origins {
        let value = values.get(key).map_or(String::new(), |value| value.to_string());
        output::line(&format!("{key} = {value}  # {origin}"))?;
    }
    Ok(())
}

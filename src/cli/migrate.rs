//! `timed config migrate`: a configuration file of an earlier version, in today's words.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::json;

use super::{
    args::MigrateArguments,
    client::load_place,
    failure::{Code, Failure},
    output,
};
use crate::config::{Sources, load, migrated};

/// Old files beside one configuration; a hundred migrations are a mistake in a script.
const BACKUPS_MAX: u32 = 100;

pub(super) fn migrate(arguments: &MigrateArguments) -> Result<ExitCode, Failure> {
    let loaded = load_place(&arguments.place)?;
    let path = loaded.file.ok_or_else(|| {
        Failure::new(
            Code::NotFound,
            "there is no configuration file here; name one with --config, or its directory with --data-dir",
        )
    })?;
    let text = fs::read_to_string(&path).map_err(|error| Failure::io(&path, &error))?;
    let found = migrated(&text)
        .map_err(|reason| Failure::new(Code::Config, format!("{}: {reason}", path.display())))?;
    let is_current = found.changes.is_empty();
    let changes = found.changes.iter();
    let backup = match is_current || arguments.check {
        true => None,
        false => {
            if !arguments.json {
                show(&path, &found.changes)?;
            }
            if !arguments.yes && !agreed()? {
                output::diagnostic("nothing was changed");
                return Ok(ExitCode::FAILURE);
            }
            Some(replace(&path, &found.text)?)
        }
    };
    if arguments.json {
        let changes: Vec<_> = changes
            .map(|(line, before, after)| json!({ "line": line, "before": before, "after": after }))
            .collect();
        output::json(&json!({
            "schema": 1, "file": path, "current": is_current, "changes": changes, "backup": backup,
        }))?;
    } else if is_current {
        output::line(&format!("{} needs no change", path.display()))?;
    } else if let Some(backup) = backup {
        output::line(&format!("done; the old file is {}", backup.display()))?;
    } else {
        show(&path, &found.changes)?;
        output::diagnostic("nothing was changed: --check only looks");
    }
    Ok(match arguments.check && !is_current {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

fn show(path: &Path, changes: &[(usize, String, String)]) -> Result<(), Failure> {
    output::line(&format!("{}:", path.display()))?;
    for (line, before, after) in changes {
        output::line(&format!("{line:>5} - {before}"))?;
        output::line(&format!("      + {after}"))?;
    }
    Ok(())
}

fn agreed() -> Result<bool, Failure> {
    if !output::has_terminal() {
        return Err(Failure::new(
            Code::Refused,
            "nobody is here to agree; add --yes, or --check to only look",
        ));
    }
    output::ask("Rewrite it? [y/N] ").map(|answer| matches!(answer.to_lowercase().as_str(), "y" | "yes"))
}

/// Puts the new text in the place of the old, which stays beside it. At every moment the name holds a whole
/// file, the old one or the new one.
fn replace(path: &Path, text: &str) -> Result<PathBuf, Failure> {
    let beside = |end: &str| {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(end);
        path.with_file_name(name)
    };
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error: std::io::Error| Failure::io(&path, &error)
    };
    let next = beside(".next");
    let before = fs::metadata(path).map_err(failed(path))?;
    let _ = fs::remove_file(&next);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(before.mode() & 0o777)
        .open(&next)
        .map_err(failed(&next))?;
    // As root, the node's own user must go on reading it.
    let kept = std::os::unix::fs::fchown(&file, Some(before.uid()), Some(before.gid()));
    kept.and_then(|()| file.write_all(text.as_bytes()))
        .and_then(|()| file.sync_all())
        .map_err(failed(&next))?;
    let tried = load(&Sources {
        file: Some(next.clone()),
        ..Sources::default()
    });
    match tried {
        Ok(loaded) if loaded.warnings.is_empty() => {}
        Ok(loaded) => return Err(give_up(&next, loaded.warnings.join("; "))),
        Err(error) => return Err(give_up(&next, error.to_string())),
    }
    let backup = (1..=BACKUPS_MAX)
        .map(|number| beside(&format!(".old-{number}")))
        .find(|path| !path.exists())
        .ok_or_else(|| {
            give_up(
                &next,
                format!("{BACKUPS_MAX} old files are beside it; remove some"),
            )
        })?;
    fs::hard_link(path, &backup).map_err(failed(&backup))?;
    fs::rename(&next, path).map_err(failed(path))?;
    Ok(backup)
}

fn give_up(next: &Path, reason: String) -> Failure {
    let _ = fs::remove_file(next);
    Failure::new(Code::Config, format!("{reason}; nothing was changed"))
}

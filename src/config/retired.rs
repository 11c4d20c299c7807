//! Keys that earlier versions had. A configuration that still names one starts the node, with a warning:
//! an upgrade must not become a node that does not come back. `timed config migrate` rewrites the file.

use std::fmt;

use toml::Table;

/// A key of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retired {
    /// Its name then.
    pub key: &'static str,
    /// Its name now; `None` if nothing takes its place.
    pub now: Option<&'static str>,
    /// Why it went.
    pub why: &'static str,
}

/// All of them.
pub const RETIRED: &[Retired] = &[
    Retired {
        key: "storage.cache_utxos",
        now: Some("storage.cache_coins"),
        why: "renamed",
    },
    Retired {
        key: "storage.cache_mb",
        now: None,
        why: "the database sizes its own cache",
    },
    Retired {
        key: "network.outbound_max",
        now: None,
        why: "a node dials as many peers as its network needs",
    },
    Retired {
        key: "telemetry.file",
        now: None,
        why: "the log file is always written, within telemetry.size_max_mb",
    },
    Retired {
        key: "console.mouse",
        now: None,
        why: "`m` turns the mouse on in the console",
    },
];

/// The key of the past with this name.
pub(super) fn retired(key: &str) -> Option<&'static Retired> {
    RETIRED.iter().find(|retired| retired.key == key)
}

impl fmt::Display for Retired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.now {
            Some(now) => write!(f, "`{}` is now `{now}`", self.key),
            None => write!(f, "`{}` sets nothing any more: {}", self.key, self.why),
        }
    }
}

/// A configuration file in today's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// The whole text; the same as before if nothing had to change.
    pub text: String,
    /// Lines before and after, with their number, from 1.
    pub changes: Vec<(usize, String, String)>,
}

/// Writes a file anew, line by line, so that comments and order stay. What is renamed keeps its value,
/// unless the new name is set too; what is gone becomes a comment that says why.
///
/// # Errors
/// A sentence that says what to do by hand: the text is no TOML, or a key of the past stands where lines do
/// not tell (in a table within a line, say).
pub fn migrated(text: &str) -> Result<Migrated, String> {
    let before: Table = text.parse().map_err(|error| format!("no valid TOML: {error}"))?;
    let mut section = String::new();
    let mut lines = Vec::new();
    let mut changes = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        if let Some(name) = trimmed.strip_prefix('[') {
            section = name.split(']').next().unwrap_or("").trim().to_owned();
        }
        let name = trimmed.split('=').next().unwrap_or("").trim();
        let key = match section.as_str() {
            "" => name.to_owned(),
            section => format!("{section}.{name}"),
        };
        let found = trimmed.contains('=').then(|| retired(&key)).flatten();
        let after = match found {
            None => line.to_owned(),
            Some(old) => match old.now.filter(|now| value(&before, now).is_none()) {
                Some(now) => {
                    let short = if section.is_empty() {
                        now
                    } else {
                        now.rsplit('.').next().unwrap_or(now)
                    };
                    line.replacen(name, short, 1)
                }
                None => format!("# {line}  # {old}"),
            },
        };
        if after != line {
            changes.push((index + 1, line.to_owned(), after.clone()));
        }
        lines.push(after);
    }
    let mut new = lines.join("\n");
    if text.ends_with('\n') {
        new.push('\n');
    }
    let after: Table = new.parse().map_err(|_| by_hand())?;
    if after != expected(before) {
        return Err(by_hand());
    }
    Ok(Migrated { text: new, changes })
}

fn by_hand() -> String {
    let names: Vec<String> = RETIRED.iter().map(ToString::to_string).collect();
    format!(
        "it cannot be rewritten line by line; edit it: {}",
        names.join("; ")
    )
}

fn value<'a>(table: &'a Table, key: &str) -> Option<&'a toml::Value> {
    let (section, name) = key.split_once('.')?;
    table.get(section)?.get(name)
}

/// What the values have to be afterwards.
fn expected(mut table: Table) -> Table {
    for old in RETIRED {
        let Some((section, name)) = old.key.split_once('.') else {
            continue;
        };
        let Some(found) = table
            .get_mut(section)
            .and_then(toml::Value::as_table_mut)
            .and_then(|section| section.remove(name))
        else {
            continue;
        };
        let Some((section, name)) = old.now.and_then(|now| now.split_once('.')) else {
            continue;
        };
        if let Some(section) = table.get_mut(section).and_then(toml::Value::as_table_mut) {
            section.entry(name).or_insert(found);
        }
    }
    table
}

//! Layering: each source lays its values over the ones before, and every value keeps its origin.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use toml::{Table, Value};

use super::{CONFIG_FILE, Config, ConfigError, DataDir, retired::retired, suggest::nearest, validate};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The file.
    File(PathBuf),
    /// This variable.
    Environment(String),
    /// A flag.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag => f.write_str("flag"),
        }
    }
}

/// Everything that can set a value, lowest first.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `--config`; without it, `config.toml` in the data directory is read if it exists.
    pub file: Option<PathBuf>,
    /// `TIMED_*` variables, as [`super::Environment::settings`] gives them.
    pub environment: Vec<(String, String)>,
    /// `section.key` and value, from flags.
    pub flags: Vec<(&'static str, Value)>,
}

/// A valid configuration, and how it came about.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The values; `data_dir` and `network.genesis` are resolved against the file that set them.
    pub config: Config,
    /// `section.key` to origin, for every key.
    pub origins: BTreeMap<String, Origin>,
    /// What the operator may wonder about; to be logged once logging runs.
    pub warnings: Vec<String>,
    /// The file that was read.
    pub file: Option<PathBuf>,
}

impl Loaded {
    /// The directories of the node.
    ///
    /// # Errors
    /// [`ConfigError::NoHome`] if none was set and the system names no home.
    pub fn data_dir(&self) -> Result<DataDir, ConfigError> {
        DataDir::resolve(&self.config)
    }
}

/// What every variable of ours begins with.
pub(super) const PREFIX: &str = "TIMED_";

/// Reads all sources into one valid configuration.
///
/// # Errors
/// The first [`ConfigError`] met; of values that cannot work, all of them together.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let mut layers = Layers::of_defaults()?;
    let environment = layers.environment_values(&sources.environment)?;
    if let Some(path) = file_to_read(sources, &environment)? {
        layers.lay_file(&path)?;
    }
    for (key, name, value) in environment {
        layers.set(&key, value, Origin::Environment(name))?;
    }
    for (key, value) in &sources.flags {
        layers.set(key, value.clone(), Origin::Flag)?;
    }
    layers.finish()
}

struct Layers {
    values: Table,
    origins: BTreeMap<String, Origin>,
    warnings: Vec<String>,
    file: Option<PathBuf>,
}

impl Layers {
    fn of_defaults() -> Result<Self, ConfigError> {
        // The defaults are plain text, numbers and lists; their TOML form always exists.
        let values =
            Table::try_from(Config::default()).map_err(|error| syntax(Path::new("defaults"), &error))?;
        let mut origins = BTreeMap::new();
        for key in keys(&values) {
            origins.insert(key, Origin::Default);
        }
        Ok(Self {
            values,
            origins,
            warnings: Vec::new(),
            file: None,
        })
    }

    fn lay_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => ConfigError::Missing {
                path: path.to_owned(),
            },
            _ => ConfigError::Io {
                path: path.to_owned(),
                source,
            },
        })?;
        let table: Table = text.parse().map_err(|error| syntax(path, &error))?;
        let origin = Origin::File(path.to_owned());
        for (name, value) in table {
            match value {
                Value::Table(section) if self.values.get(&name).is_some_and(Value::is_table) => {
                    // A new name beside its old one has the last word.
                    let (old, new): (Vec<_>, Vec<_>) = section
                        .into_iter()
                        .map(|(key, value)| (format!("{name}.{key}"), value))
                        .partition(|(key, _)| retired(key).is_some());
                    for (key, value) in old.into_iter().chain(new) {
                        self.set_known(&key, value, &origin)?;
                    }
                }
                value => self.set(&name, value, origin.clone())?,
            }
        }
        self.file = Some(path.to_owned());
        Ok(())
    }

    /// Lays a value of a file, be its key of today or of the past.
    fn set_known(&mut self, key: &str, value: Value, origin: &Origin) -> Result<(), ConfigError> {
        let Some(old) = retired(key) else {
            return self.set(key, value, origin.clone());
        };
        self.warnings
            .push(format!("{old}; `timed config migrate` rewrites {origin}"));
        match old.now {
            Some(now) => self.set(now, value, origin.clone()),
            None => Ok(()),
        }
    }

    /// The variables that name a key, with their values in the key's kind.
    fn environment_values(
        &mut self,
        variables: &[(String, String)],
    ) -> Result<Vec<(String, String, Value)>, ConfigError> {
        let mut found = Vec::new();
        for (name, text) in variables {
            let Some(rest) = name.strip_prefix(PREFIX) else {
                continue;
            };
            let mut key = rest.to_ascii_lowercase().replace("__", ".");
            if let Some(old) = retired(&key) {
                self.warnings.push(match old.now {
                    Some(now) => format!(
                        "environment variable {name} has a new name: {}",
                        variable_name(now)
                    ),
                    None => format!("environment variable {name}: {old}"),
                });
                match old.now {
                    Some(now) => now.clone_into(&mut key),
                    None => continue,
                }
            }
            let Some(known) = self.get(&key) else {
                let meant = nearest(&key, self.origins.keys().map(String::as_str));
                let hint = meant.map_or(String::new(), |key| {
                    format!("; did you mean {}?", variable_name(key))
                });
                self.warnings
                    .push(format!("environment variable {name} sets nothing{hint}"));
                continue;
            };
            let value = parse_like(known, text).ok_or_else(|| ConfigError::WrongKind {
                key: key.clone(),
                origin: Origin::Environment(name.clone()),
                expected: kind_name(known),
                found: format!("`{text}`"),
            })?;
            found.push((key, name.clone(), value));
        }
        Ok(found)
    }

    fn get(&self, key: &str) -> Option<&Value> {
        let value = match key.split_once('.') {
            Some((section, key)) => self.values.get(section)?.get(key)?,
            None => self.values.get(key)?,
        };
        (!value.is_table()).then_some(value)
    }

    /// Lays one value over the others, if the key exists and the kind is its own.
    fn set(&mut self, key: &str, value: Value, origin: Origin) -> Result<(), ConfigError> {
        let Some(known) = self.get(key) else {
            return Err(self.unknown(key, origin));
        };
        let same_kind =
            known.same_type(&value) && value.as_array().is_none_or(|list| list.iter().all(Value::is_str));
        if !same_kind {
            return Err(ConfigError::WrongKind {
                key: key.to_owned(),
                origin,
                expected: kind_name(known),
                found: value.to_string(),
            });
        }
        let value = match (&origin, key) {
            (Origin::File(file), "data_dir" | "network.genesis" | "keys.passphrase_file") => {
                relative_to(file, value)
            }
            _ => value,
        };
        match key.split_once('.') {
            Some((section, name)) => {
                if let Some(section) = self.values.get_mut(section).and_then(Value::as_table_mut) {
                    section.insert(name.to_owned(), value);
                }
            }
            None => {
                self.values.insert(key.to_owned(), value);
            }
        }
        self.origins.insert(key.to_owned(), origin);
        Ok(())
    }

    /// The error for a key nobody knows: first a neighbour in its section, then the same name in
    /// another section, then a section of nearly that name.
    fn unknown(&self, key: &str, origin: Origin) -> ConfigError {
        let all = || self.origins.keys().map(String::as_str);
        let last = key.rsplit('.').next().unwrap_or(key);
        let elsewhere = || all().find(|known| known.rsplit('.').next() == Some(last));
        let section = || {
            nearest(
                key,
                self.values
                    .iter()
                    .filter(|(_, value)| value.is_table())
                    .map(|(name, _)| name.as_str()),
            )
        };
        let nearest = nearest(key, all()).or_else(elsewhere).or_else(section);
        ConfigError::UnknownKey {
            key: key.to_owned(),
            origin,
            nearest: nearest.map(str::to_owned),
        }
    }

    fn finish(self) -> Result<Loaded, ConfigError> {
        let config: Config = self.values.try_into().map_err(|error| ConfigError::Value {
            reason: one_line(&error),
        })?;
        validate::check(&config)?;
        Ok(Loaded {
            config,
            origins: self.origins,
            warnings: self.warnings,
            file: self.file,
        })
    }
}

/// `--config`, else `config.toml` in the data directory that flags and environment name.
fn file_to_read(
    sources: &Sources,
    environment: &[(String, String, Value)],
) -> Result<Option<PathBuf>, ConfigError> {
    if let Some(path) = &sources.file {
        return Ok(Some(path.clone()));
    }
    let named = |key: &str| -> Option<String> {
        let flag = sources
            .flags
            .iter()
            .rev()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value);
        let variable = || {
            environment
                .iter()
                .find(|(name, _, _)| name == key)
                .map(|(_, _, value)| value)
        };
        flag.or_else(variable)?.as_str().map(str::to_owned)
    };
    let mut config = Config::default();
    if let Some(dir) = named("data_dir") {
        config.data_dir = PathBuf::from(dir);
    }
    if let Some(name) = named("network.name") {
        config.network.name = name;
    }
    // A name with a slash must not choose a directory; validation will refuse it with its reason.
    if config.data_dir.as_os_str().is_empty() && config.network.name.contains(['/', '.']) {
        return Ok(None);
    }
    let path = match DataDir::resolve(&config) {
        Ok(dir) => dir.root().join(CONFIG_FILE),
        Err(_) => return Ok(None),
    };
    Ok(path.exists().then_some(path))
}

/// `section.key` of every value.
fn keys(table: &Table) -> Vec<String> {
    let mut all = Vec::new();
    for (name, value) in table {
        match value {
            Value::Table(section) => all.extend(section.keys().map(|key| format!("{name}.{key}"))),
            _ => all.push(name.clone()),
        }
    }
    all
}

/// The variable that sets `key`.
fn variable_name(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_ascii_uppercase())
}

/// Text from the environment, read as the kind that the key has. Lists are separated by commas.
fn parse_like(known: &Value, text: &str) -> Option<Value> {
    match known {
        Value::Boolean(_) => text.parse().ok().map(Value::Boolean),
        Value::Integer(_) => text.parse().ok().map(Value::Integer),
        Value::Array(_) => Some(Value::Array(
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| Value::String(item.to_owned()))
                .collect(),
        )),
        _ => Some(Value::String(text.to_owned())),
    }
}

fn kind_name(value: &Value) -> &'static str {
    match value {
        Value::Boolean(_) => "true or false",
        Value::Integer(_) => "a whole number",
        Value::Array(_) => "a list of texts",
        _ => "a text in quotes",
    }
}

fn relative_to(file: &Path, value: Value) -> Value {
    let Some(text) = value.as_str().filter(|text| !text.is_empty()) else {
        return value;
    };
    let dir = file.parent().unwrap_or(Path::new(""));
    // `.` adds nothing to a path but would show in every message.
    let joined = if text == "." {
        dir.to_owned()
    } else {
        dir.join(text)
    };
    let joined = if joined.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        joined
    };
    Value::String(joined.to_string_lossy().into_owned())
}

fn syntax(path: &Path, error: &impl fmt::Display) -> ConfigError {
    ConfigError::Syntax {
        path: path.to_owned(),
        reason: one_line(error),
    }
}

/// The parser draws several lines with an arrow; one line serves logs and people alike.
fn one_line(error: &impl fmt::Display) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

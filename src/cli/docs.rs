//! `timed docs` and `timed man`: references written from the code itself. What they print lies in
//! docs/reference/, and a test compares.

use std::{collections::BTreeMap, fmt::Write, fs, path::Path, process::ExitCode};

use clap::CommandFactory;

use super::{
    args::{Arguments, DocsArguments},
    failure::{Code, Failure},
    output,
};
use crate::{
    config::EXAMPLE,
    metrics::{
        Metrics,
        labels::{Label, Route},
    },
    rpc::{limits, methods::METHODS},
};

/// Width of the help texts in the reference.
const WIDTH: usize = 100;
/// Where codes are explained.
const TROUBLESHOOTING: &str = "docs/troubleshooting.md";
/// The manual.
const OPERATIONS: &str = "docs/OPERATIONS.md";

/// A reference by the name of its file, without the extension, and its text.
pub type Reference = (&'static str, String);

/// Every reference there is.
pub fn references() -> Vec<Reference> {
    vec![
        ("cli", cli()),
        ("config", config()),
        ("errors", errors()),
        ("metrics", metrics()),
        ("rpc", rpc()),
    ]
}

pub(super) fn docs(arguments: &DocsArguments) -> Result<ExitCode, Failure> {
    let references = references();
    if let Some(dir) = &arguments.dir {
        fs::create_dir_all(dir).map_err(|error| Failure::io(dir, &error))?;
        for (name, text) in &references {
            let path = dir.join(name).with_extension("md");
            fs::write(&path, text).map_err(|error| Failure::io(&path, &error))?;
            output::line(&path.display().to_string())?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let wanted = arguments.name.as_deref().unwrap_or("");
    match references.iter().find(|(name, _)| *name == wanted) {
        Some((_, text)) => output::raw(text)?,
        None => {
            let names: Vec<&str> = references.iter().map(|(name, _)| *name).collect();
            return Err(Failure::new(
                Code::Argument,
                format!("name one of {}, or write all with --dir", names.join(", ")),
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn man(dir: &Path) -> Result<ExitCode, Failure> {
    fs::create_dir_all(dir).map_err(|error| Failure::io(dir, &error))?;
    clap_mangen::generate_to(Arguments::command(), dir).map_err(|error| Failure::io(dir, &error))?;
    Ok(ExitCode::SUCCESS)
}

fn head(title: &str, what: &str) -> String {
    format!(
        "# {title}\n\nWritten by `timed docs --dir docs/reference` from the code; a test compares, so change the code and run that.\n{what}\n\n"
    )
}

/// A document as seen from docs/.
fn in_docs(path: &str) -> &str {
    path.trim_start_matches("docs/")
}

/// A link from a reference to a document.
fn link(path: &str) -> String {
    format!("[{0}](../{0})", in_docs(path))
}

/// A cell of a table: one line, without what would end the cell.
fn cell(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

fn cli() -> String {
    let mut text = head("Commands", "Without a command, `timed` is `timed run`.");
    let mut root = Arguments::command().term_width(WIDTH);
    root.build();
    describe(&mut text, &root, "timed");
    text
}

fn describe(text: &mut String, command: &clap::Command, path: &str) {
    let mut shown = command
        .clone()
        .bin_name(path)
        .term_width(WIDTH)
        .version(None::<&str>);
    let help = shown.render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    let _ = write!(
        text,
        "## {path}\n\n```text\n{}\n```\n\n",
        lines.join("\n").trim_end()
    );
    let inner = command
        .get_subcommands()
        .filter(|inner| !inner.is_hide_set() && inner.get_name() != "help");
    for inner in inner {
        describe(text, inner, &format!("{path} {}", inner.get_name()));
    }
}

fn config() -> String {
    let mut text = head(
        "Configuration",
        "A flag beats the variable, which beats the file, which beats the default. `timed config explain KEY` says what is in force.",
    );
    text += "| key | default | variable | meaning |\n|---|---|---|---|\n";
    for setting in settings() {
        let _ = writeln!(
            text,
            "| `{}` | `{}` | `{}` | {} |",
            setting.key,
            setting.default,
            setting.variable(),
            cell(&setting.meaning)
        );
    }
    text
}

/// A key of the example, which is compared with the defaults by a test.
pub(super) struct Setting {
    pub(super) key: String,
    pub(super) default: String,
    pub(super) meaning: String,
}

impl Setting {
    pub(super) fn variable(&self) -> String {
        format!("TIMED_{}", self.key.replace('.', "__").to_uppercase())
    }
}

/// Every key with its default and its meaning.
pub(super) fn settings() -> Vec<Setting> {
    let (mut found, mut section, mut comment) = (Vec::new(), String::new(), String::new());
    for line in EXAMPLE.lines() {
        if let Some(text) = line.strip_prefix('#') {
            comment = format!("{comment} {}", text.trim());
        } else if let Some(name) = line.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            section = format!("{name}.");
            comment.clear();
        } else if let Some((key, default)) = line.split_once(" = ") {
            found.push(Setting {
                key: format!("{section}{key}"),
                default: default.to_owned(),
                meaning: comment.trim().to_owned(),
            });
            comment.clear();
        } else {
            comment.clear();
        }
    }
    found
}

fn errors() -> String {
    let mut text = head(
        "Error codes",
        &format!(
            "Errors read `error[TD-xxxx]: what; why; what to do`. {} has a heading for each.",
            link(TROUBLESHOOTING)
        ),
    );
    text += "| code | exit | means |\n|---|---|---|\n";
    for code in Code::ALL {
        let (name, anchor) = (code.text(), code.text().to_lowercase());
        let _ = writeln!(
            text,
            "| [{name}](../{}#{anchor}) | {} | {} |",
            in_docs(TROUBLESHOOTING),
            code.exit_code(),
            cell(code.says())
        );
    }
    text
}

/// What the first scrape of a node holds, metric by metric.
fn metrics() -> String {
    let mut text = head(
        "Metrics",
        "Every series is exported at zero from the start. Counters end in `_total`, histograms in `_bucket`, `_sum` and `_count`.",
    );
    text += "| metric | type | labels | help |\n|---|---|---|---|\n";
    let scrape = Metrics::new("devnet").encode();
    let labels = labels(&scrape);
    let mut help = "";
    let mut pending = None;
    for line in scrape.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, words) = rest.split_once(' ').unwrap_or((rest, ""));
            (help, pending) = (words, Some(name));
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, ""));
            if pending != Some(name) {
                help = "";
            }
            let suffix = if kind == "counter" { "_total" } else { "" };
            let _ = writeln!(
                text,
                "| `{name}{suffix}` | {kind} | {} | {} |",
                labels.get(name).map_or("", String::as_str),
                cell(help.trim_end_matches('.'))
            );
        }
    }
    text
}

/// The labels of each metric; where a label has several values, with these.
fn labels(scrape: &str) -> BTreeMap<String, String> {
    let names: Vec<&str> = scrape
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, _)| name)
        .collect();
    let mut values: BTreeMap<&str, Vec<(&str, Vec<&str>)>> = BTreeMap::new();
    for line in scrape.lines().filter(|line| !line.starts_with('#')) {
        let Some((series, rest)) = line.split_once('{') else {
            continue;
        };
        let Some(name) = names
            .iter()
            .filter(|name| series.starts_with(**name))
            .max_by_key(|name| name.len())
        else {
            continue;
        };
        let inside = rest.rsplit_once('}').map_or("", |(inside, _)| inside);
        for pair in inside.split("\",") {
            let Some((label, value)) = pair.split_once("=\"") else {
                continue;
            };
            if label == "le" {
                continue;
            }
            let value = value.trim_end_matches('"');
            let known = values.entry(*name).or_default();
            match known.iter_mut().find(|(known, _)| *known == label) {
                Some((_, all)) if !all.contains(&value) => all.push(value),
                Some(_) => {}
                None => known.push((label, vec![value])),
            }
        }
    }
    let shown = values.into_iter().map(|(name, labels)| {
        // The scrape has them in no order of its own.
        let labels = labels.into_iter().map(|(label, mut values)| {
            values.sort_unstable();
            (label, values)
        });
        let labels = labels.map(|(label, values)| match values.len() {
            1 => format!("`{label}`"),
            _ => format!("`{label}`: {}", values.join(", ")),
        });
        (name.to_owned(), labels.collect::<Vec<_>>().join("; "))
    });
    shown.collect()
}

fn rpc() -> String {
    let mut text = head(
        "HTTP and JSON-RPC",
        &format!("What the plain paths answer is in {}, HTTP.", link(OPERATIONS)),
    );
    text += "## Paths\n\n";
    for route in Route::ALL.iter().filter(|route| **route != Route::Unknown) {
        let _ = writeln!(text, "- `{}`", route.as_str());
    }
    let _ = write!(
        text,
        "\n## Limits\n\n| what | at most |\n|---|---|\n| bytes of a body | {} |\n| calls in a batch | {} |\n| calls a second of one caller | {} (at once: {}) |\n| wrong tokens a minute from one address | {} |\n| requests being handled | {} |\n| seconds of an answer | {} |\n| items of a page | {} (without `limit`: {}) |\n\n",
        limits::BODY_BYTES_MAX,
        limits::CALLS_IN_BATCH_MAX,
        limits::CALLS_PER_SECOND,
        limits::CALLS_BURST,
        limits::FAILURES_PER_MINUTE,
        limits::REQUESTS_IN_FLIGHT_MAX,
        limits::HANDLER_TIMEOUT.as_secs(),
        crate::control::Page::LIMIT_MAX,
        limits::PAGE_DEFAULT,
    );
    text += "## Methods\n\n`POST /rpc`. Parameters in brackets may be left out. Each scope includes the ones before it.\n\n| scope | method | parameters | answer |\n|---|---|---|---|\n";
    for method in METHODS {
        let parameters = method.parameters.iter().map(|parameter| {
            let shown = format!("{}: {}", parameter.name, parameter.kind.word());
            match parameter.required {
                true => shown,
                false => format!("[{shown}]"),
            }
        });
        let _ = writeln!(
            text,
            "| {} | `{}` | {} | {} |",
            method.scope.word(),
            method.name,
            parameters.collect::<Vec<_>>().join(", "),
            cell(method.says)
        );
    }
    text
}

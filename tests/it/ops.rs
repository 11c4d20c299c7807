//! What operators get beside the program: alert rules, dashboard, units and runbook agree with the
//! code and with each other, and the tools that read them accept them.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use timecoin::metrics::Metrics;

pub(crate) fn ops(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("assets/ops")
        .join(file)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn alerts() -> BTreeSet<String> {
    read(&ops("alerts.yml"))
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: ").map(str::to_owned))
        .collect()
}

/// Names of metrics in `text`, without the suffixes of a histogram's parts.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    text.split(|c| !is_word(c))
        .filter(|word| word.starts_with("timed_") || word.starts_with("process_"))
        .map(|word| word.strip_suffix("_bucket").unwrap_or(word).to_owned())
        .collect()
}

fn defined() -> BTreeSet<String> {
    let metrics = Metrics::new("devnet");
    metrics
        .definitions()
        .iter()
        .map(|definition| definition.name.to_owned())
        .collect()
}

/// The tool, if this machine has it. Whoever runs the tests is told when it has not.
pub(crate) fn tool(name: &str) -> Option<Command> {
    let found = std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|dir| dir.join(name))
        .find(|path| path.is_file());
    if found.is_none() {
        println!("{name} is not installed: this check was left out");
    }
    found.map(Command::new)
}

pub(crate) fn must_succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{command:?}\n{text}");
    text
}

#[test]
fn every_metric_that_an_alert_or_a_panel_names_is_exported() {
    let defined = defined();
    for file in ["alerts.yml", "alerts_test.yml", "dashboard.json"] {
        let used = metrics_in(&read(&ops(file)));
        assert!(used.len() > 5, "{file}: {used:?}");
        let unknown: Vec<_> = used.difference(&defined).collect();
        assert!(
            unknown.is_empty(),
            "{file} names metrics that no node exports: {unknown:?}"
        );
    }
}

#[test]
fn every_alert_has_its_place_in_the_runbook_and_no_other_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/runbook.md");
    let headings: BTreeSet<String> = read(&path)
        .lines()
        .filter_map(|line| line.strip_prefix("## ").map(str::to_owned))
        .collect();
    assert_eq!(alerts(), headings);
    let anchors: BTreeSet<String> = read(&ops("alerts.yml"))
        .lines()
        .filter_map(|line| {
            line.trim()
                .strip_prefix("runbook: docs/runbook.md#")
                .map(str::to_owned)
        })
        .collect();
    let expected: BTreeSet<String> = headings.iter().map(|name| name.to_lowercase()).collect();
    assert_eq!(anchors, expected);
}

#[test]
fn prometheus_accepts_the_rules_and_their_unit_tests_pass() {
    let Some(mut check) = tool("promtool") else { return };
    must_succeed(check.arg("check").arg("rules").arg(ops("alerts.yml")));
    let mut test = Command::new(check.get_program());
    must_succeed(test.arg("test").arg("rules").arg(ops("alerts_test.yml")));
}

#[test]
fn prometheus_accepts_what_a_node_exports() {
    let Some(check) = tool("promtool") else { return };
    // promtool reads the older text format: a counter's family bears its suffix there, and there
    // is no end mark.
    let text: String = Metrics::new("devnet")
        .encode()
        .lines()
        .filter(|line| *line != "# EOF" && !line.starts_with("# UNIT"))
        .map(|line| format!("{line}\n"))
        .collect();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("metrics.prom");
    fs::write(&file, text).unwrap();
    let output = Command::new(check.get_program())
        .args(["check", "metrics"])
        .stdin(fs::File::open(&file).unwrap())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!text.contains("error while linting"), "{text}");
}

/// Panels of the dashboard: (id, x, y, width, height, expressions). Grafana itself never opened it
/// here; what can be known without it is checked.
#[allow(clippy::type_complexity, reason = "a row of a table in a test")]
fn panels() -> Vec<(u64, u64, u64, u64, u64, Vec<String>)> {
    let dashboard: serde_json::Value = serde_json::from_str(&read(&ops("dashboard.json"))).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    panels
        .iter()
        .map(|panel| {
            let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            let targets = panel["targets"].as_array().cloned().unwrap_or_default();
            let exprs = targets
                .iter()
                .map(|target| target["expr"].as_str().unwrap().to_owned());
            (
                panel["id"].as_u64().unwrap(),
                at("x"),
                at("y"),
                at("w"),
                at("h"),
                exprs.collect(),
            )
        })
        .collect()
}

#[test]
fn no_panel_covers_another_and_each_has_its_own_number() {
    let panels = panels();
    assert!(panels.len() > 30);
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel.0).collect();
    assert_eq!(ids.len(), panels.len());
    for (index, a) in panels.iter().enumerate() {
        assert!(a.1 + a.3 <= 24, "panel {} is wider than the screen", a.0);
        for b in &panels[index + 1..] {
            let apart = a.1 + a.3 <= b.1 || b.1 + b.3 <= a.1 || a.2 + a.4 <= b.2 || b.2 + b.4 <= a.2;
            assert!(apart, "panels {} and {} overlap", a.0, b.0);
        }
    }
}

#[test]
fn prometheus_parses_every_expression_of_the_dashboard() {
    let Some(check) = tool("promtool") else { return };
    let mut rules = "groups:\n- name: dashboard\n  rules:\n".to_owned();
    let mut count = 0;
    for (id, .., exprs) in panels() {
        for expr in exprs {
            let plain = expr
                .replace("$__rate_interval", "5m")
                .replace("$instance", ".*")
                .replace("$job", "timed");
            rules += &format!("  - record: panel:{id}:{count}\n    expr: {plain:?}\n");
            count += 1;
        }
    }
    assert!(count > 40);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("dashboard.yml");
    fs::write(&file, rules).unwrap();
    must_succeed(
        Command::new(check.get_program())
            .arg("check")
            .arg("rules")
            .arg(file),
    );
}

#[test]
fn the_units_expose_little() {
    /// In `systemd-analyze security` points; above this a unit is called exposed.
    const EXPOSURE_MAX: f64 = 2.0;
    let Some(analyze) = tool("systemd-analyze") else {
        return;
    };
    for unit in ["timed.service", "timed@.service"] {
        let dir = tempfile::tempdir().unwrap();
        // An instance must have a name to be judged.
        let copy = dir.path().join(unit.replace('@', "@main"));
        fs::copy(ops(unit), &copy).unwrap();
        let text = must_succeed(
            Command::new(analyze.get_program())
                .args(["security", "--offline=true", "--no-pager"])
                .arg(&copy),
        );
        let last = text
            .lines()
            .rev()
            .find(|line| line.contains("exposure level"))
            .unwrap();
        let score: f64 = last
            .split_whitespace()
            .find_map(|word| word.parse().ok())
            .unwrap_or_else(|| panic!("{last}"));
        assert!(score <= EXPOSURE_MAX, "{unit}: {last}");
    }
}

#[test]
fn no_exit_code_that_needs_a_human_restarts_the_unit() {
    for unit in ["timed.service", "timed@.service"] {
        let text = read(&ops(unit));
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("RestartPreventExitStatus="))
            .unwrap();
        assert_eq!(line, "64 65 66 67 68 69 78", "{unit}");
        assert!(
            text.contains("Type=notify\n") && text.contains("WatchdogSec="),
            "{unit}"
        );
    }
}

//! The promises of the metrics: present at zero, bounded, and valid OpenMetrics.

use std::{collections::HashSet, time::Duration};

use super::{
    Metrics, ProcessFigures,
    labels::{Label, NodeState, Route},
};

/// The names that scripts rely on (the stable interface).
const STABLE: &[&str] = &[
    "timed_consensus_height 0",
    "timed_consensus_round 0",
    "timed_consensus_view_changes_total 0",
    "timed_finality_seconds_count 0",
    "timed_finality_seconds_bucket{le=\"+Inf\"} 0",
    "timed_equivocation_evidence_total 0",
    "timed_double_sign_prevented_total 0",
    "timed_wal_fsync_seconds_count 0",
    "timed_p2p_peers 0",
    "timed_mempool_txs 0",
    "timed_mempool_bytes 0",
    "timed_consensus_overdue_seconds 0.0",
];

#[test]
fn stable_names_are_scraped_at_zero_from_the_start() {
    let text = Metrics::new("devnet").encode();
    for line in STABLE {
        assert!(
            text.lines().any(|found| found == *line),
            "no line `{line}` in\n{text}"
        );
    }
}

#[test]
fn every_definition_has_its_series_and_every_series_its_definition() {
    let metrics = Metrics::new("devnet");
    let text = metrics.encode();
    let names: HashSet<&str> = metrics
        .definitions()
        .iter()
        .map(|definition| definition.name)
        .collect();
    assert_eq!(
        names.len(),
        metrics.definitions().len(),
        "a name is defined twice"
    );
    for definition in metrics.definitions() {
        let family = definition.name.trim_end_matches("_total");
        assert!(
            text.contains(&format!("# TYPE {family} {}\n", definition.kind)),
            "no {} {family}",
            definition.kind
        );
        assert!(
            text.contains(&format!("# HELP {family} {}.\n", definition.help)),
            "{family}"
        );
        if let Some((label, values)) = &definition.labels {
            for value in values {
                assert!(
                    text.contains(&format!("{label}=\"{value}\"")),
                    "{family} {label}={value}"
                );
            }
        }
    }
    let types = text.lines().filter(|line| line.starts_with("# TYPE ")).count();
    assert_eq!(types, metrics.definitions().len());
}

#[test]
fn the_text_is_openmetrics_and_the_number_of_series_is_bounded() {
    let text = Metrics::new("devnet").encode();
    assert!(text.ends_with("# EOF\n"));
    assert_eq!(text.matches("# EOF").count(), 1);
    let mut series = HashSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert!(
            name.starts_with("timed_") || name.starts_with("process_"),
            "{line}"
        );
        assert!(series.insert(name.to_owned()), "twice: {name}");
    }
    assert!(series.len() < 1000, "{} series", series.len());
}

#[test]
fn counting_shows_in_the_text() {
    let metrics = Metrics::new("testnet");
    metrics.consensus.view_changes.inc();
    metrics.node.state.set_only(Some(NodeState::Ready));
    metrics.chain.finality_seconds.observe(0.03);
    metrics.rpc.requests.inc(Route::SubmitTx);
    metrics
        .rpc
        .request_seconds
        .observe(Route::SubmitTx, Duration::from_millis(3));
    let text = metrics.encode();
    for line in [
        "timed_consensus_view_changes_total 1",
        "timed_node_state{state=\"ready\"} 1",
        "timed_node_state{state=\"syncing\"} 0",
        "timed_finality_seconds_bucket{le=\"0.025\"} 0",
        "timed_finality_seconds_bucket{le=\"0.05\"} 1",
        "timed_rpc_requests_total{route=\"/tx\"} 1",
        "timed_rpc_request_duration_seconds_count{route=\"/tx\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "no line `{line}`");
    }
    metrics.node.state.set_only(None);
    assert_eq!(metrics.node.state.get(NodeState::Ready), 0);
}

#[test]
fn label_indexes_follow_their_list() {
    for (index, value) in Route::ALL.iter().enumerate() {
        assert_eq!(value.index(), index);
    }
}

#[test]
fn process_figures_are_read_past_a_command_with_spaces() {
    let stat = "42 (a b) c) S 1 42 42 0 -1 4194560 900 0 0 0 250 50 0 0 20 0 7 0 100 1 1 1";
    let status = "Name:\ttimed\nVmSize:\t  200 kB\nVmRSS:\t  100 kB\nThreads:\t7\n";
    let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024   4096   files\n";
    let figures = ProcessFigures::parse(stat, status, limits).unwrap();
    assert_eq!(figures.cpu_seconds, 3.0);
    assert_eq!(figures.resident_bytes, 102_400);
    assert_eq!(figures.threads, 7);
    assert_eq!(figures.max_fds, 1024);
    assert!(ProcessFigures::read().is_none_or(|read| read.resident_bytes > 0));
}

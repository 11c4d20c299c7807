//! The laws of the log: what passes the filter reaches ring and file, and the filter can change.

use tracing::{debug, info, info_span, subscriber::with_default};

use super::*;
use crate::control::LogLevel;

fn start(directory: Option<&Path>, level: &str) -> (impl Subscriber + Send + Sync, Telemetry, Arc<LogRing>) {
    let ring = Arc::new(LogRing::new());
    let config = Config {
        level: level.to_owned(),
        ..Config::default()
    };
    let (subscriber, telemetry) = build(Options {
        config,
        directory: directory.map(Path::to_owned),
        stderr: false,
        stderr_is_journal: false,
        ring: ring.clone(),
    })
    .unwrap();
    (subscriber, telemetry, ring)
}

#[test]
fn the_ring_holds_message_fields_and_spans() {
    let (subscriber, _telemetry, ring) = start(None, "info");
    with_default(subscriber, || {
        let span = info_span!("height", height = 7_u64);
        let _in = span.enter();
        info!(peer = %"mn 02", votes = 3, "Block finalized");
        debug!("not seen");
    });
    let lines = ring.since(0, 10).items;
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].level, LogLevel::Info);
    assert_eq!(lines[0].message, "Block finalized");
    assert_eq!(lines[0].fields, "height=7 peer=mn 02 votes=3");
    assert!(lines[0].target.starts_with("timecoin::telemetry"));
}

#[test]
fn the_filter_changes_while_running_and_refuses_nonsense() {
    let (subscriber, telemetry, ring) = start(None, "info");
    let filter = telemetry.filter();
    with_default(subscriber, || {
        debug!("before");
        filter.set("debug").unwrap();
        debug!("after");
        assert!(filter.set("loud").is_err());
        assert!(filter.set("").is_err());
        assert!(filter.set("info,timecoin::consensus=dbug").is_err());
        filter.set("warn,timecoin::telemetry=debug").unwrap();
        debug!("by target");
    });
    assert_eq!(filter.current(), "warn,timecoin::telemetry=debug");
    let messages: Vec<String> = ring
        .since(0, 10)
        .items
        .iter()
        .map(|line| line.message.clone())
        .collect();
    assert_eq!(messages, ["after", "by target"]);
}

#[test]
fn the_file_is_written_when_telemetry_ends() {
    let dir = tempfile::tempdir().unwrap();
    let (subscriber, telemetry, _ring) = start(Some(dir.path()), "info");
    with_default(subscriber, || info!(height = 3, "Block finalized"));
    let file = telemetry.log_file().unwrap().to_owned();
    drop(telemetry);
    let text = std::fs::read_to_string(file).unwrap();
    assert!(
        text.contains("Block finalized") && text.contains("height=3"),
        "{text}"
    );
}

#[test]
fn an_unusable_directory_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("occupied");
    std::fs::write(&file, "x").unwrap();
    let config = Config::default();
    let error = build(Options {
        config,
        directory: Some(file.join("logs")),
        stderr: false,
        stderr_is_journal: false,
        ring: Arc::new(LogRing::new()),
    })
    .err()
    .unwrap();
    assert!(error.to_string().contains("occupied"), "{error}");
}

#[test]
fn a_long_line_is_cut() {
    let (subscriber, _telemetry, ring) = start(None, "info");
    let long = "é".repeat(5_000);
    with_default(subscriber, || info!(long = %long, "m"));
    assert!(ring.since(0, 1).items[0].fields.len() <= 2_048 + 3);
}

#[test]
fn log_files_never_take_more_than_their_cap() {
    use std::io::Write as _;
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    // Two old days of 3 MB each, and a file of somebody else.
    for name in ["timed.2026-01-01.log", "timed.2026-01-02.log", "other.log"] {
        std::fs::write(file(name), vec![b'x'; 3 << 20]).unwrap();
    }
    let today = std::fs::File::create(file("timed.2026-01-03.log")).unwrap();
    let capped = super::capped::Capped::new(today, dir.path(), 5 << 20);
    let mut capped = super::capped::on_day(capped, || 3);
    let line = vec![b'y'; 64 << 10];
    for _ in 0..200 {
        capped.write_all(&line).unwrap();
    }
    assert!(!file("timed.2026-01-01.log").exists() && !file("timed.2026-01-02.log").exists());
    assert!(file("other.log").exists());
    let length = |name: &str| std::fs::metadata(file(name)).unwrap().len();
    let full = length("timed.2026-01-03.log");
    assert!(full > 5 << 20 && full < 7 << 20, "{full}");
    let text = std::fs::read(file("timed.2026-01-03.log")).unwrap();
    assert!(String::from_utf8_lossy(&text).ends_with("nothing more is written today\n"));
    // The next day it is written again, and the full one makes room.
    let mut capped = super::capped::on_day(capped, || 4);
    std::fs::write(file("timed.2026-01-04.log"), b"z").unwrap();
    capped.write_all(b"a new day\n").unwrap();
    assert!(length("timed.2026-01-03.log") > full);
    for _ in 0..20 {
        capped.write_all(&line).unwrap();
    }
    assert!(!file("timed.2026-01-03.log").exists());
}

#[test]
fn a_place_that_repeats_itself_is_cut_off_and_somebody_says_how_often() {
    use super::call_sites::{ROUTINE_MAX, WARNINGS_MAX};
    let (subscriber, telemetry, ring) = start(None, "debug");
    let count = |message: &str| {
        let lines = ring.since(0, 5_000).items;
        lines.iter().filter(|line| line.message == message).count() as u32
    };
    with_default(subscriber, || {
        for n in 0..5_000 {
            tracing::warn!(n, "a peer misbehaves");
            if n < 2_000 {
                info!(n, "routine");
                debug!(n, "detail");
            }
        }
        tracing::warn!("something else");
        telemetry.sites.tell();
        telemetry.sites.tell();
    });
    assert_eq!(count("a peer misbehaves"), WARNINGS_MAX);
    assert_eq!(count("routine"), ROUTINE_MAX);
    assert_eq!(count("detail"), 2_000);
    assert_eq!(count("something else"), 1);
    let told: Vec<String> = ring
        .since(0, 5_000)
        .items
        .iter()
        .filter(|line| line.message.starts_with("log lines of one kind left out"))
        .map(|line| line.fields.clone())
        .collect();
    assert_eq!(told.len(), 2, "{told:?}");
    for left_out in [5_000 - WARNINGS_MAX, 2_000 - ROUTINE_MAX] {
        assert!(
            told.iter()
                .any(|fields| fields.starts_with(&format!("lines={left_out} of=timecoin::telemetry"))),
            "{told:?}"
        );
    }
}

#[test]
fn a_log_file_that_was_moved_away_is_begun_anew_when_asked() {
    use std::io::Write as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let again = path.clone();
    let open = move || std::fs::File::options().create(true).append(true).open(&again);
    let wanted = Arc::new(AtomicBool::new(false));
    let mut file = super::reopened::Reopened::new(open().unwrap(), open, Arc::clone(&wanted));
    file.write_all(b"one\n").unwrap();
    std::fs::rename(&path, dir.path().join("old")).unwrap();
    file.write_all(b"two\n").unwrap();
    assert!(!path.exists());
    wanted.store(true, Ordering::Release);
    file.write_all(b"three\n").unwrap();
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!(
        (read("old").as_str(), read("log").as_str()),
        ("one\ntwo\n", "three\n")
    );
    // What cannot be opened leaves the old one.
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    wanted.store(true, Ordering::Release);
    file.write_all(b"four\n").unwrap();
}

//! Tapes over days of virtual time, torn files, and recordings that come back as they were.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use super::{
    record::{self, Kind},
    tape::{Grain, Tape, segments},
    task::Deck,
    *,
};
use crate::control::{
    AlarmKind, Direction, Event, EventKind, Moment, NodeStatus, PeerRow, PeersStatus, Severity, Status,
};

/// 2026-11-25 00:00:00Z.
const START_MS: u64 = 1_795_564_800_000;

/// A node with some peers whose figures move every second, as those of a real one do.
fn status(second: u64) -> Status {
    let at = Moment {
        unix_ms: START_MS + second * 1_000,
        mono_ms: second * 1_000,
    };
    let row = |index: u8| PeerRow {
        id: serde_json::from_value(format!("{index:02x}").repeat(32).into()).unwrap(),
        name: Some(format!("node{index}")),
        direction: Direction::Inbound,
        address: format!("10.0.0.{index}:24100"),
        height: Some(second / 2),
        rtt_ms: Some(20 + (second as u32 * 7 + u32::from(index)) % 30),
        rx_bytes: second * 4_711 + u64::from(index),
        tx_bytes: second * 1_234,
        rx_rate: 4_711,
        tx_rate: 1_234 + second % 97,
        connected_mono_ms: 17,
        agent: "timed/0.1".to_owned(),
        validator: None,
        capabilities: vec!["blocks".to_owned()],
        score: 0,
    };
    let mut status = Status {
        at,
        revision: second + 1,
        node: Arc::new(NodeStatus {
            network: "devnet".to_owned(),
            name: "node0".to_owned(),
            ..NodeStatus::default()
        }),
        peers: Arc::new(PeersStatus {
            rows: (0..8).map(row).collect(),
            ..PeersStatus::default()
        }),
        ..Status::default()
    };
    Arc::make_mut(&mut status.chain).height = second / 2;
    status
}

fn event(seq: u64, second: u64, kind: EventKind) -> Event {
    Event {
        seq,
        at: Moment {
            unix_ms: START_MS + second * 1_000,
            mono_ms: second * 1_000,
        },
        kind,
    }
}

fn proposed(seq: u64, second: u64) -> Event {
    let kind = EventKind::Proposed {
        height: second / 2,
        round: 0,
        leader: "node1".to_owned(),
        txs: 5,
    };
    event(seq, second, kind)
}

fn alarm(seq: u64, second: u64) -> Event {
    let kind = EventKind::AlarmRaised {
        kind: AlarmKind::FinalityStalled,
        severity: Severity::Crit,
        text: format!("stalled at {second}"),
    };
    event(seq, second, kind)
}

fn bytes_in(dir: &Path) -> u64 {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum()
}

#[test]
fn what_was_recorded_comes_back_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let mut deck = Deck::open(dir.path(), 8_000_000).unwrap();
    for second in 0..200 {
        let mut events = vec![proposed(second, second)];
        if second == 120 {
            events.push(alarm(1_000, second));
        }
        deck.take(&status(second), &events).unwrap();
    }
    let mut recording = Recording::open(dir.path()).unwrap();
    assert_eq!(recording.snapshots(), 200);
    assert_eq!(recording.moments().from_ms, START_MS);
    assert_eq!(recording.moments().to_ms, START_MS + 199_000);
    // Forwards, backwards, and far jumps.
    let order = (0..200)
        .chain((0..200).rev())
        .chain([199, 0, 61, 60, 59, 120, 121, 3]);
    for index in order {
        assert_eq!(recording.status(index).unwrap(), status(index as u64));
    }
    assert_eq!(recording.index_at(START_MS + 77_999), 77);
    assert_eq!(recording.index_at(0), 0);
    assert_eq!(recording.index_at(u64::MAX), 199);
    let mark = recording.mark_after(START_MS).unwrap();
    assert_eq!(
        (mark.unix_ms, mark.severity),
        (START_MS + 120_000, Severity::Crit)
    );
    assert!(recording.mark_after(START_MS + 120_000).is_none());
    assert!(recording.mark_before(START_MS + 120_000).is_none());
    let events = recording
        .events(START_MS + 9_000, START_MS + 12_000, 100)
        .unwrap();
    assert_eq!(events, [proposed(10, 10), proposed(11, 11), proposed(12, 12)]);
    let newest = recording.events(0, u64::MAX, 3).unwrap();
    assert_eq!(
        newest.iter().map(|event| event.seq).collect::<Vec<_>>(),
        [197, 198, 199]
    );
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for (_, path) in segments(dir.path(), Grain::Fine).unwrap() {
        assert_eq!(mode(&path), 0o600);
    }
}

/// Cut at every byte: all records that are whole are there, and the next run writes on behind them.
#[test]
fn a_file_torn_anywhere_keeps_what_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut tape = Tape::open(dir.path(), Grain::Fine, 8_000_000).unwrap();
    for second in 0..4 {
        tape.snapshot(&status(second)).unwrap();
        tape.events(&[proposed(second, second)]).unwrap();
    }
    drop(tape);
    let (_, path) = segments(dir.path(), Grain::Fine).unwrap().remove(0);
    let whole = fs::read(&path).unwrap();
    let (head, _) = record::check_head(&whole, &path).unwrap();
    let (places, end) = record::scan(&whole, head);
    assert_eq!((places.len(), end), (8, whole.len()));
    for length in 0..=whole.len() {
        let torn = tempfile::tempdir().unwrap();
        let path = torn.path().join("fine-00000000.rec");
        fs::write(&path, &whole[..length]).unwrap();
        let kept = places
            .iter()
            .filter(|place| place.kind != Kind::Events)
            .filter(|place| place.offset as usize + place.length as usize <= length)
            .count();
        match Recording::open(torn.path()) {
            Ok(mut recording) => {
                assert_eq!(recording.snapshots(), kept, "cut at {length}");
                assert_eq!(recording.status(kept - 1).unwrap(), status(kept as u64 - 1));
            }
            Err(error) => assert_eq!(kept, 0, "cut at {length}: {error}"),
        }
        // The next run.
        let mut tape = Tape::open(torn.path(), Grain::Fine, 8_000_000).unwrap();
        tape.snapshot(&status(9)).unwrap();
        drop(tape);
        let opened = Recording::open(torn.path());
        if length < head {
            // Not even the head is ours: the new run has a segment of its own.
            assert_eq!(segments(torn.path(), Grain::Fine).unwrap().len(), 2);
            continue;
        }
        let mut recording = opened.unwrap();
        assert_eq!(recording.snapshots(), kept + 1, "cut at {length}");
        assert_eq!(recording.status(kept).unwrap(), status(9));
    }
}

#[test]
fn a_rotten_byte_ends_the_file_there_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let mut tape = Tape::open(dir.path(), Grain::Fine, 8_000_000).unwrap();
    for second in 0..3 {
        tape.snapshot(&status(second)).unwrap();
    }
    drop(tape);
    let (_, path) = segments(dir.path(), Grain::Fine).unwrap().remove(0);
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut rotten = whole.clone();
        rotten[at] ^= 0x41;
        fs::write(&path, &rotten).unwrap();
        if let Ok(mut recording) = Recording::open(dir.path()) {
            for index in 0..recording.snapshots() {
                assert_eq!(
                    recording.status(index).unwrap(),
                    status(index as u64),
                    "byte {at}"
                );
            }
        }
    }
}

/// Three days, a snapshot every twenty seconds: never over the limit, and the last day is there.
#[test]
fn days_of_recording_stay_within_the_limit_and_cover_the_last_day() {
    const LIMIT: u64 = 2_000_000;
    const DAY_S: u64 = 86_400;
    let dir = tempfile::tempdir().unwrap();
    let mut deck = Deck::open(dir.path(), LIMIT).unwrap();
    let mut second = 0;
    while second < 3 * DAY_S {
        let mut events = vec![proposed(second, second)];
        if second.is_multiple_of(3_600) {
            events.push(alarm(second + 1, second));
        }
        deck.take(&status(second), &events).unwrap();
        second += 20;
        if second.is_multiple_of(10_000) {
            let bytes = bytes_in(dir.path());
            assert!(bytes <= LIMIT, "{bytes} bytes after {second} s");
        }
    }
    let mut recording = Recording::open(dir.path()).unwrap();
    let end = START_MS + (second - 20) * 1_000;
    assert_eq!(recording.moments().to_ms, end);
    let kept_h = (end - recording.moments().from_ms) / 3_600_000;
    assert!((20..=48).contains(&kept_h), "{kept_h} h are kept");
    for grain in [Grain::Fine, Grain::Coarse] {
        let (oldest, _) = segments(dir.path(), grain).unwrap().remove(0);
        assert!(oldest > 0, "nothing was dropped of {grain:?}");
    }
    // What was read over the seam of the two tapes is right, and the day's alarms are on the bar.
    for back_h in [0, 1, 5, 12, 19] {
        let index = recording.index_at(end - back_h * 3_600_000);
        let of = (recording.time_of(index) - START_MS) / 1_000;
        assert_eq!(recording.status(index).unwrap(), status(of));
    }
    assert!(
        recording.moments().marks.len() as u64 >= 19,
        "{:?}",
        recording.moments().marks.len()
    );
}

#[test]
fn restarts_write_on_and_do_not_scatter_files() {
    let dir = tempfile::tempdir().unwrap();
    for run in 0..50 {
        let mut deck = Deck::open(dir.path(), 8_000_000).unwrap();
        deck.take(&status(run), &[]).unwrap();
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    let mut recording = Recording::open(dir.path()).unwrap();
    assert_eq!(recording.snapshots(), 50);
    for index in 0..50 {
        assert_eq!(recording.status(index).unwrap(), status(index as u64));
    }
}

#[test]
fn a_clock_that_is_set_back_does_not_turn_the_tape_around() {
    let dir = tempfile::tempdir().unwrap();
    let mut deck = Deck::open(dir.path(), 8_000_000).unwrap();
    for (revision, second) in [(1, 100), (2, 101), (3, 50), (4, 51), (5, 102)] {
        let mut status = status(second);
        status.revision = revision;
        deck.take(&status, &[]).unwrap();
    }
    let mut recording = Recording::open(dir.path()).unwrap();
    let times: Vec<u64> = (0..5)
        .map(|index| (recording.time_of(index) - START_MS) / 1_000)
        .collect();
    assert_eq!(times, [100, 101, 101, 101, 102]);
    assert_eq!(recording.status(2).unwrap().at.unix_ms, START_MS + 50_000);
}

#[test]
fn a_span_goes_out_as_one_private_file_that_opens_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let mut deck = Deck::open(dir.path(), 8_000_000).unwrap();
    for second in 0..300 {
        let events = match second {
            150 => vec![proposed(second, second), alarm(1_000, second)],
            _ => vec![proposed(second, second)],
        };
        deck.take(&status(second), &events).unwrap();
    }
    let recording = Recording::open(dir.path()).unwrap();
    let out = dir.path().join("span.rec");
    let count = export(&recording, START_MS + 100_000, START_MS + 220_000, &out).unwrap();
    assert_eq!(count, 121);
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    let mut span = Recording::open(&out).unwrap();
    assert_eq!(span.snapshots(), 121);
    for index in 0..121 {
        assert_eq!(span.status(index).unwrap(), status(100 + index as u64));
    }
    let events = span.events(0, u64::MAX, 1_000).unwrap();
    assert_eq!(events.len(), 122);
    assert_eq!(span.moments().marks.len(), 1);
    // A file that is there is not touched, and a span without a moment makes none.
    assert!(matches!(
        export(&recording, 0, u64::MAX, &out),
        Err(RecorderError::Io { .. })
    ));
    assert_eq!(Recording::open(&out).unwrap().snapshots(), 121);
    let nothing = dir.path().join("nothing.rec");
    assert!(matches!(
        export(&recording, 5, 9, &nothing),
        Err(RecorderError::NothingThere)
    ));
    assert!(!nothing.exists());
}

#[test]
fn what_is_no_recording_is_called_so() {
    let dir = tempfile::tempdir().unwrap();
    let open = |path: &Path| Recording::open(path).unwrap_err();
    assert!(matches!(
        open(&dir.path().join("none")),
        RecorderError::Missing { .. }
    ));
    assert!(matches!(open(dir.path()), RecorderError::Missing { .. }));
    let file = dir.path().join("file.rec");
    fs::write(&file, "a letter").unwrap();
    assert!(matches!(open(&file), RecorderError::NotOurs { .. }));
    let mut head = record::file_head();
    fs::write(&file, &head).unwrap();
    assert!(matches!(open(&file), RecorderError::Empty { .. }));
    head[5] += 1;
    fs::write(&file, &head).unwrap();
    let error = open(&file);
    assert!(matches!(error, RecorderError::OtherVersion { .. }), "{error}");
    assert!(error.to_string().contains(env!("CARGO_PKG_VERSION")));
}

/// A disk that refuses costs the recording and nothing else.
#[test]
fn a_directory_that_cannot_be_made_is_an_error_and_no_panic() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("taken");
    fs::write(&path, "a file where the directory should be").unwrap();
    assert!(matches!(
        Deck::open(&path, 8_000_000),
        Err(RecorderError::Io { .. })
    ));
}

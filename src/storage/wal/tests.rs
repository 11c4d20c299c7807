//! The laws of the consensus log, on a disk that fails wherever asked, and on the real one.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    format::{RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES},
    *,
};
use crate::storage::{
    disk::RealDisk,
    test_disk::{Fault, Survives, TestDisk},
};

const DIR: &str = "/data/consensus";
const FIRST: &str = "wal-0000000000000000.log";

fn dir() -> PathBuf {
    PathBuf::from(DIR)
}

fn small() -> WalOptions {
    WalOptions {
        segment_bytes: 4096,
        preallocate_bytes: 1024,
    }
}

fn disk() -> TestDisk {
    TestDisk::with_dir(Path::new("/data"))
}

fn create(disk: &TestDisk) -> Wal {
    Wal::create_on(Arc::new(disk.clone()), &dir(), small(), &[]).unwrap()
}

fn open(disk: &TestDisk) -> Result<(Wal, Recovered), WalError> {
    Wal::open_on(Arc::new(disk.clone()), &dir(), small())
}

fn record(height: u64, size: usize) -> Record {
    Record {
        kind: (height % 5) as u8,
        height,
        payload: (0..size).map(|i| (i as u64 * 31 + height) as u8).collect(),
    }
}

fn put(wal: &mut Wal, record: &Record) -> Result<(), WalError> {
    wal.append(record.kind, record.height, record.payload.clone())
}

/// Each record in a sync of its own.
fn with_records(records: &[Record]) -> TestDisk {
    let disk = disk();
    let mut wal = create(&disk);
    for record in records {
        put(&mut wal, record).unwrap();
        wal.sync().unwrap();
    }
    disk
}

fn first_segment(disk: &TestDisk) -> Vec<u8> {
    disk.read(&dir().join(FIRST))
}

#[test]
fn records_come_back_in_order() {
    let records: Vec<_> = (1..=9).map(|h| record(h, h as usize * 7)).collect();
    let disk = with_records(&records);
    let (_, recovered) = open(&disk).unwrap();
    assert_eq!(recovered.records, records);
    assert_eq!(recovered.torn_tail, None);
}

#[test]
fn one_sync_covers_all_appended_records() {
    let disk = disk();
    let mut wal = create(&disk);
    let before = disk.log().len();
    for height in 0..5 {
        put(&mut wal, &record(height, 20)).unwrap();
    }
    let synced = wal.sync().unwrap();
    assert_eq!(synced.records, 5);
    assert_eq!(synced.bytes, 5 * (20 + RECORD_HEADER_BYTES));
    let steps = disk.log()[before..].to_vec();
    assert_eq!(steps, [format!("write {FIRST}"), format!("sync {FIRST}")]);
    assert_eq!(wal.sync().unwrap().records, 0);
    assert_eq!(disk.log().len(), before + 2, "an empty sync writes nothing");
}

#[test]
fn missing_and_empty_are_told_apart() {
    let nothing = disk();
    let error = open(&nothing).unwrap_err();
    assert!(matches!(error, WalError::DirectoryMissing { .. }) && error.is_missing());
    let empty = TestDisk::with_dir(Path::new(DIR));
    let error = open(&empty).unwrap_err();
    assert!(matches!(error, WalError::Empty { .. }) && error.is_missing());
}

#[test]
fn create_never_overwrites() {
    let disk = with_records(&[record(1, 10)]);
    let again = Wal::create_on(Arc::new(disk.clone()), &dir(), small(), &[]);
    assert!(matches!(again, Err(WalError::AlreadyExists { .. })));
    assert_eq!(open(&disk).unwrap().1.records.len(), 1);
}

#[test]
fn tail_torn_at_every_byte_is_cut_off_and_the_log_goes_on() {
    let records = [record(1, 40), record(2, 40), record(3, 90)];
    let whole = with_records(&records);
    let bytes = first_segment(&whole);
    let end = SEGMENT_HEADER_BYTES + 3 * RECORD_HEADER_BYTES + 170;
    let last = end - RECORD_HEADER_BYTES - 90;
    for cut in last..end {
        for shortened in [false, true] {
            let mut torn = bytes.clone();
            if shortened {
                torn.truncate(cut);
            } else {
                torn[cut..].fill(0);
            }
            let disk = whole.after_crash(Survives::Synced);
            disk.overwrite(&dir().join(FIRST), torn);
            let (mut wal, recovered) = open(&disk).unwrap();
            assert_eq!(recovered.records, records[..2], "cut at {cut}");
            assert_eq!(recovered.torn_tail.is_some(), cut > last, "cut at {cut}");
            put(&mut wal, &record(4, 30)).unwrap();
            wal.sync().unwrap();
            let (_, again) = open(&disk.after_crash(Survives::Synced)).unwrap();
            assert_eq!(
                again.records,
                [records[0].clone(), records[1].clone(), record(4, 30)]
            );
            assert_eq!(again.torn_tail, None);
        }
    }
}

#[test]
fn every_flipped_bit_before_the_last_record_is_refused() {
    let records = [record(1, 40), record(2, 600), record(3, 40)];
    let whole = with_records(&records);
    let bytes = first_segment(&whole);
    let last = SEGMENT_HEADER_BYTES + 2 * RECORD_HEADER_BYTES + 640;
    for at in 0..last {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let disk = whole.after_crash(Survives::Synced);
            disk.overwrite(&dir().join(FIRST), flipped);
            match open(&disk) {
                Err(WalError::Corrupt { file, offset, .. }) => {
                    assert!(file.ends_with(FIRST));
                    assert!(offset <= at as u64);
                }
                other => panic!("bit {bit} of byte {at}: {other:?}"),
            }
        }
    }
}

#[test]
fn flipped_bits_inside_one_sync_are_refused_too() {
    let disk = disk();
    let mut wal = create(&disk);
    for height in 1..=3 {
        put(&mut wal, &record(height, 500)).unwrap();
    }
    wal.sync().unwrap();
    let bytes = first_segment(&disk);
    let middle = SEGMENT_HEADER_BYTES..SEGMENT_HEADER_BYTES + 2 * (RECORD_HEADER_BYTES + 500);
    for at in middle {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        let disk = disk.after_crash(Survives::Synced);
        disk.overwrite(&dir().join(FIRST), flipped);
        assert!(matches!(open(&disk), Err(WalError::Corrupt { .. })), "byte {at}");
    }
}

#[test]
fn a_write_whose_later_sectors_came_first_is_a_torn_tail() {
    let disk = disk();
    let mut wal = create(&disk);
    put(&mut wal, &record(1, 100)).unwrap();
    wal.sync().unwrap();
    put(&mut wal, &record(2, 1500)).unwrap();
    put(&mut wal, &record(3, 50)).unwrap();
    wal.sync().unwrap();
    let mut bytes = first_segment(&disk);
    bytes[512..1024].fill(0);
    disk.overwrite(&dir().join(FIRST), bytes);
    let (_, recovered) = open(&disk).unwrap();
    assert_eq!(recovered.records, [record(1, 100)]);
    assert!(recovered.torn_tail.is_some());
}

#[test]
fn a_full_segment_is_followed_by_the_next() {
    let records: Vec<_> = (1..=20).map(|h| record(h, 900)).collect();
    let disk = with_records(&records);
    let (wal, recovered) = open(&disk).unwrap();
    assert_eq!(recovered.records, records);
    assert_eq!(wal.stats().segments, 5);
    let sealed = dir().join("wal-0000000000000002.log");
    let mut bytes = disk.read(&sealed);
    bytes[3900..].fill(0);
    let torn_inside = disk.after_crash(Survives::Synced);
    torn_inside.overwrite(&sealed, bytes[..3000].to_vec());
    assert!(matches!(open(&torn_inside), Err(WalError::Corrupt { .. })));
}

#[test]
fn a_record_larger_than_a_segment_fits() {
    let records = [record(1, 100), record(2, 10_000), record(3, 100)];
    let disk = with_records(&records);
    assert_eq!(open(&disk).unwrap().1.records, records);
}

#[test]
fn a_vanished_segment_is_noticed() {
    let records: Vec<_> = (1..=20).map(|h| record(h, 900)).collect();
    for lost in [FIRST, "wal-0000000000000001.log"] {
        let disk = with_records(&records);
        crate::storage::disk::Disk::remove(&disk, &dir().join(lost)).unwrap();
        assert!(matches!(open(&disk), Err(WalError::Corrupt { .. })), "{lost}");
    }
}

#[test]
fn pruning_keeps_what_is_carried_and_all_that_is_higher() {
    let records: Vec<_> = (1..=20).map(|h| record(h, 900)).collect();
    let disk = with_records(&records);
    let (mut wal, _) = open(&disk).unwrap();
    let guard = Record {
        kind: 9,
        height: 3,
        payload: b"guard".to_vec(),
    };
    assert_eq!(wal.prune_through(3, std::slice::from_ref(&guard)).unwrap(), 0);
    assert_eq!(wal.prune_through(9, std::slice::from_ref(&guard)).unwrap(), 2);
    let (mut wal, recovered) = open(&disk.after_crash(Survives::Synced)).unwrap();
    let mut expected = records[8..].to_vec();
    expected.push(guard);
    assert_eq!(recovered.records, expected);
    put(&mut wal, &record(21, 10)).unwrap();
    wal.sync().unwrap();
}

#[test]
fn a_disk_error_poisons_for_ever() {
    let records = [record(1, 40), record(2, 40)];
    let clean = with_records(&records).log().len();
    for at in with_records(&[]).log().len()..clean {
        let disk = disk();
        let mut wal = create(&disk);
        disk.fail_at(at, Fault::Error);
        let failed = records
            .iter()
            .any(|record| put(&mut wal, record).and_then(|()| wal.sync()).is_err());
        assert!(failed, "operation {at}");
        assert!(wal.stats().is_poisoned);
        let steps = disk.log().len();
        assert!(matches!(wal.append(1, 3, vec![1]), Err(WalError::Poisoned)));
        assert!(matches!(wal.sync(), Err(WalError::Poisoned)));
        assert!(matches!(wal.prune_through(9, &[]), Err(WalError::Poisoned)));
        assert_eq!(disk.log().len(), steps, "the disk is left alone");
    }
}

#[test]
fn new_segments_are_renamed_and_their_directory_synced() {
    let disk = with_records(&[]);
    assert_eq!(
        disk.log(),
        [
            "create wal-0000000000000000.log.tmp",
            "write wal-0000000000000000.log.tmp",
            "sync wal-0000000000000000.log.tmp",
            "rename wal-0000000000000000.log",
            "sync_dir consensus",
            "sync_dir data",
        ]
    );
}

/// Create, syncs of one to three records over several segments, two prunings. Returns what was
/// promised: records synced, in order, and the height through which pruning was allowed.
fn script(disk: &TestDisk, promised: &mut Vec<Record>, allowed: &mut u64) -> Result<(), WalError> {
    let mut wal = Wal::create_on(Arc::new(disk.clone()), &dir(), small(), &[])?;
    let mut height = 0;
    for round in 0..12 {
        let mut batch = Vec::new();
        for _ in 0..=round % 3 {
            height += 1;
            batch.push(record(height, 300 + (height as usize * 97) % 500));
        }
        for record in &batch {
            put(&mut wal, record)?;
        }
        wal.sync()?;
        promised.append(&mut batch);
        if round % 5 == 4 {
            let guard = record(height, 33);
            *allowed = height - 3;
            wal.prune_through(height - 3, std::slice::from_ref(&guard))?;
        }
    }
    Ok(())
}

#[test]
fn every_crash_point_keeps_what_was_promised() {
    let steps = {
        let disk = disk();
        script(&disk, &mut Vec::new(), &mut 0).unwrap();
        disk.log().len()
    };
    assert!(steps > 40);
    for at in 0..steps {
        let disk = disk();
        disk.fail_at(at, Fault::Crash);
        let (mut promised, mut allowed) = (Vec::new(), 0);
        script(&disk, &mut promised, &mut allowed).unwrap_err();
        let coins = (0..40).map(|seed| Survives::Some(seed * 1000 + at as u64));
        for survives in [Survives::Synced, Survives::All].into_iter().chain(coins) {
            let booted = disk.after_crash(survives);
            let recovered = match open(&booted) {
                Ok((_, recovered)) => recovered,
                Err(error) if error.is_missing() && promised.is_empty() => continue,
                Err(error) => panic!("crash at {at}, {survives:?}: {error}"),
            };
            let mut found = recovered.records.iter();
            for record in promised.iter().filter(|record| record.height > allowed) {
                assert!(
                    found.any(|found| found == record),
                    "crash at {at}, {survives:?}: height {} is gone",
                    record.height
                );
            }
            let (_, again) = open(&booted.after_crash(Survives::Synced)).unwrap();
            assert_eq!(again.records, recovered.records, "opening twice is the same");
        }
    }
}

/// The second life sends what it read again: it must not be taken back by a power cut.
#[test]
fn what_a_killed_life_left_unsynced_is_durable_once_the_next_has_read_it() {
    let mut read_more = 0;
    for at in 0.. {
        let disk = with_records(&[record(1, 100)]);
        let begun = disk.log().len();
        disk.fail_at(begun + at, Fault::Crash);
        let appended = open(&disk).and_then(|(mut wal, _)| {
            put(&mut wal, &record(2, 2_000))?;
            wal.sync().map(|_| ())
        });
        let killed = disk.after_kill();
        let (_, first) = open(&killed).unwrap();
        read_more += usize::from(first.records.len() == 2 && appended.is_err());
        let (_, second) = open(&killed.after_crash(Survives::Synced)).unwrap();
        assert_eq!(second.records, first.records, "killed at operation {at}");
        if appended.is_ok() {
            break;
        }
    }
    assert!(read_more > 0, "some life ended between write and sync");
}

#[test]
fn the_real_disk_behaves_alike() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().join("consensus");
    assert!(matches!(Wal::open(&dir), Err(WalError::DirectoryMissing { .. })));
    let mut wal = Wal::create_on(Arc::new(RealDisk), &dir, small(), &[]).unwrap();
    let records: Vec<_> = (1..=20).map(|h| record(h, 700)).collect();
    for record in &records {
        put(&mut wal, record).unwrap();
        wal.sync().unwrap();
    }
    assert_eq!(wal.prune_through(8, &[]).unwrap(), 1);
    drop(wal);
    let (_, recovered) = Wal::open(&dir).unwrap();
    assert_eq!(recovered.records, records[5..]);
    assert!(matches!(Wal::create(&dir), Err(WalError::AlreadyExists { .. })));
}

/// `cargo test --release --lib wal::tests::measure -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn measure_append_and_sync() {
    let temporary = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    for (size, count) in [(300, 2000), (300_000, 100)] {
        let dir = temporary.path().join(size.to_string());
        let mut wal = Wal::create(&dir).unwrap();
        let mut took: Vec<_> = (0..count)
            .map(|height| {
                wal.append(1, height, vec![7; size]).unwrap();
                wal.sync().unwrap().took
            })
            .collect();
        took.sort_unstable();
        let at = |share: usize| took[took.len() * share / 100];
        println!(
            "{size} B: p50 {:?} p95 {:?} p99 {:?} max {:?}",
            at(50),
            at(95),
            at(99),
            took[took.len() - 1]
        );
    }
}

//! Nothing that rests on a record passes before it is on disk, or after the disk failed once.

use std::{path::Path, sync::Arc};

use crate::{
    chain::{BlockHash, CommitCertificate, testing::TestChain},
    consensus::{ConsensusMessage, Note, Round, Step, Vote},
    crypto::Signature,
    storage::{
        test_disk::{Fault, Survives, TestDisk},
        wal::WalOptions,
    },
};

use super::*;

const DIR: &str = "/data/consensus";

fn barrier() -> (TestDisk, Barrier) {
    with_options(WalOptions::default())
}

fn with_options(options: WalOptions) -> (TestDisk, Barrier) {
    let disk = TestDisk::with_dir(Path::new("/data"));
    let log = Wal::create_on(Arc::new(disk.clone()), Path::new(DIR), options, &[]).unwrap();
    (disk, Barrier::new(Some(log), None))
}

fn vote(height: u64, step: Step) -> ConsensusMessage {
    ConsensusMessage::Vote(Vote {
        step,
        height: Height::new(height),
        round: Round::ZERO,
        digest: BlockHash::from_bytes([7; 32]),
        signer: 0,
        signature: Signature::from_bytes([9; 64]),
    })
}

fn signed(height: u64, step: Step) -> Effect {
    Effect::Persist(Record::Signed(vote(height, step)))
}

fn sent(height: u64, step: Step) -> Effect {
    Effect::Broadcast {
        message: vote(height, step),
        block: None,
    }
}

fn noted(what: &'static str) -> Effect {
    Effect::Note(Note::Dropped(what))
}

/// What passed, with how often the disk had been synced before it did.
fn passed(barrier: &mut Barrier, disk: &TestDisk, group: Vec<Effect>) -> (Vec<(String, usize)>, bool) {
    let syncs = |disk: &TestDisk| disk.log().iter().filter(|op| op.starts_with("sync ")).count();
    let before = syncs(disk);
    let mut seen = Vec::new();
    let outcome = barrier.pass(group, &mut |effect| {
        let name = match &effect {
            Effect::Persist(record) => format!("persist {}", record.height()),
            Effect::Broadcast { message, .. } => format!("send {} {:?}", message.height(), message.step()),
            Effect::Note(Note::Dropped(what)) => (*what).to_owned(),
            other => format!("{other:?}"),
        };
        seen.push((name, syncs(disk) - before));
    });
    (seen, outcome.is_ok())
}

/// The records that the next start finds if power is cut now.
fn survivors(disk: &TestDisk) -> Vec<Record> {
    let disk = disk.after_crash(Survives::Synced);
    let (_, found) = Wal::open_on(Arc::new(disk), Path::new(DIR), WalOptions::default()).unwrap();
    found
        .records
        .iter()
        .map(|entry| codec::from_log(entry).unwrap())
        .collect()
}

#[test]
fn order_is_kept_and_one_sync_stands_before_all_that_follows_a_record() {
    let (disk, mut barrier) = barrier();
    let group = vec![
        noted("first"),
        signed(1, Step::Prepare),
        sent(1, Step::Prepare),
        noted("between"),
        signed(1, Step::Commit),
        sent(1, Step::Commit),
        noted("last"),
    ];
    let (seen, ok) = passed(&mut barrier, &disk, group);
    assert!(ok);
    let seen: Vec<(&str, usize)> = seen.iter().map(|(name, syncs)| (name.as_str(), *syncs)).collect();
    assert_eq!(
        seen,
        [
            ("first", 0),
            ("persist 1", 1),
            ("send 1 Prepare", 1),
            ("between", 1),
            ("persist 1", 1),
            ("send 1 Commit", 1),
            ("last", 1),
        ]
    );
    assert_eq!(survivors(&disk).len(), 2);
}

#[test]
fn after_a_failed_write_or_fsync_nothing_that_rests_on_the_log_ever_leaves() {
    for step in 0..2 {
        let (disk, mut barrier) = barrier();
        disk.fail_at(disk.log().len() + step, Fault::Error);
        let group = vec![
            sent(1, Step::Prepare),
            signed(1, Step::Commit),
            sent(1, Step::Commit),
            noted("kept"),
        ];
        let (seen, ok) = passed(&mut barrier, &disk, group);
        assert!(!ok);
        let names: Vec<&str> = seen.iter().map(|(name, _)| name.as_str()).collect();
        // The first rests on records of earlier groups, which are on disk.
        assert_eq!(names, ["send 1 Prepare", "kept"]);

        // R9: the machine believes that it signed and sends the message again. The disk would
        // work again, and must not be asked.
        let operations = disk.log().len();
        for group in [
            vec![sent(1, Step::Commit)],
            vec![noted("kept"), sent(1, Step::Commit)],
            vec![signed(1, Step::Commit), sent(1, Step::Commit), noted("kept")],
            vec![Effect::SendDecided {
                peer: crate::crypto::PublicKey::from_bytes([1; 32]),
                height: Height::new(1),
            }],
        ] {
            let (seen, ok) = passed(&mut barrier, &disk, group);
            assert!(ok, "the failure is told once");
            assert!(seen.iter().all(|(name, _)| name == "kept"), "{seen:?}");
        }
        barrier.prune(Height::new(5)).unwrap();
        assert_eq!(disk.log().len(), operations, "a failed log is left alone");
    }
}

#[test]
fn a_commit_passes_only_after_its_record() {
    let (disk, mut barrier) = barrier();
    let chain = TestChain::new(1, 0);
    let block = chain.assemble(1_000, vec![]);
    let certificate = CommitCertificate {
        height: Height::new(1),
        round: 0,
        block_hash: block.block.hash(),
        signatures: vec![],
    };
    let commit = Effect::Commit(Arc::new(crate::engine::CommittedBlock {
        hash: block.block.hash(),
        block: block.block.into_inner(),
        certificate: certificate.clone(),
        connected: block.connected,
        by_sync: false,
        finality_us: None,
    }));
    let group = vec![Effect::Persist(Record::Decided(certificate.clone())), commit];
    disk.fail_at(disk.log().len() + 1, Fault::Error);
    let (seen, ok) = passed(&mut barrier, &disk, group);
    assert!(!ok && seen.is_empty(), "{seen:?}");
}

#[test]
fn without_a_log_blocks_pass_and_a_signature_never_does() {
    let disk = TestDisk::with_dir(Path::new("/data"));
    let mut barrier = Barrier::new(None, None);
    let raised = Effect::Persist(Record::RaisedTo(Height::new(3)));
    let (seen, ok) = passed(&mut barrier, &disk, vec![noted("block"), sent(1, Step::Commit)]);
    assert!(ok && seen.len() == 2);
    for record in [signed(1, Step::Prepare), raised] {
        let mut barrier = Barrier::new(None, None);
        let (seen, ok) = passed(&mut barrier, &disk, vec![record, sent(1, Step::Prepare)]);
        assert!(!ok && seen.is_empty());
    }
}

#[test]
fn pruning_never_takes_the_mark() {
    let options = WalOptions {
        segment_bytes: 256,
        preallocate_bytes: 256,
    };
    let (disk, mut barrier) = with_options(options);
    let reopen = |disk: &TestDisk| {
        let disk = disk.after_crash(Survives::Synced);
        Wal::open_on(Arc::new(disk), Path::new(DIR), options)
            .unwrap()
            .1
            .records
    };
    for height in 1..=20 {
        barrier
            .pass(vec![signed(height, Step::Commit)], &mut |_| ())
            .unwrap();
    }
    let before = reopen(&disk).len();
    barrier.prune(Height::new(20)).unwrap();
    // Chain moves on without us: the mark of height 20 has to stay whatever is pruned after it.
    for height in 21..=40 {
        let body = TestChain::new(1, 0).assemble(height, vec![]).block.into_inner();
        let mut body = Record::Body(body);
        if let Record::Body(block) = &mut body {
            block.header.height = Height::new(height);
        }
        barrier.pass(vec![Effect::Persist(body)], &mut |_| ()).unwrap();
        barrier.prune(Height::new(height)).unwrap();
    }
    let left = reopen(&disk);
    assert!(
        before == 20 && left.len() < 6,
        "{before} records, then {}",
        left.len()
    );
    let marks: Vec<Record> = left.iter().map(|entry| codec::from_log(entry).unwrap()).collect();
    assert!(marks.contains(&Record::Signed(vote(20, Step::Commit))));
}

//! What is kept of decided heights, and what it says of their signers.

use super::*;

#[test]
fn decided_heights_leave_their_trace() {
    let fixture = Fixture::new(4);
    let mut builder = fixture.builder();
    let mut view = fixture.view();
    view.machine.marks[1].prepare = Some((digest(5), at_ms(30)));
    builder.build(fixture.inputs(view.clone(), 100));

    let moment = |ms, moment| TimelineEntry {
        at: at_ms(ms),
        height: Height::new(1),
        moment,
    };
    let (round, digest) = (Round::new(1), digest(5));
    let mut decided = view.machine.clone();
    decided.round = round;
    decided.phase = MachinePhase::Finalized;
    decided.accepted = Some(digest);
    decided.round_since = at_ms(420);
    decided.past_rounds = vec![RoundPast {
        round: Round::ZERO,
        proposer: Some(1),
        began_at: START,
        left_at: at_ms(420),
        phase: MachinePhase::PrePrepare,
        accepted: None,
        cause: Some(ViewChangeCause::ProposalTimeout),
    }];
    decided.timeline = vec![
        moment(20, Happened::Armed { round: Round::ZERO }),
        moment(
            420,
            Happened::Round {
                round,
                cause: Some(ViewChangeCause::ProposalTimeout),
            },
        ),
        moment(430, Happened::Armed { round }),
        moment(440, Happened::Proposal { round, digest }),
        moment(450, Happened::Prepared { round, digest }),
        moment(460, Happened::Decided { round, digest }),
    ];
    for mark in &mut decided.marks {
        mark.prepare = Some((digest, at_ms(445)));
        mark.commit = Some((digest, at_ms(455)));
    }
    view.past = vec![Arc::new(decided)];
    view.machine.height = Height::new(2);
    view.machine.marks.iter_mut().for_each(|mark| mark.prepare = None);
    let status = builder.build(fixture.inputs(view.clone(), 500));
    let previous = &status.consensus.previous;
    assert_eq!(previous.len(), 1);
    let rounds = &previous[0].rounds;
    assert_eq!(previous[0].height, 1);
    assert_eq!(rounds.len(), 2);
    assert_eq!(rounds[0].end, Some(RoundEnd::TimedOut));
    assert_eq!(rounds[0].took_us, Some(400_000), "counted from when it was armed");
    assert_eq!(rounds[0].prepares, 1, "what an earlier look saw is not forgotten");
    assert_eq!(rounds[0].leader, fixture.name(1));
    assert_eq!(rounds[1].end, Some(RoundEnd::Decided));
    assert_eq!((rounds[1].took_us, rounds[1].commits), (Some(40_000), 4));
    assert!(
        rounds[1]
            .events
            .iter()
            .any(|event| event.kind == TraceKind::Decided)
    );

    let again = builder.build(fixture.inputs(view.clone(), 750));
    assert_eq!(again.consensus.previous, *previous, "a height is told once");
    fixture.finalize(1, 1, &[0, 1, 2], None);
    view.machine.timeline = vec![moment(460, Happened::Decided { round, digest })];
    view.machine.late_commits = vec![(3, at_ms(470))];
    let mut inputs = fixture.inputs(view.clone(), 800);
    inputs.at.mono_ms += 2;
    let status = builder.build(inputs);
    assert_eq!(
        status.consensus.previous[0].rounds[1].commits, 4,
        "known, and not counted twice"
    );
    assert_eq!(status.consensus.validators[3].last_signed_height, Some(1));
    assert_eq!(
        again.consensus.validators[2].last_seen_mono_ms,
        Some(fixture.clock.face_ms(at_ms(455)))
    );
}

#[test]
fn certificates_decide_who_signed() {
    use HeightMark::{Late, Missed, Signed};
    let fixture = Fixture::new(4);
    fixture.finalize(1, 0, &[0, 1, 2], None);
    assert!(
        fixture.records().iter().all(|record| record.history.is_empty()),
        "votes may be under way"
    );
    fixture.heights.came_later(1, [(3, 40)].into_iter());
    fixture.heights.saw(2, [0, 1, 2, 3].into_iter());
    fixture.finalize(2, 1, &[0, 1, 2], Some(&[0, 1]));
    fixture.heights.came_later(2, [(3, 140)].into_iter());
    fixture.finalize(3, 0, &[0, 1, 2], Some(&[0, 1, 2]));
    fixture.finalize(4, 0, &[0, 1, 2], Some(&[0, 1, 3]));
    fixture.finalize(5, 0, &[0, 1, 2], Some(&[0, 1, 2]));
    fixture.finalize(6, 0, &[1, 2], Some(&[0, 1, 2]));
    let records = fixture.records();
    assert_eq!(records[2].history, [Signed; 5]);
    assert_eq!(records[3].history, [Signed, Late, Signed, Missed, Missed]);
    assert_eq!((records[3].last_signed, records[3].silent), (Some(3), 2));
    assert_eq!(records[0].last_signed, Some(5));
    fixture.heights.saw(5, [3].into_iter());
    assert_eq!(fixture.records()[3].silent, 0, "it votes, if not in time");
    fixture.heights.came_later(6, [(0, 1), (3, 2)].into_iter());
    let records = fixture.records();
    assert_eq!(
        records[3].history,
        [Signed, Late, Signed, Missed, Missed, Signed],
        "all of the tip's are in"
    );
    assert_eq!((records[3].silent, records[3].last_signed), (0, Some(6)));
}

#[test]
fn a_tip_without_a_child_is_judged_after_a_while() {
    let fixture = Fixture::new(4);
    fixture.finalize(1, 0, &[0, 1, 2], None);
    let records = fixture.heights.records(&fixture.set, &|_, _| false, 2_000);
    assert_eq!(records[3].history, [HeightMark::Missed]);
    let caught = |key: &PublicKey, height| *key == fixture.set.keys()[1] && height == 1;
    let records = fixture.heights.records(&fixture.set, &caught, 2_000);
    assert_eq!(records[1].history, [HeightMark::Equivocated]);
}

#[test]
fn our_own_votes_are_counted() {
    let fixture = Fixture::new(4);
    let me = fixture.set.keys()[3];
    for height in 1..=5 {
        let before: &[u16] = if height == 3 { &[0, 1, 2, 3] } else { &[0, 1, 2] };
        fixture.finalize(height, 0, &[0, 1, 2], (height > 1).then_some(before));
    }
    let own = fixture.heights.own_votes(Some(&me), 1_000);
    assert_eq!((own.missed, own.missed_in_row), (3, 2));
    assert_eq!(
        fixture.heights.own_votes(None, 1_000),
        super::super::heights::OwnVotes::default()
    );
}

#[test]
fn failed_rounds_are_charged_to_their_leaders() {
    let fixture = Fixture::new(4);
    fixture.heights.timer_fired(Height::new(1));
    fixture.heights.timer_fired(Height::new(1));
    fixture.finalize(1, 2, &[0, 1, 2], None);
    fixture.finalize(2, 0, &[0, 1, 2], Some(&[0, 1, 2]));
    fixture.finalize(3, 0, &[0, 1, 2], Some(&[0, 1, 2]));
    fixture.finalize(4, 0, &[0, 1, 2], Some(&[0, 1, 2]));
    fixture.finalize(5, 1, &[0, 1, 2], Some(&[0, 1, 2]));
    let stats = fixture.heights.stats(&fixture.names());
    assert_eq!(
        (stats.heights, stats.round0, stats.round1, stats.later),
        (5, 3, 1, 1)
    );
    assert_eq!(stats.timeouts, 2);
    assert_eq!(stats.worst_leaders, [(fixture.name(1), 2), (fixture.name(2), 1)]);
}

#[test]
fn the_past_is_bounded() {
    let fixture = Fixture::new(4);
    for height in 1..=300 {
        fixture.finalize(height, 0, &[0, 1, 2], (height > 1).then_some(&[0, 1, 2]));
    }
    assert_eq!(
        fixture.heights.stats(&fixture.names()).heights,
        super::super::heights::HEIGHTS_MAX as u32
    );
    let records = fixture.records();
    assert_eq!(records[0].history.len(), control::HISTORY_HEIGHTS);
    assert_eq!(
        records[3].silent,
        super::super::heights::HEIGHTS_MAX as u32 - 1,
        "the tip is not judged yet"
    );
}

#[test]
fn a_restart_remembers_the_last_heights() {
    let mut fixture = Fixture::new(4);
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_on(
        Arc::new(MemoryBackend::default()),
        Arc::new(RealDisk),
        dir.path(),
        0,
        &fixture.chain.genesis,
        StoreOptions::default(),
        |_| {},
    )
    .unwrap();
    for height in 1..=3 {
        let block = fixture.chain.assemble(100, Vec::new()).block.into_inner();
        let connected = fixture.chain.extend(100, Vec::new());
        let certificate = CommitCertificate {
            height: Height::new(height),
            round: 1,
            block_hash: connected.hash,
            signatures: [0, 1, 2]
                .map(|signer| (signer, Signature::from_bytes([0; 64])))
                .to_vec(),
        };
        store
            .commit(CommitBatch {
                block,
                certificate,
                connected,
            })
            .unwrap();
    }
    let heights = Heights::load(&store.reader()).unwrap();
    let stats = heights.stats(&fixture.names());
    assert_eq!((stats.heights, stats.round1), (3, 3));
    let records = heights.records(&fixture.set, &|_, _| false, 1_000);
    let signed = HeightMark::Signed;
    assert_eq!(
        records[3].history,
        [signed, signed],
        "by what their children carry"
    );
    assert_eq!(
        (records[3].last_signed, records[0].last_signed),
        (Some(2), Some(3))
    );
    let own = heights.own_votes(Some(&fixture.set.keys()[3]), 9_000);
    assert_eq!(
        own.missed, 0,
        "what happened before this run is not held against it"
    );
}

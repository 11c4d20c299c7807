//! Who voted for what, and who is there to vote.

use super::*;

#[test]
fn votes_are_told_apart() {
    let fixture = Fixture::new(7);
    let mut view = fixture.view();
    let machine = &mut view.machine;
    machine.phase = MachinePhase::Prepare;
    machine.accepted = Some(digest(1));
    machine.is_due = true;
    machine.is_armed = true;
    machine.deadline = Some(at_ms(1_400));
    machine.timeline = vec![
        TimelineEntry {
            at: at_ms(1_000),
            height: Height::new(1),
            moment: Happened::Armed { round: Round::ZERO },
        },
        TimelineEntry {
            at: at_ms(1_010),
            height: Height::new(1),
            moment: Happened::Proposal {
                round: Round::ZERO,
                digest: digest(1),
            },
        },
    ];
    for (signer, ms) in [
        (0, 1_011),
        (1, 1_012),
        (2, 1_013),
        (3, 1_014),
        (4, 1_015),
        (5, 1_050),
    ] {
        machine.marks[signer].prepare = Some((digest(1), at_ms(ms)));
    }
    machine.marks[5].prepare = Some((digest(9), at_ms(1_050)));
    machine.marks[6].prepare = Some((digest(1), at_ms(1_116)));
    let mut inputs = fixture.inputs(view, 1_200);
    inputs.proposal = Some(Proposal {
        digest: digest(1),
        txs: 3,
        bytes: 900,
    });
    let status = fixture.builder().build(inputs);
    let consensus = &status.consensus;
    assert_eq!(
        consensus.round_started.mono_ms,
        fixture.clock.face_ms(at_ms(1_000))
    );
    assert_eq!(
        (consensus.proposal_txs, consensus.proposal_bytes),
        (Some(3), Some(900))
    );
    assert_eq!((consensus.prepares.votes, consensus.prepares.other), (6, 1));
    assert_eq!(consensus.prepares.quorum_at_us, Some(15_000));
    let rows = &consensus.validators;
    assert_eq!(rows[0].prepare.mark, control::Mark::ThisBlock);
    assert_eq!(rows[0].prepare.offset_us, Some(11_000));
    assert_eq!(rows[5].prepare.mark, control::Mark::OtherBlock);
    assert_eq!(rows[5].prepare.other, Some(*digest(9).as_hash()));
    assert_eq!(rows[6].prepare.mark, control::Mark::Late);
    assert_eq!(
        rows[1].pre_prepare.offset_us,
        Some(10_000),
        "the leader's own proposal"
    );
    assert_eq!(rows[6].pre_prepare.mark, control::Mark::ThisBlock);
    assert_eq!(rows[5].pre_prepare.mark, control::Mark::OtherBlock);
    assert_eq!(
        consensus.timer.deadline_mono_ms,
        Some(fixture.clock.face_ms(at_ms(1_400)))
    );
    let events = &consensus.current.rounds[0].events;
    assert!(events.is_sorted_by_key(|event| event.offset_us));
    assert_eq!(
        events
            .iter()
            .filter(|event| event.kind == TraceKind::PrepareOther)
            .count(),
        1
    );
    assert!(
        consensus.waiting_for.contains("Prepare 6/5"),
        "{}",
        consensus.waiting_for
    );
}

#[test]
fn votes_before_our_own_proposal_are_for_what_most_vote_for() {
    let fixture = Fixture::new(4);
    let mut view = fixture.view();
    view.machine.marks[1].prepare = Some((digest(1), at_ms(5)));
    view.machine.marks[2].prepare = Some((digest(1), at_ms(6)));
    view.machine.marks[3].prepare = Some((digest(2), at_ms(7)));
    let status = fixture.builder().build(fixture.inputs(view, 10));
    let marks: Vec<control::Mark> = status
        .consensus
        .validators
        .iter()
        .map(|row| row.prepare.mark)
        .collect();
    use control::Mark::{None, OtherBlock, ThisBlock};
    assert_eq!(marks, [None, ThisBlock, ThisBlock, OtherBlock]);
    assert_eq!(status.consensus.digest, Option::None);
    assert_eq!(status.consensus.prepares.votes, 2);
}

#[test]
fn who_contradicted_itself_is_marked() {
    let fixture = Fixture::new(4);
    let mut view = fixture.view();
    view.machine.accepted = Some(digest(1));
    view.machine.marks[2].prepare = Some((digest(1), at_ms(5)));
    let mut inputs = fixture.inputs(view, 10);
    let proof = |kind| Proof {
        kind,
        offender: fixture.set.keys()[2],
        height: 1,
        round: 0,
    };
    inputs.proofs = Arc::new(vec![
        proof(EvidenceKind::Prepares),
        proof(EvidenceKind::BadProposal),
    ]);
    let status = fixture.builder().build(inputs);
    let row = &status.consensus.validators[2];
    assert_eq!(row.prepare.mark, control::Mark::Equivocated);
    assert!(row.has_evidence);
    assert_eq!(
        status.consensus.evidence_total, 1,
        "a bad proposal contradicts nothing"
    );
    assert_eq!(status.consensus.prepares.votes, 1, "its vote still counts");
    assert!(
        status
            .alarms
            .iter()
            .any(|alarm| alarm.kind == AlarmKind::Equivocation)
    );
    assert!(
        fixture
            .events
            .last(10)
            .iter()
            .any(|event| matches!(event.kind, EventKind::AlarmRaised { .. }))
    );
    fixture.alarms.acknowledge();
}

#[test]
fn a_block_is_overdue_from_when_it_was_due_until_it_is_final() {
    let fixture = Fixture::new(4);
    let mut builder = fixture.builder();
    let mut view = fixture.view();
    view.machine.is_due = true;
    view.machine.work_at = at_ms(50);
    view.at = at_ms(60);
    let overdue = |builder: &mut StatusBuilder, view: EngineView, ms| {
        builder.build(fixture.inputs(view, ms)).consensus.overdue_ms
    };
    assert_eq!(overdue(&mut builder, view.clone(), 70), 20);
    // The transaction left the pool: the round goes on all the same.
    view.machine.work_at = at_ms(90_000);
    assert_eq!(overdue(&mut builder, view.clone(), 1_050), 1_000);
    view.machine.height = Height::new(2);
    view.machine.is_due = false;
    assert_eq!(overdue(&mut builder, view.clone(), 1_100), 0);
    view.machine.is_due = true;
    view.sync.active = true;
    assert_eq!(
        overdue(&mut builder, view, 99_000),
        0,
        "nothing is due while catching up"
    );
}

#[test]
fn a_validator_is_online_for_two_tmax_after_its_last_vote() {
    let fixture = Fixture::new(4);
    let mut builder = fixture.builder();
    let mut view = fixture.view();
    view.connected.remove(&fixture.set.keys()[3]);
    view.machine.marks[3].prepare = Some((digest(1), at_ms(10)));
    let tmax = fixture.chain.genesis.params.view_change_timeout_ms;
    let mut online = |view: &EngineView, ms| {
        builder
            .build(fixture.inputs(view.clone(), ms))
            .consensus
            .validators[3]
            .online
    };
    assert!(online(&view, 20));
    view.machine.marks[3].prepare = None;
    assert!(online(&view, 2 * tmax));
    assert!(!online(&view, 2 * tmax + 20));
}

#[test]
fn a_validator_whose_session_closed_is_away_until_something_newer_is_heard_of_it() {
    let fixture = Fixture::new(4);
    let mut builder = fixture.builder();
    let mut view = fixture.view();
    let voted = |view: &mut EngineView, ms| view.machine.marks[3].prepare = Some((digest(1), at_ms(ms)));
    let mut online = |view: &EngineView, ms| {
        builder
            .build(fixture.inputs(view.clone(), ms))
            .consensus
            .validators[3]
            .online
    };
    voted(&mut view, 10);
    assert!(online(&view, 20));
    view.connected.remove(&fixture.set.keys()[3]);
    assert!(
        !online(&view, 30),
        "its vote is older than the end of its session"
    );
    assert!(!online(&view, 40));
    voted(&mut view, 45);
    assert!(online(&view, 50), "others pass on what it says now");
    view.connected.insert(fixture.set.keys()[3]);
    assert!(online(&view, 60));
}

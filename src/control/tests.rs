//! Laws of the counter: what alarms do over time, what is explained, what scripts are promised.

use std::sync::Arc;

use super::*;
use crate::crypto::{Hash256, PublicKey};

fn row(index: u16) -> ValidatorRow {
    ValidatorRow {
        index,
        id: PublicKey::from_bytes([index as u8 + 1; 32]),
        name: format!("node{index}"),
        is_self: index == 0,
        online: true,
        last_seen_mono_ms: Some(100_000),
        last_signed_height: Some(9),
        silent_heights: 0,
        pre_prepare: VoteCell::default(),
        prepare: VoteCell::default(),
        commit: VoteCell::default(),
        view_change: VoteCell::default(),
        history: Vec::new(),
        has_evidence: false,
    }
}

/// Four validators, all reachable, a minute into the run, nothing due.
fn status() -> Status {
    let peers = (1..4_u8)
        .map(|n| PeerRow {
            id: PublicKey::from_bytes([0x40 + n; 32]),
            name: Some(format!("node{n}")),
            direction: Direction::Outbound,
            address: format!("127.0.0.1:{}", 24_200 + u16::from(n) * 2),
            height: Some(9),
            rtt_ms: Some(1),
            rx_bytes: 10,
            tx_bytes: 20,
            rx_rate: 0,
            tx_rate: 0,
            connected_mono_ms: 95_000,
            agent: "timed/0.1.0".to_owned(),
            validator: Some(PublicKey::from_bytes([n + 1; 32])),
            capabilities: Vec::new(),
            score: 0,
        })
        .collect();
    Status {
        at: Moment {
            unix_ms: 1_795_184_527_300,
            mono_ms: 100_000,
        },
        revision: 1,
        node: Arc::new(NodeStatus {
            network: "devnet".to_owned(),
            name: "node0".to_owned(),
            mode: Mode::Validator,
            started: Moment {
                unix_ms: 0,
                mono_ms: 40_000,
            },
            ..NodeStatus::default()
        }),
        chain: Arc::new(ChainStatus {
            height: 9,
            hash: Hash256::from_bytes([7; 32]),
            ..ChainStatus::default()
        }),
        consensus: Arc::new(ConsensusStatus {
            activated: true,
            height: 10,
            n: 4,
            quorum: 3,
            f: 1,
            min_masternodes: 1,
            leader: Some(1),
            validators: (0..4).map(row).collect(),
            t0_ms: 400,
            tmax_ms: 4_000,
            ..ConsensusStatus::default()
        }),
        signing: SigningStatus {
            signing: true,
            ..SigningStatus::default()
        },
        peers: Arc::new(PeersStatus {
            rows: peers,
            outbound: 3,
            ..PeersStatus::default()
        }),
        sync: Arc::new(SyncStatus {
            state: SyncState::Synced,
            ..SyncStatus::default()
        }),
        tasks: Arc::new(vec![TaskTick {
            name: "consensus".to_owned(),
            critical: true,
            tick_mono_ms: 99_900,
        }]),
        ..Status::default()
    }
}

fn consensus(status: &mut Status) -> &mut ConsensusStatus {
    Arc::make_mut(&mut status.consensus)
}

fn at(status: &mut Status, mono_ms: u64) {
    status.at.unix_ms += mono_ms - status.at.mono_ms;
    status.at.mono_ms = mono_ms;
}

fn kinds(book: &AlarmBook) -> Vec<(AlarmKind, Severity)> {
    book.alarms()
        .iter()
        .map(|alarm| (alarm.kind, alarm.severity))
        .collect()
}

#[test]
fn a_healthy_node_raises_nothing() {
    let mut book = AlarmBook::new();
    assert_eq!(book.observe(&status()), []);
    let verdict = assess(&status(), &HealthStatus::default());
    assert_eq!(
        (verdict.word, verdict.live, verdict.ready),
        (HealthWord::Ok, true, true)
    );
    assert_eq!(explain(&status()), Explanation::default());
}

#[test]
fn a_stall_is_a_warning_then_critical_then_cleared_by_a_block() {
    let mut book = AlarmBook::new();
    let mut status = status();
    consensus(&mut status).overdue_ms = 1_200;
    assert_eq!(book.observe(&status), [], "3 × T0 is the limit, not beyond it");
    consensus(&mut status).overdue_ms = 1_201;
    book.observe(&status);
    assert_eq!(kinds(&book), [(AlarmKind::FinalityStalled, Severity::Warn)]);
    book.acknowledge();
    consensus(&mut status).overdue_ms = 4_001;
    let changes = book.observe(&status);
    assert!(matches!(&changes[..], [AlarmChange::Raised(alarm)] if alarm.severity == Severity::Crit));
    assert!(!book.alarms()[0].acked, "graver than what was acknowledged");
    // In the band between, it stays up.
    consensus(&mut status).overdue_ms = 500;
    assert_eq!(book.observe(&status), []);
    consensus(&mut status).overdue_ms = 0;
    at(&mut status, 104_000);
    assert_eq!(
        book.observe(&status),
        [AlarmChange::Cleared {
            kind: AlarmKind::FinalityStalled,
            lasted_ms: 4_000
        }]
    );
}

#[test]
fn losing_validators_warns_at_the_limit_and_is_critical_beyond() {
    let mut book = AlarmBook::new();
    let mut status = status();
    consensus(&mut status).validators[3].online = false;
    book.observe(&status);
    assert_eq!(kinds(&book), [(AlarmKind::QuorumMargin, Severity::Warn)]);
    consensus(&mut status).validators[2].online = false;
    book.observe(&status);
    assert_eq!(kinds(&book), [(AlarmKind::QuorumMargin, Severity::Crit)]);
    for n in [2, 3] {
        consensus(&mut status).validators[n].online = true;
    }
    book.observe(&status);
    let up = book.alarms();
    assert_eq!(up.len(), 1, "clearing has to last");
    assert_eq!(up[0].text, "quorum margin: good again; clears in 2.0 s");
    at(&mut status, 102_000);
    book.observe(&status);
    assert!(book.alarms().is_empty());
}

#[test]
fn a_disk_that_fills_soon_is_told_before_it_is_nearly_full() {
    const DAY_MS: u64 = 86_400_000;
    let mut book = AlarmBook::new();
    let mut status = status();
    let mut look = |status: &mut Status, days: Option<u64>| {
        let resources = Arc::make_mut(&mut status.resources);
        (resources.disk_free_bytes, resources.disk_size_bytes) = (Some(50 << 30), Some(100 << 30));
        resources.disk_full_in_ms = days.map(|days| days * DAY_MS);
        book.observe(status);
        (
            kinds(&book),
            book.alarms().first().map(|alarm| alarm.text.clone()),
        )
    };
    assert_eq!(look(&mut status, Some(7)).0, []);
    let (up, text) = look(&mut status, Some(6));
    assert_eq!(up, [(AlarmKind::Disk, Severity::Warn)]);
    assert!(text.unwrap().contains("full in 6 d 00 h at this rate"));
    assert_eq!(look(&mut status, Some(0)).0, [(AlarmKind::Disk, Severity::Crit)]);
    // Between its limits it stays up; a disk that stopped filling is well.
    assert_eq!(look(&mut status, Some(7)).0, [(AlarmKind::Disk, Severity::Crit)]);
    assert_eq!(look(&mut status, None).0, []);
}

#[test]
fn a_split_chain_is_critical_and_says_where() {
    let mut book = AlarmBook::new();
    let mut status = status();
    Arc::make_mut(&mut status.sync).state = SyncState::Halted;
    status.signing.signing = false;
    status.signing.reason = "two certificates at one height".to_owned();
    book.observe(&status);
    assert_eq!(kinds(&book), [(AlarmKind::Fork, Severity::Crit)]);
    assert_eq!(
        book.alarms()[0].text,
        "the chain has split at height 10: two certificates at one height"
    );
}

#[test]
fn two_validators_that_both_live_raise_nothing() {
    let mut status = status();
    let section = consensus(&mut status);
    section.n = 2;
    section.quorum = 2;
    section.validators.truncate(2);
    assert_eq!(AlarmBook::new().observe(&status), []);
}

#[test]
fn evidence_stays_up_until_it_is_acknowledged() {
    let mut book = AlarmBook::new();
    let mut status = status();
    consensus(&mut status).evidence_total = 1;
    consensus(&mut status).validators[2].has_evidence = true;
    book.observe(&status);
    assert!(book.alarms()[0].text.contains("node2"));
    at(&mut status, 900_000);
    Arc::make_mut(&mut status.tasks)[0].tick_mono_ms = 900_000;
    book.observe(&status);
    assert_eq!(kinds(&book), [(AlarmKind::Equivocation, Severity::Crit)]);
    book.acknowledge();
    book.observe(&status);
    assert!(book.alarms().is_empty());
    consensus(&mut status).evidence_total = 2;
    book.observe(&status);
    assert_eq!(book.alarms().len(), 1, "a second proof is news");
}

#[test]
fn an_alarm_between_its_limits_neither_rises_nor_falls() {
    let mut book = AlarmBook::new();
    let mut status = status();
    let pool = |status: &mut Status, txs| {
        let section = Arc::make_mut(&mut status.mempool);
        section.txs = txs;
        section.txs_max = 100;
    };
    pool(&mut status, 80);
    assert_eq!(book.observe(&status), []);
    pool(&mut status, 81);
    book.observe(&status);
    assert_eq!(kinds(&book), [(AlarmKind::Mempool, Severity::Warn)]);
    pool(&mut status, 71);
    assert_eq!(book.observe(&status), []);
    pool(&mut status, 69);
    assert_eq!(book.observe(&status).len(), 1);
}

#[test]
fn a_missed_deadline_is_told_for_a_minute() {
    let mut book = AlarmBook::new();
    let mut status = status();
    consensus(&mut status).watchdog = WatchdogStatus {
        checks: 3,
        missed_total: 1,
        last_missed_mono_ms: Some(99_000),
        last_late_ms: 5_200,
    };
    book.observe(&status);
    assert_eq!(kinds(&book), [(AlarmKind::DeadlineMissed, Severity::Warn)]);
    assert!(book.alarms()[0].text.contains("5.2 s"));
    at(&mut status, 160_000);
    Arc::make_mut(&mut status.tasks)[0].tick_mono_ms = 160_000;
    book.observe(&status);
    assert!(book.alarms().is_empty());
}

#[test]
fn a_node_that_has_just_begun_is_not_called_lonely() {
    let mut status = status();
    Arc::make_mut(&mut status.peers).rows.clear();
    for row in &mut consensus(&mut status).validators[1..] {
        row.online = false;
    }
    Arc::make_mut(&mut status.node).started.mono_ms = 90_000;
    assert_eq!(AlarmBook::new().observe(&status), []);
    Arc::make_mut(&mut status.node).started.mono_ms = 80_000;
    let mut book = AlarmBook::new();
    book.observe(&status);
    assert_eq!(
        kinds(&book),
        [
            (AlarmKind::QuorumMargin, Severity::Crit),
            (AlarmKind::Peers, Severity::Crit)
        ]
    );
}

#[test]
fn quorum_loss_is_a_stall_not_sickness() {
    let mut status = status();
    for row in &mut consensus(&mut status).validators[2..] {
        row.online = false;
    }
    let verdict = assess(&status, &HealthStatus::default());
    assert_eq!(
        (verdict.word, verdict.live, verdict.ready),
        (HealthWord::Stalled, true, false)
    );
}

#[test]
fn a_stuck_loop_or_a_safety_stop_is_sickness() {
    let mut stuck = status();
    Arc::make_mut(&mut stuck.tasks)[0].tick_mono_ms = 100_000 - CRITICAL_TICK_LIMIT_MS - 1;
    assert!(!assess(&stuck, &HealthStatus::default()).live);
    let mut unsafe_to_sign = status();
    unsafe_to_sign.signing = SigningStatus {
        signing: false,
        reason: "the consensus log cannot be synced".to_owned(),
        safety_stop: true,
        double_sign_prevented_total: 0,
    };
    let verdict = assess(&unsafe_to_sign, &HealthStatus::default());
    assert_eq!(
        (verdict.word, verdict.live, verdict.ready),
        (HealthWord::Unhealthy, false, false)
    );
}

#[test]
fn a_check_remembers_since_when() {
    let mut status = status();
    let first = assess(&status, &HealthStatus::default());
    at(&mut status, 101_000);
    let second = assess(&status, &first);
    assert_eq!(first.checks[0].since_unix_ms, second.checks[0].since_unix_ms);
    consensus(&mut status).validators[1].online = false;
    consensus(&mut status).validators[2].online = false;
    let third = assess(&status, &second);
    let quorum = third.checks.iter().find(|check| check.name == "quorum").unwrap();
    assert_eq!(quorum.since_unix_ms, status.at.unix_ms);
}

#[test]
fn the_explainer_names_whom_it_waits_for() {
    let mut status = status();
    let section = consensus(&mut status);
    section.timer.armed = true;
    assert_eq!(
        explain(&status).waiting_for,
        "height 10 round 0: waiting for the proposal of node1"
    );
    let section = consensus(&mut status);
    section.phase = Phase::Prepare;
    section.prepares.votes = 2;
    for n in [0, 1] {
        section.validators[n].prepare.mark = Mark::ThisBlock;
    }
    section.validators[2].prepare.mark = Mark::OtherBlock;
    section.validators[3].online = false;
    section.validators[3].last_seen_mono_ms = Some(59_000);
    assert_eq!(
        explain(&status).waiting_for,
        "height 10 round 0 Prepare 2/3: waiting for node3 (offline 41 s) and node2 (voted for another block)"
    );
}

#[test]
fn without_a_quorum_the_explainer_says_that_restarting_cannot_help() {
    let mut status = status();
    let section = consensus(&mut status);
    section.round = 1;
    section.view_changing = true;
    section.view_changes.votes = 2;
    for n in [0, 1] {
        section.validators[n].view_change.mark = Mark::ThisBlock;
    }
    for n in [2, 3] {
        section.validators[n].online = false;
        section.validators[n].last_seen_mono_ms = None;
    }
    let explanation = explain(&status);
    assert_eq!(
        explanation.waiting_for,
        "height 10 round 1 view change 2/3: waiting for node2 (not seen yet) and node3 (not seen yet)"
    );
    assert_eq!(
        explanation.hint,
        "2 of 4 away, 1 must return; a restart here cannot help"
    );
}

#[test]
fn too_small_a_set_has_the_sentence_operators_grep_for() {
    let mut status = status();
    consensus(&mut status).min_masternodes = 5;
    assert_eq!(
        explain(&status).waiting_for,
        "Only 4 masternodes active (minimum 5 required)"
    );
}

#[test]
fn status_has_every_field_that_scripts_rely_on() {
    let json = serde_json::to_value(status_json::status(&status())).unwrap();
    for field in [
        "version",
        "network",
        "chain_id",
        "node_id",
        "height",
        "hash",
        "utxo_commitment",
        "round",
        "phase",
        "syncing",
        "blocks_behind",
        "peers",
        "validators",
        "quorum",
        "f",
        "waiting_for",
        "signing",
        "signing_reason",
        "mode",
        "uptime_s",
    ] {
        assert!(json.get(field).is_some(), "{field}");
    }
    assert_eq!(json["uptime_s"], 60);
    assert_eq!(json["signing"], true);
    assert_eq!(json["mode"], "validator");
    assert_eq!(json["phase"], "PrePrepare");
    assert_eq!(json["validators"][3]["name"], "node3");
    assert_eq!(json["validators"][3]["online"], true);
    assert_eq!(json["validators"][3]["last_signed_height"], 9);
    let back: status_json::StatusJson = serde_json::from_value(json).unwrap();
    assert_eq!(back, status_json::status(&status()));
}

#[test]
fn whoever_is_not_ready_says_why() {
    let mut status = status();
    let signing = &mut status.signing;
    (signing.signing, signing.reason) = (false, "halt height reached".to_owned());
    let verdict = assess(&status, &HealthStatus::default());
    assert!(verdict.live && !verdict.ready);
    let failing: Vec<_> = verdict.checks.iter().filter(|check| !check.ok).collect();
    assert_eq!(failing.len(), 1, "{failing:?}");
    assert_eq!(
        (failing[0].name.as_str(), failing[0].detail.as_str()),
        ("votes", "halt height reached")
    );
}

#[test]
fn health_has_every_field_that_scripts_rely_on() {
    let mut status = status();
    status.health = Arc::new(assess(&status, &HealthStatus::default()));
    let json = serde_json::to_value(status_json::health(&status)).unwrap();
    assert_eq!(json["status"], "ok");
    assert_eq!(json["consensus_phase"], "PrePrepare");
    assert_eq!(json["peers_connected"], 3);
    assert_eq!(json["blocks_behind"], 0);
    let peers = serde_json::to_value(status_json::peers(&status)).unwrap();
    assert_eq!(peers[0]["connected_s"], 5);
    assert_eq!(peers[0]["direction"], "outbound");
}

#[test]
fn a_snapshot_survives_its_way_through_json() {
    let status = status();
    let json = serde_json::to_string(&status).unwrap();
    assert_eq!(serde_json::from_str::<Status>(&json).unwrap(), status);
}

#[test]
fn a_slow_reader_learns_what_it_missed() {
    let ring = Ring::new(3);
    for n in 0..5 {
        ring.push_with(|seq| (seq, n));
    }
    let batch = ring.since(0, 10);
    assert_eq!(batch.items, [(2, 2), (3, 3), (4, 4)]);
    assert_eq!((batch.missed, batch.next), (2, 5));
    assert_eq!(
        ring.since(5, 10),
        Batch {
            items: vec![],
            missed: 0,
            next: 5
        }
    );
    assert_eq!(ring.since(3, 1).items, [(3, 3)]);
    // A cursor from another run, ahead of the ring, waits instead of panicking.
    assert_eq!(ring.since(99, 10).next, 5);
    assert_eq!(ring.last(2), [(3, 3), (4, 4)]);
}

#[test]
fn watchers_are_counted_while_they_live() {
    let watchers = Watchers::new();
    let one = watchers.watch();
    let two = watchers.clone().watch();
    assert_eq!(watchers.count(), 2);
    drop(one);
    drop(two);
    assert_eq!(watchers.count(), 0);
    assert!(!watchers.has_crashed());
    watchers.clone().note_crash();
    assert!(watchers.has_crashed());
}

#[test]
fn names_in_a_sentence() {
    let names: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    assert_eq!(words::listed(&[], 3), "");
    assert_eq!(words::listed(&names[..1], 3), "a");
    assert_eq!(words::listed(&names[..2], 3), "a and b");
    assert_eq!(words::listed(&names[..3], 3), "a, b and c");
    assert_eq!(words::listed(&names, 3), "a, b, c and 1 more");
    assert_eq!(words::counted(1, "height"), "1 height");
    assert_eq!(words::counted(4_000, "height"), "4 000 heights");
    assert_eq!(words::printable("a\u{1b}[2J\u{9b}b\u{202e}c\n"), "a[2Jbc");
}

#[test]
fn every_event_is_one_printable_line() {
    let events = [
        EventKind::Final {
            height: 1_284_117,
            hash: Hash256::ZERO,
            round: 1,
            txs: 3,
            votes: 3,
            n: 4,
            finality_ms: Some(12),
        },
        EventKind::Timeout {
            height: 9,
            round: 0,
            phase: Phase::PrePrepare,
            after_ms: 400,
        },
        EventKind::AlarmCleared {
            kind: AlarmKind::Peers,
            lasted_ms: 200,
        },
        EventKind::Signing {
            signing: false,
            reason: "catching up".to_owned(),
        },
    ];
    assert_eq!(events[0].line(), "1 284 117  12 ms  3/4  3 tx  r1");
    for event in events {
        assert!(!event.line().contains('\n') && event.tag().len() <= 7);
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<EventKind>(&json).unwrap(), event);
    }
}

#[test]
fn another_silent_validator_is_news_to_who_acknowledged_the_first() {
    let mut book = AlarmBook::new();
    let mut status = status();
    consensus(&mut status).validators[1].silent_heights = 3;
    book.observe(&status);
    assert_eq!(kinds(&book), [(AlarmKind::ValidatorSilent, Severity::Warn)]);
    book.acknowledge();
    consensus(&mut status).validators[1].silent_heights = 9;
    assert_eq!(book.observe(&status), [], "the same one is no news");
    assert!(book.alarms()[0].acked);
    consensus(&mut status).validators[2].silent_heights = 3;
    let changes = book.observe(&status);
    assert!(
        matches!(&changes[..], [AlarmChange::Raised(alarm)] if alarm.kind == AlarmKind::ValidatorSilent),
        "{changes:?}"
    );
    assert!(!book.alarms()[0].acked);
    book.acknowledge();
    // One that comes and goes does not ring at every height.
    consensus(&mut status).validators[2].silent_heights = 0;
    assert_eq!(book.observe(&status), []);
    consensus(&mut status).validators[2].silent_heights = 3;
    assert_eq!(book.observe(&status), []);
    assert!(book.alarms()[0].acked);
    // A minute later it is another story.
    consensus(&mut status).validators[2].silent_heights = 0;
    let now = status.at.mono_ms;
    at(&mut status, now + 60_000);
    for row in &mut consensus(&mut status).validators {
        row.last_seen_mono_ms = Some(now + 60_000);
    }
    assert_eq!(book.observe(&status), []);
    consensus(&mut status).validators[2].silent_heights = 3;
    assert!(matches!(&book.observe(&status)[..], [AlarmChange::Raised(_)]));
}

/// Its sessions stand for most of a minute, but nobody may count on its vote.
#[test]
fn a_frozen_validator_is_not_counted_on_while_the_chain_goes_on() {
    let mut status = status();
    let frozen = &mut consensus(&mut status).validators[3];
    (frozen.silent_heights, frozen.last_seen_mono_ms) = (2, Some(90_000));
    assert_eq!(
        status.consensus.reachable(status.at),
        4,
        "two heights may be chance"
    );
    consensus(&mut status).validators[3].silent_heights = 3;
    assert_eq!(status.consensus.reachable(status.at), 3);
    let target = BanTarget::Node(status.peers.rows[0].id);
    let follows = ban_consequence(&status, &target);
    assert_eq!((follows.reachable, follows.validators_lost), (2, 1));
    assert!(follows.halts());
    consensus(&mut status).validators[3].last_seen_mono_ms = Some(99_000);
    assert_eq!(status.consensus.reachable(status.at), 4, "it speaks again");
}

#[test]
fn what_is_said_of_old_blocks_counts_those_that_are_here() {
    let backfill = |lowest, waits_for: &str| BackfillStatus {
        lowest,
        waits_for: waits_for.to_owned(),
    };
    assert_eq!(backfill(1_878, "").line(10_000), "backfill 8 123 of 10 000");
    assert_eq!(
        backfill(10_000, "a peer that has block 9 999").line(10_000),
        "backfill 1 of 10 000, waits for a peer that has block 9 999"
    );
    assert_eq!(backfill(2, "").line(10_000), "backfill 9 999 of 10 000");
    assert_eq!(backfill(1, "").line(10_000), "backfill complete");
}

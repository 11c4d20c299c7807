//! The bytes of everything that goes over the socket and into recordings, against a table. Whoever
//! changes a field, its place or a variant meets this test: raise `control::LAYOUT`, then
//! `UPDATE_LAYOUT=1 cargo test --lib attach::tests::layout` writes the table of the new version beside
//! the old one, which goes. A table that is there is never overwritten: programs with that number exist.

use std::{fmt::Write, fs, path::PathBuf, sync::Arc};

use serde::Serialize;

use super::super::{Notice, Request, Sections, Subscribe};
use crate::{
    control::*,
    crypto::{Hash256, PublicKey},
};

fn key(byte: u8) -> PublicKey {
    PublicKey::from_bytes([byte; 32])
}

fn hash(byte: u8) -> Hash256 {
    Hash256::from_bytes([byte; 32])
}

fn moment(n: u64) -> Moment {
    Moment {
        unix_ms: 1_000 + n,
        mono_ms: n,
    }
}

fn text(word: &str) -> String {
    word.to_owned()
}

/// A ban that says something in every field.
fn ban() -> Ban {
    Ban {
        target: BanTarget::address(std::net::IpAddr::from([192, 0, 2, 7])),
        source: BanSource::Automatic,
        by: text("score"),
        reason: text("rate"),
        evidence: text("seen"),
        at_ms: 11,
        until_ms: Some(12),
        times: 13,
    }
}

fn resync_status(step: ResyncStep) -> ResyncStatus {
    ResyncStatus {
        mode: ResyncMode::Full,
        step,
        target: 21,
        since: moment(22),
        pages: Some((23, 24)),
        can_cancel: true,
    }
}

fn cell(mark: Mark) -> VoteCell {
    VoteCell {
        mark,
        offset_us: Some(31),
        other: Some(hash(32)),
    }
}

/// A snapshot that says something in every field. No `..`: a new field has to be written here too.
fn full() -> Status {
    let alarm = Alarm {
        kind: AlarmKind::Fork,
        severity: Severity::Crit,
        text: text("alarm"),
        since: moment(41),
        acked: true,
    };
    let trace = HeightTrace {
        height: 51,
        rounds: vec![RoundTrace {
            round: 52,
            leader: text("leader"),
            started: moment(53),
            timeout_ms: 54,
            took_us: Some(55),
            end: Some(RoundEnd::Overtaken),
            prepares: 56,
            commits: 57,
            view_changes: 58,
            events: vec![TraceEvent {
                offset_us: 59,
                kind: TraceKind::TimerFired,
                validator: Some(60),
            }],
        }],
    };
    let tally = Tally {
        votes: 61,
        other: 62,
        quorum_at_us: Some(63),
    };
    Status {
        at: moment(1),
        revision: 2,
        node: Arc::new(NodeStatus {
            version: text("version"),
            network: text("network"),
            chain_id: hash(3),
            node_id: Some(key(4)),
            validator_id: Some(key(5)),
            name: text("name"),
            address: Some(text("address")),
            mode: Mode::Full,
            started: moment(6),
            start: vec![StartStep {
                name: text("step"),
                took_ms: 7,
            }],
            warnings: vec![text("warning")],
            pid: 8,
            data_dir: PathBuf::from("data"),
            log_file: Some(PathBuf::from("log")),
            log_filter: text("filter"),
            log_filter_until: Some(moment(9)),
            p2p_listen: text("p2p"),
            rpc_listen: Some(text("rpc")),
        }),
        chain: Arc::new(ChainStatus {
            height: 101,
            hash: hash(102),
            utxo_commitment: hash(103),
            timestamp_ms: 104,
            finalized: Some(moment(105)),
            blocks_this_run: 106,
            last_blocks: vec![BlockLine {
                height: 107,
                hash: hash(108),
                finalized: moment(109),
                txs: 110,
                size_bytes: 111,
                proposer: text("proposer"),
                is_ours: true,
                round: 112,
                finality_ms: Some(113),
            }],
            finality_ms: vec![114],
            utxos: Some(115),
            supply: Some(116),
        }),
        consensus: Arc::new(ConsensusStatus {
            activated: true,
            height: 121,
            round: 122,
            phase: Phase::Finalized,
            view_changing: true,
            round_started: moment(123),
            timer: TimerStatus {
                armed: true,
                total_ms: 124,
                deadline_mono_ms: Some(125),
            },
            leader: Some(126),
            is_our_turn: true,
            we_lead_in: Some(127),
            n: 128,
            quorum: 129,
            f: 130,
            min_masternodes: 131,
            validators: vec![ValidatorRow {
                index: 132,
                id: key(133),
                name: text("validator"),
                is_self: true,
                online: true,
                last_seen_mono_ms: Some(134),
                last_signed_height: Some(135),
                silent_heights: 136,
                pre_prepare: cell(Mark::ThisBlock),
                prepare: cell(Mark::OtherBlock),
                commit: cell(Mark::Late),
                view_change: cell(Mark::Equivocated),
                history: vec![HeightMark::Equivocated],
                has_evidence: true,
            }],
            digest: Some(hash(137)),
            proposal_txs: Some(138),
            proposal_bytes: Some(139),
            prepares: tally,
            commits: tally,
            view_changes: tally,
            lock: Some((140, hash(141))),
            current: trace.clone(),
            previous: vec![trace],
            stats: RoundStats {
                heights: 142,
                round0: 143,
                round1: 144,
                later: 145,
                timeouts: 146,
                worst_leaders: vec![(text("worst"), 147)],
            },
            view_changes_total: 148,
            evidence_total: 149,
            own_missed: 150,
            own_missed_in_row: 151,
            due_mono_ms: Some(152),
            overdue_ms: 153,
            t0_ms: 154,
            tmax_ms: 155,
            block_interval_ms: 156,
            watchdog: WatchdogStatus {
                checks: 157,
                missed_total: 158,
                last_missed_mono_ms: Some(159),
                last_late_ms: 160,
            },
            waiting_for: text("waiting"),
            hint: text("hint"),
        }),
        signing: SigningStatus {
            signing: true,
            reason: text("signing"),
            safety_stop: true,
            double_sign_prevented_total: 161,
        },
        peers: Arc::new(PeersStatus {
            rows: vec![PeerRow {
                id: key(171),
                name: Some(text("peer")),
                direction: Direction::Outbound,
                address: text("peer address"),
                height: Some(172),
                rtt_ms: Some(173),
                rx_bytes: 174,
                tx_bytes: 175,
                rx_rate: 176,
                tx_rate: 177,
                connected_mono_ms: 178,
                agent: text("agent"),
                validator: Some(key(179)),
                capabilities: vec![text("capability")],
                score: 180,
            }],
            max: 181,
            inbound: 182,
            outbound: 183,
            missing: vec![text("missing")],
            banned: 184,
            bans: Arc::new(vec![ban()]),
            clock_offset_ms: Some(-185),
            twins: vec![text("twin")],
        }),
        mempool: Arc::new(MempoolStatus {
            txs: 191,
            txs_max: 192,
            bytes: 193,
            bytes_max: 194,
            in_per_s: 195,
            out_per_s: 196,
            in_history: vec![197],
            fee_min: Some(198),
            fee_p50: Some(199),
            fee_p95: Some(200),
            fee_floor: 201,
            oldest_ms: Some(202),
            evicted_per_min: 203,
            refused_per_min: 204,
            next_block_txs: Some(205),
            next_block_bytes: Some(206),
            accepted_total: 207,
            pressure_permille: 208,
            wire_bytes: 209,
            fees_units: 210,
            full_in_ms: Some(211),
            out_history: vec![212],
            rate_bands: vec![RateBand {
                from: 213,
                txs: 214,
                bytes: 215,
            }],
            age_bands: vec![AgeBand {
                below_ms: Some(216),
                txs: 217,
            }],
            cheapest: vec![WaitingTx {
                txid: hash(218),
                fee_rate: 219,
                bytes: 220,
                inputs: 221,
                outputs: 222,
                since_unix_ms: 223,
            }],
            refused: vec![ReasonCount {
                reason: text("refused"),
                count: 224,
            }],
            confirmed_total: 225,
            conflicting_total: 226,
            evicted_total: 227,
            expired_total: 228,
            invalid_total: 229,
            orphans: 230,
            orphans_max: 231,
            orphan_bytes: 232,
        }),
        sync: Arc::new(SyncStatus {
            state: SyncState::Halted,
            stalled_because: text("stalled"),
            syncing: true,
            target: Some(241),
            blocks_behind: 242,
            from: 243,
            blocks_per_s: Some(24.5),
            bytes_per_s: Some(244),
            eta_ms: Some(245),
            rate_history: vec![246],
            sources: vec![SyncSource {
                id: key(247),
                name: Some(text("source")),
                range: Some((248, 249)),
                blocks_per_s: Some(25.5),
                errors: 250,
            }],
            in_flight: 251,
            buffered_bytes: 252,
            stalls: 253,
            snapshot_pages: Some((254, 255)),
            resync: Some(resync_status(ResyncStep::Building)),
            backfill: Some(BackfillStatus {
                lowest: 256,
                waits_for: text("a peer"),
            }),
        }),
        resources: Arc::new(ResourceStatus {
            rss_bytes: Some(261),
            cpu_percent: Some(26.5),
            cpu_ms: Some(262),
            disk_free_bytes: Some(263),
            disk_size_bytes: Some(264),
            disk_full_in_ms: Some(265),
            fds: Some(266),
            threads: Some(267),
            db_bytes: Some(268),
            wal_bytes: Some(269),
            wal_fsync_p50_us: Some(270),
            wal_fsync_p99_us: Some(271),
            log_lines_dropped: 272,
            console_crashed: true,
        }),
        health: Arc::new(HealthStatus {
            word: HealthWord::Unhealthy,
            live: true,
            ready: true,
            checks: vec![Check {
                name: text("check"),
                ok: true,
                detail: text("detail"),
                since_unix_ms: 281,
            }],
        }),
        alarms: Arc::new(vec![alarm]),
        tasks: Arc::new(vec![TaskTick {
            name: text("task"),
            critical: true,
            tick_mono_ms: 291,
        }]),
        stop: Some(Arc::new(StopStatus {
            started: moment(301),
            budget_ms: 302,
            reason: text("stop"),
            steps: vec![StopStep {
                name: text("stop step"),
                state: StepState::Failed,
                took_ms: Some(303),
            }],
        })),
    }
}

fn events() -> Vec<EventKind> {
    vec![
        EventKind::Final {
            height: 1,
            hash: hash(2),
            round: 3,
            txs: 4,
            votes: 5,
            n: 6,
            finality_ms: Some(7),
        },
        EventKind::Proposed {
            height: 8,
            round: 9,
            leader: text("leader"),
            txs: 10,
        },
        EventKind::ViewChange {
            height: 11,
            from: 12,
            to: 13,
            reason: text("reason"),
        },
        EventKind::Timeout {
            height: 14,
            round: 15,
            phase: Phase::Commit,
            after_ms: 16,
        },
        EventKind::PeerUp {
            id: key(17),
            name: Some(text("name")),
            direction: Direction::Inbound,
            address: text("address"),
        },
        EventKind::PeerDown {
            id: key(18),
            name: None,
            address: text("address"),
            reason: text("reason"),
        },
        EventKind::AlarmRaised {
            kind: AlarmKind::Disk,
            severity: Severity::Warn,
            text: text("text"),
        },
        EventKind::AlarmCleared {
            kind: AlarmKind::Drops,
            lasted_ms: 19,
        },
        EventKind::Evidence {
            height: 20,
            round: 21,
            validator: text("validator"),
            crime: text("crime"),
        },
        EventKind::Sync {
            state: SyncState::Blocks,
            height: 22,
            target: Some(23),
        },
        EventKind::Signing {
            signing: true,
            reason: text("reason"),
        },
        EventKind::Stop {
            step: text("step"),
            took_ms: Some(24),
        },
        EventKind::Command {
            caller: text("caller"),
            command: text("command"),
            outcome: text("outcome"),
        },
        EventKind::Backfilled,
    ]
}

fn commands() -> Vec<Command> {
    vec![
        Command::Stop { reason: text("why") },
        Command::AckAlarms,
        Command::SetLogFilter {
            filter: text("debug"),
        },
        Command::DisconnectPeer { peer: key(1) },
        Command::BanPeer {
            target: BanTarget::Node(key(2)),
            seconds: Some(3),
            reason: text("why"),
        },
        Command::UnbanPeer {
            target: BanTarget::address(std::net::IpAddr::from([0x20_01, 0, 0, 0, 0, 0, 0, 4])),
        },
        Command::ClearBans,
        Command::AddPeer { address: text("a") },
        Command::RemovePeer { address: text("b") },
        Command::PlanResync {
            mode: ResyncMode::Reindex,
        },
        Command::Resync {
            mode: ResyncMode::Snapshot,
        },
        Command::CancelResync,
        Command::SubmitTransaction { bytes: vec![5] },
        Command::SubmitTransactions { batch: vec![vec![6]] },
    ]
}

fn replies() -> Vec<Reply> {
    vec![
        Reply::Done,
        Reply::DoneWith {
            consequence: text("so"),
        },
        Reply::Stopping,
        Reply::Plan(Box::new(ResyncPlan {
            mode: ResyncMode::Full,
            network: text("network"),
            height: 1,
            db_bytes: 2,
            free_bytes: Some(3),
            needed_bytes: 4,
            votes_stop_ms: Some(5),
            obstacle: Some(text("obstacle")),
            consequences: vec![text("consequence")],
        })),
        Reply::Restarting,
        Reply::Accepted { txid: hash(6) },
        Reply::Judged {
            verdicts: vec![Ok(hash(7)), Err(CommandError::Busy), Err(CommandError::Stopping)],
        },
    ]
}

/// Every variant of the small enumerations: one put into the middle moves those after it.
fn words() -> impl Serialize {
    (
        AlarmKind::ALL,
        [Severity::Warn, Severity::Crit],
        [Phase::PrePrepare, Phase::Prepare, Phase::Commit, Phase::Finalized],
        [
            Mark::None,
            Mark::ThisBlock,
            Mark::OtherBlock,
            Mark::Late,
            Mark::Equivocated,
        ],
        [
            HeightMark::Signed,
            HeightMark::Late,
            HeightMark::Missed,
            HeightMark::Equivocated,
        ],
        [
            RoundEnd::Decided,
            RoundEnd::TimedOut,
            RoundEnd::ViewChanged,
            RoundEnd::Overtaken,
        ],
        [
            TraceKind::PrePrepare,
            TraceKind::Prepare,
            TraceKind::PrepareOther,
            TraceKind::Commit,
            TraceKind::CommitOther,
            TraceKind::ViewChange,
            TraceKind::Prepared,
            TraceKind::Decided,
            TraceKind::TimerArmed,
            TraceKind::TimerFired,
        ],
        [
            HealthWord::Ok,
            HealthWord::Syncing,
            HealthWord::Degraded,
            HealthWord::Stalled,
            HealthWord::Unhealthy,
            HealthWord::Starting,
        ],
        [Mode::Validator, Mode::Observer, Mode::Full],
        [
            StepState::Waiting,
            StepState::Running,
            StepState::Done,
            StepState::Failed,
        ],
        [
            SyncState::WaitingPeers,
            SyncState::Sampling,
            SyncState::Snapshot,
            SyncState::Blocks,
            SyncState::CatchUp,
            SyncState::Synced,
            SyncState::Stalled,
            SyncState::Halted,
        ],
        [
            resync_status(ResyncStep::Building),
            resync_status(ResyncStep::Switching),
            resync_status(ResyncStep::Cleaning),
        ],
    )
}

fn line() -> LogLine {
    LogLine {
        seq: 1,
        unix_ms: 2,
        level: LogLevel::Debug,
        target: text("target"),
        message: text("message"),
        fields: text("fields"),
    }
}

/// One line: a name and the bytes of a value.
fn row<T: Serialize>(table: &mut String, name: &str, value: &T) {
    let bytes = bincode::serde::encode_to_vec(value, bincode::config::standard()).unwrap();
    write!(table, "{name} ").unwrap();
    for byte in bytes {
        write!(table, "{byte:02x}").unwrap();
    }
    table.push('\n');
}

fn table() -> String {
    let mut table = String::new();
    let status = full();
    row(&mut table, "status.node", &status.node);
    row(&mut table, "status.chain", &status.chain);
    row(&mut table, "status.consensus", &status.consensus);
    row(&mut table, "status.signing", &status.signing);
    row(&mut table, "status.peers", &status.peers);
    row(&mut table, "status.mempool", &status.mempool);
    row(&mut table, "status.sync", &status.sync);
    row(&mut table, "status.resources", &status.resources);
    row(&mut table, "status.health", &status.health);
    row(&mut table, "status.alarms", &status.alarms);
    row(&mut table, "status.tasks", &status.tasks);
    row(&mut table, "status.stop", &status.stop);
    row(&mut table, "status", &status);
    row(
        &mut table,
        "update",
        &Notice::Update(Box::new(StatusDelta::between(&Status::default(), &status))),
    );
    row(&mut table, "words", &words());
    row(&mut table, "line", &line());
    for (number, kind) in events().into_iter().enumerate() {
        let event = Event {
            seq: 1,
            at: moment(2),
            kind,
        };
        row(&mut table, &format!("event.{number}"), &event);
    }
    for (id, command) in (0..).zip(commands()) {
        row(
            &mut table,
            &format!("command.{id}"),
            &Request::Command { id, command },
        );
    }
    for (number, reply) in replies().iter().enumerate() {
        row(&mut table, &format!("reply.{number}"), reply);
    }
    let wish = Subscribe {
        sections: Sections::PEERS,
        peers_max: 1,
        log_level: Some(LogLevel::Warn),
        events_from: Some(2),
        logs_from: 3,
    };
    row(&mut table, "subscribe", &Request::Subscribe(wish));
    table
}

#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "a test is told by its caller whether to write"
)]
fn the_bytes_of_snapshots_and_messages_are_those_of_their_layout() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("src/attach/tests")
        .join(format!("layout-{LAYOUT}.hex"));
    let now = table();
    if std::env::var_os("UPDATE_LAYOUT").is_some() && !path.exists() {
        fs::write(&path, &now).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; UPDATE_LAYOUT=1 writes the table of a new layout",
            path.display()
        )
    });
    let differs: Vec<&str> = now
        .lines()
        .zip(kept.lines())
        .filter(|(now, kept)| now != kept)
        .filter_map(|(now, _)| now.split(' ').next())
        .collect();
    assert!(
        differs.is_empty() && now.lines().count() == kept.lines().count(),
        "the layout of {differs:?} is not that of version {LAYOUT} any more: raise control::LAYOUT, then \
         write its table with UPDATE_LAYOUT=1 and delete {}",
        path.display()
    );
}

//! Snapshots with fixed clocks for the tests of the screens: a healthy network of seven, one without
//! a quorum, one just started, one catching up.

use std::{path::PathBuf, sync::Arc};

use super::{
    model::{Model, Shown},
    update::{Msg, update},
};
use crate::{
    control::{
        AgeBand, Alarm, AlarmKind, Ban, BanSource, BanTarget, BlockLine, ChainStatus, ConsensusStatus,
        Direction, Event, EventKind, FleetLink, FleetNode, FleetState, FleetStatus, HeightMark, HeightTrace,
        LinkWeather, LogLevel, LogLine, Mark, MempoolStatus, Mode, Moment, NodeStatus, PeerRow, PeersStatus,
        Phase, RateBand, ReasonCount, ResourceStatus, RoundEnd, RoundStats, RoundTrace, Severity,
        SigningStatus, StartStep, Status, SyncSource, SyncState, SyncStatus, Tally, TimerStatus, TraceEvent,
        TraceKind, ValidatorRow, VoteCell, WaitingTx, WatchdogStatus, explain,
    },
    crypto::{Hash256, PublicKey},
};

/// 2026-11-20 14:22:07 UTC, three days and four hours into the run.
pub(super) const NOW: Moment = Moment {
    unix_ms: 1_795_184_527_300,
    mono_ms: 274_320_000,
};

pub(super) const NODES: u8 = 7;
const SELF: u8 = 2;
const HEIGHT: u64 = 1_284_117;

pub(super) fn key(n: u8) -> PublicKey {
    let mut bytes = [n; 32];
    bytes[0] = n.wrapping_add(0x50);
    PublicKey::from_bytes(bytes)
}

fn hash(n: u64) -> Hash256 {
    let mut bytes = [0x3f; 32];
    bytes[..8].copy_from_slice(&(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes());
    Hash256::from_bytes(bytes)
}

fn ago(ms: u64) -> Moment {
    Moment {
        unix_ms: NOW.unix_ms - ms,
        mono_ms: NOW.mono_ms - ms,
    }
}

fn name(n: u8) -> String {
    format!("mn-{:02}", n + 1)
}

fn node() -> NodeStatus {
    NodeStatus {
        version: "0.1.0 (4f2a91c)".to_owned(),
        network: "testnet".to_owned(),
        chain_id: hash(1),
        node_id: Some(key(100)),
        validator_id: Some(key(SELF)),
        name: name(SELF),
        address: Some("timet1q7f0xk2l9w4e8s3d5h6j7k8l9z0x1c2v3b9k2e".to_owned()),
        mode: Mode::Validator,
        started: ago(274_320_000),
        start: [
            ("lock the data directory", 0),
            ("read the consensus log", 12),
            ("open the chain database", 812),
            ("replay final blocks from the log", 3),
            ("read the last heights", 41),
            ("listen for peers", 1),
            ("start the engine", 2),
        ]
        .into_iter()
        .map(|(name, took_ms)| StartStep {
            name: name.to_owned(),
            took_ms,
        })
        .collect(),
        warnings: Vec::new(),
        pid: 4_711,
        data_dir: PathBuf::from("/var/lib/timed/testnet"),
        log_file: Some(PathBuf::from("/var/lib/timed/testnet/logs/timed.log")),
        log_filter: "info".to_owned(),
        log_filter_until: None,
        p2p_listen: "0.0.0.0:24100".to_owned(),
        rpc_listen: Some("127.0.0.1:24101".to_owned()),
    }
}

fn blocks() -> Vec<BlockLine> {
    (0..24_u64)
        .map(|back| {
            let slow = back == 2;
            BlockLine {
                height: HEIGHT - back,
                hash: hash(HEIGHT - back),
                finalized: ago(2_100 + back * 30_700),
                txs: 1_902 - (back as u32 * 37) % 260,
                size_bytes: 612_000 - back * 3_100,
                proposer: name(((HEIGHT - back) % 7) as u8),
                is_ours: (HEIGHT - back) % 7 == u64::from(SELF),
                round: u32::from(slow),
                finality_ms: Some(if slow { 8_210 } else { 66 + (back as u32 * 7) % 19 }),
            }
        })
        .collect()
}

fn event(offset_us: u64, kind: TraceKind, validator: Option<u16>) -> TraceEvent {
    TraceEvent {
        offset_us,
        kind,
        validator,
    }
}

fn decided(height: u64, round: u32) -> RoundTrace {
    let leader = ((height + u64::from(round)) % 7) as u16;
    let mut events = vec![event(9_000, TraceKind::PrePrepare, Some(leader))];
    for at in 0..7_u16 {
        events.push(event(
            24_000 + u64::from(at) * 2_900,
            TraceKind::Prepare,
            Some(at),
        ));
        events.push(event(49_000 + u64::from(at) * 4_100, TraceKind::Commit, Some(at)));
    }
    events.push(event(36_000, TraceKind::Prepared, None));
    events.push(event(74_000, TraceKind::Decided, None));
    events.sort_by_key(|event| event.offset_us);
    RoundTrace {
        round,
        leader: name(leader as u8),
        started: ago(2_174),
        timeout_ms: 1_000 << round,
        took_us: Some(74_000),
        end: Some(RoundEnd::Decided),
        prepares: 7,
        commits: 7,
        view_changes: if round > 0 { 6 } else { 0 },
        events,
    }
}

fn timed_out(height: u64, round: u32, started: Moment) -> RoundTrace {
    RoundTrace {
        round,
        leader: name(((height + u64::from(round)) % 7) as u8),
        started,
        timeout_ms: 1_000 << round,
        took_us: Some(1_000_000 << round),
        end: Some(RoundEnd::TimedOut),
        prepares: 0,
        commits: 0,
        view_changes: 0,
        events: vec![
            event(0, TraceKind::TimerArmed, None),
            event(1_000_000 << round, TraceKind::TimerFired, None),
        ],
    }
}

fn validators() -> Vec<ValidatorRow> {
    (0..NODES)
        .map(|n| ValidatorRow {
            index: u16::from(n),
            id: key(n),
            name: name(n),
            is_self: n == SELF,
            online: true,
            last_seen_mono_ms: Some(NOW.mono_ms - 120 - u64::from(n) * 40),
            last_signed_height: Some(HEIGHT),
            silent_heights: 0,
            pre_prepare: VoteCell::default(),
            prepare: VoteCell::default(),
            commit: VoteCell::default(),
            view_change: VoteCell::default(),
            history: (0..20)
                .map(|back| match (n, back) {
                    (3, 16 | 17) => HeightMark::Late,
                    _ => HeightMark::Signed,
                })
                .collect(),
            has_evidence: false,
        })
        .collect()
}

fn consensus() -> ConsensusStatus {
    ConsensusStatus {
        activated: true,
        height: HEIGHT + 1,
        round: 0,
        phase: Phase::PrePrepare,
        round_started: ago(2_100),
        leader: Some(4),
        we_lead_in: Some(5),
        n: 7,
        quorum: 5,
        f: 2,
        min_masternodes: 3,
        validators: validators(),
        current: HeightTrace {
            height: HEIGHT + 1,
            rounds: Vec::new(),
        },
        previous: vec![
            HeightTrace {
                height: HEIGHT,
                rounds: vec![decided(HEIGHT, 0)],
            },
            HeightTrace {
                height: HEIGHT - 1,
                rounds: vec![decided(HEIGHT - 1, 0)],
            },
            HeightTrace {
                height: HEIGHT - 2,
                rounds: vec![timed_out(HEIGHT - 2, 0, ago(70_000)), decided(HEIGHT - 2, 1)],
            },
        ],
        stats: RoundStats {
            heights: 100,
            round0: 97,
            round1: 2,
            later: 1,
            timeouts: 4,
            worst_leaders: vec![(name(6), 2), (name(3), 1)],
        },
        view_changes_total: 31,
        due_mono_ms: Some(NOW.mono_ms + 27_900),
        t0_ms: 1_000,
        tmax_ms: 30_000,
        block_interval_ms: 30_000,
        watchdog: WatchdogStatus {
            checks: 54_864,
            ..WatchdogStatus::default()
        },
        ..ConsensusStatus::default()
    }
}

fn peers() -> PeersStatus {
    let rows: Vec<PeerRow> = (0..14_u8)
        .map(|n| {
            let validator = (n < NODES - 1).then(|| if n < SELF { n } else { n + 1 });
            PeerRow {
                id: key(100 + n),
                name: validator.map(name),
                direction: if n % 3 == 0 {
                    Direction::Inbound
                } else {
                    Direction::Outbound
                },
                address: format!("203.0.113.{}:{}", n + 3, if n % 3 == 0 { 51_022 } else { 24_100 }),
                height: Some(HEIGHT - u64::from(n == 11) * 1_097),
                rtt_ms: Some(21 + u32::from(n) * 13),
                rx_bytes: 9_100_000_000 / (u64::from(n) + 1),
                tx_bytes: 8_800_000_000 / (u64::from(n) + 1),
                rx_rate: 41_000 / (u64::from(n) + 1),
                tx_rate: 38_000 / (u64::from(n) + 1),
                connected_mono_ms: 4_000 + u64::from(n) * 9_000_000,
                agent: "timed/0.1.0".to_owned(),
                validator: validator.map(key),
                capabilities: vec!["blocks".to_owned(), "compress".to_owned()],
                score: u32::from(n == 11) * 3,
            }
        })
        .collect();
    PeersStatus {
        inbound: 5,
        outbound: 9,
        max: 50,
        missing: Vec::new(),
        banned: 2,
        bans: Arc::new(vec![
            Ban {
                target: BanTarget::Node(key(120)),
                source: BanSource::Automatic,
                by: "score".to_owned(),
                reason: "rate limit".to_owned(),
                evidence: String::new(),
                at_ms: NOW.unix_ms - 1_140_000,
                until_ms: Some(NOW.unix_ms + 85_260_000),
                times: 3,
            },
            Ban {
                target: BanTarget::address(std::net::IpAddr::from([192, 0, 2, 7])),
                source: BanSource::Operator,
                by: "console".to_owned(),
                reason: "invalid blocks".to_owned(),
                evidence: String::new(),
                at_ms: NOW.unix_ms - 187_000_000,
                until_ms: None,
                times: 1,
            },
        ]),
        clock_offset_ms: Some(12),
        twins: Vec::new(),
        rows,
    }
}

fn mempool() -> MempoolStatus {
    MempoolStatus {
        txs: 4_212,
        txs_max: 10_000,
        bytes: 61_000_000,
        bytes_max: 300_000_000,
        in_per_s: 412,
        out_per_s: 398,
        in_history: (0..60_u32).map(|s| 380 + (s * 37) % 90).collect(),
        fee_min: Some(1_000),
        fee_p50: Some(2_400),
        fee_p95: Some(11_000),
        fee_floor: 1_000,
        oldest_ms: Some(41_000),
        evicted_per_min: 0,
        refused_per_min: 3,
        next_block_txs: Some(1_830),
        next_block_bytes: Some(604_000),
        accepted_total: 88_201_334,
        full_in_ms: Some(413_000),
        out_history: (0..60_u32).map(|s| 370 + (s * 41) % 70).collect(),
        rate_bands: [0, 1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1_000]
            .into_iter()
            .zip([0, 1_902, 1_100, 466, 420, 201, 90, 23, 8, 2, 0, 0])
            .map(|(from, txs)| RateBand {
                from,
                txs,
                bytes: txs * 330,
            })
            .collect(),
        age_bands: [
            Some(1_000),
            Some(10_000),
            Some(60_000),
            Some(600_000),
            Some(3_600_000),
            None,
        ]
        .into_iter()
        .zip([409, 2_611, 1_192, 0, 0, 0])
        .map(|(below_ms, txs)| AgeBand { below_ms, txs })
        .collect(),
        cheapest: (0..8_u64)
            .map(|n| WaitingTx {
                txid: hash(40 + n),
                fee_rate: 1_000 + n * 10,
                bytes: 198 + n * 14,
                inputs: 1,
                outputs: 1 + n as u32 % 2,
                since_unix_ms: NOW.unix_ms - 41_000 + n * 1_700,
            })
            .collect(),
        refused: [("fee_too_low", 28), ("already_known", 311), ("missing_inputs", 4)]
            .into_iter()
            .map(|(reason, count)| ReasonCount {
                reason: reason.to_owned(),
                count,
            })
            .collect(),
        confirmed_total: 88_197_002,
        evicted_total: 120,
        orphans: 12,
        orphans_max: 100,
        ..MempoolStatus::default()
    }
}

/// Everything well; the last block two seconds ago.
pub(super) fn healthy() -> Status {
    let mut status = Status {
        at: NOW,
        revision: 1,
        node: Arc::new(node()),
        chain: Arc::new(ChainStatus {
            height: HEIGHT,
            hash: hash(HEIGHT),
            utxo_commitment: hash(7),
            timestamp_ms: NOW.unix_ms - 2_200,
            finalized: Some(ago(2_100)),
            blocks_this_run: 9_144,
            last_blocks: blocks(),
            finality_ms: (0..120_u32)
                .map(|n| match n {
                    58 => 212,
                    _ => 62 + (n * 13) % 29 + (n * 7) % 11,
                })
                .collect(),
            utxos: Some(1_204_331),
        }),
        consensus: Arc::new(consensus()),
        signing: SigningStatus {
            signing: true,
            ..SigningStatus::default()
        },
        peers: Arc::new(peers()),
        mempool: Arc::new(mempool()),
        sync: Arc::new(SyncStatus {
            state: SyncState::Synced,
            target: Some(HEIGHT),
            ..SyncStatus::default()
        }),
        resources: Arc::new(ResourceStatus {
            rss_bytes: Some(212 << 20),
            cpu_percent: Some(7.2),
            disk_free_bytes: Some(41 << 30),
            disk_size_bytes: Some(216 << 30),
            disk_full_in_ms: Some(19 * 86_400_000),
            fds: Some(91),
            threads: Some(24),
            db_bytes: Some(11_200_000_000),
            wal_bytes: Some(16 << 20),
            wal_fsync_p50_us: Some(310),
            wal_fsync_p99_us: Some(4_100),
            ..ResourceStatus::default()
        }),
        ..Status::default()
    };
    settle(&mut status);
    status
}

/// A round under way, half through its commits, one vote for another block.
pub(super) fn voting() -> Status {
    let mut status = healthy();
    let mut consensus = consensus();
    consensus.round_started = ago(410);
    consensus.due_mono_ms = Some(NOW.mono_ms - 410);
    consensus.phase = Phase::Commit;
    consensus.digest = Some(hash(HEIGHT + 1));
    consensus.timer = TimerStatus {
        armed: true,
        total_ms: 1_000,
        deadline_mono_ms: Some(NOW.mono_ms + 590),
    };
    consensus.prepares = Tally {
        votes: 5,
        other: 1,
        quorum_at_us: Some(290_000),
    };
    consensus.commits = Tally {
        votes: 3,
        other: 0,
        quorum_at_us: None,
    };
    let mut events = vec![event(90_000, TraceKind::PrePrepare, Some(4))];
    for (n, row) in consensus.validators.iter_mut().enumerate() {
        let at = |us: u64, mark: Mark| VoteCell {
            mark,
            offset_us: Some(us),
            other: (mark == Mark::OtherBlock).then(|| hash(99)),
        };
        let us = 100_000 + n as u64 * 38_000;
        let signer = Some(n as u16);
        match n {
            6 => {
                row.online = false;
                row.last_seen_mono_ms = Some(NOW.mono_ms - 61_000);
                row.silent_heights = 4;
                row.last_signed_height = Some(HEIGHT - 4);
                row.history[16..].fill(HeightMark::Missed);
            }
            5 => {
                row.pre_prepare = at(95_000, Mark::ThisBlock);
                row.prepare = at(us, Mark::OtherBlock);
                events.push(event(us, TraceKind::PrepareOther, signer));
            }
            _ => {
                row.pre_prepare = at(92_000, Mark::ThisBlock);
                row.prepare = at(us, Mark::ThisBlock);
                events.push(event(us, TraceKind::Prepare, signer));
                if n < 3 {
                    row.commit = at(us + 200_000, Mark::ThisBlock);
                    events.push(event(us + 200_000, TraceKind::Commit, signer));
                }
            }
        }
    }
    events.push(event(290_000, TraceKind::Prepared, None));
    events.sort_by_key(|event| event.offset_us);
    consensus.current.rounds = vec![RoundTrace {
        round: 0,
        leader: name(4),
        started: ago(410),
        timeout_ms: 1_000,
        took_us: None,
        end: None,
        prepares: 5,
        commits: 3,
        view_changes: 0,
        events,
    }];
    status.consensus = Arc::new(consensus);
    status.alarms = Arc::new(vec![Alarm {
        kind: AlarmKind::ValidatorSilent,
        severity: Severity::Warn,
        text: "mn-07 silent for 4 heights".to_owned(),
        since: ago(120_000),
        acked: false,
    }]);
    settle(&mut status);
    status
}

/// No quorum: three of seven are away, the view change cannot complete.
pub(super) fn halted() -> Status {
    let mut status = healthy();
    let mut consensus = consensus();
    consensus.round = 1;
    consensus.view_changing = true;
    consensus.leader = Some(5);
    consensus.round_started = ago(93_000);
    consensus.due_mono_ms = Some(NOW.mono_ms - 94_000);
    consensus.overdue_ms = 94_000;
    consensus.timer = TimerStatus {
        armed: false,
        total_ms: 2_000,
        deadline_mono_ms: None,
    };
    consensus.view_changes = Tally {
        votes: 4,
        other: 0,
        quorum_at_us: None,
    };
    consensus.own_missed = 0;
    let mut events = Vec::new();
    for (n, row) in consensus.validators.iter_mut().enumerate() {
        if matches!(n, 3 | 5 | 6) {
            row.online = false;
            row.last_seen_mono_ms = Some(NOW.mono_ms - 94_000 - n as u64 * 1_000);
            row.silent_heights = 1;
        } else {
            row.view_change = VoteCell {
                mark: Mark::ThisBlock,
                offset_us: Some(2_000 + n as u64 * 700),
                other: None,
            };
            events.push(event(
                2_000 + n as u64 * 700,
                TraceKind::ViewChange,
                Some(n as u16),
            ));
        }
    }
    consensus.current.rounds = vec![
        timed_out(HEIGHT + 1, 0, ago(94_000)),
        RoundTrace {
            round: 1,
            leader: name(5),
            started: ago(93_000),
            timeout_ms: 2_000,
            took_us: None,
            end: None,
            prepares: 0,
            commits: 0,
            view_changes: 4,
            events,
        },
    ];
    status.consensus = Arc::new(consensus);
    status.chain = Arc::new(ChainStatus {
        finalized: Some(ago(124_000)),
        ..status.chain.as_ref().clone()
    });
    status.alarms = Arc::new(vec![
        Alarm {
            kind: AlarmKind::FinalityStalled,
            severity: Severity::Crit,
            text: "stalled 94 s: 4 of 7 alive, quorum 5. Silent: mn-04, mn-06 and mn-07".to_owned(),
            since: ago(84_000),
            acked: false,
        },
        Alarm {
            kind: AlarmKind::QuorumMargin,
            severity: Severity::Crit,
            text: "4 of 7 reachable, quorum 5: nothing can become final".to_owned(),
            since: ago(92_000),
            acked: true,
        },
    ]);
    settle(&mut status);
    status
}

/// Just begun: nothing is known.
pub(super) fn empty() -> Status {
    Status::default()
}

/// Three seconds into a run: two validators are not there yet, and a second holder of the key is
/// listened for.
pub(super) fn starting() -> Status {
    let mut status = healthy();
    let node = Arc::make_mut(&mut status.node);
    node.started = ago(3_100);
    status.chain = Arc::new(ChainStatus {
        finalized: None,
        blocks_this_run: 0,
        last_blocks: Vec::new(),
        finality_ms: Vec::new(),
        ..status.chain.as_ref().clone()
    });
    let mut consensus = consensus();
    consensus.activated = false;
    consensus.previous = Vec::new();
    consensus.stats = RoundStats::default();
    for row in consensus.validators.iter_mut().filter(|row| !row.is_self) {
        row.online = row.index < 2;
        row.last_seen_mono_ms = row.online.then_some(NOW.mono_ms - 400);
    }
    status.consensus = Arc::new(consensus);
    let peers = Arc::make_mut(&mut status.peers);
    peers.rows.truncate(2);
    (peers.inbound, peers.outbound) = (1, 1);
    status.sync = Arc::new(SyncStatus {
        state: SyncState::WaitingPeers,
        ..SyncStatus::default()
    });
    status.signing = SigningStatus {
        signing: false,
        reason: "listens for a second holder of this key".to_owned(),
        ..SigningStatus::default()
    };
    status.mempool = Arc::new(MempoolStatus {
        txs_max: 10_000,
        bytes_max: 300_000_000,
        ..MempoolStatus::default()
    });
    settle(&mut status);
    status
}

/// Far behind.
pub(super) fn syncing() -> Status {
    let mut status = healthy();
    status.sync = Arc::new(SyncStatus {
        state: SyncState::Blocks,
        syncing: true,
        target: Some(HEIGHT),
        blocks_behind: 522_913,
        from: 0,
        blocks_per_s: Some(412.0),
        bytes_per_s: Some(8_100_000),
        eta_ms: Some(1_269_000),
        rate_history: (0..60_u32).map(|s| 350 + (s * 29) % 120).collect(),
        sources: (0..3_u8)
            .map(|n| SyncSource {
                id: key(100 + n),
                name: Some(name(n)),
                range: (n < 2).then(|| (761_204 + u64::from(n) * 512, 761_715 + u64::from(n) * 512)),
                blocks_per_s: Some(208.0 - f32::from(n) * 90.0),
                errors: u32::from(n),
            })
            .collect(),
        ..SyncStatus::default()
    });
    status.chain = Arc::new(ChainStatus {
        height: 761_204,
        last_blocks: Vec::new(),
        finality_ms: Vec::new(),
        ..status.chain.as_ref().clone()
    });
    status.signing = SigningStatus {
        signing: false,
        reason: "catching up".to_owned(),
        ..SigningStatus::default()
    };
    settle(&mut status);
    status
}

fn settle(status: &mut Status) {
    let explanation = explain(status);
    let consensus = Arc::make_mut(&mut status.consensus);
    consensus.waiting_for = explanation.waiting_for;
    consensus.hint = explanation.hint;
    status.health = Arc::new(crate::control::assess(status, &status.health));
}

fn events() -> Vec<Event> {
    let list = [
        (
            73_000,
            EventKind::Timeout {
                height: HEIGHT - 2,
                round: 0,
                phase: Phase::PrePrepare,
                after_ms: 1_000,
            },
        ),
        (
            65_000,
            EventKind::ViewChange {
                height: HEIGHT - 2,
                from: 0,
                to: 1,
                reason: "leader mn-04 silent".to_owned(),
            },
        ),
        (
            34_000,
            EventKind::Final {
                height: HEIGHT - 1,
                hash: hash(HEIGHT - 1),
                round: 0,
                txs: 1_870,
                votes: 7,
                n: 7,
                finality_ms: Some(69),
            },
        ),
        (
            27_000,
            EventKind::PeerDown {
                id: key(120),
                name: None,
                address: "198.51.100.4:24100".to_owned(),
                reason: "rate limit ×3".to_owned(),
            },
        ),
        (
            9_000,
            EventKind::PeerUp {
                id: key(105),
                name: Some("mn-11".to_owned()),
                direction: Direction::Inbound,
                address: "203.0.113.9:50112".to_owned(),
            },
        ),
        (
            2_100,
            EventKind::Final {
                height: HEIGHT,
                hash: hash(HEIGHT),
                round: 0,
                txs: 1_902,
                votes: 7,
                n: 7,
                finality_ms: Some(74),
            },
        ),
    ];
    list.into_iter()
        .enumerate()
        .map(|(seq, (before, kind))| Event {
            seq: seq as u64,
            at: ago(before),
            kind,
        })
        .collect()
}

pub(super) fn line(seq: u64, level: LogLevel, target: &str, message: &str, fields: &str) -> Arc<LogLine> {
    Arc::new(LogLine {
        seq,
        unix_ms: NOW.unix_ms - 60_000 + seq * 731,
        level,
        target: format!("timecoin::{target}"),
        message: message.to_owned(),
        fields: fields.to_owned(),
    })
}

fn logs() -> Vec<Arc<LogLine>> {
    let kinds = [
        (
            LogLevel::Warn,
            "consensus",
            "proposal timeout",
            "height=1284115 round=0 leader=mn-04",
        ),
        (
            LogLevel::Info,
            "consensus",
            "view change started",
            "height=1284115 from=0 to=1",
        ),
        (
            LogLevel::Info,
            "consensus",
            "view change done",
            "height=1284115 round=1 votes=6 took_ms=206",
        ),
        (
            LogLevel::Info,
            "node",
            "Block finalized",
            "height=1284115 round=1 finality_ms=8210",
        ),
        (
            LogLevel::Warn,
            "network",
            "rate limit",
            "peer=198.51.100.4:24100 bucket=tx count=3",
        ),
        (
            LogLevel::Info,
            "network",
            "Peer connected",
            "peer=mn-11 direction=in rtt_ms=38",
        ),
        (LogLevel::Debug, "wire", "Received ping", "peer=mn-05"),
        (
            LogLevel::Info,
            "node",
            "Block finalized",
            "height=1284117 round=0 votes=7 finality_ms=74",
        ),
    ];
    (0..48_u64)
        .map(|seq| {
            let (level, target, message, fields) = kinds[seq as usize % kinds.len()];
            line(seq, level, target, message, fields)
        })
        .collect()
}

/// A devnet of four in which something is going on.
pub(super) fn fleet() -> FleetStatus {
    let states = [
        (FleetState::Running, "this process"),
        (FleetState::Running, ""),
        (FleetState::Paused, ""),
        (FleetState::Down, "killed"),
    ];
    FleetStatus {
        nodes: (0_u16..)
            .zip(states)
            .map(|(n, (state, note))| FleetNode {
                name: format!("node{n}"),
                state,
                is_here: n == 0,
                pid: state.has_process().then_some(4_711 + u32::from(n)),
                height: (state == FleetState::Running).then_some(812 - u64::from(n)),
                rss_bytes: state.has_process().then_some(61 << 20),
                cpu_percent: state.has_process().then_some(3.2),
                http: format!("127.0.0.1:{}", 24_101 + 2 * n),
                note: note.to_owned(),
            })
            .collect(),
        links: [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
            .into_iter()
            .map(|(a, b)| FleetLink {
                a,
                b,
                weather: match (a, b) {
                    (0, 2) => LinkWeather::Slow,
                    (_, 3) => LinkWeather::Cut,
                    _ => LinkWeather::Open,
                },
            })
            .collect(),
        traffic_per_s: 5.0,
        dir: "/tmp/timed-devnet-4711".to_owned(),
    }
}

/// A model that shows a snapshot as if it had been running at 4 Hz.
pub(super) fn model(status: Status, size: (u16, u16)) -> Model {
    let mut model = Model {
        size,
        depth: super::theme::Depth::TrueColour,
        ..Model::default()
    };
    let known = status.revision > 0;
    // Two minutes of round trips.
    for sample in 0..24_u64 {
        let mut rows = status.peers.rows.clone();
        for (n, row) in rows.iter_mut().enumerate() {
            let wave = ((sample * 7 + n as u64 * 5) % 9) as u32;
            row.rtt_ms = row.rtt_ms.map(|rtt| rtt / 2 + rtt.saturating_mul(wave) / 16);
        }
        let before = (24 - sample) * 5_000;
        model.trend.note(NOW.mono_ms - 2_000 - before, &rows);
    }
    for tick in (0..8_u64).rev() {
        let now = Moment {
            unix_ms: NOW.unix_ms - tick * 250,
            mono_ms: NOW.mono_ms - tick * 250,
        };
        update(&mut model, Msg::Clock(now));
        update(&mut model, Msg::Status(Arc::new(status.clone())));
    }
    if known {
        model.live = Shown {
            events: events().into(),
            logs: logs().into(),
            ..model.live
        };
    }
    model
}

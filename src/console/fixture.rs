//! Snapshots with fixed clocks for the tests of the screens: a healthy network of seven, one without
//! a quorum, one just started, one catching up.

mod lists;
mod scenes;

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

use lists::{events, logs};
pub(super) use lists::{fleet, line};
pub(super) use scenes::{empty, halted, starting, syncing, voting};

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
            supply: Some(1_024_600 * 100_000_000),
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

fn settle(status: &mut Status) {
    let explanation = explain(status);
    let consensus = Arc::make_mut(&mut status.consensus);
    consensus.waiting_for = explanation.waiting_for;
    consensus.hint = explanation.hint;
    status.health = Arc::new(crate::control::assess(status, &status.health));
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

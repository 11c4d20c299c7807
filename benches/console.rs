//! What a frame costs: `cargo bench --bench console`. Thread CPU time, so that a busy machine does not
//! count; quantiles of single frames, every frame after a new snapshot. docs/console.md, "What it costs".
#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used)]

use std::sync::Arc;

use timecoin::{
    console::Still,
    control::{
        ChainStatus, ConsensusStatus, Direction, HeightMark, Mark, Mode, Moment, NodeStatus, PeerRow,
        PeersStatus, Phase, SigningStatus, Status, Tally, ValidatorRow, VoteCell,
    },
    crypto::PublicKey,
};

const FRAMES: usize = 400;
const WARM_UP: usize = 40;

/// CPU time of this thread in ns. The scheduler brings it up to date at its tick, every 4 ms, and when
/// the thread yields.
fn cpu_ns() -> u64 {
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

fn key(n: u32) -> PublicKey {
    let mut bytes = [7; 32];
    bytes[..4].copy_from_slice(&n.wrapping_mul(0x9e37_79b9).to_be_bytes());
    PublicKey::from_bytes(bytes)
}

fn snapshot(tick: u64, peers: u32) -> (Arc<Status>, Moment) {
    let at = Moment {
        unix_ms: 1_795_184_527_300 + tick * 250,
        mono_ms: 60_000 + tick * 250,
    };
    let validators = (0..21_u16)
        .map(|n| ValidatorRow {
            index: n,
            id: key(u32::from(n) + 1),
            name: format!("mn-{n:02}"),
            is_self: n == 3,
            online: true,
            last_seen_mono_ms: Some(at.mono_ms),
            last_signed_height: Some(tick),
            silent_heights: 0,
            pre_prepare: VoteCell::default(),
            prepare: VoteCell {
                mark: if u64::from(n) < tick % 21 {
                    Mark::ThisBlock
                } else {
                    Mark::None
                },
                offset_us: Some(1_000 + u64::from(n) * 700),
                other: None,
            },
            commit: VoteCell::default(),
            view_change: VoteCell::default(),
            history: vec![HeightMark::Signed; 20],
            has_evidence: false,
        })
        .collect();
    let rows = (0..peers)
        .map(|n| PeerRow {
            id: key(n + 1_000),
            name: n.is_multiple_of(3).then(|| format!("peer-{n}")),
            direction: if n.is_multiple_of(2) {
                Direction::Inbound
            } else {
                Direction::Outbound
            },
            address: format!("203.0.{}.{}:24100", n / 256 % 256, n % 256),
            height: Some(1_000 + tick - u64::from(n % 3)),
            rtt_ms: Some(n.wrapping_mul(7_919).wrapping_add(tick as u32) % 977),
            rx_bytes: u64::from(n) * 977,
            tx_bytes: u64::from(n) * 613,
            rx_rate: u64::from(n) % 9_000,
            tx_rate: u64::from(n) % 7_000,
            connected_mono_ms: u64::from(n),
            agent: "timed/0.1.0".to_owned(),
            validator: None,
            capabilities: Vec::new(),
            score: 0,
        })
        .collect();
    let status = Status {
        at,
        revision: tick + 1,
        node: Arc::new(NodeStatus {
            network: "testnet".to_owned(),
            name: "mn-03".to_owned(),
            mode: Mode::Validator,
            ..NodeStatus::default()
        }),
        chain: Arc::new(ChainStatus {
            height: 1_000 + tick,
            finality_ms: (0..120).map(|n| 60 + (n * 13) % 40).collect(),
            ..ChainStatus::default()
        }),
        consensus: Arc::new(ConsensusStatus {
            activated: true,
            height: 1_001 + tick,
            n: 21,
            quorum: 15,
            f: 6,
            phase: Phase::Prepare,
            leader: Some(4),
            round_started: at,
            prepares: Tally {
                votes: (tick % 21) as u32,
                other: 0,
                quorum_at_us: None,
            },
            validators,
            ..ConsensusStatus::default()
        }),
        signing: SigningStatus {
            signing: true,
            ..SigningStatus::default()
        },
        peers: Arc::new(PeersStatus {
            rows,
            max: peers,
            ..PeersStatus::default()
        }),
        ..Status::default()
    };
    (Arc::new(status), at)
}

struct Figures {
    p50_ms: f64,
    p99_ms: f64,
    bytes: usize,
}

/// Draws frames of a screen, each after a new snapshot; what the snapshot itself costs is not counted.
fn measure(size: (u16, u16), keys: &str, peers: u32) -> Figures {
    let snapshots: Vec<_> = (0..16).map(|tick| snapshot(tick, peers)).collect();
    let mut still = Still::new(size.0, size.1);
    still.press(keys);
    let mut spent = Vec::with_capacity(FRAMES);
    let mut bytes = 0;
    for frame in 0..WARM_UP + FRAMES {
        let (status, at) = &snapshots[frame % snapshots.len()];
        let now = Moment {
            unix_ms: at.unix_ms + frame as u64,
            mono_ms: at.mono_ms + frame as u64,
        };
        let before = cpu_ns();
        still.show(Arc::clone(status), now);
        let sent = still.draw();
        if frame >= WARM_UP {
            spent.push(cpu_ns() - before);
            bytes += sent;
        }
    }
    spent.sort_unstable();
    let at = |share: f64| spent[((spent.len() - 1) as f64 * share) as usize] as f64 / 1e6;
    Figures {
        p50_ms: at(0.50),
        p99_ms: at(0.99),
        bytes: bytes / FRAMES,
    }
}

fn main() {
    println!("screen      size      peers   p50 ms   p99 ms   bytes a frame");
    for (screen, keys) in [
        ("overview", "1"),
        ("consensus", "2"),
        ("peers", "3s"),
        ("logs", "6"),
    ] {
        for size in [(80, 24), (120, 36), (200, 60)] {
            for peers in [10, 1_000, 10_000] {
                let figures = measure(size, keys, peers);
                println!(
                    "{screen:<10}  {:>3}x{:<3}  {peers:>7}   {:>6.3}   {:>6.3}   {:>6}",
                    size.0, size.1, figures.p50_ms, figures.p99_ms, figures.bytes
                );
            }
        }
    }
}

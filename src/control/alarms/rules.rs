//! The table of rules: when each alarm is a warning, when it is critical, when it may clear.

use super::{
    super::{
        SILENT_HEIGHTS, Status,
        words::{counted, duration, grouped, listed},
    },
    AlarmKind, Severity,
};

/// How many validators a sentence names before it counts the rest.
const NAMES_MAX: usize = 4;
/// Finality: a block due for more than this many T0.
const STALL_WARN_T0: u64 = 3;
const STALL_CRIT_T0: u64 = 10;
/// Own votes missed in a row before it is critical.
const OWN_MISSED_CRIT: u32 = 3;
/// Sessions below which it is a warning, unless the set is smaller.
const PEERS_WARN: u32 = 4;
const PEERS_HOLD_MS: u64 = 30_000;
const SKEW_WARN_MS: u64 = 500;
const SKEW_CRIT_MS: u64 = 2_000;
const SKEW_CLEAR_MS: u64 = 250;
/// Free disk, in percent of its size.
const DISK_WARN: u64 = 10;
const DISK_CRIT: u64 = 2;
const DISK_CLEAR: u64 = 12;
/// Time until the disk is full, at the present rate.
const DISK_WARN_MS: u64 = 7 * DAY_MS;
const DISK_CRIT_MS: u64 = DAY_MS;
const DISK_CLEAR_MS: u64 = 8 * DAY_MS;
const DAY_MS: u64 = 86_400_000;
/// Pool use, in percent of either cap.
const POOL_WARN: u64 = 80;
const POOL_CRIT: u64 = 95;
const POOL_CLEAR: u64 = 70;
const MEMORY_WARN_BYTES: u64 = 400 << 20;
const MEMORY_CRIT_BYTES: u64 = 500 << 20;
/// Cleared once a tenth below the limit that raised it.
const MEMORY_CLEAR_BYTES: u64 = MEMORY_WARN_BYTES / 10 * 9;
const BEHIND_WARN: u64 = 10;
/// How long a missed deadline, or dropped lines, are remembered.
const RECENT_MS: u64 = 60_000;
const QUORUM_HOLD_MS: u64 = 2_000;

/// What a rule says of a snapshot.
#[derive(Debug)]
pub(super) struct Judgement {
    /// How grave; `None` if not.
    pub(super) severity: Option<Severity>,
    /// Whether an alarm that is up may clear. Meaningful with `severity: None`.
    pub(super) clears: bool,
    /// How long `clears` must hold.
    pub(super) hold_ms: u64,
    /// The sentence. Meaningful with `severity: Some`.
    pub(super) text: String,
    /// Whom it is about, where it names somebody.
    pub(super) subjects: Vec<String>,
}

impl Judgement {
    fn about(self, subjects: &[String]) -> Self {
        Self {
            subjects: match self.severity {
                Some(_) => subjects.to_vec(),
                None => Vec::new(),
            },
            ..self
        }
    }
}

/// What rules need of earlier snapshots.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// Proofs that an operator has acknowledged.
    evidence_acked: u64,
    /// Proofs in the last snapshot.
    evidence_seen: u64,
    /// Dropped lines in the last snapshot, and when they last grew.
    drops_seen: u64,
    drops_grew_mono_ms: Option<u64>,
}

impl Memory {
    pub(super) fn remember(&mut self, status: &Status) {
        self.evidence_seen = status.consensus.evidence_total;
        let drops = status.resources.log_lines_dropped;
        if drops > self.drops_seen {
            self.drops_grew_mono_ms = Some(status.at.mono_ms);
        }
        self.drops_seen = drops;
    }

    pub(super) fn acknowledge(&mut self) {
        self.evidence_acked = self.evidence_seen;
    }
}

pub(super) fn judge(kind: AlarmKind, status: &Status, memory: &Memory) -> Judgement {
    match kind {
        AlarmKind::FinalityStalled => stalled(status),
        AlarmKind::QuorumMargin => quorum(status),
        AlarmKind::SigningStopped => steps(
            0,
            status.signing.safety_stop.then_some(Severity::Crit),
            true,
            || format!("this node stopped signing: {}", status.signing.reason),
        ),
        AlarmKind::Equivocation => {
            let fresh = status
                .consensus
                .evidence_total
                .saturating_sub(memory.evidence_acked);
            steps(0, (fresh > 0).then_some(Severity::Crit), true, || {
                let guilty: Vec<String> = status
                    .consensus
                    .validators
                    .iter()
                    .filter(|row| row.has_evidence)
                    .map(|row| row.name.clone())
                    .collect();
                match guilty.is_empty() {
                    true => format!("{} of equivocation", counted(fresh, "proof")),
                    false => format!(
                        "{} contradicted itself: proof is kept",
                        listed(&guilty, NAMES_MAX)
                    ),
                }
            })
        }
        AlarmKind::DeadlineMissed => {
            let watchdog = status.consensus.watchdog;
            let recent = watchdog
                .last_missed_mono_ms
                .is_some_and(|at| status.at.mono_ms.saturating_sub(at) < RECENT_MS);
            steps(0, recent.then_some(Severity::Warn), true, || {
                format!(
                    "a consensus deadline was served {} late ({} so far)",
                    duration(watchdog.last_late_ms),
                    grouped(watchdog.missed_total)
                )
            })
        }
        AlarmKind::ValidatorSilent => silent(status),
        AlarmKind::OwnVoteMissed => {
            let missed = status.consensus.own_missed_in_row;
            let severity = match missed {
                0 => None,
                1..OWN_MISSED_CRIT => Some(Severity::Warn),
                _ => Some(Severity::Crit),
            };
            let severity = severity.filter(|_| status.signing.signing && !status.sync.syncing);
            steps(5_000, severity, missed == 0, || {
                format!(
                    "our own vote is missing from the last {}",
                    counted(u64::from(missed), "height")
                )
            })
        }
        AlarmKind::Peers => peers(status),
        AlarmKind::ClockSkew => {
            let skew = status.peers.clock_offset_ms.map_or(0, i64::unsigned_abs);
            let severity = above(skew, SKEW_WARN_MS, SKEW_CRIT_MS);
            steps(0, severity, skew < SKEW_CLEAR_MS, || {
                format!("our clock is {} off the peers' median: check NTP", duration(skew))
            })
        }
        AlarmKind::Disk => disk(status),
        AlarmKind::Mempool => pool(status),
        AlarmKind::Memory => {
            let rss = status.resources.rss_bytes.unwrap_or(0);
            let severity = above(rss, MEMORY_WARN_BYTES, MEMORY_CRIT_BYTES);
            steps(0, severity, rss < MEMORY_CLEAR_BYTES, || {
                format!("the process holds {} MiB of memory", rss >> 20)
            })
        }
        AlarmKind::BehindTip => {
            let behind = status.sync.blocks_behind;
            let no_source = status.sync.state == super::super::SyncState::Stalled;
            let severity = match (behind > BEHIND_WARN, no_source) {
                (true, true) => Some(Severity::Crit),
                (true, false) => Some(Severity::Warn),
                (false, _) => None,
            };
            steps(0, severity, behind == 0, || {
                let tail = if no_source { ", and it does not go on" } else { "" };
                format!("{} behind the tip{tail}", counted(behind, "block"))
            })
        }
        AlarmKind::Fork => {
            let split = status.sync.state == super::super::SyncState::Halted;
            steps(0, split.then_some(Severity::Crit), true, || {
                format!(
                    "the chain has split at height {}: {}",
                    grouped(status.chain.height + 1),
                    match status.signing.reason.as_str() {
                        "" => "a human has to choose; the log names the file with both certificates",
                        reason => reason,
                    }
                )
            })
        }
        AlarmKind::Drops => {
            let grew = status.resources.log_lines_dropped > memory.drops_seen;
            let recent = memory
                .drops_grew_mono_ms
                .is_some_and(|at| status.at.mono_ms.saturating_sub(at) < RECENT_MS);
            steps(0, (grew || recent).then_some(Severity::Warn), true, || {
                format!(
                    "{} dropped",
                    counted(status.resources.log_lines_dropped, "log line")
                )
            })
        }
        AlarmKind::ConsoleCrashed => steps(
            0,
            status.resources.console_crashed.then_some(Severity::Warn),
            true,
            || "the console crashed and was closed; the node goes on, the log says why".to_owned(),
        ),
        AlarmKind::NodeKeyTwice => {
            let twins = &status.peers.twins;
            steps(0, (!twins.is_empty()).then_some(Severity::Crit), true, || {
                format!(
                    "two processes answer to the node key of {}: its operator must stop one of them",
                    listed(twins, NAMES_MAX)
                )
            })
            .about(twins)
        }
    }
}

fn steps(hold_ms: u64, severity: Option<Severity>, clears: bool, text: impl FnOnce() -> String) -> Judgement {
    Judgement {
        severity,
        clears,
        hold_ms,
        text: match severity {
            Some(_) => text(),
            None => String::new(),
        },
        subjects: Vec::new(),
    }
}

fn above(value: u64, warn: u64, crit: u64) -> Option<Severity> {
    if value > crit {
        Some(Severity::Crit)
    } else if value > warn {
        Some(Severity::Warn)
    } else {
        None
    }
}

fn stalled(status: &Status) -> Judgement {
    let consensus = &*status.consensus;
    let severity = match consensus.t0_ms {
        0 => None,
        _ if status.sync.syncing => None,
        t0 => above(consensus.overdue_ms, STALL_WARN_T0 * t0, STALL_CRIT_T0 * t0),
    };
    steps(0, severity, consensus.overdue_ms == 0, || {
        let away: Vec<String> = consensus
            .validators
            .iter()
            .filter(|row| !consensus.is_reachable(row, status.at))
            .map(|row| row.name.clone())
            .collect();
        let head = format!(
            "stalled {}: {} of {} alive, quorum {}",
            duration(consensus.overdue_ms),
            consensus.reachable(status.at),
            consensus.n,
            consensus.quorum
        );
        match away.is_empty() {
            true => head,
            false => format!("{head}. Silent: {}", listed(&away, NAMES_MAX)),
        }
    })
}

fn quorum(status: &Status) -> Judgement {
    let consensus = &*status.consensus;
    let online = consensus.reachable(status.at);
    let severity = if consensus.n == 0 || online >= consensus.n || status.has_just_begun() {
        None
    } else if online < consensus.quorum {
        Some(Severity::Crit)
    } else if online == consensus.quorum {
        Some(Severity::Warn)
    } else {
        None
    };
    steps(QUORUM_HOLD_MS, severity, true, || match severity {
        Some(Severity::Crit) => format!(
            "{online} of {} reachable, quorum {}: nothing can become final",
            consensus.n, consensus.quorum
        ),
        _ => format!(
            "{online} of {} reachable, quorum {}: one more loss halts finality",
            consensus.n, consensus.quorum
        ),
    })
}

fn silent(status: &Status) -> Judgement {
    let silent: Vec<_> = status
        .consensus
        .validators
        .iter()
        .filter(|row| !row.is_self && row.silent_heights >= SILENT_HEIGHTS)
        .collect();
    let severity = (!silent.is_empty() && !status.sync.syncing).then_some(Severity::Warn);
    let names: Vec<String> = silent.iter().map(|row| row.name.clone()).collect();
    steps(0, severity, silent.is_empty(), || {
        let least = silent.iter().map(|row| row.silent_heights).min().unwrap_or(0);
        let more = if names.len() > 1 { "at least " } else { "" };
        format!(
            "{} silent for {more}{}",
            listed(&names, NAMES_MAX),
            counted(u64::from(least), "height")
        )
    })
    .about(&names)
}

/// How grave it is that there are so few sessions: the alarm's rule, for the panel that stands beside it.
pub fn peers_severity(status: &Status) -> Option<Severity> {
    let others = status.consensus.n.saturating_sub(1);
    let count = status.peers.rows.len() as u32;
    if others == 0 || status.has_just_begun() {
        None
    } else if count == 0 {
        Some(Severity::Crit)
    } else if count < PEERS_WARN.min(others) {
        Some(Severity::Warn)
    } else {
        None
    }
}

fn peers(status: &Status) -> Judgement {
    let others = status.consensus.n.saturating_sub(1);
    let count = status.peers.rows.len() as u32;
    let wanted = PEERS_WARN.min(others);
    let severity = peers_severity(status);
    let clears = count >= (PEERS_WARN + 1).min(others);
    steps(PEERS_HOLD_MS, severity, clears, || match count {
        0 => "no peers connected: check the network and the configured peers".to_owned(),
        _ => format!("{} connected, {wanted} wanted", counted(u64::from(count), "peer")),
    })
}

fn disk(status: &Status) -> Judgement {
    let resources = &*status.resources;
    let (Some(free), Some(size)) = (resources.disk_free_bytes, resources.disk_size_bytes) else {
        return steps(0, None, true, String::new);
    };
    let percent = free.saturating_mul(100) / size.max(1);
    let full_in = resources.disk_full_in_ms;
    let is_full_within = |ms: u64| full_in.is_some_and(|left| left < ms);
    let severity = if percent < DISK_CRIT || is_full_within(DISK_CRIT_MS) {
        Some(Severity::Crit)
    } else if percent < DISK_WARN || is_full_within(DISK_WARN_MS) {
        Some(Severity::Warn)
    } else {
        None
    };
    let clears = percent >= DISK_CLEAR && !is_full_within(DISK_CLEAR_MS);
    steps(0, severity, clears, || {
        let pace = match full_in.filter(|_| is_full_within(DISK_WARN_MS)) {
            Some(left) => format!(", full in {} at this rate", duration(left)),
            None => String::new(),
        };
        format!(
            "disk {percent} % free ({} MiB left){pace}: free some space",
            grouped(free >> 20)
        )
    })
}

fn pool(status: &Status) -> Judgement {
    let pool = &*status.mempool;
    let percent = |value: u64, max: u64| match max {
        0 => 0,
        _ => value.saturating_mul(100) / max,
    };
    let used = percent(pool.txs, pool.txs_max).max(percent(pool.bytes, pool.bytes_max));
    let severity = match pool.evicted_per_min {
        0 => above(used, POOL_WARN, POOL_CRIT),
        _ => Some(Severity::Crit),
    };
    steps(0, severity, used < POOL_CLEAR, || match pool.evicted_per_min {
        0 => format!("mempool {used} % full"),
        evicted => format!("mempool {used} % full, {evicted} pushed out in the last minute"),
    })
}

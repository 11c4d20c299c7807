//! Alarms: rules over the snapshot that raise, hold and clear with hysteresis. The same book feeds
//! the banner, `/health`, the metrics and the log, so they cannot disagree.
//!
//! A rule says how grave things are and whether they are good enough to clear; between the two lies
//! the band where a raised alarm stays up. Clearing needs the good state to last. An alarm that
//! becomes graver, or is about somebody else too, is new to the operator again: its acknowledgement is
//! taken back.

mod rules;

pub use rules::peers_severity;

use serde::{Deserialize, Serialize};

use super::{EventKind, Moment, Status, words::duration};

/// How grave an alarm is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Look when you can.
    Warn,
    /// Look now.
    Crit,
}

impl Severity {
    /// The word on screen.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Warn => "WARN",
            Severity::Crit => "CRIT",
        }
    }
}

/// What can be wrong, in the order of the table in docs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmKind {
    /// A block is due and does not come.
    FinalityStalled,
    /// Reachable validators are at or below the quorum.
    QuorumMargin,
    /// This node stopped signing for safety.
    SigningStopped,
    /// Proof that a validator contradicted itself.
    Equivocation,
    /// The watchdog found a deadline that nobody served.
    DeadlineMissed,
    /// A validator is missing from certificates.
    ValidatorSilent,
    /// Our own votes are missing from certificates.
    OwnVoteMissed,
    /// Few sessions.
    Peers,
    /// Our clock and the peers' clocks disagree.
    ClockSkew,
    /// The disk is filling.
    Disk,
    /// The pool is filling.
    Mempool,
    /// The process uses much memory.
    Memory,
    /// The chain went on without us.
    BehindTip,
    /// Two certificates at one height, or a final block that gives another state here.
    Fork,
    /// Log lines were dropped.
    Drops,
    /// The console crashed; the node goes on.
    ConsoleCrashed,
    /// A peer's node key is in use twice: a copied masternode is about to sign twice.
    NodeKeyTwice,
}

impl AlarmKind {
    /// All of them, in order.
    pub const ALL: [AlarmKind; 17] = [
        AlarmKind::FinalityStalled,
        AlarmKind::QuorumMargin,
        AlarmKind::SigningStopped,
        AlarmKind::Equivocation,
        AlarmKind::DeadlineMissed,
        AlarmKind::ValidatorSilent,
        AlarmKind::OwnVoteMissed,
        AlarmKind::Peers,
        AlarmKind::ClockSkew,
        AlarmKind::Disk,
        AlarmKind::Mempool,
        AlarmKind::Memory,
        AlarmKind::BehindTip,
        AlarmKind::Fork,
        AlarmKind::Drops,
        AlarmKind::ConsoleCrashed,
        AlarmKind::NodeKeyTwice,
    ];

    /// Its name for people.
    pub fn word(self) -> &'static str {
        match self {
            AlarmKind::FinalityStalled => "finality stalled",
            AlarmKind::QuorumMargin => "quorum margin",
            AlarmKind::SigningStopped => "signing stopped",
            AlarmKind::Equivocation => "equivocation",
            AlarmKind::DeadlineMissed => "deadline missed",
            AlarmKind::ValidatorSilent => "validator silent",
            AlarmKind::OwnVoteMissed => "own vote missed",
            AlarmKind::Peers => "peers",
            AlarmKind::ClockSkew => "clock skew",
            AlarmKind::Disk => "disk",
            AlarmKind::Mempool => "mempool",
            AlarmKind::Memory => "memory",
            AlarmKind::BehindTip => "behind tip",
            AlarmKind::Fork => "fork",
            AlarmKind::Drops => "log drops",
            AlarmKind::ConsoleCrashed => "console crashed",
            AlarmKind::NodeKeyTwice => "node key twice",
        }
    }

    /// Its name as a metric label and in JSON.
    pub fn label(self) -> &'static str {
        match self {
            AlarmKind::FinalityStalled => "finality_stalled",
            AlarmKind::QuorumMargin => "quorum_margin",
            AlarmKind::SigningStopped => "signing_stopped",
            AlarmKind::Equivocation => "equivocation",
            AlarmKind::DeadlineMissed => "deadline_missed",
            AlarmKind::ValidatorSilent => "validator_silent",
            AlarmKind::OwnVoteMissed => "own_vote_missed",
            AlarmKind::Peers => "peers",
            AlarmKind::ClockSkew => "clock_skew",
            AlarmKind::Disk => "disk",
            AlarmKind::Mempool => "mempool",
            AlarmKind::Memory => "memory",
            AlarmKind::BehindTip => "behind_tip",
            AlarmKind::Fork => "fork",
            AlarmKind::Drops => "drops",
            AlarmKind::ConsoleCrashed => "console_crashed",
            AlarmKind::NodeKeyTwice => "node_key_twice",
        }
    }
}

/// An alarm that is up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// Which.
    pub kind: AlarmKind,
    /// How grave.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub text: String,
    /// When it went up.
    pub since: Moment,
    /// Whether an operator has acknowledged it.
    pub acked: bool,
}

/// What changed in the book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlarmChange {
    /// Went up, became graver, or is about somebody else too.
    Raised(Alarm),
    /// Cleared.
    Cleared {
        /// Which.
        kind: AlarmKind,
        /// How long it was up.
        lasted_ms: u64,
    },
}

impl AlarmChange {
    /// The event to put into the ring.
    pub fn event(&self) -> EventKind {
        match self {
            AlarmChange::Raised(alarm) => EventKind::AlarmRaised {
                kind: alarm.kind,
                severity: alarm.severity,
                text: alarm.text.clone(),
            },
            AlarmChange::Cleared { kind, lasted_ms } => EventKind::AlarmCleared {
                kind: *kind,
                lasted_ms: *lasted_ms,
            },
        }
    }
}

/// The state of all alarms. Feed it every snapshot; it is idle between them.
#[derive(Clone, Debug, Default)]
pub struct AlarmBook {
    up: Vec<Entry>,
    memory: rules::Memory,
}

#[derive(Clone, Debug)]
struct Entry {
    alarm: Alarm,
    /// Whom it is about, each with the moment it was last so, on the monotonic clock.
    subjects: Vec<(String, u64)>,
    /// Since when the clearing condition holds, on the monotonic clock.
    good_since: Option<u64>,
    /// Since when the state has been less grave than the alarm says.
    milder_since: Option<u64>,
}

/// How long a state must be less grave before a critical alarm becomes a warning.
const MILDER_HOLD_MS: u64 = 5_000;
/// Who has been well for this long is news when it happens again; before, it only flutters.
const SUBJECT_KEPT_MS: u64 = 60_000;

impl AlarmBook {
    /// A book with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Judges a snapshot. Returns what changed, in table order.
    pub fn observe(&mut self, status: &Status) -> Vec<AlarmChange> {
        let now = status.at;
        let mut changes = Vec::new();
        for kind in AlarmKind::ALL {
            let judgement = rules::judge(kind, status, &self.memory);
            match self.up.iter().position(|entry| entry.alarm.kind == kind) {
                None => {
                    if let Some(severity) = judgement.severity {
                        let alarm = Alarm {
                            kind,
                            severity,
                            text: judgement.text,
                            since: now,
                            acked: false,
                        };
                        changes.push(AlarmChange::Raised(alarm.clone()));
                        self.up.push(Entry {
                            alarm,
                            subjects: judgement
                                .subjects
                                .into_iter()
                                .map(|name| (name, now.mono_ms))
                                .collect(),
                            good_since: None,
                            milder_since: None,
                        });
                    }
                }
                Some(at) => {
                    let entry = &mut self.up[at];
                    if let Some(change) = entry.follow(judgement, now) {
                        if matches!(change, AlarmChange::Cleared { .. }) {
                            self.up.remove(at);
                        }
                        changes.push(change);
                    }
                }
            }
        }
        self.memory.remember(status);
        self.up.sort_by_key(|entry| {
            (
                std::cmp::Reverse(entry.alarm.severity),
                entry.alarm.since.mono_ms,
                entry.alarm.kind,
            )
        });
        changes
    }

    /// Marks all that are up as seen. What waits only for this clears at the next snapshot.
    pub fn acknowledge(&mut self) {
        for entry in &mut self.up {
            entry.alarm.acked = true;
        }
        self.memory.acknowledge();
    }

    /// The alarms that are up, most severe first, then oldest first.
    pub fn alarms(&self) -> Vec<Alarm> {
        self.up.iter().map(|entry| entry.alarm.clone()).collect()
    }
}

impl Entry {
    /// Takes in whom the alarm is about now; true if somebody is who was not, for that is another trouble
    /// than the one that was acknowledged.
    fn note_subjects(&mut self, subjects: Vec<String>, now: Moment) -> bool {
        // However long nobody looked, who was part of it at the last look is no newcomer.
        let looked = self.subjects.iter().map(|(_, last)| *last).max();
        self.subjects
            .retain(|(_, last)| Some(*last) == looked || now.mono_ms.saturating_sub(*last) < SUBJECT_KEPT_MS);
        let mut is_news = false;
        for name in subjects {
            match self.subjects.iter_mut().find(|(known, _)| *known == name) {
                Some((_, last)) => *last = now.mono_ms,
                None => {
                    is_news = true;
                    self.subjects.push((name, now.mono_ms));
                }
            }
        }
        is_news
    }

    fn follow(&mut self, judgement: rules::Judgement, now: Moment) -> Option<AlarmChange> {
        match judgement.severity {
            Some(severity) => {
                self.good_since = None;
                // While a milder one is not believed yet, the words stay those of what is shown.
                if severity >= self.alarm.severity {
                    self.alarm.text.clone_from(&judgement.text);
                }
                let is_news = self.note_subjects(judgement.subjects, now);
                if severity > self.alarm.severity || is_news {
                    self.alarm.severity = severity.max(self.alarm.severity);
                    self.alarm.acked = false;
                    self.milder_since = None;
                    return Some(AlarmChange::Raised(self.alarm.clone()));
                }
                if severity < self.alarm.severity {
                    let since = *self.milder_since.get_or_insert(now.mono_ms);
                    if now.mono_ms.saturating_sub(since) >= MILDER_HOLD_MS {
                        self.alarm.severity = severity;
                        self.alarm.text = judgement.text;
                        self.milder_since = None;
                    }
                } else {
                    self.milder_since = None;
                }
                None
            }
            None if judgement.clears => {
                // What was wrong is not so any more; its words would be a lie for as long as it is watched.
                let since = *self.good_since.get_or_insert(now.mono_ms);
                let good_ms = now.mono_ms.saturating_sub(since);
                self.alarm.text = format!(
                    "{}: good again; clears in {}",
                    self.alarm.kind.word(),
                    duration(judgement.hold_ms.saturating_sub(good_ms))
                );
                (good_ms >= judgement.hold_ms).then(|| AlarmChange::Cleared {
                    kind: self.alarm.kind,
                    lasted_ms: now.since_ms(self.alarm.since),
                })
            }
            None => {
                self.good_since = None;
                None
            }
        }
    }
}

//! What happened, as typed events with a human line each. Bounded; slow readers learn what they missed.

use serde::{Deserialize, Serialize};

use super::{
    AlarmKind, Batch, Direction, Moment, Phase, Ring, Severity, SyncState,
    words::{duration, grouped},
};
use crate::crypto::{Hash256, PublicKey};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its number in this run, ascending without gaps.
    pub seq: u64,
    /// When.
    pub at: Moment,
    /// What.
    pub kind: EventKind,
}

/// Everything worth a line in the Events panel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A block became final.
    Final {
        /// Its height.
        height: u64,
        /// Its hash.
        hash: Hash256,
        /// The round that decided it.
        round: u32,
        /// Transactions in it.
        txs: u32,
        /// COMMITs that came by then.
        votes: u32,
        /// Validators in the set.
        n: u32,
        /// From round 0 to finality; `None` for blocks that came by sync.
        finality_ms: Option<u32>,
    },
    /// A proposal was accepted.
    Proposed {
        /// Height.
        height: u64,
        /// Round.
        round: u32,
        /// Name of the leader.
        leader: String,
        /// Transactions in it.
        txs: u32,
    },
    /// The round changed.
    ViewChange {
        /// Height.
        height: u64,
        /// Round left.
        from: u32,
        /// Round entered.
        to: u32,
        /// Why, in a few words.
        reason: String,
    },
    /// A round timer fired.
    Timeout {
        /// Height.
        height: u64,
        /// Round.
        round: u32,
        /// The phase it was in.
        phase: Phase,
        /// How long it had run.
        after_ms: u64,
    },
    /// A session was established.
    PeerUp {
        /// Network key.
        id: PublicKey,
        /// Name, where known.
        name: Option<String>,
        /// Who dialled.
        direction: Direction,
        /// `ip:port`.
        address: String,
    },
    /// A session ended.
    PeerDown {
        /// Network key.
        id: PublicKey,
        /// Name, where known.
        name: Option<String>,
        /// `ip:port`.
        address: String,
        /// Why.
        reason: String,
    },
    /// An alarm went up or became graver.
    AlarmRaised {
        /// Which.
        kind: AlarmKind,
        /// How grave.
        severity: Severity,
        /// Its sentence.
        text: String,
    },
    /// An alarm cleared.
    AlarmCleared {
        /// Which.
        kind: AlarmKind,
        /// How long it was up.
        lasted_ms: u64,
    },
    /// Somebody was caught contradicting itself.
    Evidence {
        /// Height.
        height: u64,
        /// Round.
        round: u32,
        /// Name of the offender.
        validator: String,
        /// What it did, such as `two prepares`.
        crime: String,
    },
    /// Catching up changed its state.
    Sync {
        /// The new state.
        state: SyncState,
        /// Own height.
        height: u64,
        /// Where it goes, if known.
        target: Option<u64>,
    },
    /// This node began or ceased to sign.
    Signing {
        /// Whether it signs now.
        signing: bool,
        /// Why not.
        reason: String,
    },
    /// A step of the stop.
    Stop {
        /// Which.
        step: String,
        /// How long it took; `None` when it begins.
        took_ms: Option<u64>,
    },
    /// A command was carried out or refused.
    Command {
        /// Who asked.
        caller: String,
        /// What for.
        command: String,
        /// What came of it.
        outcome: String,
    },
    /// Every block below the snapshot that this node began with is here.
    Backfilled,
}

impl EventKind {
    /// The short word in the second column of the Events panel, at most 7 letters.
    pub fn tag(&self) -> &'static str {
        match self {
            EventKind::Final { .. } => "final",
            EventKind::Proposed { .. } => "propose",
            EventKind::ViewChange { .. } => "view",
            EventKind::Timeout { .. } => "timeout",
            EventKind::PeerUp { .. } | EventKind::PeerDown { .. } => "peer",
            EventKind::AlarmRaised { .. } | EventKind::AlarmCleared { .. } => "alarm",
            EventKind::Evidence { .. } => "proof",
            EventKind::Sync { .. } | EventKind::Backfilled => "sync",
            EventKind::Signing { .. } => "signing",
            EventKind::Stop { .. } => "stop",
            EventKind::Command { .. } => "command",
        }
    }

    /// How grave it is, for its colour; `None` for the ordinary course.
    pub fn severity(&self) -> Option<Severity> {
        match self {
            EventKind::AlarmRaised { severity, .. } => Some(*severity),
            EventKind::Evidence { .. } | EventKind::Signing { signing: false, .. } => Some(Severity::Crit),
            EventKind::ViewChange { .. } | EventKind::Timeout { .. } => Some(Severity::Warn),
            EventKind::Final { .. }
            | EventKind::Proposed { .. }
            | EventKind::PeerUp { .. }
            | EventKind::PeerDown { .. }
            | EventKind::AlarmCleared { .. }
            | EventKind::Sync { .. }
            | EventKind::Signing { signing: true, .. }
            | EventKind::Stop { .. }
            | EventKind::Command { .. }
            | EventKind::Backfilled => None,
        }
    }

    /// What happened, in one line without its tag.
    pub fn line(&self) -> String {
        match self {
            EventKind::Final {
                height,
                round,
                txs,
                votes,
                n,
                finality_ms,
                ..
            } => {
                let took = finality_ms.map_or_else(|| "synced".to_owned(), |ms| duration(u64::from(ms)));
                let late = if *round > 0 {
                    format!("  r{round}")
                } else {
                    String::new()
                };
                format!(
                    "{}  {took}  {votes}/{n}  {} tx{late}",
                    grouped(*height),
                    grouped(u64::from(*txs))
                )
            }
            EventKind::Proposed {
                height,
                round,
                leader,
                txs,
            } => format!(
                "{} r{round} by {leader}  {} tx",
                grouped(*height),
                grouped(u64::from(*txs))
            ),
            EventKind::ViewChange {
                height,
                from,
                to,
                reason,
            } => format!("{} r{from}→r{to}  {reason}", grouped(*height)),
            EventKind::Timeout {
                height,
                round,
                phase,
                after_ms,
            } => format!(
                "{} r{round} {} after {}",
                grouped(*height),
                phase.word(),
                duration(*after_ms)
            ),
            EventKind::PeerUp {
                id,
                name,
                direction,
                address,
            } => format!("+ {} {}  {address}", name_or_id(name, id), direction.word()),
            EventKind::PeerDown {
                id,
                name,
                address,
                reason,
            } => format!("− {}  {address}  {reason}", name_or_id(name, id)),
            EventKind::AlarmRaised { severity, text, .. } => format!("{}  {text}", severity.word()),
            EventKind::AlarmCleared { kind, lasted_ms } => {
                format!("cleared  {} after {}", kind.word(), duration(*lasted_ms))
            }
            EventKind::Evidence {
                height,
                round,
                validator,
                crime,
            } => format!("{validator}: {crime} at {} r{round}", grouped(*height)),
            EventKind::Sync {
                state,
                height,
                target,
            } => match target {
                Some(target) => format!("{}  {} of {}", state.word(), grouped(*height), grouped(*target)),
                None => format!("{}  {}", state.word(), grouped(*height)),
            },
            EventKind::Signing { signing, reason } => match signing {
                true => "this node signs".to_owned(),
                false => format!("this node signs nothing: {reason}"),
            },
            EventKind::Stop { step, took_ms } => match took_ms {
                Some(ms) => format!("{step}  {}", duration(*ms)),
                None => step.clone(),
            },
            EventKind::Command {
                caller,
                command,
                outcome,
            } => format!("{command} by {caller}: {outcome}"),
            EventKind::Backfilled => "backfill complete: every block from 1 on is here".to_owned(),
        }
    }
}

fn name_or_id(name: &Option<String>, id: &PublicKey) -> String {
    name.clone().unwrap_or_else(|| id.short())
}

/// The last events of this run.
#[derive(Debug)]
pub struct EventRing {
    ring: Ring<Event>,
}

impl EventRing {
    /// How many events are kept: an hour of a quiet node, some minutes of a busy devnet.
    pub const EVENTS_MAX: usize = 1_024;

    /// An empty ring.
    pub fn new() -> Self {
        Self {
            ring: Ring::new(Self::EVENTS_MAX),
        }
    }

    /// Appends an event and returns its number.
    pub fn push(&self, at: Moment, kind: EventKind) -> u64 {
        self.ring.push_with(|seq| Event { seq, at, kind })
    }

    /// Up to `limit` events from `cursor` on.
    pub fn since(&self, cursor: u64, limit: usize) -> Batch<Event> {
        self.ring.since(cursor, limit)
    }

    /// The newest `limit` events, oldest first.
    pub fn last(&self, limit: usize) -> Vec<Event> {
        self.ring.last(limit)
    }

    /// How many events ever happened.
    pub fn next(&self) -> u64 {
        self.ring.next()
    }
}

impl Default for EventRing {
    fn default() -> Self {
        Self::new()
    }
}

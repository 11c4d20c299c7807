//! What each node has done wrong lately, over all its sessions, and what follows from it.
//!
//! Points are given by `wire::fault` and half of them are forgiven every ten minutes. From 20 on a node is
//! disconnected, from 50 on it is discouraged ([`super::bans`]). A registered masternode is never
//! discouraged: consensus needs it more than we need peace. Its bulk lanes are quarantined instead, and
//! if a session cannot go on, it waits a little before the next, five seconds at first and five minutes
//! at most.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    crypto::NodeId,
    wire::{Fault, Severity},
};

/// Nodes with points that are remembered. With more, those with the fewest are forgotten.
pub(super) const STANDINGS_MAX: usize = 4_096;
/// How many are forgotten at once when room is needed.
const MAKE_ROOM: usize = STANDINGS_MAX / 16;
/// From so many points on a node is disconnected.
pub(super) const DISCONNECT_POINTS: f64 = 20.0;
/// From so many points on a node is discouraged.
pub(super) const DISCOURAGE_POINTS: f64 = 50.0;
/// More points than this are not counted: a node is forgiven within two hours.
const POINTS_MAX: f64 = 100.0;
/// Half of the points are forgiven after this.
const HALF_LIFE: Duration = Duration::from_secs(600);
/// Fewer points than this are none.
const FORGIVEN_POINTS: f64 = 0.5;
/// The first pause of a masternode; each further one within [`HALF_LIFE`] is twice as long.
const PAUSE_MIN: Duration = Duration::from_secs(5);
/// The longest pause of a masternode.
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// What follows from a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing yet.
    Noted,
    /// The session ends.
    Disconnect,
    /// The session ends, and the node is discouraged; with the faults that led here.
    Discourage(String),
    /// A masternode: nothing but consensus is taken from it for a while.
    Quarantine,
    /// A masternode whose session cannot go on: it ends, and the next may begin after a pause.
    Pause,
}

#[derive(Debug)]
struct Standing {
    points: f64,
    since: Instant,
    faults: BTreeMap<Fault, u32>,
    pause: Duration,
    paused_until: Instant,
    /// Whether the pause keeps the node out, or only its bulk.
    is_out: bool,
}

impl Standing {
    fn new(now: Instant) -> Self {
        Self {
            points: 0.0,
            since: now,
            faults: BTreeMap::new(),
            pause: Duration::ZERO,
            paused_until: now,
            is_out: false,
        }
    }

    fn points_at(&self, now: Instant) -> f64 {
        let halves = now.saturating_duration_since(self.since).as_secs_f64() / HALF_LIFE.as_secs_f64();
        let points = self.points * (-halves).exp2();
        if points < FORGIVEN_POINTS { 0.0 } else { points }
    }

    fn is_spotless(&self, now: Instant) -> bool {
        self.points_at(now) == 0.0 && self.paused_until <= now
    }

    fn pause_from(&mut self, now: Instant, is_out: bool) {
        let calm = now.saturating_duration_since(self.paused_until) > HALF_LIFE;
        self.pause = if calm || self.pause.is_zero() {
            PAUSE_MIN
        } else {
            (self.pause * 2).min(PAUSE_MAX)
        };
        self.is_out = is_out;
        self.paused_until = now + self.pause;
    }

    fn evidence(&self) -> String {
        let counted: Vec<String> = self
            .faults
            .iter()
            .map(|(fault, count)| format!("{} ×{count}", fault.name()))
            .collect();
        counted.join(", ")
    }
}

/// The standings of all nodes that have any.
#[derive(Debug, Default)]
pub(super) struct Standings(Mutex<HashMap<NodeId, Standing>>);

impl Standings {
    fn lock(&self) -> MutexGuard<'_, HashMap<NodeId, Standing>> {
        // Plain figures; a panic elsewhere does not spoil them.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Charges a fault. `is_protected`: the node is a registered masternode.
    pub(super) fn charge(&self, node: NodeId, fault: Fault, is_protected: bool, now: Instant) -> Verdict {
        let mut nodes = self.lock();
        if nodes.len() >= STANDINGS_MAX && !nodes.contains_key(&node) {
            make_room(&mut nodes, now);
        }
        let standing = nodes.entry(node).or_insert_with(|| Standing::new(now));
        let before = standing.points_at(now);
        if before == 0.0 {
            standing.faults.clear();
        }
        standing.points = (before + f64::from(fault.severity().weight())).min(POINTS_MAX);
        standing.since = now;
        let count = standing.faults.entry(fault).or_insert(0);
        *count = count.saturating_add(1);
        let is_fatal = fault.severity() == Severity::Fatal;
        if is_protected {
            if is_fatal {
                standing.pause_from(now, true);
                return Verdict::Pause;
            }
            if standing.points >= DISCONNECT_POINTS && standing.paused_until <= now {
                standing.pause_from(now, false);
                return Verdict::Quarantine;
            }
            return Verdict::Noted;
        }
        if standing.points >= DISCOURAGE_POINTS {
            Verdict::Discourage(standing.evidence())
        } else if is_fatal || standing.points >= DISCONNECT_POINTS {
            Verdict::Disconnect
        } else {
            Verdict::Noted
        }
    }

    /// Points of a node now, rounded up: 0 only for a spotless one.
    pub(super) fn points(&self, node: &NodeId, now: Instant) -> u32 {
        let nodes = self.lock();
        let points = nodes.get(node).map_or(0.0, |standing| standing.points_at(now));
        points.ceil() as u32
    }

    /// How long a node still has to wait before its next session.
    pub(super) fn pause(&self, node: &NodeId, now: Instant) -> Option<Duration> {
        let nodes = self.lock();
        let standing = nodes.get(node).filter(|standing| standing.is_out)?;
        Some(standing.paused_until.saturating_duration_since(now)).filter(|left| !left.is_zero())
    }

    /// Whether nothing but consensus is taken from a node now.
    pub(super) fn is_quarantined(&self, node: &NodeId, now: Instant) -> bool {
        let nodes = self.lock();
        nodes
            .get(node)
            .is_some_and(|standing| standing.paused_until > now)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Forgives one node.
    pub(super) fn forgive(&self, node: &NodeId) -> bool {
        self.lock().remove(node).is_some()
    }

    /// Forgives all.
    pub(super) fn forgive_all(&self) {
        self.lock().clear();
    }
}

fn make_room(nodes: &mut HashMap<NodeId, Standing>, now: Instant) {
    nodes.retain(|_, standing| !standing.is_spotless(now));
    if nodes.len() < STANDINGS_MAX {
        return;
    }
    // Some at once, so that a flood of new names does not sort all of them for each.
    let mut by_points: Vec<(f64, NodeId)> = nodes
        .iter()
        .map(|(id, standing)| (standing.points_at(now), *id))
        .collect();
    by_points.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
    for (_, id) in by_points.into_iter().take(MAKE_ROOM) {
        nodes.remove(&id);
    }
}

//! Node keys that are in use twice, as their sessions give them away.
//!
//! Each run of the program has its own nonce. A node that restarts comes with a new one and takes the
//! place of its old session; two processes with one key do that to each other all the time. A cloned
//! masternode is about to sign twice, so people are told.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::crypto::NodeId;

/// Other runs of one node within [`WINDOW`] that are still taken for restarts.
const RESTARTS_MAX: usize = 3;
/// How far back they are counted.
const WINDOW: Duration = Duration::from_secs(300);
/// Nodes that are watched. With more, everybody begins anew: a stranger can make many keys, and no
/// harm is done by finding a twin five minutes later.
const NODES_MAX: usize = 4_096;

/// When sessions of each node came from another run than the one before.
#[derive(Debug, Default)]
pub(super) struct Twins(Mutex<HashMap<NodeId, VecDeque<Instant>>>);

impl Twins {
    /// A session came from another run of the node than the one that is up. True if that makes it a
    /// twin just now.
    pub(super) fn replaced(&self, node: NodeId, now: Instant) -> bool {
        let mut nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if nodes.len() >= NODES_MAX && !nodes.contains_key(&node) {
            nodes.retain(|_, times| is_recent(times.back(), now));
            if nodes.len() >= NODES_MAX {
                nodes.clear();
            }
        }
        let times = nodes.entry(node).or_default();
        while times.front().is_some() && !is_recent(times.front(), now) {
            times.pop_front();
        }
        times.push_back(now);
        let is_new = times.len() == RESTARTS_MAX + 1;
        while times.len() > RESTARTS_MAX + 1 {
            times.pop_front();
        }
        is_new
    }

    /// Whether two processes seem to use the key now.
    pub(super) fn is_twin(&self, node: &NodeId, now: Instant) -> bool {
        let nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.get(node).is_some_and(|times| counts(times, now))
    }

    /// All such nodes, ascending.
    pub(super) fn list(&self, now: Instant) -> Vec<NodeId> {
        let nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut twins: Vec<NodeId> = nodes
            .iter()
            .filter(|(_, times)| counts(times, now))
            .map(|(id, _)| *id)
            .collect();
        twins.sort_unstable();
        twins
    }
}

fn is_recent(time: Option<&Instant>, now: Instant) -> bool {
    time.is_some_and(|time| now.saturating_duration_since(*time) < WINDOW)
}

fn counts(times: &VecDeque<Instant>, now: Instant) -> bool {
    times.iter().filter(|time| is_recent(Some(time), now)).count() > RESTARTS_MAX
}

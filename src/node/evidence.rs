//! The contradictions that this node knows of.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use crossbeam_channel::Sender;

use crate::{
    consensus::Evidence,
    crypto::{Hash256, NodeId},
};

use super::performer::Work;

/// Pieces kept; the first ones stay, so that a later flood cannot push the proof out.
pub(super) const EVIDENCE_MAX: usize = 1_000;

/// Evidence by id. Persisted, shown and passed on by the performer.
#[derive(Debug)]
pub(super) struct EvidenceBook {
    held: Mutex<BTreeMap<Hash256, Evidence>>,
    work: Sender<Work>,
}

impl EvidenceBook {
    /// A book that holds what storage remembered.
    pub(super) fn new(remembered: Vec<Evidence>, work: Sender<Work>) -> Self {
        let held = remembered
            .into_iter()
            .map(|evidence| (evidence.id(), evidence))
            .collect();
        Self {
            held: Mutex::new(held),
            work,
        }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, BTreeMap<Hash256, Evidence>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Evidence from a peer, checked. What is new goes to the performer.
    pub(super) fn add(&self, evidence: Evidence, from: Option<NodeId>) {
        let is_new = !self.held().contains_key(&evidence.id());
        if is_new {
            // Full means that much is being found; peers repeat it.
            let _ = self.work.try_send(Work::Evidence(evidence, from));
        }
    }

    /// Takes a piece in; false if it is held already or the book is full.
    pub(super) fn insert(&self, evidence: &Evidence) -> bool {
        let mut held = self.held();
        let id = evidence.id();
        if held.contains_key(&id) || held.len() >= EVIDENCE_MAX {
            return false;
        }
        held.insert(id, evidence.clone());
        true
    }

    /// Everything held, ascending by height, then round.
    pub(super) fn all(&self) -> Vec<Evidence> {
        let mut all: Vec<Evidence> = self.held().values().cloned().collect();
        all.sort_by_key(|evidence| {
            (
                evidence.height,
                evidence
                    .messages
                    .first()
                    .map(crate::consensus::ConsensusMessage::round),
            )
        });
        all
    }

    /// How many are held.
    pub(super) fn len(&self) -> usize {
        self.held().len()
    }
}

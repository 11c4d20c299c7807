//! The validator sets of the last periods, and the evidence that blocks of theirs carried.
//!
//! A certificate or a contradiction of an earlier height is judged under the set of that height.

use std::{collections::VecDeque, sync::Arc};

use bincode::{Decode, Encode};

use crate::crypto::{Hash256, PublicKey};

use super::{Height, MasternodeId, canonical::CanonicalWriter, masternodes::validator_set_hash};

/// Past periods whose sets and evidence are kept: older contradictions jail nobody.
pub const HISTORY_EPOCHS: u64 = 12;

/// The validators of one period. Changes only from one period to the next.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct EpochSet {
    /// Number of the period.
    pub epoch: u64,
    /// The first height that this set decides.
    pub first: Height,
    /// Keys with whose they are, strictly ascending by key.
    pub members: Vec<(PublicKey, MasternodeId)>,
}

impl EpochSet {
    /// The keys, strictly ascending.
    pub fn keys(&self) -> Vec<PublicKey> {
        self.members.iter().map(|(key, _)| *key).collect()
    }

    /// What stands in headers for this set.
    pub fn hash(&self) -> Hash256 {
        validator_set_hash(&self.keys())
    }

    /// Whose key it is, if it is a member's.
    pub fn member(&self, key: &PublicKey) -> Option<MasternodeId> {
        let position = self.members.binary_search_by_key(key, |(key, _)| *key);
        position.ok().map(|at| self.members[at].1)
    }

    /// The member at a signer's position.
    pub fn at(&self, signer: u16) -> Option<MasternodeId> {
        self.members.get(usize::from(signer)).map(|(_, id)| *id)
    }

    fn element(&self) -> Vec<u8> {
        let mut writer = CanonicalWriter::with_capacity(24 + self.members.len() * 64);
        writer.u64(self.epoch);
        writer.u64(self.first.get());
        writer.count(self.members.len());
        for (key, id) in &self.members {
            writer.bytes(key.as_bytes());
            writer.bytes(id.as_bytes());
        }
        writer.finish()
    }
}

/// A piece of evidence that a block carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct CarriedEvidence {
    /// The period of the block that carried it.
    pub epoch: u64,
    /// Its id.
    pub id: Hash256,
    /// Whom it convicts.
    pub masternode: MasternodeId,
}

impl CarriedEvidence {
    fn element(&self) -> Vec<u8> {
        let mut writer = CanonicalWriter::with_capacity(72);
        writer.u64(self.epoch);
        writer.bytes(self.id.as_bytes());
        writer.bytes(self.masternode.as_bytes());
        writer.finish()
    }
}

/// Sets and evidence, oldest first. The last set is that of the next height.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct History {
    sets: VecDeque<Arc<EpochSet>>,
    evidence: VecDeque<CarriedEvidence>,
}

/// What one block changed about a [`History`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct HistoryChange {
    /// The set of the period that begins, if one does.
    pub added_set: Option<Arc<EpochSet>>,
    /// Sets that fell out, oldest first.
    pub dropped_sets: Vec<Arc<EpochSet>>,
    /// Evidence of the block.
    pub added_evidence: Vec<CarriedEvidence>,
    /// Evidence that fell out, oldest first.
    pub dropped_evidence: Vec<CarriedEvidence>,
}

impl HistoryChange {
    /// True if nothing changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The change back.
    pub(super) fn elements(&self) -> (Vec<HistoryElement>, Vec<HistoryElement>) {
        let set = |set: &Arc<EpochSet>| HistoryElement::Set(set.element());
        let evidence = |evidence: &CarriedEvidence| HistoryElement::Evidence(evidence.element());
        let added = self.added_set.iter().map(set);
        let added = added.chain(self.added_evidence.iter().map(evidence)).collect();
        let dropped = self.dropped_sets.iter().map(set);
        let dropped = dropped
            .chain(self.dropped_evidence.iter().map(evidence))
            .collect();
        (added, dropped)
    }
}

/// An element of the state commitment.
pub(super) enum HistoryElement {
    Set(Vec<u8>),
    Evidence(Vec<u8>),
}

impl History {
    /// The history of a chain that has only its first set.
    pub(super) fn new(first: EpochSet) -> Self {
        Self {
            sets: VecDeque::from([Arc::new(first)]),
            evidence: VecDeque::new(),
        }
    }

    /// The set of the next height.
    pub fn current(&self) -> &Arc<EpochSet> {
        self.sets
            .back()
            .expect("a history begins with a set and keeps the last")
    }

    /// True if it lies as blocks make it, oldest first: what a commitment over a multiset cannot tell of
    /// a history from elsewhere.
    pub fn is_in_order(&self) -> bool {
        let sets = self.sets.iter().zip(self.sets.iter().skip(1));
        let evidence = self.evidence.iter().zip(self.evidence.iter().skip(1));
        !self.sets.is_empty()
            && sets
                .into_iter()
                .all(|(a, b)| a.epoch < b.epoch && a.first < b.first)
            && evidence.into_iter().all(|(a, b)| a.epoch <= b.epoch)
    }

    /// The set that decides `height`, as far as it is known: not of heights whose period is more
    /// than [`HISTORY_EPOCHS`] ago. Of heights above the next one, the answer may still change.
    pub fn set_at(&self, height: Height) -> Option<&Arc<EpochSet>> {
        self.sets.iter().rev().find(|set| set.first <= height)
    }

    /// Sets, oldest first.
    pub fn sets(&self) -> impl DoubleEndedIterator<Item = &Arc<EpochSet>> {
        self.sets.iter()
    }

    /// Evidence that blocks of these periods carried, oldest first.
    pub fn evidence(&self) -> impl Iterator<Item = &CarriedEvidence> {
        self.evidence.iter()
    }

    /// True if a block carried it.
    pub fn has_evidence(&self, id: &Hash256) -> bool {
        self.evidence.iter().any(|carried| carried.id == *id)
    }

    /// What `evidence`, and the set of a period that begins, change.
    pub(super) fn change(
        &self,
        added_evidence: Vec<CarriedEvidence>,
        added_set: Option<EpochSet>,
    ) -> HistoryChange {
        let oldest = added_set
            .as_ref()
            .map_or(0, |set| set.epoch.saturating_sub(HISTORY_EPOCHS));
        HistoryChange {
            added_set: added_set.map(Arc::new),
            dropped_sets: self
                .sets
                .iter()
                .filter(|set| set.epoch < oldest)
                .cloned()
                .collect(),
            added_evidence,
            dropped_evidence: self
                .evidence
                .iter()
                .filter(|carried| carried.epoch < oldest)
                .copied()
                .collect(),
        }
    }

    pub(super) fn apply(&mut self, change: &HistoryChange) {
        self.sets.drain(..change.dropped_sets.len().min(self.sets.len()));
        self.sets.extend(change.added_set.clone());
        self.evidence.extend(change.added_evidence.iter().copied());
        self.evidence
            .drain(..change.dropped_evidence.len().min(self.evidence.len()));
    }

    pub(super) fn undo(&mut self, change: &HistoryChange) {
        if change.added_set.is_some() {
            self.sets.pop_back();
        }
        for set in change.dropped_sets.iter().rev() {
            self.sets.push_front(Arc::clone(set));
        }
        for evidence in change.dropped_evidence.iter().rev() {
            self.evidence.push_front(*evidence);
        }
        let kept = self.evidence.len().saturating_sub(change.added_evidence.len());
        self.evidence.truncate(kept);
    }

    /// All elements of the state commitment.
    pub(super) fn elements(&self) -> Vec<HistoryElement> {
        let sets = self.sets.iter().map(|set| HistoryElement::Set(set.element()));
        let evidence = self.evidence.iter();
        let evidence = evidence.map(|carried| HistoryElement::Evidence(carried.element()));
        sets.chain(evidence).collect()
    }
}

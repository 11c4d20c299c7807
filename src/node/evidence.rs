//! The contradictions that this node knows of.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crossbeam_channel::Sender;

use crate::{
    consensus::{Evidence, EvidenceKind},
    crypto::{Hash256, NodeId},
    storage::{StoreError, StoreReader},
};

use super::performer::Work;

/// Pieces kept. Beyond, the one of the lowest height goes: no block takes it any more.
pub(super) const EVIDENCE_MAX: usize = 1_000;

/// Pieces kept of one kind by one offender. Whoever signs a thousand contradictions at one height proves no
/// more than with two, and must not fill the book.
const OF_ONE_MAX: usize = 4;

/// Bad proposals kept: nobody is jailed for one, so a validator may make them for ever.
const BAD_PROPOSALS_MAX: usize = EVIDENCE_MAX / 4;

/// Evidence by id. Persisted, shown and passed on by the performer.
#[derive(Debug)]
pub(super) struct EvidenceBook {
    held: Mutex<BTreeMap<Hash256, Evidence>>,
    edition: AtomicU64,
    work: Sender<Work>,
}

impl EvidenceBook {
    /// A book that holds `remembered`, as far as there is room.
    pub(super) fn new(remembered: impl IntoIterator<Item = Evidence>, work: Sender<Work>) -> Self {
        let mut held = BTreeMap::new();
        for evidence in remembered {
            take(&mut held, &evidence);
        }
        Self {
            edition: AtomicU64::new(held.len() as u64),
            held: Mutex::new(held),
            work,
        }
    }

    /// A book that holds what storage remembers, page by page.
    pub(super) fn open(reader: &StoreReader, work: Sender<Work>) -> Result<Self, StoreError> {
        let book = Self::new([], work);
        let mut after = None;
        loop {
            let page = reader.evidence(after, EVIDENCE_MAX)?;
            let Some((height, id, _)) = page.last() else {
                return Ok(book);
            };
            after = Some((*height, *id));
            for (_, _, bytes) in &page {
                if let Ok(evidence) = Evidence::from_bytes(bytes) {
                    book.insert(&evidence);
                }
            }
        }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, BTreeMap<Hash256, Evidence>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Evidence from a peer, checked. What is new goes to the performer.
    pub(super) fn add(&self, evidence: Evidence, from: Option<NodeId>) {
        let is_new = !self.held().contains_key(&evidence.id());
        if is_new {
            // A full queue means that much is being found. Blocks bring what they jail for.
            let _ = self.work.try_send(Work::Evidence(evidence, from));
        }
    }

    /// Takes a piece in, and gives those that went for it; `None` if it is held already or there is no room.
    pub(super) fn insert(&self, evidence: &Evidence) -> Option<Vec<Evidence>> {
        let gone = take(&mut self.held(), evidence)?;
        self.edition.fetch_add(1, Ordering::Relaxed);
        Some(gone)
    }

    /// Grows whenever something is taken in.
    pub(super) fn edition(&self) -> u64 {
        self.edition.load(Ordering::Relaxed)
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
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.held().len()
    }
}

fn take(held: &mut BTreeMap<Hash256, Evidence>, evidence: &Evidence) -> Option<Vec<Evidence>> {
    let id = evidence.id();
    if held.contains_key(&id) {
        return None;
    }
    let is_bad = |known: &Evidence| known.kind == EvidenceKind::BadProposal;
    let is_like = |known: &Evidence| known.kind == evidence.kind && known.offender == evidence.offender;
    let mut gone = Vec::new();
    if is_bad(evidence) {
        // Nobody is jailed for one: four show as much as more, and he may make them at every height.
        if held.values().filter(|known| is_like(known)).count() >= OF_ONE_MAX {
            return None;
        }
        gone.extend(make_room(held, evidence, BAD_PROPOSALS_MAX, is_bad)?);
    } else {
        gone.extend(make_room(held, evidence, OF_ONE_MAX, is_like)?);
    }
    gone.extend(make_room(held, evidence, EVIDENCE_MAX, |_| true)?);
    held.insert(id, evidence.clone());
    Some(gone)
}

/// Gives the piece of the lowest height if there are `most` like this one; `None` if that is no lower.
fn make_room(
    held: &mut BTreeMap<Hash256, Evidence>,
    evidence: &Evidence,
    most: usize,
    is_like: impl Fn(&Evidence) -> bool,
) -> Option<Option<Evidence>> {
    let like = || held.iter().filter(|(_, known)| is_like(known));
    if like().count() < most {
        return Some(None);
    }
    let (id, _) = like()
        .min_by_key(|(_, known)| known.height)
        .filter(|(_, known)| known.height < evidence.height)?;
    let id = *id;
    Some(held.remove(&id))
}

#[cfg(test)]
mod tests;

//! The table of VIEW-CHANGEs: of every validator the one with the highest round, and no more, so
//! that a flood of them costs no memory.

use super::{Mono, PreparedCert, Round, Signer, ViewChange, ViewChangeHeader};

/// One validator's highest VIEW-CHANGE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The signed part.
    pub(super) header: ViewChangeHeader,
    /// The certificate of its lock. Missing if it names none, or if we know the header only from
    /// inside a PRE-PREPARE.
    pub(super) certificate: Option<PreparedCert>,
    /// When it arrived here.
    pub(super) at: Mono,
}

impl Entry {
    /// True if a leader can stand on it: the lock it names is proven.
    pub(super) fn is_complete(&self) -> bool {
        self.header.prepared.is_some() == self.certificate.is_some()
    }
}

/// What became of a VIEW-CHANGE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Noted {
    /// Higher than what the signer sent before.
    New,
    /// Known, and it brought the certificate that was missing.
    Completed,
    /// Known.
    Duplicate,
    /// Lower than what the signer sent before.
    Old,
    /// Same round, other content: both are proof.
    Conflict(ViewChangeHeader),
    /// The signer is outside the set.
    Stranger,
}

/// The table of one height.
#[derive(Debug, Clone)]
pub(super) struct ViewChanges {
    by_signer: Vec<Option<Entry>>,
    /// Of every validator the one with the lowest lock of those that a higher one took the place of: proof,
    /// should a COMMIT come that it forgot.
    superseded: Vec<Option<ViewChangeHeader>>,
    /// The rounds of all entries, highest first: rules ask after every event.
    rounds: Vec<Round>,
}

impl ViewChanges {
    /// An empty table for a set of `n` validators.
    pub(super) fn new(n: usize) -> Self {
        Self {
            by_signer: vec![None; n],
            superseded: vec![None; n],
            rounds: Vec::new(),
        }
    }

    /// Notes a VIEW-CHANGE that was checked: `vc_ok`, or `vch_ok` without its certificate.
    pub(super) fn insert(&mut self, view_change: ViewChange, at: Mono) -> Noted {
        let ViewChange { header, certificate } = view_change;
        let Some(slot) = self.by_signer.get_mut(usize::from(header.signer)) else {
            return Noted::Stranger;
        };
        if let Some(known) = slot {
            if header.round < known.header.round {
                return Noted::Old;
            }
            if header.round == known.header.round {
                if header.prepared != known.header.prepared {
                    return Noted::Conflict(known.header);
                }
                if known.certificate.is_none() && certificate.is_some() {
                    known.certificate = certificate;
                    return Noted::Completed;
                }
                return Noted::Duplicate;
            }
        }
        let before = slot.replace(Entry {
            header,
            certificate,
            at,
        });
        if let Some(before) = before {
            let place = self.rounds.partition_point(|round| *round > before.header.round);
            self.rounds.remove(place);
            self.keep_superseded(before.header);
        }
        let place = self.rounds.partition_point(|round| *round > header.round);
        self.rounds.insert(place, header.round);
        Noted::New
    }

    /// Of two equal locks the later VIEW-CHANGE contradicts more COMMITs.
    fn keep_superseded(&mut self, header: ViewChangeHeader) {
        let locked = |header: &ViewChangeHeader| header.prepared.map(|(round, _)| round);
        if let Some(slot) = self.superseded.get_mut(usize::from(header.signer)) {
            let is_lower = slot.is_none_or(|kept| locked(&header) <= locked(&kept));
            if is_lower {
                *slot = Some(header);
            }
        }
    }

    /// What of `signer` a COMMIT may contradict: at most two headers.
    pub(super) fn of(&self, signer: Signer) -> impl Iterator<Item = &ViewChangeHeader> {
        let latest = self.get(signer).map(|entry| &entry.header);
        let superseded = self.superseded.get(usize::from(signer)).and_then(Option::as_ref);
        latest.into_iter().chain(superseded)
    }

    /// The entry of `signer`.
    pub(super) fn get(&self, signer: Signer) -> Option<&Entry> {
        self.by_signer.get(usize::from(signer))?.as_ref()
    }

    /// The `k`-th highest round of the table, counted from 0: k + 1 validators are there or beyond.
    pub(super) fn kth_highest(&self, k: usize) -> Option<Round> {
        self.rounds.get(k).copied()
    }

    /// Entries of exactly `round`, ascending by signer.
    pub(super) fn exactly(&self, round: Round) -> impl Iterator<Item = &Entry> {
        self.by_signer
            .iter()
            .flatten()
            .filter(move |entry| entry.header.round == round)
    }

    /// How many validators are in `round` or beyond.
    pub(super) fn count_from(&self, round: Round) -> usize {
        self.by_signer
            .iter()
            .flatten()
            .filter(|entry| entry.header.round >= round)
            .count()
    }
}

//! Evidence that waits for a block of ours to carry it.

use std::collections::BTreeMap;

use crate::{
    chain::{ChainState, EVIDENCE_MAX, Height},
    consensus::{Evidence, EvidenceKind},
    crypto::Hash256,
};

/// Pieces kept: one for each masternode that could be jailed for it, and no more of a flood.
const WAITING_MAX: usize = 256;
/// Largest piece, in bytes: two proposals with the attachments of a set of hundreds. Together they
/// leave room for transactions in the smallest block that a network may have.
const BYTES_MAX: usize = 64 << 10;
/// Bytes of evidence in one block of ours.
const BLOCK_BYTES_MAX: usize = 96 << 10;

/// Pieces by the height of the crime, then id: the oldest, which fall out of the window first, go
/// first.
#[derive(Debug, Default)]
pub(super) struct WaitingEvidence {
    pieces: BTreeMap<(Height, Hash256), (Evidence, Vec<u8>)>,
}

impl WaitingEvidence {
    /// Keeps a piece if it would jail somebody.
    pub(super) fn add(&mut self, evidence: &Evidence, state: &ChainState) {
        if evidence.kind == EvidenceKind::BadProposal
            || self.pieces.len() >= WAITING_MAX
            || !would_jail(evidence, state)
        {
            return;
        }
        let is_told = |held: &Evidence| held.offender == evidence.offender;
        let bytes = evidence.to_bytes();
        if bytes.len() <= BYTES_MAX && !self.pieces.values().any(|(held, _)| is_told(held)) {
            let key = (evidence.height, evidence.id());
            self.pieces.insert(key, (evidence.clone(), bytes));
        }
    }

    /// Lets go of what jails nobody any more.
    pub(super) fn prune(&mut self, state: &ChainState) {
        self.pieces.retain(|_, (evidence, _)| would_jail(evidence, state));
    }

    /// What the next block of ours should carry.
    pub(super) fn urgent(&self) -> Vec<Vec<u8>> {
        let mut left = BLOCK_BYTES_MAX;
        let fits = |bytes: &&Vec<u8>| {
            let fits = bytes.len() <= left;
            left -= if fits { bytes.len() } else { 0 };
            fits
        };
        self.pieces
            .values()
            .map(|(_, bytes)| bytes)
            .filter(fits)
            .take(EVIDENCE_MAX)
            .cloned()
            .collect()
    }
}

/// Whether its offender is still there, was not convicted yet, and the crime is not too old. One above
/// the height in progress waits, unless the set turns out to be another one.
fn would_jail(evidence: &Evidence, state: &ChainState) -> bool {
    let set = state.history.set_at(evidence.height);
    set.filter(|set| set.hash() == evidence.vset_hash)
        .and_then(|set| set.member(&evidence.offender))
        .and_then(|id| state.registry.get(&id))
        .is_some_and(|node| node.conviction.is_none())
}

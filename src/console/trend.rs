//! Round trips of the peers over the last minutes. The node tells only how long the last one took; a
//! line of them is what shows a peer that becomes slow.

use std::collections::{BTreeMap, VecDeque};

use crate::{control::PeerRow, crypto::PublicKey};

/// How often a sample is taken.
const EVERY_MS: u64 = 5_000;
/// Samples kept for each peer: two and a half minutes.
const SAMPLES_MAX: usize = 30;
/// Peers that are followed: more than a screen can show.
const PEERS_MAX: usize = 1_024;

/// The last round trips by peer.
#[derive(Clone, Debug, Default)]
pub(super) struct Trend {
    sampled_ms: Option<u64>,
    samples: BTreeMap<PublicKey, VecDeque<u32>>,
}

impl Trend {
    /// Takes a sample, if it is time. Who is gone is forgotten.
    pub(super) fn note(&mut self, now_ms: u64, rows: &[PeerRow]) {
        if self
            .sampled_ms
            .is_some_and(|at| now_ms.saturating_sub(at) < EVERY_MS)
        {
            return;
        }
        self.sampled_ms = Some(now_ms);
        let mut kept = BTreeMap::new();
        for row in rows.iter().take(PEERS_MAX) {
            let mut samples = self.samples.remove(&row.id).unwrap_or_default();
            if let Some(rtt_ms) = row.rtt_ms {
                super::model::keep(&mut samples, [rtt_ms], SAMPLES_MAX);
            }
            kept.insert(row.id, samples);
        }
        self.samples = kept;
    }

    /// Its last round trips in ms, oldest first.
    pub(super) fn of(&self, id: &PublicKey) -> Vec<u32> {
        self.samples
            .get(id)
            .map(|samples| samples.iter().copied().collect())
            .unwrap_or_default()
    }
}

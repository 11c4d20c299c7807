//! When this node asks everybody who else has its key (docs/CONSENSUS.md §8, docs/WIRE.md): while it listens,
//! and once more when it is back with a quorum after it was away for a while.
//!
//! Who was cut off may have been replaced meanwhile, and so may who began to sign without a quorum. The
//! second question holds nothing up: whoever is there answers within a moment.

use crate::consensus::{Mono, Now};

use super::{Effect, Engine, SigningHold, listening::Looked};

/// Time between two questions.
const CALL_EVERY_MS: u64 = 400;
/// Who did not look for so long was away.
const AWAY_MS: u64 = 1_000;

/// What is asked, and why.
#[derive(Debug, Default)]
pub(super) struct Asking {
    /// For so long it is still asked, beside a listening.
    left_ms: u64,
    /// Without a quorum, or without a look, since it was last there.
    away_ms: u64,
    asked_at: Option<Mono>,
    looked: Looked,
}

impl Asking {
    /// A quorum was never heard: it is asked when there is one.
    pub(super) fn when_back(&mut self, listen_ms: u64) {
        self.away_ms = listen_ms;
    }

    /// Counts the time since the last look.
    fn look(&mut self, now: Now, is_with_quorum: bool, listen_ms: u64) {
        let passed_ms = self.looked.since(now);
        self.left_ms = self.left_ms.saturating_sub(passed_ms);
        if !is_with_quorum || passed_ms >= AWAY_MS {
            self.away_ms = self.away_ms.saturating_add(passed_ms);
        } else if std::mem::take(&mut self.away_ms) >= listen_ms {
            self.left_ms = listen_ms;
        }
    }

    fn is_due(&mut self, now: Mono) -> bool {
        let is_due = self.asked_at.is_none_or(|at| now.ms_since(at) >= CALL_EVERY_MS);
        if is_due {
            self.asked_at = Some(now);
        }
        is_due
    }
}

impl Engine {
    /// Several times a second.
    pub(super) fn ask_for_key(&mut self, now: Now) {
        let is_mine = self.config.me.is_some() && !self.holds.contains(&SigningHold::Observer);
        if self.config.listen_ms == 0 || !is_mine {
            return;
        }
        let is_with_quorum = self.is_with_quorum();
        self.asking.look(now, is_with_quorum, self.config.listen_ms);
        if self.is_asking() && self.asking.is_due(now.mono) {
            self.out.push(Effect::CallForKey);
        }
    }

    /// True while an answer counts.
    pub(super) fn is_asking(&self) -> bool {
        let asks = self.listening.is_some() || self.asking.left_ms > 0;
        asks && !self.holds.contains(&SigningHold::Doppelganger)
    }
}

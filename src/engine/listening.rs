//! Listening before signing (docs/CONSENSUS.md §8): whoever may have missed that another node signs with
//! its key signs nothing until it has heard the network for a while without hearing itself.
//!
//! That is so after a start, after an observation, and when the process finds that it was asleep. What
//! counts is time in which we could have heard something: in step with a quorum, and awake. Without a
//! quorum it ends all the same after a while, or nodes that are half apart would wait for each other.
//!
//! Between blocks nobody says anything, and two nodes that start together both listen: so it also asks
//! everybody, again and again, who else has the key ([`super::asking`]).

use crate::consensus::Now;

use super::{Engine, SigningHold};

/// Listening without hearing a quorum ends after this long.
const DEAF_MAX_MS: u64 = 10_000;
/// Time between two looks counts up to this much: in the rest we may have been asleep.
const LOOK_MAX_MS: u64 = 250;
/// Who did not look for so long was asleep: a suspended host, a stopped process, a copy of a machine.
const ASLEEP_MS: u64 = 10_000;

/// How far it has come.
#[derive(Debug, Default)]
pub(super) struct Listening {
    /// In step and connected to a quorum, without a break.
    heard_ms: u64,
    /// Altogether, apart from catching up.
    waited_ms: u64,
}

/// When the engine last looked around.
#[derive(Debug, Default)]
pub(super) struct Looked(Option<Now>);

impl Looked {
    /// Milliseconds since the last look by the clock that ran further: a process may be stopped, a host
    /// suspended without its monotonic clock.
    pub(super) fn since(&mut self, now: Now) -> u64 {
        let Some(last) = self.0.replace(now) else { return 0 };
        let wall = now.wall.get().saturating_sub(last.wall.get());
        now.mono.ms_since(last.mono).max(wall)
    }
}

impl Engine {
    /// From now on nothing is signed until enough was heard.
    pub(super) fn listen(&mut self, now: Now) {
        if self.config.listen_ms > 0 {
            self.listening = Some(Listening::default());
            self.set_hold(now, SigningHold::Listening, true);
        }
    }

    /// Counts what was heard since the last look, and ends the listening when it is enough.
    pub(super) fn look_around(&mut self, now: Now) {
        let since_ms = self.looked.since(now);
        if since_ms >= ASLEEP_MS && self.config.me.is_some() {
            self.listen(now);
            return;
        }
        // At every step of a node's life; what follows is for the few that listen.
        if self.listening.is_none() {
            return;
        }
        let hears = !self.syncing && !self.stands_still() && self.is_with_quorum();
        // Without its signer it proves its key to nobody, and no question is passed on.
        let waits = !self.syncing && !self.holds.contains(&SigningHold::SignerLost);
        let Some(listening) = &mut self.listening else {
            return;
        };
        let passed_ms = since_ms.min(LOOK_MAX_MS);
        listening.heard_ms = if hears && waits {
            listening.heard_ms + passed_ms
        } else {
            0
        };
        if waits {
            listening.waited_ms += passed_ms;
        }
        let is_heard = listening.heard_ms >= self.config.listen_ms;
        if is_heard || listening.waited_ms >= DEAF_MAX_MS {
            if !is_heard {
                self.asking.when_back(self.config.listen_ms);
            }
            self.listening = None;
            self.set_hold(now, SigningHold::Listening, false);
        }
    }

    pub(super) fn is_with_quorum(&self) -> bool {
        let set = self.ledger.validators();
        let connected = self.peers.connected_validators(set, self.config.me.as_ref());
        set.quorum().is_reached(connected)
    }
}

#[cfg(test)]
mod tests;

//! R9: what we signed in this round is sent again, byte for byte, until the height is decided.
//! Nothing is ever signed again for it.

use crate::{
    chain::BlockHash,
    consensus::{Effect, Mono, Phase, Round, Timer},
};

use super::{Context, Machine};

/// A reconnecting peer brings on a resend at once, but not more often than this, in milliseconds.
const RESEND_GAP_MS: u64 = 50;

impl Machine {
    /// Starts the clock of resending if it does not run.
    pub(super) fn start_resending(&mut self, now: Mono) {
        if self.resend_at.is_none() {
            self.schedule_resend(now);
        }
    }

    fn schedule_resend(&mut self, now: Mono) {
        let at = now.plus_ms(self.resend_delay_ms());
        self.resend_at = Some(at);
        self.set_timer(
            Timer::Resend {
                height: self.current.height,
            },
            at,
        );
    }

    /// The interval with a jitter of an eighth either way, different for every node and time, so
    /// that nodes which started together do not all send at once.
    fn resend_delay_ms(&mut self) -> u64 {
        self.resends = self.resends.wrapping_add(1);
        let interval = self.config.resend_ms.max(1);
        let salt = self.config.me.map_or(0, |key| u64::from(key.as_bytes()[0]));
        let spread = (interval / 4).max(1);
        let draw = (self.resends ^ (salt << 8)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
        interval - interval / 8 + draw % spread
    }

    pub(super) fn on_resend_timer(&mut self, context: &mut Context<'_>) {
        let now = context.now.mono;
        match self.resend_at {
            Some(at) if at <= now => self.resend_at = None,
            Some(_) | None => return,
        }
        if self.is_halted || self.current.round.phase == Phase::Finalized {
            return;
        }
        self.current.lead_tried = None;
        self.request_missing();
        self.resend();
        if self.has_something_open() {
            self.schedule_resend(now);
        }
    }

    /// A peer came up: it may have missed what we sent before.
    pub(super) fn resend_now(&mut self, context: &Context<'_>) {
        let now = context.now.mono;
        let is_idle = self.is_halted || self.current.round.phase == Phase::Finalized;
        let is_recent = self
            .resent_at
            .is_some_and(|last| now.ms_since(last) < RESEND_GAP_MS);
        if is_idle || is_recent {
            return;
        }
        self.resent_at = Some(now);
        self.resend();
        if self.has_something_open() {
            self.schedule_resend(now);
        }
    }

    fn resend(&mut self) {
        let (height, round) = (self.current.height, self.current.round.round);
        let own: Vec<_> = self.guard.own_in(height, round).cloned().collect();
        for message in own {
            self.broadcast(message);
        }
        let missing: Vec<BlockHash> = self.current.fetching.iter().copied().collect();
        for digest in missing {
            self.effects.push(Effect::FetchBody { height, digest });
        }
    }

    /// True while there may be something to send again: a signature, a missing body, a due block.
    fn has_something_open(&self) -> bool {
        self.current.round.armed
            || self.is_signed_here()
            || !self.current.fetching.is_empty()
            || self.current.round.round > Round::ZERO
    }
}

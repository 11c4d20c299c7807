//! R6, shortened: a round that can gather no quorum any more is not waited for to its end.
//!
//! After an outage one node may be a round ahead of the others. It votes in theirs no more, and
//! with another one dead nobody can decide there; the whole of T(r) would pass for nothing.

use crate::consensus::{Mono, Phase, Round, Signer, Timer};

use super::{Context, Machine};

/// A futile round lasts T(r) divided by this. A share and not a constant, so that patience still
/// grows from round to round where messages are slow, and whoever seems gone has time to be heard.
const PATIENCE_DIVISOR: u64 = 2;

impl Machine {
    /// When the current round ends if it turns out to be futile; round 0, which everybody enters by
    /// the clock, is never cut short.
    pub(super) fn futile_at(&self, now: Mono) -> Option<Mono> {
        let round = self.current.round.round;
        let patience_ms = self.config.timing.round_timeout_ms(round) / PATIENCE_DIVISOR;
        (round > Round::ZERO).then(|| now.plus_ms(patience_ms))
    }

    /// Brings the deadline forward once too many validators are known to be gone from this round.
    pub(super) fn check_futile(&mut self, context: &Context<'_>) {
        let now = context.now.mono;
        let Some(at) = self.current.futile_at else { return };
        let is_running = self.current.round.armed
            && self.current.round.phase != Phase::Finalized
            && self.current.deciding.is_none()
            && self.current.deadline.is_some_and(|deadline| deadline > at);
        if !is_running || !self.is_futile(now) {
            return;
        }
        self.current.futile_at = None;
        let deadline = at.max(now);
        self.current.deadline = Some(deadline);
        let timer = Timer::Round {
            height: self.current.height,
            round: self.current.round.round,
        };
        self.set_timer(timer, deadline);
    }

    /// Whether those who may still vote in this round are fewer than a quorum.
    fn is_futile(&self, now: Mono) -> bool {
        let current = &self.current;
        let others = (0..).zip(current.validators.keys()).map(|(signer, _)| signer);
        let gone = others
            .filter(|signer| Some(*signer) != current.me)
            .filter(|signer| self.is_gone(*signer, now))
            .count();
        !current.quorum().is_reached(current.quorum().n() - gone)
    }

    /// Its VIEW-CHANGE says that `signer` left this round for a later one; or its link has been down
    /// for a while and nothing of it came by another way.
    fn is_gone(&self, signer: Signer, now: Mono) -> bool {
        let current = &self.current;
        let round = current.round.round;
        let entered = current.view_changes.get(signer).map(|entry| entry.header.round);
        if entered.is_some_and(|entered| entered >= round) {
            return entered > Some(round);
        }
        let has_voted =
            current.prepares.cast(signer, round).is_some() || current.commits.cast(signer, round).is_some();
        !has_voted
            && self
                .down_since(signer)
                .is_some_and(|since| now.ms_since(since) >= self.config.leader_grace_ms)
    }
}

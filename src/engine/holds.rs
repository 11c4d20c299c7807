//! Why this node signs nothing at the moment, and what it still does then.

use crate::consensus::{self, Now};

use super::{Effect, Engine, Event, SigningHold, observer::Observer};

impl Event {
    /// True for events that would move the chain on; a node that stands still takes none of them.
    pub(super) const fn moves_the_chain(&self) -> bool {
        match self {
            Self::Consensus { .. } | Self::Decided { .. } | Self::Fetched(_) | Self::Blocks { .. } => true,
            Self::OffHeight { .. }
            | Self::Signed { .. }
            | Self::BlocksReceived { .. }
            | Self::BlocksFailed { .. }
            | Self::Status { .. }
            | Self::Transactions(_)
            | Self::Refused(_)
            | Self::Evidence(_)
            | Self::Timer(_)
            | Self::PeerUp { .. }
            | Self::PeerServes { .. }
            | Self::NoStatus { .. }
            | Self::PeerHeight { .. }
            | Self::PeerHeights(_)
            | Self::PeersPreferred(_)
            | Self::PeerDown { .. }
            | Self::Committed(_)
            | Self::Tick
            | Self::Signing(..)
            | Self::Stop => false,
        }
    }
}

impl Engine {
    /// The holds that stand before the first event.
    pub(super) fn hold_from_start(&mut self, now: Now) {
        if self.is_at_halt() {
            self.holds.insert(SigningHold::HaltHeight);
        }
        if self.ledger.validators().len() < self.masternodes_min() {
            self.holds.insert(SigningHold::TooFewMasternodes);
        }
        // The log was raised before, and the network has not got there yet.
        let raised = self.machine.guard().raised_to();
        let raised = raised.filter(|raised| *raised > self.ledger.tip());
        if raised.is_some() {
            self.holds.insert(SigningHold::LogMissing);
            self.observer = Some(Observer::new(raised));
        } else if self.holds.contains(&SigningHold::Observer) {
            // It only follows, and its key may sign elsewhere: its log is left as it is.
            self.holds.remove(&SigningHold::LogMissing);
        } else if self.machine.guard().is_blank() || self.holds.contains(&SigningHold::LogMissing) {
            self.holds.insert(SigningHold::LogMissing);
            self.begin_observing();
        }
        self.out.extend(self.holds.iter().map(|hold| Effect::Held(*hold)));
        if !self.holds.is_empty() {
            self.consensus(now, consensus::Event::SigningAllowed(false));
        }
        self.stand_back(now);
    }

    /// Adds or lifts a reason to sign nothing; the machine hears when the first comes or the last goes.
    pub(super) fn set_hold(&mut self, now: Now, hold: SigningHold, holds: bool) {
        let was_free = self.holds.is_empty();
        let changed = if holds {
            self.holds.insert(hold)
        } else {
            self.holds.remove(&hold)
        };
        if changed && holds {
            self.out.push(Effect::Held(hold));
        }
        if hold == SigningHold::LogMissing {
            match holds {
                true => self.begin_observing(),
                false => return self.end_observing(now, was_free),
            }
        }
        self.tell_machine(now, was_free);
    }

    pub(super) fn tell_machine(&mut self, now: Now, was_free: bool) {
        if was_free != self.holds.is_empty() {
            let allowed = self.holds.is_empty();
            self.consensus(now, consensus::Event::SigningAllowed(allowed));
        }
        self.stand_back(now);
    }

    /// True while a hold forbids even to follow the chain.
    pub(super) fn stands_still(&self) -> bool {
        self.holds.iter().any(|hold| hold.stands_still())
    }

    /// True once the tip is the height after which this node was told to decide nothing.
    pub(super) fn is_at_halt(&self) -> bool {
        self.halt_at.is_some_and(|height| self.ledger.tip() >= height)
    }

    /// Tells the machine when to arm no timers and cast no votes, and when to take up its height
    /// again: while we are far behind, and while we stand still.
    pub(super) fn stand_back(&mut self, now: Now) {
        let stands_back = self.syncing || self.stands_still();
        if stands_back != self.stands_back {
            self.stands_back = stands_back;
            self.consensus(now, consensus::Event::Syncing(stands_back));
        }
    }

    pub(super) fn masternodes_min(&self) -> usize {
        usize::try_from(self.config.params.min_masternodes).unwrap_or(usize::MAX)
    }

    /// The set may have changed with the tip.
    pub(super) fn check_set_size(&mut self, now: Now) {
        let too_few = self.ledger.validators().len() < self.masternodes_min();
        if too_few != self.holds.contains(&SigningHold::TooFewMasternodes) {
            self.set_hold(now, SigningHold::TooFewMasternodes, too_few);
        }
    }
}

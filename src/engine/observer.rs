//! A validator without the memory of its signatures (docs/CONSENSUS.md §8): it lost its log, or runs
//! an old copy of it. It follows and signs nothing until whatever it may have signed is history.
//!
//! What it signed last lies at most one height above the highest block that was certified then. Let
//! H0 be the highest tip that others prove in answer to a question asked after the loss; they are as
//! many that one of them voted at the height in progress, so no earlier signature lies above H0 + 2.
//! That mark goes to the log before anything else, and is signed above once it is final.

use std::collections::BTreeMap;

use crate::{
    chain::{Block, CommitCertificate, Height},
    consensus::{Mono, Now, Signer, ValidatorSet},
    crypto::{NodeId, PublicKey},
};

use super::{Effect, Engine, Happening, ObserverView, SigningHold};

/// The mark stands this far above the highest tip that was proved.
const ABOVE: u64 = 2;
/// Those who have not answered are asked again after this long.
const ASK_EVERY_MS: u64 = 1_000;

/// What is known so far.
#[derive(Debug)]
pub(super) struct Observer {
    /// The highest tip that each other validator showed; at or below ours it needs no proof.
    answers: BTreeMap<PublicKey, Height>,
    asked_at: Option<Mono>,
    /// Nothing at or below is signed; known once enough have answered.
    raised_to: Option<Height>,
}

impl Observer {
    /// An observer whose mark was raised before, or was not.
    pub(super) fn new(raised_to: Option<Height>) -> Self {
        Self {
            answers: BTreeMap::new(),
            asked_at: None,
            raised_to,
        }
    }
}

impl Engine {
    /// From here on what was signed is not known; a restart has to know that too.
    pub(super) fn begin_observing(&mut self) {
        if self.observer.is_some() {
            return;
        }
        if !self.machine.guard().is_blank() {
            let record = self.machine.forget();
            self.out.push(Effect::Persist(record));
        }
        self.observer = Some(Observer::new(None));
    }

    /// How far the observation is, for people.
    pub(super) fn observation(&self) -> Option<ObserverView> {
        let observer = self.observer.as_ref()?;
        Some(ObserverView {
            answers: observer.answers.len(),
            answers_needed: self.answers_needed(),
            signs_above: observer.raised_to,
            ends_by_itself: self.others_suffice(),
        })
    }

    /// At least one of so many others decided, or can still decide, the height that we may have
    /// signed at.
    fn answers_needed(&self) -> usize {
        let set = self.ledger.validators();
        set.quorum().votes().min(set.len().saturating_sub(1))
    }

    /// Asks, raises the mark, and ends the observation: whichever is due.
    pub(super) fn observe(&mut self, now: Now) {
        let Some(observer) = &self.observer else { return };
        match observer.raised_to {
            Some(raised) if raised <= self.ledger.tip() => {
                self.listen(now);
                self.set_hold(now, SigningHold::LogMissing, false);
            }
            Some(_) => {}
            None => {
                self.ask_others(now);
                self.raise_mark();
            }
        }
    }

    /// Others have to be able to finalize without us, or the mark could never become final: then only
    /// an operator can help.
    fn others_suffice(&self) -> bool {
        let set = self.ledger.validators();
        let is_member = |me: &PublicKey| set.signer_of(me).is_some();
        self.config.me.as_ref().is_some_and(is_member) && set.quorum().votes() < set.len()
    }

    fn ask_others(&mut self, now: Now) {
        if !self.others_suffice() {
            return;
        }
        let (Some(observer), set) = (&mut self.observer, self.ledger.validators()) else {
            return;
        };
        let is_due = |asked: Mono| now.mono.ms_since(asked) >= ASK_EVERY_MS;
        if !observer.asked_at.is_none_or(is_due) {
            return;
        }
        observer.asked_at = Some(now.mono);
        let answers = &observer.answers;
        let open = self
            .peers
            .proven()
            .filter(|(_, key)| set.signer_of(key).is_some() && !answers.contains_key(key));
        self.out.extend(open.map(|(peer, _)| Effect::AskStatus { peer }));
    }

    /// A validator showed its tip. `is_proved`: a certificate of it was verified.
    pub(super) fn on_tip_shown(&mut self, peer: NodeId, height: Height, is_proved: bool) {
        let Some(key) = self.peers.key_of(&peer) else {
            return;
        };
        let is_other = self.ledger.validators().signer_of(&key).is_some() && Some(key) != self.config.me;
        let counts = is_other && (is_proved || height <= self.ledger.tip());
        if let Some(observer) = self.observer.as_mut().filter(|_| counts) {
            let shown = observer.answers.entry(key).or_insert(height);
            *shown = height.max(*shown);
        }
        self.raise_mark();
    }

    fn raise_mark(&mut self) {
        let enough = self.answers_needed();
        let tip = self.ledger.tip();
        if !self.others_suffice() {
            return;
        }
        let Some(observer) = self
            .observer
            .as_mut()
            .filter(|observer| observer.raised_to.is_none() && observer.answers.len() >= enough)
        else {
            return;
        };
        let shown = observer.answers.values().copied().max().unwrap_or(tip);
        let height = shown.max(tip).saturating_add(ABOVE);
        observer.raised_to = Some(height);
        self.ours_end_at = Some(height);
        let record = self.machine.raise_to(height);
        self.out.push(Effect::Persist(record));
        self.out.push(Effect::Happened(Happening::RaisedTo { height }));
    }

    /// Whoever lifts the hold answers for it; until the mark is known, only this engine does.
    pub(super) fn end_observing(&mut self, now: Now, was_free: bool) {
        self.observer = None;
        self.tell_machine(now, was_free);
    }

    /// A certificate that holds our signature above what our log knows: the log is an old copy, and
    /// there may be more that it does not know of. Above what may have been ours before this run, another
    /// node signs. `own` is our place in the set of the certificate.
    pub(super) fn look_for_own_signature(
        &mut self,
        now: Now,
        certificate: &CommitCertificate,
        own: Option<Signer>,
    ) {
        let Some(signer) = own else { return };
        // Whoever only follows may have given its key to another node on purpose.
        if self.holds.contains(&SigningHold::Observer) {
            return;
        }
        let is_unknown = self.machine.guard().mark() < Some(certificate.height);
        if !is_unknown || !certificate.signers().any(|found| found == signer) {
            return;
        }
        if self.ours_end_at.is_some_and(|end| certificate.height > end) {
            self.set_hold(now, SigningHold::Doppelganger, true);
        } else if self.observer.is_none() {
            self.set_hold(now, SigningHold::LogMissing, true);
        }
    }

    /// Our place in a set, if we have one.
    pub(super) fn own_place(&self, set: &ValidatorSet) -> Option<Signer> {
        let me = self.config.me.as_ref();
        me.and_then(|me| set.signer_of(me))
    }

    /// The same for what a block that was decided just now says of the tip below it: there stand those
    /// whose COMMIT came too late to decide.
    pub(super) fn look_below(&mut self, now: Now, block: &Block) {
        if let Some(certificate) = &block.prev_commit {
            let own = self.own_place(self.ledger.validators_of_tip());
            self.look_for_own_signature(now, certificate, own);
        }
    }
}

#[cfg(test)]
pub(super) mod tests;

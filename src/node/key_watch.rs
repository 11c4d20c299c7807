//! Who else has this node's consensus key: asks when the engine wants to know, answers whoever asks, and passes
//! questions and answers on towards the sessions that proved the key in question.
//!
//! What comes over a session that proved the key goes to every masternode, and what a masternode passes on
//! goes to the sessions that proved the key: two holders find each other without a peer in common. An answer counts only if the key itself signed it for this run of ours, so nobody
//! without the key can keep this node from signing. Strangers are heard in none of this.

mod pace;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::Sender;

use crate::{
    consensus::Mono,
    crypto::{Hash256, HashWriter, NodeId, PublicKey},
    engine::{Event, SigningHold},
    network::{Link, Network},
    signer::{Signer, Wish},
    wire::{KeyCall, KeyClaim, KeyHeld, Message, capability},
};

use pace::{Pace, Said};

use super::{clock::NodeClock, driver::Shared, spawner::Tasks};

/// One run is answered at most this often: its question comes from many sides at once.
const ANSWER_EVERY_MS: u64 = 200;
/// Runs whose answer is kept, newest last.
const ANSWERS_MAX: usize = 8;
/// People are told of whoever asks at most this often.
const TELL_EVERY_MS: u64 = 60_000;

/// The key of this node and the ways to ask for it.
pub(super) struct KeyWatch {
    pub(super) chain_id: Hash256,
    /// `None` if this node signs nothing by its operator's wish.
    pub(super) signer: Option<Arc<dyn Signer>>,
    pub(super) node_id: NodeId,
    /// Random, new in every run.
    pub(super) run: Hash256,
    pub(super) network: Network,
    pub(super) shared: Arc<Shared>,
    /// To the engine: the vote queue.
    pub(super) engine: Sender<Event>,
    pub(super) clock: NodeClock,
    pub(super) tasks: Arc<Tasks>,
    pub(super) last: Mutex<Last>,
}

/// What was done lately.
#[derive(Debug, Default)]
pub(super) struct Last {
    pace: Pace,
    answers: Vec<Answer>,
    told: Option<Mono>,
}

/// Our answer to one run, and when it was given last. Signed once.
#[derive(Debug)]
struct Answer {
    run: Hash256,
    at: Mono,
    held: Option<KeyHeld>,
}

impl Last {
    /// True if the run is to be answered now; with the answer, if it is signed already.
    fn answer_to(&mut self, run: Hash256, now: Mono) -> Option<Option<KeyHeld>> {
        if let Some(answer) = self.answers.iter_mut().find(|answer| answer.run == run) {
            let is_due = now.ms_since(answer.at) >= ANSWER_EVERY_MS;
            return is_due.then(|| {
                answer.at = now;
                answer.held
            });
        }
        if self.answers.len() == ANSWERS_MAX {
            self.answers.remove(0);
        }
        self.answers.push(Answer {
            run,
            at: now,
            held: None,
        });
        Some(None)
    }

    fn tells(&mut self, now: Mono) -> bool {
        let tells = self.told.is_none_or(|at| now.ms_since(at) >= TELL_EVERY_MS);
        if tells {
            self.told = Some(now);
        }
        tells
    }
}

impl KeyWatch {
    fn key(&self) -> Option<PublicKey> {
        self.signer.as_ref().map(|signer| signer.public_key())
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks every peer.
    pub(super) fn call(&self) {
        if let Some(key) = self.key() {
            let call = KeyCall { key, run: self.run };
            self.tell(&Message::KeyCall(call), |_| true);
        }
    }

    /// Somebody asks who else has its key.
    pub(super) fn on_call(self: &Arc<Self>, from: NodeId, call: KeyCall) {
        let Some(link) = self.speaker(from, call.key) else {
            return;
        };
        if self.key() != Some(call.key) {
            self.pass_on(&Message::KeyCall(call), link, call.key);
            return;
        }
        // Our own question, come back.
        if call.run == self.run || !self.may_sign() {
            return;
        }
        let now = self.clock.mono();
        let (answer, tells) = {
            let mut last = self.last();
            let Some(answer) = last.answer_to(call.run, now) else {
                return;
            };
            (answer, last.tells(now))
        };
        let answer = answer.filter(|held| held.claim.signs == self.signs());
        if tells {
            tracing::warn!(
                via = %from.short(),
                "a peer passes on that another node has started with this node's key; it is told that the key is in use. If you did not start one, somebody may have your key"
            );
        }
        match answer {
            Some(held) => self.tell(&Message::KeyHeld(held), |_| true),
            // The signer may be slow, and votes wait behind this thread.
            None => {
                let (this, tasks) = (Arc::clone(self), Arc::clone(&self.tasks));
                self.tasks.start("key in use", async move {
                    let _ = tasks.blocking(move || this.answer(call)).await;
                });
            }
        }
    }

    /// To everybody, whichever peer asked: one that keeps the answer to itself keeps it from nobody.
    fn answer(&self, call: KeyCall) {
        let Some(signer) = &self.signer else { return };
        let claim = KeyClaim {
            chain_id: self.chain_id,
            run: call.run,
            holder: self.node_id,
            signs: self.signs(),
        };
        match signer.sign(&Wish::Claim(claim)) {
            Ok(signature) => {
                let held = KeyHeld {
                    key: call.key,
                    claim,
                    signature,
                };
                for answer in &mut self.last().answers {
                    if answer.run == call.run {
                        answer.held = Some(held);
                    }
                }
                self.tell(&Message::KeyHeld(held), |_| true);
            }
            // People hear of a lost signer elsewhere; the question comes again.
            Err(error) => tracing::debug!(%error, "the signer did not sign that its key is in use"),
        }
    }

    /// Somebody says that it has a key, to whoever asked.
    pub(super) fn on_held(&self, from: NodeId, held: KeyHeld) {
        let Some(link) = self.speaker(from, held.key) else {
            return;
        };
        let Some(key) = self.key().filter(|key| *key == held.key) else {
            self.pass_on(&Message::KeyHeld(held), link, held.key);
            return;
        };
        let call = KeyCall { key, run: self.run };
        let (asks, signs) = (self.shared.view.load().asks_for_key, self.signs());
        // Of two, the one that signs stays: the other one asks too, and stops.
        if !asks || signs && !held.claim.signs || !held.answers(&call, &self.chain_id) {
            return;
        }
        tracing::error!(
            node = %held.claim.holder.short(),
            via = %from.short(),
            "another node has this node's key: it says so itself"
        );
        // A full queue: it is asked again, and answers again.
        let _ = self
            .engine
            .try_send(Event::Signing(SigningHold::Doppelganger, true));
    }

    /// The session, if whoever is at its other end may speak of this key now: a masternode, or a holder.
    fn speaker(&self, from: NodeId, key: PublicKey) -> Option<Link> {
        let link = self.network.link_to(&from)?;
        let may_speak = link.validator.is_some() || link.proved == Some(key);
        (may_speak && self.last().pace.has_share(from, self.clock.mono())).then_some(link)
    }

    /// To the other sessions that proved `key`; to masternodes too if it came from one that did.
    fn pass_on(&self, message: &Message, from: Link, key: PublicKey) {
        let is_first_hand = from.proved == Some(key);
        let Ok(body) = message.encode_body() else { return };
        let what = HashWriter::new("timed/key-said/1").bytes(&body).finish();
        let said = Said { what, is_first_hand };
        if self.last().pace.is_new(said, self.clock.mono()) {
            self.tell(message, |link| {
                let is_towards = link.proved == Some(key) || is_first_hand && link.validator.is_some();
                is_towards && link.node_id != from.node_id
            });
        }
    }

    fn tell(&self, message: &Message, choose: impl Fn(&Link) -> bool) {
        let choose = |link: &Link| link.capabilities & capability::KEY_CALLS != 0 && choose(link);
        if let Err(error) = self.network.broadcast(message, choose) {
            tracing::error!(%error, kind = ?message.message_type(), "own message does not encode");
        }
    }

    fn signs(&self) -> bool {
        self.shared.view.load().holds.is_empty()
    }

    /// False if nothing will be signed any more in this run.
    fn may_sign(&self) -> bool {
        let holds = &self.shared.view.load().holds;
        let ends = [
            SigningHold::Observer,
            SigningHold::Doppelganger,
            SigningHold::LogFailed,
            SigningHold::StoreFailed,
            SigningHold::ExecutionMismatch,
            SigningHold::SafetyViolation,
            SigningHold::Stopping,
        ];
        !ends.iter().any(|hold| holds.contains(hold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_answered_at_intervals_and_signed_once() {
        let at = |ms: u64| Mono::from_micros(ms * 1_000);
        let run = |byte| Hash256::from_bytes([byte; 32]);
        let mut last = Last::default();
        assert_eq!(last.answer_to(run(1), at(1_000)), Some(None));
        assert_eq!(
            last.answer_to(run(1), at(1_199)),
            None,
            "its copies come from all sides"
        );
        assert_eq!(
            last.answer_to(run(2), at(1_199)),
            Some(None),
            "another asker is heard at once"
        );
        assert!(last.answer_to(run(1), at(1_200)).is_some());
        for other in 10..10 + ANSWERS_MAX as u8 {
            assert_eq!(last.answer_to(run(other), at(1_300)), Some(None));
        }
        assert_eq!(last.answers.len(), ANSWERS_MAX);
    }
}

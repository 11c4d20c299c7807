//! Who else has this node's consensus key: asks when the engine wants to know, answers whoever asks, and passes
//! questions and answers on towards the sessions that proved the key in question.
//!
//! What comes over a session that proved the key goes to every masternode, and what a masternode passes on
//! goes to the sessions that proved the key: two holders find each other without a peer in common. An answer counts only if the key itself signed it for this run of ours, so nobody
//! without the key can keep this node from signing. Strangers are heard in none of this.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::Sender;
use tokio::sync::Semaphore;

use crate::{
    consensus::Mono,
    crypto::{Hash256, HashWriter, NodeId, PublicKey},
    engine::{Event, SigningHold},
    network::{Link, Network},
    signer::{Signer, Wish},
    wire::{KeyCall, KeyClaim, KeyHeld, Message, capability},
};

use super::{clock::NodeClock, driver::Shared, duplicates::Duplicates, spawner::Tasks};

/// Answers that wait for the signer at once; beyond, whoever asks asks again.
pub(super) const SIGNING_MAX: usize = 8;
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
    /// Places for [`SIGNING_MAX`] answers.
    pub(super) signing: Arc<Semaphore>,
}

/// What was done lately.
#[derive(Debug, Default)]
pub(super) struct Last {
    /// What was passed on or answered: the same comes from many sides at once.
    heard: Duplicates,
    told: Option<Mono>,
}

impl Last {
    /// True if people are to be told; then it is remembered.
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
        let message = Message::KeyCall(call);
        if self.key() != Some(call.key) {
            self.pass_on(&message, link, call.key);
            return;
        }
        // Our own question, come back.
        if call.run == self.run || !self.may_sign() || !self.is_new(&message, false) {
            return;
        }
        if self.last().tells(self.clock.mono()) {
            tracing::warn!(
                via = %from.short(),
                "a peer passes on that another node has started with this node's key; it is told that the key is in use. If you did not start one, somebody may have your key"
            );
        }
        let Ok(place) = Arc::clone(&self.signing).try_acquire_owned() else {
            return;
        };
        // The signer may be slow, and votes wait behind this thread.
        let (this, tasks) = (Arc::clone(self), Arc::clone(&self.tasks));
        self.tasks.start("key in use", async move {
            let _ = tasks.blocking(move || this.answer(call)).await;
            drop(place);
        });
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
        (link.validator.is_some() || link.proved == Some(key)).then_some(link)
    }

    /// To the other sessions that proved `key`; to masternodes too if it came from one that did.
    fn pass_on(&self, message: &Message, from: Link, key: PublicKey) {
        let is_first_hand = from.proved == Some(key);
        if self.is_new(message, is_first_hand) {
            self.tell(message, |link| {
                let is_towards = link.proved == Some(key) || is_first_hand && link.validator.is_some();
                is_towards && link.node_id != from.node_id
            });
        }
    }

    /// True if this did not come a moment ago; at first hand it goes further, and counts apart. What is
    /// remembered is the whole message: a liar's answer must not stand in the way of a true one.
    fn is_new(&self, message: &Message, is_first_hand: bool) -> bool {
        let Ok(body) = message.encode_body() else {
            return false;
        };
        let id = HashWriter::new("timed/key-heard/1")
            .bytes(&[u8::from(is_first_hand)])
            .bytes(&body)
            .finish();
        let (mut last, now) = (self.last(), self.clock.mono());
        let is_new = !last.heard.has(&id, now);
        if is_new {
            last.heard.add(id, now);
        }
        is_new
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

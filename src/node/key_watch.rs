//! Who else has this node's consensus key: asks while the node listens, answers whoever asks, and passes
//! questions and answers on between sessions that proved the same key.
//!
//! An answer holds only if the key itself signed it for this run of ours, so nobody without the key can keep
//! this node from signing. Whoever will never sign again without a restart says nothing.

use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::Sender;

use crate::{
    consensus::Mono,
    crypto::{Hash256, NodeId, PublicKey},
    engine::{Event, SigningHold},
    network::{Link, Network},
    signer::{Signer, Wish},
    wire::{KeyCall, KeyClaim, KeyHeld, Message, capability},
};

use super::{clock::NodeClock, driver::Shared, spawner::Tasks};

/// Questions about our key are answered at most this often: each costs a signature.
const ANSWER_EVERY_MS: u64 = 200;
/// People are told of whoever asks at most this often.
const TELL_EVERY_MS: u64 = 60_000;

/// The key of this node and the ways to ask for it.
pub(super) struct KeyWatch {
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

/// When something was done last that is not done at every question.
#[derive(Debug, Default)]
pub(super) struct Last {
    answered: Option<Mono>,
    told: Option<Mono>,
}

/// True if it is time again; then it is remembered as done.
fn is_due(last: &mut Option<Mono>, now: Mono, every_ms: u64) -> bool {
    let is_due = last.is_none_or(|at| now.ms_since(at) >= every_ms);
    if is_due {
        *last = Some(now);
    }
    is_due
}

impl KeyWatch {
    fn key(&self) -> Option<PublicKey> {
        self.signer.as_ref().map(|signer| signer.public_key())
    }

    /// Asks every peer that passes such questions on.
    pub(super) fn call(&self) {
        if let Some(key) = self.key() {
            let call = KeyCall { key, run: self.run };
            self.tell(&Message::KeyCall(call), |_| true);
        }
    }

    /// Somebody asks who else has its key.
    pub(super) fn on_call(self: &Arc<Self>, from: NodeId, call: KeyCall) {
        if self.key() != Some(call.key) {
            self.pass_on(&Message::KeyCall(call), from, call.key);
            return;
        }
        // Our own question, come back.
        if call.run == self.run || !self.may_sign() {
            return;
        }
        let now = self.clock.mono();
        let (answers, tells) = {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            let answers = is_due(&mut last.answered, now, ANSWER_EVERY_MS);
            (answers, answers && is_due(&mut last.told, now, TELL_EVERY_MS))
        };
        if tells {
            tracing::warn!(
                via = %from.short(),
                "another node has started with this node's key; it is told that the key is in use. If you did not start it, somebody has your key"
            );
        }
        if answers {
            let this = Arc::clone(self);
            let tasks = Arc::clone(&self.tasks);
            // The signer may be slow, and votes wait behind this thread.
            self.tasks.start("key in use", async move {
                let _ = tasks.blocking(move || this.answer(from, call)).await;
            });
        }
    }

    fn answer(&self, to: NodeId, call: KeyCall) {
        let Some(signer) = &self.signer else { return };
        let claim = KeyClaim {
            run: call.run,
            holder: self.node_id,
        };
        match signer.sign(&Wish::Claim(claim)) {
            Ok(signature) => {
                let held = KeyHeld {
                    key: call.key,
                    claim,
                    signature,
                };
                self.tell(&Message::KeyHeld(held), |link| link.node_id == to);
            }
            Err(error) => {
                tracing::warn!(%error, "the signer did not sign that its key is in use; whoever asks asks again");
            }
        }
    }

    /// Somebody says that it has a key, to whoever asked.
    pub(super) fn on_held(&self, from: NodeId, held: KeyHeld) {
        if self.key() != Some(held.key) {
            self.pass_on(&Message::KeyHeld(held), from, held.key);
            return;
        }
        // Who signs already heard nobody while it listened; the other one is told the same, and stops.
        let listens = self.shared.view.load().holds.contains(&SigningHold::Listening);
        if !listens || held.claim.run != self.run || held.verify().is_err() {
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

    /// To the other sessions that proved `key`, if this came over one that did.
    fn pass_on(&self, message: &Message, from: NodeId, key: PublicKey) {
        let has_key = |link: &Link| link.validator == Some(key);
        if self
            .network
            .has_link(|link| link.node_id == from && has_key(link))
        {
            self.tell(message, |link| link.node_id != from && has_key(link));
        }
    }

    fn tell(&self, message: &Message, choose: impl Fn(&Link) -> bool) {
        let choose = |link: &Link| link.capabilities & capability::KEY_CALLS != 0 && choose(link);
        if let Err(error) = self.network.broadcast(message, choose) {
            tracing::error!(%error, kind = ?message.message_type(), "own message does not encode");
        }
    }

    /// False if nothing will be signed any more in this run.
    fn may_sign(&self) -> bool {
        let holds = &self.shared.view.load().holds;
        let ends = [
            SigningHold::Observer,
            SigningHold::Doppelganger,
            SigningHold::Stopping,
        ];
        !ends.iter().any(|hold| holds.contains(hold))
    }
}

//! The signer in another process, seen from the node: while it does not answer, the node signs nothing,
//! says so, and goes on following.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crossbeam_channel::Sender;

use crate::{
    engine::{Event, SigningHold},
    metrics::{Metrics, labels::SignResult},
    network::Network,
    signer::Signer,
};

/// How often it is looked at.
const EVERY: Duration = Duration::from_millis(250);
/// Sessions are begun again for the sake of a proof at most this often.
const PROVE_AGAIN_EVERY: Duration = Duration::from_secs(30);

/// Watches one signer.
pub(super) struct SignerLink {
    pub(super) signer: Arc<dyn Signer>,
    /// What the engine was told last.
    pub(super) is_lost: bool,
    /// True if a session began without the proof that the key is ours.
    pub(super) unproved: Arc<AtomicBool>,
    /// When all sessions were begun again for that.
    pub(super) proved_again: Option<Instant>,
    pub(super) network: Network,
    pub(super) engine: Sender<Event>,
    pub(super) metrics: Arc<Metrics>,
}

impl SignerLink {
    /// Until the node stops.
    pub(super) async fn watch(mut self) {
        if self.is_lost {
            tracing::error!(
                reason = self.signer.lack(),
                "the signer does not answer: nothing is signed"
            );
        }
        let mut every = tokio::time::interval(EVERY);
        loop {
            every.tick().await;
            let lack = self.signer.lack();
            if lack.is_some() {
                // The alert counts failures, and while it is lost nobody asks it for anything.
                self.metrics.consensus.signer_requests.inc(SignResult::Error);
            }
            if lack.is_some() == self.is_lost {
                if !self.is_lost {
                    self.prove_again();
                }
                continue;
            }
            let event = Event::Signing(SigningHold::SignerLost, lack.is_some());
            if self.engine.try_send(event).is_err() {
                continue; // The engine is busy: said again at the next look.
            }
            self.is_lost = lack.is_some();
            match lack {
                Some(reason) => {
                    tracing::error!(
                        reason,
                        "the signer does not answer: nothing is signed until it is back"
                    );
                }
                None => tracing::info!("the signer answers: this node signs again"),
            }
        }
    }

    /// Validators send votes only over sessions that proved a key: those that began without the signer
    /// are begun again. All of them ask the signer at once then, and one that is slow must not end them
    /// again and again.
    fn prove_again(&mut self) {
        let waits = |at: Instant| at.elapsed() < PROVE_AGAIN_EVERY;
        if self.proved_again.is_some_and(waits) || !self.unproved.swap(false, Ordering::Relaxed) {
            return;
        }
        self.proved_again = Some(Instant::now());
        let peers = self.network.peers();
        tracing::info!(sessions = peers.len(), "sessions begin again, to prove the key");
        for peer in peers {
            self.network.disconnect(&peer.node_id);
        }
    }
}

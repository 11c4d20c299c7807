//! Says on the chain that this node is there, while its masternode waits to join the set.
//!
//! Once a reward period, free of charge, signed by the consensus key under a domain of its own: it names
//! the block that the period grows on, so only a node that follows the chain can say it. Nothing is said
//! while this node would not sign votes either.

use std::{sync::Arc, time::Duration};

use crossbeam_channel::Sender;

use crate::{
    chain::{
        BlockHash, Height, MasternodeChange, MasternodeId, MasternodeUpdate, Ready, SharedTransaction,
        Standing, TRANSACTION_VERSION, Transaction, TransactionKind,
    },
    crypto::{Hash256, Verified},
    engine::{Arrival, Event, Source},
    signer::{Signer, Wish},
    storage::StoreReader,
};

use super::{driver::Shared, spawner::Tasks};

/// How often is looked whether something has to be said.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Looks until it is said again, if no block took it: it may have been lost on the way.
const SAY_AGAIN: u32 = 20;
/// A tip this far below what others claim is not yet there.
const BEHIND_MAX: u64 = 1;

/// The task's parts.
pub(super) struct ReadyTask {
    pub(super) chain_id: Hash256,
    pub(super) signer: Arc<dyn Signer>,
    pub(super) reader: StoreReader,
    pub(super) shared: Arc<Shared>,
    pub(super) engine: Sender<Event>,
    pub(super) tasks: Arc<Tasks>,
}

/// What there is to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Word {
    id: MasternodeId,
    block: BlockHash,
}

impl ReadyTask {
    pub(super) async fn run(self) {
        let this = Arc::new(self);
        let mut every = tokio::time::interval(LOOK_EVERY);
        let mut said: Option<Word> = None;
        let mut looks: u32 = 0;
        loop {
            tokio::select! {
                biased;
                () = this.tasks.stopped() => return,
                _ = every.tick() => {}
            }
            let Some(word) = this.due() else { continue };
            looks = looks.saturating_add(1);
            if said == Some(word) && looks < SAY_AGAIN {
                continue;
            }
            (said, looks) = (Some(word), 0);
            let speaker = Arc::clone(&this);
            // The signer may be slow, and the engine's queue full.
            let _ = this.tasks.blocking(move || speaker.say(word)).await;
        }
    }

    fn due(&self) -> Option<Word> {
        let state = self.reader.state();
        let me = self.signer.public_key();
        let node = state
            .registry
            .holder(&me)
            .filter(|node| node.validator_key == me)?;
        let waits = node.standing == Standing::Pending
            && !node.is_leaving
            && node.conviction.is_none()
            && node.ready_in != Some(state.totals.epoch.number);
        if !waits {
            return None;
        }
        let view = self.shared.view.load();
        let behind = view.sync.target.get().saturating_sub(state.tip.height.get());
        let is_in_sync = !view.sync.active && behind <= BEHIND_MAX && view.holds.is_empty();
        is_in_sync.then(|| Word {
            id: node.id,
            block: state.anchor(),
        })
    }

    fn say(&self, word: Word) {
        let wish = Wish::Ready {
            chain_id: self.chain_id,
            masternode: word.id,
            block: word.block,
        };
        let signature = match self.signer.sign(&wish) {
            Ok(signature) => signature,
            Err(error) => {
                tracing::error!(%error, "the signer did not sign that this node is there; it stays pending");
                return;
            }
        };
        let change = MasternodeChange::Ready(Ready {
            consensus_key: self.signer.public_key(),
            block: word.block,
            signature,
        });
        let transaction = SharedTransaction::new(Transaction {
            version: TRANSACTION_VERSION,
            kind: TransactionKind::UpdateMasternode(Box::new(MasternodeUpdate { id: word.id, change })),
            inputs: Vec::new(),
            outputs: Vec::new(),
            valid_until_height: Height::GENESIS,
            witnesses: Vec::new(),
        });
        let txid = transaction.txid();
        match Verified::check(transaction, &self.chain_id) {
            Ok(transaction) => {
                tracing::info!(masternode = %word.id, %txid, "this node is there: it asks to join the validator set");
                let source = Source::Own;
                // Full: said again soon.
                let _ = self
                    .engine
                    .try_send(Event::Transactions(vec![Arrival { transaction, source }]));
            }
            Err(error) => tracing::error!(%error, "the signer's signature does not hold; check its key"),
        }
    }
}

//! Who waits for the verdict on a transaction: a number goes through the engine, the answer comes
//! back to the one who asked.

use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use tokio::sync::oneshot;

use crate::{chain::TxId, mempool::Refusal};

/// Callers that may wait at once; more are told that the node is busy.
const TICKETS_MAX: usize = 4_096;

type Verdict = Result<TxId, Refusal>;

/// Open questions by number.
#[derive(Debug, Default)]
pub(super) struct Tickets {
    next: AtomicU64,
    open: DashMap<u64, oneshot::Sender<Verdict>>,
}

impl Tickets {
    /// Opens a ticket; `None` if too many are open.
    pub(super) fn open(&self) -> Option<(u64, oneshot::Receiver<Verdict>)> {
        if self.open.len() >= TICKETS_MAX {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, wait) = oneshot::channel();
        self.open.insert(number, answer);
        Some((number, wait))
    }

    /// Closes a ticket whose question never got to the engine.
    pub(super) fn close(&self, number: u64) {
        self.open.remove(&number);
    }

    /// Answers a ticket. Whoever asked may be gone; the transaction is in the pool all the same.
    pub(super) fn answer(&self, number: u64, verdict: Verdict) {
        if let Some((_, answer)) = self.open.remove(&number) {
            let _ = answer.send(verdict);
        }
    }
}

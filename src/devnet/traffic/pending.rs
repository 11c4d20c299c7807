//! Transactions on their way to finality, and what became of those that arrived.
//!
//! Time comes as arguments, so that every case can be tested without waiting.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::{
    chain::{SharedTransaction, TxId},
    devnet::{
        coins::{Coin, Made},
        histogram::Histogram,
        target::Submission,
    },
};

/// A transaction to submit again, and the node to submit it to.
type Resubmission = (usize, SharedTransaction);
/// Coins that are free again, and the node whose they are.
type Returned = (usize, Vec<Coin>);

/// What a submission that was never answered counts as.
const NO_ANSWER: &str = "no_answer";

/// A transaction that is not final after this long is submitted again, elsewhere.
pub(super) const RESUBMIT_AFTER: Duration = Duration::from_secs(5);

/// Our two clocks at one moment.
#[derive(Debug, Clone, Copy)]
pub(in crate::devnet) struct Stamp {
    pub(super) at: Instant,
    pub(super) unix_us: u64,
}

/// When a node called a transaction final.
#[derive(Debug, Clone, Copy)]
pub(in crate::devnet) struct Finality {
    /// When we saw it.
    pub(in crate::devnet) seen: Instant,
    /// By the clock of the node, if it is ours.
    pub(in crate::devnet) stamp_ms: Option<u64>,
}

impl Stamp {
    /// Both clocks now.
    pub(in crate::devnet) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            at: Instant::now(),
            unix_us: u64::try_from(since.as_micros()).unwrap_or(u64::MAX),
        }
    }
}

impl Finality {
    /// From the acceptance to here. A stamp in whole milliseconds stands for the middle of its
    /// millisecond; no stamp is believed that lies behind what was seen.
    pub(in crate::devnet) fn since(self, accepted: Stamp) -> Duration {
        let seen = self.seen.saturating_duration_since(accepted.at);
        let Some(ms) = self.stamp_ms else {
            return seen;
        };
        let us = ms.saturating_mul(1_000).saturating_add(500);
        Duration::from_micros(us.saturating_sub(accepted.unix_us)).min(seen)
    }
}

#[derive(Debug)]
struct Pending {
    made: Made,
    /// The node it was submitted to last, on whose finality it and its coins wait.
    node: usize,
    accepted: Option<Stamp>,
    /// How often it was submitted; only the acceptance of the first time is a moment worth timing.
    attempts: u32,
    is_in_flight: bool,
    sent: Instant,
    /// Final on `node`.
    here: Option<Finality>,
    /// Final on another node, the first that told.
    elsewhere: Option<(usize, Finality)>,
}

/// What became of all transactions so far.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Transactions made and sent, each counted once.
    pub submitted: u64,
    /// Taken by a pool.
    pub accepted: u64,
    /// Not taken, by reason.
    pub refused: BTreeMap<String, u64>,
    /// In a final block.
    pub made_final: u64,
    /// From acceptance to finality.
    pub finality: Histogram,
}

/// Coins that can be spent, and the node that has them.
pub(super) type Released = Option<(usize, Vec<Coin>)>;

/// The table of transactions that are not final yet.
#[derive(Debug, Default)]
pub(super) struct PendingTable {
    by_txid: HashMap<TxId, Pending>,
    counts: Counts,
}

impl PendingTable {
    /// What became of all so far.
    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Transactions that are not final yet.
    pub(super) fn len(&self) -> usize {
        self.by_txid.len()
    }

    /// Accepted transactions that are not final yet.
    pub(super) fn accepted_waiting(&self) -> u64 {
        let is_accepted = |pending: &&Pending| pending.accepted.is_some();
        self.by_txid.values().filter(is_accepted).count() as u64
    }

    /// A transaction is being submitted for the first time.
    pub(super) fn insert(&mut self, made: Made, node: usize, now: Instant) {
        self.counts.submitted += 1;
        let txid = made.transaction.txid();
        let pending = Pending {
            made,
            node,
            accepted: None,
            attempts: 1,
            is_in_flight: true,
            sent: now,
            here: None,
            elsewhere: None,
        };
        self.by_txid.insert(txid, pending);
    }

    /// The answer to a submission, with the moment it arrived.
    pub(super) fn on_answer(&mut self, txid: TxId, answer: Submission, now: Stamp) -> Released {
        let pending = self.by_txid.get_mut(&txid)?;
        pending.is_in_flight = false;
        let is_first = pending.accepted.is_none();
        match answer {
            Submission::Accepted if is_first => {
                pending.accepted = Some(now);
                self.counts.accepted += 1;
            }
            Submission::Accepted => {}
            // It had arrived before, though nobody said so then.
            Submission::Refused(code) if code == "duplicate" => {
                pending.attempts = pending.attempts.max(2);
                if is_first {
                    pending.accepted = Some(now);
                    self.counts.accepted += 1;
                }
            }
            Submission::Refused(code) if is_first && !pending.is_final() => return self.refuse(txid, code),
            // A second attempt refused, or nobody answered: the first may still become final.
            Submission::Refused(_) | Submission::Unknown => {}
        }
        self.finish(txid)
    }

    /// A node says that a transaction is final. `waits_here`: whether the node it was submitted to
    /// can be expected to say so too.
    pub(super) fn on_final(
        &mut self,
        txid: TxId,
        node: usize,
        finality: Finality,
        waits_here: impl FnOnce(usize) -> bool,
    ) -> Released {
        let pending = self.by_txid.get_mut(&txid)?;
        if pending.node != node && waits_here(pending.node) {
            pending.elsewhere.get_or_insert((node, finality));
            return None;
        }
        pending.node = node;
        pending.here.get_or_insert(finality);
        self.finish(txid)
    }

    /// What has waited too long: transactions to submit again to `next_node`, if there is one, and
    /// coins of those that became final, though not on their own node.
    pub(super) fn overdue(
        &mut self,
        now: Instant,
        mut next_node: impl FnMut() -> Option<usize>,
    ) -> (Vec<Resubmission>, Vec<Returned>) {
        let is_late = |pending: &Pending| {
            !pending.is_in_flight && now.saturating_duration_since(pending.sent) >= RESUBMIT_AFTER
        };
        let late: Vec<TxId> = self
            .by_txid
            .iter()
            .filter(|(_, pending)| is_late(pending))
            .map(|(txid, _)| *txid)
            .collect();
        let mut again = Vec::new();
        let mut released = Vec::new();
        for txid in late {
            let Some(pending) = self.by_txid.get_mut(&txid) else {
                continue;
            };
            if let Some((node, finality)) = pending.elsewhere {
                pending.node = node;
                pending.here = Some(finality);
                released.extend(self.finish(txid));
            } else if let Some(node) = next_node() {
                pending.node = node;
                pending.attempts += 1;
                pending.is_in_flight = true;
                pending.sent = now;
                again.push((node, pending.made.transaction.clone()));
            }
        }
        (again, released)
    }

    /// Ends the account: what is final anywhere counts, what was never answered was not accepted.
    pub(super) fn close(mut self) -> (Counts, u64) {
        let all: Vec<TxId> = self.by_txid.keys().copied().collect();
        for txid in all {
            let Some(pending) = self.by_txid.get_mut(&txid) else {
                continue;
            };
            pending.is_in_flight = false;
            pending.here = pending.here.or(pending.elsewhere.map(|(_, finality)| finality));
            if pending.accepted.is_none() && pending.here.is_none() {
                self.by_txid.remove(&txid);
                *self.counts.refused.entry(NO_ANSWER.to_owned()).or_default() += 1;
            } else {
                self.finish(txid);
            }
        }
        let lost = self.accepted_waiting();
        (self.counts, lost)
    }

    /// Takes a transaction that is final, and whose submission has been answered, off the table.
    fn finish(&mut self, txid: TxId) -> Released {
        let pending = self.by_txid.get(&txid)?;
        let finality = pending.here.filter(|_| !pending.is_in_flight)?;
        let pending = self.by_txid.remove(&txid)?;
        match pending.accepted {
            Some(accepted) if pending.attempts == 1 => {
                self.counts.finality.add(finality.since(accepted));
            }
            Some(_) => {}
            // It is final, so it was accepted, whatever became of the answer.
            None => self.counts.accepted += 1,
        }
        self.counts.made_final += 1;
        Some((pending.node, pending.made.created))
    }

    fn refuse(&mut self, txid: TxId, code: String) -> Released {
        let pending = self.by_txid.remove(&txid)?;
        // Of these the coins are as good as before; other refusals say that a coin is not.
        let keeps = matches!(
            code.as_str(),
            "busy" | "pool_full" | "fee_too_low" | "unavailable"
        );
        *self.counts.refused.entry(code).or_default() += 1;
        keeps.then_some((pending.node, pending.made.spent))
    }
}

impl Pending {
    fn is_final(&self) -> bool {
        self.here.is_some() || self.elsewhere.is_some()
    }
}

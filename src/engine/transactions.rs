//! Transactions: into the pool, out of it, on to those who propose.

use std::collections::VecDeque;

use crate::{
    chain::{Block, SharedTransaction, TransactionError, TxId},
    consensus::{self, Now},
    mempool::Refusal,
};

use super::{Arrival, Effect, Engine, Source, blame};

impl Engine {
    /// Judges arrivals in order; what the pool takes is relayed, what it refuses is answered.
    pub(super) fn on_transactions(&mut self, now: Now, arrivals: Vec<Arrival>) {
        let was_empty = self.ledger.pool().is_empty();
        let mut pooled = Vec::new();
        let mut ours: Vec<SharedTransaction> = Vec::new();
        let mut restored: Vec<SharedTransaction> = Vec::new();
        let mut theirs: std::collections::BTreeMap<crate::crypto::NodeId, Vec<SharedTransaction>> =
            std::collections::BTreeMap::new();
        let mut gone: Vec<(TxId, Option<&'static str>)> = Vec::new();
        let mut replies = Vec::new();
        // What arrives may be what others waited for; they follow it at once.
        let mut arrivals = VecDeque::from(arrivals);
        while let Some(Arrival { transaction, source }) = arrivals.pop_front() {
            let shared: SharedTransaction = (*transaction).clone();
            let is_gossip = matches!(source, Source::Peer(_));
            let pool = self.ledger.pool();
            if is_gossip && (pool.seen(&shared.txid(), None).is_some() || pool.is_orphan(&shared.txid())) {
                continue; // It came on two roads, as gossip does: nobody's fault and no refusal.
            }
            let since = match source {
                Source::Saved { since, .. } => since.min(now.wall),
                Source::Own | Source::Local(_) | Source::Peer(_) => now.wall,
            };
            match self.ledger.admit(transaction.clone(), now.wall, since) {
                Ok(evicted) => {
                    for (transaction, peer) in self.ledger.adopt(&shared.txid()).into_iter().rev() {
                        let source = Source::Peer(peer);
                        arrivals.push_front(Arrival { transaction, source });
                    }
                    gone.extend(evicted.into_iter().map(|txid| (txid, Some("evicted"))));
                    pooled.push(shared.clone());
                    match source {
                        Source::Local(ticket) => {
                            replies.push(Effect::Reply {
                                ticket,
                                verdict: Ok(shared.txid()),
                            });
                            ours.push(shared);
                        }
                        Source::Saved { is_ours: true, .. } => ours.push(shared),
                        Source::Own | Source::Saved { .. } => restored.push(shared),
                        Source::Peer(peer) => theirs.entry(peer).or_default().push(shared),
                    }
                }
                Err(refusal) => {
                    if let (Source::Peer(peer), Refusal::MissingInputs { .. }) = (source, &refusal)
                        && let Some(txids) = self.ledger.park(transaction, peer, now.wall)
                    {
                        if !txids.is_empty() {
                            self.out.push(Effect::FetchTransactions { peer, txids });
                        }
                        continue;
                    }
                    match source {
                        Source::Local(ticket) => {
                            replies.push(Effect::Reply {
                                ticket,
                                verdict: Err(refusal.clone()),
                            });
                        }
                        Source::Peer(peer) => {
                            if let Some(fault) = blame::fault_of_refusal(&refusal) {
                                self.out.push(Effect::Blame { peer, fault });
                            }
                        }
                        Source::Own | Source::Saved { .. } => {}
                    }
                    // An id does not cover witnesses: what a peer got wrong there is not said of the id, or
                    // nobody would be asked for it with the right ones.
                    let is_of_witnesses = matches!(source, Source::Peer(_))
                        && matches!(refusal, Refusal::Invalid(TransactionError::WrongKey { .. }));
                    if !is_of_witnesses && !matches!(refusal, Refusal::Duplicate { .. }) {
                        gone.push((shared.txid(), Some(refusal.code())));
                    }
                }
            }
        }
        // Within one batch the pool may take what it lets go for a better payer a moment later, and take
        // what it refused before a parent came: what is told is how it stands now.
        let pool = self.ledger.pool();
        let is_held = |txid: &TxId| pool.contains(txid);
        gone.retain(|(txid, _)| !is_held(txid));
        pooled.retain(|transaction| is_held(&transaction.txid()));
        ours.retain(|transaction| is_held(&transaction.txid()));
        restored.retain(|transaction| is_held(&transaction.txid()));
        for transactions in theirs.values_mut() {
            transactions.retain(|transaction| is_held(&transaction.txid()));
        }
        theirs.retain(|_, transactions| !transactions.is_empty());
        if !gone.is_empty() {
            self.out.push(Effect::Unpooled(gone));
        }
        if !pooled.is_empty() {
            self.out.push(Effect::Pooled(pooled));
        }
        self.out.extend(replies);
        if !ours.is_empty() {
            self.out.push(Effect::Relay {
                transactions: ours,
                except: None,
                push: true,
            });
        }
        if !restored.is_empty() {
            self.out.push(Effect::Relay {
                transactions: restored,
                except: None,
                push: false,
            });
        }
        for (peer, transactions) in theirs {
            self.out.push(Effect::Relay {
                transactions,
                except: Some(peer),
                push: false,
            });
        }
        if was_empty {
            self.report_work(now);
        }
    }

    /// A block brought parents that some waited for.
    pub(super) fn adopt_children_of(&mut self, now: Now, block: &Block) {
        let mut arrivals = Vec::new();
        for parent in &block.transactions {
            let children = self.ledger.adopt(&parent.txid()).into_iter();
            arrivals.extend(children.map(|(transaction, peer)| Arrival {
                transaction,
                source: Source::Peer(peer),
            }));
        }
        if !arrivals.is_empty() {
            self.on_transactions(now, arrivals);
        }
    }

    /// Tells the machine since when something waits (R0). The pool stamps by wall clock; the age
    /// carries over to the clock that deadlines live on.
    pub(super) fn report_work(&mut self, now: Now) {
        let since = self.ledger.pool().oldest_ms().map(|oldest| {
            let age_us = now.wall.ms_since(oldest).saturating_mul(1_000);
            consensus::Mono::from_micros(now.mono.micros().saturating_sub(age_us))
        });
        self.consensus(now, consensus::Event::Work(since));
        let dropped = self.ledger.take_dropped();
        if !dropped.is_empty() {
            let gone = dropped.into_iter().map(|txid| (txid, Some("invalid"))).collect();
            self.out.push(Effect::Unpooled(gone));
        }
    }

    pub(super) fn expire(&mut self, now: Now) {
        let expired = self.ledger.expire(now.wall);
        if !expired.is_empty() {
            let gone = expired.into_iter().map(|txid| (txid, Some("expired"))).collect();
            self.out.push(Effect::Unpooled(gone));
            self.report_work(now);
        }
    }
}

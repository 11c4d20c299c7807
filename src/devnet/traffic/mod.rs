//! Traffic: transfers among funded wallets at a steady rate, each followed until it is final.
//!
//! **What is measured.** Finality runs from the moment the acceptance arrives here to the moment the
//! node that took the transaction calls its block final. On this machine that is the node's own stamp
//! (`finalized_at_ms` of `GET /tx`), so polling adds nothing and the figure is exact to a
//! millisecond. On another machine, whose clock is not ours, it is the moment we first see the block,
//! which adds up to 5 ms of polling and a round trip.
//!
//! **What is lost.** A transaction that a pool took and that is in no final block 30 s after the
//! traffic ended, though it was submitted again every 5 s. One that nobody answered for was never
//! accepted, unless it turns up in a block.
//!
//! Everything runs in one task that owns all state; submissions and the nodes' followers only send
//! it news. Rate, stock of coins and open submissions bound what can be waiting.

mod pending;

#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::sleep_until,
};
use tokio_util::sync::CancellationToken;

use super::{
    agreement::Agreement,
    coins::{Coin, Purse},
    follow::{News, follow},
    target::{Submission, Target},
};
use crate::chain::{SharedTransaction, TxId};

pub use pending::Counts;
use pending::PendingTable;
pub(super) use pending::{Finality, Stamp};

/// Open submissions per node: half of what a node's HTTP port handles at once.
const IN_FLIGHT_MAX: usize = 32;
/// News that may wait for this task.
const NEWS_MAX: usize = 256;
/// How often overdue transactions are looked for.
const SWEEP_EVERY: Duration = Duration::from_millis(500);
/// How long to wait when a transaction is due and cannot be sent: no coins, or no free place.
const BLOCKED: Duration = Duration::from_millis(2);
/// How far the traffic may fall behind its rate and still catch up; older debts are forgotten.
const BACKLOG: Duration = Duration::from_secs(1);
/// How long after the end an accepted transaction may take to become final.
const LOST_AFTER: Duration = Duration::from_secs(30);
/// How long nodes may take to reach the height of the highest one at the end.
const CATCH_UP_LIMIT: Duration = Duration::from_secs(10);

/// What traffic to make.
#[derive(Debug, Clone, Copy)]
pub struct TrafficPlan {
    /// Transactions per second at the beginning; 0 only watches.
    pub rate: f64,
    /// How long; `None` until it is stopped.
    pub duration: Option<Duration>,
    /// Coins that a transaction spends, at least one.
    pub inputs: usize,
    /// Whether everything is signed before it begins, so that more can be sent than nodes can take.
    pub presigned: bool,
}

/// What was seen while traffic ran.
#[derive(Debug)]
pub struct Seen {
    /// What became of the transactions.
    pub counts: Counts,
    /// Accepted and not final in time.
    pub lost: u64,
    /// How long transactions were made.
    pub elapsed: Duration,
    /// Transactions that became final in that time.
    pub final_in_time: u64,
    /// The chains of the nodes, compared.
    pub agreement: Agreement,
    /// Signatures that this machine verifies per second when it does nothing else; measured only
    /// where transactions were signed beforehand.
    pub signatures_per_s: Option<f64>,
}

/// Makes traffic on `targets` with the coins of `purse`, following each from the height in `heights`,
/// until the plan's time is up or `stop` is cancelled, and then until everything is settled. Makes so many
/// a second as `rates` says last.
pub(super) async fn run(
    plan: TrafficPlan,
    rates: watch::Receiver<f64>,
    targets: Vec<Target>,
    purse: Purse,
    height: u64,
    stop: CancellationToken,
) -> Seen {
    let (news_sender, news) = mpsc::channel(NEWS_MAX);
    let is_urgent = Arc::new(AtomicBool::new(plan.rate > 0.0));
    let mut followers = JoinSet::new();
    for (node, target) in targets.iter().enumerate() {
        let (urgent, sender) = (is_urgent.clone(), news_sender.clone());
        followers.spawn(follow(node, target.clone(), height + 1, urgent, sender));
    }
    let traffic = Traffic {
        answers: vec![true; targets.len()],
        in_flight: vec![0; targets.len()],
        agreement: Agreement::new(targets.len(), height),
        pending: PendingTable::default(),
        submissions: JoinSet::new(),
        turn: 0,
        targets,
        purse,
        news,
        is_urgent,
    };
    let seen = traffic.run(plan, rates, stop).await;
    followers.shutdown().await;
    seen
}

struct Traffic {
    targets: Vec<Target>,
    purse: Purse,
    pending: PendingTable,
    agreement: Agreement,
    /// Whether each node answers.
    answers: Vec<bool>,
    /// Open submissions by node.
    in_flight: Vec<usize>,
    submissions: JoinSet<Answer>,
    news: mpsc::Receiver<News>,
    /// Tells the followers whether anybody waits.
    is_urgent: Arc<AtomicBool>,
    /// The node whose turn it is.
    turn: usize,
}

/// A submission has ended.
struct Answer {
    txid: TxId,
    node: usize,
    answer: Submission,
    at: Stamp,
}

impl Traffic {
    async fn run(mut self, plan: TrafficPlan, rates: watch::Receiver<f64>, stop: CancellationToken) -> Seen {
        let started = Instant::now();
        self.make(plan, rates, started, &stop).await;
        let elapsed = started.elapsed();
        let final_in_time = self.pending.counts().made_final;
        self.wait_until_final().await;
        let (counts, lost) = std::mem::take(&mut self.pending).close();
        self.is_urgent.store(true, Ordering::Relaxed);
        self.wait_for_the_slowest().await;
        Seen {
            counts,
            lost,
            elapsed,
            final_in_time,
            agreement: self.agreement,
            signatures_per_s: None,
        }
    }

    /// Makes transactions at the rate that `rates` says.
    async fn make(
        &mut self,
        plan: TrafficPlan,
        mut rates: watch::Receiver<f64>,
        started: Instant,
        stop: &CancellationToken,
    ) {
        let end = plan.duration.map(|duration| started + duration);
        let mut sweep_at = started + SWEEP_EVERY;
        // Transactions that should have been made by now, and those that were.
        let (mut due, mut issued) = (0.0_f64, 0.0_f64);
        let mut last = started;
        loop {
            let now = Instant::now();
            let rate = *rates.borrow_and_update();
            if end.is_some_and(|end| now >= end) || stop.is_cancelled() {
                return;
            }
            due += now.duration_since(last).as_secs_f64() * rate;
            last = now;
            issued = issued.max(due - rate * BACKLOG.as_secs_f64());
            let mut is_blocked = false;
            while issued + 1.0 <= due && !is_blocked {
                is_blocked = !self.issue(now);
                if !is_blocked {
                    issued += 1.0;
                }
            }
            self.sweep(now, &mut sweep_at);
            let next = match is_blocked {
                true => now + BLOCKED,
                false if rate > 0.0 => now + Duration::from_secs_f64(((issued + 1.0 - due) / rate).max(0.0)),
                false => sweep_at,
            };
            let wake = end.map_or(next, |end| next.min(end)).min(sweep_at);
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Ok(()) = rates.changed() => {}
                () = self.take_news() => {}
                () = sleep_until(wake.into()) => {}
            }
        }
    }

    /// Waits for what was accepted, submitting it again where it takes long.
    async fn wait_until_final(&mut self) {
        let until = Instant::now() + LOST_AFTER;
        let mut sweep_at = Instant::now();
        while self.pending.len() > 0 {
            let now = Instant::now();
            if now >= until {
                return;
            }
            self.sweep(now, &mut sweep_at);
            tokio::select! {
                biased;
                () = self.take_news() => {}
                () = sleep_until(sweep_at.min(until).into()) => {}
            }
        }
    }

    /// Lets every node that answers reach the height that the highest has now, so that all of it can
    /// be compared.
    async fn wait_for_the_slowest(&mut self) {
        let until = Instant::now() + CATCH_UP_LIMIT;
        let goal = self.agreement.heights().iter().max().copied().unwrap_or(0);
        while self.agreement.heights().iter().any(|height| *height < goal) {
            tokio::select! {
                biased;
                () = sleep_until(until.into()) => return,
                () = self.take_news() => {}
            }
        }
    }

    /// Waits for one piece of news and takes it.
    async fn take_news(&mut self) {
        tokio::select! {
            Some(news) = self.news.recv() => self.on_news(news),
            Some(ended) = self.submissions.join_next() => {
                if let Ok(answer) = ended {
                    self.on_answer(answer);
                }
            }
            else => std::future::pending().await,
        }
        self.is_urgent.store(self.pending.len() > 0, Ordering::Relaxed);
    }

    fn on_news(&mut self, news: News) {
        match news {
            News::Answers { node, answers } => self.answers[node] = answers,
            News::Block {
                node,
                block,
                stamp_ms,
                seen,
            } => {
                self.agreement.add(node, &block);
                let finality = Finality { seen, stamp_ms };
                for txid in &block.txids {
                    let txid = TxId::from_hash(*txid);
                    let answers = &self.answers;
                    let released = self.pending.on_final(txid, node, finality, |own| answers[own]);
                    self.release(released);
                }
            }
        }
    }

    fn on_answer(&mut self, answer: Answer) {
        self.in_flight[answer.node] -= 1;
        let released = self.pending.on_answer(answer.txid, answer.answer, answer.at);
        self.release(released);
    }

    fn release(&mut self, released: Option<(usize, Vec<Coin>)>) {
        if let Some((node, coins)) = released {
            self.purse.add(node, coins);
        }
    }

    /// Sends one new transaction; false if no node has both a coin and a free place.
    fn issue(&mut self, now: Instant) -> bool {
        for _ in 0..self.targets.len() {
            let Some(node) = self.next_node() else {
                return false;
            };
            if let Some(made) = self.purse.transfer(node) {
                let transaction = made.transaction.clone();
                self.pending.insert(made, node, now);
                self.submit(node, transaction);
                return true;
            }
        }
        false
    }

    /// The next node in turn that answers and has a free place.
    fn next_node(&mut self) -> Option<usize> {
        let count = self.targets.len();
        let free = (1..=count)
            .map(|step| (self.turn + step) % count)
            .find(|node| self.answers[*node] && self.in_flight[*node] < IN_FLIGHT_MAX)?;
        self.turn = free;
        Some(free)
    }

    fn submit(&mut self, node: usize, transaction: SharedTransaction) {
        self.in_flight[node] += 1;
        let target = self.targets[node].clone();
        self.submissions.spawn(async move {
            let answer = target.submit(transaction.canonical_bytes()).await;
            Answer {
                txid: transaction.txid(),
                node,
                answer,
                at: Stamp::now(),
            }
        });
    }

    fn sweep(&mut self, now: Instant, sweep_at: &mut Instant) {
        if now < *sweep_at {
            return;
        }
        *sweep_at = now + SWEEP_EVERY;
        let mut free: Vec<usize> = (0..self.targets.len())
            .filter(|node| self.answers[*node])
            .flat_map(|node| std::iter::repeat_n(node, IN_FLIGHT_MAX.saturating_sub(self.in_flight[node])))
            .collect();
        let (again, released) = self.pending.overdue(now, || free.pop());
        for (node, coins) in released {
            self.purse.add(node, coins);
        }
        for (node, transaction) in again {
            self.submit(node, transaction);
        }
    }
}

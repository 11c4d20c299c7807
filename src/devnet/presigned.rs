//! Load that costs its maker next to nothing while it runs: chains of transactions signed beforehand.
//!
//! Transactions are chained in lanes: each spends all outputs of the one before it, so a lane can be
//! signed as far as one likes before the first of it is sent. The next of a lane goes out when the one
//! before it is final on the first node, so no more wait at once than there are lanes. Submissions go in
//! batches, to all nodes in turn. Finality is measured as in [`super::traffic`].
//!
//! Beside the figures stands what they are measured against: how many signatures this machine verifies
//! per second when it does nothing else, with the batches that a node uses, before the load and after it. A batch
//! costs half where all its signatures are of one key, because the terms of a key are merged, and on no
//! network do eight people sign everything. So a devnet's load has some two thousand keys, and the limit is
//! measured with as many in a batch as the load has.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use tokio::{sync::mpsc, task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    DevnetError,
    agreement::Agreement,
    coins::Purse,
    follow::{News, follow},
    funds,
    limit::signatures_per_s,
    target::{Submission, Target},
    traffic::{Counts, Finality, Seen, Stamp, TrafficPlan},
};
use crate::{
    chain::{SharedTransaction, TxId},
    crypto::{Hash256, HashWriter, SecretKey},
};

/// Lanes, hence transactions that wait at once: below the cap of a pool, above what a block takes.
const LANES_MAX: usize = 4_000;
/// Transactions signed beforehand at most: 700 bytes each.
const TRANSACTIONS_MAX: usize = 600_000;
/// Transactions in one submission at most.
const BATCH_MAX: usize = 200;
/// Open submissions per node.
const OPEN_MAX: usize = 4;
/// How often what is due is sent.
const EVERY: Duration = Duration::from_millis(2);
/// How far the load may fall behind its rate and still catch up.
const BACKLOG_S: f64 = 1.0;
/// What was refused for now is sent again after this long.
const RETRY_AFTER: Duration = Duration::from_millis(100);
/// What is not final after this long is sent again.
const RESUBMIT_AFTER: Duration = Duration::from_secs(5);
/// How long after the end an accepted transaction may take to become final.
const LOST_AFTER: Duration = Duration::from_secs(30);
/// How long the other nodes may take to show the blocks that the first one has.
const COMPARE_LIMIT: Duration = Duration::from_secs(60);
/// Keys of a devnet's load beside its wallets' own.
const MORE_KEYS: u64 = 2_000;
const TAG_KEY: &str = "timecoin/devnet-load-key/1";

/// Keys that a devnet's coins go round among, the same for every load of one devnet: what they own is found
/// again. Anybody can compute them.
pub(super) fn more_keys(chain_id: &Hash256) -> impl Iterator<Item = SecretKey> {
    (0..MORE_KEYS).map(|number| {
        let seed = HashWriter::new(TAG_KEY)
            .bytes(chain_id.as_bytes())
            .u64(number)
            .finish();
        SecretKey::from_seed(seed.as_bytes())
    })
}

struct Lane {
    transactions: Vec<SharedTransaction>,
    next: usize,
    sent: Instant,
    accepted: Option<Stamp>,
}

struct Answer {
    node: usize,
    sent: Vec<(usize, TxId)>,
    verdicts: Vec<Submission>,
    at: Stamp,
}

/// Runs the plan's load with coins of `purse`, which all belong to its first node.
///
/// # Errors
/// [`DevnetError`] if coins cannot be split, or the plan has no end.
pub(super) async fn run(
    plan: TrafficPlan,
    targets: Vec<Target>,
    mut purse: Purse,
    stop: CancellationToken,
) -> Result<Seen, DevnetError> {
    let Some(duration) = plan.duration else {
        return Err(DevnetError::Prepare {
            reason: "transactions signed beforehand need a --duration".to_owned(),
        });
    };
    let inputs = plan.inputs.max(1);
    let total = ((plan.rate * duration.as_secs_f64()) as usize).clamp(1, TRANSACTIONS_MAX);
    let lanes = total.min(LANES_MAX);
    funds::split(&mut purse, &targets[0], lanes * inputs).await?;
    let keys = purse.keys();
    let before = blocking(move || signatures_per_s(keys)).await?;
    let length = total.div_ceil(lanes) + 1;
    let chains = blocking(move || purse.chains(lanes, inputs, length)).await?;
    let height = targets[0].progress().await.map_or(0, |progress| progress.height);
    let flood = Flood::new(chains, targets, height);
    let mut seen = flood.run(plan.rate, duration, height, &stop).await;
    let after = blocking(move || signatures_per_s(keys)).await?;
    // What the machine can do: after the load the nodes tidy up beside it.
    seen.signatures_per_s = Some(before.max(after));
    Ok(seen)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, DevnetError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| DevnetError::Prepare {
            reason: format!("a thread of the load ended: {error}"),
        })
}

struct Flood {
    targets: Vec<Target>,
    lanes: Vec<Lane>,
    /// Lanes whose next transaction may go out.
    ready: VecDeque<usize>,
    /// Lanes to try again, and when.
    delayed: VecDeque<(Instant, usize)>,
    /// Transactions on their way.
    by_txid: HashMap<TxId, usize>,
    open: Vec<usize>,
    turn: usize,
    submissions: JoinSet<Answer>,
    counts: Counts,
    agreement: Agreement,
}

impl Flood {
    /// `height` is the last one before the load.
    fn new(chains: Vec<Vec<SharedTransaction>>, targets: Vec<Target>, height: u64) -> Self {
        let lanes: Vec<Lane> = chains
            .into_iter()
            .map(|transactions| Lane {
                transactions,
                next: 0,
                sent: Instant::now(),
                accepted: None,
            })
            .collect();
        Self {
            ready: (0..lanes.len()).collect(),
            delayed: VecDeque::new(),
            by_txid: HashMap::with_capacity(lanes.len()),
            open: vec![0; targets.len()],
            turn: 0,
            submissions: JoinSet::new(),
            counts: Counts::default(),
            agreement: Agreement::new(targets.len(), height),
            lanes,
            targets,
        }
    }

    async fn run(mut self, rate: f64, duration: Duration, height: u64, stop: &CancellationToken) -> Seen {
        let (sender, mut news) = mpsc::channel(64);
        let urgent = Arc::new(AtomicBool::new(true));
        let mut followers = JoinSet::new();
        followers.spawn(follow(
            0,
            self.targets[0].clone(),
            height + 1,
            Arc::clone(&urgent),
            sender.clone(),
        ));
        let started = Instant::now();
        let mut issued = 0.0_f64;
        while started.elapsed() < duration && !stop.is_cancelled() {
            let due = started.elapsed().as_secs_f64() * rate;
            issued = issued.max(due - rate * BACKLOG_S);
            issued += self.send((due - issued) as usize) as f64;
            self.take_news(&mut news).await;
        }
        let elapsed = started.elapsed();
        let final_in_time = self.counts.made_final;
        let until = Instant::now() + LOST_AFTER;
        self.ready.clear();
        self.delayed.clear();
        while !(self.by_txid.is_empty() && self.submissions.is_empty()) && Instant::now() < until {
            self.resubmit();
            self.take_news(&mut news).await;
        }
        let lost = self
            .by_txid
            .values()
            .filter(|lane| self.lanes[**lane].accepted.is_some());
        let lost = lost.count() as u64;
        // Only now are the other chains read, so that reading them costs the load nothing.
        for (node, target) in self.targets.iter().enumerate().skip(1) {
            let (urgent, sender) = (Arc::clone(&urgent), sender.clone());
            followers.spawn(follow(node, target.clone(), height + 1, urgent, sender));
        }
        let goal = self.agreement.heights().iter().max().copied().unwrap_or(height);
        let until = Instant::now() + COMPARE_LIMIT;
        while self.agreement.heights().iter().any(|height| *height < goal) && Instant::now() < until {
            self.take_news(&mut news).await;
        }
        followers.shutdown().await;
        Seen {
            counts: self.counts,
            lost,
            elapsed,
            final_in_time,
            agreement: self.agreement,
            signatures_per_s: None,
        }
    }

    /// Sends up to `count` transactions; gives how many went.
    fn send(&mut self, count: usize) -> usize {
        while self.delayed.front().is_some_and(|(at, _)| *at <= Instant::now()) {
            self.ready.extend(self.delayed.pop_front().map(|(_, lane)| lane));
        }
        let mut sent = 0;
        for _ in 0..self.targets.len() {
            self.turn = (self.turn + 1) % self.targets.len();
            let node = self.turn;
            let batch = (count - sent).min(BATCH_MAX).min(self.ready.len());
            if batch == 0 {
                break;
            }
            if self.open[node] < OPEN_MAX {
                let lanes: Vec<usize> = self.ready.drain(..batch).collect();
                sent += batch;
                self.counts.submitted += batch as u64;
                self.submit(node, &lanes);
            }
        }
        sent
    }

    fn submit(&mut self, node: usize, lanes: &[usize]) {
        let mut bytes = Vec::with_capacity(lanes.len());
        let mut sent = Vec::with_capacity(lanes.len());
        for index in lanes {
            let lane = &mut self.lanes[*index];
            let Some(transaction) = lane.transactions.get(lane.next) else {
                continue;
            };
            lane.sent = Instant::now();
            bytes.push(transaction.canonical_bytes());
            sent.push((*index, transaction.txid()));
            self.by_txid.insert(transaction.txid(), *index);
        }
        self.open[node] += 1;
        let target = self.targets[node].clone();
        self.submissions.spawn(async move {
            let verdicts = target.submit_all(bytes).await;
            Answer {
                node,
                sent,
                verdicts,
                at: Stamp::now(),
            }
        });
    }

    fn resubmit(&mut self) {
        let now = Instant::now();
        let late: Vec<usize> = self
            .by_txid
            .values()
            .copied()
            .filter(|lane| now.duration_since(self.lanes[*lane].sent) >= RESUBMIT_AFTER)
            .collect();
        for lanes in late.chunks(BATCH_MAX) {
            self.turn = (self.turn + 1) % self.targets.len();
            self.submit(self.turn, lanes);
        }
    }

    async fn take_news(&mut self, news: &mut mpsc::Receiver<News>) {
        tokio::select! {
            biased;
            Some(ended) = self.submissions.join_next() => {
                if let Ok(answer) = ended {
                    self.on_answer(answer);
                }
            }
            Some(told) = news.recv() => self.on_news(told),
            () = sleep(EVERY) => {}
        }
    }

    fn on_news(&mut self, told: News) {
        let News::Block {
            node,
            block,
            stamp_ms,
            seen,
        } = told
        else {
            return;
        };
        self.agreement.add(node, &block);
        if node != 0 {
            return;
        }
        let finality = Finality { seen, stamp_ms };
        for txid in &block.txids {
            let Some(index) = self.by_txid.remove(&TxId::from_hash(*txid)) else {
                continue;
            };
            self.counts.made_final += 1;
            let lane = &mut self.lanes[index];
            if let Some(accepted) = lane.accepted.take() {
                self.counts.finality.add(finality.since(accepted));
            }
            lane.next += 1;
            if lane.next < lane.transactions.len() {
                self.ready.push_back(index);
            }
        }
    }

    fn on_answer(&mut self, answer: Answer) {
        self.open[answer.node] = self.open[answer.node].saturating_sub(1);
        for ((index, txid), verdict) in answer.sent.into_iter().zip(answer.verdicts) {
            let is_open = self.by_txid.get(&txid) == Some(&index);
            let lane = &mut self.lanes[index];
            match verdict {
                Submission::Accepted => {
                    self.counts.accepted += u64::from(lane.accepted.is_none());
                    if is_open {
                        lane.accepted.get_or_insert(answer.at);
                    }
                }
                Submission::Refused(code) if is_open && lane.accepted.is_none() => {
                    let is_passing = matches!(
                        code.as_str(),
                        "busy" | "pool_full" | "fee_too_low" | "missing_inputs" | "unavailable"
                    );
                    *self.counts.refused.entry(code).or_default() += 1;
                    self.by_txid.remove(&txid);
                    if is_passing {
                        self.delayed.push_back((Instant::now() + RETRY_AFTER, index));
                    }
                }
                // Final already, or nobody answered: the chain will tell.
                Submission::Refused(_) | Submission::Unknown => {}
            }
        }
    }
}

//! Fetches the blocks below a snapshot while the node does its work: [`Backfill`] says what to ask of
//! whom and what an answer is worth, this asks, waits and stores.
//!
//! It goes on only while the node is in step and has room, with one range on its way and a pause after
//! each. What was stored is durable before the next range is asked for, and storage's lowest height is all
//! that a restart needs.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    chain::{Block, BlockHash, Height},
    consensus::Mono,
    control::{BackfillStatus, words::grouped},
    crypto::NodeId,
    engine::SigningHold,
    network::{Network, RequestError},
    storage::{ArchivedBlock, Store, StoreError},
    sync::{
        Request,
        backfill::{Answer, Backfill, Holder, ProvedBlock, Step, Unanswered},
    },
    wire::{Fault, GetBlocks, Message},
};

use super::{
    clock::NodeClock,
    driver::Shared,
    facts::Facts,
    resync::{Resync, free_bytes},
    spawner::Tasks,
};

/// How often it is looked whether it may go on.
const LOOK: Duration = Duration::from_secs(1);
/// How long the node has to have been in step before the first range, and after each time it was not.
const STEADY_MS: u64 = 3_000;
/// A peer that has not answered by then is slow: a range may be megabytes on a slow line.
const DEADLINE: Duration = Duration::from_secs(30);
/// Free bytes below which nothing is fetched. Twice what stops signing: old blocks must never be what
/// brings a node to its floor.
const FREE_MIN_BYTES: u64 = 2_000_000_000;
/// Pause after the disk had no room for what came.
const FULL_PAUSE: Duration = Duration::from_secs(60);

/// What is shown of it.
#[derive(Debug, Default)]
pub(super) struct Shown(Mutex<Option<BackfillStatus>>);

impl Shown {
    /// `None` if there is nothing to fetch, or it is not asked for.
    pub(super) fn status(&self) -> Option<BackfillStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, lowest: Height, waits_for: impl Into<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(BackfillStatus {
            lowest: lowest.get(),
            waits_for: waits_for.into(),
        });
    }
}

/// What the task runs on.
pub(super) struct BackfillTask {
    pub(super) network: Network,
    pub(super) store: Arc<Store>,
    pub(super) genesis: BlockHash,
    pub(super) blocks: PathBuf,
    pub(super) resync: Arc<Resync>,
    pub(super) shared: Arc<Shared>,
    pub(super) facts: Arc<Facts>,
    pub(super) clock: NodeClock,
    pub(super) tasks: Arc<Tasks>,
    pub(super) shown: Arc<Shown>,
}

/// How one range ended.
enum Outcome {
    /// Go on after so long.
    Again(Duration),
    /// There is no going on in this run; why.
    End(String),
}

impl BackfillTask {
    /// Body of the task: ends when every block is here, or when only an operator can help.
    pub(super) async fn run(self) {
        let Some(mut walk) = self.begin().await else {
            return;
        };
        tracing::info!(
            below = walk.lowest().get(),
            "backfill: older blocks are fetched while the node is in step"
        );
        let mut steady_since: Option<Mono> = None;
        loop {
            let now = self.clock.mono();
            if let Some(what) = self.hindrance().await {
                steady_since = None;
                self.shown.set(walk.lowest(), what);
                tokio::time::sleep(LOOK).await;
                continue;
            }
            if now.ms_since(*steady_since.get_or_insert(now)) < STEADY_MS {
                tokio::time::sleep(LOOK).await;
                continue;
            }
            match walk.next(&self.holders(), now) {
                Step::Done => {
                    self.shown.set(Height::GENESIS.next(), "");
                    return self.facts.backfilled();
                }
                Step::NoHolder(height) => {
                    let what = format!("a peer that has block {}", grouped(height.get()));
                    self.shown.set(walk.lowest(), what);
                    tokio::time::sleep(LOOK).await;
                }
                Step::Ask(request) => {
                    self.shown.set(walk.lowest(), "");
                    let (back, outcome) = self.fetch(walk, request).await;
                    let Some(back) = back else { return };
                    walk = back;
                    match outcome {
                        Outcome::Again(pause) => tokio::time::sleep(pause).await,
                        Outcome::End(why) => {
                            tracing::error!(below = walk.lowest().get(), why, "backfill ends");
                            return self.shown.set(walk.lowest(), why);
                        }
                    }
                }
            }
        }
    }

    /// Where storage stands; `None` if nothing is missing.
    async fn begin(&self) -> Option<Backfill> {
        let lowest = self.store.pruned_below();
        if lowest <= Height::GENESIS.next() {
            return None;
        }
        self.shown.set(lowest, "the node to be in step");
        let reader = self.store.reader();
        let read = self.tasks.blocking(move || reader.block(lowest)).await?;
        match read {
            Ok(stored) => stored.map(|stored| Backfill::below(&stored.block, self.genesis)),
            Err(error) => {
                tracing::error!(%error, "backfill: the lowest block cannot be read");
                self.shown.set(lowest, format!("an operator: {error}"));
                None
            }
        }
    }

    /// What stands against going on now, as what it waits for.
    async fn hindrance(&self) -> Option<String> {
        if self.resync.status().is_some() {
            return Some("the resync to end".to_owned());
        }
        let view = self.shared.view.load();
        if view.sync.active || view.sync.target > view.tip.next() {
            return Some("the node to be in step".to_owned());
        }
        if view.holds.contains(&SigningHold::StoreFailed) || view.holds.contains(&SigningHold::Stopping) {
            return Some("a restart".to_owned());
        }
        let blocks = self.blocks.clone();
        let free = self.tasks.blocking(move || free_bytes(&blocks)).await.flatten();
        let is_low = free.is_some_and(|free| free < FREE_MIN_BYTES);
        (is_low || view.holds.contains(&SigningHold::DiskFloor)).then(|| {
            format!(
                "{} GB of free space on the data volume",
                FREE_MIN_BYTES / 1_000_000_000
            )
        })
    }

    fn holders(&self) -> Vec<Holder> {
        let peers = self.network.peers().into_iter();
        peers
            .map(|peer| Holder {
                peer: peer.node_id,
                lowest: Height::new(peer.pruned_below),
            })
            .collect()
    }

    /// Asks for a range and stores what proves right. The walk comes back unless the node ends.
    async fn fetch(&self, mut walk: Backfill, request: Request) -> (Option<Backfill>, Outcome) {
        let question = Message::GetBlocks(GetBlocks {
            start: request.start,
            count: u16::try_from(request.count).unwrap_or(u16::MAX),
            max_bytes: request.bytes,
        });
        let answer = self.network.request(&request.peer, &question, DEADLINE).await;
        let mut _permit = None;
        let message = answer.map(|inbound| {
            // Held until the blocks are stored.
            _permit = inbound.permit;
            inbound.message
        });
        let unanswered = match message {
            Ok(Message::Blocks(came)) => return self.take(walk, request, came.blocks.into_vec()).await,
            Ok(Message::NotFound(_)) => Unanswered::Missing,
            Err(RequestError::Timeout(_)) => Unanswered::Slow,
            Ok(_) | Err(_) => Unanswered::Refused,
        };
        walk.on_unanswered(&request.peer, unanswered, self.clock.mono());
        (Some(walk), Outcome::Again(Duration::ZERO))
    }

    async fn take(
        &self,
        walk: Backfill,
        request: Request,
        blocks: Vec<Block>,
    ) -> (Option<Backfill>, Outcome) {
        let store = Arc::clone(&self.store);
        let work = move || {
            let answer = walk.prove(&request, blocks);
            let (judged, stored) = match answer {
                Answer::Proved(proved) => store_all(&store, proved),
                other => (other, Ok(())),
            };
            (walk, judged, stored)
        };
        let Some((mut walk, answer, stored)) = self.tasks.blocking(work).await else {
            return (None, Outcome::Again(Duration::ZERO));
        };
        let outcome = match (answer, stored) {
            (Answer::Proved(proved), Ok(())) => {
                Outcome::Again(Duration::from_millis(walk.on_stored(&proved)))
            }
            (_, Err(error)) if error.is_disk_full() => {
                self.shown.set(walk.lowest(), "free space on the data volume");
                Outcome::Again(FULL_PAUSE)
            }
            // The node ends, or says by itself why its database does.
            (_, Err(StoreError::Stopped { .. })) => return (None, Outcome::Again(Duration::ZERO)),
            (_, Err(error)) => Outcome::End(format!("an operator: {error}")),
            (Answer::Short(came), Ok(())) => Outcome::Again(Duration::from_millis(walk.on_short(came))),
            (Answer::Wrong(detail), Ok(())) => {
                self.blame(&request.peer, detail);
                walk.on_unanswered(&request.peer, Unanswered::Missing, self.clock.mono());
                Outcome::Again(Duration::ZERO)
            }
            (Answer::OtherChain, Ok(())) => Outcome::End(format!(
                "an operator: the blocks below {} do not lead to this genesis; keep the data and report it",
                grouped(walk.lowest().get())
            )),
        };
        (Some(walk), outcome)
    }

    fn blame(&self, peer: &NodeId, detail: &str) {
        self.network.blame(peer, Fault::InvalidBlock, detail);
    }
}

/// Stores proved blocks durably and gives them back. Blocks on the disk.
fn store_all(store: &Store, proved: Vec<ProvedBlock>) -> (Answer, Result<(), StoreError>) {
    let archived: Vec<ArchivedBlock> = proved
        .iter()
        .cloned()
        .map(|(block, hash, certificate)| ArchivedBlock {
            block,
            hash,
            certificate,
        })
        .collect();
    let stored = store.archive(&archived).map(|_| ());
    (Answer::Proved(proved), stored)
}

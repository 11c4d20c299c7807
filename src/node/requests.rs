//! Questions to peers: each is a task of its own, bounded in number and time; what comes back is
//! verified on a blocking thread and handed to the engine.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crossbeam_channel::Sender;
use tokio::sync::{Semaphore, mpsc};

use crate::{
    chain::{Block, BlockHash, CommitCertificate, Height, TxId},
    crypto::NodeId,
    engine::Event,
    network::{Network, RequestError},
    storage::StoreReader,
    sync::{Failure, Request},
    wire::{BoundedVec, Decided, Fault, GetBlockByHash, GetBlocks, GetStatus, GetTxs, Message, limits},
};

use super::{gossip::Ask, spawner::Tasks, verifier::Verifier};

/// Questions under way at once.
const IN_FLIGHT_MAX: usize = 64;
/// A peer that has not answered by then is given up on.
const DEADLINE: Duration = Duration::from_secs(5);
/// The same for a range of blocks, which may be megabytes on a slow line. Meanwhile others are
/// asked: the scheduler does not wait for this.
const BLOCKS_DEADLINE: Duration = Duration::from_secs(15);
/// Transactions fetched at once. They have slots of their own: a peer that announces what it does
/// not deliver must not hold up what consensus waits for. Beyond it an announcement is dropped;
/// others repeat it.
const TRANSACTIONS_IN_FLIGHT_MAX: usize = 32;
/// A body that consensus waits for is asked of the next peer after this long.
const BODY_DEADLINE: Duration = Duration::from_millis(500);
/// Below this distance a peer is helped block by block; above it only learns how far we are.
const HELP_DISTANCE: u64 = 2;
/// A block above this size is not pushed with its certificate; the peer asks for it.
const PUSH_BYTES_MAX: usize = 1 << 20;

/// Answers questions until the queue closes.
#[derive(Clone)]
pub(super) struct Requests {
    pub(super) network: Network,
    pub(super) reader: StoreReader,
    pub(super) verifier: Arc<Verifier>,
    pub(super) votes: Sender<Event>,
    pub(super) tasks: Arc<Tasks>,
    /// Bodies asked for so far.
    pub(super) tries: Arc<AtomicUsize>,
}

fn failed(peer: NodeId, start: Height, failure: Failure) -> Event {
    Event::BlocksFailed { peer, start, failure }
}

impl Requests {
    pub(super) async fn run(self, mut asks: mpsc::Receiver<Ask>) {
        let slots = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
        let for_transactions = Arc::new(Semaphore::new(TRANSACTIONS_IN_FLIGHT_MAX));
        while let Some(ask) = asks.recv().await {
            let slot = match &ask {
                Ask::Transactions { .. } => match Arc::clone(&for_transactions).try_acquire_owned() {
                    Ok(slot) => slot,
                    Err(_) => continue,
                },
                Ask::Body { .. } | Ask::Blocks(_) | Ask::Status { .. } | Ask::TellDecided { .. } => {
                    let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                        break;
                    };
                    slot
                }
            };
            let this = self.clone();
            self.tasks.start("request", async move {
                this.answer(ask).await;
                drop(slot);
            });
        }
    }

    async fn answer(&self, ask: Ask) {
        match ask {
            Ask::Body { height, digest } => self.body(height, digest).await,
            Ask::Blocks(request) => self.blocks(request).await,
            Ask::Status { peer } => self.status(peer).await,
            Ask::Transactions { peer, txids } => self.transactions(peer, txids).await,
            Ask::TellDecided { peer, height } => self.tell_decided(peer, height).await,
        }
    }

    /// Asks one peer after the other until one has the block.
    async fn body(&self, height: Height, digest: BlockHash) {
        let question = Message::GetBlockByHash(GetBlockByHash { height, hash: digest });
        let mut peers = self.network.peers();
        // Those who vote have it. A different one first at each try, so that one that stalls does not
        // cost every try its deadline.
        peers.sort_by_key(|peer| peer.validator.is_none());
        let voters = peers.iter().filter(|peer| peer.validator.is_some()).count();
        if voters > 0 {
            peers[..voters].rotate_left(self.tries.fetch_add(1, Ordering::Relaxed) % voters);
        }
        for peer in peers {
            let Ok(answer) = self
                .network
                .request(&peer.node_id, &question, BODY_DEADLINE)
                .await
            else {
                continue;
            };
            let Message::BlockByHash(found) = answer.message else {
                continue;
            };
            if found.block.hash() != digest {
                self.network
                    .blame(&peer.node_id, Fault::InvalidBlock, "another block than asked for");
                continue;
            }
            let verifier = Arc::clone(&self.verifier);
            let verified = self
                .tasks
                .blocking(move || verifier.whole_block(found.block))
                .await;
            match verified {
                Some(Some(block)) => {
                    let _ = self.votes.try_send(Event::Fetched(block));
                    return;
                }
                Some(None) => {
                    let detail = "a body that is not its header's, or a signature that does not hold";
                    self.network.blame(&peer.node_id, Fault::InvalidBlock, detail);
                }
                None => {}
            }
        }
    }

    async fn blocks(&self, request: Request) {
        let Request {
            peer,
            start,
            count,
            bytes,
        } = request;
        let question = Message::GetBlocks(GetBlocks {
            start,
            count: u16::try_from(count)
                .unwrap_or(u16::MAX)
                .min(limits::BLOCKS_PER_REQUEST_MAX as u16),
            max_bytes: bytes.min(limits::BLOCKS_BYTES_MAX),
        });
        let answer = self.network.request(&peer, &question, BLOCKS_DEADLINE).await;
        let event = match answer.map(|inbound| inbound.message) {
            Ok(Message::Blocks(answer)) => {
                // Nobody is slow any more. Lost if the queue is full: then one hedge too many is sent.
                let _ = self.votes.try_send(Event::BlocksReceived { peer, start });
                self.verified_range(peer, start, answer.blocks.into_vec(), answer.certificate)
                    .await
            }
            Ok(_) => failed(peer, start, Failure::Refused),
            Err(RequestError::Timeout(_)) => failed(peer, start, Failure::Broken),
            Err(_) => failed(peer, start, Failure::Refused),
        };
        // The vote queue: a lost answer would cost seconds.
        let votes = self.votes.clone();
        let _ = self.tasks.blocking(move || votes.send(event)).await;
    }

    /// Asks a peer for its tip. The nonce shows that the answer was made after the question.
    async fn status(&self, peer: NodeId) {
        let Ok(nonce) = getrandom::u64() else {
            tracing::error!("the system gives no random numbers; a peer is not asked for its tip");
            return;
        };
        let question = Message::GetStatus(GetStatus { nonce });
        let Ok(answer) = self.network.request(&peer, &question, DEADLINE).await else {
            return;
        };
        let Message::Status(status) = answer.message else {
            return;
        };
        if status.nonce != nonce {
            let detail = "a status that answers another question";
            self.network.blame(&peer, Fault::Unsolicited, detail);
            return;
        }
        // Full: it is asked again in a second.
        let _ = self.votes.try_send(Event::Status {
            peer,
            height: status.height,
            certificate: status.certificate,
        });
    }

    async fn verified_range(
        &self,
        peer: NodeId,
        start: Height,
        blocks: Vec<Block>,
        certificate: Option<CommitCertificate>,
    ) -> Event {
        let verifier = Arc::clone(&self.verifier);
        let verified = self
            .tasks
            .blocking(move || verifier.range(start, blocks, certificate))
            .await;
        match verified {
            Some(Ok((blocks, certificate))) => Event::Blocks {
                peer,
                blocks,
                certificate,
            },
            Some(Err((fault, detail))) => {
                self.network.blame(&peer, fault, detail);
                failed(peer, start, Failure::Broken)
            }
            None => failed(peer, start, Failure::Refused),
        }
    }

    async fn transactions(&self, peer: NodeId, txids: Vec<TxId>) {
        let Ok(txids) = BoundedVec::new(txids) else { return };
        let question = Message::GetTxs(GetTxs { txids });
        let Ok(answer) = self.network.request(&peer, &question, DEADLINE).await else {
            return;
        };
        let Message::Txs(found) = answer.message else {
            return;
        };
        let arrived = found
            .transactions
            .into_vec()
            .into_iter()
            .map(|tx| (peer, tx))
            .collect();
        let verifier = Arc::clone(&self.verifier);
        let _ = self.tasks.blocking(move || verifier.admit(arrived)).await;
    }

    /// R10: a peer works at a height that is decided. One block behind: the block and its proof.
    /// Further behind: the tip's certificate, which proves how far it has to go.
    async fn tell_decided(&self, peer: NodeId, height: Height) {
        let reader = self.reader.clone();
        let found = self
            .tasks
            .blocking(move || {
                let tip = reader.height();
                let far = tip.get().saturating_sub(height.get()) > HELP_DISTANCE;
                reader
                    .block(if far { tip } else { height })
                    .ok()
                    .flatten()
                    .map(|stored| (stored, far))
            })
            .await
            .flatten();
        let Some((stored, far)) = found else { return };
        let Some(certificate) = stored.certificate else {
            return;
        };
        let block = (!far && stored.block.body_bytes() <= PUSH_BYTES_MAX).then_some(stored.block);
        let _ = self
            .network
            .send(&peer, &Message::Decided(Decided { certificate, block }));
    }
}

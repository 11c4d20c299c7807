//! Questions to peers: each is a task of its own, bounded in number and time; what comes back is
//! verified on a blocking thread and handed to the engine.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crossbeam_channel::Sender;
use dashmap::DashMap;
use tokio::sync::{Semaphore, mpsc};

use crate::{
    chain::{Block, BlockHash, CommitCertificate, Height, SharedTransaction, TxId},
    crypto::NodeId,
    engine::Event,
    network::{Inbound, Network, RequestError},
    storage::StoreReader,
    sync::{Failure, Request},
    wire::{
        BoundedVec, Decided, Fault, GetBlockByHash, GetBlockTxs, GetBlocks, GetStatus, GetTxs, Message,
        limits,
    },
};

use super::{
    ask_more::{Pace, ask_more},
    compact::{Fill, Filling, Partial},
    gossip::Ask,
    spawner::Tasks,
    verifier::Verifier,
};

/// Questions under way at once.
const IN_FLIGHT_MAX: usize = 64;
/// A peer that has not answered by then is given up on.
const DEADLINE: Duration = Duration::from_secs(5);
/// The same for a range of blocks, which may be megabytes on a slow line. Meanwhile others are
/// asked: the scheduler does not wait for this.
const BLOCKS_DEADLINE: Duration = Duration::from_secs(15);
/// Pages of transactions fetched at once. They have slots of their own: a peer that announces what
/// it does not deliver must not hold up what consensus waits for. Beyond it the next announcer is
/// asked, later.
const TRANSACTIONS_IN_FLIGHT_MAX: usize = 32;
/// The same from one peer: a thousand ids announced at once, twice over, and a third of all slots
/// for a flooder at most.
const PEER_TRANSACTIONS_IN_FLIGHT_MAX: usize = 10;
/// Pages that wait for a free slot. Beyond it the next announcer is asked.
const WAITING_MAX: usize = 256;
/// The same of one peer.
const PEER_WAITING_MAX: usize = 20;
/// How often it is looked whether a slot is free for them.
const WAITING_EVERY: Duration = Duration::from_millis(50);
/// Transactions that have not come by then are asked of the next announcer.
const TRANSACTIONS_DEADLINE: Duration = Duration::from_secs(2);
/// A body that consensus waits for, and asks for again every half a second. A far peer on a bad line needs seconds
/// for it; one that does not have it costs no time.
const BODY_PACE: Pace = Pace {
    at_once: 3,
    more_every: Duration::from_millis(500),
    deadline: Duration::from_secs(5),
};
/// A peer whose announced transactions did not come is charged at most once in this time: on a bad line
/// that happens all day, and a day of it must not end a session.
const BLAME_EVERY: Duration = Duration::from_secs(60);
/// Peers remembered as charged; beyond it nobody is, until some are forgotten.
const BLAMED_MAX: usize = 4_096;
/// What is missing of a proposal is given up on, for the whole block, after so many round trips to its sender,
const FILL_ROUND_TRIPS: u32 = 3;
/// and at least this long,
const FILL_DEADLINE_MIN: Duration = Duration::from_millis(300);
/// and at most this long.
const FILL_DEADLINE_MAX: Duration = Duration::from_secs(2);
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
    /// Bodies being asked for: each by one task, however often consensus asks.
    pub(super) fetching: Arc<Filling>,
    /// Who was charged for transactions that did not come.
    pub(super) blamed: Arc<Blamed>,
}

/// When each peer was last charged for transactions that did not come.
#[derive(Debug, Default)]
pub(super) struct Blamed(Mutex<BTreeMap<NodeId, Instant>>);

impl Blamed {
    /// True if the peer may be charged now; it is remembered.
    fn is_due(&self, peer: NodeId, now: Instant) -> bool {
        let mut charged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        charged.retain(|_, at| now.saturating_duration_since(*at) < BLAME_EVERY);
        let is_due = charged.len() < BLAMED_MAX && !charged.contains_key(&peer);
        if is_due {
            charged.insert(peer, now);
        }
        is_due
    }
}

/// One of a peer's places among the transactions being fetched.
struct Share {
    of_peers: Arc<DashMap<NodeId, usize>>,
    peer: NodeId,
}

impl Share {
    fn take(of_peers: &Arc<DashMap<NodeId, usize>>, peer: NodeId) -> Option<Self> {
        let mut taken = of_peers.entry(peer).or_default();
        if *taken >= PEER_TRANSACTIONS_IN_FLIGHT_MAX {
            return None;
        }
        *taken += 1;
        Some(Self {
            of_peers: Arc::clone(of_peers),
            peer,
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of_peers.remove_if_mut(&self.peer, |_, taken| {
            *taken = taken.saturating_sub(1);
            *taken == 0
        });
    }
}

/// How long the sender of a proposal has for what is missing of it.
fn fill_deadline(rtt: Option<Duration>) -> Duration {
    let trips = rtt.map_or(FILL_DEADLINE_MIN, |rtt| rtt.saturating_mul(FILL_ROUND_TRIPS));
    trips.clamp(FILL_DEADLINE_MIN, FILL_DEADLINE_MAX)
}

fn failed(peer: NodeId, start: Height, failure: Failure) -> Event {
    Event::BlocksFailed { peer, start, failure }
}

impl Requests {
    pub(super) async fn run(self, mut asks: mpsc::Receiver<Ask>) {
        let slots = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
        let for_transactions = Arc::new(Semaphore::new(TRANSACTIONS_IN_FLIGHT_MAX));
        let of_peers = Arc::new(DashMap::<NodeId, usize>::new());
        let mut waiting: VecDeque<(NodeId, Vec<TxId>)> = VecDeque::new();
        let mut again = tokio::time::interval(WAITING_EVERY);
        loop {
            let ask = tokio::select! {
                biased;
                ask = asks.recv() => match ask {
                    Some(ask) => ask,
                    None => break,
                },
                _ = again.tick(), if !waiting.is_empty() => {
                    for _ in 0..waiting.len() {
                        let Some((peer, txids)) = waiting.pop_front() else { break };
                        if let Err(page) = self.fetch(&of_peers, &for_transactions, peer, txids) {
                            waiting.push_back(page);
                        }
                    }
                    continue;
                }
            };
            if let Ask::Body { digest, .. } = &ask
                && !matches!(self.fetching.begin(*digest), Fill::Begin)
            {
                // Under way; or there are so many that consensus has to ask again.
                continue;
            }
            let slot = match &ask {
                Ask::Transactions { peer, txids } => {
                    let Err((peer, txids)) = self.fetch(&of_peers, &for_transactions, *peer, txids.clone())
                    else {
                        continue;
                    };
                    let of_peer = waiting.iter().filter(|(other, _)| *other == peer).count();
                    if waiting.len() < WAITING_MAX && of_peer < PEER_WAITING_MAX {
                        waiting.push_back((peer, txids));
                    } else {
                        self.verifier.ask_others(&peer, &txids);
                    }
                    continue;
                }
                Ask::Body { .. }
                | Ask::Fill(_)
                | Ask::Blocks(_)
                | Ask::Status { .. }
                | Ask::TellDecided { .. } => {
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

    /// Starts fetching a page of transactions; gives it back if there is no slot for it now.
    fn fetch(
        &self,
        of_peers: &Arc<DashMap<NodeId, usize>>,
        slots: &Arc<Semaphore>,
        peer: NodeId,
        txids: Vec<TxId>,
    ) -> Result<(), (NodeId, Vec<TxId>)> {
        let share = Share::take(of_peers, peer);
        let slot = Arc::clone(slots).try_acquire_owned();
        let (Some(share), Ok(slot)) = (share, slot) else {
            return Err((peer, txids));
        };
        let this = self.clone();
        self.tasks.start("request", async move {
            this.transactions(peer, txids).await;
            drop((slot, share));
        });
        Ok(())
    }

    async fn answer(&self, ask: Ask) {
        match ask {
            Ask::Body { height, digest } => {
                self.body(height, digest).await;
                self.fetching.end(&digest);
            }
            Ask::Blocks(request) => self.blocks(request).await,
            Ask::Status { peer } => self.status(peer).await,
            Ask::Fill(partial) => self.fill(*partial).await,
            Ask::Transactions { peer, txids } => self.transactions(peer, txids).await,
            Ask::TellDecided { peer, height } => self.tell_decided(peer, height).await,
        }
    }

    /// Asks some peers, and every half a second some more, until one of all these gives the block.
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
        let ask = |peer: NodeId| {
            let (network, question) = (self.network.clone(), question.clone());
            async move { network.request(&peer, &question, BODY_PACE.deadline).await.ok() }
        };
        let peers = peers.into_iter().map(|peer| peer.node_id).collect();
        // The first that holds; what the others send meanwhile is let pass by.
        let takes = |peer, answer| self.is_body(peer, digest, answer);
        ask_more(peers, BODY_PACE, ask, takes).await;
    }

    /// True if an answer is the block that consensus waits for, and was handed to it.
    async fn is_body(&self, peer: NodeId, digest: BlockHash, answer: Inbound) -> bool {
        // The permit lives until the block is checked.
        let Inbound { message, permit, .. } = answer;
        let Message::BlockByHash(found) = message else {
            return false;
        };
        if found.block.hash() != digest {
            self.network
                .blame(&peer, Fault::InvalidBlock, "another block than asked for");
            return false;
        }
        let verifier = Arc::clone(&self.verifier);
        let checking = move || (verifier.whole_block(found.block), permit);
        match self.tasks.blocking(checking).await {
            Some((Some(block), _)) => {
                let _ = self.votes.try_send(Event::Fetched(Box::new(block)));
                true
            }
            Some((None, _)) => {
                let detail = "a body that is not its header's, or a signature that does not hold";
                self.network.blame(&peer, Fault::InvalidBlock, detail);
                false
            }
            None => false,
        }
    }

    /// Asks whoever sent a proposal by ids for what is missing here. If it does not come, consensus
    /// gets the proposal without its block, and fetches that whole.
    async fn fill(&self, mut partial: Partial) {
        let digest = partial.digest;
        if let Some(missing) = partial.missing()
            && let Ok(positions) = BoundedVec::new(missing.clone())
        {
            let question = Message::GetBlockTxs(GetBlockTxs {
                hash: digest,
                positions,
            });
            let rtt = self.network.peer(&partial.from).and_then(|peer| peer.rtt_us);
            let deadline = fill_deadline(rtt.map(Duration::from_micros));
            let answer = self.network.request(&partial.from, &question, deadline).await;
            if let Ok(Message::BlockTxs(came)) = answer.map(|inbound| inbound.message) {
                partial.fill(&missing, came.transactions.into_vec());
            }
        }
        let verifier = Arc::clone(&self.verifier);
        let votes = self.votes.clone();
        let _ = self
            .tasks
            .blocking(move || {
                let event = verifier.proposal_by_ids(partial);
                verifier.filling.end(&digest);
                // Full: the proposal comes again (R9).
                let _ = votes.try_send(event);
            })
            .await;
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
        // Lives until the engine has the blocks.
        let mut _permit = None;
        let message = answer.map(|inbound| {
            _permit = inbound.permit;
            inbound.message
        });
        let event = match message {
            // As good as not having it, and not to be taken for an answer that is being checked.
            Ok(Message::Blocks(answer)) if answer.blocks.is_empty() => failed(peer, start, Failure::Missing),
            Ok(Message::Blocks(answer)) => {
                // Nobody is slow any more. Lost if the queue is full: then one hedge too many is sent.
                let _ = self.votes.try_send(Event::BlocksReceived { peer, start });
                self.verified_range(peer, start, answer.blocks.into_vec(), answer.certificate)
                    .await
            }
            Ok(Message::NotFound(_)) => failed(peer, start, Failure::Missing),
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
        let answer = match self.network.request(&peer, &question, DEADLINE).await {
            Ok(answer) => answer,
            Err(RequestError::Timeout(_)) => {
                let _ = self.votes.try_send(Event::NoStatus { peer });
                return;
            }
            // Gone, or not asked at all.
            Err(_) => return,
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

    /// Fetches announced transactions; what does not come is asked of the next announcer.
    async fn transactions(&self, peer: NodeId, txids: Vec<TxId>) {
        let Ok(asked) = BoundedVec::new(txids.clone()) else {
            return;
        };
        let question = Message::GetTxs(GetTxs { txids: asked });
        let answer = self
            .network
            .request(&peer, &question, TRANSACTIONS_DEADLINE)
            .await;
        let mut _permit = None;
        let message = answer.map(|inbound| {
            _permit = inbound.permit;
            inbound.message
        });
        // Busy, not here, no memory, gone: that is nobody's fault.
        let (found, is_empty_promise) = match message {
            Ok(Message::Txs(found)) => {
                let is_empty = found.transactions.is_empty();
                (found.transactions.into_vec(), is_empty)
            }
            Err(RequestError::Timeout(_)) => (Vec::new(), true),
            Ok(_) | Err(_) => (Vec::new(), false),
        };
        let missing: Vec<TxId> = {
            let came: HashSet<TxId> = found.iter().map(SharedTransaction::txid).collect();
            txids.into_iter().filter(|txid| !came.contains(txid)).collect()
        };
        // One that was committed or replaced meanwhile is nobody's fault; nothing at all is.
        if is_empty_promise
            && !missing.iter().any(|txid| self.verifier.bodies.is_known(txid))
            && self.blamed.is_due(peer, Instant::now())
        {
            self.network
                .blame(&peer, Fault::Timeout, "announced transactions did not come");
        }
        self.verifier.ask_others(&peer, &missing);
        if found.is_empty() {
            return;
        }
        let arrived = found.into_iter().map(|tx| (peer, tx)).collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_of_a_proposal_is_waited_for_by_the_length_of_the_line() {
        let ms = Duration::from_millis;
        assert_eq!(fill_deadline(None), ms(300));
        assert_eq!(fill_deadline(Some(ms(1))), ms(300));
        assert_eq!(fill_deadline(Some(ms(250))), ms(750));
        assert_eq!(fill_deadline(Some(ms(5_000))), ms(2_000));
    }
}

//! What goes out: consensus to validators, transactions to those who propose, ids to the rest.
//!
//! Nothing here waits. A full queue of a peer is that peer's affair: R9 repeats votes, others
//! announce transactions again.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError, atomic::AtomicU64},
};

use tokio::sync::mpsc;

use crate::{
    chain::{Block, BlockHash, Height, SharedTransaction, TxId},
    consensus::PrePrepare,
    crypto::NodeId,
    network::{Link, Network},
    sync::Request,
    wire::{BoundedVec, CompactProposal, Fault, Message, Proposal, TxInv, Txs, capability, limits},
};

use super::compact::Partial;

/// Questions to peers waiting for a task; when full, the newest is dropped: the engine asks again.
pub(super) const ASKS_MAX: usize = 1_024;
/// Ids that wait to be announced; more are not announced by us. Others have them too.
const ANNOUNCED_MAX: usize = 50_000;
/// Bytes of transactions in one message: well below the message's limit, so that one packet train
/// of a lane stays short.
const TXS_BYTES_MAX: usize = 256 * 1024;

/// A question whose answer takes time.
#[derive(Debug)]
pub(super) enum Ask {
    /// A body that consensus waits for.
    Body {
        /// Height of the block.
        height: Height,
        /// Its hash.
        digest: BlockHash,
    },
    /// A range of blocks.
    Blocks(Request),
    /// A peer's tip and its certificate.
    Status {
        /// Whose.
        peer: NodeId,
    },
    /// Transactions of a proposal that came by ids.
    Fill(Box<Partial>),
    /// Transactions that were announced.
    Transactions {
        /// By whom.
        peer: NodeId,
        /// Which.
        txids: Vec<TxId>,
    },
    /// Not a question: read from storage how a height was decided, and tell.
    TellDecided {
        /// Whom.
        peer: NodeId,
        /// Which.
        height: Height,
    },
}

/// Counts of what was dropped on the way in.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    /// The engine's queue was full.
    pub(super) engine_full: AtomicU64,
    /// The queue of questions was full.
    pub(super) asks_full: AtomicU64,
}

/// The sending side.
pub(super) struct Gossip {
    network: Network,
    asks: mpsc::Sender<Ask>,
    /// Relayed since the last announcement: id, whom it came from, whether it was submitted here.
    announced: Mutex<Vec<(TxId, Option<NodeId>, bool)>>,
    pub(super) counters: Dropped,
}

impl Gossip {
    pub(super) fn new(network: Network, asks: mpsc::Sender<Ask>) -> Self {
        Self {
            network,
            asks,
            announced: Mutex::default(),
            counters: Dropped::default(),
        }
    }

    fn ask(&self, ask: Ask) {
        if self.asks.try_send(ask).is_err() {
            self.counters
                .asks_full
                .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }

    /// To every session that proved a validator's key, except one. Encoded once.
    pub(super) fn to_validators(&self, message: &Message, except: Option<NodeId>) {
        let choose = |link: &Link| link.validator.is_some() && Some(link.node_id) != except;
        if let Err(error) = self.network.broadcast(message, choose) {
            tracing::error!(%error, kind = ?message.message_type(), "own message does not encode");
        }
    }

    /// A proposal to every validator: by ids to those that take it so, which hold the transactions.
    pub(super) fn propose(&self, proposal: PrePrepare, block: Block, except: Option<NodeId>) {
        let is_chosen = |link: &Link| link.validator.is_some() && Some(link.node_id) != except;
        let takes_ids = |link: &Link| link.capabilities & capability::COMPACT != 0;
        let Some(compact) = CompactProposal::of(proposal.clone(), &block) else {
            let message = Message::PrePrepare(Proposal {
                message: proposal,
                block,
            });
            return self.to_validators(&message, except);
        };
        let compact = Message::CompactProposal(compact);
        let by_ids = self
            .network
            .broadcast(&compact, |link| is_chosen(link) && takes_ids(link));
        let whole = |link: &Link| is_chosen(link) && (by_ids.is_err() || !takes_ids(link));
        if self.network.has_link(whole) {
            let message = Message::PrePrepare(Proposal {
                message: proposal,
                block,
            });
            if let Err(error) = self.network.broadcast(&message, whole) {
                tracing::error!(%error, "own proposal does not encode");
            }
        }
    }

    /// Whether a peer is rather believed: one that we dialled ourselves, or a registered masternode.
    pub(super) fn is_preferred(&self, peer: &NodeId) -> bool {
        self.network.is_preferred(peer)
    }

    /// Transactions of a proposal that came by ids are missing here.
    pub(super) fn fill(&self, partial: Partial) -> bool {
        self.asks.try_send(Ask::Fill(Box::new(partial))).is_ok()
    }

    /// Charges a fault.
    pub(super) fn blame(&self, peer: NodeId, fault: Fault) {
        self.network.blame(&peer, fault, "");
    }

    /// Transactions new to us: whole to masternodes if they are our own submissions, as ids to
    /// everybody else. A masternode that pushed to us pushes to the others too.
    pub(super) fn relay(&self, transactions: Vec<SharedTransaction>, except: Option<NodeId>, is_ours: bool) {
        {
            let mut announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
            let room = ANNOUNCED_MAX.saturating_sub(announced.len());
            let ids = transactions.iter().take(room);
            announced.extend(ids.map(|transaction| (transaction.txid(), except, is_ours)));
        }
        if is_ours {
            for message in pushes(transactions) {
                let _ = self
                    .network
                    .broadcast(&message, |link: &Link| link.validator.is_some());
            }
        }
    }

    /// Announces what was relayed since the last call and `still_waits`: most of what is announced at
    /// once is final, or known to everybody, a moment later.
    pub(super) fn announce(&self, still_waits: impl Fn(&TxId) -> bool) {
        let batch = std::mem::take(&mut *self.announced.lock().unwrap_or_else(PoisonError::into_inner));
        let mut by_origin: BTreeMap<(Option<NodeId>, bool), Vec<TxId>> = BTreeMap::new();
        for (txid, except, is_ours) in batch {
            if still_waits(&txid) {
                by_origin.entry((except, is_ours)).or_default().push(txid);
            }
        }
        for ((except, is_ours), txids) in by_origin {
            let choose = |link: &Link| Some(link.node_id) != except && !(is_ours && link.validator.is_some());
            if !self.network.has_link(choose) {
                continue;
            }
            for page in txids.chunks(limits::TX_INV_MAX) {
                let txids = BoundedVec::truncated(page.to_vec());
                let _ = self.network.broadcast(&Message::TxInv(TxInv { txids }), choose);
            }
        }
    }

    /// Whole transactions to one peer.
    pub(super) fn offer(&self, peer: NodeId, transactions: Vec<SharedTransaction>) {
        for message in pushes(transactions) {
            if self.network.send(&peer, &message).is_err() {
                break;
            }
        }
    }

    pub(super) fn fetch_body(&self, height: Height, digest: BlockHash) {
        self.ask(Ask::Body { height, digest });
    }

    pub(super) fn request_blocks(&self, request: Request) {
        self.ask(Ask::Blocks(request));
    }

    pub(super) fn ask_status(&self, peer: NodeId) {
        self.ask(Ask::Status { peer });
    }

    pub(super) fn send_decided(&self, peer: NodeId, height: Height) {
        self.ask(Ask::TellDecided { peer, height });
    }

    /// A peer has transactions that we may lack.
    pub(super) fn fetch_transactions(&self, peer: NodeId, txids: Vec<TxId>) {
        for page in txids.chunks(limits::TXS_MAX) {
            self.ask(Ask::Transactions {
                peer,
                txids: page.to_vec(),
            });
        }
    }
}

/// Whole transactions in messages within count and size.
pub(super) fn pushes(transactions: Vec<SharedTransaction>) -> Vec<Message> {
    let mut messages = Vec::new();
    let mut page: Vec<SharedTransaction> = Vec::new();
    let mut bytes = 0;
    let mut finish = |page: &mut Vec<SharedTransaction>| {
        if let Ok(transactions) = BoundedVec::new(std::mem::take(page)) {
            messages.push(Message::Txs(Txs { transactions }));
        }
    };
    for transaction in transactions {
        if !page.is_empty() && (page.len() == limits::TXS_MAX || bytes + transaction.size() > TXS_BYTES_MAX) {
            finish(&mut page);
            bytes = 0;
        }
        bytes += transaction.size();
        page.push(transaction);
    }
    if !page.is_empty() {
        finish(&mut page);
    }
    messages
}

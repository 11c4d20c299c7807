//! What goes out: consensus to validators, transactions to those who propose, ids to the rest.
//!
//! Nothing here waits. A full queue of a peer is that peer's affair: R9 repeats votes, others
//! announce transactions again.

use std::sync::atomic::AtomicU64;

use tokio::sync::mpsc;

use crate::{
    chain::{BlockHash, Height, SharedTransaction, TxId},
    crypto::NodeId,
    network::{Link, Network},
    sync::Request,
    wire::{BoundedVec, Fault, Message, TxInv, Txs, limits},
};

/// Questions to peers waiting for a task; when full, the newest is dropped: the engine asks again.
pub(super) const ASKS_MAX: usize = 1_024;
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
    pub(super) counters: Dropped,
}

impl Gossip {
    pub(super) fn new(network: Network, asks: mpsc::Sender<Ask>) -> Self {
        Self {
            network,
            asks,
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

    /// Charges a fault.
    pub(super) fn blame(&self, peer: NodeId, fault: Fault) {
        self.network.blame(&peer, fault, "");
    }

    /// Transactions new to us: whole to masternodes if they are our own submissions, as ids to
    /// everybody else. A masternode that pushed to us pushes to the others too.
    pub(super) fn relay(&self, transactions: Vec<SharedTransaction>, except: Option<NodeId>) {
        let is_ours = except.is_none();
        for message in announcements(&transactions) {
            let choose = |link: &Link| Some(link.node_id) != except && !(is_ours && link.validator.is_some());
            let _ = self.network.broadcast(&message, choose);
        }
        if is_ours {
            for message in pushes(transactions) {
                let _ = self
                    .network
                    .broadcast(&message, |link: &Link| link.validator.is_some());
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

fn announcements(transactions: &[SharedTransaction]) -> Vec<Message> {
    transactions
        .chunks(limits::TX_INV_MAX)
        .filter_map(|page| BoundedVec::new(page.iter().map(SharedTransaction::txid).collect()).ok())
        .map(|txids| Message::TxInv(TxInv { txids }))
        .collect()
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

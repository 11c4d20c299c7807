//! Answers to peers' questions, read from storage on blocking threads, a few at a time.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

use crate::{
    chain::{ChainState, Height},
    network::{Inbound, Network},
    storage::StoreReader,
    wire::{
        BlockByHash, Blocks, BoundedVec, Busy, GetBlockByHash, GetBlocks, GetMasternodes, GetStatus, GetTxs,
        MasternodeEntry, Masternodes, Message, NotFound, Status, Txs, limits,
    },
};

use super::{bodies::Bodies, spawner::Tasks};

/// Reads under way at once: one slow disk must not collect threads.
const READS_MAX: usize = 4;
/// Bytes of one answer with transactions.
const TXS_BYTES_MAX: usize = 900 * 1024;

/// The serving side.
#[derive(Clone)]
pub(super) struct Serve {
    pub(super) network: Network,
    pub(super) reader: StoreReader,
    pub(super) bodies: Arc<Bodies>,
    pub(super) tasks: Arc<Tasks>,
}

impl Serve {
    pub(super) async fn run(self, mut inbox: mpsc::Receiver<Inbound>) {
        let slots = Arc::new(Semaphore::new(READS_MAX));
        while let Some(inbound) = inbox.recv().await {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                break;
            };
            let this = self.clone();
            self.tasks.start("serve", async move {
                let (peer, generation, request_id) = (inbound.peer, inbound.generation, inbound.request_id);
                let reading = this.clone();
                let answer = this
                    .tasks
                    .blocking(move || reading.answer(&inbound.message))
                    .await
                    .flatten();
                let answer = answer.unwrap_or(Message::Busy(Busy));
                let _ = this.network.respond_to(&peer, generation, request_id, &answer);
                drop(slot);
            });
        }
    }

    fn answer(&self, question: &Message) -> Option<Message> {
        match question {
            Message::GetStatus(GetStatus { nonce }) => self.status(*nonce),
            Message::GetBlocks(get) => self.blocks(get),
            Message::GetBlockByHash(get) => self.block_by_hash(get),
            Message::GetTxs(get) => Some(self.transactions(get)),
            Message::GetMasternodes(get) => self.masternodes(get),
            _ => None,
        }
    }

    fn status(&self, nonce: u64) -> Option<Message> {
        let tip = self.reader.state().tip;
        let certificate = self.reader.header(tip.height).ok().flatten()?.certificate;
        Some(Message::Status(Status {
            nonce,
            height: tip.height,
            tip: tip.hash,
            pruned_below: Height::GENESIS,
            certificate,
        }))
    }

    fn blocks(&self, get: &GetBlocks) -> Option<Message> {
        let tip = self.reader.height();
        let count = usize::from(get.count).min(limits::BLOCKS_PER_REQUEST_MAX);
        let bytes_max = get.max_bytes.min(limits::BLOCKS_BYTES_MAX) as usize;
        let (mut blocks, mut certificate, mut bytes) = (Vec::new(), None, 0);
        let mut height = get.start;
        while blocks.len() < count && height <= tip && height != Height::GENESIS {
            let stored = self.reader.block(height).ok()??;
            bytes += stored.block.body_bytes();
            if !blocks.is_empty() && bytes > bytes_max {
                break;
            }
            blocks.push(stored.block);
            certificate = stored.certificate;
            height = height.next();
        }
        if blocks.is_empty() {
            return Some(Message::NotFound(NotFound));
        }
        let blocks = BoundedVec::new(blocks).ok()?;
        Some(Message::Blocks(Blocks {
            start: get.start,
            blocks,
            certificate,
            more: height <= tip,
        }))
    }

    fn block_by_hash(&self, get: &GetBlockByHash) -> Option<Message> {
        if let Some(block) = self.bodies.proposal(&get.hash) {
            return Some(Message::BlockByHash(BlockByHash {
                block,
                certificate: None,
            }));
        }
        let height = self.reader.height_of(&get.hash).ok()?;
        let Some(height) = height else {
            return Some(Message::NotFound(NotFound));
        };
        let stored = self.reader.block(height).ok()??;
        Some(Message::BlockByHash(BlockByHash {
            block: stored.block,
            certificate: stored.certificate,
        }))
    }

    fn transactions(&self, get: &GetTxs) -> Message {
        let mut bytes = 0;
        let found = get
            .txids
            .iter()
            .filter_map(|txid| self.bodies.get(txid))
            .take_while(|transaction| {
                bytes += transaction.size();
                bytes <= TXS_BYTES_MAX
            })
            .collect();
        match BoundedVec::new(found) {
            Ok(transactions) => Message::Txs(Txs { transactions }),
            Err(_) => Message::NotFound(NotFound),
        }
    }

    fn masternodes(&self, get: &GetMasternodes) -> Option<Message> {
        let state: Arc<ChainState> = self.reader.state();
        let limit = usize::from(get.limit).min(limits::MASTERNODES_PAGE_MAX);
        let mut entries = state
            .masternodes
            .iter()
            .filter(|node| get.after.is_none_or(|after| node.validator_key > after));
        let page: Vec<MasternodeEntry> = entries
            .by_ref()
            .take(limit)
            .map(|node| MasternodeEntry {
                validator_key: node.validator_key,
                node_key: None,
                tier: node.tier,
            })
            .collect();
        let next = entries.next().and(page.last().map(|entry| entry.validator_key));
        Some(Message::Masternodes(Masternodes {
            registry_height: state.tip.height,
            vset_hash: state.validator_set_hash(),
            page: BoundedVec::new(page).ok()?,
            next,
        }))
    }
}

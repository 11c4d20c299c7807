//! Answers to peers' questions, read from storage on blocking threads, a few at a time.

use std::{sync::Arc, time::Instant};

use tokio::sync::{Semaphore, mpsc};

use crate::{
    chain::{Block, BlockHash, ChainState, Height, Masternode, SharedTransaction, Standing},
    crypto::NodeId,
    network::{Inbound, Network},
    storage::{Snapshots, StoreReader},
    wire::{
        BlockByHash, BlockTxs, Blocks, BoundedVec, Busy, Fault, GetBlockByHash, GetBlockTxs, GetBlocks,
        GetMasternodes, GetStatus, GetTxs, GetUtxoSetPage, MasternodeEntry, Masternodes, Message, NotFound,
        SnapshotInfo, Status, Txs, UtxoSetPage, limits,
    },
};

use super::{allowance::Allowance, bodies::Bodies, spawner::Tasks};

/// Reads under way at once: one slow disk must not collect threads.
pub(super) const READS_MAX: usize = 4;
/// The same of what consensus waits for, beside them.
pub(super) const URGENT_READS_MAX: usize = 2;
/// Bytes of one answer with transactions.
const TXS_BYTES_MAX: usize = 900 * 1024;

/// Most bytes of a block on the wire beyond its body and transactions: header, counts of lists.
const BLOCK_OVERHEAD: usize = 1_024;
/// Most bytes that a transaction takes on the wire beyond its canonical size: wider counts and tags.
const TRANSACTION_OVERHEAD: usize = 16;

/// Most bytes of a block in an answer. An answer above what was asked for costs us the session.
fn encoded_bytes_max(block: &Block) -> usize {
    block.body_bytes() + block.transactions.len() * TRANSACTION_OVERHEAD + BLOCK_OVERHEAD
}

/// What a peer was given of late, by what it asked for: bulk has a share, and blocks by their hash,
/// which travel in the lane of consensus, have another.
#[derive(Debug, Default)]
pub(super) struct Shares {
    bulk: Allowance,
    bodies: Allowance,
}

impl Shares {
    /// The share that the answer to a question is taken from. What is small has none, and what
    /// masternodes vote about is not counted.
    fn of(&self, question: &Message, is_under_vote: impl Fn(&BlockHash) -> bool) -> Option<&Allowance> {
        match question {
            Message::GetBlocks(_)
            | Message::GetTxs(_)
            | Message::GetMasternodes(_)
            | Message::GetSnapshotInfo(_)
            | Message::GetUtxoSetPage(_) => Some(&self.bulk),
            Message::GetBlockByHash(GetBlockByHash { hash, .. })
            | Message::GetBlockTxs(GetBlockTxs { hash, .. }) => {
                (!is_under_vote(hash)).then_some(&self.bodies)
            }
            _ => None,
        }
    }
}

/// The serving side.
#[derive(Clone)]
pub(super) struct Serve {
    pub(super) network: Network,
    pub(super) reader: StoreReader,
    pub(super) bodies: Arc<Bodies>,
    pub(super) tasks: Arc<Tasks>,
    pub(super) shares: Arc<Shares>,
    pub(super) snapshots: Arc<Snapshots>,
}

impl Serve {
    /// Answers what comes, `at_once` questions at a time.
    pub(super) async fn run(self, mut inbox: mpsc::Receiver<Inbound>, at_once: usize) {
        let slots = Arc::new(Semaphore::new(at_once));
        while let Some(inbound) = inbox.recv().await {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                break;
            };
            let this = self.clone();
            self.tasks.start("serve", async move {
                let (peer, generation, request_id) = (inbound.peer, inbound.generation, inbound.request_id);
                let serving = this.clone();
                // Encoding and compressing eight megabytes is no work for a thread that votes wait for.
                if this
                    .tasks
                    .blocking(move || serving.serve(inbound))
                    .await
                    .is_none()
                {
                    let busy = Message::Busy(Busy);
                    // A session that is gone hears nothing.
                    let _ = this.network.respond_to(&peer, generation, request_id, &busy);
                }
                drop(slot);
            });
        }
    }

    fn serve(&self, inbound: Inbound) {
        let (peer, question) = (inbound.peer, &inbound.message);
        let is_under_vote =
            |hash: &BlockHash| self.bodies.has_proposal(hash) && self.network.is_masternode(&peer);
        let share = self.shares.of(question, is_under_vote);
        let has_share = share.is_none_or(|share| share.may(&peer, Instant::now()));
        let answer = match self.asks_too_much(&peer, question) || !has_share {
            true => None,
            false => self.answer(question),
        };
        let answer = answer.unwrap_or(Message::Busy(Busy));
        let sent = self
            .network
            .respond_to(&peer, inbound.generation, inbound.request_id, &answer);
        // A session that is gone took nothing.
        if let (Some(share), Ok(bytes)) = (share, sent) {
            share.charge(&peer, bytes, Instant::now());
        }
    }

    /// A question that no correct program asks: nothing is read for it.
    fn asks_too_much(&self, peer: &NodeId, question: &Message) -> bool {
        let detail = match question {
            Message::GetBlocks(get) => {
                let count = usize::from(get.count);
                let in_limits = (1..=limits::BLOCKS_PER_REQUEST_MAX).contains(&count)
                    && get.max_bytes <= limits::BLOCKS_BYTES_MAX;
                (!in_limits).then_some("more blocks than a request may ask for")
            }
            Message::GetUtxoSetPage(get) => {
                let in_limits = (1..=limits::UTXO_PAGE_MAX).contains(&usize::from(get.limit));
                (!in_limits).then_some("more coins than a page may have")
            }
            _ => None,
        };
        if let Some(detail) = detail {
            self.network.blame(peer, Fault::RequestOverLimit, detail);
        }
        detail.is_some()
    }

    fn answer(&self, question: &Message) -> Option<Message> {
        match question {
            Message::GetStatus(GetStatus { nonce }) => self.status(*nonce),
            Message::GetBlocks(get) => self.blocks(get),
            Message::GetBlockByHash(get) => self.block_by_hash(get),
            Message::GetBlockTxs(get) => Some(self.block_txs(get)),
            Message::GetTxs(get) => Some(self.transactions(get)),
            Message::GetMasternodes(get) => self.masternodes(get),
            Message::GetSnapshotInfo(_) => Some(self.snapshot()),
            Message::GetUtxoSetPage(get) => Some(self.page(get)),
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
            pruned_below: self.reader.pruned_below(),
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
            let Some(stored) = self.reader.block(height).ok()? else {
                break;
            };
            bytes += encoded_bytes_max(&stored.block);
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

    /// Transactions of a block under vote, all that were asked for or none.
    fn block_txs(&self, get: &GetBlockTxs) -> Message {
        let not_found = Message::NotFound(NotFound);
        let Some(block) = self.bodies.proposal(&get.hash) else {
            return not_found;
        };
        let listed = match block.transactions.split_first() {
            Some((first, others)) if first.is_reward() => others,
            _ => &block.transactions[..],
        };
        let found: Option<Vec<_>> = get
            .positions
            .iter()
            .map(|position| listed.get(*position as usize).cloned())
            .collect();
        // What no message can hold is not encoded to find that out.
        let fits = |found: &Vec<SharedTransaction>| {
            let bytes: usize = found.iter().map(SharedTransaction::size).sum();
            bytes <= limits::BLOCK_MESSAGE_MAX_BYTES
        };
        match found.filter(fits).map(BoundedVec::new) {
            Some(Ok(transactions)) => Message::BlockTxs(BlockTxs { transactions }),
            Some(Err(_)) | None => not_found,
        }
    }

    fn snapshot(&self) -> Message {
        match self.snapshots.newest() {
            Some(manifest) => Message::SnapshotInfo(SnapshotInfo { manifest }),
            None => Message::NotFound(NotFound),
        }
    }

    fn page(&self, get: &GetUtxoSetPage) -> Message {
        let found = self
            .snapshots
            .page(get.height, &get.hash, get.cursor)
            .filter(|(items, _)| items.len() <= usize::from(get.limit));
        let Some((items, next)) = found else {
            return Message::NotFound(NotFound);
        };
        match BoundedVec::new(items) {
            Ok(items) => Message::UtxoSetPage(UtxoSetPage {
                height: get.height,
                cursor: get.cursor,
                items,
                next,
            }),
            Err(_) => Message::NotFound(NotFound),
        }
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
        // In the order of keys, which the page is asked for by; those who may be connected to.
        let mut nodes: Vec<&Masternode> = state
            .registry
            .iter()
            .filter(|node| matches!(node.standing, Standing::Active | Standing::Pending))
            .filter(|node| get.after.is_none_or(|after| node.validator_key > after))
            .collect();
        nodes.sort_unstable_by_key(|node| node.validator_key);
        let mut entries = nodes.into_iter();
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

#[cfg(test)]
mod tests {
    use crate::chain::{CommitCertificate, testing::TestChain};

    use super::*;

    #[test]
    fn dos_19_bodies_by_hash_are_served_at_8_mb_a_second() {
        use std::time::Duration;

        use crate::node::allowance::{BURST_BYTES, BYTES_PER_S};

        let hash = |byte: u8| BlockHash::from_hash(crate::crypto::Hash256::from_bytes([byte; 32]));
        let ask = |byte: u8| {
            Message::GetBlockByHash(GetBlockByHash {
                height: Height::new(7),
                hash: hash(byte),
            })
        };
        let (shares, began) = (Shares::default(), Instant::now());
        let (stranger, masternode) = (NodeId::from_bytes([1; 32]), NodeId::from_bytes([2; 32]));
        let (mut served, mut voted, body) = (0usize, 0usize, 4 << 20);
        // A hundred questions a second of each, for a minute: a decided block, and the one under vote.
        for tick in 0..6_000 {
            let now = began + Duration::from_millis(10 * tick);
            for (peer, under_vote, count) in [(stranger, false, &mut served), (masternode, true, &mut voted)]
            {
                match shares.of(&ask(9), |wanted| under_vote && *wanted == hash(9)) {
                    Some(share) if share.may(&peer, now) => {
                        share.charge(&peer, body, now);
                        *count += body;
                    }
                    Some(_) => {}
                    None => *count += body,
                }
            }
        }
        let bound = 60.0 * BYTES_PER_S + BURST_BYTES + body as f64;
        assert!(served as f64 <= bound, "{served} of {bound}");
        assert!(served as f64 > 0.9 * 60.0 * BYTES_PER_S, "{served}");
        assert_eq!(voted, 6_000 * body, "what is voted about is never refused");
        // Transactions of it likewise; and bulk has another share.
        let lacking = Message::GetBlockTxs(GetBlockTxs {
            hash: hash(9),
            positions: BoundedVec::default(),
        });
        assert!(shares.of(&lacking, |_| true).is_none());
        let last = began + Duration::from_secs(60);
        assert!(!shares.of(&lacking, |_| false).unwrap().may(&stranger, last));
        let status = Message::GetStatus(GetStatus { nonce: 1 });
        assert!(shares.of(&status, |_| false).is_none());
        assert!(shares.bulk.may(&stranger, last));
    }

    #[test]
    fn a_block_is_never_longer_on_the_wire_than_it_was_counted() {
        let mut chain = TestChain::new(31, 40);
        chain.extend(1_000, vec![]);
        for outputs in [1, 3, 20] {
            let spend = |coin: u32| {
                let to: Vec<(u64, u64)> = (0..outputs).map(|n| (n, 1_000)).collect();
                chain.transfer(&[(chain.coin(coin), u64::from(coin))], &to)
            };
            let block = chain.assemble(1_000, (0..40).map(spend).collect()).block;
            assert_eq!(block.transactions.len(), 40);
            let counted = encoded_bytes_max(&block);
            let message = Message::BlockByHash(BlockByHash {
                block: block.into_inner(),
                certificate: None::<CommitCertificate>,
            });
            let long = message.encode_body().unwrap().len();
            assert!(
                long <= counted && counted < long + 2 * BLOCK_OVERHEAD,
                "{long} against {counted}"
            );
        }
    }
}

//! Blocks that are final and not yet in the database, laid over it for readers.
//!
//! One committer adds, the writer takes away what it has flushed, everybody reads. An entry leaves
//! only after the database answers the same, so a reader who misses it here finds it there.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    ops::Bound,
    sync::Arc,
};

use crate::chain::{
    Address, Block, BlockHash, ChainState, Coin, CommitCertificate, Height, OutPoint, TxId, UtxoDelta,
};

use super::schema::{StoredUndo, TransactionPosition};

/// Rough size of one created or spent coin in window and redo file, index rows included.
const COIN_BYTES: usize = 250;

/// Rough size of the rest: header, certificate, state.
const STATE_BYTES: usize = 4_096;

/// A final block with everything that the database will hold of it.
#[derive(Debug)]
pub(super) struct PendingBlock {
    pub(super) block: Block,
    pub(super) hash: BlockHash,
    pub(super) certificate: CommitCertificate,
    pub(super) delta: UtxoDelta,
    pub(super) undo: StoredUndo,
    /// The state after this block.
    pub(super) state: Arc<ChainState>,
}

impl PendingBlock {
    pub(super) fn height(&self) -> Height {
        self.block.header.height
    }

    /// What it weighs against the limits on unflushed work.
    pub(super) fn bytes(&self) -> usize {
        let coins = self.delta.created.len() + self.delta.spent.len();
        self.block.body_bytes() + coins * COIN_BYTES + STATE_BYTES
    }
}

/// A coin made (`Some`) or spent (`None`), and the last height that touched it.
type Change = (Height, Option<Coin>);

/// The unflushed blocks with their net effect.
#[derive(Debug)]
pub(super) struct Pending {
    /// The state after the last committed block.
    pub(super) state: Arc<ChainState>,
    /// Counts commits, so that a reader can tell whether one happened since.
    pub(super) commits: u64,
    /// Counts flushes whose blocks leave this window, so that a reader who looked at the database
    /// first can tell whether what it missed there may have left here meanwhile.
    pub(super) departures: u64,
    /// Ascending by height, no gaps, the last is the tip.
    blocks: VecDeque<Arc<PendingBlock>>,
    coins: HashMap<OutPoint, Change>,
    addresses: HashMap<Address, BTreeMap<OutPoint, Change>>,
    hashes: HashMap<BlockHash, Height>,
    transactions: HashMap<TxId, TransactionPosition>,
    /// Evidence not yet flushed, by its key.
    pub(super) evidence: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Pending {
    pub(super) fn new(state: ChainState) -> Self {
        Self {
            state: Arc::new(state),
            commits: 0,
            departures: 0,
            blocks: VecDeque::new(),
            coins: HashMap::new(),
            addresses: HashMap::new(),
            hashes: HashMap::new(),
            transactions: HashMap::new(),
            evidence: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, block: Arc<PendingBlock>) {
        let height = block.height();
        let spent = block
            .delta
            .spent
            .iter()
            .map(|(outpoint, coin)| (outpoint, coin, None));
        let created = block
            .delta
            .created
            .iter()
            .map(|(outpoint, coin)| (outpoint, coin, Some(*coin)));
        for (outpoint, coin, after) in spent.chain(created) {
            self.coins.insert(*outpoint, (height, after));
            self.addresses
                .entry(coin.output.address)
                .or_default()
                .insert(*outpoint, (height, after));
        }
        for (position, transaction) in (0..).zip(&block.block.transactions) {
            self.transactions
                .insert(transaction.txid(), TransactionPosition { height, position });
        }
        self.hashes.insert(block.hash, height);
        self.state = Arc::clone(&block.state);
        self.commits += 1;
        self.blocks.push_back(block);
    }

    /// Takes the index entries of coins that `part` of a flushed block's delta touched away, unless a
    /// later block touched them again.
    pub(super) fn forget_coins(&mut self, flushed: Height, part: &[(OutPoint, Coin)]) {
        for (outpoint, coin) in part {
            if self.coins.get(outpoint).is_some_and(|(last, _)| *last <= flushed) {
                self.coins.remove(outpoint);
            }
            let address = coin.output.address;
            if let Some(changes) = self.addresses.get_mut(&address) {
                if changes.get(outpoint).is_some_and(|(last, _)| *last <= flushed) {
                    changes.remove(outpoint);
                }
                if changes.is_empty() {
                    self.addresses.remove(&address);
                }
            }
        }
    }

    /// Takes the lowest block away, which the database holds.
    pub(super) fn forget_block(&mut self, flushed: &PendingBlock) {
        if self
            .blocks
            .front()
            .is_some_and(|first| first.height() == flushed.height())
        {
            self.blocks.pop_front();
        }
        self.hashes.remove(&flushed.hash);
        for transaction in &flushed.block.transactions {
            self.transactions.remove(&transaction.txid());
        }
    }

    pub(super) fn coin(&self, outpoint: &OutPoint) -> Option<Option<Coin>> {
        self.coins.get(outpoint).map(|(_, coin)| *coin)
    }

    /// Lays the changes to an address's coins over `stored`, its coins in the database between
    /// `after` and `through` (exclusive, inclusive). At most `limit`, ascending by outpoint.
    pub(super) fn coins_of(
        &self,
        address: &Address,
        after: Option<OutPoint>,
        through: Option<OutPoint>,
        stored: &[(OutPoint, Coin)],
        limit: usize,
    ) -> Vec<(OutPoint, Coin)> {
        let Some(changes) = self.addresses.get(address) else {
            return stored.iter().take(limit).copied().collect();
        };
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let end = through.map_or(Bound::Unbounded, Bound::Included);
        let made = changes
            .range((start, end))
            .filter_map(|(outpoint, (_, coin))| coin.map(|coin| (*outpoint, coin)))
            .take(limit);
        let kept = stored
            .iter()
            .filter(|(outpoint, _)| !changes.contains_key(outpoint));
        let mut merged: Vec<_> = kept.copied().chain(made).collect();
        merged.sort_unstable_by_key(|(outpoint, _)| *outpoint);
        merged.truncate(limit);
        merged
    }

    pub(super) fn block(&self, height: Height) -> Option<&Arc<PendingBlock>> {
        let first = self.blocks.front()?.height();
        let index = height.get().checked_sub(first.get())?;
        self.blocks.get(usize::try_from(index).ok()?)
    }

    pub(super) fn height_of(&self, hash: &BlockHash) -> Option<Height> {
        self.hashes.get(hash).copied()
    }

    pub(super) fn position_of(&self, txid: &TxId) -> Option<TransactionPosition> {
        self.transactions.get(txid).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.blocks.len()
    }
}

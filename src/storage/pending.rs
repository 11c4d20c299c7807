//! Blocks that are final and not yet in the database, laid over it for readers.
//!
//! One committer adds, the writer takes away what it has flushed, everybody reads. An entry leaves
//! only after the database answers the same, so a reader who misses it here finds it there.

use std::{
    collections::{BTreeMap, VecDeque, hash_map::Entry},
    ops::{Bound, RangeBounds},
    sync::Arc,
};

use crate::{
    chain::{
        Address, Before, Block, BlockHash, ChainState, Coin, CommitCertificate, Height, OutPoint, TxId,
        UtxoDelta,
    },
    crypto::HashKeyed,
};

use super::schema::{StoredUndo, TransactionPosition};

/// Rough size of one created or spent coin in window and redo file, index rows included.
const COIN_BYTES: usize = 200;

/// Rough size of the rest: header, certificate, state.
const STATE_BYTES: usize = 4_096;

/// A final block with everything that the database will hold of it.
#[derive(Debug)]
pub(super) struct PendingBlock {
    pub(super) block: Block,
    pub(super) hash: BlockHash,
    pub(super) certificate: CommitCertificate,
    pub(super) delta: Arc<UtxoDelta>,
    /// What else the block changed, as it was before.
    pub(super) before: Before,
    /// The state after this block.
    pub(super) state: Arc<ChainState>,
}

impl PendingBlock {
    pub(super) fn height(&self) -> Height {
        self.block.header.height
    }

    /// Its undo record.
    pub(super) fn undo(&self) -> StoredUndo {
        StoredUndo {
            spent: self.delta.spent.clone(),
            before: self.before.clone(),
        }
    }

    /// What it weighs against the limits on unflushed work.
    pub(super) fn bytes(&self) -> usize {
        let coins = self.delta.created.len() + self.delta.spent.len();
        self.block.body_bytes() + coins * COIN_BYTES + STATE_BYTES
    }
}

/// What became of a coin.
#[derive(Debug, Clone, Copy)]
enum Change {
    Made(Coin),
    /// Spent; who owned it.
    Spent(Address),
}

impl Change {
    fn address(&self) -> Address {
        match self {
            Self::Made(coin) => coin.output.address,
            Self::Spent(address) => *address,
        }
    }

    fn after(&self) -> Option<Coin> {
        match self {
            Self::Made(coin) => Some(*coin),
            Self::Spent(_) => None,
        }
    }
}

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
    /// With the last height that touched each. Few ask for the coins of an address, so there is no index by address:
    /// it would weigh as much as this.
    coins: HashKeyed<OutPoint, (Height, Change)>,
    hashes: HashKeyed<BlockHash, Height>,
    transactions: HashKeyed<TxId, TransactionPosition>,
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
            coins: HashKeyed::default(),
            hashes: HashKeyed::default(),
            transactions: HashKeyed::default(),
            evidence: BTreeMap::new(),
        }
    }

    /// Adds the next block. Gives to `gone` each coin that it spends and that no block in here made: readers may
    /// have it from the database.
    pub(super) fn add(&mut self, block: Arc<PendingBlock>, mut gone: impl FnMut(&OutPoint)) {
        let height = block.height();
        let delta = &block.delta;
        for (outpoint, coin) in &delta.spent {
            let spent = Change::Spent(coin.output.address);
            if self.coins.insert(*outpoint, (height, spent)).is_none() {
                gone(outpoint);
            }
        }
        for (outpoint, coin) in &delta.created {
            self.coins.insert(*outpoint, (height, Change::Made(*coin)));
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
    /// later block touched them again. Gives to `stored` each that is unspent.
    pub(super) fn forget_coins(
        &mut self,
        flushed: Height,
        part: &[(OutPoint, Coin)],
        mut stored: impl FnMut(OutPoint, Coin),
    ) {
        for (outpoint, _) in part {
            if let Entry::Occupied(entry) = self.coins.entry(*outpoint)
                && entry.get().0 <= flushed
                && let (_, Change::Made(coin)) = entry.remove()
            {
                stored(*outpoint, coin);
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
        self.coins.get(outpoint).map(|(_, change)| change.after())
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
        let range = (
            after.map_or(Bound::Unbounded, Bound::Excluded),
            through.map_or(Bound::Unbounded, Bound::Included),
        );
        let changed: BTreeMap<OutPoint, Option<Coin>> = self
            .coins
            .iter()
            .filter(|(outpoint, (_, change))| change.address() == *address && range.contains(*outpoint))
            .map(|(outpoint, (_, change))| (*outpoint, change.after()))
            .collect();
        let made = changed
            .iter()
            .filter_map(|(outpoint, coin)| coin.map(|coin| (*outpoint, coin)))
            .take(limit);
        let kept = stored
            .iter()
            .filter(|(outpoint, _)| !changed.contains_key(outpoint));
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

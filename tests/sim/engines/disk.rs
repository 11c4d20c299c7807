//! A node's disk: the consensus log, and the chain database that flushes later.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use timecoin::{
    chain::{
        Block, BlockContext, BlockHash, ChainState, Coin, CommitCertificate, Connected, Height, OutPoint,
        Rules, UtxoDelta, UtxoView, ViewError, connect,
    },
    consensus::Record,
    crypto::{Hash256, Verified},
};

/// Coins that the database answers for.
#[derive(Debug, Default)]
pub(super) struct Coins(Mutex<BTreeMap<OutPoint, Coin>>);

impl Coins {
    fn apply(&self, delta: &UtxoDelta) {
        let mut coins = self.0.lock().expect("no holder of this lock panics");
        for (outpoint, coin) in &delta.spent {
            assert_eq!(
                coins.remove(outpoint),
                Some(*coin),
                "O5: a coin spent that is not there"
            );
        }
        for (outpoint, coin) in &delta.created {
            assert_eq!(coins.insert(*outpoint, *coin), None, "O5: a coin made twice");
        }
    }
}

impl UtxoView for Coins {
    fn output(&self, outpoint: &OutPoint) -> Result<Option<Coin>, ViewError> {
        let coins = self.0.lock().expect("no holder of this lock panics");
        Ok(coins.get(outpoint).copied())
    }
}

/// A block as the database holds it.
pub(super) struct Stored {
    pub(super) block: Block,
    pub(super) certificate: CommitCertificate,
    connected: Connected,
}

impl Stored {
    pub(super) fn hash(&self) -> &BlockHash {
        &self.connected.hash
    }
}

/// Both of them.
pub(super) struct Disk {
    log: Vec<Record>,
    /// Records that a crash cannot take any more.
    synced: usize,
    genesis: (ChainState, UtxoDelta),
    /// By height, from 1.
    chain: Vec<Stored>,
    /// Blocks that a crash cannot take any more.
    flushed: usize,
    coins: Arc<Coins>,
}

impl Disk {
    /// A disk that holds nothing but what [`ChainState::genesis`] gave.
    pub(super) fn new(genesis: (ChainState, UtxoDelta)) -> Self {
        let coins = Coins::default();
        coins.apply(&genesis.1);
        Self {
            log: Vec::new(),
            synced: 0,
            genesis,
            chain: Vec::new(),
            flushed: 0,
            coins: Arc::new(coins),
        }
    }

    pub(super) fn append(&mut self, record: Record) {
        self.log.push(record);
    }

    pub(super) fn sync(&mut self) {
        self.synced = self.log.len();
    }

    pub(super) fn log(&self) -> &[Record] {
        &self.log
    }

    pub(super) fn coins(&self) -> Arc<Coins> {
        Arc::clone(&self.coins)
    }

    pub(super) fn tip(&self) -> Height {
        Height::new(self.chain.len() as u64)
    }

    pub(super) fn state(&self) -> &ChainState {
        self.chain
            .last()
            .map_or(&self.genesis.0, |stored| &stored.connected.state)
    }

    pub(super) fn state_at(&self, height: Height) -> &ChainState {
        let below = (height.get() as usize).min(self.chain.len());
        let last = below.checked_sub(1).map(|last| &self.chain[last].connected.state);
        last.unwrap_or(&self.genesis.0)
    }

    pub(super) fn certificate(&self) -> Option<CommitCertificate> {
        self.chain.last().map(|stored| stored.certificate.clone())
    }

    pub(super) fn certificates(&self) -> Vec<CommitCertificate> {
        self.chain
            .iter()
            .map(|stored| stored.certificate.clone())
            .collect()
    }

    pub(super) fn chain(&self) -> &[Stored] {
        &self.chain
    }

    pub(super) fn stored(&self, height: Height) -> Option<&Stored> {
        self.chain.get((height.get() as usize).checked_sub(1)?)
    }

    pub(super) fn stored_of(&self, digest: BlockHash) -> Option<&Stored> {
        self.chain
            .iter()
            .rev()
            .find(|stored| stored.connected.hash == digest)
    }

    /// Bodies in the log.
    pub(super) fn bodies(&self) -> Vec<BlockHash> {
        let bodies = self.log.iter().filter_map(|record| match record {
            Record::Body(block) => Some(block.hash()),
            _ => None,
        });
        bodies.collect()
    }

    /// The database takes a block; it is durable only after a flush.
    pub(super) fn commit(&mut self, block: Block, certificate: CommitCertificate, connected: Connected) {
        assert_eq!(block.height(), self.tip().next(), "blocks come in order");
        self.coins.apply(&connected.delta);
        self.chain.push(Stored {
            block,
            certificate,
            connected,
        });
    }

    /// The flush of everything up to `height` returned: the log forgets it, but not its mark.
    pub(super) fn flush(&mut self, height: Height) {
        self.flushed = self.flushed.max(height.get() as usize);
        let mark = self
            .log
            .iter()
            .rposition(|record| matches!(record, Record::Signed(_) | Record::RaisedTo(_) | Record::Lost));
        let mut index = 0;
        self.log.retain(|record| {
            index += 1;
            record.height() > height || Some(index - 1) == mark
        });
        self.synced = self.log.len();
    }

    /// A crash: unflushed blocks are gone, and of the unsynced records any number.
    pub(super) fn lose_unsynced(&mut self, draw: u64) {
        let unsynced = self.log.len() - self.synced;
        self.log.truncate(self.synced + draw as usize % (unsynced + 1));
        self.chain.truncate(self.flushed);
        let coins = Coins::default();
        coins.apply(&self.genesis.1);
        for stored in &self.chain {
            coins.apply(&stored.connected.delta);
        }
        self.coins = Arc::new(coins);
    }

    /// The log is gone, and with it what was voted for; the database has been flushed. The next start notes
    /// in a new log where memory ends.
    pub(super) fn lose_log(&mut self) {
        self.flushed = self.chain.len();
        self.log = vec![Record::Lost];
        self.sync();
    }

    /// The database takes what the log knows as final above it.
    pub(super) fn recover(&mut self, rules: &Rules) {
        self.synced = self.log.len();
        let mut bodies = BTreeMap::new();
        let mut decided = Vec::new();
        for record in &self.log {
            match record {
                Record::Body(block) => {
                    bodies.insert(block.hash(), block.clone());
                }
                Record::Decided(certificate) => decided.push(certificate.clone()),
                Record::Signed(_)
                | Record::Lock(_)
                | Record::RaisedTo(_)
                | Record::Lost
                | Record::Vouched(..) => {}
            }
        }
        decided.sort_by_key(|certificate| certificate.height);
        for certificate in decided {
            if certificate.height != self.tip().next() {
                continue;
            }
            let body = bodies.get(&certificate.block_hash).cloned();
            let block = body
                .and_then(checked_before)
                .expect("the body of a decided block is in the log");
            let connected =
                connect(&block, self.state(), &*self.coins, rules).expect("a final block connects");
            self.commit(block.into_inner(), certificate, connected);
        }
    }
}

/// A body in our own log was checked before we voted for it.
pub(super) fn checked_before(block: Block) -> Option<Verified<Block>> {
    let context = BlockContext {
        chain_id: &Hash256::ZERO,
        known: &|_| true,
    };
    Verified::check(block, context).ok()
}

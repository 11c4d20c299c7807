//! Reads of the chain, as of the last committed block, from any thread.
//!
//! A reader never waits for a flush: it looks at the unflushed blocks first and at the database
//! below them second. It blocks on the disk, so it is never called on a runtime worker.

use std::sync::Arc;

use crate::{
    chain::{
        Address, Block, BlockHash, ChainState, Coin, CommitCertificate, Height, OutPoint, SharedTransaction,
        TxId, Undo, UtxoView, ViewError,
    },
    crypto::Hash256,
};

use super::{
    StoreError,
    backend::{Backend, Cursor, Entry, PAGE_ENTRIES_MAX, Table},
    schema::{self, StoredBody, StoredHeader, StoredUndo, TransactionPosition},
    shared::Shared,
    tx_index,
};

/// How often a page of coins is read again because a flush finished meanwhile. Flushes are a second
/// apart; running out of this takes a database that is slower than its writer.
const PAGE_ATTEMPTS: usize = 16;

/// Coins with their outpoints, ascending by outpoint.
pub type CoinPage = Vec<(OutPoint, Coin)>;

/// Coins under their addresses, ascending by both.
pub type AddressPage = Vec<(Address, OutPoint, Coin)>;

/// A final block as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBlock {
    /// The block.
    pub block: Block,
    /// What decided it; `None` for genesis.
    pub certificate: Option<CommitCertificate>,
}

/// A final transaction, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalTransaction {
    /// Its block's height and its index in that.
    pub place: TransactionPosition,
    /// The transaction.
    pub transaction: SharedTransaction,
    /// Its block.
    pub stored: StoredBlock,
}

/// A handle for reading; cheap to clone, free to share.
#[derive(Clone)]
pub struct StoreReader {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for StoreReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreReader").finish_non_exhaustive()
    }
}

impl StoreReader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// State after the last committed block, its tip and totals included.
    pub fn state(&self) -> Arc<ChainState> {
        Arc::clone(&self.shared.pending().state)
    }

    /// Height of the last committed block.
    pub fn height(&self) -> Height {
        self.shared.pending().state.tip.height
    }

    /// Lowest height whose body is here; genesis unless this database began with a snapshot and what is
    /// below it has not all been archived since, or keeps only the newest blocks.
    pub fn pruned_below(&self) -> Height {
        self.shared.pruned_below()
    }

    /// The coin under `outpoint`, or `None` if it was spent or never made.
    ///
    /// # Errors
    /// [`StoreError::Backend`], [`StoreError::Corrupt`]; so for all reads.
    pub fn utxo(&self, outpoint: &OutPoint) -> Result<Option<Coin>, StoreError> {
        let commits = {
            let pending = self.shared.pending();
            if let Some(coin) = pending.coin(outpoint) {
                return Ok(coin);
            }
            pending.commits
        };
        if let Some(coin) = self.shared.cached(outpoint) {
            return Ok(Some(coin));
        }
        let key = schema::outpoint_key(outpoint);
        let coin: Option<Coin> = self.get(Table::Utxos, &key)?;
        if let Some(coin) = coin {
            self.shared.keep(*outpoint, coin, commits);
        }
        Ok(coin)
    }

    /// The block at a height, with its certificate.
    ///
    /// # Errors
    /// As [`StoreReader::utxo`].
    pub fn block(&self, height: Height) -> Result<Option<StoredBlock>, StoreError> {
        if let Some(stored) = self.pending_block(height, |pending| StoredBlock {
            block: pending.block.clone(),
            certificate: Some(pending.certificate.clone()),
        }) {
            return Ok(stored);
        }
        let key = schema::height_key(height);
        let header: Option<StoredHeader> = self.get(Table::Headers, &key)?;
        let Some(StoredHeader { header, certificate }) = header else {
            return self.gone(height, "header");
        };
        let body: Option<StoredBody> = self.get(Table::Bodies, &key)?;
        let Some(body) = body else {
            return self.gone(height, "body");
        };
        Ok(Some(StoredBlock {
            block: Block {
                header,
                prev_commit: body.prev_commit,
                evidence: body.evidence,
                transactions: body.transactions,
            },
            certificate,
        }))
    }

    /// Header and certificate of a height.
    ///
    /// # Errors
    /// As [`StoreReader::utxo`].
    pub fn header(&self, height: Height) -> Result<Option<StoredHeader>, StoreError> {
        if let Some(stored) = self.pending_block(height, |pending| StoredHeader {
            header: pending.block.header.clone(),
            certificate: Some(pending.certificate.clone()),
        }) {
            return Ok(stored);
        }
        match self.get(Table::Headers, &schema::height_key(height))? {
            Some(header) => Ok(Some(header)),
            None => self.gone(height, "header"),
        }
    }

    /// Height of the block with this hash.
    ///
    /// # Errors
    /// As [`StoreReader::utxo`].
    pub fn height_of(&self, hash: &BlockHash) -> Result<Option<Height>, StoreError> {
        let tip = {
            let pending = self.shared.pending();
            if let Some(height) = pending.height_of(hash) {
                return Ok(Some(height));
            }
            pending.state.tip.height
        };
        match self.shared.backend.get(Table::Hashes, hash.as_bytes())? {
            Some(value) => {
                let height = schema::height_of_key(&value)
                    .map_err(|_| self.corrupt(format!("the height of block {hash} does not decode")))?;
                // Rows of blocks that are just being archived are not here before they all are.
                Ok((height <= tip && !self.shared.is_pruned(height)).then_some(height))
            }
            None => Ok(None),
        }
    }

    /// A final transaction, if its block is here.
    ///
    /// # Errors
    /// As [`StoreReader::utxo`].
    pub fn transaction(&self, txid: &TxId) -> Result<Option<FinalTransaction>, StoreError> {
        for place in self.transaction_places(txid)? {
            let Some(stored) = self.block(place.height)? else {
                continue;
            };
            let found = stored.block.transactions.get(place.position as usize);
            if let Some(transaction) = found.filter(|found| found.txid() == *txid).cloned() {
                return Ok(Some(FinalTransaction {
                    place,
                    transaction,
                    stored,
                }));
            }
        }
        Ok(None)
    }

    /// Every place where a final transaction with this id may stand: there is one at most, and the index
    /// knows the first bytes of ids only, so whoever reads the block compares.
    ///
    /// # Errors
    /// As [`StoreReader::utxo`].
    pub fn transaction_places(&self, txid: &TxId) -> Result<Vec<TransactionPosition>, StoreError> {
        let tip = {
            let pending = self.shared.pending();
            if let Some(position) = pending.position_of(txid) {
                return Ok(vec![position]);
            }
            pending.state.tip.height
        };
        let mut places = tx_index::places(self.shared.backend.as_ref(), txid)?;
        places.retain(|place| place.height <= tip && !self.shared.is_pruned(place.height));
        Ok(places)
    }

    /// What the index says of the blocks `first` to `last`: where each transaction stands, ascending, with
    /// [`super::txid_prefix`] of its id. For a database that nobody writes.
    ///
    /// # Errors
    /// As [`StoreReader::utxo`].
    pub fn indexed(
        &self,
        first: Height,
        last: Height,
    ) -> Result<Vec<(TransactionPosition, u64)>, StoreError> {
        tx_index::prefixes(self.shared.backend.as_ref(), first, last)
    }

    /// A page of all coins in the database above `after`, ascending by outpoint; empty at the end.
    /// Blocks that are not flushed yet are not in it: for a database that nobody writes.
    ///
    /// # Errors
    /// As [`StoreReader::utxo`].
    pub fn coins(&self, after: Option<OutPoint>) -> Result<CoinPage, StoreError> {
        let after = after.map(|outpoint| schema::outpoint_key(&outpoint));
        let cursor = Cursor {
            prefix: &[],
            after: after.as_ref().map(<[u8; 36]>::as_slice),
        };
        let page = self.shared.backend.page(Table::Utxos, cursor, PAGE_ENTRIES_MAX)?;
        coins_of(&page).ok_or_else(|| self.corrupt("a coin does not decode"))
    }

    /// A page of the address index in the database above `after`: each coin under its address, ascending; empty
    /// at the end. Blocks that are not flushed yet are not in it: for a database that nobody writes.
    ///
    /// # Errors
    /// As [`StoreReader::utxo`].
    pub fn addresses(&self, after: Option<(Address, OutPoint)>) -> Result<AddressPage, StoreError> {
        let after = after.map(|(address, outpoint)| schema::address_key(&address, &outpoint));
        let cursor = Cursor {
            prefix: &[],
            after: after.as_deref(),
        };
        let page = self
            .shared
            .backend
            .page(Table::Addresses, cursor, PAGE_ENTRIES_MAX)?;
        let entries = page.iter().map(|(key, value)| {
            let address = schema::address_of_key(key).ok()?;
            let outpoint = schema::outpoint_of_address_key(key).ok()?;
            Some((address, outpoint, schema::decode(value).ok()?))
        });
        let entries: Option<AddressPage> = entries.collect();
        entries.ok_or_else(|| self.corrupt("an entry of the address index does not decode"))
    }

    /// Coins of an address above `after`, ascending by outpoint; at most `limit` and
    /// [`PAGE_ENTRIES_MAX`]. A page shorter than that is the last.
    ///
    /// # Errors
    /// As [`StoreReader::utxo`].
    pub fn outpoints_of(
        &self,
        address: &Address,
        after: Option<OutPoint>,
        limit: usize,
    ) -> Result<CoinPage, StoreError> {
        let limit = limit.min(PAGE_ENTRIES_MAX);
        let mut found: CoinPage = Vec::new();
        let mut after = after;
        while found.len() < limit {
            let (coins, through) = self.coins_between(address, after, limit)?;
            found.extend(coins);
            match through {
                Some(through) => after = Some(through),
                None => break,
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    /// One stored page with the unflushed changes in its range, and where that range ends; `None`
    /// if it has no end.
    fn coins_between(
        &self,
        address: &Address,
        after: Option<OutPoint>,
        limit: usize,
    ) -> Result<(CoinPage, Option<OutPoint>), StoreError> {
        let after_key = after.map(|outpoint| schema::address_key(address, &outpoint));
        let cursor = Cursor {
            prefix: address.as_bytes(),
            after: after_key.as_deref(),
        };
        for _ in 0..PAGE_ATTEMPTS {
            let departures = self.shared.pending().departures;
            let page = self.shared.backend.page(Table::Addresses, cursor, limit)?;
            let mut stored = Vec::with_capacity(page.len());
            for (key, value) in &page {
                let outpoint = schema::outpoint_of_address_key(key);
                let coin = schema::decode(value);
                let (Ok(outpoint), Ok(coin)) = (outpoint, coin) else {
                    return Err(self.corrupt("an entry of the address index does not decode"));
                };
                stored.push((outpoint, coin));
            }
            let is_full = page.len() >= limit;
            let stored_through = stored.last().map(|(outpoint, _)| *outpoint).filter(|_| is_full);
            let pending = self.shared.pending();
            if pending.departures != departures {
                continue;
            }
            let coins = pending.coins_of(address, after, stored_through, &stored, limit);
            // A page cut short by the limit ends where it was cut, not where the stored page ends.
            let cut = coins.last().map(|(outpoint, _)| *outpoint);
            let through = if coins.len() >= limit { cut } else { stored_through };
            return Ok((coins, through));
        }
        Err(StoreError::Stopped {
            why: "the database is slower than its writer; ask again".to_owned(),
        })
    }

    /// How to take back the block at a height; kept for the last [`super::UNDO_BLOCKS`] blocks.
    ///
    /// # Errors
    /// As [`StoreReader::utxo`].
    pub fn undo(&self, height: Height) -> Result<Option<Undo>, StoreError> {
        let pending = self.shared.pending().block(height).map(|pending| pending.undo());
        let stored = match pending {
            Some(undo) => Some(undo),
            None => self.get::<StoredUndo>(Table::Undo, &schema::height_key(height))?,
        };
        let (Some(undo), Some(stored)) = (stored, self.block(height)?) else {
            return Ok(None);
        };
        Ok(Some(undo.complete(&stored.block)))
    }

    /// Evidence, ascending by (height of the crime, id), above `after`; at most `limit` and
    /// [`PAGE_ENTRIES_MAX`] records of canonical bytes.
    ///
    /// # Errors
    /// As [`StoreReader::utxo`].
    pub fn evidence(
        &self,
        after: Option<(Height, Hash256)>,
        limit: usize,
    ) -> Result<Vec<(Height, Hash256, Vec<u8>)>, StoreError> {
        let limit = limit.min(PAGE_ENTRIES_MAX);
        let after_key = after.map(|(height, id)| schema::evidence_key(height, &id));
        // Unflushed first: what is flushed in between is then found twice rather than not at all.
        let waiting: Vec<_> = {
            let pending = self.shared.pending();
            let above = |key: &Vec<u8>| after_key.as_ref().is_none_or(|after| key > after);
            let entries = pending.evidence.iter().filter(|(key, _)| above(key)).take(limit);
            entries.map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        let cursor = Cursor {
            prefix: &[],
            after: after_key.as_deref(),
        };
        let mut entries = self.shared.backend.page(Table::Evidence, cursor, limit)?;
        entries.extend(waiting);
        entries.sort_unstable();
        entries.dedup_by(|one, other| one.0 == other.0);
        entries.truncate(limit);
        let typed = entries.into_iter().map(|(key, value)| {
            let (height, id) = schema::split_evidence_key(&key)
                .map_err(|_| self.corrupt("a key of the evidence table does not decode"))?;
            Ok((height, id, value))
        });
        typed.collect()
    }

    /// A block above the database's tip, or the certainty that there is none at this height.
    /// `None`: it is in the database.
    fn pending_block<T>(
        &self,
        height: Height,
        view: impl FnOnce(&super::pending::PendingBlock) -> T,
    ) -> Option<Option<T>> {
        let pending = self.shared.pending();
        if height > pending.state.tip.height || self.shared.is_pruned(height) {
            return Some(None);
        }
        let block = Arc::clone(pending.block(height)?);
        drop(pending);
        Some(Some(view(&block)))
    }

    /// A row that is not there: of a block that was pruned since the look before, or damage.
    fn gone<T>(&self, height: Height, what: &str) -> Result<Option<T>, StoreError> {
        match self.shared.is_pruned(height) {
            true => Ok(None),
            false => Err(self.corrupt(format!("the {what} of block {height} is missing"))),
        }
    }

    fn get<T: bincode::Decode<()>>(&self, table: Table, key: &[u8]) -> Result<Option<T>, StoreError> {
        read(self.shared.backend.as_ref(), table, key)
    }

    fn corrupt(&self, what: impl Into<String>) -> StoreError {
        StoreError::corrupt(self.shared.backend.path(), what)
    }
}

/// Entries of [`Table::Utxos`] as coins; `None` if one does not decode.
pub(super) fn coins_of(page: &[Entry]) -> Option<CoinPage> {
    let coins = page.iter();
    coins
        .map(|(key, value)| Some((schema::outpoint_of_key(key).ok()?, schema::decode(value).ok()?)))
        .collect()
}

/// Reads one typed value.
pub(super) fn read<T: bincode::Decode<()>>(
    backend: &dyn Backend,
    table: Table,
    key: &[u8],
) -> Result<Option<T>, StoreError> {
    let Some(bytes) = backend.get(table, key)? else {
        return Ok(None);
    };
    match schema::decode(&bytes) {
        Ok(value) => Ok(Some(value)),
        Err(schema::Undecodable) => {
            let key = const_hex::encode(key);
            let what = format!("the value of {key} in table {} does not decode", table.name());
            Err(StoreError::corrupt(backend.path(), what))
        }
    }
}

impl UtxoView for StoreReader {
    fn output(&self, outpoint: &OutPoint) -> Result<Option<Coin>, ViewError> {
        self.utxo(outpoint).map_err(|error| ViewError(error.to_string()))
    }
}

//! Where final transactions stand, by their ids.
//!
//! An engine keeps some bytes in memory for every row that it holds, wherever the row is: with a row for
//! every transaction a node would grow for as long as it runs (docs/adr/0044-index-in-lists.md). So a block has
//! one row, the list of its transactions; sixteen neighbouring lists are merged into one of the next level,
//! sixteen of these into one of the level above ([`merge`]). A list too long for one row is cut by the first
//! bits of the ids. A lookup searches every list that there is, which are at most fifteen of each level.
//!
//! ```text
//! level u8 │ first height / 16^level u64             -> bits it is cut by u8 │ places u64 │ they, if it is not cut
//! 0x80 | level │ first height / 16^level u64 │ n u32  -> places whose ids begin with the bits of n
//! place: first bytes of the id u64 │ height u64 │ position u32
//! ```
//!
//! All big-endian and the places ascending, so that a lookup searches a row as it lies. Of an id a place holds
//! the first eight bytes, so whoever looks one up has to compare the transaction that stands there.

pub(super) mod merge;
pub(super) mod migrate;

use crate::chain::{Height, SharedTransaction, TxId};

use super::{
    StoreError,
    backend::{Backend, Op, PAGE_ENTRIES_MAX, Table, pages},
    schema::{TransactionPosition, Undecodable},
};

/// Lists of one level that become one of the next.
const FAN: u64 = 16;
/// Levels; a list of the last covers more heights than there ever will be.
const LEVELS: u8 = 12;
/// Places in one row, on average, before a list is cut finer. The engine keeps up to sixteen rows together and
/// copies them when one of them changes: they have to stay small.
const ROW_PLACES: u64 = 256;
/// First bits of the ids by which a list is cut at most.
const BITS_MAX: u8 = 32;
/// Marks the rows of a list that is cut.
const PART: u8 = 0x80;

/// Where one transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// The first bytes of its id.
    prefix: u64,
    height: Height,
    position: u32,
}

const PLACE_BYTES: usize = 20;

impl Place {
    fn to_bytes(self) -> [u8; PLACE_BYTES] {
        let mut bytes = [0; PLACE_BYTES];
        bytes[..8].copy_from_slice(&self.prefix.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.height.get().to_be_bytes());
        bytes[16..].copy_from_slice(&self.position.to_be_bytes());
        bytes
    }

    fn of_bytes(bytes: &[u8; PLACE_BYTES]) -> Self {
        let (prefix, rest) = bytes.split_first_chunk().expect("20 bytes");
        let (height, position) = rest.split_first_chunk().expect("12 bytes");
        Self {
            prefix: u64::from_be_bytes(*prefix),
            height: Height::new(u64::from_be_bytes(*height)),
            position: u32::from_be_bytes(position.try_into().expect("4 bytes")),
        }
    }

    fn at(self) -> TransactionPosition {
        TransactionPosition {
            height: self.height,
            position: self.position,
        }
    }
}

/// Places as they lie in a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Row(Vec<u8>);

impl Row {
    fn of(places: &[Place]) -> Self {
        Self(places.iter().flat_map(|place| place.to_bytes()).collect())
    }

    fn read(bytes: &[u8]) -> Result<Self, Undecodable> {
        match bytes.len().is_multiple_of(PLACE_BYTES) {
            true => Ok(Self(bytes.to_vec())),
            false => Err(Undecodable),
        }
    }

    fn places(&self) -> impl Iterator<Item = Place> {
        self.0.as_chunks().0.iter().map(Place::of_bytes)
    }

    /// Those of ids that begin with `prefix`.
    fn find(&self, prefix: u64) -> impl Iterator<Item = Place> {
        let all = self.0.as_chunks().0;
        let first = all.partition_point(|place| Place::of_bytes(place).prefix < prefix);
        let from_first = all[first..].iter().map(Place::of_bytes);
        from_first.take_while(move |place| place.prefix == prefix)
    }
}

/// One list: the places of a run of heights, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
struct List {
    /// First bits of the ids by which it is cut into rows; 0: it is not.
    bits: u8,
    /// How many places there are.
    count: u64,
    /// They, if it is not cut.
    row: Row,
}

impl List {
    fn to_bytes(&self) -> Vec<u8> {
        [&[self.bits][..], &self.count.to_be_bytes(), &self.row.0].concat()
    }

    fn read(bytes: &[u8]) -> Result<Self, Undecodable> {
        let (bits, rest) = bytes.split_first().ok_or(Undecodable)?;
        let (count, row) = rest.split_first_chunk().ok_or(Undecodable)?;
        if *bits > BITS_MAX {
            return Err(Undecodable);
        }
        Ok(Self {
            bits: *bits,
            count: u64::from_be_bytes(*count),
            row: Row::read(row)?,
        })
    }
}

/// Which list: the level, and the number of the run of heights of that level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct ListId {
    level: u8,
    run: u64,
}

impl ListId {
    fn key(self) -> [u8; 9] {
        let mut key = [self.level; 9];
        key[1..].copy_from_slice(&self.run.to_be_bytes());
        key
    }

    /// What the keys of its parts begin with.
    fn parts(self) -> [u8; 9] {
        let mut key = self.key();
        key[0] |= PART;
        key
    }

    fn part(self, number: u32) -> Vec<u8> {
        [&self.parts()[..], &number.to_be_bytes()].concat()
    }

    fn of_key(key: &[u8]) -> Result<Self, Undecodable> {
        let (level, run) = key.split_first().ok_or(Undecodable)?;
        let run = run.try_into().map_err(|_| Undecodable)?;
        Ok(Self {
            level: *level,
            run: u64::from_be_bytes(run),
        })
    }

    /// How many heights it covers.
    fn span(self) -> u64 {
        FAN.saturating_pow(u32::from(self.level))
    }

    /// The first height that it covers.
    fn start(self) -> u64 {
        self.run.saturating_mul(self.span())
    }

    /// The first height above it.
    fn end(self) -> u64 {
        self.start().saturating_add(self.span())
    }

    /// The list that it becomes a part of.
    fn parent(self) -> Self {
        Self {
            level: self.level + 1,
            run: self.run / FAN,
        }
    }
}

/// The first bytes of an id, which are all that the index knows of it.
pub fn prefix_of(txid: &TxId) -> u64 {
    let (first, _) = txid.as_bytes().split_first_chunk().expect("ids have 32 bytes");
    u64::from_be_bytes(*first)
}

/// The first `bits` of a prefix, at most [`BITS_MAX`].
fn first_bits(prefix: u64, bits: u8) -> u32 {
    prefix.checked_shr(64 - u32::from(bits)).unwrap_or(0) as u32
}

/// The row of a block: none if it has no transactions.
pub(super) fn block_op(height: Height, transactions: &[SharedTransaction]) -> Option<Op> {
    list_op(height, transactions.iter().map(SharedTransaction::txid))
}

fn list_op(height: Height, txids: impl Iterator<Item = TxId>) -> Option<Op> {
    let mut places: Vec<Place> = (0..)
        .zip(txids)
        .map(|(position, txid)| Place {
            prefix: prefix_of(&txid),
            height,
            position,
        })
        .collect();
    places.sort_unstable();
    let list = List {
        bits: 0,
        count: places.len() as u64,
        row: Row::of(&places),
    };
    let key = of_block(height).key();
    (list.count > 0).then(|| Op::put(Table::Transactions, key, list.to_bytes()))
}

const fn of_block(height: Height) -> ListId {
    ListId {
        level: 0,
        run: height.get(),
    }
}

/// Every place where a transaction with this id may stand: who has the block compares.
pub(super) fn places(backend: &dyn Backend, txid: &TxId) -> Result<Vec<TransactionPosition>, StoreError> {
    let prefix = prefix_of(txid);
    let mut found = Vec::new();
    // Lists ascend by level, and one is only deleted once that of the next level is there: whoever misses a
    // place in one list meets it in a later one.
    walk(backend, |id, list| {
        let row = match list.bits {
            0 => list.row,
            bits => read_part(backend, id, first_bits(prefix, bits))?,
        };
        found.extend(row.find(prefix).map(Place::at));
        Ok(())
    })?;
    found.sort_unstable_by_key(|place| (place.height, place.position));
    found.dedup();
    Ok(found)
}

/// The first bytes of the ids of all transactions of the blocks `first` to `last`, by where they stand.
/// Reads every list of these heights whole.
pub(super) fn prefixes(
    backend: &dyn Backend,
    first: Height,
    last: Height,
) -> Result<Vec<(TransactionPosition, u64)>, StoreError> {
    let mut found: Vec<Place> = Vec::new();
    let is_asked = |place: &Place| (first..=last).contains(&place.height);
    walk(backend, |id, list| {
        if id.end() <= first.get() || id.start() > last.get() {
            return Ok(());
        }
        found.extend(list.row.places().filter(is_asked));
        if list.bits == 0 {
            return Ok(());
        }
        for page in pages(backend, Table::Transactions, &id.parts(), FAN as usize) {
            for (_, value) in page? {
                let part = Row::read(&value).map_err(|_| corrupt(backend))?;
                found.extend(part.places().filter(is_asked));
            }
        }
        Ok(())
    })?;
    found.sort_unstable_by_key(|place| (place.height, place.position, place.prefix));
    // Between two steps of a merge some stand in both lists.
    found.dedup();
    Ok(found
        .into_iter()
        .map(|place| (place.at(), place.prefix))
        .collect())
}

/// Visits all lists, ascending by level and height; their parts are not read.
fn walk(
    backend: &dyn Backend,
    mut visit: impl FnMut(ListId, List) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    for page in pages(backend, Table::Transactions, &[], FAN as usize) {
        for (key, value) in page? {
            if key.first().is_none_or(|level| *level >= PART) {
                return Ok(());
            }
            let id = ListId::of_key(&key).map_err(|_| corrupt(backend))?;
            visit(id, List::read(&value).map_err(|_| corrupt(backend))?)?;
        }
    }
    Ok(())
}

fn read_list(backend: &dyn Backend, id: ListId) -> Result<Option<List>, StoreError> {
    let list = backend.get(Table::Transactions, &id.key())?;
    let list = list.map(|bytes| List::read(&bytes)).transpose();
    list.map_err(|_| corrupt(backend))
}

/// A part that nobody wrote has no places.
fn read_part(backend: &dyn Backend, id: ListId, number: u32) -> Result<Row, StoreError> {
    let part = backend.get(Table::Transactions, &id.part(number))?;
    Row::read(&part.unwrap_or_default()).map_err(|_| corrupt(backend))
}

fn corrupt(backend: &dyn Backend) -> StoreError {
    StoreError::corrupt(backend.path(), "a list of the transaction index does not decode")
}

const _: () = assert!(FAN as usize <= PAGE_ENTRIES_MAX);

#[cfg(test)]
mod tests;

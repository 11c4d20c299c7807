//! What came to addresses and went from them, read from the blocks themselves, newest first.
//!
//! There is no index of transactions by address: it would cost every node some writes for every
//! transaction of everybody, for a question that its operator asks about a few addresses
//! (docs/adr/0036-wallets.md). So one answer reads a bounded number of transactions and says where the
//! next one goes on.

use std::collections::{HashMap, HashSet};

use super::{Lookups, money::Owners};
use crate::{
    chain::{
        Address, Amount, Block, Height, OutPoint, Output, SharedTransaction, Transaction, TransactionKind,
    },
    control::{HISTORY_ADDRESSES_MAX, HistoryEntry, HistoryPage, HistoryPlace, Page, QueryError},
};

/// Transactions read for one answer, those that tell what an input was worth included: tens of
/// milliseconds. A block counts as one more.
const READ_MAX: usize = 20_000;
/// Blocks kept while one answer is made, for inputs that come from the same few.
const KEPT_BLOCKS_MAX: usize = 8;

/// What one answer has read so far.
#[derive(Default)]
struct Reading {
    transactions: usize,
    kept: HashMap<Height, Block>,
}

impl Lookups {
    pub(super) fn history_of(
        &self,
        addresses: &[String],
        before: Option<HistoryPlace>,
        limit: u32,
    ) -> Result<HistoryPage, QueryError> {
        if addresses.is_empty() || addresses.len() > HISTORY_ADDRESSES_MAX {
            return Err(QueryError::Invalid(format!(
                "name between 1 and {HISTORY_ADDRESSES_MAX} addresses"
            )));
        }
        let wanted: HashSet<Address> = addresses
            .iter()
            .map(|text| self.address(text))
            .collect::<Result<_, _>>()?;
        let limit = limit.clamp(1, Page::LIMIT_MAX) as usize;
        let begins = self.reader.pruned_below().max(Height::new(1));
        let mut page = HistoryPage {
            begins: begins.get(),
            ..HistoryPage::default()
        };
        let mut reading = Reading::default();
        let tip = self.reader.height();
        let (mut height, mut below) = match before {
            Some(place) if place.height <= tip.get() => (Height::new(place.height), place.position as usize),
            Some(_) | None => (tip, usize::MAX),
        };
        while height >= begins {
            reading.transactions += 1;
            if let Some(stored) = self.reader.block(height)? {
                let block = stored.block;
                let older = block.transactions.iter().enumerate().take(below).rev();
                for (position, transaction) in older {
                    reading.transactions += 1;
                    let entry = self.entry(&block, transaction, &wanted, &mut reading)?;
                    page.entries.extend(entry);
                    let is_read_out = page.entries.len() >= limit || reading.transactions >= READ_MAX;
                    if is_read_out && position > 0 {
                        page.next = place(height, position);
                        return Ok(page);
                    }
                }
            }
            let Some(lower) = height.prev().filter(|lower| *lower >= begins) else {
                break;
            };
            if page.entries.len() >= limit || reading.transactions >= READ_MAX {
                page.next = place(lower, u32::MAX as usize);
                return Ok(page);
            }
            (height, below) = (lower, usize::MAX);
        }
        if begins == Height::new(1) {
            page.entries.extend(self.first_outputs(&wanted)?);
        }
        Ok(page)
    }

    /// How one transaction looks from `wanted`; `None` if it has nothing to do with them.
    fn entry(
        &self,
        block: &Block,
        transaction: &SharedTransaction,
        wanted: &HashSet<Address>,
        reading: &mut Reading,
    ) -> Result<Option<HistoryEntry>, QueryError> {
        let is_ours = |address: &Address| wanted.contains(address);
        let mut owners = Owners::new(&is_ours);
        let spent = transaction.inputs.iter().zip(&transaction.witnesses);
        let spent: Vec<OutPoint> = spent
            .filter(|(_, witness)| owners.has(&witness.public_key))
            .map(|(outpoint, _)| *outpoint)
            .collect();
        let received = transaction.outputs.iter();
        let received: Vec<Amount> = received
            .filter(|output| wanted.contains(&output.address))
            .map(|output| output.amount)
            .collect();
        if spent.is_empty() && received.is_empty() {
            return Ok(None);
        }
        let mut sum = Some(Amount::ZERO);
        for outpoint in &spent {
            let worth = self.worth(outpoint, reading)?;
            sum = sum.zip(worth).and_then(|(sum, worth)| sum.checked_add(worth));
        }
        let is_all_ours = !spent.is_empty() && spent.len() == transaction.inputs.len();
        let made = Amount::checked_sum(transaction.outputs.iter().map(|output| output.amount));
        let fee = sum.zip(made).filter(|_| is_all_ours);
        Ok(Some(HistoryEntry {
            txid: *transaction.txid().as_hash(),
            kind: kind(transaction).to_owned(),
            height: block.height().get(),
            timestamp_ms: block.header.timestamp_ms.get(),
            received: Amount::checked_sum(received).map_or(0, Amount::units),
            spent: sum.map(Amount::units),
            fee: fee
                .and_then(|(sum, made)| sum.checked_sub(made))
                .map(Amount::units),
        }))
    }

    /// What a spent output was worth, if what made it is here.
    fn worth(&self, outpoint: &OutPoint, reading: &mut Reading) -> Result<Option<Amount>, QueryError> {
        if let Some(output) = self.first_output(outpoint) {
            return Ok(Some(output.amount));
        }
        for place in self.reader.transaction_places(&outpoint.txid)? {
            let worth = |block: &Block| {
                let maker = block.transactions.get(place.position as usize)?;
                let output = maker.outputs.get(outpoint.index as usize)?;
                (maker.txid() == outpoint.txid).then_some(output.amount)
            };
            let found = match reading.kept.get(&place.height) {
                Some(block) => worth(block),
                None => {
                    let Some(stored) = self.reader.block(place.height)? else {
                        continue;
                    };
                    reading.transactions += stored.block.transactions.len().max(1);
                    let found = worth(&stored.block);
                    if reading.kept.len() >= KEPT_BLOCKS_MAX {
                        reading.kept.clear();
                    }
                    reading.kept.insert(place.height, stored.block);
                    found
                }
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// An output that the chain began with.
    pub(super) fn first_output(&self, outpoint: &OutPoint) -> Option<Output> {
        let (known, output) = self.genesis.get(outpoint.index as usize)?;
        (known == outpoint).then_some(*output)
    }

    /// What the chain began with for these addresses.
    fn first_outputs(&self, wanted: &HashSet<Address>) -> Result<Option<HistoryEntry>, QueryError> {
        let ours: Vec<&(OutPoint, Output)> = self
            .genesis
            .iter()
            .filter(|(_, output)| wanted.contains(&output.address))
            .collect();
        let (Some((outpoint, _)), Some(stored)) = (ours.first(), self.reader.header(Height::GENESIS)?) else {
            return Ok(None);
        };
        let amounts = ours.iter().map(|(_, output)| output.amount);
        Ok(Some(HistoryEntry {
            txid: *outpoint.txid.as_hash(),
            kind: "genesis".to_owned(),
            height: 0,
            timestamp_ms: stored.header.timestamp_ms.get(),
            received: Amount::checked_sum(amounts).map_or(0, Amount::units),
            spent: Some(0),
            fee: None,
        }))
    }
}

fn place(height: Height, position: usize) -> Option<String> {
    let place = HistoryPlace {
        height: height.get(),
        position: u32::try_from(position).unwrap_or(u32::MAX),
    };
    Some(place.to_string())
}

const fn kind(transaction: &Transaction) -> &'static str {
    match transaction.kind {
        TransactionKind::Transfer => "transfer",
        TransactionKind::Reward { .. } => "reward",
        TransactionKind::RegisterMasternode(_) => "register",
        TransactionKind::UpdateMasternode(_) => "update",
        TransactionKind::DeregisterMasternode { .. } => "deregister",
    }
}

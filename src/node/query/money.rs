//! Look-ups about money: what the pool already spends, where an output stands.
//!
//! The pool is always looked at before the coins: a block enters the store before its transactions leave
//! the pool, so what one look misses the other shows, and a coin that is gone is never called free.

use std::collections::{BTreeSet, HashMap};

use super::Lookups;
use crate::{
    chain::{Address, Coin, Height, OutPoint, Output, REWARD_MATURITY, SharedTransaction, TxId},
    control::{BalanceView, OutputState, OutputView, Page, PendingOutput, QueryError, UtxoEntry},
    crypto::PublicKey,
    storage::backend::PAGE_ENTRIES_MAX,
};

/// Coins of one address that are summed up or skipped; more would keep a thread for seconds.
const COINS_MAX: usize = 1_000_000;
/// How often a sum is taken again because a block became final meanwhile; the last one stands.
const SUM_ATTEMPTS: usize = 3;

/// Tells whether keys belong to some addresses. Most inputs of a transaction have the same key, and an
/// address is a hash of it.
pub(super) struct Owners<'a, F: Fn(&Address) -> bool> {
    is_ours: &'a F,
    last: Option<(PublicKey, bool)>,
}

impl<'a, F: Fn(&Address) -> bool> Owners<'a, F> {
    pub(super) const fn new(is_ours: &'a F) -> Self {
        Self { is_ours, last: None }
    }

    pub(super) fn has(&mut self, key: &PublicKey) -> bool {
        match self.last {
            Some((last, answer)) if last == *key => answer,
            _ => {
                let answer = (self.is_ours)(&Address::of(key));
                self.last = Some((*key, answer));
                answer
            }
        }
    }
}

/// What the pool does to one address.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Outputs of the address, final or not, with what spends them.
    spends: HashMap<OutPoint, TxId>,
    /// Outputs for the address that nothing spends, ascending, with what makes them.
    makes: Vec<(OutPoint, Output, SharedTransaction)>,
}

impl Lookups {
    /// Whatever waits and has to do with `address`.
    pub(super) fn pool_of(&self, address: &Address) -> Waiting {
        let mut waiting = Waiting::default();
        let is_ours = |of: &Address| of == address;
        let mut owners = Owners::new(&is_ours);
        for transaction in self.bodies.pooled_now() {
            let txid = transaction.txid();
            for (outpoint, witness) in transaction.inputs.iter().zip(&transaction.witnesses) {
                if owners.has(&witness.public_key) {
                    waiting.spends.insert(*outpoint, txid);
                }
            }
            for (index, output) in (0_u32..).zip(&transaction.outputs) {
                if output.address == *address {
                    let made = (OutPoint::new(txid, index), *output, transaction.clone());
                    waiting.makes.push(made);
                }
            }
        }
        let spends = &waiting.spends;
        waiting
            .makes
            .retain(|(outpoint, ..)| !spends.contains_key(outpoint));
        waiting.makes.sort_unstable_by_key(|(outpoint, ..)| *outpoint);
        waiting
    }

    pub(super) fn balance_of(&self, text: &str) -> Result<BalanceView, QueryError> {
        let wanted = self.address(text)?;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let height = self.reader.height();
            let waiting = self.pool_of(&wanted);
            let mut balance = BalanceView {
                address: text.to_owned(),
                height: height.get(),
                ..BalanceView::default()
            };
            self.walk(&wanted, &waiting, None, |entry| {
                balance.amount = balance.amount.saturating_add(entry.amount);
                balance.utxos += 1;
                if entry.is_spendable() {
                    balance.spendable = balance.spendable.saturating_add(entry.amount);
                }
                if entry.locked_for.is_some() {
                    balance.locked = balance.locked.saturating_add(entry.amount);
                }
                if entry.spent_by.is_some() {
                    balance.pending_out = balance.pending_out.saturating_add(entry.amount);
                }
                true
            })?;
            for (_, output, _) in &waiting.makes {
                balance.pending_in = balance.pending_in.saturating_add(output.amount.units());
            }
            if self.reader.height() == height || attempts == SUM_ATTEMPTS {
                return Ok(balance);
            }
        }
    }

    pub(super) fn utxos_of(
        &self,
        text: &str,
        after: Option<OutPoint>,
        page: Page,
    ) -> Result<Vec<UtxoEntry>, QueryError> {
        let wanted = self.address(text)?;
        let (mut skipped, mut found) = (0, Vec::new());
        if page.limit == 0 {
            return Ok(found);
        }
        let waiting = self.pool_of(&wanted);
        self.walk(&wanted, &waiting, after, |entry| {
            if skipped < page.skip {
                skipped += 1;
            } else {
                found.push(entry);
            }
            found.len() < page.limit as usize
        })?;
        Ok(found)
    }

    pub(super) fn pending_of(&self, text: &str, page: Page) -> Result<Vec<PendingOutput>, QueryError> {
        let waiting = self.pool_of(&self.address(text)?);
        let chosen = waiting.makes.iter();
        let chosen = chosen.skip(page.skip as usize).take(page.limit as usize);
        let mut found = Vec::new();
        for (outpoint, output, transaction) in chosen {
            let keys: BTreeSet<PublicKey> = transaction
                .witnesses
                .iter()
                .map(|witness| witness.public_key)
                .collect();
            let from: BTreeSet<String> = keys
                .iter()
                .map(|key| Address::of(key).to_text(self.network))
                .collect();
            found.push(PendingOutput {
                txid: *outpoint.txid.as_hash(),
                index: outpoint.index,
                amount: output.amount.units(),
                is_collateral: transaction.kind.locks() == Some(outpoint.index),
                from: from.into_iter().collect(),
            });
        }
        Ok(found)
    }

    pub(super) fn output_at(&self, outpoint: OutPoint) -> Result<Option<OutputView>, QueryError> {
        let pooled = self.bodies.pooled_now();
        let spender = pooled
            .iter()
            .find(|waiting| waiting.inputs.contains(&outpoint))
            .map(|waiting| waiting.txid());
        let view = |output: Output, height: Option<Height>, state: OutputState| OutputView {
            state,
            address: output.address.to_text(self.network),
            amount: output.amount.units(),
            height: height.map(Height::get),
            is_reward: false,
            matures: None,
            locked_for: None,
            spent_by: spender.map(|txid| *txid.as_hash()),
            proposed_at: spender.and_then(|txid| self.proposed(&txid)).map(Height::get),
        };
        if let Some(coin) = self.reader.utxo(&outpoint)? {
            let state = self.reader.state();
            let stands = self.state_under(spender);
            return Ok(Some(OutputView {
                is_reward: coin.is_reward,
                matures: matures(&coin, state.tip.height.next()),
                locked_for: state.registry.locked_for(&outpoint).map(|id| *id.as_hash()),
                ..view(coin.output, Some(coin.height), stands)
            }));
        }
        let index = outpoint.index as usize;
        if let Some(maker) = pooled.iter().find(|waiting| waiting.txid() == outpoint.txid) {
            let output = maker.outputs.get(index);
            return Ok(output.map(|output| view(*output, None, OutputState::Unconfirmed)));
        }
        let made = self.made(&outpoint)?;
        Ok(made.map(|(output, height, is_reward)| OutputView {
            is_reward,
            spent_by: None,
            proposed_at: None,
            ..view(output, Some(height), OutputState::Spent)
        }))
    }

    /// An output that a final transaction or genesis made, spent or not, if its block is here.
    fn made(&self, outpoint: &OutPoint) -> Result<Option<(Output, Height, bool)>, QueryError> {
        if let Some(output) = self.first_output(outpoint) {
            return Ok(Some((output, Height::GENESIS, false)));
        }
        let Some(maker) = self.reader.transaction(&outpoint.txid)? else {
            return Ok(None);
        };
        let output = maker.transaction.outputs.get(outpoint.index as usize);
        Ok(output.map(|output| (*output, maker.place.height, maker.transaction.is_reward())))
    }

    /// The height that a proposal under vote would make `txid` final at.
    pub(super) fn proposed(&self, txid: &TxId) -> Option<Height> {
        let height = self.bodies.proposed_at(txid)?;
        (height > self.reader.height()).then_some(height)
    }

    fn state_under(&self, spender: Option<TxId>) -> OutputState {
        match spender {
            None => OutputState::Unspent,
            Some(txid) if self.proposed(&txid).is_some() => OutputState::Proposed,
            Some(_) => OutputState::Locked,
        }
    }

    /// Hands every coin of an address above `after` to `take`, ascending by outpoint, until it says false.
    fn walk(
        &self,
        address: &Address,
        waiting: &Waiting,
        mut after: Option<OutPoint>,
        mut take: impl FnMut(UtxoEntry) -> bool,
    ) -> Result<(), QueryError> {
        let mut seen = 0;
        let state = self.reader.state();
        let next = state.tip.height.next();
        loop {
            let coins = self.reader.outpoints_of(address, after, PAGE_ENTRIES_MAX)?;
            let is_last = coins.len() < PAGE_ENTRIES_MAX;
            seen += coins.len();
            for (outpoint, coin) in coins {
                after = Some(outpoint);
                let spent_by = waiting.spends.get(&outpoint).copied();
                let goes_on = take(UtxoEntry {
                    txid: *outpoint.txid.as_hash(),
                    index: outpoint.index,
                    amount: coin.output.amount.units(),
                    height: coin.height.get(),
                    matures: matures(&coin, next),
                    locked_for: state.registry.locked_for(&outpoint).map(|id| *id.as_hash()),
                    state: self.state_under(spent_by),
                    spent_by: spent_by.map(|txid| *txid.as_hash()),
                });
                if !goes_on {
                    return Ok(());
                }
            }
            if is_last {
                return Ok(());
            }
            if seen >= COINS_MAX {
                return Err(QueryError::Invalid(format!(
                    "the address has more than {COINS_MAX} outputs; ask for them page by page, each after=<txid:index> of the last one"
                )));
            }
        }
    }
}

/// The first height whose block may spend a coin, if that is not yet `next`.
fn matures(coin: &Coin, next: Height) -> Option<u64> {
    let matures = coin.height.saturating_add(REWARD_MATURITY);
    (coin.is_reward && matures > next).then_some(matures.get())
}

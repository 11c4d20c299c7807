//! The pool: admission, removal, and the indexes that change together.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use crate::{
    chain::{
        Amount, Block, Coin, Height, MasternodeId, OutPoint, RegistryContext, SharedTransaction,
        TRANSACTION_BYTES_MAX, TimestampMs, TransactionError, TransactionKind, TxId, UtxoView, WitnessTxId,
        check_alone, check_spending, judge_registry,
    },
    crypto::{HashKeyed, NodeId, Verified},
};

use super::{
    DuplicateOf, FeeRate, Orphans, PoolLimits, RATE_BUCKETS, RECENT_MAX, RateBucket, Refusal,
    claims::Claims,
    entry::{Entry, Package, Score},
    floor::Floor,
    limits::{CHAIN_MAX, heap_bytes},
    recent::RecentSet,
    slots::{Slot, Slots},
    stats::{Counters, bucket},
};

/// What admission judges against.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Unspent outputs at the tip.
    pub view: &'a dyn UtxoView,
    /// Masternodes at the tip.
    pub registry: RegistryContext<'a>,
    /// Height of the next block.
    pub next_height: Height,
    /// The time.
    pub now: TimestampMs,
}

/// What admission did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// What the newcomer pays.
    pub fee: Amount,
    /// Who left for it.
    pub evicted: Vec<TxId>,
}

/// A place in the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrived(TimestampMs, u64);

/// What a block took out of the pool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Committed {
    /// Transactions of the block that were in the pool, in the block's order.
    pub included: Vec<TxId>,
    /// Transactions that spent what the block spends otherwise, and their descendants.
    pub conflicting: Vec<TxId>,
}

/// Transactions that wait for a block.
#[derive(Debug)]
pub struct Mempool {
    pub(super) limits: PoolLimits,
    pub(super) slots: Slots,
    by_id: HashKeyed<TxId, Slot>,
    pub(super) claims: Claims,
    pub(super) by_score: BTreeSet<(Score, Slot)>,
    pub(super) by_age: BTreeMap<(TimestampMs, u64), Slot>,
    by_until: BTreeSet<(Height, Slot)>,
    /// Transactions that do more than move money: judged again with every block, for what they say
    /// of the registry may have become wrong.
    registry_changes: BTreeSet<TxId>,
    /// The word of pending masternodes that their nodes are there: one of each, free of charge.
    ready: BTreeMap<MasternodeId, TxId>,
    pub(super) confirmed: RecentSet<TxId>,
    pub(super) rejected: RecentSet<WitnessTxId>,
    pub(super) floor: Floor,
    pub(super) orphans: Orphans,
    pub(super) heap_bytes: usize,
    pub(super) fees_units: u64,
    pub(super) rates: [RateBucket; RATE_BUCKETS.len()],
    pub(super) counters: Counters,
    arrivals: u64,
}

/// What the checks of admission found out.
struct Judged {
    fee: Amount,
    parents: Vec<Slot>,
    victims: Vec<Slot>,
}

impl Mempool {
    /// An empty pool.
    pub fn new(limits: PoolLimits) -> Self {
        Self {
            limits,
            slots: Slots::default(),
            by_id: HashKeyed::default(),
            claims: Claims::default(),
            by_score: BTreeSet::new(),
            by_age: BTreeMap::new(),
            by_until: BTreeSet::new(),
            registry_changes: BTreeSet::new(),
            ready: BTreeMap::new(),
            confirmed: RecentSet::new(RECENT_MAX),
            rejected: RecentSet::new(RECENT_MAX),
            floor: Floor::new(),
            orphans: Orphans::default(),
            heap_bytes: 0,
            fees_units: 0,
            rates: Default::default(),
            counters: Counters::default(),
            arrivals: 0,
        }
    }

    /// Number of transactions.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// True if nothing waits.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// True if `txid` waits.
    pub fn contains(&self, txid: &TxId) -> bool {
        self.by_id.contains_key(txid)
    }

    /// The transaction, if it waits.
    pub fn get(&self, txid: &TxId) -> Option<&Verified<SharedTransaction>> {
        let slot = self.by_id.get(txid)?;
        self.slots.get(*slot).map(|entry| &entry.transaction)
    }

    /// Whether it waits, was confirmed lately, or these witnesses were rejected lately; then
    /// fetching or checking it again is wasted.
    pub fn seen(&self, txid: &TxId, wtxid: Option<&WitnessTxId>) -> Option<DuplicateOf> {
        if self.contains(txid) {
            Some(DuplicateOf::Pool)
        } else if self.confirmed.contains(txid) {
            Some(DuplicateOf::Confirmed)
        } else if wtxid.is_some_and(|wtxid| self.rejected.contains(wtxid)) {
            Some(DuplicateOf::Rejected)
        } else {
            None
        }
    }

    /// The waiting transaction that spends `outpoint`: the output is locked by it.
    pub fn spender_of(&self, outpoint: &OutPoint) -> Option<TxId> {
        let slot = self.claims.holder(outpoint)?;
        self.slots.get(slot).map(|entry| entry.transaction.txid())
    }

    /// When the transaction that waits longest came.
    pub fn oldest_ms(&self) -> Option<TimestampMs> {
        self.by_age
            .first_key_value()
            .map(|((entered_ms, _), _)| *entered_ms)
    }

    /// Transactions that came at `until` or before, after the place `after` in the order of arrival;
    /// at most `count`, parents first, with the place where they end.
    pub fn waiting_since(
        &self,
        after: Option<Arrived>,
        until: TimestampMs,
        count: usize,
    ) -> (Vec<SharedTransaction>, Option<Arrived>) {
        if after.is_some_and(|Arrived(at, _)| at > until) {
            return (Vec::new(), after);
        }
        let from = after.map_or(Bound::Unbounded, |Arrived(at, arrival)| {
            Bound::Excluded((at, arrival))
        });
        let mut end = after;
        let range = self.by_age.range((from, Bound::Included((until, u64::MAX))));
        let found = range.take(count).filter_map(|((at, arrival), slot)| {
            end = Some(Arrived(*at, *arrival));
            Some((*self.slots.get(*slot)?.transaction).clone())
        });
        (found.collect(), end)
    }

    /// All transactions in the order of arrival, hence parents first.
    pub fn transactions(&self) -> impl Iterator<Item = &Verified<SharedTransaction>> {
        self.waiting().map(|(transaction, _)| transaction)
    }

    /// The same with the time since when each waits: for the file that survives a restart.
    pub fn waiting(&self) -> impl Iterator<Item = (&Verified<SharedTransaction>, TimestampMs)> {
        self.by_age
            .values()
            .filter_map(|slot| self.slots.get(*slot))
            .map(|entry| (&entry.transaction, entry.entered_ms))
    }

    /// Another value whenever the content is another: transactions that ever came, and those that are here.
    pub fn edition(&self) -> (u64, usize) {
        (self.arrivals, self.len())
    }

    /// Takes `transaction` in, or nothing of it.
    ///
    /// # Errors
    /// A [`Refusal`]; refusals are counted, and those that last are remembered.
    pub fn admit(
        &mut self,
        transaction: Verified<SharedTransaction>,
        context: Context<'_>,
    ) -> Result<Admitted, Refusal> {
        self.admit_since(transaction, context, context.now)
    }

    /// [`Mempool::admit`] of what has waited since `since` already, in an earlier run: a restart gives it no
    /// second life.
    ///
    /// # Errors
    /// As [`Mempool::admit`].
    pub fn admit_since(
        &mut self,
        transaction: Verified<SharedTransaction>,
        context: Context<'_>,
        since: TimestampMs,
    ) -> Result<Admitted, Refusal> {
        self.floor.decay(context.now, self.pressure_permille());
        match self.judge(&transaction, context) {
            Ok(judged) => {
                let rate = FeeRate::of(&transaction, judged.fee.units());
                let evicted = self.evict(&judged.victims, rate, context.now);
                let entered_ms = self.entered(since, context.now, &judged.parents);
                self.insert(transaction, judged.fee.units(), judged.parents, entered_ms);
                Ok(Admitted {
                    fee: judged.fee,
                    evicted,
                })
            }
            Err(refusal) => {
                self.note_refusal(&transaction, &refusal);
                Err(refusal)
            }
        }
    }

    /// Counts a refusal and remembers it if it lasts.
    fn note_refusal(&mut self, transaction: &SharedTransaction, refusal: &Refusal) {
        *self.counters.refused.entry(refusal.code()).or_default() += 1;
        if refusal.is_lasting() {
            // Under the witness id: somebody else's bad witnesses must not shut out the good ones.
            self.rejected.insert(transaction.wtxid());
        }
    }

    /// Counts refusals of what was never asked to be admitted: it was screened before its signatures.
    pub fn note_screened(&mut self, refused: &BTreeMap<&'static str, u64>) {
        for (code, count) in refused {
            *self.counters.refused.entry(code).or_default() += count;
        }
    }

    /// The lowest fee rate that is taken now, in units per 1000 bytes.
    pub fn floor_per_kb(&self) -> u64 {
        self.floor.per_kb()
    }

    fn judge(&self, transaction: &SharedTransaction, context: Context<'_>) -> Result<Judged, Refusal> {
        let size = transaction.size();
        if size > TRANSACTION_BYTES_MAX {
            return Err(Refusal::TooLarge { size });
        }
        if let Some(of) = self.seen(&transaction.txid(), Some(&transaction.wtxid())) {
            return Err(Refusal::Duplicate { of });
        }
        check_alone(transaction)?;
        let ready = transaction.kind.as_ready();
        if ready.is_some_and(|(id, _)| self.ready.contains_key(id)) {
            return Err(Refusal::Duplicate {
                of: DuplicateOf::Pool,
            });
        }
        judge_registry(transaction, context.registry).map_err(TransactionError::from)?;
        for outpoint in &transaction.inputs {
            if let Some(by) = self.spender_of(outpoint) {
                return Err(Refusal::DoubleSpend {
                    outpoint: *outpoint,
                    by,
                });
            }
        }
        let (coins, parents) = self.coins(transaction, context)?;
        let fee = check_spending(transaction, &coins, context.next_height)?;
        let need = self.floor.need(size);
        if fee < need && ready.is_none() {
            return Err(Refusal::FeeTooLow { fee, need });
        }
        let ancestors = self.check_chain(&parents)?;
        let rate = FeeRate::of(transaction, fee.units());
        let victims = self.victims(transaction, rate, &ancestors)?;
        Ok(Judged {
            fee,
            parents,
            victims,
        })
    }

    /// The coins that `transaction` spends, and the entries that make some of them.
    fn coins(
        &self,
        transaction: &SharedTransaction,
        context: Context<'_>,
    ) -> Result<(Vec<Coin>, Vec<Slot>), Refusal> {
        let mut coins = Vec::with_capacity(transaction.inputs.len());
        let mut parents = Vec::new();
        for outpoint in &transaction.inputs {
            let slot = self.by_id.get(&outpoint.txid).copied();
            let coin = match slot.and_then(|slot| self.slots.get(slot)) {
                // What a registration locks is never there to be spent.
                Some(parent) if parent.transaction.kind.locks() == Some(outpoint.index) => None,
                Some(parent) => {
                    let output = parent.transaction.outputs.get(outpoint.index as usize);
                    output.map(|output| Coin {
                        output: *output,
                        height: context.next_height,
                        is_reward: false,
                    })
                }
                None => context.view.output(outpoint)?,
            };
            coins.push(coin.ok_or(Refusal::MissingInputs { first: *outpoint })?);
            parents.extend(slot.filter(|slot| !parents.contains(slot)));
        }
        Ok((coins, parents))
    }

    /// All ancestors through `parents`, if neither they nor any one's descendants are too many.
    fn check_chain(&self, parents: &[Slot]) -> Result<Vec<Slot>, Refusal> {
        let ancestors = self
            .slots
            .reach(parents.iter().copied(), |entry| &entry.parents, CHAIN_MAX);
        let is_full = |slot: &Slot| {
            self.slots
                .get(*slot)
                .is_some_and(|entry| entry.package.count >= CHAIN_MAX)
        };
        if ancestors.len() >= CHAIN_MAX || ancestors.iter().any(is_full) {
            return Err(Refusal::ChainTooLong { max: CHAIN_MAX });
        }
        Ok(ancestors)
    }

    /// Who has to leave for `transaction`, which is worth `rate`: those worth least, each with its
    /// descendants, all of them worth less than the newcomer. Its own ancestors stay: it pays for them.
    fn victims(
        &self,
        transaction: &SharedTransaction,
        rate: FeeRate,
        ancestors: &[Slot],
    ) -> Result<Vec<Slot>, Refusal> {
        let mut count = (self.len() + 1).saturating_sub(self.limits.txs_max);
        let mut bytes =
            (self.heap_bytes + heap_bytes(transaction)).saturating_sub(self.limits.heap_bytes_max);
        let mut victims: Vec<Slot> = Vec::new();
        let full = |above: FeeRate| Refusal::PoolFull {
            need: above.fee_above(transaction.size()),
        };
        // The lowest that a newcomer has to beat, of those that this one does not.
        let mut unbeaten: Option<FeeRate> = None;
        for ((lowest, _), slot) in &self.by_score {
            if count == 0 && bytes == 0 {
                return Ok(victims);
            }
            if *lowest >= rate {
                return Err(full(unbeaten.map_or(*lowest, |rest| rest.min(*lowest))));
            }
            let package = self.slots.reach([*slot], |entry| &entry.children, CHAIN_MAX);
            if package.iter().any(|slot| ancestors.contains(slot)) {
                continue;
            }
            // What is left of it once a child that weighed it down is gone may be worth more.
            let rest = self.worth_without(*slot, &package, &victims);
            if rest >= rate {
                unbeaten = Some(unbeaten.map_or(rest, |lower| lower.min(rest)));
                continue;
            }
            for slot in package {
                if !victims.contains(&slot) {
                    victims.push(slot);
                    count = count.saturating_sub(1);
                    bytes = bytes.saturating_sub(self.slots.get(slot).map_or(0, |entry| entry.heap_bytes));
                }
            }
        }
        if count == 0 && bytes == 0 {
            return Ok(victims);
        }
        // Nobody is left who could leave: only its own ancestors are here.
        Err(full(unbeaten.unwrap_or(rate)))
    }

    /// What `slot` is worth with what is left of its package when `victims` have gone.
    fn worth_without(&self, slot: Slot, package: &[Slot], victims: &[Slot]) -> FeeRate {
        let rest = package.iter().filter(|slot| !victims.contains(slot));
        let entries = rest.filter_map(|slot| self.slots.get(*slot));
        let (fee, size) = entries.fold((0_u64, 0), |(fee, size), entry| {
            (fee.saturating_add(entry.fee), size + entry.size())
        });
        let own = self.slots.get(slot).map(Entry::worth);
        let rest = FeeRate::new(fee, size);
        own.map_or(rest, |own| own.max(rest))
    }

    /// Takes `victims` out for a newcomer worth `rate`. The floor rises with what they were worth, never
    /// beyond what the newcomer shows: or one cheap eviction could shut everybody out.
    fn evict(&mut self, victims: &[Slot], rate: FeeRate, now: TimestampMs) -> Vec<TxId> {
        let mut evicted = Vec::new();
        for slot in victims {
            let worth = self.slots.get(*slot).map(|entry| entry.score().0);
            let left = self.remove_with_descendants(*slot);
            if let (Some(worth), false) = (worth, left.is_empty()) {
                self.floor.raise(worth.min(rate), now);
            }
            evicted.extend(left);
        }
        self.counters.evicted += evicted.len() as u64;
        evicted
    }

    /// The time under which something that waits since `since` stands. Time never runs backwards inside the
    /// pool, and a child never stands before its parents, so that order of age has parents first.
    fn entered(&self, since: TimestampMs, now: TimestampMs, parents: &[Slot]) -> TimestampMs {
        if since < now {
            let entries = parents.iter().filter_map(|slot| self.slots.get(*slot));
            return entries.fold(since, |latest, parent| latest.max(parent.entered_ms));
        }
        let last = self.by_age.last_key_value();
        last.map_or(now, |((last, _), _)| now.max(*last))
    }

    fn insert(
        &mut self,
        transaction: Verified<SharedTransaction>,
        fee: u64,
        parents: Vec<Slot>,
        entered_ms: TimestampMs,
    ) {
        let (txid, until, size) = (
            transaction.txid(),
            transaction.valid_until_height,
            transaction.size() as u64,
        );
        let is_registry_change = !matches!(transaction.kind, TransactionKind::Transfer);
        let ready = transaction.kind.as_ready().map(|(id, _)| *id);
        let arrival = self.arrivals;
        self.arrivals += 1;
        let entry = Entry {
            fee,
            arrival,
            entered_ms,
            heap_bytes: heap_bytes(&transaction),
            parents: parents.clone(),
            children: Vec::new(),
            package: Package::default(),
            transaction,
        };
        self.heap_bytes += entry.heap_bytes;
        self.fees_units = self.fees_units.saturating_add(fee);
        let bar = &mut self.rates[bucket(entry.rate())];
        bar.count += 1;
        bar.bytes += size;
        let slot = self.slots.insert(entry);
        self.by_id.insert(txid, slot);
        self.by_age.insert((entered_ms, arrival), slot);
        if until != Height::GENESIS {
            self.by_until.insert((until, slot));
        }
        if is_registry_change {
            self.registry_changes.insert(txid);
        }
        if let Some(id) = ready {
            self.ready.insert(id, txid);
        }
        for parent in parents {
            if let Some(parent) = self.slots.get_mut(parent) {
                parent.children.push(slot);
            }
        }
        if let Some(entry) = self.slots.get(slot) {
            self.claims.take(&entry.transaction, slot);
        }
        self.change_packages(slot, |package| {
            package.fee = package.fee.saturating_add(fee);
            package.size += size;
            package.count += 1;
        });
        self.counters.admitted += 1;
    }

    /// Changes the packages of an entry and its ancestors, and with them their scores.
    fn change_packages(&mut self, slot: Slot, change: impl Fn(&mut Package)) {
        for slot in self.slots.reach([slot], |entry| &entry.parents, CHAIN_MAX) {
            if let Some(entry) = self.slots.get_mut(slot) {
                self.by_score.remove(&(entry.score(), slot));
                change(&mut entry.package);
                if entry.package.count > 0 {
                    self.by_score.insert((entry.score(), slot));
                }
            }
        }
    }

    /// Takes one entry out of every index. Its children, if any, stay.
    fn remove_one(&mut self, slot: Slot) -> Option<TxId> {
        let (fee, size) = self.slots.get(slot).map(|entry| (entry.fee, entry.size()))?;
        self.change_packages(slot, |package| {
            package.fee = package.fee.saturating_sub(fee);
            package.size = package.size.saturating_sub(size);
            package.count = package.count.saturating_sub(1);
        });
        let score = self.slots.get(slot)?.score();
        self.by_score.remove(&(score, slot));
        let entry = self.slots.remove(slot)?;
        let txid = entry.transaction.txid();
        for parent in &entry.parents {
            if let Some(parent) = self.slots.get_mut(*parent) {
                parent.children.retain(|child| *child != slot);
            }
        }
        for child in &entry.children {
            if let Some(child) = self.slots.get_mut(*child) {
                child.parents.retain(|parent| *parent != slot);
            }
        }
        self.claims.release(&entry.transaction);
        self.by_id.remove(&txid);
        self.registry_changes.remove(&txid);
        if let Some((id, _)) = entry.transaction.kind.as_ready() {
            self.ready.remove(id);
        }
        self.by_age.remove(&(entry.entered_ms, entry.arrival));
        self.by_until
            .remove(&(entry.transaction.valid_until_height, slot));
        self.heap_bytes -= entry.heap_bytes;
        self.fees_units = self.fees_units.saturating_sub(fee);
        let bar = &mut self.rates[bucket(entry.rate())];
        bar.count -= 1;
        bar.bytes -= size;
        Some(txid)
    }

    /// Takes an entry out with all that spends its outputs, youngest first.
    fn remove_with_descendants(&mut self, slot: Slot) -> Vec<TxId> {
        if self.slots.get(slot).is_none() {
            return Vec::new();
        }
        let mut line = self.slots.reach([slot], |entry| &entry.children, CHAIN_MAX);
        line.sort_unstable_by_key(|slot| {
            self.slots
                .get(*slot)
                .map(|entry| std::cmp::Reverse(entry.arrival))
        });
        line.into_iter()
            .filter_map(|slot| self.remove_one(slot))
            .collect()
    }

    /// A block became final: its transactions leave, and those that conflict with it. Costs what
    /// changes, whatever the pool holds.
    pub fn on_commit(&mut self, block: &Block) -> Committed {
        let mut committed = Committed::default();
        for transaction in &block.transactions {
            let txid = transaction.txid();
            self.confirmed.insert(txid);
            if let Some(slot) = self.by_id.get(&txid).copied() {
                committed.included.extend(self.remove_one(slot));
                continue;
            }
            for outpoint in &transaction.inputs {
                if let Some(slot) = self.claims.holder(outpoint) {
                    committed.conflicting.extend(self.remove_with_descendants(slot));
                }
            }
        }
        self.counters.confirmed += committed.included.len() as u64;
        self.counters.conflicting += committed.conflicting.len() as u64;
        committed
    }

    /// The registry changed: what it no longer allows leaves with its descendants. Others would wait
    /// for a block that no proposer makes of it.
    pub fn drop_outdated(&mut self, context: RegistryContext<'_>) -> Vec<TxId> {
        let is_outdated = |txid: &&TxId| {
            let transaction = self.get(txid);
            transaction.is_some_and(|transaction| judge_registry(transaction, context).is_err())
        };
        let outdated: Vec<TxId> = self
            .registry_changes
            .iter()
            .filter(is_outdated)
            .copied()
            .collect();
        outdated.iter().flat_map(|txid| self.drop_invalid(txid)).collect()
    }

    /// Keeps a transaction from `peer` whose inputs are missing until a parent comes. Gives the
    /// transactions that make the missing inputs and that nobody here knows, to be asked for;
    /// `None` if it is not kept.
    pub fn park(
        &mut self,
        transaction: Verified<SharedTransaction>,
        peer: NodeId,
        view: &dyn UtxoView,
        now: TimestampMs,
    ) -> Option<Vec<TxId>> {
        let mut wanted: Vec<TxId> = Vec::new();
        for outpoint in &transaction.inputs {
            let parent = outpoint.txid;
            let is_here =
                self.contains(&parent) || self.orphans.contains(&parent) || wanted.contains(&parent);
            // What a block made and another spent will not come back: no parent can help.
            if self.confirmed.contains(&parent) && !matches!(view.output(outpoint), Ok(Some(_))) {
                return None;
            }
            if !is_here && matches!(view.output(outpoint), Ok(None)) {
                wanted.push(parent);
            }
        }
        self.orphans.park(transaction, peer, now).then_some(wanted)
    }

    /// True if `txid` waits for a parent.
    pub fn is_orphan(&self, txid: &TxId) -> bool {
        self.orphans.contains(txid)
    }

    /// Those that wait for `parent`, which is here now, with whom they came from: to be admitted.
    pub fn adopt(&mut self, parent: &TxId) -> Vec<(Verified<SharedTransaction>, NodeId)> {
        if self.orphans.is_empty() {
            return Vec::new();
        }
        self.orphans.children_of(parent)
    }

    /// A proposer found `txid` invalid on the tip: it leaves with its descendants.
    pub fn drop_invalid(&mut self, txid: &TxId) -> Vec<TxId> {
        let left = self
            .by_id
            .get(txid)
            .copied()
            .map(|slot| self.remove_with_descendants(slot));
        let left = left.unwrap_or_default();
        self.counters.dropped += left.len() as u64;
        left
    }

    /// Takes out what is too old, or no block from `next_height` on may include.
    pub fn expire(&mut self, now: TimestampMs, next_height: Height) -> Vec<TxId> {
        self.floor.decay(now, self.pressure_permille());
        self.orphans.expire(now);
        let mut left = Vec::new();
        while let Some((entered_ms, slot)) = self.by_age.first_key_value().map(|(age, slot)| (age.0, *slot)) {
            if now.ms_since(entered_ms) < self.limits.expiry_ms {
                break;
            }
            left.extend(self.remove_with_descendants(slot));
        }
        while let Some((until, slot)) = self.by_until.first().copied() {
            if until >= next_height {
                break;
            }
            left.extend(self.remove_with_descendants(slot));
        }
        self.counters.expired += left.len() as u64;
        left
    }
}

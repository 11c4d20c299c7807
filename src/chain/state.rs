//! The state after a block, apart from the unspent outputs themselves.
//!
//! It is a function of the finalized chain, and the commitment in a header covers all of it:
//! every coin, every masternode, the totals, the current reward period, and the validator sets and
//! evidence of the last periods.

use std::{collections::BTreeMap, sync::Arc};

use bincode::{Decode, Encode};

use crate::crypto::{Hash256, PublicKey};

use super::{
    Amount, Block, BlockHash, BlockHeader, Coin, EpochSet, Genesis, Height, History, HistoryChange,
    Masternode, MasternodeId, NextValues, Registry, RegistryContext, Standing, TimestampMs, UtxoDelta,
    canonical::CanonicalWriter,
    commitment::{ElementKind, SetHash},
    header::BLOCK_VERSION,
    history::HistoryElement,
    registry::RegistryWork,
};

/// The last block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Tip {
    /// Its height.
    pub height: Height,
    /// Its hash.
    pub hash: BlockHash,
    /// Its timestamp.
    pub timestamp_ms: TimestampMs,
}

/// A reward period under way.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Epoch {
    /// Counts periods from 0.
    pub number: u64,
    /// Its first height.
    pub first: Height,
    /// The block that it grows on, known from its first block on; see [`ChainState::anchor`].
    pub anchor: BlockHash,
    /// When it began: the timestamp of the block that closed the one before.
    pub start_ms: TimestampMs,
    /// Fees of its blocks so far: taken from their payers, not yet paid to anybody.
    pub fees: Amount,
    /// Certificates that its blocks carried so far.
    pub certificates: u32,
    /// In how many of these each masternode's signature stands; who is in none is absent.
    pub signed: BTreeMap<MasternodeId, u32>,
}

impl Epoch {
    fn element(&self) -> Vec<u8> {
        let mut writer = CanonicalWriter::with_capacity(80 + self.signed.len() * 36);
        writer.u64(self.number);
        writer.u64(self.first.get());
        writer.bytes(self.anchor.as_bytes());
        writer.u64(self.start_ms.get());
        writer.u64(self.fees.units());
        writer.u32(self.certificates);
        writer.count(self.signed.len());
        for (id, signed) in &self.signed {
            writer.bytes(id.as_bytes());
            writer.u32(*signed);
        }
        writer.finish()
    }
}

/// Sums over the state, and the reward period.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Totals {
    /// All money: coins and the fees of the current period.
    pub supply: Amount,
    /// Number of coins.
    pub utxo_count: u64,
    /// Transactions in all blocks so far, rewards included.
    pub transactions: u64,
    /// The current reward period.
    pub epoch: Epoch,
}

impl Totals {
    fn element(&self) -> Vec<u8> {
        let mut writer = CanonicalWriter::default();
        writer.u64(self.supply.units());
        writer.u64(self.utxo_count);
        writer.u64(self.transactions);
        writer.finish()
    }

    fn insert_into(&self, set: &mut SetHash) {
        set.insert(ElementKind::Totals, &self.element());
        set.insert(ElementKind::Epoch, &self.epoch.element());
    }

    fn remove_from(&self, set: &mut SetHash) {
        set.remove(ElementKind::Totals, &self.element());
        set.remove(ElementKind::Epoch, &self.epoch.element());
    }
}

/// Entries of the registry that a block changed, as they were before; ascending by id.
pub type MasternodesBefore = Vec<(MasternodeId, Option<Masternode>)>;

/// The state after the block at [`Tip`]. Cloning copies about 2 kB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainState {
    /// The last block.
    pub tip: Tip,
    /// Sums and the reward period.
    pub totals: Totals,
    /// Set hash over the whole state; its digest stands in the tip's header.
    pub commitment: SetHash,
    /// All masternodes.
    pub registry: Arc<Registry>,
    /// Validator sets and evidence of the last periods.
    pub history: Arc<History>,
}

impl ChainState {
    /// The state after block 0, and what block 0 makes of an empty UTXO set.
    pub fn genesis(genesis: &Genesis) -> (Self, UtxoDelta) {
        let registry: Registry = genesis.registry();
        let mut members: Vec<_> = registry
            .iter()
            .map(|node| (node.validator_key, node.id))
            .collect();
        members.sort_unstable();
        let first = Height::GENESIS.next();
        let history = History::new(EpochSet {
            epoch: 0,
            first,
            members,
        });
        let coin = |output| Coin {
            output,
            height: Height::GENESIS,
            is_reward: false,
        };
        let created: Vec<_> = genesis
            .coins()
            .map(|(outpoint, output)| (outpoint, coin(output)))
            .collect();
        let totals = Totals {
            supply: genesis.supply(),
            utxo_count: created.len() as u64,
            transactions: 0,
            epoch: Epoch {
                number: 0,
                first,
                anchor: BlockHash::ZERO,
                start_ms: genesis.timestamp_ms,
                fees: Amount::ZERO,
                certificates: 0,
                signed: BTreeMap::new(),
            },
        };
        let mut delta = UtxoDelta {
            created,
            spent: Vec::new(),
            commitment: Hash256::ZERO,
        };
        let mut state = Self {
            tip: Tip {
                height: Height::GENESIS,
                hash: BlockHash::ZERO,
                timestamp_ms: genesis.timestamp_ms,
            },
            totals,
            commitment: SetHash::new(),
            registry: Arc::new(registry),
            history: Arc::new(history),
        };
        state.commitment = state.commitment_beside_coins();
        delta.update(&mut state.commitment);
        delta.commitment = state.commitment.digest();
        state.tip.hash = state.genesis_header(genesis).hash();
        (state, delta)
    }

    /// The set hash of everything but the coins, from nothing.
    pub(super) fn commitment_beside_coins(&self) -> SetHash {
        let mut set = SetHash::new();
        self.totals.insert_into(&mut set);
        for masternode in self.registry.iter() {
            set.insert(ElementKind::Masternode, &masternode.element());
        }
        for element in self.history.elements() {
            element.insert_into(&mut set);
        }
        set
    }

    fn genesis_header(&self, genesis: &Genesis) -> BlockHeader {
        let validators = self.validator_set_hash();
        BlockHeader {
            version: BLOCK_VERSION,
            height: Height::GENESIS,
            prev_hash: BlockHash::from_hash(genesis.chain_id()),
            timestamp_ms: genesis.timestamp_ms,
            proposer: PublicKey::from_bytes([0; 32]),
            created_round: 0,
            tx_root: Hash256::ZERO,
            utxo_commitment: self.commitment.digest(),
            vset_hash: validators,
            next_vset_hash: validators,
            prev_commit_hash: Hash256::ZERO,
            evidence_root: Hash256::ZERO,
        }
    }

    /// Keys of the validators of the next height, strictly ascending: a function of the finalized
    /// state alone.
    pub fn validators(&self) -> Vec<PublicKey> {
        self.history.current().keys()
    }

    /// Hash of [`ChainState::validators`].
    pub fn validator_set_hash(&self) -> Hash256 {
        self.history.current().hash()
    }

    /// Number of [`ChainState::validators`].
    pub fn validators_len(&self) -> usize {
        self.history.current().members.len()
    }

    /// The validator of the next height that signs with `validator_key`.
    pub fn validator(&self, validator_key: &PublicKey) -> Option<&Masternode> {
        self.registry.get(&self.history.current().member(validator_key)?)
    }

    /// The block that the current period grows on: the last one of the period before. Nobody knows
    /// it before that period is over, so who signs it follows the chain in this one.
    pub fn anchor(&self) -> BlockHash {
        if self.tip.height.next() == self.totals.epoch.first {
            self.tip.hash
        } else {
            self.totals.epoch.anchor
        }
    }

    /// What transactions of the next block are judged in.
    pub fn registry_context(&self) -> RegistryContext<'_> {
        RegistryContext {
            registry: &self.registry,
            history: &self.history,
            epoch: self.totals.epoch.number,
            anchor: self.anchor(),
        }
    }

    /// Replaces the totals, and carries them and `delta` into the commitment.
    pub(super) fn advance(&mut self, totals: Totals, delta: &UtxoDelta) {
        delta.update(&mut self.commitment);
        self.totals.remove_from(&mut self.commitment);
        totals.insert_into(&mut self.commitment);
        self.totals = totals;
    }

    /// Replaces the registry; `before` are the entries that differ, as they are now.
    pub(super) fn replace_registry(&mut self, registry: Arc<Registry>, before: &MasternodesBefore) {
        for (id, before) in before {
            if let Some(before) = before {
                self.commitment.remove(ElementKind::Masternode, &before.element());
            }
            if let Some(after) = registry.get(id) {
                self.commitment.insert(ElementKind::Masternode, &after.element());
            }
        }
        self.registry = registry;
    }

    /// Puts the entries in `before` back.
    pub(super) fn restore_registry(&mut self, before: &MasternodesBefore) {
        if before.is_empty() {
            return;
        }
        let mut work = RegistryWork::new(&self.registry);
        for (id, entry) in before {
            work.put(*id, entry.clone());
        }
        let (registry, now) = work.finish();
        self.replace_registry(registry, &now);
    }

    /// Adds to the history what `change` adds, and drops what it drops; or takes that back.
    pub(super) fn change_history(&mut self, change: &HistoryChange, is_undo: bool) {
        if change.is_empty() {
            return;
        }
        let history = Arc::make_mut(&mut self.history);
        let (added, dropped) = change.elements();
        let (gone, come) = if is_undo {
            history.undo(change);
            (added, dropped)
        } else {
            history.apply(change);
            (dropped, added)
        };
        for element in gone {
            element.remove_from(&mut self.commitment);
        }
        for element in come {
            element.insert_into(&mut self.commitment);
        }
    }
}

impl HistoryElement {
    fn insert_into(&self, set: &mut SetHash) {
        match self {
            Self::Set(bytes) => set.insert(ElementKind::ValidatorSet, bytes),
            Self::Evidence(bytes) => set.insert(ElementKind::Evidence, bytes),
        }
    }

    fn remove_from(&self, set: &mut SetHash) {
        match self {
            Self::Set(bytes) => set.remove(ElementKind::ValidatorSet, bytes),
            Self::Evidence(bytes) => set.remove(ElementKind::Evidence, bytes),
        }
    }
}

impl Genesis {
    /// Block 0. Nobody made or signed it; its parent hash is the chain id.
    pub fn block(&self) -> Block {
        let header = ChainState::genesis(self).0.genesis_header(self);
        Block {
            header,
            prev_commit: None,
            evidence: Vec::new(),
            transactions: Vec::new(),
        }
    }

    /// The first masternodes: all of them active, none with collateral.
    fn registry(&self) -> Registry {
        let chain_id = self.chain_id();
        (0u32..)
            .zip(&self.masternodes)
            .map(|(index, node)| Masternode {
                id: MasternodeId::of_genesis(&chain_id, index),
                registered: (Height::GENESIS, index),
                name: node.name.clone(),
                validator_key: node.validator_key,
                next: NextValues::default(),
                service: None,
                payout: node.payout,
                owner: node.payout,
                tier: node.tier,
                collateral: None,
                standing: Standing::Active,
                since: 0,
                silent: 0,
                ready_in: None,
                is_leaving: false,
                is_kept: false,
                conviction: None,
            })
            .collect()
    }
}

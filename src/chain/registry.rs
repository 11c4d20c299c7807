//! The registry of masternodes: who they are, how they stand, and who answers to which key.
//!
//! It is consensus state: every entry is an element of the state commitment. It changes by
//! transactions ([`super::registry_rules`]), by evidence, and at the end of a period
//! ([`super::period`]); never otherwise.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bincode::{
    Decode, Encode,
    de::Decoder,
    enc::Encoder,
    error::{DecodeError, EncodeError},
};
use serde::{Deserialize, Serialize};

use crate::crypto::{Hash256, PublicKey};

use super::{Address, Height, MasternodeId, OutPoint, ServiceAddress, Tier, canonical::CanonicalWriter};

/// Most entries of the registry, those that were jailed included: bounds what every node keeps in
/// memory. Registering is refused above it.
pub const REGISTRY_MAX: usize = 8_192;

/// How a masternode stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// In the validator set.
    Active,
    /// Registered or back, not yet in the set: its node has to say that it is there.
    Pending,
    /// Left the set because nothing was heard of it.
    Inactive,
    /// Contradicted itself, and never votes again.
    Jailed,
    /// Its owner ended it; forgotten with the next period.
    Deregistered,
}

impl Standing {
    /// The word for screens and interfaces.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Inactive => "inactive",
            Self::Jailed => "jailed",
            Self::Deregistered => "deregistered",
        }
    }

    const fn tag(self) -> u8 {
        match self {
            Self::Active => 0,
            Self::Pending => 1,
            Self::Inactive => 2,
            Self::Jailed => 3,
            Self::Deregistered => 4,
        }
    }
}

/// What its owner asked for and what the next period brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
pub struct NextValues {
    /// A new consensus key.
    pub key: Option<PublicKey>,
    /// A new address to reach it at.
    pub service: Option<ServiceAddress>,
    /// A new address for its rewards.
    pub payout: Option<Address>,
}

/// Why a masternode is jailed, or will be at the end of the period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Conviction {
    /// The evidence, as a block carried it.
    pub evidence: Hash256,
    /// The key that contradicted itself; never registered again.
    pub key: PublicKey,
    /// Height of the crime.
    pub height: Height,
}

/// A masternode as the state knows it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Masternode {
    /// Its name for the chain.
    pub id: MasternodeId,
    /// Where it was registered: height and index in that block. Orders those who wait.
    pub registered: (Height, u32),
    /// Name from genesis, for people; empty for one that was registered later.
    pub name: String,
    /// Consensus key: the validator id.
    pub validator_key: PublicKey,
    /// What the next period brings.
    pub next: NextValues,
    /// Where it can be reached, if it told.
    pub service: Option<ServiceAddress>,
    /// Where its rewards go.
    pub payout: Address,
    /// Who may change it: the collateral's address; the payout address of one from genesis.
    pub owner: Address,
    /// Its tier.
    pub tier: Tier,
    /// The coin that is locked for it. `None` for one from genesis, and once it is released.
    pub collateral: Option<OutPoint>,
    /// How it stands.
    pub standing: Standing,
    /// The period in which it came to stand so.
    pub since: u64,
    /// Periods in a row in which it signed nothing.
    pub silent: u32,
    /// The period for which its node said that it is there.
    pub ready_in: Option<u64>,
    /// Its owner ended it: it leaves with the period.
    pub is_leaving: bool,
    /// It should have left the set, and votes on unpaid until another one has joined.
    pub is_kept: bool,
    /// What it is, or will be, jailed for.
    pub conviction: Option<Conviction>,
}

impl Masternode {
    /// Its element of the state commitment.
    pub(super) fn element(&self) -> Vec<u8> {
        let mut writer = CanonicalWriter::default();
        writer.bytes(self.id.as_bytes());
        writer.u64(self.registered.0.get());
        writer.u32(self.registered.1);
        writer.text(&self.name);
        writer.bytes(self.validator_key.as_bytes());
        writer.option(self.next.key.as_ref(), |writer, key| writer.bytes(key.as_bytes()));
        writer.option(self.next.service.as_ref(), |writer, service| {
            service.write(writer)
        });
        writer.option(self.next.payout.as_ref(), |writer, payout| {
            writer.bytes(payout.as_bytes())
        });
        writer.option(self.service.as_ref(), |writer, service| service.write(writer));
        writer.bytes(self.payout.as_bytes());
        writer.bytes(self.owner.as_bytes());
        writer.u8(self.tier.tag());
        writer.option(self.collateral.as_ref(), |writer, coin| {
            writer.bytes(coin.txid.as_bytes());
            writer.u32(coin.index);
        });
        writer.u8(self.standing.tag());
        writer.u64(self.since);
        writer.u32(self.silent);
        writer.option(self.ready_in.as_ref(), |writer, epoch| writer.u64(*epoch));
        writer.u8(u8::from(self.is_leaving));
        writer.u8(u8::from(self.is_kept));
        writer.option(self.conviction.as_ref(), |writer, conviction| {
            writer.bytes(conviction.evidence.as_bytes());
            writer.bytes(conviction.key.as_bytes());
            writer.u64(conviction.height.get());
        });
        writer.finish()
    }

    /// Keys that nobody else may register: its own, the one that comes, the one it was jailed for.
    fn keys(&self) -> impl Iterator<Item = PublicKey> {
        let convicted = self.conviction.map(|conviction| conviction.key);
        [Some(self.validator_key), self.next.key, convicted]
            .into_iter()
            .flatten()
    }

    /// True if what is locked for it may not be spent.
    pub const fn is_locked(&self) -> bool {
        self.collateral.is_some()
    }
}

/// All masternodes, with who answers to which key and which coins are locked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registry {
    masternodes: BTreeMap<MasternodeId, Masternode>,
    /// Who holds which key. Rules keep it at one holder, but for a key that was given up and turned out to
    /// be guilty later; the answers must not depend on the order in which entries came.
    by_key: BTreeSet<(PublicKey, MasternodeId)>,
    by_collateral: BTreeMap<OutPoint, MasternodeId>,
}

impl Registry {
    /// Number of entries.
    pub fn len(&self) -> usize {
        self.masternodes.len()
    }

    /// True without any entry.
    pub fn is_empty(&self) -> bool {
        self.masternodes.is_empty()
    }

    /// The masternode of this id.
    pub fn get(&self, id: &MasternodeId) -> Option<&Masternode> {
        self.masternodes.get(id)
    }

    /// Who holds `key`, will hold it, or was jailed for it; of several, the one with the lowest id.
    pub fn holder(&self, key: &PublicKey) -> Option<&Masternode> {
        let from = (*key, MasternodeId::from_bytes([0; 32]));
        let (held, id) = self.by_key.range(from..).next()?;
        if held != key {
            return None;
        }
        self.get(id)
    }

    /// The masternode that `outpoint` is locked for.
    pub fn locked_for(&self, outpoint: &OutPoint) -> Option<MasternodeId> {
        self.by_collateral.get(outpoint).copied()
    }

    /// All entries, ascending by id.
    pub fn iter(&self) -> impl Iterator<Item = &Masternode> {
        self.masternodes.values()
    }

    /// Entries above `after`, ascending by id: for pages.
    pub fn above(&self, after: Option<MasternodeId>) -> impl Iterator<Item = &Masternode> {
        let from = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        self.masternodes
            .range((from, std::ops::Bound::Unbounded))
            .map(|(_, masternode)| masternode)
    }

    /// Puts an entry in place of the one with its id, or takes it away; gives what was there.
    pub(super) fn put(&mut self, id: MasternodeId, entry: Option<Masternode>) -> Option<Masternode> {
        let before = match entry {
            Some(entry) => {
                let before = self.take(&id);
                for key in entry.keys() {
                    self.by_key.insert((key, id));
                }
                if let Some(coin) = entry.collateral {
                    self.by_collateral.insert(coin, id);
                }
                self.masternodes.insert(id, entry);
                before
            }
            None => self.take(&id),
        };
        debug_assert!(self.masternodes.len() >= self.by_collateral.len());
        before
    }

    fn take(&mut self, id: &MasternodeId) -> Option<Masternode> {
        let before = self.masternodes.remove(id)?;
        for key in before.keys() {
            self.by_key.remove(&(key, *id));
        }
        if let Some(coin) = &before.collateral {
            self.by_collateral.remove(coin);
        }
        Some(before)
    }
}

impl FromIterator<Masternode> for Registry {
    fn from_iter<I: IntoIterator<Item = Masternode>>(entries: I) -> Self {
        let mut registry = Self::default();
        for entry in entries {
            registry.put(entry.id, Some(entry));
        }
        registry
    }
}

impl Encode for Registry {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.masternodes.encode(encoder)
    }
}

impl<Context> Decode<Context> for Registry {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let masternodes: BTreeMap<MasternodeId, Masternode> = Decode::decode(decoder)?;
        Ok(masternodes.into_values().collect())
    }
}

bincode::impl_borrow_decode!(Registry);

/// A registry under change, with every entry as it was before. The entries are copied only if one
/// changes.
#[derive(Debug)]
pub(super) struct RegistryWork {
    registry: Arc<Registry>,
    before: BTreeMap<MasternodeId, Option<Masternode>>,
}

impl RegistryWork {
    pub(super) fn new(registry: &Arc<Registry>) -> Self {
        Self {
            registry: Arc::clone(registry),
            before: BTreeMap::new(),
        }
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Puts or takes away one entry.
    pub(super) fn put(&mut self, id: MasternodeId, entry: Option<Masternode>) {
        let before = Arc::make_mut(&mut self.registry).put(id, entry);
        self.before.entry(id).or_insert(before);
    }

    /// Changes an entry that is there.
    pub(super) fn change(&mut self, id: &MasternodeId, change: impl FnOnce(&mut Masternode)) {
        if let Some(mut entry) = self.registry.get(id).cloned() {
            change(&mut entry);
            self.put(*id, Some(entry));
        }
    }

    /// The registry after, and what changed as it was before, ascending by id.
    pub(super) fn finish(self) -> (Arc<Registry>, Vec<(MasternodeId, Option<Masternode>)>) {
        let Self { registry, before } = self;
        let changed = before
            .into_iter()
            .filter(|(id, before)| registry.get(id) != before.as_ref())
            .collect();
        (registry, changed)
    }
}

//! Unspent outputs: how they are read, layered, changed and changed back.

use std::{
    collections::{VecDeque, hash_map::Entry},
    sync::Arc,
};

use bincode::{Decode, Encode};

use crate::crypto::{Hash256, HashKeyed};

use super::{
    Height, OutPoint, Output,
    canonical::CanonicalWriter,
    commitment::{ElementKind, SetHash},
};

/// An unspent output with what decides when it may be spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Coin {
    /// The output.
    pub output: Output,
    /// Height of the block that made it.
    pub height: Height,
    /// Made by a reward, hence immature for a while.
    pub is_reward: bool,
}

impl Coin {
    /// Canonical bytes of this coin under `outpoint`: an element of the state commitment.
    pub fn element(&self, outpoint: &OutPoint) -> Vec<u8> {
        let mut writer = CanonicalWriter::with_capacity(36 + 28 + 8 + 1);
        writer.bytes(outpoint.txid.as_bytes());
        writer.u32(outpoint.index);
        writer.u64(self.output.amount.units());
        writer.bytes(self.output.address.as_bytes());
        writer.u64(self.height.get());
        writer.u8(u8::from(self.is_reward));
        writer.finish()
    }
}

/// The store below a view could not answer. Nobody's transaction is to blame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unspent outputs cannot be read: {0}")]
pub struct ViewError(pub String);

/// Answers whether an output is unspent.
pub trait UtxoView {
    /// The coin under `outpoint`, or `None` if it was spent or never made.
    ///
    /// # Errors
    /// [`ViewError`] if the answer is not known, which is never the same as `None`.
    fn output(&self, outpoint: &OutPoint) -> Result<Option<Coin>, ViewError>;
}

impl<V: UtxoView + ?Sized> UtxoView for &V {
    fn output(&self, outpoint: &OutPoint) -> Result<Option<Coin>, ViewError> {
        (**self).output(outpoint)
    }
}

impl<V: UtxoView + ?Sized> UtxoView for Arc<V> {
    fn output(&self, outpoint: &OutPoint) -> Result<Option<Coin>, ViewError> {
        (**self).output(outpoint)
    }
}

/// The view of a chain without outputs.
#[derive(Debug, Clone, Copy, Default)]
pub struct EmptyView;

impl UtxoView for EmptyView {
    fn output(&self, _: &OutPoint) -> Result<Option<Coin>, ViewError> {
        Ok(None)
    }
}

/// The net change of one block: outputs both made and spent in it do not appear.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct UtxoDelta {
    /// New coins, ascending by outpoint.
    pub created: Vec<(OutPoint, Coin)>,
    /// Coins gone, with what they were, ascending by outpoint.
    pub spent: Vec<(OutPoint, Coin)>,
    /// Digest of the state commitment after the change.
    pub commitment: Hash256,
}

impl UtxoDelta {
    /// The change back. `commitment` is the digest before this change.
    pub fn reversed(&self, commitment: Hash256) -> Self {
        Self {
            created: self.spent.clone(),
            spent: self.created.clone(),
            commitment,
        }
    }

    /// Carries the change into a set hash.
    pub(super) fn update(&self, set: &mut SetHash) {
        for (outpoint, coin) in &self.spent {
            set.remove(ElementKind::Coin, &coin.element(outpoint));
        }
        for (outpoint, coin) in &self.created {
            set.insert(ElementKind::Coin, &coin.element(outpoint));
        }
    }
}

/// Changes of recent blocks in memory over a view that does not have them yet.
///
/// Bounded by its owner: storage flushes, then [`Overlay::forget_through`] drops what it holds.
#[derive(Debug)]
pub struct Overlay<V> {
    base: V,
    /// What became of an outpoint, and the height of the last block that touched it.
    pub(super) changes: HashKeyed<OutPoint, (Height, Option<Coin>)>,
    /// Outpoints by block, ascending by height, so that forgetting costs what it forgets.
    pub(super) blocks: VecDeque<(Height, Vec<OutPoint>)>,
}

impl<V: UtxoView> Overlay<V> {
    /// Nothing over `base`.
    pub fn new(base: V) -> Self {
        Self {
            base,
            changes: HashKeyed::default(),
            blocks: VecDeque::new(),
        }
    }

    /// The view below.
    pub fn base(&self) -> &V {
        &self.base
    }

    /// Number of outpoints whose change is held here.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// True if the view below has everything.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Lays the change of the block at `height` on top; blocks come in ascending order.
    pub fn apply(&mut self, height: Height, delta: &UtxoDelta) {
        let mut touched = Vec::with_capacity(delta.created.len() + delta.spent.len());
        for (outpoint, _) in &delta.spent {
            self.changes.insert(*outpoint, (height, None));
            touched.push(*outpoint);
        }
        for (outpoint, coin) in &delta.created {
            self.changes.insert(*outpoint, (height, Some(*coin)));
            touched.push(*outpoint);
        }
        self.blocks.push_back((height, touched));
    }

    /// Takes the change of the block at `height`, the last one applied, off again. Works also if
    /// the view below has that block already.
    pub fn undo(&mut self, height: Height, delta: &UtxoDelta) {
        let parent = height.saturating_sub(1);
        if self.blocks.back().is_some_and(|(last, _)| *last == height) {
            self.blocks.pop_back();
        }
        let mut touched = Vec::with_capacity(delta.created.len() + delta.spent.len());
        for (outpoint, _) in &delta.created {
            self.changes.insert(*outpoint, (parent, None));
            touched.push(*outpoint);
        }
        for (outpoint, coin) in &delta.spent {
            self.changes.insert(*outpoint, (parent, Some(*coin)));
            touched.push(*outpoint);
        }
        self.blocks.push_back((parent, touched));
    }

    /// Drops the changes of all blocks up to `height`: the view below has them.
    pub fn forget_through(&mut self, height: Height) {
        while let Some((_, touched)) = self.blocks.pop_front_if(|(first, _)| *first <= height) {
            for outpoint in touched {
                if let Entry::Occupied(entry) = self.changes.entry(outpoint)
                    && entry.get().0 <= height
                {
                    entry.remove();
                }
            }
        }
    }
}

impl<V: UtxoView> UtxoView for Overlay<V> {
    fn output(&self, outpoint: &OutPoint) -> Result<Option<Coin>, ViewError> {
        match self.changes.get(outpoint) {
            Some((_, coin)) => Ok(*coin),
            None => self.base.output(outpoint),
        }
    }
}

//! What nodes say about snapshots of the state: a manifest, and pages of coins.

use bincode::{Decode, Encode};

use crate::{
    chain::{BlockHash, BlockHeader, Coin, CommitCertificate, Height, OutPoint},
    crypto::Hash256,
};

use super::{BoundedVec, limits};

/// What a snapshot consists of and what proves it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SnapshotManifest {
    /// Header of the block after which the state was taken; its commitment covers all of it.
    pub header: BlockHeader,
    /// What made that block final.
    pub certificate: CommitCertificate,
    /// The state beside its coins, in parts, as a database of this version keeps them.
    pub state: BoundedVec<Vec<u8>, { limits::SNAPSHOT_PARTS_MAX }>,
    /// Number of coins.
    pub coins: u64,
    /// Hash of each page, ascending by outpoint.
    pub pages: BoundedVec<Hash256, { limits::SNAPSHOT_PAGES_MAX }>,
}

/// Asks for the manifest of the newest snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct GetSnapshotInfo;

/// The newest snapshot that the peer serves.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SnapshotInfo {
    /// Its manifest.
    pub manifest: SnapshotManifest,
}

/// Asks for a page of coins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct GetUtxoSetPage {
    /// Height of the snapshot.
    pub height: Height,
    /// Hash of its block.
    pub hash: BlockHash,
    /// The last outpoint of the page before; `None` for the first page.
    pub cursor: Option<OutPoint>,
    /// Most coins wanted; pages have a fixed size, up to [`limits::UTXO_PAGE_MAX`].
    pub limit: u16,
}

/// A page of coins.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct UtxoSetPage {
    /// Height of the snapshot.
    pub height: Height,
    /// The question's cursor.
    pub cursor: Option<OutPoint>,
    /// Coins, strictly ascending by outpoint.
    pub items: BoundedVec<(OutPoint, Coin), { limits::UTXO_PAGE_MAX }>,
    /// Where the next page continues; `None` on the last one.
    pub next: Option<OutPoint>,
}

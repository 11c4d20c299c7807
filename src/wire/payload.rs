//! The fields of the messages, apart from those that consensus and the ledger define themselves.

use bincode::{Decode, Encode};

use crate::{
    chain::{Block, BlockHash, BlockHeader, CommitCertificate, Height, SharedTransaction, Tier, TxId},
    consensus::{self, Vote},
    crypto::{Hash256, PublicKey},
};

use super::{BoundedVec, Endpoint, PeerRecord, limits};

/// Asks for an echo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Ping {
    /// Random; comes back in the pong.
    pub nonce: u64,
    /// The sender's height. A hint.
    pub height: u64,
}

/// The echo of a [`Ping`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Pong {
    /// The ping's nonce.
    pub nonce: u64,
    /// The sender's height. A hint.
    pub height: u64,
}

/// What the sender's clock shows; sent beside each [`Ping`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Clock {
    /// Milliseconds since 1970.
    pub unix_ms: u64,
}

/// Why a peer closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub enum GoodbyeCode {
    /// It stops.
    Shutdown,
    /// Another connection between the same two nodes stays.
    Duplicate,
    /// It has no free slot.
    NoSlot,
    /// Its operator closed the connection.
    Operator,
    /// We are banned there.
    Banned,
    /// It found a fault in what we sent.
    Fault,
    /// It did not hear from us.
    Timeout,
    /// We did not read fast enough.
    SlowReader,
}

impl GoodbyeCode {
    /// A word for logs and screens.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shutdown => "shutdown",
            Self::Duplicate => "duplicate",
            Self::NoSlot => "no slot",
            Self::Operator => "operator",
            Self::Banned => "banned",
            Self::Fault => "fault",
            Self::Timeout => "timeout",
            Self::SlowReader => "slow reader",
        }
    }
}

/// The last message of a session; best effort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Goodbye {
    /// Why.
    pub code: GoodbyeCode,
    /// Not worth dialling again before this many seconds.
    pub retry_after_s: u32,
}

/// Not now: ask again later, or somebody else. Nobody's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Busy;

/// The peer does not have it. Nobody's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct NotFound;

/// Asks for a page of the masternode registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct GetMasternodes {
    /// Height whose registry is meant; zero for the newest.
    pub registry_height: Height,
    /// Continue after this key.
    pub after: Option<PublicKey>,
    /// Most entries wanted, up to [`limits::MASTERNODES_PAGE_MAX`].
    pub limit: u16,
}

/// Asks for peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct GetPeers {
    /// Most records wanted, up to [`limits::PEERS_PER_ANSWER_MAX`].
    pub max: u16,
}

/// Peers, each in its own words.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Peers {
    /// In no order.
    pub records: BoundedVec<PeerRecord, { limits::PEERS_PER_ANSWER_MAX }>,
}

/// Asks the peer to dial back: to the address that it sees the asker at, and to no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct GetReachable {
    /// The port that the asker listens on, as others are to dial it.
    pub port: u16,
}

/// What came of dialling back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Reachable {
    /// Whether the asker's own key answered there.
    pub is_reached: bool,
    /// Where that was.
    pub address: Endpoint,
}

/// One masternode of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct MasternodeEntry {
    /// Consensus key.
    pub validator_key: PublicKey,
    /// Network key, if it is known.
    pub node_key: Option<PublicKey>,
    /// Rank.
    pub tier: Tier,
}

/// A page of the registry.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Masternodes {
    /// Height that the page belongs to.
    pub registry_height: Height,
    /// Hash of the whole validator set of that height; checked against headers.
    pub vset_hash: Hash256,
    /// Entries, ascending by consensus key.
    pub page: BoundedVec<MasternodeEntry, { limits::MASTERNODES_PAGE_MAX }>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<PublicKey>,
}

/// Asks where a peer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct GetStatus {
    /// Random; proves that the answer is fresh.
    pub nonce: u64,
}

/// Where a peer stands, with the certificate that proves it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Status {
    /// The question's nonce; zero if nobody asked.
    pub nonce: u64,
    /// Height of the tip.
    pub height: Height,
    /// Hash of the tip.
    pub tip: BlockHash,
    /// Lowest height whose body is served.
    pub pruned_below: Height,
    /// Certificate of the tip; `None` at genesis.
    pub certificate: Option<CommitCertificate>,
}

/// Asks for consecutive blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct GetBlocks {
    /// First height.
    pub start: Height,
    /// How many, 1 to [`limits::BLOCKS_PER_REQUEST_MAX`].
    pub count: u16,
    /// Stop before this many bytes of blocks, after at least one; up to
    /// [`limits::BLOCKS_BYTES_MAX`].
    pub max_bytes: u32,
}

/// Consecutive blocks. Each but the last is certified by its child's `prev_commit`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Blocks {
    /// Height of the first block.
    pub start: Height,
    /// The blocks, ascending, without gaps.
    pub blocks: BoundedVec<Block, { limits::BLOCKS_PER_REQUEST_MAX }>,
    /// Certificate of the last block.
    pub certificate: Option<CommitCertificate>,
    /// True if the peer has blocks above the last one.
    pub more: bool,
}

/// Asks for one block, decided or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct GetBlockByHash {
    /// Its height.
    pub height: Height,
    /// Its hash.
    pub hash: BlockHash,
}

/// The block that was asked for by hash.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct BlockByHash {
    /// The block.
    pub block: Block,
    /// Its certificate, if it is decided and the peer has it.
    pub certificate: Option<CommitCertificate>,
}

/// A proposal with its block.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Proposal {
    /// What the leader signed, and its justification.
    pub message: consensus::PrePrepare,
    /// The block.
    pub block: Block,
}

/// A proposal whose transactions stand as ids: validators hold most of them already.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct CompactProposal {
    /// What the leader signed, and its justification.
    pub message: consensus::PrePrepare,
    /// The block's header.
    pub header: BlockHeader,
    /// The parent's certificate.
    pub prev_commit: Option<CommitCertificate>,
    /// Evidence in the block.
    pub evidence: Vec<Vec<u8>>,
    /// The reward at the head of the block, which no pool holds.
    pub reward: Option<SharedTransaction>,
    /// Ids of the other transactions, in the block's order.
    pub txids: BoundedVec<TxId, { limits::BLOCK_TXS_MAX }>,
}

impl CompactProposal {
    /// `block` with its transactions as ids; `None` if there are none, or too many.
    pub fn of(message: consensus::PrePrepare, block: &Block) -> Option<Self> {
        let (reward, others) = match block.transactions.split_first() {
            Some((first, others)) if first.is_reward() => (Some(first.clone()), others),
            _ => (None, &block.transactions[..]),
        };
        if others.is_empty() {
            return None;
        }
        let txids = others.iter().map(SharedTransaction::txid).collect();
        Some(Self {
            message,
            header: block.header.clone(),
            prev_commit: block.prev_commit.clone(),
            evidence: block.evidence.clone(),
            reward,
            txids: BoundedVec::new(txids).ok()?,
        })
    }
}

/// Asks for transactions of a block under vote.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct GetBlockTxs {
    /// Hash of the block.
    pub hash: BlockHash,
    /// Which: positions in the list of ids of its [`CompactProposal`].
    pub positions: BoundedVec<u32, { limits::BLOCK_TXS_MISSING_MAX }>,
}

/// Transactions of a block under vote, in the order in which they were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct BlockTxs {
    /// The transactions.
    pub transactions: BoundedVec<SharedTransaction, { limits::BLOCK_TXS_MISSING_MAX }>,
}

/// A decided height, for a node that is still working on it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Decided {
    /// Proof.
    pub certificate: CommitCertificate,
    /// The block, unless it is too large to push.
    pub block: Option<Block>,
}

/// Transactions that the sender can give.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct TxInv {
    /// Their ids.
    pub txids: BoundedVec<TxId, { limits::TX_INV_MAX }>,
}

/// Asks for transactions that were announced.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct GetTxs {
    /// Their ids.
    pub txids: BoundedVec<TxId, { limits::TXS_MAX }>,
}

/// Transactions, asked for or pushed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Txs {
    /// The transactions.
    pub transactions: BoundedVec<SharedTransaction, { limits::TXS_MAX }>,
}

/// A PREPARE; its step says so again, and must.
pub type Prepare = Vote;
/// A COMMIT; its step says so again, and must.
pub type Commit = Vote;

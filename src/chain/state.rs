//! The state after a block, apart from the unspent outputs themselves.
//!
//! It is a function of the finalized chain, and the commitment in a header covers all of it:
//! every coin, every masternode, and the totals with the current reward period.

use std::sync::Arc;

use bincode::{Decode, Encode};

use crate::crypto::{Hash256, PublicKey};

use super::{
    Address, Amount, Block, BlockHash, BlockHeader, Genesis, Height, Tier, TimestampMs, UtxoDelta,
    canonical::CanonicalWriter,
    commitment::{ElementKind, SetHash},
    header::BLOCK_VERSION,
    masternodes::validator_set_hash,
    utxo::Coin,
};

/// A masternode as the state knows it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Masternode {
    /// Consensus key: the validator id.
    pub validator_key: PublicKey,
    /// Where its rewards go.
    pub payout: Address,
    /// Its tier.
    pub tier: Tier,
    /// Name from genesis, for people.
    pub name: String,
}

impl Masternode {
    fn element(&self) -> Vec<u8> {
        let mut writer = CanonicalWriter::default();
        writer.bytes(self.validator_key.as_bytes());
        writer.bytes(self.payout.as_bytes());
        writer.u8(self.tier.tag());
        writer.text(&self.name);
        writer.finish()
    }
}

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
    /// When it began: the timestamp of the block that closed the one before.
    pub start_ms: TimestampMs,
    /// Fees of its blocks so far: taken from their payers, not yet paid to anybody.
    pub fees: Amount,
    /// Certificates that its blocks carried so far.
    pub certificates: u32,
    /// In how many of these each validator's signature stands, in the order of the set.
    pub signed: Vec<u32>,
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
        writer.u64(self.epoch.number);
        writer.u64(self.epoch.start_ms.get());
        writer.u64(self.epoch.fees.units());
        writer.u32(self.epoch.certificates);
        writer.count(self.epoch.signed.len());
        for signed in &self.epoch.signed {
            writer.u32(*signed);
        }
        writer.finish()
    }
}

/// The state after the block at [`Tip`]. Cloning copies about 2 kB.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ChainState {
    /// The last block.
    pub tip: Tip,
    /// Sums and the reward period.
    pub totals: Totals,
    /// Set hash over the whole state; its digest stands in the tip's header.
    pub commitment: SetHash,
    /// All masternodes, strictly ascending by validator key.
    pub masternodes: Arc<[Masternode]>,
}

impl ChainState {
    /// The state after block 0, and what block 0 makes of an empty UTXO set.
    pub fn genesis(genesis: &Genesis) -> (Self, UtxoDelta) {
        let mut masternodes: Vec<Masternode> = genesis
            .masternodes
            .iter()
            .map(|masternode| Masternode {
                validator_key: masternode.validator_key,
                payout: masternode.payout,
                tier: masternode.tier,
                name: masternode.name.clone(),
            })
            .collect();
        masternodes.sort_unstable_by_key(|masternode| masternode.validator_key);
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
                start_ms: genesis.timestamp_ms,
                fees: Amount::ZERO,
                certificates: 0,
                signed: vec![0; masternodes.len()],
            },
        };
        let mut delta = UtxoDelta {
            created,
            spent: Vec::new(),
            commitment: Hash256::ZERO,
        };
        let mut commitment = SetHash::new();
        delta.update(&mut commitment);
        for masternode in &masternodes {
            commitment.insert(ElementKind::Masternode, &masternode.element());
        }
        commitment.insert(ElementKind::Totals, &totals.element());
        delta.commitment = commitment.digest();
        let tip = Tip {
            height: Height::GENESIS,
            hash: BlockHash::ZERO,
            timestamp_ms: genesis.timestamp_ms,
        };
        let mut state = Self {
            tip,
            totals,
            commitment,
            masternodes: masternodes.into(),
        };
        state.tip.hash = state.genesis_header(genesis).hash();
        (state, delta)
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
        self.masternodes
            .iter()
            .map(|masternode| masternode.validator_key)
            .collect()
    }

    /// Hash of [`ChainState::validators`].
    pub fn validator_set_hash(&self) -> Hash256 {
        validator_set_hash(&self.validators())
    }

    /// The masternode that signs with `validator_key`.
    pub fn masternode(&self, validator_key: &PublicKey) -> Option<&Masternode> {
        let position = self
            .masternodes
            .binary_search_by_key(validator_key, |node| node.validator_key);
        position.ok().and_then(|index| self.masternodes.get(index))
    }

    /// Replaces the totals, and carries them and `delta` into the commitment; gives its digest.
    pub(super) fn advance(&mut self, totals: Totals, delta: &UtxoDelta) -> Hash256 {
        delta.update(&mut self.commitment);
        self.commitment
            .remove(ElementKind::Totals, &self.totals.element());
        self.commitment.insert(ElementKind::Totals, &totals.element());
        self.totals = totals;
        self.commitment.digest()
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
}

//! Proposals by transaction id, put together again from what this node holds.
//!
//! What is missing is asked of whoever sent the proposal. Whatever goes wrong on the way (a
//! transaction that nobody gives, or one with other witnesses than the block's) ends in the proposal
//! without a body, and consensus fetches the whole block.

use std::sync::{Mutex, PoisonError};

use crate::{
    chain::{Block, BlockHash, BlockHeader, CommitCertificate, SharedTransaction, TxId},
    consensus::ConsensusMessage,
    crypto::{Hash256, NodeId, Verified},
    wire::limits,
};

/// Proposals being filled at once: the rounds of a height or two. A leader that signs more of them
/// has its blocks fetched whole.
const FILLING_MAX: usize = 8;

/// A proposal some of whose transactions are not here yet.
#[derive(Debug)]
pub(super) struct Partial {
    /// Who sent it.
    pub(super) from: NodeId,
    /// The proposal, its signatures checked.
    pub(super) message: Verified<ConsensusMessage>,
    /// The validators that it was checked under.
    pub(super) vset_hash: Hash256,
    pub(super) digest: BlockHash,
    pub(super) header: BlockHeader,
    pub(super) prev_commit: Option<CommitCertificate>,
    pub(super) evidence: Vec<Vec<u8>>,
    pub(super) reward: Option<SharedTransaction>,
    pub(super) txids: Vec<TxId>,
    /// One per id.
    pub(super) found: Vec<Option<SharedTransaction>>,
}

impl Partial {
    /// Positions of what is missing; `None` if that is so much that the whole block is cheaper.
    pub(super) fn missing(&self) -> Option<Vec<u32>> {
        let missing: Vec<u32> = (0u32..)
            .zip(&self.found)
            .filter(|(_, found)| found.is_none())
            .map(|(position, _)| position)
            .collect();
        (missing.len() <= limits::BLOCK_TXS_MISSING_MAX).then_some(missing)
    }

    /// Puts what came into its places; false unless it is just what was missing.
    pub(super) fn fill(&mut self, missing: &[u32], came: Vec<SharedTransaction>) -> bool {
        if missing.len() != came.len() {
            return false;
        }
        for (position, transaction) in missing.iter().zip(came) {
            let position = *position as usize;
            if self.txids.get(position) != Some(&transaction.txid()) {
                return false;
            }
            self.found[position] = Some(transaction);
        }
        true
    }

    /// Proposal and block, if nothing is missing.
    pub(super) fn assemble(self) -> (Verified<ConsensusMessage>, Option<Block>) {
        let transactions: Option<Vec<SharedTransaction>> =
            self.reward.map(Some).into_iter().chain(self.found).collect();
        let block = transactions.map(|transactions| Block {
            header: self.header,
            prev_commit: self.prev_commit,
            evidence: self.evidence,
            transactions,
        });
        (self.message, block)
    }
}

/// Which proposals are being filled: each once, however many pass it on.
#[derive(Debug, Default)]
pub(super) struct Filling(Mutex<Vec<BlockHash>>);

/// Whether to fill a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fill {
    /// Yes.
    Begin,
    /// Somebody is at it.
    UnderWay,
    /// Too many are.
    Full,
}

impl Filling {
    pub(super) fn begin(&self, digest: BlockHash) -> Fill {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.contains(&digest) {
            return Fill::UnderWay;
        }
        if open.len() >= FILLING_MAX {
            return Fill::Full;
        }
        open.push(digest);
        Fill::Begin
    }

    pub(super) fn end(&self, digest: &BlockHash) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|known| known != digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proposal_is_filled_once_and_only_so_many_at_a_time() {
        let filling = Filling::default();
        let digest = |n: u8| BlockHash::from_hash(Hash256::from_bytes([n; 32]));
        for n in 0..FILLING_MAX as u8 {
            assert_eq!(filling.begin(digest(n)), Fill::Begin);
            assert_eq!(filling.begin(digest(n)), Fill::UnderWay);
        }
        assert_eq!(filling.begin(digest(99)), Fill::Full);
        filling.end(&digest(3));
        assert_eq!(filling.begin(digest(99)), Fill::Begin);
    }
}

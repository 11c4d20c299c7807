//! Blocks: a header and the body that it commits to.

use bincode::{Decode, Encode};

use super::{BlockHash, BlockHeader, CommitCertificate, Height, SharedTransaction};

/// A block, not yet known to be valid. Cloning shares the transactions.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Block {
    /// The header.
    pub header: BlockHeader,
    /// The parent's certificate; `None` in block 1 (nobody signs genesis) and in genesis.
    pub prev_commit: Option<CommitCertificate>,
    /// Canonical bytes of each piece of evidence; consensus reads them.
    pub evidence: Vec<Vec<u8>>,
    /// Transactions, in the order in which they take effect.
    pub transactions: Vec<SharedTransaction>,
}

impl Block {
    /// Hash of the header.
    pub fn hash(&self) -> BlockHash {
        self.header.hash()
    }

    /// Height of the header.
    pub fn height(&self) -> Height {
        self.header.height
    }

    /// Bytes of the body as the block limit counts them: canonical transactions, certificate and
    /// evidence.
    pub fn body_bytes(&self) -> usize {
        const SIGNATURE_ENTRY: usize = 2 + 64;
        let certificate = self.prev_commit.as_ref();
        let transactions: usize = self.transactions.iter().map(SharedTransaction::size).sum();
        let evidence: usize = self.evidence.iter().map(Vec::len).sum();
        transactions + evidence + certificate.map_or(0, |cert| 44 + cert.signatures.len() * SIGNATURE_ENTRY)
    }
}

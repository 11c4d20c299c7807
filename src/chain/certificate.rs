//! The certificate of a block, as data. Whether it certifies is consensus' to judge.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::crypto::{Hash256, HashWriter, Signature};

use super::{BlockHash, Height};

const TAG: &str = "timecoin/commit-certificate/1";

/// COMMIT signatures of one round for one block.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct CommitCertificate {
    /// Height of the block.
    pub height: Height,
    /// The round that decided it.
    pub round: u32,
    /// The block.
    pub block_hash: BlockHash,
    /// Signers, as positions in the validator set of `height`, with their signatures; strictly
    /// ascending by signer.
    pub signatures: Vec<(u16, Signature)>,
}

impl CommitCertificate {
    /// Hash of the canonical bytes, signatures included; stands in the child's header.
    pub fn hash(&self) -> Hash256 {
        let mut writer = HashWriter::new(TAG)
            .u64(self.height.get())
            .u32(self.round)
            .hash(self.block_hash.as_hash())
            .u64(self.signatures.len() as u64);
        for (signer, signature) in &self.signatures {
            writer = writer.bytes(&signer.to_le_bytes()).bytes(signature.as_bytes());
        }
        writer.finish()
    }

    /// The signers, ascending.
    pub fn signers(&self) -> impl Iterator<Item = u16> + '_ {
        self.signatures.iter().map(|(signer, _)| *signer)
    }
}

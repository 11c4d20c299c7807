//! "Does anybody else have this consensus key?": the question of a node that listens before it signs, and
//! the answer of another process that has the key.
//!
//! Votes alone do not show in time that a key is in use twice: between blocks nobody votes, and two
//! processes that start together are both silent. So whoever listens asks its peers; they pass the question
//! on to the other sessions that proved the same key, and the answer back. Only the key itself can answer,
//! and only to this run of the asker, so nobody else can keep a node from signing.

use bincode::{Decode, Encode};

use crate::crypto::{self, Hash256, NodeId, PublicKey, Signature, SignatureError};

/// A node that listens asks for other holders of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct KeyCall {
    /// The asker's consensus key.
    pub key: PublicKey,
    /// Random, new in every run of the asker.
    pub run: Hash256,
}

/// What a holder of the key signs as its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct KeyClaim {
    /// [`KeyCall::run`] of the question.
    pub run: Hash256,
    /// The node that answers.
    pub holder: NodeId,
}

impl KeyClaim {
    /// The bytes to sign; their prefix belongs to nothing else that a consensus key signs.
    pub fn signing_bytes(&self) -> Vec<u8> {
        let mut out = b"timed/key-in-use/1\0".to_vec();
        out.extend_from_slice(self.run.as_bytes());
        out.extend_from_slice(self.holder.as_bytes());
        out
    }
}

/// Another process has the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct KeyHeld {
    /// The key.
    pub key: PublicKey,
    /// Who has it, and to which question it says so.
    pub claim: KeyClaim,
    /// By the key, over [`KeyClaim::signing_bytes`].
    pub signature: Signature,
}

impl KeyHeld {
    /// Checks that the key itself says so.
    ///
    /// # Errors
    /// [`SignatureError`] if it does not.
    pub fn verify(&self) -> Result<(), SignatureError> {
        crypto::verify(&self.key, &self.claim.signing_bytes(), &self.signature)
    }
}

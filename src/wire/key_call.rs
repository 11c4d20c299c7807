//! "Does anybody else have this consensus key?": the question of a node that listens before it signs, and
//! the answer of another process that has the key.
//!
//! Votes alone do not show in time that a key is in use twice: between blocks nobody votes, and two
//! processes that start together are both silent. So whoever listens asks its peers; they pass the question
//! on to other sessions that proved the same key, and the answer back. Only the key itself can answer,
//! and only to this run of the asker, so nobody else can keep a node from signing.

use bincode::{Decode, Encode};

use crate::crypto::{self, Hash256, NodeId, PublicKey, Signature};

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
    /// The chain; the same key may serve another one.
    pub chain_id: Hash256,
    /// [`KeyCall::run`] of the question.
    pub run: Hash256,
    /// The node that answers.
    pub holder: NodeId,
    /// It signs now; else it listens, too, or waits for something.
    pub signs: bool,
}

impl KeyClaim {
    /// The bytes to sign; their prefix belongs to nothing else that a consensus key signs.
    pub fn signing_bytes(&self) -> Vec<u8> {
        let mut out = b"timed/key-in-use/1\0".to_vec();
        out.extend_from_slice(self.chain_id.as_bytes());
        out.extend_from_slice(self.run.as_bytes());
        out.extend_from_slice(self.holder.as_bytes());
        out.push(u8::from(self.signs));
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
    /// True if the key itself says so, to this question on this chain.
    pub fn answers(&self, call: &KeyCall, chain_id: &Hash256) -> bool {
        let is_to_us = self.key == call.key && self.claim.run == call.run && self.claim.chain_id == *chain_id;
        is_to_us && crypto::verify(&self.key, &self.claim.signing_bytes(), &self.signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::SecretKey;

    #[test]
    fn only_the_key_itself_answers_and_only_this_question() {
        let (key, other) = (SecretKey::from_seed(&[1; 32]), SecretKey::from_seed(&[2; 32]));
        let hash = |byte| Hash256::from_bytes([byte; 32]);
        let call = KeyCall {
            key: key.public_key(),
            run: hash(3),
        };
        let answer = |by: &SecretKey, run, chain_id| {
            let claim = KeyClaim {
                chain_id,
                run,
                holder: other.public_key(),
                signs: true,
            };
            KeyHeld {
                key: call.key,
                claim,
                signature: by.sign(&claim.signing_bytes()),
            }
        };
        assert!(answer(&key, hash(3), hash(4)).answers(&call, &hash(4)));
        assert!(
            !answer(&other, hash(3), hash(4)).answers(&call, &hash(4)),
            "anybody"
        );
        assert!(
            !answer(&key, hash(5), hash(4)).answers(&call, &hash(4)),
            "another run"
        );
        assert!(
            !answer(&key, hash(3), hash(5)).answers(&call, &hash(4)),
            "another chain"
        );
        let mut edited = answer(&key, hash(3), hash(4));
        edited.claim.holder = key.public_key();
        assert!(!edited.answers(&call, &hash(4)), "another holder than signed");
        let mut quieter = answer(&key, hash(3), hash(4));
        quieter.claim.signs = false;
        assert!(!quieter.answers(&call, &hash(4)), "another state than signed");
        let mut moved = answer(&key, hash(5), hash(4));
        moved.claim.run = hash(3);
        assert!(!moved.answers(&call, &hash(4)), "an old answer to a new question");
    }
}

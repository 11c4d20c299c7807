//! Who signs: the masternode's consensus key behind a trait, and the files that keys live in.
//!
//! A signer is told what to say field by field, and computes the bytes itself: no road through the
//! program can get a vote signed as a session proof, or anything else as a vote. The local one never
//! decides whether a position was signed before; that is the guard's (docs/CONSENSUS.md §8). The remote
//! one asks a process that has a guard of its own (`node::signer_service`).
//!
//! Key files are PKCS#8 PEM, born with mode 0600 in a directory of mode 0700, and refused when
//! anybody but the owner could read them. They may be encrypted; where the passphrase comes from is the
//! caller's affair ([`Unlock`]).

mod encrypted_file;
mod error;
mod key_file;
mod local;
mod passphrase;
pub mod protocol;
mod remote;
mod wallet_file;

#[cfg(test)]
mod tests;

use bincode::{Decode, Encode};

use crate::{
    chain::{BlockHash, MasternodeId, possession_bytes, ready_bytes},
    consensus::Statement,
    crypto::{Hash256, PublicKey, Signature},
    wire::{KeyClaim, ProofRequest},
};

pub use encrypted_file::{
    copy_key_file, create_key_file_under, is_key_file_encrypted, open_key_file, public_key_of, read_key_file,
    rewrite_key_file,
};
pub use error::SignerError;
pub use key_file::{create_key_dir, create_key_file, create_private_file, generate_key};
pub use local::LocalSigner;
pub use passphrase::{NoPassphrase, PASSPHRASE_BYTES_MAX, PASSPHRASE_CHARS_MIN, Passphrase, Unlock};
pub use remote::RemoteSigner;
pub use wallet_file::{WalletFile, WalletLabel};

/// File name of the consensus key in `keys/`.
pub const VALIDATOR_KEY_FILE: &str = "validator.key";

/// File name of the network key in `keys/`.
pub const NODE_KEY_FILE: &str = "node.key";

/// File name of the public half of a consensus key that a remote signer holds.
pub const VALIDATOR_PUBLIC_FILE: &str = "validator.pub";

/// Longest subject of a proof of possession: an address or an id.
pub const SUBJECT_BYTES_MAX: usize = 64;

/// Everything that a consensus key signs. Each has a domain of its own in the signed bytes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Wish {
    /// A consensus message.
    Vote(Statement),
    /// That the holder of this key is at one end of a session (docs/WIRE.md, handshake).
    Session(ProofRequest),
    /// That this key's node is there and follows the chain.
    Ready {
        /// The chain.
        chain_id: Hash256,
        /// The masternode.
        masternode: MasternodeId,
        /// A block it has seen.
        block: BlockHash,
    },
    /// That whoever registers this key holds it.
    Possession {
        /// The chain.
        chain_id: Hash256,
        /// The owner's address, or the masternode's id; at most [`SUBJECT_BYTES_MAX`].
        subject: Vec<u8>,
    },
    /// That this process has the key, to another that asks before it signs.
    Claim(KeyClaim),
}

impl Wish {
    /// The bytes that `key` signs for it.
    pub fn bytes(&self, key: &PublicKey) -> Vec<u8> {
        match self {
            Self::Vote(statement) => statement.bytes(),
            Self::Session(request) => request.signing_bytes(),
            Self::Ready {
                chain_id,
                masternode,
                block,
            } => ready_bytes(chain_id, masternode, block),
            Self::Possession { chain_id, subject } => possession_bytes(chain_id, key, subject),
            Self::Claim(claim) => claim.signing_bytes(),
        }
    }
}

/// Holds the consensus key, or speaks to something that does.
pub trait Signer: Send + Sync + std::fmt::Debug {
    /// The validator id this signer signs for.
    fn public_key(&self) -> PublicKey;

    /// Signs. Takes half a second at most.
    ///
    /// # Errors
    /// [`SignerError::Unavailable`] if the key cannot be reached now; [`SignerError::Refused`] if the
    /// guard beside it refuses.
    fn sign(&self, wish: &Wish) -> Result<Signature, SignerError>;

    /// Why nothing can be signed at the moment; `None` if it can.
    fn lack(&self) -> Option<String> {
        None
    }

    /// False if the key is elsewhere, with a guard of its own.
    fn holds_key(&self) -> bool {
        true
    }
}

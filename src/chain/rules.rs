//! What blocks of a network are judged by: its parameters, its name, and who reads evidence.

use std::fmt;

use crate::crypto::{Hash256, PublicKey};

use super::{Genesis, Height, Params};

/// What a piece of evidence in a block proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offence {
    /// Names the piece: equal for equal contradictions.
    pub id: Hash256,
    /// Where.
    pub height: Height,
    /// Who: a consensus key of that height.
    pub offender: PublicKey,
}

/// Gives the validators of a height, strictly ascending; `None` if they are not known.
pub type SetOf<'a> = dyn Fn(Height) -> Option<Vec<PublicKey>> + 'a;

/// Reads evidence on a chain, from the bytes that a block carries: consensus does it, which this
/// room knows nothing of. The sentence says what is wrong with bytes that prove nothing.
pub type EvidenceJudge = fn(bytes: &[u8], chain_id: &Hash256, set_of: &SetOf<'_>) -> Result<Offence, String>;

/// What blocks are judged by.
#[derive(Clone, Copy)]
pub struct Rules {
    /// The chain's name, part of everything that is signed.
    pub chain_id: Hash256,
    /// Genesis parameters.
    pub params: Params,
    /// Reads evidence.
    pub judge: EvidenceJudge,
}

impl Rules {
    /// The rules of the network that `genesis` starts.
    pub fn of(genesis: &Genesis, judge: EvidenceJudge) -> Self {
        Self {
            chain_id: genesis.chain_id(),
            params: genesis.params,
            judge,
        }
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("chain_id", &self.chain_id)
            .field("params", &self.params)
            .finish_non_exhaustive()
    }
}

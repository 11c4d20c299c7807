//! Evidence as it travels and as blocks carry it, and the verdict on it there.
//!
//! E1 to E5 prove themselves to anybody who knows the validators of their height; E6 does not, and
//! has no place in a block (docs/CONSENSUS.md §9).

use bincode::config;

use crate::{
    chain::{Offence, SetOf},
    crypto::Hash256,
};

use super::{Evidence, EvidenceKind, MessageContext, SigningDomain, ValidatorSet};

/// Decoding a piece never takes more memory than this: two proposals with a VIEW-CHANGE and a
/// signature of every validator of the largest set.
const DECODED_BYTES_MAX: usize = 4 << 20;

fn layout() -> impl config::Config {
    config::standard()
        .with_fixed_int_encoding()
        .with_limit::<DECODED_BYTES_MAX>()
}

/// Bytes that are no evidence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no evidence: {0}")]
pub struct EvidenceBytesError(String);

impl Evidence {
    /// Its bytes in blocks and in the database; empty if it does not encode, which ours always does.
    pub fn to_bytes(&self) -> Vec<u8> {
        bincode::encode_to_vec(self, layout()).unwrap_or_default()
    }

    /// Reads what [`Evidence::to_bytes`] wrote, and nothing else: one piece has one encoding.
    ///
    /// # Errors
    /// [`EvidenceBytesError`] if the bytes are anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EvidenceBytesError> {
        let (evidence, used) = bincode::decode_from_slice::<Self, _>(bytes, layout())
            .map_err(|error| EvidenceBytesError(error.to_string()))?;
        if used != bytes.len() || evidence.to_bytes() != bytes {
            return Err(EvidenceBytesError("not in its one form".to_owned()));
        }
        Ok(evidence)
    }
}

/// Judges what a block carries as evidence; an [`EvidenceJudge`](crate::chain::EvidenceJudge).
///
/// # Errors
/// A sentence that says why it convicts nobody.
pub fn judge_evidence(bytes: &[u8], chain_id: &Hash256, set_of: &SetOf<'_>) -> Result<Offence, String> {
    let evidence = Evidence::from_bytes(bytes).map_err(|error| error.to_string())?;
    if evidence.kind == EvidenceKind::BadProposal {
        return Err("a bad proposal convinces only those who saw its block".to_owned());
    }
    let keys = set_of(evidence.height).ok_or("it is too old, or of a height that is not decided yet")?;
    let validators = ValidatorSet::new(keys);
    let domain = SigningDomain {
        chain_id: *chain_id,
        vset_hash: validators.hash(),
    };
    let context = MessageContext {
        domain: &domain,
        validators: &validators,
    };
    evidence.verify(context).map_err(|error| error.to_string())?;
    Ok(Offence {
        id: evidence.id(),
        height: evidence.height,
        offender: evidence.offender,
    })
}

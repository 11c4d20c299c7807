//! The one table from what was wrong to what a peer is blamed for.

use crate::{mempool::Refusal, wire::Fault};

/// The fault in a refused transaction, if an honest, up-to-date peer could not have sent it.
pub fn fault_of_refusal(refusal: &Refusal) -> Option<Fault> {
    if !refusal.is_peer_fault() {
        return None;
    }
    Some(match refusal {
        Refusal::BadSignature { .. } => Fault::InvalidSignature,
        _ => Fault::InvalidTransaction,
    })
}

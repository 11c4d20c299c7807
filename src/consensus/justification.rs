//! `pp_ok` as far as a PRE-PREPARE alone can tell: does its set of VIEW-CHANGEs allow this digest?
//!
//! Membership and all signatures were checked before ([`Verified`](crate::crypto::Verified)). What
//! is found here is provable to anybody, because the leader's signature covers the attachments.

use super::{PrePrepare, Quorum, Round, ViewChange, ViewChangeHeader};

/// What a justified proposal may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Justified {
    /// A block made in this round.
    Fresh,
    /// The block that a quorum prepared in the round named, made in that round or earlier.
    Reproposal {
        /// Round of the highest lock.
        prepared: Round,
    },
}

/// Judges the justification of `proposal` under `quorum`.
///
/// # Errors
/// The rule it breaks, in words.
pub fn justify(proposal: &PrePrepare, quorum: Quorum) -> Result<Justified, &'static str> {
    let view_changes = &proposal.view_changes;
    if proposal.round == Round::ZERO {
        if !view_changes.is_empty() || proposal.prepared.is_some() {
            return Err("a proposal of round 0 carries no justification");
        }
        return Ok(Justified::Fresh);
    }
    let is_naive = is_mutant!(NaiveViewChange);
    if is_naive || is_mutant!(UnjustifiedProposal) {
        return Ok(match &proposal.prepared {
            Some(certificate) if certificate.digest == proposal.digest => Justified::Reproposal {
                prepared: certificate.round,
            },
            Some(_) | None => Justified::Fresh,
        });
    }
    if !quorum.is_reached(view_changes.len()) {
        return Err("fewer view changes than a quorum");
    }
    if !view_changes
        .windows(2)
        .all(|pair| pair[0].signer < pair[1].signer)
    {
        return Err("view changes are not strictly ascending by signer");
    }
    for header in view_changes {
        if header.height != proposal.height || header.round != proposal.round {
            return Err("a view change of another height or round");
        }
        header_is_possible(header)?;
    }
    let locks = view_changes
        .iter()
        .filter_map(|header| header.prepared)
        .map(|(round, _)| round);
    let Some(highest) = (if is_mutant!(LowestLock) {
        locks.min()
    } else {
        locks.max()
    }) else {
        if proposal.prepared.is_some() {
            return Err("a certificate although no view change names a lock");
        }
        return Ok(Justified::Fresh);
    };
    if !view_changes
        .iter()
        .any(|header| header.prepared == Some((highest, proposal.digest)))
    {
        return Err("the block is not the one of the highest lock");
    }
    let Some(certificate) = &proposal.prepared else {
        return Err("the certificate of the highest lock is missing");
    };
    if certificate.height != proposal.height
        || certificate.round != highest
        || certificate.digest != proposal.digest
    {
        return Err("the certificate is not that of the highest lock");
    }
    Ok(Justified::Reproposal { prepared: highest })
}

/// `vch_ok`: what a VIEW-CHANGE's signed part must satisfy by itself.
fn header_is_possible(header: &ViewChangeHeader) -> Result<(), &'static str> {
    if header.round == Round::ZERO {
        return Err("a view change into round 0");
    }
    match header.prepared {
        Some((round, _)) if round >= header.round => Err("a lock of the round entered or later"),
        Some((_, digest)) if digest.is_zero() => Err("a lock on the zero digest"),
        Some(_) | None => Ok(()),
    }
}

/// `vc_ok`: a VIEW-CHANGE with its certificate, for every lock round including the lowest.
///
/// # Errors
/// The rule it breaks, in words.
pub fn check_view_change(view_change: &ViewChange) -> Result<(), &'static str> {
    let header = &view_change.header;
    header_is_possible(header)?;
    match (&header.prepared, &view_change.certificate) {
        (None, None) => Ok(()),
        (Some(_), None) => Err("a lock without its certificate"),
        (None, Some(_)) => Err("a certificate without a lock"),
        (Some((round, digest)), Some(certificate)) => {
            if certificate.height == header.height
                && certificate.round == *round
                && certificate.digest == *digest
            {
                Ok(())
            } else {
                Err("the certificate is not that of the lock")
            }
        }
    }
}

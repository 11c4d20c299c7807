//! What the book keeps, and what goes for it.

use crossbeam_channel::bounded;

use super::{BAD_PROPOSALS_MAX, EVIDENCE_MAX, EvidenceBook, OF_ONE_MAX};
use crate::{
    chain::Height,
    consensus::{Evidence, EvidenceKind},
    crypto::{Hash256, PublicKey, SecretKey},
};

fn validator(index: u64) -> PublicKey {
    let mut seed = [9; 32];
    seed[..8].copy_from_slice(&index.to_le_bytes());
    SecretKey::from_seed(&seed).public_key()
}

/// Told apart by the set that it names; the book proves nothing anew.
fn piece(kind: EvidenceKind, offender: u64, height: u64, which: u64) -> Evidence {
    let mut set = [0; 32];
    set[..8].copy_from_slice(&which.to_le_bytes());
    Evidence {
        kind,
        offender: validator(offender),
        height: Height::new(height),
        vset_hash: Hash256::from_bytes(set),
        messages: Vec::new(),
    }
}

fn book() -> EvidenceBook {
    EvidenceBook::new(Vec::new(), bounded(1).0)
}

#[test]
fn dos_35_who_signs_a_thousand_contradictions_keeps_nobody_elses_out() {
    let book = book();
    for which in 0..2 * EVIDENCE_MAX as u64 {
        book.insert(&piece(EvidenceKind::BadProposal, 1, 7, which));
        book.insert(&piece(EvidenceKind::Commits, 1, 7, which));
    }
    assert_eq!(book.len(), 2 * OF_ONE_MAX);
    for height in 8..100 {
        let bad = piece(EvidenceKind::BadProposal, 1, height, 0);
        assert!(
            book.insert(&bad).is_none(),
            "bad proposals of one validator at every height"
        );
    }
    let innocent_of_none = piece(EvidenceKind::Commits, 2, 7, 0);
    assert!(book.insert(&innocent_of_none).is_some());
    assert!(book.insert(&innocent_of_none).is_none(), "held already");
}

#[test]
fn bad_proposals_of_everybody_leave_three_quarters_of_the_book() {
    let book = book();
    for offender in 0..EVIDENCE_MAX as u64 {
        book.insert(&piece(EvidenceKind::BadProposal, offender, 7, 0));
    }
    assert_eq!(book.len(), BAD_PROPOSALS_MAX);
    assert!(book.insert(&piece(EvidenceKind::Amnesia, 1, 7, 0)).is_some());
}

#[test]
fn who_does_it_again_is_found_again_and_what_no_block_takes_any_more_goes() {
    let book = book();
    for height in 1..=100 {
        let gone = book.insert(&piece(EvidenceKind::Prepares, 1, height, 0)).unwrap();
        // What is on the disk goes too: it must not grow with every crime.
        assert_eq!(gone.len(), usize::from(height > OF_ONE_MAX as u64));
    }
    let heights: Vec<u64> = book.all().iter().map(|piece| piece.height.get()).collect();
    assert_eq!(heights, [97, 98, 99, 100]);
    assert!(book.insert(&piece(EvidenceKind::Prepares, 1, 50, 0)).is_none());
}

#[test]
fn a_full_book_takes_what_is_newer_after_a_restart_too() {
    let old = (0..EVIDENCE_MAX as u64 + 5).map(|offender| piece(EvidenceKind::Commits, offender, 7, 0));
    let book = EvidenceBook::new(old, bounded(1).0);
    assert_eq!(book.len(), EVIDENCE_MAX);
    assert!(book.insert(&piece(EvidenceKind::Commits, 5_000, 7, 0)).is_none());
    assert!(book.insert(&piece(EvidenceKind::Commits, 5_000, 8, 0)).is_some());
    assert_eq!(book.len(), EVIDENCE_MAX);
}

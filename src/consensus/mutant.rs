//! Planted faults, so that the simulator can be shown to find them (docs/CONSENSUS.md §12).
//!
//! Without the test-only feature `sim` nothing of this is in the binary: [`is_on`] is constantly
//! false. With it, one fault can be switched on per thread.

use std::cell::{Cell, RefCell};

use crate::crypto::Hash256;

use super::ValidatorSet;

/// A fault that agreement must not survive unnoticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutant {
    /// Rounds change by time alone, without locks and justification.
    NaiveViewChange,
    /// A VIEW-CHANGE set's lowest lock is proposed and accepted instead of its highest.
    LowestLock,
    /// A second proposal of a round is voted for too.
    SecondPrepare,
    /// Votes are sent in a round that was left.
    VotesInOldRound,
    /// A quorum is 2f.
    QuorumTwoF,
    /// The same vote counts every time it comes.
    DuplicatesCounted,
    /// Own messages are not put back into the tallies after a restart.
    OwnVotesNotReplayed,
    /// A proposal is not checked against the VIEW-CHANGEs that it carries.
    UnjustifiedProposal,
    /// COMMIT leaves before the lock is durable.
    CommitBeforeLock,
    /// Certificates are accepted with one signer less.
    SmallCertificate,
    /// Votes of signers outside the set count.
    StrangersCounted,
    /// COMMIT for a block that was not validated.
    UnvalidatedCommit,
    /// COMMITs of different rounds add up.
    RoundsAddedUp,
    /// What was accepted is forgotten over a restart.
    AcceptedForgotten,
    /// A restart finds no log at all.
    NoLog,
    /// A restart finds the guard but not the lock.
    LockLost,
    /// A certificate is checked under the set that the block it certifies names.
    SetFromHeader,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::NaiveViewChange,
        Self::LowestLock,
        Self::SecondPrepare,
        Self::VotesInOldRound,
        Self::QuorumTwoF,
        Self::DuplicatesCounted,
        Self::OwnVotesNotReplayed,
        Self::UnjustifiedProposal,
        Self::CommitBeforeLock,
        Self::SmallCertificate,
        Self::StrangersCounted,
        Self::UnvalidatedCommit,
        Self::RoundsAddedUp,
        Self::AcceptedForgotten,
        Self::NoLog,
        Self::LockLost,
        Self::SetFromHeader,
    ];
}

thread_local! {
    static ON: Cell<Option<Mutant>> = const { Cell::new(None) };
    static CLAIMED: RefCell<Vec<ValidatorSet>> = const { RefCell::new(Vec::new()) };
}

/// Switches one fault on in this thread, or all off.
pub fn switch_to(mutant: Option<Mutant>) {
    ON.with(|on| on.set(mutant));
}

/// True while `mutant` is switched on in this thread.
pub fn is_on(mutant: Mutant) -> bool {
    ON.with(|on| on.get() == Some(mutant))
}

/// What an adversary passes off as validator sets in this thread, instead of those before.
pub fn claim(sets: Vec<ValidatorSet>) {
    CLAIMED.with(|claimed| *claimed.borrow_mut() = sets);
}

/// [`Mutant::SetFromHeader`]: the set that a header names, if somebody claims one of that hash.
pub fn claimed_set(hash: &Hash256) -> Option<ValidatorSet> {
    let find = |claimed: &RefCell<Vec<ValidatorSet>>| {
        let sets = claimed.borrow();
        sets.iter().find(|set| set.hash() == *hash).cloned()
    };
    CLAIMED.with(find).filter(|_| is_on(Mutant::SetFromHeader))
}

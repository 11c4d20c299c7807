//! What to make of what peers show: one decision, without clock or socket (docs/CONSENSUS.md §7).
//!
//! A valid certificate beats any number of peers, and nothing beats it: blocks that hold one are never
//! taken back, and two of them at one height are for a human. Votes of peers decide only where no
//! certificate speaks: which of several unproved branches or snapshots to look at, and whether a
//! local suffix without certificates is left. There silence counts as a no, so that whoever cuts us
//! off from some peers gains nothing.

use crate::{
    chain::{BlockHash, Height},
    consensus::Quorum,
};

/// Distinct peers that a poll asks, or all if there are fewer.
pub const POLL_PEERS: usize = 7;
/// Fewer peers than this never decide anything by vote.
pub const POLL_PEERS_MIN: usize = 3;
/// Deepest suffix without certificates that is given up by vote.
pub const FORK_DEPTH_MAX: u64 = 1_000;

/// Where we stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local {
    /// Our tip.
    pub height: Height,
    /// Its hash.
    pub hash: BlockHash,
    /// The highest height that we hold a certificate of; genesis counts as one.
    pub certified: Height,
    /// Hash of that block.
    pub certified_hash: BlockHash,
}

/// What a peer showed when it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// Height of its tip.
    pub height: Height,
    /// Hash of its tip.
    pub hash: BlockHash,
    /// The highest height at which its block is ours, as far as it says.
    pub common: Height,
    /// A commit certificate of exactly this height and hash was checked and holds.
    pub is_certified: bool,
}

/// What one distinct peer answered; `None` if it kept silent, which counts against every branch.
pub type Sample = Option<Shown>;

/// The limits of a poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Fewest peers asked for votes to count.
    pub peers_min: usize,
    /// Deepest suffix given up.
    pub depth_max: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            peers_min: POLL_PEERS_MIN,
            depth_max: FORK_DEPTH_MAX,
        }
    }
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Our chain stands.
    Stay,
    /// Fetch this chain; its blocks still have to hold.
    SyncTo {
        /// Height of its tip.
        height: Height,
        /// Hash of its tip.
        hash: BlockHash,
    },
    /// Enough peers are on another branch, but more blocks would be taken back than any vote may.
    RejectDepth {
        /// How many.
        depth: u64,
    },
    /// No branch has enough peers.
    NoQuorum {
        /// Peers on the branch that has most.
        most: usize,
        /// Peers that it would take.
        needed: usize,
    },
    /// Two certificates for different blocks at one height: sign nothing, keep both, ask a human.
    Conflict {
        /// Where.
        height: Height,
        /// The block that is not ours.
        theirs: BlockHash,
    },
}

/// Decides what to make of `samples`, one for each peer that was asked.
pub fn decide(local: &Local, samples: &[Sample], policy: &Policy) -> Decision {
    if let Some(shown) = certified(samples).find(|shown| contradicts(local, shown)) {
        return Decision::Conflict {
            height: shown.height,
            theirs: shown.hash,
        };
    }
    // One certificate is enough, the highest is best; the order of peers must not matter.
    let best = certified(samples)
        .filter(|shown| shown.height > local.certified)
        .max_by_key(|shown| (shown.height, shown.hash));
    if let Some(Shown { height, hash, .. }) = best {
        return match (height, hash) == (local.height, local.hash) {
            true => Decision::Stay,
            false => Decision::SyncTo { height, hash },
        };
    }
    decide_by_votes(local, samples, policy)
}

fn certified(samples: &[Sample]) -> impl Iterator<Item = Shown> + '_ {
    samples
        .iter()
        .flatten()
        .copied()
        .filter(|shown| shown.is_certified)
}

/// A certificate for another block at a height where we hold one.
fn contradicts(local: &Local, shown: &Shown) -> bool {
    match shown.height == local.certified {
        true => shown.hash != local.certified_hash,
        // Below, only a chain that parted from ours before it can hold another block there.
        false => shown.height < local.certified && shown.common < shown.height,
    }
}

/// Where no certificate speaks.
fn decide_by_votes(local: &Local, samples: &[Sample], policy: &Policy) -> Decision {
    let needed = Quorum::of(samples.len()).votes().max(policy.peers_min);
    let shown: Vec<Shown> = samples.iter().flatten().copied().collect();
    let votes = |hash: BlockHash| shown.iter().filter(|shown| shown.hash == hash).count();
    let most = shown
        .iter()
        .map(|shown| (votes(shown.hash), shown.height, shown.hash))
        .max();
    let (most, height, hash) = most.unwrap_or((0, Height::GENESIS, BlockHash::ZERO));
    if most < needed {
        return Decision::NoQuorum { most, needed };
    }
    if hash == local.hash || height <= local.certified {
        return Decision::Stay;
    }
    // Whoever agrees on the branch must also agree where it parts from ours; the lowest is the
    // careful answer.
    let common = shown
        .iter()
        .filter(|shown| shown.hash == hash)
        .map(|shown| shown.common)
        .min()
        .unwrap_or(Height::GENESIS);
    if common < local.certified {
        // It would take back what a certificate made final, and shows none of its own.
        return Decision::Stay;
    }
    let depth = local.height.get().saturating_sub(common.get());
    if depth > policy.depth_max {
        return Decision::RejectDepth { depth };
    }
    Decision::SyncTo { height, hash }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: u8) -> BlockHash {
        BlockHash::from_bytes([n; 32])
    }

    /// A chain of 2 000 blocks of which the last 1 500 hold no certificate.
    fn uncertified() -> Local {
        Local {
            height: Height::new(2_000),
            hash: hash(1),
            certified: Height::new(500),
            certified_hash: hash(50),
        }
    }

    fn certified_tip() -> Local {
        Local {
            certified: Height::new(2_000),
            certified_hash: hash(1),
            ..uncertified()
        }
    }

    fn on(branch: u8, common: u64) -> Sample {
        Some(Shown {
            height: Height::new(2_001),
            hash: hash(branch),
            common: Height::new(common),
            is_certified: false,
        })
    }

    fn poll(local: &Local, branches: &[(usize, Sample)]) -> Decision {
        let shown: Vec<_> = branches
            .iter()
            .flat_map(|(times, shown)| vec![*shown; *times])
            .collect();
        let forwards = decide(local, &shown, &Policy::default());
        let backwards: Vec<_> = shown.iter().rev().copied().collect();
        assert_eq!(
            forwards,
            decide(local, &backwards, &Policy::default()),
            "the order of peers decides nothing"
        );
        forwards
    }

    #[test]
    fn test_fork_consensus_requires_majority() {
        let local = uncertified();
        let error = Decision::NoQuorum { most: 4, needed: 5 };
        let accept = Decision::SyncTo {
            height: Height::new(2_001),
            hash: hash(7),
        };
        assert_eq!(poll(&local, &[(4, on(7, 1_990)), (3, on(8, 1_990))]), error);
        assert_eq!(poll(&local, &[(5, on(7, 1_990)), (2, on(8, 1_990))]), accept);
        assert_eq!(poll(&local, &[(4, on(7, 1_990)), (3, None)]), error);
    }

    /// 3 → 3, 4 → 3, 5 → 4, 6 → 4, 7 → 5 of those asked; fewer than three never decide.
    #[test]
    fn two_thirds_of_those_asked_agree_and_never_fewer_than_three() {
        let local = uncertified();
        for (asked, needed) in [(1, 3), (2, 3), (3, 3), (4, 3), (5, 4), (6, 4), (7, 5)] {
            let enough = poll(
                &local,
                &[(needed, on(7, 1_990)), (asked.max(needed) - needed, None)],
            );
            if asked >= needed {
                assert!(matches!(enough, Decision::SyncTo { .. }), "{needed} of {asked}");
            }
            let short = (needed - 1).min(asked);
            let decision = poll(&local, &[(short, on(7, 1_990)), (asked - short, None)]);
            assert_eq!(
                decision,
                Decision::NoQuorum { most: short, needed },
                "{short} of {asked}"
            );
        }
        assert_eq!(poll(&local, &[]), Decision::NoQuorum { most: 0, needed: 3 });
    }

    #[test]
    fn dos_24_four_of_seven_move_nothing_and_certificates_are_never_outvoted() {
        let decision = poll(&uncertified(), &[(4, on(7, 1_990)), (3, on(1, 2_000))]);
        assert_eq!(decision, Decision::NoQuorum { most: 4, needed: 5 });
        for without_proof in 5..=7 {
            let rest = 7 - without_proof;
            let branches = [(without_proof, on(7, 1_990)), (rest, None)];
            assert_eq!(poll(&certified_tip(), &branches), Decision::Stay);
        }
    }

    #[test]
    fn dos_25_depth_1000_is_allowed_and_1001_is_refused() {
        let deep = |common| poll(&uncertified(), &[(7, on(7, common))]);
        assert!(matches!(deep(1_000), Decision::SyncTo { .. }));
        assert_eq!(deep(999), Decision::RejectDepth { depth: 1_001 });
        // Whatever the depth: what is certified stays.
        assert_eq!(deep(499), Decision::Stay);
    }

    #[test]
    fn one_certificate_beats_six_peers_without() {
        let proved = Shown {
            height: Height::new(2_050),
            hash: hash(9),
            common: Height::new(2_000),
            is_certified: true,
        };
        for local in [uncertified(), certified_tip()] {
            let decision = poll(&local, &[(1, Some(proved)), (6, on(7, 1_990))]);
            let expected = Decision::SyncTo {
                height: proved.height,
                hash: proved.hash,
            };
            assert_eq!(decision, expected);
        }
    }

    #[test]
    fn dos_26_two_certificates_at_one_height_are_a_conflict_whatever_others_say() {
        let other = Shown {
            height: Height::new(2_000),
            hash: hash(9),
            common: Height::new(1_999),
            is_certified: true,
        };
        let conflict = Decision::Conflict {
            height: Height::new(2_000),
            theirs: hash(9),
        };
        assert_eq!(
            poll(&certified_tip(), &[(1, Some(other)), (6, on(1, 2_000))]),
            conflict
        );
        let higher = Shown {
            height: Height::new(2_100),
            hash: hash(10),
            common: Height::new(2_000),
            is_certified: true,
        };
        assert_eq!(
            poll(&certified_tip(), &[(1, Some(other)), (6, Some(higher))]),
            conflict,
            "not even a longer certified chain hides it"
        );
        let same = Shown {
            hash: hash(1),
            ..other
        };
        assert!(!matches!(
            poll(&certified_tip(), &[(7, Some(same))]),
            Decision::Conflict { .. }
        ));
        let unproved = Shown {
            is_certified: false,
            ..other
        };
        assert_eq!(poll(&certified_tip(), &[(7, Some(unproved))]), Decision::Stay);
    }
}

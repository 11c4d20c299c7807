//! The only quorum arithmetic in the program.
//!
//! q(n) = ⌈2n/3⌉ and f(n) = ⌊(n−1)/3⌋: any two quorums share more than f validators, and n − f
//! honest ones are enough for one, for every n (docs/CONSENSUS.md, "Quorum").

/// How many votes decide and how many faults are survived, for a set of `n` validators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quorum {
    n: usize,
}

impl Quorum {
    /// The arithmetic of a set of `n` validators.
    pub const fn of(n: usize) -> Self {
        Self { n }
    }

    /// Number of validators.
    pub const fn n(self) -> usize {
        self.n
    }

    /// Votes that make a quorum: ⌈2n/3⌉, and never zero, so that an empty set decides nothing.
    pub fn votes(self) -> usize {
        if is_mutant!(QuorumTwoF) {
            return (2 * self.f()).max(1);
        }
        let q = (2 * self.n).div_ceil(3);
        if q == 0 { 1 } else { q }
    }

    /// Arbitrary faults survived: ⌊(n−1)/3⌋.
    pub const fn f(self) -> usize {
        self.n.saturating_sub(1) / 3
    }

    /// Crashed validators survived: n − q. At n = 3 this is one although f = 0.
    pub fn crashes_survived(self) -> usize {
        self.n.saturating_sub(self.votes())
    }

    /// True if `votes` distinct votes decide.
    pub fn is_reached(self, votes: usize) -> bool {
        votes >= self.votes()
    }
}

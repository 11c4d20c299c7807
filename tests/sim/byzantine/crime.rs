//! The crimes, by name.

use crate::schedule::Draws;

/// What a Byzantine validator may do. One file each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Crime {
    /// Runs the honest program twice on one key, on two sides of the network.
    Twin,
    /// As leader of round 0, two blocks for two halves of the network.
    Equivocator,
    /// Votes for whatever it hears of.
    Voter,
    /// VIEW-CHANGEs with locks of its choice; justifications picked by hand.
    Liar,
    /// Certificates with a signature too few, votes of nobody.
    Forger,
    /// Proposals without their block, votes for a few.
    Withholder,
    /// Blocks with content that no honest node may accept.
    DoubleSpender,
    /// Everything late, and old things again.
    Delayer,
    /// A decision under a validator set of its own making.
    Usurper,
    /// A block for one node, another one for the rest; then the one falls, and is shown the other.
    Tempter,
    /// Nothing at all.
    Silent,
}

impl Crime {
    /// All of them.
    pub(crate) const ALL: [Self; 11] = [
        Self::Twin,
        Self::Equivocator,
        Self::Voter,
        Self::Liar,
        Self::Forger,
        Self::Withholder,
        Self::DoubleSpender,
        Self::Delayer,
        Self::Usurper,
        Self::Tempter,
        Self::Silent,
    ];

    /// The one of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|crime| format!("{crime:?}").eq_ignore_ascii_case(name))
    }

    /// What one mind does: the puppet's crimes, which need each other, or a few of all.
    pub(crate) fn draw(draws: &mut Draws) -> Vec<Self> {
        match draws.below(20) {
            0..=10 => vec![Self::Equivocator, Self::Voter, Self::Liar, Self::Forger],
            11 => vec![Self::Tempter],
            12 | 13 => vec![Self::Twin],
            14 | 15 => vec![Self::Silent],
            16 | 17 => vec![Self::DoubleSpender, Self::Usurper, Self::Voter],
            _ => {
                let all = Self::ALL.into_iter().filter(|crime| *crime != Self::Twin);
                all.filter(|_| draws.chance(50)).collect()
            }
        }
    }
}

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
    /// Nothing at all.
    Silent,
}

impl Crime {
    /// All of them.
    pub(crate) const ALL: [Self; 10] = [
        Self::Twin,
        Self::Equivocator,
        Self::Voter,
        Self::Liar,
        Self::Forger,
        Self::Withholder,
        Self::DoubleSpender,
        Self::Delayer,
        Self::Usurper,
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
        match draws.below(10) {
            0..=5 => vec![Self::Equivocator, Self::Voter, Self::Liar, Self::Forger],
            6 => vec![Self::Twin],
            7 => vec![Self::Silent],
            8 => vec![Self::DoubleSpender, Self::Usurper, Self::Voter],
            _ => {
                let all = Self::ALL.into_iter().filter(|crime| *crime != Self::Twin);
                all.filter(|_| draws.chance(50)).collect()
            }
        }
    }
}

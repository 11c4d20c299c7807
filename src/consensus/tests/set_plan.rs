//! Who validates which height, in worlds whose validator set changes.

use std::rc::Rc;

use timecoin::{
    chain::Height,
    consensus::{SigningDomain, ValidatorSet},
    crypto::{Hash256, PublicKey},
};

/// The sets of all heights: the first lasts `every` heights, then the next, and so on round.
#[derive(Debug, Clone)]
pub(super) struct SetPlan {
    every: u64,
    sets: Rc<[(ValidatorSet, SigningDomain)]>,
}

impl SetPlan {
    /// One set for ever.
    pub(super) fn fixed(set: ValidatorSet, chain_id: Hash256) -> Self {
        Self {
            every: u64::MAX,
            sets: Rc::new([with_domain(set, chain_id)]),
        }
    }

    /// Of `keys` each sits out one epoch of `every` heights, in turn.
    pub(super) fn rotating(keys: &[PublicKey], every: u64, chain_id: Hash256) -> Self {
        let without = |out: usize| {
            let members = keys.iter().enumerate().filter(|(index, _)| *index != out);
            with_domain(
                ValidatorSet::new(members.map(|(_, key)| *key).collect()),
                chain_id,
            )
        };
        Self {
            every: every.max(1),
            sets: (0..keys.len()).rev().map(without).collect(),
        }
    }

    /// The set of `height`, and what its signatures are bound to.
    pub(super) fn at(&self, height: Height) -> (&ValidatorSet, &SigningDomain) {
        let epoch = height.get().saturating_sub(1) / self.every;
        let (set, domain) = &self.sets[(epoch % self.sets.len() as u64) as usize];
        (set, domain)
    }
}

fn with_domain(set: ValidatorSet, chain_id: Hash256) -> (ValidatorSet, SigningDomain) {
    let vset_hash = set.hash();
    (set, SigningDomain { chain_id, vset_hash })
}

//! Who is registered, as people and the network see it: names, keys, and who leads a round.
//!
//! Follows the final state: the performer refreshes it with every block that changed the registry or
//! the set.

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwap;

use crate::{
    chain::{ChainState, Height, Standing},
    consensus::{Round, ValidatorSet},
    crypto::PublicKey,
};

/// All known masternodes. Cheap to clone; clones follow the same state.
#[derive(Debug, Clone)]
pub(super) struct Names(Arc<ArcSwap<Known>>);

#[derive(Debug)]
struct Known {
    by_key: BTreeMap<PublicKey, Entry>,
    set: ValidatorSet,
}

#[derive(Debug)]
struct Entry {
    name: String,
    /// Votes, or will: may take a reserved place among our sessions.
    is_current: bool,
}

impl Known {
    fn of(state: &ChainState) -> Self {
        let mut by_key = BTreeMap::new();
        for node in state.registry.iter() {
            let is_current = matches!(node.standing, Standing::Active | Standing::Pending);
            for key in [Some(node.validator_key), node.next.key].into_iter().flatten() {
                let name = node.name.clone();
                by_key.insert(key, Entry { name, is_current });
            }
        }
        Self {
            by_key,
            set: ValidatorSet::new(state.validators()),
        }
    }
}

impl Names {
    pub(super) fn of_state(state: &ChainState) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(Known::of(state))))
    }

    /// The state moved on.
    pub(super) fn refresh(&self, state: &ChainState) {
        self.0.store(Arc::new(Known::of(state)));
    }

    /// The name of a validator.
    pub(super) fn of(&self, key: &PublicKey) -> String {
        self.known(key).unwrap_or_else(|| key.short())
    }

    /// The name, if it has one.
    pub(super) fn known(&self, key: &PublicKey) -> Option<String> {
        let known = self.0.load();
        let entry = known.by_key.get(key).filter(|entry| !entry.name.is_empty())?;
        Some(entry.name.clone())
    }

    /// True for the key of a masternode that votes or waits to.
    pub(super) fn is_current(&self, key: &PublicKey) -> bool {
        self.0
            .load()
            .by_key
            .get(key)
            .is_some_and(|entry| entry.is_current)
    }

    /// The name of the leader of a round of the height in progress.
    pub(super) fn leader(&self, height: Height, round: Round) -> String {
        self.0
            .load()
            .set
            .proposer_key(height, round)
            .map_or_else(String::new, |key| self.of(key))
    }
}

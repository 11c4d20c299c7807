//! The names people use for validators: from genesis, else the short key.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    chain::{ChainState, Height},
    consensus::{Round, ValidatorSet},
    crypto::PublicKey,
};

/// Names of all known masternodes. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Names {
    by_key: Arc<BTreeMap<PublicKey, String>>,
    set: ValidatorSet,
}

impl Names {
    pub(super) fn of_state(state: &ChainState) -> Self {
        let by_key = state
            .masternodes
            .iter()
            .map(|node| (node.validator_key, node.name.clone()))
            .collect();
        Self {
            by_key: Arc::new(by_key),
            set: ValidatorSet::new(state.validators()),
        }
    }

    /// The name of a validator.
    pub(super) fn of(&self, key: &PublicKey) -> String {
        self.known(key).unwrap_or_else(|| key.short())
    }

    /// The name, if it has one.
    pub(super) fn known(&self, key: &PublicKey) -> Option<String> {
        self.by_key.get(key).filter(|name| !name.is_empty()).cloned()
    }

    /// The name of the leader of a round.
    pub(super) fn leader(&self, height: Height, round: Round) -> String {
        self.set
            .proposer_key(height, round)
            .map_or_else(String::new, |key| self.of(key))
    }
}

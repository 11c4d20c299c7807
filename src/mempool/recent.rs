//! Ids seen lately: a set of bounded size that forgets the oldest.

use std::{
    collections::{HashSet, VecDeque},
    hash::Hash,
};

/// At most `max` keys, oldest first out.
#[derive(Debug)]
pub(super) struct RecentSet<K> {
    set: HashSet<K>,
    order: VecDeque<K>,
    max: usize,
}

impl<K: Copy + Eq + Hash> RecentSet<K> {
    pub(super) fn new(max: usize) -> Self {
        Self {
            set: HashSet::new(),
            order: VecDeque::new(),
            max,
        }
    }

    pub(super) fn insert(&mut self, key: K) {
        if !self.set.insert(key) {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > self.max
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
    }

    pub(super) fn contains(&self, key: &K) -> bool {
        self.set.contains(key)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.set.len()
    }
}

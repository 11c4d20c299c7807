//! How often a caller may ask: token buckets, of which there are never more than a bound.

use std::{collections::HashMap, hash::Hash, time::Instant};

use super::limits;

/// Token buckets by caller.
pub(super) struct Buckets<K> {
    per_second: f64,
    burst: f64,
    pub(super) left: HashMap<K, (f64, Instant)>,
}

impl<K: Eq + Hash> Buckets<K> {
    pub(super) fn new(per_second: f64, burst: f64) -> Self {
        Self {
            per_second,
            burst,
            left: HashMap::new(),
        }
    }

    /// Whether `amount` may be taken now.
    pub(super) fn take(&mut self, key: K, amount: f64, now: Instant) -> bool {
        if self.left.len() >= limits::CALLERS_MAX && !self.left.contains_key(&key) {
            // Whoever has waited until full is as good as new.
            let (rate, burst) = (self.per_second, self.burst);
            self.left
                .retain(|_, (left, at)| *left + now.duration_since(*at).as_secs_f64() * rate < burst);
            if self.left.len() >= limits::CALLERS_MAX {
                return false;
            }
        }
        let (left, at) = self.left.entry(key).or_insert((self.burst, now));
        *left = (*left + now.duration_since(*at).as_secs_f64() * self.per_second).min(self.burst);
        *at = now;
        let fits = *left >= amount;
        if fits {
            *left -= amount;
        }
        fits
    }
}

//! What the next block takes: by worth, parents first.

use crate::{chain::SharedTransaction, crypto::Verified};

use super::{Mempool, limits::CHAIN_MAX, slots::Slot};

/// Candidates in a row that did not fit before selection gives up: the block is as good as full.
const MISSES_MAX: usize = 500;

impl Mempool {
    /// The transactions worth most that fit into `bytes_max` and `count_max` together, each after
    /// its parents. Costs what it takes, not what the pool holds.
    pub fn select(&self, bytes_max: usize, count_max: usize) -> Vec<Verified<SharedTransaction>> {
        let chosen = self.choose(bytes_max, count_max).order;
        let entries = chosen.into_iter().filter_map(|slot| self.slots.get(slot));
        entries.map(|entry| entry.transaction.clone()).collect()
    }

    /// How many transactions [`Mempool::select`] would take, and their bytes.
    pub(super) fn would_select(&self, bytes_max: usize, count_max: usize) -> (u64, u64) {
        let chosen = self.choose(bytes_max, count_max);
        let bytes = bytes_max as u64 - chosen.bytes_left;
        (chosen.order.len() as u64, bytes)
    }

    fn choose(&self, bytes_max: usize, count_max: usize) -> Selection<'_> {
        let mut selection = Selection {
            pool: self,
            taken: vec![false; self.slots.width()],
            order: Vec::with_capacity(count_max.min(self.len())),
            bytes_left: bytes_max as u64,
            count_left: count_max,
        };
        let mut misses = 0;
        for (_, slot) in self.by_score.iter().rev() {
            if selection.count_left == 0 || misses > MISSES_MAX {
                break;
            }
            misses = if selection.take(*slot) { 0 } else { misses + 1 };
        }
        selection
    }
}

struct Selection<'a> {
    pool: &'a Mempool,
    taken: Vec<bool>,
    /// What is taken, parents first.
    order: Vec<Slot>,
    bytes_left: u64,
    count_left: usize,
}

impl Selection<'_> {
    /// Takes an entry with those of its ancestors that are not taken yet, or nothing.
    fn take(&mut self, slot: Slot) -> bool {
        let Some(entry) = self.pool.slots.get(slot) else {
            return false;
        };
        if self.taken[slot as usize] {
            return true;
        }
        if entry.parents.is_empty() {
            return self.take_all(&[slot]);
        }
        let mut line = self.pool.slots.reach([slot], |entry| &entry.parents, CHAIN_MAX);
        line.retain(|slot| !self.taken[*slot as usize]);
        line.sort_unstable_by_key(|slot| self.pool.slots.get(*slot).map(|entry| entry.arrival));
        self.take_all(&line)
    }

    fn take_all(&mut self, line: &[Slot]) -> bool {
        let entries = line.iter().filter_map(|slot| self.pool.slots.get(*slot));
        let bytes: u64 = entries.map(|entry| entry.size()).sum();
        if bytes > self.bytes_left || line.len() > self.count_left {
            return false;
        }
        self.order.extend_from_slice(line);
        self.bytes_left -= bytes;
        self.count_left -= line.len();
        for slot in line {
            self.taken[*slot as usize] = true;
        }
        true
    }
}

//! Do all nodes tell of the same chain? Every block that any of them calls final is compared.

use std::{collections::BTreeMap, time::Duration};

use super::histogram::Histogram;
use crate::{control::BlockView, crypto::Hash256};

/// Heights that may wait for the slowest node to report them; beyond it the oldest are given up, and
/// what they would have shown, their descendants' hashes show too.
const OPEN_MAX: usize = 100_000;
/// Disagreements that are described; one is enough to fail.
const CONFLICTS_MAX: usize = 8;

/// Compares the chains of several nodes, height by height.
#[derive(Debug, Default)]
pub struct Agreement {
    /// What each node must still confirm, ascending by height.
    open: BTreeMap<u64, Open>,
    heights: Vec<u64>,
    newest: Option<(u64, u64)>,
    intervals: Histogram,
    forks: u64,
    divergences: u64,
    conflicts: Vec<String>,
}

#[derive(Debug)]
struct Open {
    hash: Hash256,
    utxo_commitment: Hash256,
    first: usize,
    reports: usize,
}

impl Agreement {
    /// Nothing seen yet of `nodes` nodes, each of which stands at `height`.
    pub(super) fn new(nodes: usize, height: u64) -> Self {
        Self {
            heights: vec![height; nodes],
            ..Self::default()
        }
    }

    /// Takes a final block of a node. A node reports its blocks in ascending order, once each.
    pub(super) fn add(&mut self, node: usize, block: &BlockView) {
        let Some(height) = self.heights.get_mut(node) else {
            return;
        };
        *height = block.height;
        let nodes = self.heights.len();
        let is_first = !self.open.contains_key(&block.height);
        let open = self.open.entry(block.height).or_insert_with(|| Open {
            hash: block.hash,
            utxo_commitment: block.utxo_commitment,
            first: node,
            reports: 0,
        });
        open.reports += 1;
        if open.hash != block.hash {
            self.forks += 1;
            let found = [block.hash, open.hash];
            describe(&mut self.conflicts, node, open.first, block.height, "hash", found);
        } else if open.utxo_commitment != block.utxo_commitment {
            self.divergences += 1;
            let found = [block.utxo_commitment, open.utxo_commitment];
            describe(
                &mut self.conflicts,
                node,
                open.first,
                block.height,
                "UTXO commitment",
                found,
            );
        }
        if open.reports >= nodes {
            self.open.remove(&block.height);
        }
        if is_first {
            self.time(block);
        }
        while self.open.len() > OPEN_MAX {
            self.open.pop_first();
        }
    }

    fn time(&mut self, block: &BlockView) {
        if let Some((height, at_ms)) = self.newest
            && block.height == height + 1
        {
            let gap = block.timestamp_ms.saturating_sub(at_ms);
            self.intervals.add(Duration::from_millis(gap));
        }
        if self.newest.is_none_or(|(height, _)| block.height > height) {
            self.newest = Some((block.height, block.timestamp_ms));
        }
    }

    /// Height of each node, by what it reported.
    pub fn heights(&self) -> &[u64] {
        &self.heights
    }

    /// No two nodes reported different hashes for one height.
    pub fn hashes_agree(&self) -> bool {
        self.forks == 0
    }

    /// No two nodes reported different commitments for one height.
    pub fn commitments_agree(&self) -> bool {
        self.forks == 0 && self.divergences == 0
    }

    /// The first disagreements, in words.
    pub fn conflicts(&self) -> &[String] {
        &self.conflicts
    }

    /// Time between the timestamps of successive blocks.
    pub fn intervals(&self) -> &Histogram {
        &self.intervals
    }
}

fn describe(
    conflicts: &mut Vec<String>,
    node: usize,
    first: usize,
    height: u64,
    what: &str,
    found: [Hash256; 2],
) {
    if conflicts.len() < CONFLICTS_MAX {
        conflicts.push(format!(
            "height {height}: node{node} and node{first} differ in {what}: {} and {}",
            found[0], found[1]
        ));
    }
}

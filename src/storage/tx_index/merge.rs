//! Sixteen lists become one, a step at a time, on the writer's thread.
//!
//! The parts of the new list come first and are made durable, then the list itself, and only when that is
//! durable the old ones go. A crash anywhere leaves all old lists, or the new one and some of the old: what
//! was written again is the same, and what was left is found by the next start and deleted.

use std::collections::BTreeSet;

use crate::chain::Height;

use super::{
    super::{
        StoreError,
        backend::{Backend, Cursor, Op, Table},
        flush,
    },
    BITS_MAX, FAN, LEVELS, List, ListId, Place, ROW_PLACES, Row, corrupt, first_bits, of_block, read_list,
    read_part, walk,
};

/// Places moved in one step: a window that became due meanwhile waits for it.
const STEP_PLACES: usize = 16_384;
/// Rows deleted in one step.
const STEP_ROWS: usize = 500;

/// A list on its way.
#[derive(Debug)]
struct Merge {
    into: ListId,
    children: Vec<(ListId, List)>,
    /// The finest cut of a child: it is taken part by part.
    bits_from: u8,
    bits_to: u8,
    /// The next of these parts.
    next: u64,
    /// Of a list that is not cut: its places.
    row: Row,
    count: u64,
}

/// What the writer knows of the index.
#[derive(Debug, Default)]
pub(in crate::storage) struct Merger {
    lists: BTreeSet<ListId>,
    under_way: Option<Merge>,
}

impl Merger {
    /// Looks at what there is.
    ///
    /// # Errors
    /// [`StoreError::Backend`], [`StoreError::Corrupt`].
    pub(in crate::storage) fn load(backend: &dyn Backend) -> Result<Self, StoreError> {
        let mut lists = BTreeSet::new();
        walk(backend, |id, _| {
            lists.insert(id);
            Ok(())
        })?;
        Ok(Self {
            lists,
            under_way: None,
        })
    }

    /// The lists of these blocks, each with transactions, are in the database.
    pub(in crate::storage) fn written(&mut self, blocks: impl IntoIterator<Item = Height>) {
        self.lists.extend(blocks.into_iter().map(of_block));
    }

    /// True if [`Merger::step`] has something to do, with bodies from `lowest` to `tip`.
    pub(in crate::storage) fn is_due(&self, lowest: Height, tip: Height) -> bool {
        self.under_way.is_some() || self.due(lowest, tip).is_some()
    }

    /// A list that is to go or to become part of the next level's.
    fn due(&self, lowest: Height, tip: Height) -> Option<ListId> {
        // Block 0 always stays, and so does its list.
        let lowest = if lowest <= Height::GENESIS.next() {
            0
        } else {
            lowest.get()
        };
        for level in 0..LEVELS - 1 {
            let mut from = ListId {
                level,
                run: u64::from(level == 0),
            };
            let above = ListId {
                level: level + 1,
                run: 0,
            };
            while let Some(first) = self.lists.range(from..above).next().copied() {
                let parent = first.parent();
                let is_whole = parent.start() >= lowest && parent.end() <= tip.get().saturating_add(1);
                if is_whole || self.is_spent(first, Height::new(lowest)) {
                    return Some(first);
                }
                from.run = (parent.run + 1) * FAN;
            }
        }
        None
    }

    /// Does a bounded part of what is due.
    ///
    /// # Errors
    /// As [`Merger::load`]. What was done stays, and can be gone on with.
    pub(in crate::storage) fn step(
        &mut self,
        backend: &dyn Backend,
        lowest: Height,
        tip: Height,
    ) -> Result<(), StoreError> {
        let mut merge = match self.under_way.take() {
            Some(merge) => merge,
            None => {
                let Some(first) = self.due(lowest, tip) else {
                    return Ok(());
                };
                if self.is_spent(first, lowest) {
                    return self.delete_due(backend, lowest, tip);
                }
                self.begin(backend, first.parent())?
            }
        };
        if merge.step(backend)? {
            self.lists.insert(merge.into);
        } else {
            self.under_way = Some(merge);
        }
        Ok(())
    }

    fn begin(&self, backend: &dyn Backend, into: ListId) -> Result<Merge, StoreError> {
        let mut children = Vec::new();
        let first = ListId {
            level: into.level - 1,
            run: into.run * FAN,
        };
        for run in first.run..first.run + FAN {
            let id = ListId { run, ..first };
            // The list of block 0 is nobody's part.
            if self.lists.contains(&id) && (id.level, id.run) != (0, 0) {
                let list = read_list(backend, id)?.ok_or_else(|| corrupt(backend))?;
                children.push((id, list));
            }
        }
        let count: u64 = children.iter().map(|(_, list)| list.count).sum();
        let bits_from = children.iter().map(|(_, list)| list.bits).max().unwrap_or(0);
        let mut bits_to = bits_from;
        while bits_to < BITS_MAX && (count >> bits_to) > ROW_PLACES {
            bits_to += 1;
        }
        Ok(Merge {
            into,
            children,
            bits_from,
            bits_to,
            next: 0,
            row: Row::default(),
            count: 0,
        })
    }

    /// True if nobody needs it: its blocks are no longer kept, or it became part of another list.
    fn is_spent(&self, id: ListId, lowest: Height) -> bool {
        id.end() <= lowest.get() || self.lists.contains(&id.parent())
    }

    fn delete_due(&mut self, backend: &dyn Backend, lowest: Height, tip: Height) -> Result<(), StoreError> {
        let mut rows = 0;
        while rows < STEP_ROWS
            && let Some(next) = self.due(lowest, tip)
            && self.is_spent(next, lowest)
        {
            rows += self.delete(backend, next)?;
        }
        Ok(())
    }

    /// Deletes a list, its parts first; says how many rows went.
    fn delete(&mut self, backend: &dyn Backend, id: ListId) -> Result<usize, StoreError> {
        let prefix = id.parts();
        let cursor = Cursor {
            prefix: &prefix,
            after: None,
        };
        let parts = backend.page(Table::Transactions, cursor, STEP_ROWS)?;
        let is_last = parts.len() < STEP_ROWS;
        let mut ops: Vec<Op> = parts
            .into_iter()
            .map(|(key, _)| Op::delete(Table::Transactions, key))
            .collect();
        if is_last {
            ops.push(Op::delete(Table::Transactions, id.key()));
        }
        flush::apply_chunked(backend, &ops)?;
        if is_last {
            self.lists.remove(&id);
        }
        Ok(ops.len())
    }
}

impl Merge {
    /// Moves some parts; true once the list is durable.
    fn step(&mut self, backend: &dyn Backend) -> Result<bool, StoreError> {
        let (mut moved, mut ops) = (0, Vec::new());
        let ends_at = 1_u64 << self.bits_from;
        while self.next < ends_at && moved < STEP_PLACES {
            let places = self.gather(backend, self.next as u32)?;
            moved += places.len().max(1);
            self.count += places.len() as u64;
            if self.bits_to == 0 {
                self.row = Row::of(&places);
            } else {
                let cut = places.chunk_by(|one, next| {
                    first_bits(one.prefix, self.bits_to) == first_bits(next.prefix, self.bits_to)
                });
                ops.extend(cut.map(|part| {
                    let number = first_bits(part[0].prefix, self.bits_to);
                    let key = self.into.part(number);
                    Op::put(Table::Transactions, key, Row::of(part).0)
                }));
            }
            self.next += 1;
        }
        flush::apply_chunked(backend, &ops)?;
        if self.next < ends_at {
            return Ok(false);
        }
        let list = List {
            bits: self.bits_to,
            count: self.count,
            row: std::mem::take(&mut self.row),
        };
        backend.flush()?;
        let row = Op::put(Table::Transactions, self.into.key(), list.to_bytes());
        backend.apply(&[row])?;
        backend.flush()?;
        Ok(true)
    }

    /// What the children have of one part, ascending.
    fn gather(&self, backend: &dyn Backend, number: u32) -> Result<Vec<Place>, StoreError> {
        let mut places = Vec::new();
        for (id, list) in &self.children {
            let read;
            let part = match list.bits {
                0 => &list.row,
                bits => {
                    read = read_part(backend, *id, number >> (self.bits_from - bits))?;
                    &read
                }
            };
            let is_of_part = |place: &Place| first_bits(place.prefix, self.bits_from) == number;
            places.extend(part.places().filter(is_of_part));
        }
        places.sort_unstable();
        Ok(places)
    }
}

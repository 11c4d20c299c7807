//! A bounded ring with sequence numbers: one writer's order, many readers by cursor.
//!
//! Writing never waits for a reader. A reader that was too slow learns how many items it missed.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

/// Items numbered from 0 in the order they were pushed, the oldest dropped beyond the capacity.
#[derive(Debug)]
pub struct Ring<T> {
    capacity: usize,
    inner: Mutex<Inner<T>>,
}

#[derive(Debug)]
struct Inner<T> {
    items: VecDeque<T>,
    next: u64,
}

/// What a reader gets: items ascending by sequence without gaps, the last of them `next − 1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch<T> {
    /// The items, oldest first.
    pub items: Vec<T>,
    /// How many items after the cursor were gone before they could be read.
    pub missed: u64,
    /// The cursor to ask with next time.
    pub next: u64,
}

impl<T: Clone> Ring<T> {
    /// A ring that holds at most `capacity` items (at least one).
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            inner: Mutex::new(Inner {
                items: VecDeque::new(),
                next: 0,
            }),
        }
    }

    /// Appends the item that `make` builds from its sequence number, and returns that number.
    pub fn push_with(&self, make: impl FnOnce(u64) -> T) -> u64 {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let seq = inner.next;
        if inner.items.len() == self.capacity {
            inner.items.pop_front();
        }
        inner.items.push_back(make(seq));
        inner.next = seq + 1;
        seq
    }

    /// Up to `limit` items from `cursor` on. Cursor 0 means from the oldest held.
    pub fn since(&self, cursor: u64, limit: usize) -> Batch<T> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = inner.next - inner.items.len() as u64;
        let from = cursor.clamp(oldest, inner.next);
        let skip = (from - oldest) as usize;
        let items: Vec<T> = inner.items.iter().skip(skip).take(limit).cloned().collect();
        Batch {
            missed: from.saturating_sub(cursor),
            next: from + items.len() as u64,
            items,
        }
    }

    /// The newest `limit` items, oldest first.
    pub fn last(&self, limit: usize) -> Vec<T> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let skip = inner.items.len().saturating_sub(limit);
        inner.items.iter().skip(skip).cloned().collect()
    }

    /// The sequence number the next item will get, which is also how many were ever pushed.
    pub fn next(&self) -> u64 {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).next
    }

    /// How many items the ring holds at most.
    pub fn capacity(&self) -> usize {
        self.capacity
    }
}

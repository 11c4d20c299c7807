//! Entries under small numbers, so that links between entries and walks over them are cheap.

use super::entry::Entry;

/// Number of an entry; reused after the entry has left.
pub(super) type Slot = u32;

/// A vector with holes. Which slot is free next depends only on the order of operations.
#[derive(Debug, Default)]
pub(super) struct Slots {
    entries: Vec<Option<Entry>>,
    free: Vec<Slot>,
}

impl Slots {
    pub(super) fn insert(&mut self, entry: Entry) -> Slot {
        match self.free.pop() {
            Some(slot) => {
                self.entries[slot as usize] = Some(entry);
                slot
            }
            None => {
                self.entries.push(Some(entry));
                (self.entries.len() - 1) as Slot
            }
        }
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<Entry> {
        let entry = self.entries.get_mut(slot as usize)?.take();
        if entry.is_some() {
            self.free.push(slot);
        }
        entry
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Entry> {
        self.entries.get(slot as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Entry> {
        self.entries.get_mut(slot as usize)?.as_mut()
    }

    /// One above the highest slot ever used.
    pub(super) fn width(&self) -> usize {
        self.entries.len()
    }

    /// All entries that are reached from `from` over `links`, `from` included, without
    /// duplicates; stops once more than `max` are found.
    pub(super) fn reach(
        &self,
        from: impl IntoIterator<Item = Slot>,
        links: impl Fn(&Entry) -> &[Slot],
        max: usize,
    ) -> Vec<Slot> {
        let mut found: Vec<Slot> = Vec::new();
        for slot in from {
            if !found.contains(&slot) {
                found.push(slot);
            }
        }
        let mut at = 0;
        while at < found.len() && found.len() <= max {
            if let Some(entry) = self.get(found[at]) {
                for next in links(entry) {
                    if !found.contains(next) {
                        found.push(*next);
                    }
                }
            }
            at += 1;
        }
        found
    }
}

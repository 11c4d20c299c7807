//! A [`Backend`] in memory, for tests and the simulator. Never a fallback for a disk that fails.

use std::{
    collections::BTreeMap,
    ops::Bound,
    path::Path,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use super::backend::{Backend, BackendError, Cursor, Entry, Op, PAGE_ENTRIES_MAX, Table, check_batch};

type Tree = BTreeMap<Vec<u8>, Vec<u8>>;

/// Ordered maps, one a table.
#[derive(Debug, Default)]
pub struct MemoryBackend {
    trees: RwLock<[Tree; Table::ALL.len()]>,
}

impl MemoryBackend {
    fn read(&self) -> RwLockReadGuard<'_, [Tree; Table::ALL.len()]> {
        self.trees.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, [Tree; Table::ALL.len()]> {
        self.trees.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clone for MemoryBackend {
    fn clone(&self) -> Self {
        Self {
            trees: RwLock::new(self.read().clone()),
        }
    }
}

impl Backend for MemoryBackend {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn path(&self) -> &Path {
        Path::new("")
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, BackendError> {
        Ok(self.read()[table as usize].get(key).cloned())
    }

    fn contains(&self, table: Table, key: &[u8]) -> Result<bool, BackendError> {
        Ok(self.read()[table as usize].contains_key(key))
    }

    fn apply(&self, ops: &[Op]) -> Result<(), BackendError> {
        check_batch(ops)?;
        let mut trees = self.write();
        for op in ops {
            let tree = &mut trees[op.table as usize];
            match &op.value {
                Some(value) => tree.insert(op.key.clone(), value.clone()),
                None => tree.remove(&op.key),
            };
        }
        Ok(())
    }

    fn page(&self, table: Table, cursor: Cursor<'_>, limit: usize) -> Result<Vec<Entry>, BackendError> {
        let start = match cursor.after {
            Some(after) if after >= cursor.prefix => Bound::Excluded(after),
            _ => Bound::Included(cursor.prefix),
        };
        let entries = self.read()[table as usize]
            .range::<[u8], _>((start, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(cursor.prefix))
            .take(limit.min(PAGE_ENTRIES_MAX))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        Ok(entries)
    }

    fn last(&self, table: Table) -> Result<Option<Entry>, BackendError> {
        let trees = self.read();
        let last = trees[table as usize].last_key_value();
        Ok(last.map(|(key, value)| (key.clone(), value.clone())))
    }

    fn flush(&self) -> Result<(), BackendError> {
        Ok(())
    }

    fn size_bytes(&self) -> Result<u64, BackendError> {
        let trees = self.read();
        let entries = trees.iter().flat_map(Tree::iter);
        Ok(entries.map(|(key, value)| (key.len() + value.len()) as u64).sum())
    }
}

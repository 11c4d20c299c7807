//! A database in memory that can stop at any call, and be looked at as a crash would leave it.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use super::{
    backend::{Backend, BackendError, Cursor, Entry, Op, Table},
    memory::MemoryBackend,
};

#[derive(Default)]
struct State {
    durable: MemoryBackend,
    volatile: MemoryBackend,
    unflushed: Vec<Op>,
    applied: Vec<Op>,
    /// Changing calls so far.
    calls: usize,
    fail_from: Option<usize>,
    is_disk_full: bool,
    stall: Duration,
}

/// See the module. Clones share the database.
#[derive(Clone, Default)]
pub(crate) struct TestBackend(Arc<Mutex<State>>);

impl TestBackend {
    pub(crate) fn over(content: MemoryBackend) -> Self {
        let backend = Self::default();
        {
            let mut state = backend.state();
            state.durable = content.clone();
            state.volatile = content;
        }
        backend
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Fails changing call number `call` (from 0, counted from now) and all later ones.
    pub(crate) fn fail_from(&self, call: usize) {
        let mut state = self.state();
        state.fail_from = Some(state.calls + call);
    }

    /// From now on the disk is full.
    pub(crate) fn fill_disk(&self) {
        self.fill_disk_from(0);
    }

    /// The disk is full from changing call number `call` on, counted from now.
    pub(crate) fn fill_disk_from(&self, call: usize) {
        self.fail_from(call);
        self.state().is_disk_full = true;
    }

    /// The next flush takes so long.
    pub(crate) fn stall_next(&self, stall: Duration) {
        self.state().stall = stall;
    }

    /// Changing calls so far.
    pub(crate) fn calls(&self) -> usize {
        self.state().calls
    }

    /// Everything ever applied, in order.
    pub(crate) fn applied(&self) -> Vec<Op> {
        self.state().applied.clone()
    }

    /// Every database a crash can leave: what was flushed, and each prefix of what was not.
    pub(crate) fn after_crash(&self) -> Vec<MemoryBackend> {
        let state = self.state();
        let image = state.durable.clone();
        let mut images = vec![image.clone()];
        for op in &state.unflushed {
            image.apply(std::slice::from_ref(op)).unwrap();
            images.push(image.clone());
        }
        images
    }

    fn change(&self, change: impl FnOnce(&mut State)) -> Result<(), BackendError> {
        let mut state = self.state();
        let call = state.calls;
        state.calls += 1;
        if state.fail_from.is_some_and(|from| call >= from) {
            let path = Path::new("test").to_owned();
            return Err(if state.is_disk_full {
                BackendError::DiskFull { path }
            } else {
                BackendError::Io {
                    path,
                    what: "crashed".to_owned(),
                }
            });
        }
        change(&mut state);
        Ok(())
    }

    fn volatile(&self) -> MemoryBackend {
        self.state().volatile.clone()
    }
}

impl Backend for TestBackend {
    fn name(&self) -> &'static str {
        "test"
    }

    fn path(&self) -> &Path {
        Path::new("test")
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, BackendError> {
        self.state().volatile.get(table, key)
    }

    fn contains(&self, table: Table, key: &[u8]) -> Result<bool, BackendError> {
        self.state().volatile.contains(table, key)
    }

    fn apply(&self, ops: &[Op]) -> Result<(), BackendError> {
        self.change(|state| {
            state.volatile.apply(ops).unwrap();
            state.unflushed.extend_from_slice(ops);
            state.applied.extend_from_slice(ops);
        })
    }

    fn page(&self, table: Table, cursor: Cursor<'_>, limit: usize) -> Result<Vec<Entry>, BackendError> {
        self.state().volatile.page(table, cursor, limit)
    }

    fn last(&self, table: Table) -> Result<Option<Entry>, BackendError> {
        self.state().volatile.last(table)
    }

    fn flush(&self) -> Result<(), BackendError> {
        let stall = std::mem::take(&mut self.state().stall);
        // Not under the lock: readers of a real database go on as well.
        std::thread::sleep(stall);
        self.change(|state| {
            state.durable = state.volatile.clone();
            state.unflushed.clear();
        })
    }

    fn size_bytes(&self) -> Result<u64, BackendError> {
        self.volatile().size_bytes()
    }
}

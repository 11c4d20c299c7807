//! The one thread that writes the database, and the bounded queue before it.
//!
//! Nobody waits for a flush unless the queue is full, or asks to. After the first error the thread
//! ends and the queue refuses: what is not flushed is still in the consensus log.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::chain::Height;

use super::{
    StoreError,
    archive::{self, Rows},
    backend::Op,
    chores::Chores,
    flush,
    pending::PendingBlock,
    shared::Shared,
    snapshot,
};

/// When a window of blocks is flushed, and how much may wait.
#[derive(Debug, Clone, Copy)]
pub struct FlushOptions {
    /// Flush at this many blocks. More elide more short-lived coins and lengthen a restart's replay.
    pub window_blocks: usize,
    /// Flush at this many bytes of changes. Bounds the redo file.
    pub window_bytes: usize,
    /// Flush the oldest block after this long.
    pub window_age: Duration,
    /// Unflushed blocks, those being flushed included, at which a commit waits. Bounds memory.
    pub pending_blocks_max: usize,
    /// Unflushed bytes at which a commit waits. Bounds memory.
    pub pending_bytes_max: usize,
    /// Write a snapshot after each block whose height is a multiple of this; 0 for none.
    pub snapshot_every: u64,
    /// Newest blocks that are kept, at least [`super::KEEP_BLOCKS_MIN`]; 0 keeps all.
    pub keep_blocks: u64,
}

impl FlushOptions {
    fn is_snapshot(&self, height: Height) -> bool {
        self.snapshot_every > 0 && height.get().is_multiple_of(self.snapshot_every)
    }
}

impl Default for FlushOptions {
    fn default() -> Self {
        Self {
            window_blocks: 64,
            window_bytes: 20 << 20,
            window_age: Duration::from_secs(1),
            pending_blocks_max: 256,
            pending_bytes_max: 36 << 20,
            snapshot_every: 0,
            keep_blocks: 0,
        }
    }
}

/// Evidence records that may wait for a flush; a flood of crimes is cut off here and stays in the
/// evidence that consensus holds.
const EVIDENCE_PENDING_MAX: usize = 1_000;

/// What the writer tells its owner, from its own thread: the receiver must not block.
#[derive(Debug)]
pub enum StoreEvent {
    /// Everything up to this height is durable in the database; the consensus log of these heights
    /// may go.
    Flushed(Flushed),
    /// A snapshot could not be written; the database is well.
    NoSnapshot(StoreError),
    /// Old blocks could not be deleted; it is tried again after the next flush.
    NotPruned(StoreError),
    /// The transaction index could not be merged, or space not given back; all is as it was, only larger, and
    /// the database is well.
    NotTidied(StoreError),
    /// The database takes no more blocks.
    Failed(StoreError),
}

/// One flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flushed {
    /// The highest durable block.
    pub height: Height,
    /// Blocks in this flush.
    pub blocks: usize,
    /// Database operations.
    pub operations: usize,
    /// How long it took.
    pub took: Duration,
}

/// Chores wait while more than this part of a window's bytes has come.
const LIGHT_PART: usize = 16;

#[derive(Debug, Default)]
struct Work {
    blocks: VecDeque<Arc<PendingBlock>>,
    evidence: Vec<Op>,
    /// Bytes of `blocks`.
    waiting_bytes: usize,
    /// Rows of blocks below the lowest one; they wait until no window is due.
    archive: Option<Rows>,
    /// The writer has them.
    is_archiving: bool,
    /// What came of them, for whoever waits.
    archived: Option<Result<(), StoreError>>,
    /// Blocks and bytes of the window under way.
    flushing: (usize, usize),
    /// Blocks and pieces of evidence that ever came, those of the window under way, and those that are
    /// durable.
    came: (u64, u64),
    taken: (u64, u64),
    durable: (u64, u64),
    /// When the oldest thing in here came.
    since: Option<Instant>,
    /// Somebody waits for what is here to be flushed.
    is_urgent: bool,
    is_stopping: bool,
    /// Why nothing more is taken.
    failure: Option<String>,
}

impl Work {
    fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.evidence.is_empty()
    }

    fn is_due(&self, options: &FlushOptions) -> bool {
        let age = self.age();
        !self.is_empty()
            && (self.is_urgent
                || self.is_stopping
                || self.blocks.len() >= options.window_blocks
                || self.waiting_bytes >= options.window_bytes
                || age >= options.window_age)
    }

    /// Whether little comes: where full blocks follow each other, the next window is filled before a chore ends,
    /// and those who fill it need the processor.
    fn is_light(&self, options: &FlushOptions) -> bool {
        self.waiting_bytes * LIGHT_PART <= options.window_bytes
    }

    /// How long the oldest thing in here has waited.
    fn age(&self) -> Duration {
        self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

/// What the writer does next.
enum Next {
    /// A window of blocks, and evidence.
    Window(Vec<Arc<PendingBlock>>, Vec<Op>),
    /// Rows of blocks below the lowest one.
    Archive(Rows),
    /// What nobody waits for.
    Chores,
}

/// The queue between committers and the writer.
#[derive(Debug)]
pub(super) struct Queue {
    options: FlushOptions,
    work: Mutex<Work>,
    /// Signalled when the writer may have something to do.
    arrived: Condvar,
    /// Signalled when the writer has finished a window, or has stopped.
    finished: Condvar,
}

impl Queue {
    pub(super) fn new(options: FlushOptions) -> Self {
        Self {
            options,
            work: Mutex::new(Work::default()),
            arrived: Condvar::new(),
            finished: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is room for another block.
    pub(super) fn wait_for_room(&self) -> Result<(), StoreError> {
        let mut work = self.lock();
        loop {
            check(&work)?;
            let blocks = work.blocks.len() + work.flushing.0;
            let bytes = work.waiting_bytes + work.flushing.1;
            if blocks < self.options.pending_blocks_max && bytes < self.options.pending_bytes_max {
                return Ok(());
            }
            work.is_urgent = true;
            self.arrived.notify_one();
            work = self.finished.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(super) fn push(&self, block: Arc<PendingBlock>) {
        let mut work = self.lock();
        work.waiting_bytes += block.bytes();
        work.blocks.push_back(block);
        work.came.0 += 1;
        work.since.get_or_insert_with(Instant::now);
        self.arrived.notify_one();
    }

    /// False if too much evidence waits already.
    pub(super) fn push_evidence(&self, op: Op) -> Result<bool, StoreError> {
        let mut work = self.lock();
        check(&work)?;
        if work.evidence.len() >= EVIDENCE_PENDING_MAX {
            return Ok(false);
        }
        work.evidence.push(op);
        work.came.1 += 1;
        work.since.get_or_insert_with(Instant::now);
        self.arrived.notify_one();
        Ok(true)
    }

    /// Flushes all that is here now and waits for it; not for what comes meanwhile.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        let mut work = self.lock();
        let goal = work.came;
        while work.failure.is_none() && (work.durable.0 < goal.0 || work.durable.1 < goal.1) {
            work.is_urgent = true;
            self.arrived.notify_one();
            work = self.finished.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
        check(&work)
    }

    /// Hands over rows of blocks below the lowest one and waits until they are durable: until no window is
    /// due, and then for the disk.
    pub(super) fn archive(&self, rows: Rows) -> Result<(), StoreError> {
        let mut work = self.lock();
        // One at a time: it bounds memory, and how long a window waits.
        while work.archive.is_some() || work.is_archiving || work.archived.is_some() {
            check(&work)?;
            work = self.finished.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
        check(&work)?;
        work.archive = Some(rows);
        self.arrived.notify_one();
        loop {
            if let Some(archived) = work.archived.take() {
                self.finished.notify_all();
                return archived;
            }
            check(&work)?;
            work = self.finished.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets the writer flush what is here and end.
    pub(super) fn stop(&self) {
        self.lock().is_stopping = true;
        self.arrived.notify_one();
    }

    /// Refuses from now on, and wakes whoever waits.
    fn fail(&self, why: String) {
        let mut work = self.lock();
        work.failure.get_or_insert(why);
        self.finished.notify_all();
    }

    /// What to do next; `None` once stopped and empty. Rows that are archived or deleted change nothing that
    /// anybody waits for, so a window that is due goes first, and a stop does not wait for them.
    fn next(&self, has_chores: bool) -> Option<Next> {
        let mut work = self.lock();
        loop {
            if work.is_due(&self.options) {
                let (window, evidence) = self.take_window(&mut work);
                return Some(Next::Window(window, evidence));
            }
            if work.is_stopping {
                return None;
            }
            if let Some(rows) = work.archive.take() {
                work.is_archiving = true;
                return Some(Next::Archive(rows));
            }
            if has_chores && work.is_light(&self.options) {
                return Some(Next::Chores);
            }
            if work.is_empty() {
                work = self.arrived.wait(work).unwrap_or_else(PoisonError::into_inner);
            } else {
                let rest = self.options.window_age.saturating_sub(work.age());
                let waited = self.arrived.wait_timeout(work, rest);
                (work, _) = waited.unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn take_window(&self, work: &mut Work) -> (Vec<Arc<PendingBlock>>, Vec<Op>) {
        let mut window: Vec<Arc<PendingBlock>> = Vec::new();
        let mut bytes = 0;
        while let Some(next) = work.blocks.front() {
            let is_full = window.len() >= self.options.window_blocks
                || window
                    .last()
                    .is_some_and(|last| self.options.is_snapshot(last.height()))
                || (!window.is_empty() && bytes + next.bytes() > self.options.window_bytes);
            if is_full {
                break;
            }
            bytes += next.bytes();
            window.extend(work.blocks.pop_front());
        }
        work.waiting_bytes -= bytes;
        work.flushing = (window.len().max(1), bytes);
        work.since = (!work.blocks.is_empty()).then(Instant::now);
        work.is_urgent &= !work.blocks.is_empty();
        work.taken = (window.len() as u64, work.evidence.len() as u64);
        (window, std::mem::take(&mut work.evidence))
    }

    fn done(&self) {
        let mut work = self.lock();
        work.flushing = (0, 0);
        let (blocks, evidence) = std::mem::take(&mut work.taken);
        work.durable = (work.durable.0 + blocks, work.durable.1 + evidence);
        self.finished.notify_all();
    }

    fn archived(&self, outcome: Result<(), StoreError>) {
        let mut work = self.lock();
        (work.is_archiving, work.archived) = (false, Some(outcome));
        self.finished.notify_all();
    }
}

fn check(work: &Work) -> Result<(), StoreError> {
    match &work.failure {
        Some(why) => Err(StoreError::Stopped { why: why.clone() }),
        None => Ok(()),
    }
}

/// Body of the writer thread.
pub(super) fn run(shared: &Shared, report: &dyn Fn(StoreEvent)) {
    // Whatever ends this thread, a panic included, nobody may wait for it afterwards.
    struct Closed<'a>(&'a Queue);
    impl Drop for Closed<'_> {
        fn drop(&mut self) {
            self.0.fail("its writer has ended".to_owned());
        }
    }
    let _closed = Closed(&shared.queue);

    let options = &shared.queue.options;
    let mut chores = Chores::new(options, shared, report);
    while let Some(next) = shared.queue.next(chores.is_due(shared)) {
        let (window, evidence) = match next {
            Next::Window(window, evidence) => (window, evidence),
            Next::Archive(rows) => {
                // A disk that refuses these may still take a window; whether it does is seen then.
                let written = archive::write(&shared.target(), &rows);
                let outcome = written.map(|lowest| shared.set_pruned_below(lowest));
                if outcome.is_ok() {
                    chores.written(rows.listed);
                }
                shared.queue.archived(outcome);
                continue;
            }
            Next::Chores => {
                chores.turn(shared, report);
                continue;
            }
        };
        let started = Instant::now();
        let evidence_keys: Vec<_> = evidence.iter().map(|op| op.key.clone()).collect();
        match flush::write(&shared.target(), &window, evidence) {
            Ok(operations) => {
                shared.forget(&window, &evidence_keys);
                let took = started.elapsed();
                shared.note_flush(took);
                if let Some(last) = window.last() {
                    report(StoreEvent::Flushed(Flushed {
                        height: last.height(),
                        blocks: window.len(),
                        operations,
                        took,
                    }));
                }
                if let Some(last) = window
                    .last()
                    .filter(|last| shared.queue.options.is_snapshot(last.height()))
                {
                    let written = snapshot::export(shared.backend.as_ref(), shared.redo.dir(), last.height());
                    if let Err(error) = written {
                        report(StoreEvent::NoSnapshot(error));
                    }
                }
                shared.queue.done();
                chores.changed(operations);
                let listed = window.iter().filter(|block| !block.block.transactions.is_empty());
                chores.written(listed.map(|block| block.height()));
                chores.merge(shared, report);
            }
            Err(error) => {
                shared.queue.fail(error.to_string());
                report(StoreEvent::Failed(error));
                return;
            }
        }
    }
}

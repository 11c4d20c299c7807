//! A log file that is opened again when somebody says that it was moved away (SIGUSR1).

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// A writer that another one takes the place of, at the next write after it was asked for.
pub(super) struct Reopened<W, O> {
    inner: W,
    open: O,
    wanted: Arc<AtomicBool>,
}

impl<W, O: FnMut() -> io::Result<W>> Reopened<W, O> {
    /// A writer that `open` makes anew.
    pub(super) fn new(inner: W, open: O, wanted: Arc<AtomicBool>) -> Self {
        Self { inner, open, wanted }
    }
}

impl<W: Write, O: FnMut() -> io::Result<W>> Write for Reopened<W, O> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.wanted.swap(false, Ordering::AcqRel)
            && let Ok(next) = (self.open)()
        {
            // One that cannot be opened leaves the old one: better a moved log than none.
            let _ = self.inner.flush();
            self.inner = next;
        }
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

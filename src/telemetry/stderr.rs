//! The gate before stderr: shut while the console draws, so that no line tears the screen.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tracing_subscriber::fmt::MakeWriter;

/// Whether lines reach stderr now. Clones share the state.
#[derive(Clone, Debug)]
pub struct StderrGate {
    open: Arc<AtomicBool>,
}

impl StderrGate {
    pub(super) fn new(open: bool) -> Self {
        Self {
            open: Arc::new(AtomicBool::new(open)),
        }
    }

    /// Lets lines through, or holds them back (they still reach the file and the ring).
    pub fn set(&self, open: bool) {
        self.open.store(open, Ordering::Relaxed);
    }

    /// Whether lines go through.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    pub(super) fn guarding<W>(&self, inner: W) -> Gated<W> {
        Gated {
            gate: self.clone(),
            inner,
        }
    }
}

/// A writer behind the gate.
pub(super) struct Gated<W> {
    gate: StderrGate,
    inner: W,
}

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Gated<W> {
    type Writer = GatedLine<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        GatedLine(self.gate.is_open().then(|| self.inner.make_writer()))
    }
}

/// One line on its way to stderr, or nowhere.
pub(super) struct GatedLine<W>(Option<W>);

impl<W: Write> Write for GatedLine<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Some(writer) => writer.write(bytes),
            None => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.as_mut().map_or(Ok(()), Write::flush)
    }
}

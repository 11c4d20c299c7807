//! The gate before stderr: shut while the console draws, so that no line tears the screen.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tracing::{Level, Metadata};
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

    pub(super) fn guarding<W>(&self, inner: W, has_priorities: bool) -> Gated<W> {
        Gated {
            gate: self.clone(),
            inner,
            has_priorities,
        }
    }
}

/// A writer behind the gate.
pub(super) struct Gated<W> {
    gate: StderrGate,
    inner: W,
    /// Whether each line begins with its priority, as the journal wants it.
    has_priorities: bool,
}

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Gated<W> {
    type Writer = GatedLine<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        GatedLine {
            inner: self.gate.is_open().then(|| self.inner.make_writer()),
            priority: None,
        }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        GatedLine {
            priority: self.has_priorities.then(|| priority(*metadata.level())),
            ..self.make_writer()
        }
    }
}

/// The number of a level in syslog's terms.
fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        _ => "<7>",
    }
}

/// One line on its way to stderr, or nowhere.
pub(super) struct GatedLine<W> {
    inner: Option<W>,
    priority: Option<&'static str>,
}

impl<W: Write> Write for GatedLine<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match (&mut self.inner, self.priority.take()) {
            (None, _) => Ok(bytes.len()),
            (Some(writer), None) => writer.write(bytes),
            // In one piece, or lines of several threads would mix.
            (Some(writer), Some(priority)) => writer
                .write_all(&[priority.as_bytes(), bytes].concat())
                .map(|()| bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.as_mut().map_or(Ok(()), Write::flush)
    }
}

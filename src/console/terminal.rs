//! The terminal: taken once, drawn on, and given back as it was, whatever happens.
//!
//! Input is read here directly and not through crossterm's event source: that one spins for ever
//! when a terminal hangs up, which on a validator would burn a core. Output goes straight to the
//! descriptor and not through `stdout()`: its lock would be held by a write that a frozen terminal
//! never takes, and whoever restores the terminal at the end would wait for it for ever.

use std::{
    io::{self, Write},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use crossterm::{
    clipboard::CopyToClipboard,
    cursor, event, queue,
    terminal::{self, BeginSynchronizedUpdate, EndSynchronizedUpdate},
};
use ratatui::{
    backend::{Backend, CrosstermBackend},
    buffer::Buffer,
    layout::Rect,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    termios::{InputModes, LocalModes, OptionalActions, OutputModes, tcgetattr, tcsetattr},
};

/// Whether this process holds the terminal in its drawing state now.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Button presses and the wheel, in the notation that knows no limit of columns; not every motion.
const MOUSE_ON: &str = "\x1b[?1000h\x1b[?1006h";
const MOUSE_OFF: &str = "\x1b[?1006l\x1b[?1000l";

/// Bytes read in one go: more than any key, less than a page.
const READ_BYTES: usize = 1_024;
/// Bytes handed to the terminal in one go; it is asked for room before each.
const WRITE_BYTES: usize = 4_096;
/// A terminal that takes nothing for this long is lost: a suspended emulator, a dead link.
const FROZEN: Duration = Duration::from_secs(10);
/// How long giving the terminal back may wait for it.
const RESTORE: Duration = Duration::from_millis(500);
/// What is drawn when the terminal does not tell its size.
const FALLBACK: (u16, u16) = (80, 24);

/// Gives the terminal back, if it is taken. May be called from any thread and more than once.
pub fn restore() {
    if !TAKEN.swap(false, Ordering::AcqRel) {
        return;
    }
    // The terminal may be gone or frozen; there is nobody left to tell.
    let _ = terminal::disable_raw_mode();
    let mut goodbye = Vec::new();
    let _ = queue!(
        goodbye,
        EndSynchronizedUpdate,
        event::DisableBracketedPaste,
        crossterm::style::Print(MOUSE_OFF),
        cursor::Show,
        terminal::LeaveAlternateScreen,
    );
    let _ = send(&goodbye, RESTORE);
}

/// One line on the shell's screen, after the console has left.
pub(super) fn say(line: &str) {
    let _ = send(format!("{line}\r\n").as_bytes(), RESTORE);
}

/// Writes to the terminal, asking for room first.
fn send(mut bytes: &[u8], patience: Duration) -> io::Result<()> {
    let out = rustix::stdio::stdout();
    let timeout = timespec(patience);
    while !bytes.is_empty() {
        let mut fds = [PollFd::new(&out, PollFlags::OUT)];
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        if fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        match rustix::io::write(out, &bytes[..bytes.len().min(WRITE_BYTES)]) {
            Ok(sent) => bytes = &bytes[sent..],
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: duration.as_secs() as i64,
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

/// What the terminal has for us.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ready {
    Nothing,
    Bytes(Vec<u8>),
    /// It hung up or cannot be read.
    Lost,
}

/// Collects a frame and sends it in one go.
#[derive(Default)]
struct Tty {
    frame: Vec<u8>,
}

impl Write for Tty {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.frame.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let sent = send(&self.frame, FROZEN);
        self.frame.clear();
        sent
    }
}

/// The terminal while the console has it. Dropping it gives it back.
pub(super) struct Screen {
    backend: CrosstermBackend<Tty>,
    shown: Buffer,
    next: Buffer,
}

impl Screen {
    pub(super) fn enter() -> io::Result<Self> {
        let (width, height) = size();
        let area = Rect::new(0, 0, width, height);
        let mut screen = Self {
            backend: CrosstermBackend::new(Tty::default()),
            shown: Buffer::empty(area),
            next: Buffer::empty(area),
        };
        screen.retake()?;
        Ok(screen)
    }

    /// Takes the terminal, at the start and after it was lent to the shell.
    fn retake(&mut self) -> io::Result<()> {
        undo_wreck()?;
        terminal::enable_raw_mode()?;
        TAKEN.store(true, Ordering::Release);
        let entered = queue!(
            self.backend,
            terminal::EnterAlternateScreen,
            cursor::Hide,
            event::EnableBracketedPaste,
            terminal::Clear(terminal::ClearType::All),
        )
        .and_then(|()| Write::flush(&mut self.backend));
        if entered.is_err() {
            restore();
        }
        entered
    }

    /// Draws a frame; only what changed is sent.
    pub(super) fn draw(
        &mut self,
        size: (u16, u16),
        clear: bool,
        paint: impl FnOnce(&mut Buffer),
    ) -> io::Result<()> {
        let area = Rect::new(0, 0, size.0, size.1);
        let fresh = clear || area != self.shown.area;
        if fresh {
            self.shown = Buffer::empty(area);
            self.next = Buffer::empty(area);
        }
        self.next.reset();
        paint(&mut self.next);
        let changes = self.shown.diff(&self.next);
        if changes.is_empty() && !fresh {
            return Ok(());
        }
        queue!(self.backend, BeginSynchronizedUpdate)?;
        if fresh {
            queue!(self.backend, terminal::Clear(terminal::ClearType::All))?;
        }
        self.backend.draw(changes.into_iter())?;
        queue!(self.backend, EndSynchronizedUpdate)?;
        Write::flush(&mut self.backend)?;
        std::mem::swap(&mut self.shown, &mut self.next);
        Ok(())
    }

    /// Puts text on the clipboard of the operator's own machine, over SSH as well.
    pub(super) fn copy(&mut self, text: &str) -> io::Result<()> {
        queue!(self.backend, CopyToClipboard::to_clipboard_from(text))?;
        Write::flush(&mut self.backend)
    }

    /// Rings, and has the terminal say a line to the desktop (OSC 9) if it can.
    pub(super) fn notify(&mut self, line: &str) -> io::Result<()> {
        let line = crate::control::words::printable(line);
        queue!(
            self.backend,
            crossterm::style::Print(format!("\x07\x1b]9;{line}\x07"))
        )?;
        Write::flush(&mut self.backend)
    }

    /// Asks the terminal to tell of the mouse, or to keep it to itself.
    pub(super) fn mouse(&mut self, on: bool) -> io::Result<()> {
        let words = if on { MOUSE_ON } else { MOUSE_OFF };
        queue!(self.backend, crossterm::style::Print(words))?;
        Write::flush(&mut self.backend)
    }

    /// The characters on show, for an export.
    pub(super) fn text(&self) -> String {
        super::view::text(&self.shown)
    }

    /// Waits for input, at most as long as told.
    pub(super) fn wait(&self, at_most: Duration) -> Ready {
        let stdin = rustix::stdio::stdin();
        let timeout = timespec(at_most);
        let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) | Err(Errno::INTR) => return Ready::Nothing,
            Ok(_) => {}
            Err(_) => return Ready::Lost,
        }
        if fds[0]
            .revents()
            .intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)
        {
            return Ready::Lost;
        }
        let mut bytes = vec![0; READ_BYTES];
        match rustix::io::read(stdin, &mut bytes) {
            Ok(0) => Ready::Lost,
            Ok(count) => {
                bytes.truncate(count);
                Ready::Bytes(bytes)
            }
            Err(Errno::INTR | Errno::AGAIN) => Ready::Nothing,
            Err(_) => Ready::Lost,
        }
    }
}

/// Gives the terminal to the shell and sleeps until the shell brings this process back.
///
/// SIGSTOP and not SIGTSTP: the latter is dropped where nobody would wake us again, which looks like
/// a key that does nothing.
pub(super) fn suspend(screen: &mut Screen) {
    restore();
    // Sent to this thread, which so stands still inside the call until SIGCONT has come: sent to the
    // process it can land on another thread, and the terminal is taken again before this one stops.
    // A refusal leaves us awake, and we just go on.
    let _ = signal_hook::low_level::raise(signal_hook::consts::SIGSTOP);
    // A terminal that cannot be taken again shows at the next frame.
    let _ = screen.retake();
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// A console that was killed could not give its terminal back. The next one on it would take that state
/// for the shell's and return to it; so line editing is switched on before it is switched off.
fn undo_wreck() -> io::Result<()> {
    let stdin = rustix::stdio::stdin();
    let mut settings = tcgetattr(stdin)?;
    let line_editing = LocalModes::ICANON | LocalModes::ECHO;
    if settings.local_modes.intersects(line_editing) {
        return Ok(());
    }
    settings.local_modes |= line_editing | LocalModes::ISIG | LocalModes::IEXTEN;
    settings.input_modes |= InputModes::ICRNL | InputModes::IXON;
    settings.output_modes |= OutputModes::OPOST | OutputModes::ONLCR;
    tcsetattr(stdin, OptionalActions::Now, &settings)?;
    Ok(())
}

/// Columns and rows of the terminal now.
pub(super) fn size() -> (u16, u16) {
    match rustix::termios::tcgetwinsize(rustix::stdio::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
        _ => FALLBACK,
    }
}

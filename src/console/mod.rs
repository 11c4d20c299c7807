//! The console: the operator's live view of a node, and the keys that act on it.
//!
//! Elm-like. Input and snapshots become messages ([`update`]), the model changes, effects go out;
//! [`vm`] turns the model into words and numbers, [`view`] places them. It runs on a thread of its
//! own, so that nothing it does can delay a vote, and the node never needs it: when it panics, the
//! terminal is restored and the node goes on.
//!
//! The screen is left as it was found however the console ends: detach, stop, panic, a signal, or a
//! terminal that went away.

mod desk;
mod export;
mod fleet;
mod format;
mod glyphs;
mod key;
mod keymap;
mod model;
mod moment;
mod nodes;
mod once;
mod options;
mod replay;
mod runner;
mod session;
mod source;
mod still;
mod terminal;
mod text;
mod theme;
mod trend;
mod update;
mod view;
mod vm;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

use std::{
    panic::{self, AssertUnwindSafe},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::sync::watch;

pub use glyphs::GlyphName;
pub use moment::moment;
pub use once::{Picture, frame_text};
pub use options::{Config, Environment, NoScreen, OnTerminal, Options, can_draw};
pub use source::Source;
pub use still::Still;
pub use terminal::restore;
pub use theme::{Depth, ThemeName};

use terminal::Screen;

/// How a console ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The operator left; the node goes on.
    Detached,
    /// A stop was asked for, here or elsewhere, and the node is through with it.
    StopRequested,
    /// The operator would not wait for the stop: leave the process now.
    ForceExit,
    /// The terminal went away; the node goes on.
    TerminalLost,
    /// The console panicked; the terminal is restored and the node goes on.
    Panicked,
    /// [`ConsoleHandle::close`] was called.
    Closed,
}

/// How long a process that leaves waits for its terminal to be restored.
const RESTORE_PATIENCE: Duration = Duration::from_millis(600);

/// A console that runs on its thread.
pub struct ConsoleHandle {
    closing: Arc<AtomicBool>,
    outcome: watch::Receiver<Option<Outcome>>,
    thread: JoinHandle<()>,
}

impl ConsoleHandle {
    /// Asks the console to restore the terminal and end. Returns at once.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// How it ended, or `None` while it runs.
    pub fn outcome(&self) -> Option<Outcome> {
        *self.outcome.borrow()
    }

    /// Waits until it ends.
    pub async fn ended(&self) -> Outcome {
        let mut outcome = self.outcome.clone();
        match outcome.wait_for(Option::is_some).await {
            Ok(ended) => ended.unwrap_or(Outcome::Panicked),
            // The thread is gone without a word: nothing but a panic does that.
            Err(_) => Outcome::Panicked,
        }
    }

    /// Closes and waits at most `patience`, then restores the terminal in its place, as far as it
    /// lets itself be restored: a console that hangs in a write to a frozen terminal must not hold
    /// the process.
    pub fn join(self, patience: Duration) -> Outcome {
        self.close();
        let deadline = Instant::now() + patience;
        while !self.thread.is_finished() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        match self.thread.is_finished() {
            true => {
                let _ = self.thread.join();
            }
            false => {
                // A terminal that hangs the console may hang whoever restores it too.
                let restorer = thread::spawn(restore);
                let deadline = Instant::now() + RESTORE_PATIENCE;
                while !restorer.is_finished() && Instant::now() < deadline {
                    thread::sleep(Duration::from_millis(5));
                }
            }
        }
        self.outcome.borrow().unwrap_or(Outcome::Closed)
    }
}

/// Takes the terminal and starts the console.
///
/// # Errors
/// If the terminal cannot be used; nothing was changed then, and the node can run headless.
pub fn spawn(source: Source, options: Options) -> Result<ConsoleHandle, NoScreen> {
    spawn_all(vec![source], options)
}

/// Takes the terminal and starts one console on several sources: a list of them comes first.
///
/// # Errors
/// As [`spawn`].
pub fn spawn_all(sources: Vec<Source>, options: Options) -> Result<ConsoleHandle, NoScreen> {
    if sources.is_empty() {
        return Err(NoScreen::Nothing);
    }
    let closing = Arc::new(AtomicBool::new(false));
    let (ended, outcome) = watch::channel(None);
    let (started, first) = mpsc::channel();
    let flag = closing.clone();
    let thread = thread::Builder::new()
        .name("console".to_owned())
        .spawn(move || {
            let mut screen = match Screen::enter() {
                Ok(screen) => screen,
                Err(error) => {
                    let _ = started.send(Err(NoScreen::Terminal(error.to_string())));
                    return;
                }
            };
            options.tell(true);
            let _ = started.send(Ok(()));
            let result = panic::catch_unwind(AssertUnwindSafe(|| {
                runner::run(&mut screen, &sources, &options, &flag)
            }));
            let outcome = result.unwrap_or(Outcome::Panicked);
            drop(screen);
            options.tell(false);
            farewell(&sources, options.socket.as_deref(), outcome);
            let _ = ended.send(Some(outcome));
        })
        .map_err(|error| NoScreen::Terminal(error.to_string()))?;
    match first.recv() {
        Ok(Ok(())) => Ok(ConsoleHandle {
            closing,
            outcome,
            thread,
        }),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(NoScreen::Terminal(
            "the console thread ended at its start".to_owned(),
        )),
    }
}

/// What is said and logged once the screen is the shell's again.
fn farewell(sources: &[Source], socket: Option<&Path>, outcome: Outcome) {
    let is_elsewhere = sources.iter().all(Source::is_elsewhere);
    let pid = std::process::id();
    match outcome {
        Outcome::Detached | Outcome::TerminalLost if is_elsewhere => {}
        Outcome::Panicked if is_elsewhere => {
            terminal::say("console crashed; the node is not touched by that");
        }
        Outcome::Detached => {
            tracing::info!(pid, "console closed, node running");
            let again = match socket {
                Some(path) => format!("; open it again with: timed attach {}", path.display()),
                None => String::new(),
            };
            terminal::say(&format!("console closed, node running, pid {pid}{again}"));
        }
        Outcome::TerminalLost => tracing::warn!(pid, "terminal lost, node running"),
        Outcome::Panicked => {
            for source in sources {
                source.note_crash();
            }
            tracing::error!(pid, "console crashed, node running headless");
            terminal::say(&format!(
                "console crashed, node running headless, pid {pid}; the log says why"
            ));
        }
        Outcome::StopRequested | Outcome::ForceExit | Outcome::Closed => {
            tracing::debug!(?outcome, "console closed");
        }
    }
}

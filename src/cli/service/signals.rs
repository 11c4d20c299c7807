//! What a process manager or a terminal can say to a running node.

use tokio::signal::unix::{Signal, SignalKind};

use crate::cli::{failure::Failure, signals::listen};

/// One signal, by what it asks for.
pub(super) enum Received {
    /// Stop in order; the signal's name.
    Stop(&'static str),
    /// The terminal is gone, or the configuration shall be read again.
    HangUp,
    /// The log file was moved away.
    ReopenLog,
    /// Somebody wants to see what the node is doing.
    Dump,
}

/// All that are listened to. SIGPIPE is ignored by the runtime of the language.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    user: Signal,
    quit: Signal,
}

impl Signals {
    pub(super) fn listen() -> Result<Self, Failure> {
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
            user: listen(SignalKind::user_defined1())?,
            quit: listen(SignalKind::quit())?,
        })
    }

    pub(super) async fn next(&mut self) -> Received {
        tokio::select! {
            _ = self.interrupt.recv() => Received::Stop("SIGINT"),
            _ = self.terminate.recv() => Received::Stop("SIGTERM"),
            _ = self.hang_up.recv() => Received::HangUp,
            _ = self.user.recv() => Received::ReopenLog,
            _ = self.quit.recv() => Received::Dump,
        }
    }
}

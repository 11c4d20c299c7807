//! Signals that end a command: the first asks it to finish in order, the second ends it at once.

use std::process::ExitCode;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::failure::{Code, Failure};

/// What a shell shows for a process that a signal ended: 128 and the signal's number.
const EXIT_BASE: u8 = 128;

/// SIGINT, SIGTERM and SIGHUP.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

/// Listens to one kind of signal from now on.
pub(super) fn listen(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::new(Code::Unexpected, format!("signals: {error}")))
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// The number of the next signal.
    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => 2,
            _ = self.terminate.recv() => 15,
            _ = self.hang_up.recv() => 1,
        }
    }
}

/// Runs `work`, which is asked to finish through the token when the first signal arrives. A second
/// one drops it, which must leave nothing behind; the result then is the exit code to end with.
pub(super) async fn until_signalled<T>(
    work: impl AsyncFnOnce(CancellationToken) -> T,
) -> Result<Result<T, ExitCode>, Failure> {
    let mut signals = Signals::listen()?;
    let stop = CancellationToken::new();
    let mut work = std::pin::pin!(work(stop.clone()));
    tokio::select! {
        done = &mut work => return Ok(Ok(done)),
        _ = signals.next() => stop.cancel(),
    }
    tokio::select! {
        done = &mut work => Ok(Ok(done)),
        number = signals.next() => Ok(Err(ExitCode::from(EXIT_BASE + number))),
    }
}

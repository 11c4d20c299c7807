//! What a face holds of a node: snapshots, commands, rings and look-ups. Cheap to clone.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::{mpsc, oneshot, watch};

use super::{
    Caller, Clock, Command, CommandError, CommandRequest, EventRing, LogRing, Moment, Query, Reply, Status,
};

/// The node as faces see it.
#[derive(Clone)]
pub struct NodeHandle {
    /// The newest snapshot.
    pub status: watch::Receiver<Arc<Status>>,
    /// Where commands go. Bounded; full means [`CommandError::Busy`].
    pub commands: mpsc::Sender<CommandRequest>,
    /// What happened.
    pub events: Arc<EventRing>,
    /// What was logged.
    pub logs: Arc<LogRing>,
    /// Blocking look-ups.
    pub query: Arc<dyn Query>,
    /// Who watches: the status task runs at 4 Hz only while somebody does.
    pub watchers: Watchers,
    /// The clock that all stamps of this process share.
    pub clock: Clock,
}

impl NodeHandle {
    /// The newest snapshot.
    pub fn status(&self) -> Arc<Status> {
        self.status.borrow().clone()
    }

    /// Sends a command without waiting; the answer comes at the receiver.
    ///
    /// # Errors
    /// [`CommandError::Busy`] if the queue is full, [`CommandError::Stopping`] if nobody reads it.
    pub fn send(
        &self,
        command: Command,
        caller: Caller,
    ) -> Result<oneshot::Receiver<Result<Reply, CommandError>>, CommandError> {
        let (request, answer) = CommandRequest::new(command, caller);
        match self.commands.try_send(request) {
            Ok(()) => Ok(answer),
            Err(mpsc::error::TrySendError::Full(_)) => Err(CommandError::Busy),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(CommandError::Stopping),
        }
    }

    /// Sends a command and waits for its answer.
    ///
    /// # Errors
    /// What the node answered, or why it could not be asked.
    pub async fn ask(&self, command: Command, caller: Caller) -> Result<Reply, CommandError> {
        self.send(command, caller)?
            .await
            .map_err(|_| CommandError::Stopping)?
    }
}

/// Counts who watches the status, and remembers whether a watcher crashed.
#[derive(Clone, Debug)]
pub struct Watchers {
    count: Arc<watch::Sender<usize>>,
    crashed: Arc<AtomicBool>,
}

impl Watchers {
    /// Nobody watches yet.
    pub fn new() -> Self {
        Self {
            count: Arc::new(watch::Sender::new(0)),
            crashed: Arc::new(AtomicBool::new(false)),
        }
    }

    /// Counts one watcher until the guard is dropped.
    pub fn watch(&self) -> WatchGuard {
        self.count.send_modify(|count| *count += 1);
        WatchGuard {
            count: self.count.clone(),
        }
    }

    /// How many watch now.
    pub fn count(&self) -> usize {
        *self.count.borrow()
    }

    /// Notes that the console crashed; the node went on without it.
    pub fn note_crash(&self) {
        self.crashed.store(true, Ordering::Relaxed);
    }

    /// Whether the console crashed in this run, for [`super::ResourceStatus::console_crashed`].
    pub fn has_crashed(&self) -> bool {
        self.crashed.load(Ordering::Relaxed)
    }

    /// Lets the status task wait for the count to change.
    pub fn subscribe(&self) -> watch::Receiver<usize> {
        self.count.subscribe()
    }
}

impl Default for Watchers {
    fn default() -> Self {
        Self::new()
    }
}

/// One watcher; dropping it ends the watch.
#[derive(Debug)]
pub struct WatchGuard {
    count: Arc<watch::Sender<usize>>,
}

impl Drop for WatchGuard {
    fn drop(&mut self) {
        self.count.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// The live log filter. Telemetry implements it; node/operator turns
/// [`Command::SetLogFilter`] into a call of it.
pub trait LogFilter: Send + Sync {
    /// The filter in force.
    fn current(&self) -> String;

    /// Puts another filter in force at once.
    ///
    /// # Errors
    /// If the text is not a filter; the old one stays.
    fn set(&self, filter: &str) -> Result<(), LogFilterError>;

    /// When the filter in force gives way to the one before; `None` if it stays.
    fn until(&self) -> Option<Moment> {
        None
    }
}

/// Text that is not a log filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a log filter: {filter}: {cause}; write a level (info) or targets (info,timecoin::consensus=debug)"
)]
pub struct LogFilterError {
    /// What was given.
    pub filter: String,
    /// What is wrong with it.
    pub cause: String,
}

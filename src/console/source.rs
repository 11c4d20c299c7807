//! Where the console gets its snapshots and sends its commands.

use tokio::sync::oneshot;

use super::update::Msg;
use crate::control::{Caller, Command, CommandError, Moment, NodeHandle, Reply, WatchGuard};

/// What a console looks at.
#[derive(Clone)]
pub enum Source {
    /// The node in this process.
    Node(NodeHandle),
}

impl Source {
    pub(super) fn note_crash(&self) {
        match self {
            Source::Node(node) => node.watchers.note_crash(),
        }
    }
}

/// Log lines taken over in one go, so that a flood cannot hold up a frame.
const LINES_AT_ONCE: usize = 2_000;
/// Events taken over in one go.
const EVENTS_AT_ONCE: usize = 512;

/// A command on its way.
struct Asked {
    id: u64,
    answer: oneshot::Receiver<Result<Reply, CommandError>>,
}

/// A source under watch: remembers what has been read.
pub(super) struct Feed {
    node: NodeHandle,
    revision: u64,
    events: u64,
    logs: u64,
    asked: Vec<Asked>,
    _watch: WatchGuard,
}

impl Feed {
    pub(super) fn open(source: Source) -> Self {
        let Source::Node(node) = source;
        Self {
            revision: u64::MAX,
            events: 0,
            logs: 0,
            asked: Vec::new(),
            _watch: node.watchers.watch(),
            node,
        }
    }

    pub(super) fn now(&self) -> Moment {
        self.node.clock.now()
    }

    /// True once the node has gone.
    pub(super) fn is_over(&self) -> bool {
        self.node.status.has_changed().is_err()
    }

    /// Snapshots, events and log lines that are new since last time.
    pub(super) fn news(&mut self) -> Vec<Msg> {
        let mut news = Vec::new();
        let status = self.node.status();
        if status.revision != self.revision {
            self.revision = status.revision;
            news.push(Msg::Status(status));
        }
        let first = self.events == 0;
        let mut events = self.node.events.since(self.events, EVENTS_AT_ONCE);
        if events.next != self.events {
            self.events = events.next;
            if first {
                events.missed = 0;
            }
            news.push(Msg::Events(events));
        }
        let first = self.logs == 0;
        let mut logs = self.node.logs.since(self.logs, LINES_AT_ONCE);
        if logs.next != self.logs {
            self.logs = logs.next;
            if first {
                // Lines from before the console was opened are not lines it missed.
                logs.missed = 0;
            }
            news.push(Msg::Logs(logs));
        }
        news
    }

    /// Answers to commands that have come.
    pub(super) fn answers(&mut self) -> Vec<Msg> {
        let mut news = Vec::new();
        self.asked.retain_mut(|asked| match asked.answer.try_recv() {
            Ok(answer) => {
                news.push(Msg::Answer(asked.id, answer));
                false
            }
            Err(oneshot::error::TryRecvError::Empty) => true,
            Err(oneshot::error::TryRecvError::Closed) => {
                news.push(Msg::Answer(asked.id, Err(CommandError::Stopping)));
                false
            }
        });
        news
    }

    /// Sends a command; the answer comes with a later [`Feed::answers`], a refusal at once.
    pub(super) fn send(&mut self, id: u64, command: Command) -> Option<Msg> {
        match self.node.send(command, Caller::Console) {
            Ok(answer) => {
                self.asked.push(Asked { id, answer });
                None
            }
            Err(error) => Some(Msg::Answer(id, Err(error))),
        }
    }
}

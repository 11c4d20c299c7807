//! The node in this process: its rings and its snapshot are read where they lie.

use tokio::sync::oneshot;

use super::{EVENTS_AT_ONCE, Feed, LINES_AT_ONCE};
use crate::{
    console::update::Msg,
    control::{Caller, Command, CommandError, Moment, NodeHandle, Reply, WatchGuard},
};

/// A command on its way.
struct Asked {
    id: u64,
    answer: oneshot::Receiver<Result<Reply, CommandError>>,
}

/// What has been read of the node.
pub(super) struct LocalFeed {
    node: NodeHandle,
    revision: u64,
    events: u64,
    logs: u64,
    asked: Vec<Asked>,
    _watch: WatchGuard,
}

impl LocalFeed {
    pub(super) fn open(node: NodeHandle) -> Self {
        Self {
            revision: u64::MAX,
            events: 0,
            logs: 0,
            asked: Vec::new(),
            _watch: node.watchers.watch(),
            node,
        }
    }
}

impl Feed for LocalFeed {
    fn now(&mut self) -> Moment {
        self.node.clock.now()
    }

    fn is_over(&self) -> bool {
        self.node.status.has_changed().is_err()
    }

    fn news(&mut self) -> Vec<Msg> {
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

    fn answers(&mut self) -> Vec<Msg> {
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

    fn send(&mut self, id: u64, command: Command) -> Option<Msg> {
        match self.node.send(command, Caller::Console) {
            Ok(answer) => {
                self.asked.push(Asked { id, answer });
                None
            }
            Err(error) => Some(Msg::Answer(id, Err(error))),
        }
    }
}

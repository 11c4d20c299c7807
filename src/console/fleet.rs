//! The devnet that the node belongs to, as the console watches it.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::update::Msg;
use crate::control::{CommandError, FleetCommand, FleetHandle, Reply};

/// What has been read of the devnet, and what it was asked.
pub(super) struct FleetFeed {
    handle: FleetHandle,
    asked: Vec<(u64, oneshot::Receiver<Result<(), CommandError>>)>,
}

impl FleetFeed {
    pub(super) fn open(mut handle: FleetHandle) -> Self {
        // What stands there already is news to the console.
        handle.status.mark_changed();
        Self {
            handle,
            asked: Vec::new(),
        }
    }

    /// The state, if it is another one than before, and answers that have come.
    pub(super) fn news(&mut self) -> Vec<Msg> {
        let mut news = Vec::new();
        if self.handle.status.has_changed().unwrap_or(false) {
            let status = Arc::clone(&self.handle.status.borrow_and_update());
            news.push(Msg::Fleet(status));
        }
        self.asked.retain_mut(|(id, answer)| match answer.try_recv() {
            Ok(answer) => {
                news.push(Msg::Answer(*id, answer.map(|()| Reply::Done)));
                false
            }
            Err(oneshot::error::TryRecvError::Empty) => true,
            Err(oneshot::error::TryRecvError::Closed) => {
                news.push(Msg::Answer(*id, Err(CommandError::Stopping)));
                false
            }
        });
        news
    }

    /// Asks; a refusal comes at once.
    pub(super) fn send(&mut self, id: u64, command: FleetCommand) -> Option<Msg> {
        match self.handle.send(command) {
            Ok(answer) => {
                self.asked.push((id, answer));
                None
            }
            Err(error) => Some(Msg::Answer(id, Err(error))),
        }
    }
}

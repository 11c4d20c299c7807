//! Requests that we have open with one peer, and what may come as an answer.
//!
//! An answer is judged when its first packet arrives: it must belong to an open request, be of the
//! type that was asked for, and be no larger than the request allowed. One to a request that was given up
//! passes by, however late it is: a line may be slower than whoever waits. But each is answered once, so of
//! those there are no more than requests were given up.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};

use crate::wire::{FrameError, MessageType, limits::REQUESTS_OPEN_MAX};

use super::{Inbound, RequestError};

/// A question whose answer goes to a queue is given up after this long.
const QUEUE_GIVES_UP: Duration = Duration::from_secs(60);

/// Who waits for an answer.
#[derive(Debug)]
pub(super) enum Waiter {
    /// A caller of [`super::Network::request`].
    Caller(oneshot::Sender<Result<Inbound, RequestError>>),
    /// Nobody by name: the answer goes to the gossip queue.
    Queue,
}

/// What an answer's first packet meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// Somebody waits for it.
    Open,
    /// Somebody waited, and does no more; not the peer's fault.
    Cancelled,
}

#[derive(Debug)]
struct Open {
    answer: MessageType,
    limit: usize,
    waiter: Waiter,
    since: Instant,
}

#[derive(Debug, Default)]
struct Table {
    last_id: u64,
    open: HashMap<u64, Open>,
    /// Requests that were given up, less the answers that came to such: as many may still come.
    owed: u64,
    closed: bool,
}

impl Table {
    /// Nobody by name gives up what the queue waits for, so it is given up here.
    fn give_up_old(&mut self, now: Instant) {
        let is_old = |open: &Open| {
            matches!(open.waiter, Waiter::Queue) && now.duration_since(open.since) > QUEUE_GIVES_UP
        };
        let old = self.open.iter().filter(|(_, open)| is_old(open));
        let old: Vec<u64> = old.map(|(id, _)| *id).collect();
        for id in old {
            self.give_up(id);
        }
    }

    fn give_up(&mut self, id: u64) -> Option<Open> {
        let open = self.open.remove(&id)?;
        self.owed += 1;
        Some(open)
    }
}

/// The table of one session.
#[derive(Debug, Default)]
pub(super) struct Requests(Mutex<Table>);

impl Requests {
    fn lock(&self) -> MutexGuard<'_, Table> {
        // Each change to the table is a single statement; a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a request; the answer must be `answer` of at most `limit` bytes.
    pub(super) fn open(
        &self,
        answer: MessageType,
        limit: usize,
        waiter: Waiter,
    ) -> Result<u64, RequestError> {
        let mut table = self.lock();
        if table.closed {
            return Err(RequestError::Disconnected);
        }
        let now = Instant::now();
        table.give_up_old(now);
        if table.open.len() >= REQUESTS_OPEN_MAX {
            return Err(RequestError::TooMany);
        }
        table.last_id += 1;
        let id = table.last_id;
        table.open.insert(
            id,
            Open {
                answer,
                limit,
                waiter,
                since: now,
            },
        );
        Ok(id)
    }

    /// Judges the first packet of an answer.
    pub(super) fn expect(
        &self,
        id: u64,
        answer: MessageType,
        announced: usize,
    ) -> Result<Expected, FrameError> {
        let mut table = self.lock();
        let unsolicited = FrameError::Unsolicited {
            type_id: answer.id(),
            request_id: id,
        };
        if let Some(open) = table.open.get(&id) {
            let declines = matches!(answer, MessageType::Busy | MessageType::NotFound);
            if open.answer != answer && !declines {
                return Err(unsolicited);
            }
            return if !declines && announced > open.limit {
                Err(FrameError::Oversize {
                    type_id: answer.id(),
                    announced,
                    limit: open.limit,
                })
            } else {
                Ok(Expected::Open)
            };
        }
        let was_made = (1..=table.last_id).contains(&id);
        if !was_made || table.owed == 0 {
            return Err(unsolicited);
        }
        table.owed -= 1;
        Ok(Expected::Cancelled)
    }

    /// Takes the waiter of an answer that is complete; `None` if it has given up meanwhile.
    pub(super) fn answered(&self, id: u64) -> Option<Waiter> {
        self.lock().open.remove(&id).map(|open| open.waiter)
    }

    /// Gives a request up; a late answer is no fault.
    pub(super) fn cancel(&self, id: u64) -> Option<Waiter> {
        self.lock().give_up(id).map(|open| open.waiter)
    }

    /// The session is over: whoever waits learns it at once.
    pub(super) fn close(&self) {
        let mut table = self.lock();
        table.closed = true;
        table.open.clear();
    }
}

//! A running node at the other end of a socket. The link is kept on its own thread; here is only
//! taken what it has brought.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::Feed;
use crate::{
    attach::{self, LinkState},
    console::{
        session::{Link, Lost},
        update::Msg,
    },
    control::{Clock, Command, CommandError, Moment},
};

/// What has been told of the link.
pub(super) struct SocketFeed {
    link: Arc<attach::Link>,
    /// Commands are refused here already.
    read_only: bool,
    told: Option<Link>,
    /// Before the first snapshot there is no clock but our own.
    own: Clock,
    last: Moment,
}

impl SocketFeed {
    pub(super) fn open(link: Arc<attach::Link>, read_only: bool) -> Self {
        Self {
            link,
            read_only,
            told: None,
            own: Clock::start(),
            last: Moment::default(),
        }
    }

    fn link(&self) -> Option<Link> {
        match self.link.state() {
            LinkState::Connecting => None,
            LinkState::Up(hello) => Some(Link::Up {
                read_only: self.read_only || !hello.takes_commands(),
                me: hello.about.me,
            }),
            LinkState::Down {
                since,
                retry_at,
                reason,
            } => Some(Link::Down(Lost {
                for_s: since.elapsed().as_secs(),
                retry_s: rounded_up(retry_at.saturating_duration_since(Instant::now())),
                reason,
            })),
        }
    }
}

/// A wait in whole seconds; never 0 while there is any.
fn rounded_up(wait: Duration) -> u64 {
    wait.as_millis().div_ceil(1_000) as u64
}

impl Feed for SocketFeed {
    fn now(&mut self) -> Moment {
        let now = self.link.now().unwrap_or_else(|| self.own.now());
        // Snapshots arrive with a jitter; time still does not go back, unless another run began.
        let went_back = self.last.mono_ms.saturating_sub(now.mono_ms);
        if went_back == 0 || went_back > 5_000 {
            self.last = now;
        }
        self.last
    }

    fn is_over(&self) -> bool {
        false
    }

    fn news(&mut self) -> Vec<Msg> {
        let mut news = Vec::new();
        let taken = self.link.take();
        if taken.fresh {
            news.push(Msg::Fresh);
        }
        let link = self.link();
        if link != self.told {
            self.told.clone_from(&link);
            news.extend(link.map(Msg::Link));
        }
        news.extend(taken.status.map(Msg::Status));
        news.extend(taken.events.map(Msg::Events));
        news.extend(taken.logs.map(Msg::Logs));
        news
    }

    fn answers(&mut self) -> Vec<Msg> {
        let answers = self.link.answers();
        answers
            .into_iter()
            .map(|(id, answer)| Msg::Answer(id, answer))
            .collect()
    }

    fn send(&mut self, id: u64, command: Command) -> Option<Msg> {
        match self.link.send(id, command) {
            true => None,
            false => Some(Msg::Answer(id, Err(CommandError::Busy))),
        }
    }
}

//! Where the console gets its snapshots and sends its commands.
//!
//! One console, whatever it looks through: a [`Source`] is opened once and becomes a [`Feed`], and
//! beyond this file nothing knows which one it is but by what [`super::session::Session`] allows.

mod local;
mod replay;
mod socket;

use std::sync::Arc;

use super::{
    replay::ReplayAct,
    session::{Session, Through},
    update::Msg,
};
use crate::{
    attach,
    control::{Caller, Command, Moment, NodeHandle},
    recorder::Recording,
};

/// What a console looks at.
#[derive(Clone)]
pub enum Source {
    /// The node in this process.
    Node(NodeHandle),
    /// A running node at the other end of a socket.
    Socket {
        /// The link to it.
        link: Arc<attach::Link>,
        /// Refuse commands here already.
        read_only: bool,
    },
    /// What a node recorded.
    Recording {
        /// The recording.
        recording: Recording,
        /// Where to begin; `None` is its end.
        at_ms: Option<u64>,
    },
}

impl Source {
    /// Begins to watch.
    pub(super) fn open(&self) -> Box<dyn Feed> {
        match self {
            Source::Node(node) => Box::new(local::LocalFeed::open(node.clone())),
            Source::Socket { link, read_only } => {
                Box::new(socket::SocketFeed::open(Arc::clone(link), *read_only))
            }
            Source::Recording { recording, at_ms } => {
                Box::new(replay::ReplayFeed::open(recording.clone(), *at_ms))
            }
        }
    }

    /// What it is called before it has said its name.
    pub(super) fn label(&self) -> String {
        match self {
            Source::Socket { link, .. } => link.path().display().to_string(),
            Source::Node(_) | Source::Recording { .. } => String::new(),
        }
    }

    /// Whether the node runs in another process.
    pub(super) fn is_elsewhere(&self) -> bool {
        !matches!(self, Source::Node(_))
    }

    /// What the console starts with.
    pub(super) fn session(&self) -> Session {
        match self {
            Source::Node(_) => Session {
                through: Through::Process,
                me: Caller::Console.word(),
                ..Session::default()
            },
            Source::Recording { .. } => Session {
                through: Through::Recording,
                ..Session::default()
            },
            Source::Socket { read_only, .. } => Session {
                through: Through::Socket,
                read_only: *read_only,
                ..Session::default()
            },
        }
    }

    /// Notes at the node in this process that its console crashed.
    pub(super) fn note_crash(&self) {
        match self {
            Source::Node(node) => node.watchers.note_crash(),
            Source::Socket { .. } | Source::Recording { .. } => {}
        }
    }
}

/// Log lines taken over in one go, so that a flood cannot hold up a frame.
const LINES_AT_ONCE: usize = 2_000;
/// Events taken over in one go.
const EVENTS_AT_ONCE: usize = 512;

/// A source under watch: remembers what has been read. Nothing in it waits.
pub(super) trait Feed {
    /// Now, by the clock of what is watched.
    fn now(&mut self) -> Moment;

    /// True once the node in this process has gone.
    fn is_over(&self) -> bool;

    /// Snapshots, events, log lines and word of the link that are new since last time.
    fn news(&mut self) -> Vec<Msg>;

    /// Answers to commands that have come.
    fn answers(&mut self) -> Vec<Msg>;

    /// Sends a command; the answer comes with a later [`Feed::answers`], a refusal at once.
    fn send(&mut self, id: u64, command: Command) -> Option<Msg>;

    /// Moves in a recording; nothing to do where there is none.
    fn replay(&mut self, _: ReplayAct) {}
}

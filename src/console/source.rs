//! Where the console gets its snapshots and sends its commands.
//!
//! One console, whatever it looks through: a [`Source`] is opened once and becomes a [`Feed`], and
//! beyond this file nothing knows which one it is but by what [`super::session::Session`] allows.

mod local;

use super::{
    session::{Session, Through},
    update::Msg,
};
use crate::control::{Caller, Command, Moment, NodeHandle};

/// What a console looks at.
#[derive(Clone)]
pub enum Source {
    /// The node in this process.
    Node(NodeHandle),
}

impl Source {
    /// Begins to watch.
    pub(super) fn open(&self) -> Box<dyn Feed> {
        match self {
            Source::Node(node) => Box::new(local::LocalFeed::open(node.clone())),
        }
    }

    /// What the console starts with.
    pub(super) fn session(&self) -> Session {
        match self {
            Source::Node(_) => Session {
                through: Through::Process,
                me: Caller::Console.word(),
                ..Session::default()
            },
        }
    }

    /// Notes at the node in this process that its console crashed.
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
}

//! What a console looks through, and what that allows: the node in this process, a running node at
//! the other end of a socket, or what a node recorded.

use super::replay::Replay;

/// What lies between the console and the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Through {
    /// Nothing: the node runs in this process, and the end of it would be the node's end.
    #[default]
    Process,
    /// A socket: whatever happens here, the node goes on.
    Socket,
    /// A recording: what it shows is over, and nothing can be changed.
    Recording,
}

/// The console's side of its source.
#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    pub(super) through: Through,
    /// Commands are refused at the other end.
    pub(super) read_only: bool,
    /// How the node names commands of this console in its events; empty until it has said so.
    pub(super) me: String,
    /// True if leaving leads back to something else, such as the list of nodes.
    pub(super) nested: bool,
    /// Set when the operator went back from where nothing was left to go back from.
    pub(super) back: bool,
    /// Where a recording is; `None` where there is none.
    pub(super) replay: Option<Replay>,
    /// Present while the link to the node is down.
    pub(super) lost: Option<Lost>,
}

impl Session {
    /// Why a command would be refused; `None` if it may be sent.
    pub(super) fn refusal(&self) -> Option<&'static str> {
        if self.through == Through::Recording {
            Some("this is a recording: nothing can be changed in it")
        } else if self.read_only {
            Some("this socket is read only; attach to the admin socket to change the node")
        } else if self.lost.is_some() {
            Some("the node is not connected; wait for it to come back")
        } else {
            None
        }
    }
}

/// A link that is down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lost {
    /// For how long, in whole seconds.
    pub(super) for_s: u64,
    /// Until the next attempt, in whole seconds; 0 while one is under way.
    pub(super) retry_s: u64,
    /// What the last attempt met.
    pub(super) reason: String,
}

/// News of the link to the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// It stands.
    Up {
        /// Commands are refused at the other end.
        read_only: bool,
        /// How the node names commands that come over it.
        me: String,
    },
    /// It is down; what is on show is the last that came.
    Down(Lost),
}

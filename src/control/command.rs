//! What people may ask of a node, and how it answers. node/operator carries commands out; nobody else does.

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::{
    crypto::{Hash256, PublicKey},
    wire::BanTarget,
};

use super::{ResyncMode, ResyncPlan};

/// A changed log filter goes back to the configured one after this long: a forgotten `trace` must not
/// fill a disk.
pub const LOG_FILTER_REVERTS_MS: u64 = 600_000;

/// An act that changes the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Stop in order.
    Stop {
        /// Why, for the log.
        reason: String,
    },
    /// Mark all alarms that are up as seen.
    AckAlarms,
    /// Change what is logged, for [`LOG_FILTER_REVERTS_MS`].
    SetLogFilter {
        /// A filter such as `info` or `info,timecoin::consensus=debug`.
        filter: String,
    },
    /// Close the session with a peer; it may come back.
    DisconnectPeer {
        /// Its network key.
        peer: PublicKey,
    },
    /// Keep a node, an address or a network out, and close its sessions.
    BanPeer {
        /// Who.
        target: BanTarget,
        /// For how long, in seconds; `None` for ever. [`Command::BAN_SECONDS`] unless somebody chose.
        seconds: Option<u64>,
        /// Why, for the list.
        reason: String,
    },
    /// Lift a ban, and whatever the program itself holds against a node.
    UnbanPeer {
        /// Who.
        target: BanTarget,
    },
    /// Lift every ban and every discouragement.
    ClearBans,
    /// Keep a connection to a peer until the next start.
    AddPeer {
        /// `host:port` or `node_id@host:port`.
        address: String,
    },
    /// Stop dialling a peer; a session with it stays.
    RemovePeer {
        /// As it was added or configured.
        address: String,
    },
    /// Say what a resync would do; changes nothing.
    PlanResync {
        /// From where.
        mode: ResyncMode,
    },
    /// Build the chain database anew beside the old one and switch to it. The caller has confirmed
    /// what [`Command::PlanResync`] told. The node starts again in the same process id.
    Resync {
        /// From where.
        mode: ResyncMode,
    },
    /// Give up a resync that has not switched yet, and go back to the old database.
    CancelResync,
    /// Put a transaction into the pool.
    SubmitTransaction {
        /// Its wire bytes, not yet decoded.
        bytes: Vec<u8>,
    },
    /// Put several transactions into the pool, each judged for itself.
    SubmitTransactions {
        /// Their wire bytes, not yet decoded.
        batch: Vec<Vec<u8>>,
    },
}

impl Command {
    /// How long a ban lasts if nobody says otherwise: a day.
    pub const BAN_SECONDS: u64 = 86_400;

    /// What it is called in the audit line of the log. Never holds bytes of a transaction.
    pub fn name(&self) -> String {
        match self {
            Command::Stop { .. } => "stop".to_owned(),
            Command::AckAlarms => "acknowledge alarms".to_owned(),
            Command::SetLogFilter { filter } => format!("set log filter to {filter}"),
            Command::DisconnectPeer { peer } => format!("disconnect {}", peer.short()),
            Command::BanPeer {
                target,
                seconds,
                reason,
            } => {
                let length = match seconds {
                    Some(seconds) => format!("for {seconds} s"),
                    None => "for ever".to_owned(),
                };
                format!("ban {target} {length}: {}", super::words::printable(reason))
            }
            Command::UnbanPeer { target } => format!("unban {target}"),
            Command::ClearBans => "lift all bans".to_owned(),
            Command::AddPeer { address } => format!("add peer {}", super::words::printable(address)),
            Command::RemovePeer { address } => format!("remove peer {}", super::words::printable(address)),
            Command::PlanResync { mode } => format!("plan resync {mode}"),
            Command::Resync { mode } => format!("resync {mode}"),
            Command::CancelResync => "cancel resync".to_owned(),
            Command::SubmitTransaction { .. } => "submit transaction".to_owned(),
            Command::SubmitTransactions { .. } => "submit transactions".to_owned(),
        }
    }

    /// Whether the log keeps a line for it: all that an operator does by hand.
    pub fn is_audited(&self) -> bool {
        !matches!(
            self,
            Command::SubmitTransaction { .. }
                | Command::SubmitTransactions { .. }
                | Command::PlanResync { .. }
        )
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Caller {
    /// The console in this process.
    Console,
    /// An HTTP client.
    Http {
        /// Its address.
        address: String,
    },
    /// A client on the admin socket.
    Socket {
        /// The user behind it.
        user: String,
    },
    /// The process itself, such as a signal handler.
    Process,
}

impl Caller {
    /// The name in the audit line.
    pub fn word(&self) -> String {
        match self {
            Caller::Console => "console".to_owned(),
            Caller::Http { address } => format!("http {address}"),
            Caller::Socket { user } => format!("socket {user}"),
            Caller::Process => "process".to_owned(),
        }
    }
}

/// What came of a command that was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Done; nothing more to say.
    Done,
    /// Done, with what follows from it.
    DoneWith {
        /// A sentence for the operator.
        consequence: String,
    },
    /// The stop has begun; [`super::StopStatus`] tells how far it is.
    Stopping,
    /// What a resync would do.
    Plan(Box<ResyncPlan>),
    /// The node stops in order and starts again by itself.
    Restarting,
    /// The transaction is in the pool.
    Accepted {
        /// Its id.
        txid: Hash256,
    },
    /// The verdicts on several transactions, in the order in which they were sent.
    Judged {
        /// The id of each that is in the pool; why not, of each that is not.
        verdicts: Vec<Result<Hash256, CommandError>>,
    },
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum CommandError {
    /// Too many commands wait.
    #[error("the node is busy; try again in a second")]
    Busy,
    /// The node is on its way out.
    #[error("the node is stopping and takes no more commands")]
    Stopping,
    /// The thing named is not there.
    #[error("{what} is not known here; look at the list and try again")]
    NotFound {
        /// What was named.
        what: String,
    },
    /// The argument cannot be used.
    #[error("{reason}")]
    Invalid {
        /// Why, ending with what to do.
        reason: String,
    },
    /// A transaction was refused.
    #[error("{reason}")]
    Refused {
        /// A stable code, such as `double_spend`.
        code: String,
        /// The sentence.
        reason: String,
    },
}

/// A command on its way to the node.
#[derive(Debug)]
pub struct CommandRequest {
    /// What to do.
    pub command: Command,
    /// Who asks.
    pub caller: Caller,
    /// Where the answer goes. A caller that went away does not stop the command.
    pub reply: oneshot::Sender<Result<Reply, CommandError>>,
}

impl CommandRequest {
    /// A request and the place where its answer will come.
    pub fn new(command: Command, caller: Caller) -> (Self, oneshot::Receiver<Result<Reply, CommandError>>) {
        let (reply, answer) = oneshot::channel();
        (
            Self {
                command,
                caller,
                reply,
            },
            answer,
        )
    }
}

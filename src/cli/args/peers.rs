//! Arguments of `timed peers`.

use clap::{Args, Subcommand};

use super::{place::Question, units::ban_length};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum PeersCommand {
    /// Show who is connected.
    List {
        #[command(flatten)]
        question: Question,
    },
    /// Keep a connection to a peer until the next start.
    Add {
        #[command(flatten)]
        question: Question,
        /// host:port, or node_id@host:port to accept only that node.
        address: String,
    },
    /// Stop dialling a peer until the next start; a session with it stays.
    Remove {
        #[command(flatten)]
        question: Question,
        /// As it was added or configured.
        address: String,
    },
    /// Close the session with a peer; it may come back.
    Disconnect {
        #[command(flatten)]
        question: Question,
        /// Name, node id, or its first digits.
        peer: String,
    },
    /// Keep a node, an address or a network out, and close its sessions.
    Ban(BanArguments),
    /// Lift a ban, and whatever the node itself holds against a peer.
    Unban {
        #[command(flatten)]
        question: Question,
        /// Node id, address or network, as `timed peers bans` shows it.
        target: String,
    },
    /// Show who is kept out, why, by whom and for how long.
    Bans {
        #[command(flatten)]
        question: Question,
    },
    /// Lift every ban and every discouragement.
    ClearBans {
        #[command(flatten)]
        question: Question,
        /// Yes, all of them.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub(in crate::cli) struct BanArguments {
    #[command(flatten)]
    pub(in crate::cli) question: Question,
    /// Node id, address (203.0.113.7), network (203.0.113.0/24, 2001:db8::/32), or the name of a connected peer.
    pub(in crate::cli) target: String,
    /// For how long, e.g. 30m, 24h, 7d, or `ever`.
    #[arg(long = "for", value_name = "TIME", default_value = "24h", value_parser = ban_length)]
    pub(in crate::cli) length: u64,
    /// Why, for the list.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(in crate::cli) reason: String,
    /// Also if finality halts by it.
    #[arg(long)]
    pub(in crate::cli) yes: bool,
}

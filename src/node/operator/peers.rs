//! Commands about peers: who is dialled, who is closed, who is kept out.
//!
//! Bans end on the disk before they are answered, so they are carried out on a thread that may block;
//! they are in force, and sessions closed, before the disk is touched.

use crate::{
    control::{Caller, Command, CommandError, Reply, Status, ban_consequence, words::printable},
    crypto::NodeId,
    network::{BanError, Network, PeerAddress, Unbanned},
    wire::{Ban, BanSource, BanTarget},
};

/// What commands need of the network.
pub(in crate::node) trait PeerControl: Send + Sync {
    /// Closes the session with a node; false if there is none.
    fn disconnect(&self, peer: &NodeId) -> bool;

    /// Keeps a connection to an address; false if it is dialled already or too many are.
    fn dial(&self, peer: PeerAddress) -> bool;

    /// Stops dialling; false if it was not dialled.
    fn undial(&self, peer: &PeerAddress) -> bool;

    /// Our own network key.
    fn own_id(&self) -> NodeId;

    /// Bans, closes, saves. Blocks.
    fn ban(&self, ban: Ban) -> Result<usize, BanError>;

    /// Lifts one ban. Blocks.
    fn unban(&self, target: &BanTarget) -> Result<Unbanned, BanError>;

    /// Lifts all. Blocks.
    fn clear_bans(&self) -> Result<usize, BanError>;
}

impl PeerControl for Network {
    fn disconnect(&self, peer: &NodeId) -> bool {
        Network::disconnect(self, peer)
    }

    fn dial(&self, peer: PeerAddress) -> bool {
        Network::dial(self, peer)
    }

    fn undial(&self, peer: &PeerAddress) -> bool {
        Network::undial(self, peer)
    }

    fn own_id(&self) -> NodeId {
        self.node_id()
    }

    fn ban(&self, ban: Ban) -> Result<usize, BanError> {
        Network::ban(self, ban)
    }

    fn unban(&self, target: &BanTarget) -> Result<Unbanned, BanError> {
        Network::unban(self, target)
    }

    fn clear_bans(&self) -> Result<usize, BanError> {
        Network::clear_bans(self)
    }
}

/// Whether a command writes the list of bans, and so may wait for the disk.
pub(super) fn writes_bans(command: &Command) -> bool {
    matches!(
        command,
        Command::BanPeer { .. } | Command::UnbanPeer { .. } | Command::ClearBans
    )
}

/// Carries out a command that changes the list of bans. Blocks.
pub(super) fn on_bans(
    peers: &dyn PeerControl,
    command: Command,
    caller: &Caller,
    status: &Status,
    now_ms: u64,
) -> Result<Reply, CommandError> {
    match command {
        Command::BanPeer {
            target,
            seconds,
            reason,
        } => {
            if target == BanTarget::Node(peers.own_id()) {
                return Err(CommandError::Invalid {
                    reason: "that is this node itself; name another one".to_owned(),
                });
            }
            // As it stands before the sessions are closed.
            let consequence = ban_consequence(status, &target).sentence();
            peers.ban(Ban {
                target,
                source: BanSource::Operator,
                by: caller.word(),
                reason: match printable(&reason).trim() {
                    "" => "no reason given".to_owned(),
                    given => given.to_owned(),
                },
                evidence: String::new(),
                at_ms: now_ms,
                until_ms: seconds.map(|seconds| now_ms.saturating_add(seconds.saturating_mul(1_000))),
                times: 1,
            })?;
            Ok(Reply::DoneWith { consequence })
        }
        Command::UnbanPeer { target } => {
            let unbanned = peers.unban(&target)?;
            let others = unbanned.lifted.iter().filter(|ban| ban.target != target).count();
            let also = match others {
                0 => String::new(),
                1 => "; a node that was discouraged there may connect too".to_owned(),
                some => format!("; {some} nodes that were discouraged there may connect too"),
            };
            match (unbanned.lifted.is_empty() && !unbanned.forgiven, unbanned.still) {
                (_, Some(wider)) => Ok(Reply::DoneWith {
                    consequence: format!("still kept out by the ban of {}{also}", wider.target),
                }),
                (false, None) => Ok(Reply::DoneWith {
                    consequence: format!("it may connect from now on{also}"),
                }),
                (true, None) => Err(CommandError::NotFound {
                    what: format!("a ban of {target}"),
                }),
            }
        }
        Command::ClearBans => {
            let count = peers.clear_bans()?;
            Ok(Reply::DoneWith {
                consequence: format!("{count} lifted"),
            })
        }
        other => Err(CommandError::Invalid {
            reason: format!("{} does not concern bans; please report this", other.name()),
        }),
    }
}

impl From<BanError> for CommandError {
    fn from(error: BanError) -> Self {
        Self::Invalid {
            reason: error.to_string(),
        }
    }
}

/// Dials from now on.
pub(super) fn add(peers: &dyn PeerControl, address: &str) -> Result<Reply, CommandError> {
    let peer = parse(address)?;
    match peers.dial(peer) {
        true => Ok(Reply::DoneWith {
            consequence: "dialled from now on until the next start; to keep it, add it to network.peers"
                .to_owned(),
        }),
        false => Err(CommandError::Invalid {
            reason: "it is dialled already, or as many peers are as may be; look at `timed peers list`"
                .to_owned(),
        }),
    }
}

/// Dials no more.
pub(super) fn remove(peers: &dyn PeerControl, address: &str) -> Result<Reply, CommandError> {
    let peer = parse(address)?;
    match peers.undial(&peer) {
        true => Ok(Reply::DoneWith {
            consequence: "no longer dialled until the next start; a session with it stays".to_owned(),
        }),
        false => Err(CommandError::NotFound {
            what: format!("a dialled peer {peer}"),
        }),
    }
}

fn parse(address: &str) -> Result<PeerAddress, CommandError> {
    address.parse().map_err(
        |error: crate::network::ParsePeerAddressError| CommandError::Invalid {
            reason: error.to_string(),
        },
    )
}

//! What can go wrong with a devnet, each with what to do now.

use std::{io, path::PathBuf};

use crate::{chain::GenesisError, rpc::client::ClientError, signer::SignerError, storage::wal::WalError};

/// Why a devnet cannot be made, run or loaded.
#[derive(Debug, thiserror::Error)]
pub enum DevnetError {
    /// A file or directory cannot be read or written.
    #[error("{path}: {source}; check that you may write there, or choose another --dir", path = .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A key file cannot be made or read.
    #[error(transparent)]
    Key(#[from] SignerError),
    /// A consensus log cannot be made.
    #[error(transparent)]
    Log(#[from] WalError),
    /// The genesis file of an existing devnet is damaged, or a new one would be.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// The directory has files, and they are no devnet's.
    #[error("{dir} is not empty and holds no devnet; choose another --dir, or empty it", dir = .dir.display())]
    NotEmpty {
        /// The directory.
        dir: PathBuf,
    },
    /// The directory holds a devnet, but not the one that was asked for.
    #[error(
        "{dir} holds a devnet of {nodes_found} nodes from port {port_found}, not of {nodes} nodes from port {port}; ask for that one, or choose another --dir",
        dir = .dir.display()
    )]
    OtherDevnet {
        /// The directory.
        dir: PathBuf,
        /// How many nodes it has.
        nodes_found: u16,
        /// Its first port.
        port_found: u16,
        /// How many were asked for.
        nodes: u16,
        /// The first port that was asked for.
        port: u16,
    },
    /// A file of an existing devnet does not say what is needed of it.
    #[error("{path} is not a devnet node's: {reason}; restore it, or choose another --dir", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// Faults need a line between any two nodes, and there are not that many.
    #[error("{nodes} nodes: faults are for at most {max}; lower --nodes, or leave --faults out")]
    TooManyForFaults {
        /// How many nodes were asked for.
        nodes: u16,
        /// The most.
        max: u16,
    },
    /// Too few or too many nodes.
    #[error("{nodes} nodes: a devnet has 1 to {max}; correct --nodes")]
    NodeCount {
        /// What was asked for.
        nodes: u16,
        /// The most there may be.
        max: u16,
    },
    /// Another program listens where a node would.
    #[error("127.0.0.1:{port} is in use by another program; choose another --base-port, or leave it out")]
    PortInUse {
        /// The port.
        port: u16,
    },
    /// No stretch of ports is free.
    #[error(
        "no {count} free ports in a row between {from} and {to}; stop some programs, or give --base-port"
    )]
    NoPorts {
        /// How many are needed.
        count: u16,
        /// First port looked at.
        from: u16,
        /// Last port looked at.
        to: u16,
    },
    /// The program of a node cannot be started.
    #[error("{name} cannot be started: {source}; check the limits of the user (`ulimit -u`)")]
    Spawn {
        /// The node.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// A node ended though nobody asked it to.
    #[error("{name} ended with {status}; its last lines in {log}:\n{tail}", log = .log.display())]
    Exited {
        /// The node.
        name: String,
        /// Exit code or signal, in words.
        status: String,
        /// Where it wrote.
        log: PathBuf,
        /// The end of that file.
        tail: String,
    },
    /// A node does not answer.
    #[error("{name} does not answer after {seconds} s; look into {log}", log = .log.display())]
    NotReady {
        /// The node.
        name: String,
        /// How long it was waited for.
        seconds: u64,
        /// Where it writes.
        log: PathBuf,
    },
    /// A node cannot be asked.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The wallet has nothing to send with.
    #[error("{address} owns nothing that can be spent; fund it, or take a wallet of `timed devnet files`")]
    NoCoins {
        /// The address.
        address: String,
    },
    /// A wallet is another network's.
    #[error("{path} is for {found}, the node is on {expected}; take a wallet of that network", path = .path.display())]
    WalletNetwork {
        /// The wallet file.
        path: PathBuf,
        /// What it says.
        found: String,
        /// The network of the node.
        expected: String,
    },
    /// The wallet's coins cannot be split into enough pieces.
    #[error("the wallet's coins could not be split for the load: {reason}")]
    Prepare {
        /// What happened.
        reason: String,
    },
}

/// Names the path in an error of the file system.
pub(super) fn io_error(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> DevnetError {
    let path = path.into();
    move |source| DevnetError::Io { path, source }
}

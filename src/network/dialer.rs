//! Keeps a connection to one configured peer: dials, waits while there is a session, dials again.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{net::TcpStream, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    crypto::NodeId,
    wire::{Refusal, Role},
};

use super::{
    HandshakeError, PeerAddress, backoff::Backoff, connect::connect, core::Core, handshake::unix_ms,
    session::Session, socket,
};

/// Looking up a name and connecting may take this long.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Addresses tried for one name.
const ADDRESSES_MAX: usize = 4;

/// What others hold of a dialler: its end, and whom it found.
#[derive(Clone, Default)]
pub(super) struct Dialled {
    pub(super) removed: CancellationToken,
    answered: Arc<Mutex<Option<NodeId>>>,
}

impl Dialled {
    /// Who answered at the address last, also if the session with them is another one.
    pub(super) fn answered(&self) -> Option<NodeId> {
        *self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs until the network stops, the peer is removed, or the address turns out to be our own.
pub(super) async fn dial(core: Arc<Core>, peer: PeerAddress, dialled: Dialled) {
    let mut dialer = Dialer {
        known: peer.expected,
        last_address: None,
        core,
        peer,
        answered: dialled.answered,
    };
    tokio::select! {
        () = dialer.core.stopping.clone().cancelled_owned() => {}
        () = dialled.removed.cancelled() => {}
        () = dialer.run() => {}
    }
}

struct Dialer {
    core: Arc<Core>,
    peer: PeerAddress,
    /// Who answered there last.
    known: Option<NodeId>,
    last_address: Option<SocketAddr>,
    answered: Arc<Mutex<Option<NodeId>>>,
}

impl Dialer {
    async fn run(&mut self) {
        let mut failures_logged = false;
        let mut backoff = Backoff::new(is_loopback(&self.peer.host));
        loop {
            if let Some(session) = self.live_session() {
                failures_logged = false;
                session.closing.cancelled().await;
                backoff.session_ended(session.since.elapsed());
            } else {
                match self.attempt().await {
                    Ok(session) => {
                        self.found(session.node_id());
                        continue;
                    }
                    Err(HandshakeError::Refused(Refusal::Ourselves)) => {
                        tracing::info!(peer = %self.peer, "Configured peer is this node itself; not dialled again");
                        return;
                    }
                    Err(HandshakeError::Duplicate(node_id)) => self.found(node_id),
                    Err(HandshakeError::Refused(refusal)) if !failures_logged => {
                        // The operator wrote this address, so what is wrong with it is theirs to see.
                        failures_logged = true;
                        tracing::warn!(peer = %self.peer, reason = %refusal, "Configured peer refused");
                    }
                    Err(error) => tracing::debug!(peer = %self.peer, %error, "Peer not reached"),
                }
            }
            tokio::time::sleep(backoff.next_wait(self.core.random())).await;
        }
    }

    fn found(&mut self, node_id: NodeId) {
        self.known = Some(node_id);
        *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = Some(node_id);
    }

    /// The session that makes dialling needless: with the node that answers at this address, or one
    /// that came to us and says that it listens here.
    fn live_session(&self) -> Option<Arc<Session>> {
        if let Some(known) = &self.known
            && let Some(session) = self.core.session(known)
        {
            return Some(session);
        }
        let here = self.last_address.or_else(|| self.literal_address())?;
        let unknown_or = |id: NodeId| self.known.is_none_or(|known| known == id);
        self.core
            .all_sessions()
            .into_iter()
            .find(|session| session.listen_address() == Some(here) && unknown_or(session.node_id()))
    }

    fn literal_address(&self) -> Option<SocketAddr> {
        self.peer
            .host
            .parse()
            .ok()
            .map(|ip| SocketAddr::new(ip, self.peer.port))
    }

    async fn attempt(&mut self) -> Result<Arc<Session>, HandshakeError> {
        self.core.around.metrics.p2p.dials.inc();
        let connecting = self.look_up_and_open();
        let (stream, address) = timeout(CONNECT_TIMEOUT, connecting)
            .await
            .unwrap_or(Err(HandshakeError::Timeout(CONNECT_TIMEOUT)))?;
        self.last_address = Some(address);
        if self.core.bans.of_address(address.ip(), unix_ms()).is_some() {
            return Err(HandshakeError::Banned);
        }
        socket::tune(&stream);
        let session = connect(&self.core, stream, address, Role::Dialer, self.peer.expected, ()).await?;
        let is_masternode = self.core.is_masternode(&session);
        self.core
            .discovery
            .answered(address, session.node_id(), is_masternode);
        Ok(session)
    }

    async fn look_up_and_open(&self) -> Result<(TcpStream, SocketAddr), HandshakeError> {
        let mut last = HandshakeError::Io(std::io::ErrorKind::NotFound.into());
        let found = tokio::net::lookup_host((self.peer.host.as_str(), self.peer.port)).await?;
        for address in found.take(ADDRESSES_MAX) {
            match open(address).await {
                Ok(stream) => return Ok((stream, address)),
                Err(error @ HandshakeError::Refused(_)) => return Err(error),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// Connects to one address.
pub(super) async fn open(address: SocketAddr) -> Result<TcpStream, HandshakeError> {
    let stream = TcpStream::connect(address).await?;
    if stream.local_addr().ok() == Some(address) {
        // A port of the ephemeral range can be connected to itself.
        return Err(Refusal::Ourselves.into());
    }
    Ok(stream)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

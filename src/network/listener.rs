//! Accepts connections, within limits that hold before any cryptography is done.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use dashmap::DashMap;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};

use crate::{metrics::labels::HandshakeResult, wire::Role};

use super::{NetworkError, connect::connect, core::Core, socket};

/// Incoming handshakes at one time; each may cost a key exchange and a few signatures. Beyond it,
/// connections are closed before a byte is read.
pub const HANDSHAKES_MAX: usize = 128;
/// After the system refused a socket (too many open files), wait this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections by address of origin. Holds only addresses with a connection, hence bounded by the
/// connections themselves.
type Origins = Arc<DashMap<IpAddr, usize>>;

/// One connection's place in the count of its address; gives it back when dropped.
struct Slot {
    ip: IpAddr,
    origins: Origins,
}

impl Slot {
    fn take(origins: &Origins, ip: IpAddr, max: usize) -> Option<Self> {
        let mut count = origins.entry(ip).or_insert(0);
        if *count >= max && !ip.is_loopback() {
            return None;
        }
        *count += 1;
        drop(count);
        Some(Self {
            ip,
            origins: Arc::clone(origins),
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.origins.alter(&self.ip, |_, count| count.saturating_sub(1));
        self.origins.remove_if(&self.ip, |_, count| *count == 0);
    }
}

/// Binds the listening socket.
pub(super) async fn bind(address: SocketAddr) -> Result<TcpListener, NetworkError> {
    TcpListener::bind(address).await.map_err(|source| {
        if source.kind() == std::io::ErrorKind::AddrInUse {
            NetworkError::AddressInUse { address }
        } else {
            NetworkError::Listen { address, source }
        }
    })
}

/// Accepts until the network stops.
pub(super) async fn listen(core: Arc<Core>, listener: TcpListener) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    let origins = Origins::default();
    loop {
        let accepted = tokio::select! {
            biased;
            () = core.stopping.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => accept(&core, &handshakes, &origins, stream, address),
            Err(error) => {
                tracing::debug!(%error, "Connection not accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    tracing::info!(address = %core.listening, "Network listener shutting down");
}

fn accept(
    core: &Arc<Core>,
    handshakes: &Arc<Semaphore>,
    origins: &Origins,
    stream: TcpStream,
    address: SocketAddr,
) {
    // An IPv4 peer on an IPv6 socket is the IPv4 peer.
    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
    let refused = || core.around.metrics.p2p.handshakes.inc(HandshakeResult::Refused);
    let Ok(permit) = Arc::clone(handshakes).try_acquire_owned() else {
        return refused();
    };
    let Some(slot) = Slot::take(origins, address.ip(), core.config.per_ip_max) else {
        return refused();
    };
    socket::tune(&stream);
    core.spawn(
        "handshake",
        incoming(Arc::clone(core), stream, address, slot, permit),
    );
}

async fn incoming(
    core: Arc<Core>,
    stream: TcpStream,
    address: SocketAddr,
    slot: Slot,
    _permit: OwnedSemaphorePermit,
) {
    // Counted and logged where it is refused.
    let _ = connect(&core, stream, address, Role::Listener, None, slot).await;
}

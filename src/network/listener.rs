//! Accepts connections, within limits that hold before any cryptography is done.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{metrics::labels::HandshakeResult, wire::Role};

use super::{
    NetworkError,
    connect::connect,
    core::Core,
    handshake::unix_ms,
    origins::{Origins, Slot},
    socket,
};

/// Incoming handshakes at one time; each may cost a key exchange and a few signatures. Beyond it,
/// the oldest is closed for the newest: an honest handshake takes milliseconds and is seldom the
/// oldest, one that stalls on purpose soon is.
pub const HANDSHAKES_MAX: usize = 128;
/// After the system refused a socket (too many open files), wait this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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
    let mut handshakes = Handshakes::default();
    let origins = Arc::new(Mutex::new(Origins::default()));
    loop {
        let accepted = tokio::select! {
            biased;
            () = core.stopping.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => accept(&core, &mut handshakes, &origins, stream, address),
            Err(error) => {
                tracing::debug!(%error, "Connection not accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    tracing::info!(address = %core.listening, "Network listener shutting down");
}

/// Handshakes under way, oldest first.
#[derive(Default)]
struct Handshakes(VecDeque<CancellationToken>);

impl Handshakes {
    /// A place for one more, if necessary that of the oldest. The handshake cancels the token when
    /// it ends, or ends when somebody else does.
    fn enter(&mut self) -> CancellationToken {
        while self.0.front().is_some_and(CancellationToken::is_cancelled) {
            self.0.pop_front();
        }
        if self.0.len() >= HANDSHAKES_MAX {
            self.0.retain(|under_way| !under_way.is_cancelled());
        }
        if self.0.len() >= HANDSHAKES_MAX
            && let Some(oldest) = self.0.pop_front()
        {
            oldest.cancel();
        }
        let token = CancellationToken::new();
        self.0.push_back(token.clone());
        token
    }
}

fn accept(
    core: &Arc<Core>,
    handshakes: &mut Handshakes,
    origins: &Arc<Mutex<Origins>>,
    stream: TcpStream,
    address: SocketAddr,
) {
    // An IPv4 peer on an IPv6 socket is the IPv4 peer.
    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
    if core.bans.of_address(address.ip(), unix_ms()).is_some() {
        return core.around.metrics.p2p.handshakes.inc(HandshakeResult::Refused);
    }
    let Some(slot) = Slot::take(origins, address.ip(), core.config.per_ip_max, Instant::now()) else {
        return core.around.metrics.p2p.handshakes.inc(HandshakeResult::Refused);
    };
    socket::tune(&stream);
    let place = handshakes.enter();
    let core_for_task = Arc::clone(core);
    core.spawn("handshake", async move {
        let core = core_for_task;
        let ended = place.clone().drop_guard();
        tokio::select! {
            biased;
            // Counted and logged where it is refused.
            _ = connect(&core, stream, address, Role::Listener, None, slot) => {}
            () = place.cancelled() => core.around.metrics.p2p.handshakes.inc(HandshakeResult::Refused),
        }
        drop(ended);
    });
}

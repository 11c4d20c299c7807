//! Laws of the network, over in-memory pipes and loopback.

mod bans;
mod bombs;
mod discovery;
mod dos;
mod handshake;
mod hostile;
mod live;
mod load;
mod parts;
mod reachability;
mod rows;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::{
    io::DuplexStream,
    sync::mpsc::Receiver,
    time::{sleep, timeout},
};
use tokio_util::task::TaskTracker;

use crate::{
    crypto::{Hash256, NodeId, PublicKey, SecretKey},
    metrics::Metrics,
    wire::{ChainIdentity, LocalTip, MasternodeProof, Message, ProofRequest, Role},
};

use super::{
    HandshakeError, Inboxes, Network, NetworkConfig, PeerEvent, Spawner, Surroundings, Task,
    connect::connect, core::Core, queues, session::Session, tls::TlsIdentity,
};

/// Nothing here should take longer than this; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Default)]
struct TestSpawner(TaskTracker);

impl Spawner for TestSpawner {
    fn spawn(&self, _: &'static str, task: Task) {
        self.0.spawn(task);
    }
}

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn id(seed: u8) -> NodeId {
    key(seed).public_key()
}

fn chain() -> ChainIdentity {
    ChainIdentity {
        chain_id: 3,
        genesis_hash: Hash256::from_bytes([0xab; 32]),
    }
}

fn around(seed: u8) -> Surroundings {
    Surroundings {
        node_key: key(seed),
        chain: chain(),
        tip: Arc::new(ArcSwap::from_pointee(LocalTip {
            height: u64::from(seed),
            ..LocalTip::default()
        })),
        prove: Arc::new(|_| None),
        is_member: Arc::new(|_| false),
        metrics: Metrics::new("test"),
        spawner: Arc::new(TestSpawner::default()),
    }
}

/// Surroundings of a masternode whose consensus key is seeded with `seed + 100`.
fn masternode(seed: u8) -> Surroundings {
    Surroundings {
        prove: Arc::new(move |request: &ProofRequest| {
            let consensus = key(seed + 100);
            Some(MasternodeProof {
                key: consensus.public_key(),
                signature: consensus.sign(&request.signing_bytes()),
            })
        }),
        is_member: Arc::new(|_: &PublicKey| true),
        ..around(seed)
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn config(listen: SocketAddr, peers: &[SocketAddr]) -> NetworkConfig {
    NetworkConfig {
        peers: peers
            .iter()
            .map(|peer| peer.to_string().parse().unwrap())
            .collect(),
        discovery: false,
        ..NetworkConfig::new(listen)
    }
}

/// A core without sockets: connections are handed to it.
fn core(around: Surroundings) -> (Arc<Core>, Inboxes) {
    core_with(around, config(loopback(24_200), &[]))
}

/// One that takes any amount of any message.
fn unlimited(around: Surroundings) -> (Arc<Core>, Inboxes) {
    let config = NetworkConfig {
        rate_limits: false,
        ..config(loopback(24_200), &[])
    };
    core_with(around, config)
}

fn core_with(around: Surroundings, config: NetworkConfig) -> (Arc<Core>, Inboxes) {
    let seed = u64::from(around.node_key.public_key().as_bytes()[0]);
    core_of_run(around, config, seed)
}

/// One whose run of the program has that nonce.
fn core_of_run(around: Surroundings, config: NetworkConfig, seed: u64) -> (Arc<Core>, Inboxes) {
    let (outboxes, inboxes) = queues();
    let tls = TlsIdentity::new(&around.node_key).unwrap();
    let listen = loopback(24_200);
    (
        Arc::new(Core::new(config, around, tls, outboxes, listen, seed, [7; 32])),
        inboxes,
    )
}

/// A network on any free port.
async fn network(around: Surroundings, peers: &[SocketAddr]) -> (Network, Inboxes) {
    network_at(around, loopback(0), peers).await
}

async fn network_at(around: Surroundings, listen: SocketAddr, peers: &[SocketAddr]) -> (Network, Inboxes) {
    let (outboxes, inboxes) = queues();
    (
        Network::start(config(listen, peers), around, outboxes)
            .await
            .unwrap(),
        inboxes,
    )
}

type Joined = (
    Result<Arc<Session>, HandshakeError>,
    Result<Arc<Session>, HandshakeError>,
);

/// Connects two cores: the first dials.
async fn join(dialer: &Arc<Core>, listener: &Arc<Core>, ends: (DuplexStream, DuplexStream)) -> Joined {
    tokio::join!(
        connect(dialer, ends.0, loopback(1), Role::Dialer, None, ()),
        connect(listener, ends.1, loopback(2), Role::Listener, None, ()),
    )
}

fn pipe() -> (DuplexStream, DuplexStream) {
    tokio::io::duplex(64 * 1024)
}

async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let waited = timeout(PATIENCE, async {
        while !holds() {
            sleep(Duration::from_millis(2)).await;
        }
    });
    assert!(waited.await.is_ok(), "never came true: {what}");
}

async fn next<T>(queue: &mut Receiver<T>) -> T {
    timeout(PATIENCE, queue.recv())
        .await
        .expect("nothing came")
        .expect("queue closed")
}

async fn next_down(inboxes: &mut Inboxes) -> super::CloseReason {
    loop {
        if let PeerEvent::Down { reason, .. } = next(&mut inboxes.peers).await {
            return reason;
        }
    }
}

fn tx_inv(count: u8) -> Message {
    use crate::wire::{BoundedVec, TxInv};
    let txids = (0..count).map(wire_txid).collect();
    Message::TxInv(TxInv {
        txids: BoundedVec::truncated(txids),
    })
}

/// A transaction id, by the bytes that decode to it: this room does not know the ledger.
fn wire_txid<T: bincode::Decode<()>>(byte: u8) -> T {
    crate::wire::codec::decode::<T, 1024>(&[byte; 32]).unwrap()
}

/// Collects the messages of log lines.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

//! One session with one peer: what its reader, its writer and the rest of the node share.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    crypto::{NodeId, PublicKey},
    wire::{Direction, Goodbye, Hello, Message, Outgoing, PeerInfo, Role, Share, capability},
};

use super::{
    CloseReason, SendError,
    outbox::Outbox,
    queues::Places,
    quota::Quotas,
    requests::{Requests, Waiter},
    rtt::KeepAlive,
};

/// Bytes and messages of one session.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) rx_bytes: AtomicU64,
    pub(super) tx_bytes: AtomicU64,
    pub(super) rx_messages: AtomicU64,
    pub(super) tx_messages: AtomicU64,
}

/// What was agreed in the handshake.
#[derive(Debug, Clone)]
pub(super) struct Agreed {
    pub(super) peer_id: NodeId,
    pub(super) our_role: Role,
    pub(super) version: u16,
    pub(super) hello: Hello,
    pub(super) validator: Option<PublicKey>,
    pub(super) clock_skew_ms: i64,
}

/// One session. Tasks hold it in an `Arc`; it ends when its token is cancelled.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) generation: u64,
    pub(super) address: SocketAddr,
    pub(super) agreed: Agreed,
    /// The node that dialled.
    pub(super) dialer: NodeId,
    pub(super) since: Instant,
    compresses: bool,
    pub(super) outbox: Outbox,
    pub(super) requests: Requests,
    pub(super) traffic: Traffic,
    /// Its part of the memory for half-received and queued messages.
    pub(super) held: Share,
    /// Its requests that wait to be served.
    pub(super) waiting: Places,
    pub(super) closing: CancellationToken,
    height: AtomicU64,
    clock_skew_ms: AtomicI64,
    keep_alive: Mutex<KeepAlive>,
    quotas: Arc<Mutex<Quotas>>,
    close_reason: OnceLock<CloseReason>,
}

impl Session {
    pub(super) fn new(
        agreed: Agreed,
        generation: u64,
        address: SocketAddr,
        our_id: NodeId,
        quotas: Arc<Mutex<Quotas>>,
        our_capabilities: u64,
    ) -> Self {
        let compresses = our_capabilities & agreed.hello.capabilities & capability::COMPRESSION != 0;
        let dialer = match agreed.our_role {
            Role::Dialer => our_id,
            Role::Listener => agreed.peer_id,
        };
        Self {
            generation,
            address,
            dialer,
            since: Instant::now(),
            compresses,
            outbox: Outbox::default(),
            requests: Requests::default(),
            traffic: Traffic::default(),
            held: Share::default(),
            waiting: Places::default(),
            closing: CancellationToken::new(),
            height: AtomicU64::new(agreed.hello.height),
            clock_skew_ms: AtomicI64::new(agreed.clock_skew_ms),
            keep_alive: Mutex::default(),
            quotas,
            close_reason: OnceLock::new(),
            agreed,
        }
    }

    pub(super) fn node_id(&self) -> NodeId {
        self.agreed.peer_id
    }

    pub(super) fn direction(&self) -> Direction {
        match self.agreed.our_role {
            Role::Dialer => Direction::Outbound,
            Role::Listener => Direction::Inbound,
        }
    }

    pub(super) fn ip(&self) -> IpAddr {
        self.address.ip()
    }

    /// Where the peer says it listens.
    pub(super) fn listen_address(&self) -> Option<SocketAddr> {
        match self.agreed.hello.listen_port {
            0 => None,
            port => Some(SocketAddr::new(self.ip(), port)),
        }
    }

    pub(super) fn keep_alive(&self) -> MutexGuard<'_, KeepAlive> {
        // Plain figures; a panic elsewhere does not spoil them.
        self.keep_alive.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn quotas(&self) -> MutexGuard<'_, Quotas> {
        self.quotas.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a height that the peer told. It may go down: a resync does.
    pub(super) fn tell_height(&self, height: u64) {
        self.height.store(height, Ordering::Relaxed);
    }

    /// Notes what the peer's clock showed when it wrote, which was half a round trip ago.
    pub(super) fn tell_clock(&self, theirs_ms: u64, ours_ms: u64) {
        let way_ms = self.keep_alive().rtt_min_us.unwrap_or(0) / 2_000;
        let theirs_now_ms = theirs_ms.saturating_add(way_ms);
        let skew_ms = theirs_now_ms.cast_signed().wrapping_sub(ours_ms.cast_signed());
        self.clock_skew_ms.store(skew_ms, Ordering::Relaxed);
    }

    /// Notes a height that the peer must have, by what it says at all.
    pub(super) fn raise_height(&self, height: u64) {
        self.height.fetch_max(height, Ordering::Relaxed);
    }

    /// Queues an encoded message. A full control or consensus lane ends the session: whoever lets
    /// votes pile up does not read. An answer that finds it full is not given.
    pub(super) fn queue(&self, message: Outgoing) -> Result<(), SendError> {
        use crate::wire::Lane;
        if self.closing.is_cancelled() {
            return Err(SendError::NotConnected(self.node_id()));
        }
        let is_answer = message.request_id() != 0;
        self.outbox.push(message).map_err(|full| {
            if !is_answer && matches!(full.0, Lane::Control | Lane::Consensus) {
                self.close(CloseReason::SlowReader);
            }
            SendError::QueueFull(full.0)
        })
    }

    /// Whether both ends understand compressed messages.
    pub(super) fn compresses(&self) -> bool {
        self.compresses
    }

    /// Encodes and queues a message.
    pub(super) fn send(&self, message: &Message, request_id: u64) -> Result<(), SendError> {
        self.queue(message.encode(request_id)?)
    }

    /// Opens a request and queues it.
    pub(super) fn ask(&self, message: &Message, waiter: Waiter) -> Result<u64, super::RequestError> {
        let answer = message.answer().ok_or(super::RequestError::NotARequest)?;
        let id = self.requests.open(answer, message.answer_limit(), waiter)?;
        if let Err(error) = self.send(message, id) {
            self.requests.answered(id);
            return Err(error.into());
        }
        Ok(id)
    }

    /// Ends the session; the first reason given is the one that stands.
    pub(super) fn close(&self, reason: CloseReason) {
        if self.close_reason.set(reason.clone()).is_err() {
            return;
        }
        self.outbox.keep_control_only();
        if let Some(code) = reason.goodbye() {
            let goodbye = Message::Goodbye(Goodbye {
                code,
                retry_after_s: 0,
            });
            if let Ok(bytes) = goodbye.encode(0) {
                // Best effort: a full control lane means that nobody reads it anyway.
                let _ = self.outbox.push(bytes);
            }
        }
        self.closing.cancel();
    }

    /// Why the session ended, or will.
    pub(super) fn close_reason(&self) -> CloseReason {
        self.close_reason.get().cloned().unwrap_or(CloseReason::Closed)
    }

    /// The facts of this moment.
    pub(super) fn info(&self) -> PeerInfo {
        let keep_alive = self.keep_alive().clone();
        let hello = &self.agreed.hello;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PeerInfo {
            node_id: self.node_id(),
            generation: self.generation,
            address: self.address,
            listen_address: self.listen_address(),
            direction: self.direction(),
            validator: self.agreed.validator,
            version: self.agreed.version,
            user_agent: hello.user_agent.clone(),
            capabilities: hello.capabilities,
            height: count(&self.height),
            tip_hash: hello.tip_hash,
            finalized_height: hello.finalized_height,
            pruned_below: hello.pruned_below,
            clock_skew_ms: self.clock_skew_ms.load(Ordering::Relaxed),
            connected_ms: u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX),
            rtt_us: keep_alive.rtt_us,
            rtt_min_us: keep_alive.rtt_min_us,
            jitter_us: keep_alive.jitter_us,
            missed_pings: keep_alive.missed,
            rx_bytes: count(&self.traffic.rx_bytes),
            tx_bytes: count(&self.traffic.tx_bytes),
            rx_messages: count(&self.traffic.rx_messages),
            tx_messages: count(&self.traffic.tx_messages),
            queued_bytes: self.outbox.queued_bytes() as u64,
            score: 0,
        }
    }
}

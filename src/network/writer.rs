//! The writing task of a session: empties its queues, sends its pings, says goodbye.
//!
//! A write is never cancelled halfway but by the end of the session. A peer that does not take what
//! it is sent for ten seconds is closed.

use std::{sync::Arc, sync::atomic::Ordering, time::Duration};

use bytes::BytesMut;
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    time::{Instant, sleep_until, timeout},
};

use crate::wire::{
    Clock, Fault, Message, Ping,
    limits::{REASSEMBLY_MIN_BYTES_PER_S, SENDING_DEADLINE_MS},
};

use super::{
    CloseReason,
    core::{Core, lane_label},
    handshake::unix_ms,
    rtt::PingStep,
    session::Session,
};

/// A peer must take one write within this.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// A goodbye gets this long.
const GOODBYE_TIMEOUT: Duration = Duration::from_millis(500);

/// Runs until the session closes.
pub(super) async fn write<W: AsyncWrite + Unpin>(core: Arc<Core>, session: Arc<Session>, mut sink: W) {
    let mut out = BytesMut::new();
    // The first ping leaves at once: screens show a round-trip time from the start.
    let mut ping_at = Instant::now();
    let mut pace = Pace::new();
    loop {
        if session.closing.is_cancelled() {
            break;
        }
        if fill(&core, &session, &mut out) {
            match timeout(WRITE_TIMEOUT, put(&mut sink, &mut out)).await {
                Ok(Ok(bytes)) => {
                    session.traffic.tx_bytes.fetch_add(bytes, Ordering::Relaxed);
                    if session.outbox.queued_bytes() == 0 {
                        pace = Pace::new();
                    } else if pace.is_too_slow(bytes) {
                        let detail = "takes less than 16 KiB a second of what waits for it";
                        core.close(&session, CloseReason::Fault(Fault::Timeout, detail.to_owned()));
                    }
                }
                Ok(Err(_)) => session.close(CloseReason::Closed),
                Err(_) => core.close(&session, CloseReason::SlowReader),
            }
            if Instant::now() < ping_at {
                continue;
            }
        } else {
            pace = Pace::new();
            tokio::select! {
                biased;
                () = session.closing.cancelled() => continue,
                () = session.outbox.ready() => continue,
                () = sleep_until(ping_at) => {}
            }
        }
        ping_at = ping(&core, &session);
    }
    fill(&core, &session, &mut out);
    let last_words = async {
        put(&mut sink, &mut out).await?;
        sink.shutdown().await
    };
    // The line may be dead; then nobody hears it.
    let _ = timeout(GOODBYE_TIMEOUT, last_words).await;
}

/// How fast a peer takes what waits for it, since something does.
struct Pace {
    since: Instant,
    bytes: u64,
}

impl Pace {
    fn new() -> Self {
        Self {
            since: Instant::now(),
            bytes: 0,
        }
    }

    /// Counts what left. True if it was too little for too long; a write alone may take ten seconds.
    fn is_too_slow(&mut self, bytes: u64) -> bool {
        self.bytes += bytes;
        let passed_ms = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        if passed_ms < SENDING_DEADLINE_MS {
            return false;
        }
        let is_too_slow = self.bytes < passed_ms.saturating_mul(REASSEMBLY_MIN_BYTES_PER_S) / 1_000;
        *self = Self::new();
        is_too_slow
    }
}

fn fill(core: &Core, session: &Session, out: &mut BytesMut) -> bool {
    out.clear();
    let p2p = &core.around.metrics.p2p;
    session.outbox.fill(out, &mut |lane, bytes| {
        session.traffic.tx_messages.fetch_add(1, Ordering::Relaxed);
        p2p.messages_sent.inc(lane_label(lane));
        p2p.send_bytes.inc_by(lane_label(lane), bytes as u64);
    })
}

async fn put<W: AsyncWrite + Unpin>(sink: &mut W, out: &mut BytesMut) -> std::io::Result<u64> {
    sink.write_all(out).await?;
    sink.flush().await?;
    Ok(out.len() as u64)
}

/// Does what keep-alive wants; returns when to look again.
fn ping(core: &Core, session: &Session) -> Instant {
    let now = Instant::now();
    if core.config.rate_limits && core.is_masternode(session) {
        let validators = core.around.tip.load().validators;
        session.quotas().promote(validators, now);
    }
    let mut keep_alive = session.keep_alive();
    match keep_alive.step(now) {
        PingStep::Wait(until) => until,
        PingStep::GiveUp => {
            drop(keep_alive);
            session.close(CloseReason::Timeout);
            now
        }
        PingStep::Send => {
            let nonce = core.random();
            let again = keep_alive.sent(nonce, now);
            drop(keep_alive);
            let height = core.around.tip.load().height;
            // A full control lane has closed the session already.
            let _ = session.send(&Message::Ping(Ping { nonce, height }), 0);
            let clock = Clock { unix_ms: unix_ms() };
            let _ = session.send(&Message::Clock(clock), 0);
            again
        }
    }
}

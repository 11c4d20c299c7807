//! The reading task of a session: bytes to frames, frames to messages, messages to where they
//! belong.
//!
//! It never waits for anybody but the socket. A queue that is full costs the message, not the votes
//! behind it. A frame that was begun is read to its end or the session ends: a reader that gave up
//! halfway would take payload for lengths.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::mpsc::{Sender, error::TrySendError},
    time::{Instant, sleep_until},
};

use crate::{
    metrics::labels::DropReason,
    wire::{
        Admission, Assembler, Busy, Fault, Frame, FrameError, Gate, Kind, Lane, Message, MessageType, Pong,
        Purpose, StartHeader,
        limits::{PACKET_MAX_BYTES, REASSEMBLY_FREE_BYTES, UNASKED_MAX_BYTES, UNKNOWN_PER_MINUTE_MAX},
    },
};

use super::{
    CloseReason, Inbound, RequestError,
    core::{Core, lane_label},
    handshake::unix_ms,
    quota::Pass,
    requests::{Expected, Waiter},
    rtt::Echo,
    session::Session,
};

/// The read buffer of an idle session; it grows to whole packets while there is traffic.
const READ_IDLE_BYTES: usize = 2 * 1024;
/// Bodies above this are decoded on a blocking thread: computing the ids of a full block's
/// transactions takes milliseconds.
const DECODE_INLINE_MAX_BYTES: usize = 128 * 1024;
/// How often the pace of half-received messages is checked.
const PACE_CHECK: Duration = Duration::from_secs(2);

/// Runs until the session closes.
pub(super) async fn read<R: AsyncRead + Unpin>(
    core: Arc<Core>,
    session: Arc<Session>,
    mut source: R,
    mut buffer: BytesMut,
) {
    let mut assembler = Assembler::default();
    let mut door = Door::new(&core, &session);
    let mut check_at = Instant::now() + PACE_CHECK;
    loop {
        loop {
            let now_ms = millis_since(session.since);
            match assembler.next_frame(&mut buffer, &mut door, now_ms) {
                Ok(Some(frame)) => {
                    if let Err(reason) = handle(&core, &session, frame).await {
                        return core.close(&session, reason);
                    }
                    if session.closing.is_cancelled() {
                        return;
                    }
                }
                Ok(None) => break,
                Err(error) => return core.close(&session, framing(error)),
            }
        }
        reserve(&mut buffer);
        tokio::select! {
            biased;
            () = session.closing.cancelled() => return,
            read = source.read_buf(&mut buffer) => match read {
                Ok(0) | Err(_) => return session.close(CloseReason::Closed),
                Ok(bytes) => {
                    session.traffic.rx_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
                }
            },
            () = sleep_until(check_at), if assembler.is_partial() => {}
        }
        // Also while bytes keep coming: a peer that drips must not postpone the check.
        if Instant::now() >= check_at {
            check_at = Instant::now() + PACE_CHECK;
            if let Err(error) = assembler.check_pace(millis_since(session.since)) {
                return core.close(&session, framing(error));
            }
        }
    }
}

/// Makes room for the next read: little while nothing is under way, a packet otherwise.
fn reserve(buffer: &mut BytesMut) {
    if buffer.is_empty() {
        if buffer.capacity() < READ_IDLE_BYTES {
            buffer.reserve(READ_IDLE_BYTES);
        }
    } else if buffer.capacity() - buffer.len() < PACKET_MAX_BYTES {
        buffer.reserve(PACKET_MAX_BYTES);
    }
}

fn millis_since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn framing(error: FrameError) -> CloseReason {
    let fault = match error {
        FrameError::Unsolicited { .. } => Fault::Unsolicited,
        // A bad line does this to an honest peer.
        FrameError::TooSlow => Fault::Timeout,
        _ => Fault::Framing,
    };
    CloseReason::Fault(fault, error.to_string())
}

/// Decides about each message when it is announced.
pub(super) struct Door<'a> {
    core: &'a Core,
    session: &'a Session,
    unknown: u32,
    unknown_since: Instant,
}

impl<'a> Door<'a> {
    pub(super) fn new(core: &'a Core, session: &'a Session) -> Self {
        Self {
            core,
            session,
            unknown: 0,
            unknown_since: Instant::now(),
        }
    }

    /// A type of a newer version: let it pass, unless there are too many.
    fn on_unknown(&mut self) -> Result<Admission, FrameError> {
        if self.unknown_since.elapsed() > Duration::from_secs(60) {
            self.unknown = 0;
            self.unknown_since = Instant::now();
        }
        self.unknown += 1;
        if self.unknown > UNKNOWN_PER_MINUTE_MAX {
            return Err(FrameError::TooManyUnknown);
        }
        self.drop(DropReason::Malformed)
    }

    fn drop(&self, why: DropReason) -> Result<Admission, FrameError> {
        self.core.around.metrics.p2p.messages_dropped.inc(why);
        Ok(Admission::Skip)
    }
}

impl Gate for Door<'_> {
    fn admit(&mut self, lane: Lane, start: &StartHeader) -> Result<Admission, FrameError> {
        let Some(message_type) = MessageType::from_wire(start.type_id) else {
            return self.on_unknown();
        };
        message_type.check_frame(lane, start.request_id)?;
        if start.compressed && !self.session.compresses() {
            return Err(FrameError::Compression);
        }
        // What counts is what comes out.
        let announced = start.raw_len as usize;
        if announced > message_type.limit() {
            return Err(FrameError::Oversize {
                type_id: start.type_id,
                announced,
                limit: message_type.limit(),
            });
        }
        let answers = message_type.is_response(start.request_id);
        if answers {
            let expected = self
                .session
                .requests
                .expect(start.request_id, message_type, announced)?;
            if expected == Expected::Cancelled {
                return Ok(Admission::Skip);
            }
        }
        if announced <= REASSEMBLY_FREE_BYTES {
            return Ok(Admission::Take(None));
        }
        let is_masternode = self.core.is_masternode(self.session);
        if !answers && !is_masternode && announced > UNASKED_MAX_BYTES {
            return self.drop(DropReason::QueueFull);
        }
        // Only proposals and what consensus waits for may use the reserved part, and only between
        // masternodes.
        let purpose = match (is_masternode, lane) {
            (true, Lane::Consensus) => Purpose::Consensus,
            (true, _) => Purpose::Common,
            (false, _) if answers => Purpose::Common,
            (false, _) => Purpose::Unasked,
        };
        let held = announced
            + if start.compressed {
                start.wire_len as usize
            } else {
                0
            };
        // Also of masternodes none may hold so much that the others find nothing left. Answers are bounded by
        // what we ask for.
        let share = &self.session.held;
        let taken = self
            .core
            .budget
            .try_take_of(share, announced, held, purpose, !answers);
        match taken {
            Some(permit) => Ok(Admission::Take(Some(permit))),
            None => {
                if answers
                    && let Some(Waiter::Caller(caller)) = self.session.requests.answered(start.request_id)
                {
                    // The caller may be gone; then nobody needs to know.
                    let _ = caller.send(Err(RequestError::NoMemory));
                }
                self.drop(DropReason::QueueFull)
            }
        }
    }
}

async fn handle(core: &Arc<Core>, session: &Arc<Session>, frame: Frame) -> Result<(), CloseReason> {
    let metrics = &core.around.metrics.p2p;
    session.traffic.rx_messages.fetch_add(1, Ordering::Relaxed);
    metrics.messages_received.inc(lane_label(frame.lane));
    metrics
        .receive_bytes
        .inc_by(lane_label(frame.lane), frame.body.len() as u64);
    let Some(message_type) = MessageType::from_wire(frame.type_id) else {
        return Ok(());
    };
    let Frame {
        request_id,
        permit,
        body,
        inflated_len,
        ..
    } = frame;
    let by_type = session.quotas().on_type(message_type, Instant::now());
    let by_type = match by_type {
        // Who registered above our tip is a stranger to us until we have caught up, and votes with its
        // allowance of that time. What is too much of it is not read, and that is all.
        Pass::Drop(Some(_))
            if message_type.lane() == Lane::Consensus && session.agreed.validator.is_some() =>
        {
            Pass::Drop(None)
        }
        other => other,
    };
    if !pass(core, session, by_type, message_type, request_id)? {
        return Ok(());
    }
    let message = decode(message_type, body, inflated_len)
        .await
        .map_err(|error| CloseReason::Fault(Fault::Decode, format!("{}: {error}", message_type.name())))?;
    let is_answer = message_type.is_response(request_id);
    let by_content = session.quotas().on_message(&message, is_answer, Instant::now());
    if !pass(core, session, by_content, message_type, request_id)? {
        return Ok(());
    }
    if let Some(height) = message.implied_height() {
        // Its signature is not checked yet, so it says nothing that would set us looking for blocks.
        session.raise_height(height.min(core.around.tip.load().height.saturating_add(1)));
    }
    let inbound = |message| Inbound {
        peer: session.node_id(),
        generation: session.generation,
        request_id,
        message,
        permit,
        waiting: None,
    };
    match message {
        Message::Ping(ping) => {
            tracing::debug!(peer = %session.node_id().short(), "Received ping");
            session.tell_height(ping.height);
            let pong = Pong {
                nonce: ping.nonce,
                height: core.around.tip.load().height,
            };
            // A full control lane has closed the session already.
            if session.send(&Message::Pong(pong), 0).is_ok() {
                tracing::debug!(peer = %session.node_id().short(), "Sent pong");
            }
            Ok(())
        }
        Message::Pong(pong) => {
            on_pong(core, session, pong);
            Ok(())
        }
        Message::Clock(clock) => {
            session.tell_clock(clock.unix_ms, unix_ms());
            Ok(())
        }
        Message::Goodbye(goodbye) => Err(CloseReason::Goodbye(goodbye.code)),
        Message::Hello(_) => Err(CloseReason::Fault(Fault::Framing, "a second hello".to_owned())),
        Message::Peers(peers) => {
            if is_answer {
                session.requests.answered(request_id);
            }
            core.learn_peers(session, &peers, is_answer);
            Ok(())
        }
        Message::GetReachable(get) => {
            core.dial_back(session, get, request_id);
            Ok(())
        }
        Message::GetPeers(get) => {
            core.tell_peers(session, &get, request_id);
            Ok(())
        }
        answer if is_answer => {
            match session.requests.answered(request_id) {
                Some(Waiter::Caller(caller)) => {
                    // The caller may have been dropped this moment.
                    let _ = caller.send(Ok(inbound(answer)));
                }
                Some(Waiter::Queue) => offer(core, &core.queues.gossip, inbound(answer)),
                None => {}
            }
            Ok(())
        }
        bulk if message_type.lane() != Lane::Consensus
            && core.is_masternode(session)
            && core.standings.is_quarantined(&session.node_id(), Instant::now()) =>
        {
            if bulk.answer().is_some() {
                // A full queue means that the peer does not read it anyway.
                let _ = session.send(&Message::Busy(Busy), request_id);
            }
            metrics.messages_dropped.inc(DropReason::RateLimit);
            Ok(())
        }
        request if matches!(message_type.kind(), Kind::Request(_)) => {
            let is_urgent = message_type.lane() == Lane::Consensus && core.is_masternode(session);
            let is_taken = if is_urgent {
                !matches!(
                    core.queues.urgent.try_send(inbound(request)),
                    Err(TrySendError::Full(_))
                )
            } else if let Some(waiting) = session.waiting.take() {
                let request = Inbound {
                    waiting: Some(waiting),
                    ..inbound(request)
                };
                !matches!(core.queues.serve.try_send(request), Err(TrySendError::Full(_)))
            } else {
                false
            };
            if !is_taken {
                // If not even a Busy fits, the peer's own timeout tells it.
                let _ = session.send(&Message::Busy(Busy), request_id);
            }
            Ok(())
        }
        notice if message_type.lane() == Lane::Consensus => {
            // A stranger's votes count like any other's, but wait behind those of whoever proved a key.
            let queue = match core.is_masternode(session) {
                true => &core.queues.consensus,
                false => &core.queues.strangers,
            };
            offer(core, queue, inbound(notice));
            Ok(())
        }
        notice => {
            offer(core, &core.queues.gossip, inbound(notice));
            Ok(())
        }
    }
}

/// Whether a message goes on. What is dropped is counted; what was asked is answered Busy.
fn pass(
    core: &Core,
    session: &Session,
    verdict: Pass,
    message_type: MessageType,
    request_id: u64,
) -> Result<bool, CloseReason> {
    let fault = match verdict {
        Pass::Yes => return Ok(true),
        Pass::OverLimit => {
            return Err(CloseReason::Fault(
                Fault::RequestOverLimit,
                format!("{} asks for too much", message_type.name()),
            ));
        }
        Pass::Drop(fault) => fault,
        Pass::Busy(fault) => {
            // If not even a Busy fits, the peer's own timeout tells it.
            let _ = session.send(&Message::Busy(Busy), request_id);
            fault
        }
    };
    core.around
        .metrics
        .p2p
        .messages_dropped
        .inc(DropReason::RateLimit);
    if let Some(fault) = fault {
        core.fault(session, fault, message_type.name());
    }
    Ok(false)
}

async fn decode(
    message_type: MessageType,
    body: bytes::Bytes,
    inflated_len: Option<usize>,
) -> Result<Message, crate::wire::CodecError> {
    use crate::wire::{CodecError, inflate};
    let length = inflated_len.unwrap_or(body.len());
    let work = move || {
        let body = match inflated_len {
            Some(length) => {
                inflate(&body, length).map_err(|error| CodecError::Malformed(error.to_string()))?
            }
            None => body,
        };
        Message::decode(message_type, &body)
    };
    if length <= DECODE_INLINE_MAX_BYTES {
        return work();
    }
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(CodecError::Malformed(error.to_string())))
}

fn offer(core: &Core, queue: &Sender<Inbound>, message: Inbound) {
    if let Err(TrySendError::Full(_)) = queue.try_send(message) {
        core.around
            .metrics
            .p2p
            .messages_dropped
            .inc(DropReason::QueueFull);
    }
}

fn on_pong(core: &Core, session: &Session, pong: Pong) {
    let echo = session.keep_alive().pong(pong.nonce, Instant::now());
    match echo {
        Echo::InTime(rtt) => {
            core.around
                .metrics
                .p2p
                .ping_rtt_seconds
                .observe(rtt.as_secs_f64());
            session.tell_height(pong.height);
        }
        Echo::Late => session.tell_height(pong.height),
        Echo::Wrong => core.fault(session, Fault::WrongPong, "no ping had this nonce"),
    }
}

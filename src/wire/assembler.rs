//! From bytes to frames: packets are taken apart and put together, message by message and lane by
//! lane, without ever trusting a length.
//!
//! The caller's [`Gate`] decides about each message when its first packet arrives, before a byte
//! of it is kept. Buffers grow with the bytes that came, not with the length that was claimed.

use bytes::{Buf, Bytes, BytesMut};

use super::{
    FrameError, Lane, Permit, StartHeader,
    compression::is_plausible,
    limits::*,
    packet::{FLAG_END, PacketHeader},
};

/// The verdict about a message that was announced.
#[derive(Debug)]
pub enum Admission {
    /// Receive it; the permit lives as long as the message.
    Take(Option<Permit>),
    /// Let its bytes pass by and forget them.
    Skip,
}

/// Who decides whether an announced message may come in.
pub trait Gate {
    /// Called once per message, with nothing allocated yet.
    ///
    /// # Errors
    /// A [`FrameError`] ends the session.
    fn admit(&mut self, lane: Lane, start: &StartHeader) -> Result<Admission, FrameError>;
}

/// A complete message, still encoded.
#[derive(Debug)]
pub struct Frame {
    /// The lane it came on.
    pub lane: Lane,
    /// The message type's number.
    pub type_id: u16,
    /// Zero for a notice.
    pub request_id: u64,
    /// The encoded body; compressed if `inflated_len` is there.
    pub body: Bytes,
    /// Bytes that [`super::inflate`] must make of it.
    pub inflated_len: Option<usize>,
    /// Its share of the reassembly budget.
    pub permit: Option<Permit>,
}

#[derive(Debug)]
struct Partial {
    start: StartHeader,
    received: usize,
    begun_ms: u64,
    /// `None`: the message is skipped.
    kept: Option<(BytesMut, Option<Permit>)>,
}

/// The receiving end of one session's framing.
#[derive(Debug, Default)]
pub struct Assembler {
    lanes: [Option<Partial>; Lane::COUNT],
}

impl Assembler {
    /// Takes the next complete message from the front of `buffer`. `None`: more bytes are needed.
    /// `now_ms` is any monotonic clock; it only stamps when a message began.
    ///
    /// # Errors
    /// [`FrameError`]; the session cannot go on after one.
    pub fn next_frame(
        &mut self,
        buffer: &mut BytesMut,
        gate: &mut impl Gate,
        now_ms: u64,
    ) -> Result<Option<Frame>, FrameError> {
        while let Some(header) = PacketHeader::peek(buffer)? {
            let lane = header.lane;
            if let Some(start) = header.start {
                if self.lanes[lane.index()].is_some() {
                    return Err(FrameError::StartInsideMessage);
                }
                // Judged once, although the payload of this packet may still be on its way.
                let kept = match Self::admit(gate, lane, &start)? {
                    Admission::Take(permit) => Some((BytesMut::new(), permit)),
                    Admission::Skip => None,
                };
                // What takes no share of the budget never lies half received beside the read buffer.
                if !header.end && start.wire_len as usize <= PACKET_PAYLOAD_MAX_BYTES {
                    return Err(FrameError::Torn(start.wire_len));
                }
                self.lanes[lane.index()] = Some(Partial {
                    start,
                    received: 0,
                    begun_ms: now_ms,
                    kept,
                });
                // From here the packet reads as one without a start header.
                strip_start(buffer, &header);
                continue;
            }
            let Some(partial) = self.lanes[lane.index()].as_mut() else {
                return Err(FrameError::NoMessage);
            };
            let announced = partial.start.wire_len as usize;
            let got = partial.received + header.payload_len;
            if got > announced || (header.end && got != announced) {
                return Err(FrameError::LengthMismatch { got, announced });
            }
            if header.payload_len == 0 && !header.end {
                return Err(FrameError::EmptyPacket);
            }
            let packet_len = header.header_len() + header.payload_len;
            if buffer.len() < packet_len {
                return Ok(None);
            }
            let payload = buffer.split_to(packet_len).split_off(header.header_len());
            partial.received = got;
            if let Some((bytes, _)) = &mut partial.kept {
                if bytes.is_empty() {
                    // A message of one packet is used where it was received.
                    *bytes = payload;
                } else {
                    bytes.extend_from_slice(&payload);
                }
            }
            if !header.end {
                continue;
            }
            let Some(Partial { start, kept, .. }) = self.lanes[lane.index()].take() else {
                return Err(FrameError::NoMessage);
            };
            if let Some((bytes, permit)) = kept {
                return Ok(Some(Frame {
                    lane,
                    type_id: start.type_id,
                    request_id: start.request_id,
                    body: bytes.freeze(),
                    inflated_len: start.compressed.then_some(start.raw_len as usize),
                    permit,
                }));
            }
        }
        Ok(None)
    }

    fn admit(gate: &mut impl Gate, lane: Lane, start: &StartHeader) -> Result<Admission, FrameError> {
        let announced = start.wire_len.max(start.raw_len) as usize;
        if announced > MESSAGE_MAX_BYTES {
            return Err(FrameError::Oversize {
                type_id: start.type_id,
                announced,
                limit: MESSAGE_MAX_BYTES,
            });
        }
        if start.compressed && !is_plausible(lane, start.wire_len, start.raw_len) {
            return Err(FrameError::Compression);
        }
        if !start.compressed && start.wire_len != start.raw_len {
            return Err(FrameError::LengthMismatch {
                got: start.raw_len as usize,
                announced: start.wire_len as usize,
            });
        }
        gate.admit(lane, start)
    }

    /// True while a message is half received.
    pub fn is_partial(&self) -> bool {
        self.lanes.iter().any(Option::is_some)
    }

    /// Checks that every half-received message comes at the lowest rate, from thirty seconds on.
    ///
    /// # Errors
    /// [`FrameError::TooSlow`].
    pub fn check_pace(&self, now_ms: u64) -> Result<(), FrameError> {
        let late = self.lanes.iter().flatten().any(|partial| {
            // Not only at the end: who claims megabytes and drips would hold them for minutes.
            let overtime_ms = now_ms
                .saturating_sub(partial.begun_ms)
                .saturating_sub(REASSEMBLY_DEADLINE_MS);
            (partial.received as u64) * 1000 / REASSEMBLY_MIN_BYTES_PER_S < overtime_ms
        });
        if late { Err(FrameError::TooSlow) } else { Ok(()) }
    }
}

/// Turns the packet at the front of `buffer` into one without a start header.
fn strip_start(buffer: &mut BytesMut, header: &PacketHeader) {
    let mut head = [0; PACKET_HEADER_BYTES];
    head.copy_from_slice(&buffer[..PACKET_HEADER_BYTES]);
    head[3] = if header.end { FLAG_END } else { 0 };
    buffer.advance(START_HEADER_BYTES);
    buffer[..PACKET_HEADER_BYTES].copy_from_slice(&head);
}

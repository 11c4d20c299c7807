//! The layout of a packet: `len u16 | lane u8 | flags u8 | [first of a message: type u16,
//! request id u64, wire length u32, raw length u32] | at most 16 KiB`. Integers are little-endian.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{FrameError, Lane, Permit, limits::*};

/// The packet begins a message; a start header follows.
pub const FLAG_START: u8 = 1;
/// The packet ends its message.
pub const FLAG_END: u8 = 2;
/// The message is compressed: lz4, one block. Stands beside [`FLAG_START`] only, on bulk lanes only, and
/// only if both ends announced [`super::capability::COMPRESSION`].
pub const FLAG_COMPRESSED: u8 = 4;

/// What the first packet of a message says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartHeader {
    /// The message type's number.
    pub type_id: u16,
    /// Zero for a notice; else the number of the request that is made or answered.
    pub request_id: u64,
    /// Bytes of the message as it travels.
    pub wire_len: u32,
    /// Bytes of the message when it is decompressed.
    pub raw_len: u32,
    /// Whether it is compressed.
    pub compressed: bool,
}

/// The header of one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketHeader {
    /// The queue it travels in.
    pub lane: Lane,
    /// Payload bytes after the headers.
    pub payload_len: usize,
    /// Whether this packet ends its message.
    pub end: bool,
    /// Present in the first packet of a message.
    pub start: Option<StartHeader>,
}

impl PacketHeader {
    /// Bytes of this header on the wire.
    pub fn header_len(&self) -> usize {
        PACKET_HEADER_BYTES
            + if self.start.is_some() {
                START_HEADER_BYTES
            } else {
                0
            }
    }

    /// Reads a header from the front of `bytes`, which stay untouched; `None` asks for more bytes.
    ///
    /// # Errors
    /// [`FrameError`] for a header that no peer of this version sends.
    pub fn peek(bytes: &[u8]) -> Result<Option<Self>, FrameError> {
        let Some(mut head) = bytes.get(..PACKET_HEADER_BYTES) else {
            return Ok(None);
        };
        let payload_len = usize::from(head.get_u16_le());
        let lane = head.get_u8();
        let flags = head.get_u8();
        let lane = Lane::from_wire(lane).ok_or(FrameError::UnknownLane(lane))?;
        let compressed = flags & FLAG_COMPRESSED != 0;
        if flags & !(FLAG_START | FLAG_END | FLAG_COMPRESSED) != 0 || (compressed && flags & FLAG_START == 0)
        {
            return Err(FrameError::Flags(flags));
        }
        if payload_len > PACKET_PAYLOAD_MAX_BYTES {
            return Err(FrameError::PacketTooLong(payload_len));
        }
        let start = if flags & FLAG_START == 0 {
            None
        } else {
            let Some(mut rest) = bytes.get(PACKET_HEADER_BYTES..PACKET_HEADER_BYTES + START_HEADER_BYTES)
            else {
                return Ok(None);
            };
            Some(StartHeader {
                type_id: rest.get_u16_le(),
                request_id: rest.get_u64_le(),
                wire_len: rest.get_u32_le(),
                raw_len: rest.get_u32_le(),
                compressed,
            })
        };
        Ok(Some(Self {
            lane,
            payload_len,
            end: flags & FLAG_END != 0,
            start,
        }))
    }

    fn write(&self, out: &mut BytesMut) {
        // The payload length is at most PACKET_PAYLOAD_MAX_BYTES, which fits.
        out.put_u16_le(self.payload_len as u16);
        out.put_u8(self.lane as u8);
        let mut flags = if self.end { FLAG_END } else { 0 };
        if let Some(start) = &self.start {
            flags |= FLAG_START | if start.compressed { FLAG_COMPRESSED } else { 0 };
        }
        out.put_u8(flags);
        if let Some(start) = self.start {
            out.put_u16_le(start.type_id);
            out.put_u64_le(start.request_id);
            out.put_u32_le(start.wire_len);
            out.put_u32_le(start.raw_len);
        }
    }
}

/// One message on its way out, cut into packets as they are asked for. The body is shared, not
/// copied: a broadcast holds one body for all peers.
#[derive(Debug, Clone)]
pub struct Outgoing {
    lane: Lane,
    start: StartHeader,
    body: Bytes,
    sent: usize,
    /// Its share of the memory for what waits to be sent.
    held: Option<Arc<Permit>>,
}

impl Outgoing {
    /// A message of `type_id` with the encoded `body`.
    ///
    /// # Errors
    /// [`FrameError::Oversize`] beyond the largest message of all.
    pub fn new(lane: Lane, type_id: u16, request_id: u64, body: Bytes) -> Result<Self, FrameError> {
        let oversize = FrameError::Oversize {
            type_id,
            announced: body.len(),
            limit: MESSAGE_MAX_BYTES,
        };
        let len = u32::try_from(body.len())
            .ok()
            .filter(|_| body.len() <= MESSAGE_MAX_BYTES)
            .ok_or(oversize)?;
        Ok(Self {
            lane,
            start: StartHeader {
                type_id,
                request_id,
                wire_len: len,
                raw_len: len,
                compressed: false,
            },
            body,
            sent: 0,
            held: None,
        })
    }

    /// The same message, compressed if that is allowed in its lane and worth it. For peers that agreed.
    pub fn compressed(mut self) -> Self {
        if !self.start.compressed
            && self.sent == 0
            && let Some(small) = super::compression::deflate(self.lane, &self.body)
        {
            // Shorter than the body, whose length fits.
            self.start.wire_len = small.len() as u32;
            self.start.compressed = true;
            self.body = small;
        }
        self
    }

    /// The same message, with the permit that its bytes are held under until it has left.
    pub fn holding(mut self, permit: Permit) -> Self {
        self.held = Some(Arc::new(permit));
        self
    }

    /// Zero for a notice.
    pub fn request_id(&self) -> u64 {
        self.start.request_id
    }

    /// The lane it travels in.
    pub fn lane(&self) -> Lane {
        self.lane
    }

    /// The message type's number.
    pub fn type_id(&self) -> u16 {
        self.start.type_id
    }

    /// Bytes of the body.
    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// True for a message without a body.
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// True if `other` says the same, and neither has begun to leave: sending both would be a waste.
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.start == other.start && self.sent == 0 && other.sent == 0 && self.body == other.body
    }

    /// Appends the next packet to `out`; true when it was the last one.
    pub fn write_packet(&mut self, out: &mut BytesMut) -> bool {
        let rest = &self.body[self.sent..];
        let payload = &rest[..rest.len().min(PACKET_PAYLOAD_MAX_BYTES)];
        let end = payload.len() == rest.len();
        PacketHeader {
            lane: self.lane,
            payload_len: payload.len(),
            end,
            start: (self.sent == 0).then_some(self.start),
        }
        .write(out);
        out.extend_from_slice(payload);
        self.sent += payload.len();
        end
    }
}

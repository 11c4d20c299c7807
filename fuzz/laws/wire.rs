//! Wire: whatever bytes come over a session, they end in messages within their limits or in an error;
//! a message that decodes encodes to the very same bytes; and splitting the bytes otherwise changes
//! nothing.

use bytes::BytesMut;
use timecoin::wire::{
    Admission, Assembler, Frame, FrameError, Gate, Lane, Message, MessageType, StartHeader,
};

/// Takes what is no longer than its type allows, as a session does.
struct Limits;

impl Gate for Limits {
    fn admit(&mut self, _: Lane, start: &StartHeader) -> Result<Admission, FrameError> {
        let limit = MessageType::from_wire(start.type_id).map_or(0, MessageType::limit);
        Ok(match start.wire_len as usize <= limit {
            true => Admission::Take(None),
            false => Admission::Skip,
        })
    }
}

fn frames(data: &[u8], chunk: usize) -> (Vec<(u16, u64, bytes::Bytes)>, bool) {
    let (mut assembler, mut buffer) = (Assembler::default(), BytesMut::new());
    let mut frames = Vec::new();
    for part in data.chunks(chunk.max(1)) {
        buffer.extend_from_slice(part);
        loop {
            match assembler.next_frame(&mut buffer, &mut Limits, 0) {
                Ok(Some(Frame {
                    type_id,
                    request_id,
                    body,
                    ..
                })) => frames.push((type_id, request_id, body)),
                Ok(None) => break,
                Err(_) => return (frames, false),
            }
        }
    }
    (frames, true)
}

pub(crate) fn holds(data: &[u8]) {
    // The first two bytes choose a message type for the rest, taken as one body.
    if let Some((id, body)) = data.split_first_chunk::<2>() {
        decodes(u16::from_le_bytes(*id), body);
    }
    let (whole, ended_well) = frames(data, data.len());
    let (split, split_ended_well) = frames(data, 7);
    assert_eq!(whole, split, "how bytes are split changes what they say");
    assert_eq!(ended_well, split_ended_well);
    for (type_id, _, body) in whole {
        decodes(type_id, &body);
    }
}

fn decodes(type_id: u16, body: &[u8]) {
    let Some(message_type) = MessageType::from_wire(type_id) else {
        return;
    };
    if body.len() > message_type.limit() {
        return;
    }
    if let Ok(message) = Message::decode(message_type, body) {
        assert_eq!(message.type_id(), type_id);
        let again = message.encode_body().expect("what decodes encodes");
        assert_eq!(again, body, "one value, two encodings");
    }
}

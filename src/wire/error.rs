//! What can be wrong with bytes from a peer.

use super::limits;

/// A packet or message that breaks the framing rules. Each of them ends the session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A lane number that does not exist.
    #[error("packet on lane {0}, which does not exist")]
    UnknownLane(u8),
    /// Flag bits that this version does not know, or compression that was not agreed.
    #[error("packet with flags {0:#04x}, which were not agreed")]
    Flags(u8),
    /// A packet longer than a packet may be.
    #[error("packet of {0} bytes; the most is {max}", max = limits::PACKET_PAYLOAD_MAX_BYTES)]
    PacketTooLong(usize),
    /// A first packet while the previous message of the lane is not complete.
    #[error("message begun on a lane whose last message is not complete")]
    StartInsideMessage,
    /// A later packet without a first one.
    #[error("packet that continues no message")]
    NoMessage,
    /// More or fewer bytes than the first packet announced.
    #[error("message of {got} bytes was announced as {announced}")]
    LengthMismatch {
        /// Bytes that came.
        got: usize,
        /// Bytes that were announced.
        announced: usize,
    },
    /// A message of one packet that is cut into more.
    #[error("message of {0} bytes in more than one packet; up to {max} it travels in one", max = limits::PACKET_PAYLOAD_MAX_BYTES)]
    Torn(u32),
    /// A packet that neither carries bytes nor ends a message.
    #[error("empty packet in the middle of a message")]
    EmptyPacket,
    /// A compressed message that is not what its first packet said.
    #[error("compressed message that does not come out as announced")]
    Compression,
    /// A message larger than its type and its sender's standing allow.
    #[error("message type {type_id} of {announced} bytes; the most here is {limit}")]
    Oversize {
        /// The message type's number.
        type_id: u16,
        /// Announced size.
        announced: usize,
        /// What is allowed.
        limit: usize,
    },
    /// A response to a request that was never made.
    #[error("message type {type_id} answers request {request_id}, which was not made")]
    Unsolicited {
        /// The message type's number.
        type_id: u16,
        /// The request it claims to answer.
        request_id: u64,
    },
    /// A message on a lane where its type does not travel.
    #[error("message type {type_id} on lane {lane}")]
    WrongLane {
        /// The message type's number.
        type_id: u16,
        /// The lane's number.
        lane: u8,
    },
    /// A request id where none belongs, or none where one does.
    #[error("message type {type_id} with request id {request_id}")]
    RequestId {
        /// The message type's number.
        type_id: u16,
        /// The id.
        request_id: u64,
    },
    /// More unknown message types than a newer peer would send.
    #[error("more than {max} messages of unknown type in a minute", max = limits::UNKNOWN_PER_MINUTE_MAX)]
    TooManyUnknown,
    /// A message that was begun and not finished in time.
    #[error("message not complete in time")]
    TooSlow,
}

/// A message body that does not decode, or a value that does not encode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The bytes end before the value does.
    #[error("message ends {missing} bytes early")]
    Truncated {
        /// How many bytes were missing for the next read.
        missing: usize,
    },
    /// Bytes are left over after the value.
    #[error("{0} bytes after the end of the message")]
    Trailing(usize),
    /// A list is longer than its bound, or the value larger than its limit.
    #[error("list or message larger than its limit")]
    Limit,
    /// Bytes that stand for no value of their type.
    #[error("malformed field: {0}")]
    Malformed(String),
    /// A number that is no message type of this version.
    #[error("message type {0} is not known")]
    UnknownType(u16),
}

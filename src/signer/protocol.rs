//! What a node and its remote signer say to each other: length-prefixed frames on a Unix socket, one
//! request at a time, each answered by one frame.
//!
//! ```text
//! frame    length u32le │ bincode, fixed integers        at most FRAME_BYTES_MAX with the length
//! ```
//!
//! A session begins with [`Request::Hello`]. Requests carry what shall be said, never bytes to sign.

use std::io::{self, Read, Write};

use bincode::{Decode, Encode, config};

use super::Wish;
use crate::{
    consensus::Position,
    crypto::{Hash256, PublicKey, Signature},
};

/// The version of what is said here. Both sides name theirs, and differ only with a refusal.
pub const PROTOCOL: u16 = 2;
/// Longest frame, its length included. A request has about 250 bytes, a refusal a sentence more.
pub const FRAME_BYTES_MAX: usize = 1_024;
/// Bytes of the length.
pub const LENGTH_BYTES: usize = 4;
/// Longest reason of a refusal that is sent, in bytes.
const REASON_BYTES_MAX: usize = 600;

/// What a node asks.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Request {
    /// First of all: which chain, in which version.
    Hello {
        /// [`PROTOCOL`].
        protocol: u16,
        /// Genesis hash.
        chain_id: Hash256,
    },
    /// Sign this.
    Sign(Wish),
    /// Are you there?
    Ping,
}

/// What the signer answers.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Answer {
    /// To a [`Request::Hello`].
    Hello {
        /// Whose signatures it gives.
        public_key: PublicKey,
        /// The highest position that it has signed.
        signed_up_to: Option<Position>,
    },
    /// The signature.
    Signed(Signature),
    /// It is there.
    Pong,
    /// It does not do that.
    Refused {
        /// Why, and what to do now.
        reason: String,
    },
}

impl Answer {
    /// A refusal that fits into a frame.
    pub fn refused(reason: impl ToString) -> Self {
        let mut reason = reason.to_string();
        let end = (0..=REASON_BYTES_MAX.min(reason.len()))
            .rev()
            .find(|end| reason.is_char_boundary(*end));
        reason.truncate(end.unwrap_or(0));
        Self::Refused { reason }
    }
}

fn layout() -> impl config::Config {
    config::standard()
        .with_fixed_int_encoding()
        .with_limit::<FRAME_BYTES_MAX>()
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// A frame with its length.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] if it is longer than [`FRAME_BYTES_MAX`].
pub fn frame(message: &impl Encode) -> io::Result<Vec<u8>> {
    let body = bincode::encode_to_vec(message, layout()).map_err(|_| invalid("it does not encode"))?;
    let length = u32::try_from(body.len()).map_err(|_| invalid("too long"))?;
    if body.len() + LENGTH_BYTES > FRAME_BYTES_MAX {
        return Err(invalid("too long"));
    }
    Ok([&length.to_le_bytes()[..], &body].concat())
}

/// How many bytes follow a length.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] if they are none or too many.
pub fn body_length(length: [u8; LENGTH_BYTES]) -> io::Result<usize> {
    match usize::try_from(u32::from_le_bytes(length)) {
        Ok(length) if length > 0 && length + LENGTH_BYTES <= FRAME_BYTES_MAX => Ok(length),
        Ok(_) | Err(_) => Err(invalid("a frame of a length that no message has")),
    }
}

/// The message in the body of a frame; nothing may follow it.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`].
pub fn parse<T: Decode<()>>(body: &[u8]) -> io::Result<T> {
    match bincode::decode_from_slice::<T, _>(body, layout()) {
        Ok((message, used)) if used == body.len() => Ok(message),
        Ok(_) | Err(_) => Err(invalid("a frame that is no message of this protocol")),
    }
}

/// Asks and waits for the answer, as long as the stream's own deadlines let it.
///
/// # Errors
/// Whatever the stream says, and [`io::ErrorKind::InvalidData`].
pub fn ask(stream: &mut (impl Read + Write), request: &Request) -> io::Result<Answer> {
    stream.write_all(&frame(request)?)?;
    let mut length = [0; LENGTH_BYTES];
    stream.read_exact(&mut length)?;
    let mut body = vec![0; body_length(length)?];
    stream.read_exact(&mut body)?;
    parse(&body)
}

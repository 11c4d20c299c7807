//! Frames: a little-endian length of four bytes, then so many bytes. The length is checked before
//! anything is kept for it, and memory grows only as bytes arrive.

use bytes::{Buf, BytesMut};
use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::AttachError;

/// The longest frame a node sends: a snapshot with a thousand peers has a tenth of it.
pub(super) const FRAME_MAX: usize = 4 << 20;
/// The longest frame a client sends: a transaction at its limit and room for its envelope.
pub(super) const REQUEST_MAX: usize = 256 << 10;
/// Bytes of the length.
const HEAD: usize = 4;
/// Memory that decoding one frame may take: lists of small things are wider in memory than on the
/// socket.
const DECODED_MAX: usize = 64 << 20;

/// The frame that carries `value`.
///
/// # Errors
/// [`AttachError::TooLong`] if it would not fit, [`AttachError::Malformed`] if it does not encode.
pub(super) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, AttachError> {
    let mut frame = vec![0; HEAD];
    bincode::serde::encode_into_std_write(value, &mut frame, bincode::config::standard()).map_err(
        |error| AttachError::Malformed {
            reason: error.to_string(),
        },
    )?;
    let length = frame.len() - HEAD;
    match u32::try_from(length) {
        Ok(head) if length <= FRAME_MAX => {
            frame[..HEAD].copy_from_slice(&head.to_le_bytes());
            Ok(frame)
        }
        _ => Err(AttachError::TooLong {
            length,
            limit: FRAME_MAX,
        }),
    }
}

/// The value in the bytes of one frame, all of them.
///
/// # Errors
/// [`AttachError::Malformed`].
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, AttachError> {
    let config = bincode::config::standard().with_limit::<DECODED_MAX>();
    let malformed = |reason: String| AttachError::Malformed { reason };
    let (value, used) =
        bincode::serde::decode_from_slice(bytes, config).map_err(|error| malformed(error.to_string()))?;
    match bytes.len() - used {
        0 => Ok(value),
        left => Err(malformed(format!("{left} bytes left over"))),
    }
}

/// Cuts a stream into frames.
pub(super) struct FrameReader<R> {
    stream: R,
    buffer: BytesMut,
    limit: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(super) fn new(stream: R, limit: usize) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
            limit,
        }
    }

    /// The bytes of the next frame; `None` when the other side has closed. Dropping the future loses
    /// nothing.
    ///
    /// # Errors
    /// [`AttachError::TooLong`] before any of the frame is kept, [`AttachError::Io`].
    pub(super) async fn next(&mut self) -> Result<Option<BytesMut>, AttachError> {
        loop {
            if let Some(frame) = self.cut()? {
                return Ok(Some(frame));
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    fn cut(&mut self) -> Result<Option<BytesMut>, AttachError> {
        let Some(head) = self.buffer.first_chunk::<HEAD>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*head) as usize;
        if length > self.limit {
            return Err(AttachError::TooLong {
                length,
                limit: self.limit,
            });
        }
        if self.buffer.len() < HEAD + length {
            return Ok(None);
        }
        self.buffer.advance(HEAD);
        Ok(Some(self.buffer.split_to(length)))
    }
}

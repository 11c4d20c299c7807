//! Compression of bulk: lz4 blocks, never larger than announced when they come out.
//!
//! Only in lanes where nobody's secret meets an attacker's text and nothing waits for a signature: blocks
//! and state. A vote is never compressed. Decompression fills a buffer of exactly the length announced,
//! which was judged and paid for from the reassembly budget before the message came in.

use bytes::Bytes;

use super::{FrameError, Lane};

/// Bodies below this are sent as they are: there is nothing to gain.
pub const COMPRESS_MIN_BYTES: usize = 1_024;
/// What is compressed first of something much larger.
const SAMPLE_BYTES: usize = 8_192;
/// An lz4 block cannot grow more than this when it is decompressed; whoever announces more lies.
const GROWTH_MAX: u64 = 255;

/// Whether messages of a lane may be compressed.
pub const fn is_compressible(lane: Lane) -> bool {
    matches!(lane, Lane::Blocks | Lane::State)
}

/// The body, compressed, if its lane allows it and it saves a tenth.
pub(super) fn deflate(lane: Lane, body: &[u8]) -> Option<Bytes> {
    if !is_compressible(lane) || body.len() < COMPRESS_MIN_BYTES {
        return None;
    }
    // Keys, signatures and hashes are most of a full block, and nothing makes them smaller: a piece of it tells.
    if body.len() >= 4 * SAMPLE_BYTES {
        let sample = &body[body.len() / 2..][..SAMPLE_BYTES];
        if !saves_a_tenth(&lz4_flex::block::compress(sample), sample) {
            return None;
        }
    }
    let small = lz4_flex::block::compress(body);
    saves_a_tenth(&small, body).then(|| small.into())
}

fn saves_a_tenth(small: &[u8], body: &[u8]) -> bool {
    small.len() <= body.len() - body.len() / 10
}

/// Whether a compressed message may be what its first packet says: shorter than what comes out, and not
/// by more than the format can do.
pub(super) fn is_plausible(lane: Lane, wire_len: u32, raw_len: u32) -> bool {
    is_compressible(lane) && wire_len < raw_len && u64::from(raw_len) <= u64::from(wire_len) * GROWTH_MAX
}

/// The body as it was before.
///
/// # Errors
/// [`FrameError::Compression`] if the bytes are no lz4 block, or come out longer or shorter than `raw_len`.
pub fn inflate(bytes: &[u8], raw_len: usize) -> Result<Bytes, FrameError> {
    let mut raw = vec![0; raw_len];
    match lz4_flex::block::decompress_into(bytes, &mut raw) {
        Ok(length) if length == raw_len => Ok(raw.into()),
        Ok(_) | Err(_) => Err(FrameError::Compression),
    }
}

//! bincode 2 as it is used on the wire: fixed-size little-endian integers, a memory limit, and no
//! byte left over.
//!
//! Fixed-size integers are the only encoding in which equal values have equal bytes; the default
//! variable ones can be written in several ways. Nothing that is hashed or signed depends on this
//! file: ids and signing bytes have layouts of their own.

use bincode::{
    Decode, Encode,
    config::{Configuration, Fixint, Limit, LittleEndian},
    de::{BorrowDecoder, Decoder},
    enc::Encoder,
    error::{DecodeError, EncodeError},
};
use bytes::Bytes;

use super::CodecError;

type WireConfig<const LIMIT: usize> = Configuration<LittleEndian, Fixint, Limit<LIMIT>>;

fn config<const LIMIT: usize>() -> WireConfig<LIMIT> {
    bincode::config::standard()
        .with_little_endian()
        .with_fixed_int_encoding()
        .with_limit::<LIMIT>()
}

/// The bytes of `value`, ready to be shared by many sessions.
///
/// # Errors
/// [`CodecError::Malformed`] if a value refuses to be encoded; the program's own never do.
pub fn encode<T: Encode>(value: &T) -> Result<Bytes, CodecError> {
    let config = bincode::config::standard()
        .with_little_endian()
        .with_fixed_int_encoding();
    bincode::encode_to_vec(value, config)
        .map(Bytes::from)
        .map_err(|error| CodecError::Malformed(error.to_string()))
}

/// Reads exactly one value from the whole of `bytes`; at most `LIMIT` bytes of memory are reserved
/// for it.
///
/// # Errors
/// [`CodecError`]; by the length of lists at once, before memory is reserved for them.
pub fn decode<T: Decode<()>, const LIMIT: usize>(bytes: &[u8]) -> Result<T, CodecError> {
    let (value, used) =
        bincode::decode_from_slice(bytes, config::<LIMIT>()).map_err(|error| match error {
            DecodeError::UnexpectedEnd { additional } => CodecError::Truncated { missing: additional },
            DecodeError::LimitExceeded | DecodeError::OutsideUsizeRange(_) => CodecError::Limit,
            DecodeError::OtherString(text) if text == OVER_BOUND => CodecError::Limit,
            DecodeError::Other(text) if text == OVER_BOUND => CodecError::Limit,
            other => CodecError::Malformed(other.to_string()),
        })?;
    match bytes.len() - used {
        0 => Ok(value),
        left => Err(CodecError::Trailing(left)),
    }
}

const OVER_BOUND: &str = "list over its bound";

/// A list of at most `N` items. The count is checked before anything is reserved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundedVec<T, const N: usize>(Vec<T>);

impl<T, const N: usize> BoundedVec<T, N> {
    /// Takes the list if it is short enough, else gives it back.
    ///
    /// # Errors
    /// The list itself, unchanged.
    pub fn new(items: Vec<T>) -> Result<Self, Vec<T>> {
        if items.len() <= N {
            Ok(Self(items))
        } else {
            Err(items)
        }
    }

    /// The first `N` items; the rest is dropped.
    pub fn truncated(mut items: Vec<T>) -> Self {
        items.truncate(N);
        Self(items)
    }

    /// The items.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const N: usize> Default for BoundedVec<T, N> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const N: usize> std::ops::Deref for BoundedVec<T, N> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Encode, const N: usize> Encode for BoundedVec<T, N> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.0.encode(encoder)
    }
}

impl<Context, T: Decode<Context>, const N: usize> Decode<Context> for BoundedVec<T, N> {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let count = u64::decode(decoder)?;
        let count = usize::try_from(count)
            .ok()
            .filter(|count| *count <= N)
            .ok_or(DecodeError::Other(OVER_BOUND))?;
        decoder.claim_container_read::<T>(count)?;
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            decoder.unclaim_bytes_read(size_of::<T>());
            items.push(T::decode(decoder)?);
        }
        Ok(Self(items))
    }
}

impl<'de, Context, T: Decode<Context>, const N: usize> bincode::BorrowDecode<'de, Context>
    for BoundedVec<T, N>
{
    fn borrow_decode<D: BorrowDecoder<'de, Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Self::decode(decoder)
    }
}

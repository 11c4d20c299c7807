//! Signatures of the simulator: keyed hashes under a mark that no real signature carries.
//!
//! Only with the test-only feature `sim`. Anybody can make them; the simulator's liars are honest
//! enough not to.

use std::hash::{DefaultHasher, Hasher};

use super::{PublicKey, Signature, SignatureError};

/// The second half of every simulated signature. As the scalar of a real one it is far above the
/// group's order, hence never valid.
const MARK: [u8; 32] = [0xff; 32];

pub(super) fn sign(key: &PublicKey, message: &[u8]) -> Signature {
    // SipHash: a validator of a schedule hears some hundred messages, and a cryptographic hash of each
    // was a twelfth of a schedule's time. 64 bits keep messages apart, which is all that is asked of them.
    let mut hasher = DefaultHasher::new();
    hasher.write(key.as_bytes());
    hasher.write(message);
    let mut bytes = [0; 64];
    for (part, turn) in bytes[..32].as_chunks_mut::<8>().0.iter_mut().zip(0..) {
        *part = hasher.finish().rotate_left(16 * turn).to_le_bytes();
    }
    bytes[32..].copy_from_slice(&MARK);
    Signature::from_bytes(bytes)
}

/// The verdict on a simulated signature; `None` for a real one.
pub(super) fn verify(
    key: &PublicKey,
    message: &[u8],
    signature: &Signature,
) -> Option<Result<(), SignatureError>> {
    if signature.as_bytes()[32..] != MARK {
        return None;
    }
    Some(if sign(key, message) == *signature {
        Ok(())
    } else {
        Err(SignatureError)
    })
}

//! Signatures of the simulator: keyed hashes under a mark that no real signature carries.
//!
//! Only with the test-only feature `sim`. Anybody can make them; the simulator's liars are honest
//! enough not to.

use super::{PublicKey, Signature, SignatureError};

/// The second half of every simulated signature. As the scalar of a real one it is far above the
/// group's order, hence never valid.
const MARK: [u8; 32] = [0xff; 32];

pub(super) fn sign(key: &PublicKey, message: &[u8]) -> Signature {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(blake3::keyed_hash(key.as_bytes(), message).as_bytes());
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

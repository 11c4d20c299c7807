//! Handshake: any preamble and any Hello is judged without a panic; nothing passes that is not bound
//! to the connection; and a preamble that reads back writes the same bytes.

use timecoin::{
    crypto::{Hash256, SecretKey},
    wire::{ChainIdentity, Hello, HelloContext, PREAMBLE_BYTES, Preamble, Role, codec, hello_binding},
};

/// A Hello's bound on the wire is smaller; this is what decoding may reserve.
const HELLO_BYTES_MAX: usize = 4_096;

pub(crate) fn holds(data: &[u8]) {
    let chain = ChainIdentity {
        chain_id: 3,
        genesis_hash: Hash256::from_bytes([0xab; 32]),
    };
    let ours = Preamble::ours(&chain);
    let Some((preamble, rest)) = data.split_first_chunk::<PREAMBLE_BYTES>() else {
        return;
    };
    let theirs = Preamble::from_bytes(preamble);
    if let Ok(theirs) = &theirs {
        assert_eq!(&theirs.to_bytes(), preamble);
    }
    let Ok(hello) = codec::decode::<Hello, HELLO_BYTES_MAX>(rest) else {
        return;
    };
    assert_eq!(&codec::encode(&hello).expect("what decodes encodes")[..], rest);
    let exporter = [7; 32];
    let binding = hello_binding(&exporter, Role::Dialer, theirs.as_ref().unwrap_or(&ours), &ours);
    let context = HelloContext {
        chain: &chain,
        our_id: SecretKey::from_seed(&[1; 32]).public_key(),
        peer_id: hello.node_id,
        peer_role: Role::Dialer,
        binding,
        proof_exporter: exporter,
    };
    if hello.check(&context).is_ok() {
        assert_eq!(hello.binding, binding, "accepted without its binding");
        assert_eq!(hello.genesis_hash, chain.genesis_hash);
        assert!(hello.user_agent.is_ascii());
    }
}

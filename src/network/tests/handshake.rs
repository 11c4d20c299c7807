//! Who gets in.

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};

use crate::{
    crypto::Hash256,
    network::{CloseReason, HandshakeError, handshake::handshake},
    wire::{ChainIdentity, Direction, GoodbyeCode, MasternodeProof, PREAMBLE_BYTES, Refusal, Role},
};

use super::*;

#[tokio::test]
async fn two_nodes_meet_and_know_each_other() {
    let (a, mut a_in) = core(masternode(1));
    let (b, mut b_in) = core(around(2));
    let (at_a, at_b) = join(&a, &b, pipe()).await;
    let (at_a, at_b) = (at_a.unwrap().info(), at_b.unwrap().info());
    assert_eq!(
        (at_a.node_id, at_a.height, at_a.direction),
        (id(2), 2, Direction::Outbound)
    );
    assert_eq!(
        (at_b.node_id, at_b.height, at_b.direction),
        (id(1), 1, Direction::Inbound)
    );
    assert_eq!(at_b.validator, Some(id(101)));
    assert_eq!(at_a.validator, None);
    assert_eq!(at_b.listen_address, Some(loopback(24_200)));
    for (queue, peer) in [(&mut a_in, id(2)), (&mut b_in, id(1))] {
        assert!(matches!(next(&mut queue.peers).await, PeerEvent::Up { node_id, .. } if node_id == peer));
    }
}

#[tokio::test]
async fn another_genesis_is_refused_at_both_ends_with_both_hashes() {
    let other = ChainIdentity {
        genesis_hash: Hash256::from_bytes([0xcd; 32]),
        ..chain()
    };
    let (a, _a_in) = core(around(1));
    let (b, _b_in) = core(Surroundings {
        chain: other,
        ..around(2)
    });
    let (at_a, at_b) = join(&a, &b, pipe()).await;
    for (error, ours) in [(at_a.unwrap_err(), chain()), (at_b.unwrap_err(), other)] {
        let text = error.to_string();
        assert!(
            matches!(error, HandshakeError::Refused(Refusal::Genesis { .. })),
            "{text}"
        );
        assert!(
            text.contains("abababababababab") && text.contains("cdcdcdcdcdcdcdcd"),
            "{text}"
        );
        assert!(text.contains(&ours.genesis_hash.to_string()), "{text}");
    }
}

#[tokio::test]
async fn a_node_does_not_connect_to_itself() {
    let (a, _inboxes) = core(around(1));
    let (dialer, listener) = join(&a, &a, pipe()).await;
    for end in [dialer, listener] {
        assert!(matches!(end, Err(HandshakeError::Refused(Refusal::Ourselves))));
    }
    assert!(a.sessions.is_empty());
}

/// Passes bytes on, with one bit of the dialer's preamble changed.
async fn edit_preamble(bit: usize, mut near: DuplexStream, mut far: DuplexStream) {
    let mut preamble = [0; PREAMBLE_BYTES];
    near.read_exact(&mut preamble).await.unwrap();
    preamble[bit / 8] ^= 1 << (bit % 8);
    far.write_all(&preamble).await.unwrap();
    // Ends when one side gives up.
    let _ = copy_bidirectional(&mut near, &mut far).await;
}

#[tokio::test]
async fn dos_09_any_edit_of_a_preamble_fails_the_handshake_at_both_ends() {
    for bit in 0..PREAMBLE_BYTES * 8 {
        let (a, _a_in) = core(around(1));
        let (b, _b_in) = core(around(2));
        let (a_end, near) = pipe();
        let (far, b_end) = pipe();
        let edited = edit_preamble(bit, near, far);
        let ((at_a, at_b), ()) = tokio::join!(join(&a, &b, (a_end, b_end)), edited);
        assert!(at_a.is_err() && at_b.is_err(), "bit {bit}");
        // The flags mean nothing yet, so only the binding can tell.
        if bit >= 20 * 8 {
            assert!(matches!(at_a, Err(HandshakeError::Refused(Refusal::NotBound))));
            assert!(matches!(at_b, Err(HandshakeError::Refused(Refusal::NotBound))));
        }
    }
}

#[tokio::test]
async fn another_key_than_the_configured_one_is_refused() {
    let (a, _a_in) = core(around(1));
    let (b, _b_in) = core(around(2));
    let (near, far) = pipe();
    let (at_a, _) = tokio::join!(
        handshake(&a, near, Role::Dialer, Some(id(9))),
        handshake(&b, far, Role::Listener, None),
    );
    let error = at_a.err().unwrap();
    assert!(
        matches!(error, HandshakeError::Refused(Refusal::UnexpectedNode { found, expected })
            if found == id(2) && expected == id(9))
    );
}

#[tokio::test]
async fn dos_10_a_borrowed_masternode_proof_is_refused() {
    // A proof that the real masternode made for another session.
    let stolen = MasternodeProof {
        key: id(107),
        signature: key(107).sign(
            &ProofRequest {
                exporter: [0; 32],
                role: Role::Dialer,
                node_id: id(1),
            }
            .signing_bytes(),
        ),
    };
    let (a, _a_in) = core(Surroundings {
        prove: Arc::new(move |_| Some(stolen)),
        ..around(1)
    });
    let (b, _b_in) = core(around(2));
    let (_, at_b) = join(&a, &b, pipe()).await;
    assert!(matches!(at_b, Err(HandshakeError::Refused(Refusal::Proof(key))) if key == id(107)));
    assert!(b.sessions.is_empty());
}

#[tokio::test]
async fn strangers_and_other_protocols_are_turned_away() {
    let (b, _b_in) = core(around(2));
    let (mut near, far) = pipe();
    near.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let error = handshake(&b, far, Role::Listener, None).await.err().unwrap();
    assert!(
        matches!(error, HandshakeError::Refused(Refusal::NotTimeCoin)),
        "{error}"
    );

    let (mut near, far) = pipe();
    near.write_all(&crate::wire::Preamble::ours(&chain()).to_bytes())
        .await
        .unwrap();
    near.write_all(&[0x16; 600]).await.unwrap();
    let error = handshake(&b, far, Role::Listener, None).await.err().unwrap();
    assert!(matches!(error, HandshakeError::Tls(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_given_up_after_the_deadline() {
    let (b, _b_in) = core(around(2));
    let (_near, far) = pipe();
    let error = handshake(&b, far, Role::Listener, None).await.err().unwrap();
    assert!(matches!(error, HandshakeError::Timeout(_)), "{error}");
}

#[tokio::test]
async fn dos_08_a_replayed_first_flight_proves_nothing() {
    // Record what a dialer sends, then play it to the listener again.
    let (a, _a_in) = core(around(1));
    let (b, _b_in) = core(around(2));
    let (a_end, mut near) = pipe();
    let (mut far, b_end) = pipe();
    let record = async {
        let mut recorded = Vec::new();
        let (mut from_a, mut to_a) = tokio::io::split(&mut near);
        let (mut from_b, mut to_b) = tokio::io::split(&mut far);
        let back = tokio::io::copy(&mut from_b, &mut to_a);
        let forth = async {
            let mut chunk = [0; 4096];
            while let Ok(n @ 1..) = from_a.read(&mut chunk).await {
                recorded.extend_from_slice(&chunk[..n]);
                if to_b.write_all(&chunk[..n]).await.is_err() {
                    break;
                }
            }
        };
        tokio::select! { _ = back => {}, () = forth => {}, () = sleep(Duration::from_millis(200)) => {} }
        recorded
    };
    let ((at_a, at_b), recorded) = tokio::join!(join(&a, &b, (a_end, b_end)), record);
    assert!(at_a.is_ok() && at_b.is_ok());
    let generation = at_b.unwrap().generation;

    let (mut near, far) = pipe();
    near.write_all(&recorded).await.unwrap();
    let again = handshake(&b, far, Role::Listener, None).await;
    assert!(matches!(again, Err(HandshakeError::Tls(_))));
    assert!(
        b.sessions
            .get(&id(1))
            .is_none_or(|session| session.generation == generation)
    );
}

#[tokio::test]
async fn the_second_of_two_connections_is_refused_or_replaces_by_one_rule() {
    let (small, large) = if id(1) < id(2) { (1, 2) } else { (2, 1) };
    let (a, _a_in) = core(around(small));
    let (b, _b_in) = core(around(large));
    let (first, _) = join(&a, &b, pipe()).await;
    let (second, _) = join(&b, &a, pipe()).await;
    assert!(matches!(second, Err(HandshakeError::Duplicate(node)) if node == id(small)));
    assert!(!first.unwrap().closing.is_cancelled());

    let (a, mut a_in) = core(around(small));
    let (b, _b_in) = core(around(large));
    let (old, _) = join(&b, &a, pipe()).await;
    let (new, _) = join(&a, &b, pipe()).await;
    assert!(old.unwrap().closing.is_cancelled() && !new.unwrap().closing.is_cancelled());
    let (first, second, third) = (
        next(&mut a_in.peers).await,
        next(&mut a_in.peers).await,
        next(&mut a_in.peers).await,
    );
    assert!(matches!(first, PeerEvent::Up { generation: 1, .. }));
    // Whichever end closes the old one first.
    assert!(matches!(
        second,
        PeerEvent::Down {
            generation: 1,
            reason: CloseReason::Replaced | CloseReason::Goodbye(GoodbyeCode::Duplicate),
            ..
        }
    ));
    assert!(matches!(third, PeerEvent::Up { generation: 2, .. }));
}

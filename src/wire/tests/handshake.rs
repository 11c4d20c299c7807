//! Preamble, Hello and masternode proof.

use crate::{
    crypto::{Hash256, PublicKey, SecretKey},
    wire::*,
};

fn chain() -> ChainIdentity {
    ChainIdentity {
        chain_id: 3,
        genesis_hash: Hash256::from_bytes([0xab; 32]),
    }
}

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn binding() -> Hash256 {
    let preamble = Preamble::ours(&chain());
    hello_binding(&[9; 32], Role::Dialer, &preamble, &preamble)
}

fn hello() -> Hello {
    Hello {
        version: 1,
        chain_id: 3,
        genesis_hash: chain().genesis_hash,
        node_id: key(1).public_key(),
        binding: binding(),
        height: 5,
        tip_hash: Hash256::ZERO,
        finalized_height: 5,
        pruned_below: 0,
        capabilities: capability::FULL,
        listen_port: 24200,
        user_agent: "timed/0.1.0".to_owned(),
        unix_ms: 1,
        run_nonce: 2,
        proof: None,
    }
}

fn check(hello: &Hello) -> Result<Option<PublicKey>, Refusal> {
    let chain = chain();
    hello.check(&HelloContext {
        chain: &chain,
        our_id: key(2).public_key(),
        peer_id: key(1).public_key(),
        peer_role: Role::Dialer,
        binding: binding(),
        proof_exporter: [8; 32],
    })
}

#[test]
fn the_preamble_has_its_documented_bytes() {
    let preamble = Preamble::ours(&chain());
    let expected = "54494d450100010003000000ababababababababzzzzzzzz".replace('z', "0");
    assert_eq!(const_hex::encode(preamble.to_bytes()), expected);
    assert_eq!(Preamble::from_bytes(&preamble.to_bytes()), Ok(preamble));
    assert_eq!(
        Preamble::from_bytes(b"GET / HTTP/1.1\r\nHost: xx"),
        Err(Refusal::NotTimeCoin)
    );
}

#[test]
fn another_genesis_is_refused_with_both_hashes() {
    let other = ChainIdentity {
        genesis_hash: Hash256::from_bytes([0xcd; 32]),
        ..chain()
    };
    let text = Preamble::ours(&other).agree(&chain()).unwrap_err().to_string();
    assert!(
        text.contains("cdcdcdcdcdcdcdcd") && text.contains(&chain().genesis_hash.to_string()),
        "{text}"
    );
    let text = check(&Hello {
        genesis_hash: other.genesis_hash,
        ..hello()
    })
    .unwrap_err()
    .to_string();
    assert!(text.contains(&other.genesis_hash.to_string()), "{text}");
    assert!(text.contains(&chain().genesis_hash.to_string()), "{text}");
}

#[test]
fn versions_agree_on_the_highest_common_one() {
    let ours = Preamble::ours(&chain());
    let newer = Preamble {
        version: 9,
        version_min: 1,
        ..ours
    };
    assert_eq!(newer.agree(&chain()), Ok(1));
    let too_new = Preamble {
        version: 9,
        version_min: 2,
        ..ours
    };
    assert!(matches!(
        too_new.agree(&chain()),
        Err(Refusal::Version { theirs: 9, ours: 1 })
    ));
    let network = Preamble { chain_id: 1, ..ours };
    assert!(matches!(
        network.agree(&chain()),
        Err(Refusal::Network { theirs: 1, ours: 3 })
    ));
}

#[test]
fn the_binding_differs_by_role_exporter_and_each_preamble() {
    let ours = Preamble::ours(&chain());
    let edited = Preamble { flags: 1, ..ours };
    let all = [
        hello_binding(&[9; 32], Role::Dialer, &ours, &ours),
        hello_binding(&[9; 32], Role::Listener, &ours, &ours),
        hello_binding(&[7; 32], Role::Dialer, &ours, &ours),
        hello_binding(&[9; 32], Role::Dialer, &edited, &ours),
        hello_binding(&[9; 32], Role::Dialer, &ours, &edited),
    ];
    for (i, a) in all.iter().enumerate() {
        assert!(all[i + 1..].iter().all(|b| a != b));
    }
}

#[test]
fn dos_11_a_hello_is_refused_for_what_is_wrong_with_it() {
    assert_eq!(check(&hello()), Ok(None));
    let foreign = Hello {
        node_id: key(3).public_key(),
        ..hello()
    };
    assert!(matches!(check(&foreign), Err(Refusal::WrongNode { .. })));
    assert_eq!(
        check(&Hello {
            binding: Hash256::ZERO,
            ..hello()
        }),
        Err(Refusal::NotBound)
    );
    for agent in ["\u{1b}[31mred", "x\ny", &"a".repeat(65)] {
        assert_eq!(
            check(&Hello {
                user_agent: agent.to_owned(),
                ..hello()
            }),
            Err(Refusal::UserAgent)
        );
    }
}

#[test]
fn a_masternode_proof_holds_only_for_its_session_role_and_node() {
    let consensus = key(7);
    let proof = |exporter: [u8; 32], role: Role, node: u8| {
        let request = ProofRequest {
            exporter,
            role,
            node_id: key(node).public_key(),
        };
        Some(MasternodeProof {
            key: consensus.public_key(),
            signature: consensus.sign(&request.signing_bytes()),
        })
    };
    let right = Hello {
        proof: proof([8; 32], Role::Dialer, 1),
        ..hello()
    };
    assert_eq!(check(&right), Ok(Some(consensus.public_key())));
    for wrong in [
        proof([0; 32], Role::Dialer, 1),
        proof([8; 32], Role::Listener, 1),
        proof([8; 32], Role::Dialer, 2),
    ] {
        assert_eq!(
            check(&Hello {
                proof: wrong,
                ..hello()
            }),
            Err(Refusal::Proof(consensus.public_key()))
        );
    }
}

#[test]
fn both_ends_keep_the_same_one_of_two_connections() {
    let (a, b) = (key(1).public_key(), key(2).public_key());
    for (existing, new) in [(a, b), (b, a), (a, a), (b, b)] {
        let at_a = keep_new_connection(&existing, &new, &a, &b);
        let at_b = keep_new_connection(&existing, &new, &b, &a);
        assert_eq!(at_a, at_b);
        let kept = if at_a { new } else { existing };
        assert_eq!(kept, if existing == new { existing } else { a.min(b) });
    }
}

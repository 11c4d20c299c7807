//! The verdict rule, the formats, and what must not be printed.

use super::*;

fn key(n: u8) -> SecretKey {
    SecretKey::from_seed(&[n; 32])
}

#[test]
fn signs_and_verifies_single_and_batched() {
    let messages: Vec<Vec<u8>> = (0u8..40).map(|n| vec![n; 30]).collect();
    let mut items: Vec<(PublicKey, &[u8], Signature)> = messages
        .iter()
        .enumerate()
        .map(|(n, message)| {
            let key = key(n as u8 % 7);
            (key.public_key(), message.as_slice(), key.sign(message))
        })
        .collect();
    assert_eq!(verify_batch(&items), Ok(()));
    items[17].2 = items[18].2;
    assert_eq!(verify_batch(&items), Err(SignatureError));
    assert_eq!(
        verify(&items[17].0, items[17].1, &items[17].2),
        Err(SignatureError)
    );
}

/// Small-order keys make signatures that the usual strict and batched checks judge differently.
/// Under ZIP-215 the small-order key with a small-order R and s = 0 signs anything, in both ways.
#[test]
fn torsion_vectors_get_one_verdict() {
    // The eight encodings of small-order points; s = 0, R = A: 8·(sB − R − kA) = 0 for each.
    let points = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    ];
    let mut items = Vec::new();
    for a in points {
        for r in points {
            let key: PublicKey = a.parse().unwrap();
            assert!(key.is_weak());
            let mut bytes = [0; 64];
            const_hex::decode_to_slice(r, &mut bytes[..32]).unwrap();
            let signature = Signature::from_bytes(bytes);
            assert_eq!(verify(&key, b"anything", &signature), Ok(()), "{a} {r}");
            items.push((key, b"anything".as_slice(), signature));
        }
    }
    for _ in 0..4 {
        assert_eq!(verify_batch(&items), Ok(()));
        items.rotate_left(5);
    }
}

#[test]
fn pem_round_trips_and_debug_hides_the_seed() {
    let key = key(9);
    let pem = key.to_pem().unwrap();
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----"));
    assert_eq!(SecretKey::from_pem(&pem).unwrap().public_key(), key.public_key());
    assert!(SecretKey::from_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----").is_err());
    let shown = format!("{key:?}");
    assert!(!shown.contains(&const_hex::encode([9u8; 32])));
}

#[test]
fn hash_domains_are_separate_and_text_round_trips() {
    let a = HashWriter::new("a").bytes(b"bc").finish();
    let b = HashWriter::new("ab").bytes(b"c").finish();
    assert_ne!(a, b);
    assert_eq!(a.to_string().parse::<Hash256>(), Ok(a));
    assert_eq!("zz".parse::<Hash256>(), Err(ParseHashError));
}

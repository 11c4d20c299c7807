//! Keys are private from birth, and are signed with only in their domain.

use std::{fs, os::unix::fs::PermissionsExt};

use super::*;
use crate::{
    chain::Height,
    consensus::{Round, Says, SigningDomain},
    crypto::{SecretKey, verify},
    wire::Role,
};

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_key_file_is_private_from_birth_and_reads_back() {
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("a/keys");
    create_key_dir(&keys).unwrap();
    let path = keys.join(VALIDATOR_KEY_FILE);
    let key = generate_key().unwrap();
    create_key_file(&path, &key).unwrap();
    assert_eq!(mode(&keys), 0o700);
    assert_eq!(mode(&path), 0o600);
    assert!(
        fs::read_to_string(&path)
            .unwrap()
            .starts_with("-----BEGIN PRIVATE KEY-----")
    );
    assert_eq!(read_key_file(&path).unwrap().public_key(), key.public_key());
}

#[test]
fn an_existing_key_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.key");
    let first = generate_key().unwrap();
    create_key_file(&path, &first).unwrap();
    let refused = create_key_file(&path, &generate_key().unwrap()).unwrap_err();
    assert!(matches!(refused, SignerError::Exists { .. }));
    assert_eq!(read_key_file(&path).unwrap().public_key(), first.public_key());
}

#[test]
fn any_bit_for_others_is_refused_with_the_command_that_repairs_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("validator.key");
    create_key_file(&path, &generate_key().unwrap()).unwrap();
    for bits in [0o644, 0o640, 0o604, 0o620, 0o601] {
        fs::set_permissions(&path, fs::Permissions::from_mode(bits)).unwrap();
        let refused = read_key_file(&path).unwrap_err();
        assert!(matches!(refused, SignerError::Permissions { mode, .. } if mode == bits));
        assert!(
            refused
                .to_string()
                .contains(&format!("chmod 600 {}", path.display()))
        );
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    read_key_file(&path).unwrap();
}

#[test]
fn a_missing_or_damaged_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("validator.key");
    assert!(matches!(
        read_key_file(&path).unwrap_err(),
        SignerError::Missing { .. }
    ));
    key_file::write_new(&path, b"-----BEGIN PRIVATE KEY-----\nAAAA\n").unwrap();
    let refused = read_key_file(&path).unwrap_err();
    assert!(matches!(refused, SignerError::Format { .. }));
    assert!(refused.to_string().contains("validator.key"));
}

fn wishes() -> [Wish; 5] {
    let (chain_id, block) = (Hash256::from_bytes([1; 32]), BlockHash::from_bytes([2; 32]));
    [
        Wish::Vote(Statement {
            domain: SigningDomain {
                chain_id,
                vset_hash: chain_id,
            },
            height: Height::new(3),
            round: Round::ZERO,
            says: Says::Commit { digest: block },
        }),
        Wish::Session(ProofRequest {
            exporter: [3; 32],
            role: Role::Dialer,
            node_id: PublicKey::from_bytes([4; 32]),
        }),
        Wish::Ready {
            chain_id,
            masternode: MasternodeId::from_bytes([5; 32]),
            block,
        },
        Wish::Possession {
            chain_id,
            subject: vec![6; 20],
        },
        Wish::Claim(KeyClaim {
            chain_id,
            run: chain_id,
            holder: PublicKey::from_bytes([4; 32]),
            signs: true,
        }),
    ]
}

#[test]
fn what_a_key_signs_for_one_thing_holds_for_no_other() {
    let signer = LocalSigner::new(SecretKey::from_seed(&[7; 32]));
    let key = signer.public_key();
    for (own, wish) in wishes().iter().enumerate() {
        let signature = signer.sign(wish).unwrap();
        for (other, wish) in wishes().iter().enumerate() {
            let holds = verify(&key, &wish.bytes(&key), &signature).is_ok();
            assert_eq!(holds, own == other, "{own} {other}");
        }
    }
    let prefixes = wishes().map(|wish| wish.bytes(&key)[..13].to_vec());
    assert_eq!(prefixes[0], crate::consensus::SIGNING_PREFIX);
    assert!(prefixes.iter().skip(1).all(|other| *other != prefixes[0]));
}

#[test]
fn a_request_is_a_bounded_frame_and_nothing_else_decodes() {
    for wish in wishes() {
        let request = protocol::Request::Sign(wish);
        let frame = protocol::frame(&request).unwrap();
        assert!(frame.len() <= protocol::FRAME_BYTES_MAX);
        assert_eq!(
            protocol::parse::<protocol::Request>(&frame[4..]).unwrap(),
            request
        );
        let mut longer = frame[4..].to_vec();
        longer.push(0);
        assert!(
            protocol::parse::<protocol::Request>(&longer).is_err(),
            "something follows"
        );
        assert!(
            protocol::parse::<protocol::Request>(&frame[4..frame.len() - 1]).is_err(),
            "cut"
        );
    }
    let long = Wish::Possession {
        chain_id: Hash256::ZERO,
        subject: vec![0; protocol::FRAME_BYTES_MAX],
    };
    assert!(protocol::frame(&protocol::Request::Sign(long)).is_err());
}

#[test]
fn a_wallet_file_reads_back_and_a_bare_pem_does_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wallet.key.json");
    let key = generate_key().unwrap();
    WalletFile::create(&path, &key, "devnet", "timed1abc").unwrap();
    assert_eq!(mode(&path), 0o600);
    let read = WalletFile::read(&path).unwrap();
    assert_eq!(read.key.public_key(), key.public_key());
    assert_eq!(read.address.as_deref(), Some("timed1abc"));
    assert!(!format!("{read:?}").contains("PRIVATE"));

    let bare = dir.path().join("wallet.key");
    create_key_file(&bare, &key).unwrap();
    assert_eq!(
        WalletFile::read(&bare).unwrap().key.public_key(),
        key.public_key()
    );
}

#[test]
fn a_wallet_file_with_a_foreign_public_key_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wallet.key.json");
    let key = SecretKey::from_seed(&[1; 32]);
    let other = SecretKey::from_seed(&[2; 32]);
    WalletFile::create(&path, &key, "devnet", "timed1abc").unwrap();
    let text = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        text.replace(&key.public_key().to_string(), &other.public_key().to_string()),
    )
    .unwrap();
    let refused = WalletFile::read(&path).unwrap_err();
    assert!(refused.to_string().contains("public key"));
}

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(zeroize::Zeroizing::new(text.to_owned()))
}

/// Knows one passphrase and counts how often it is asked.
struct Knows(&'static str, std::cell::Cell<u32>);

impl Unlock for Knows {
    fn passphrase(&self, _: &std::path::Path) -> Result<Passphrase, SignerError> {
        self.1.set(self.1.get() + 1);
        Ok(passphrase(self.0))
    }
}

fn knows(text: &'static str) -> Knows {
    Knows(text, std::cell::Cell::new(0))
}

#[test]
fn an_encrypted_key_opens_with_its_passphrase_only_and_tells_its_public_half_without() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("validator.key");
    let key = generate_key().unwrap();
    create_key_file_under(&path, &key, Some(&passphrase("correct horse\n"))).unwrap();
    assert_eq!(mode(&path), 0o600);
    let text = fs::read_to_string(&path).unwrap();
    let seed = const_hex::encode(&key.seed()[..]);
    assert!(text.contains("BEGIN ENCRYPTED PRIVATE KEY") && !text.contains(&seed));
    assert_eq!(public_key_of(&path).unwrap(), key.public_key());
    assert!(is_key_file_encrypted(&path).unwrap());
    assert!(matches!(read_key_file(&path), Err(SignerError::Locked { .. })));
    let wrong = open_key_file(&path, &knows("correct house")).unwrap_err();
    assert!(matches!(wrong, SignerError::WrongPassphrase { .. }));
    assert!(!wrong.to_string().contains("correct house"));
    let opened = open_key_file(&path, &knows("correct horse")).unwrap();
    assert_eq!(opened.public_key(), key.public_key());

    // The same key under none: what asks for no passphrase is asked for none.
    rewrite_key_file(&path, &opened, None).unwrap();
    let unasked = knows("unused");
    assert_eq!(
        open_key_file(&path, &unasked).unwrap().public_key(),
        key.public_key()
    );
    assert_eq!((unasked.1.get(), mode(&path)), (0, 0o600));
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        1,
        "no temporary file stays"
    );
}

#[test]
fn a_key_that_is_not_the_one_its_file_names_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b] = [1, 2].map(|seed| SecretKey::from_seed(&[seed; 32]));
    let path = dir.path().join("validator.key");
    create_key_file_under(&path, &a, Some(&passphrase("correct horse"))).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let lying = text.replace(&a.public_key().to_string(), &b.public_key().to_string());
    fs::write(&path, lying).unwrap();
    let refused = open_key_file(&path, &knows("correct horse")).unwrap_err();
    assert!(refused.to_string().contains("public key"), "{refused}");
}

#[test]
fn a_short_passphrase_protects_nothing_and_leaves_the_file_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.key");
    let key = generate_key().unwrap();
    create_key_file(&path, &key).unwrap();
    let before = fs::read(&path).unwrap();
    let refused = rewrite_key_file(&path, &key, Some(&passphrase("1234567"))).unwrap_err();
    assert!(matches!(refused, SignerError::WeakPassphrase));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_file_that_asks_for_absurd_work_is_refused_before_it_is_begun() {
    // N = 2^30 would take a terabyte: made by OpenSSL's encoder, never decrypted here.
    const GREEDY: &str = include_str!("testdata/greedy.key");
    let error = SecretKey::from_encrypted_pem(GREEDY, b"passphrase").unwrap_err();
    assert_eq!(error, crate::crypto::DecryptError::Format);
}

#[test]
fn a_key_that_openssl_encrypted_opens_here() {
    const FOREIGN: &str = include_str!("testdata/openssl.key");
    let key = SecretKey::from_encrypted_pem(FOREIGN, b"correct horse").unwrap();
    let public = include_str!("testdata/openssl.pub");
    assert_eq!(key.public_key().to_string(), public.trim());
}

#[test]
fn an_encrypted_wallet_tells_its_address_and_pays_only_with_its_passphrase() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wallet.key.json");
    let key = SecretKey::from_seed(&[1; 32]);
    WalletFile::create_under(
        &path,
        &key,
        "devnet",
        "timed1abc",
        Some(&passphrase("correct horse")),
    )
    .unwrap();
    let label = WalletLabel::read(&path).unwrap();
    assert_eq!(
        (label.public_key, label.address.as_deref()),
        (key.public_key(), Some("timed1abc"))
    );
    assert!(matches!(WalletFile::read(&path), Err(SignerError::Locked { .. })));
    let opened = WalletFile::open(&path, &knows("correct horse")).unwrap();
    opened.rewrite(&path, None).unwrap();
    assert_eq!(
        WalletFile::read(&path).unwrap().key.public_key(),
        key.public_key()
    );
}

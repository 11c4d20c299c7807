//! Keys are private from birth, and are signed with only in their domain.

use std::{fs, os::unix::fs::PermissionsExt};

use super::*;
use crate::crypto::{SecretKey, verify};

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

#[test]
fn votes_and_session_proofs_cannot_be_taken_for_each_other() {
    let signer = LocalSigner::new(SecretKey::from_seed(&[7; 32]));
    let vote = [CONSENSUS_DOMAIN, b"vote"].concat();
    let proof = [SESSION_DOMAIN, b"proof"].concat();
    let signature = signer.sign_consensus(&vote).unwrap();
    verify(&signer.public_key(), &vote, &signature).unwrap();
    signer.sign_session(&proof).unwrap();
    assert!(matches!(
        signer.sign_session(&vote),
        Err(SignerError::WrongDomain)
    ));
    assert!(matches!(
        signer.sign_consensus(&proof),
        Err(SignerError::WrongDomain)
    ));
    // Four domains, none the beginning of another: no road gets one signed as another.
    let domains = [CONSENSUS_DOMAIN, SESSION_DOMAIN, READY_DOMAIN, POSSESSION_DOMAIN];
    type Sign<'a> = &'a dyn Fn(&[u8]) -> Result<crate::crypto::Signature, SignerError>;
    let sign: [Sign<'_>; 4] = [
        &|bytes| signer.sign_consensus(bytes),
        &|bytes| signer.sign_session(bytes),
        &|bytes| signer.sign_ready(bytes),
        &|bytes| signer.sign_possession(bytes),
    ];
    for (own, sign) in sign.iter().enumerate() {
        for (other, domain) in domains.iter().enumerate() {
            let signed = sign(&[*domain, b"rest"].concat());
            assert_eq!(signed.is_ok(), own == other, "{own} {other}");
        }
    }
    assert!(matches!(
        signer.sign_consensus(b""),
        Err(SignerError::WrongDomain)
    ));
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

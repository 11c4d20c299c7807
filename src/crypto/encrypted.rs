//! Secret keys under a passphrase: PKCS#8, PBES2 with scrypt and AES-256-CBC, which OpenSSL reads too.
//!
//! Like everything here it takes its randomness as an argument. CBC itself notices no change of the
//! ciphertext, so whoever stores a key keeps the public key beside it and compares (`signer`).

use ed25519_dalek::{
    SigningKey,
    pkcs8::{DecodePrivateKey, spki::der::pem::LineEnding},
};
use pkcs8::{
    EncryptedPrivateKeyInfo, PrivateKeyInfo, SecretDocument,
    der::pem::PemLabel,
    pkcs5::{EncryptionScheme, pbes2, scrypt},
};
use zeroize::Zeroizing;

use super::{KeyFormatError, SecretKey};

/// log₂ of scrypt's N: 128 MiB and a few tenths of a second for one guess.
const COST_LOG2: u8 = 17;
/// scrypt's block size r.
const BLOCK_SIZE: u32 = 8;
/// scrypt's parallelism p.
const PARALLELISM: u32 = 1;
/// The highest N and r·p that are accepted: a file must not make the program ask for gigabytes.
const COST_MAX: u64 = 1 << 20;
const BLOCKS_MAX: u32 = 16;
/// Most iterations of PBKDF2, which other programs write.
const ITERATIONS_MAX: u32 = 10_000_000;

/// Random bytes that make each file differ: scrypt's salt and the cipher's first block.
#[derive(Debug, Clone, Copy)]
pub struct EncryptionSeed {
    /// Salt of the key derivation.
    pub salt: [u8; 16],
    /// Initialisation vector of the cipher.
    pub iv: [u8; 16],
}

/// Why an encrypted key could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecryptError {
    /// Not an encrypted PKCS#8 key, or one that asks for absurd work.
    #[error("not an encrypted ed25519 key in PKCS#8 PEM")]
    Format,
    /// The passphrase is another one, or the ciphertext was changed.
    #[error("the passphrase does not open it")]
    Passphrase,
}

/// Whether `text` is an encrypted key, by its label alone.
pub fn is_encrypted_pem(text: &str) -> bool {
    text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
}

impl SecretKey {
    /// PKCS#8 PEM under a passphrase. Takes a few tenths of a second and 128 MiB.
    ///
    /// # Errors
    /// [`KeyFormatError`] if an encoder refuses, which no valid key makes it do.
    pub fn to_encrypted_pem(
        &self,
        passphrase: &[u8],
        seed: &EncryptionSeed,
    ) -> Result<Zeroizing<String>, KeyFormatError> {
        let plain = self.to_pkcs8_der()?;
        let info = PrivateKeyInfo::try_from(plain.as_slice()).map_err(|_| KeyFormatError)?;
        let cost = scrypt::Params::new(COST_LOG2, BLOCK_SIZE, PARALLELISM, 32).map_err(|_| KeyFormatError)?;
        let parameters =
            pbes2::Parameters::scrypt_aes256cbc(cost, &seed.salt, &seed.iv).map_err(|_| KeyFormatError)?;
        let document = info
            .encrypt_with_params(parameters, passphrase)
            .map_err(|_| KeyFormatError)?;
        document
            .to_pem(EncryptedPrivateKeyInfo::PEM_LABEL, LineEnding::LF)
            .map_err(|_| KeyFormatError)
    }

    /// Opens what [`SecretKey::to_encrypted_pem`] or OpenSSL wrote.
    ///
    /// # Errors
    /// [`DecryptError::Format`] if it is no such key, [`DecryptError::Passphrase`] if it stays closed.
    pub fn from_encrypted_pem(text: &str, passphrase: &[u8]) -> Result<Self, DecryptError> {
        let begin = text.find("-----BEGIN").ok_or(DecryptError::Format)?;
        let (label, document) =
            SecretDocument::from_pem(text[begin..].trim_end()).map_err(|_| DecryptError::Format)?;
        if label != EncryptedPrivateKeyInfo::PEM_LABEL {
            return Err(DecryptError::Format);
        }
        let info =
            EncryptedPrivateKeyInfo::try_from(document.as_bytes()).map_err(|_| DecryptError::Format)?;
        if !is_bounded(&info.encryption_algorithm) {
            return Err(DecryptError::Format);
        }
        let plain = info.decrypt(passphrase).map_err(|_| DecryptError::Passphrase)?;
        // A wrong passphrase that happens to end in valid padding gives bytes that are no key.
        SigningKey::from_pkcs8_der(plain.as_bytes())
            .map(Self::of)
            .map_err(|_| DecryptError::Passphrase)
    }
}

fn is_bounded(scheme: &EncryptionScheme<'_>) -> bool {
    let EncryptionScheme::Pbes2(parameters) = scheme else {
        return false;
    };
    let scrypt_is = parameters.kdf.scrypt().map(|scrypt| {
        let blocks = u32::from(scrypt.block_size) * u32::from(scrypt.parallelization);
        scrypt.cost_parameter <= COST_MAX && blocks <= BLOCKS_MAX
    });
    let pbkdf2_is = parameters
        .kdf
        .pbkdf2()
        .map(|pbkdf2| pbkdf2.iteration_count <= ITERATIONS_MAX);
    scrypt_is.or(pbkdf2_is).unwrap_or(false)
}

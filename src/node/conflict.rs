//! Two certificates at one height, remembered across restarts.
//!
//! The file stands in `consensus/`, beside the log and untouched by it: a node that finds it signs
//! nothing and stands still until a human has read it, chosen, and moved it away.

use std::{io, path::Path};

use crate::{
    chain::{CommitCertificate, Height},
    storage::{atomic_file, schema},
};

/// Name of the file in `consensus/`.
pub(super) const CONFLICT_FILE: &str = "conflicting-certificates.txt";

/// Durably keeps both certificates; an older file stays, because the first conflict is the one that
/// matters.
///
/// # Errors
/// Whatever the file system reports.
pub(super) fn keep(
    log_dir: &Path,
    height: Height,
    ours: &CommitCertificate,
    theirs: &CommitCertificate,
) -> io::Result<()> {
    let path = log_dir.join(CONFLICT_FILE);
    if path.try_exists()? {
        return Ok(());
    }
    let bytes = |certificate| const_hex::encode(schema::encode(certificate));
    let text = format!(
        "Two commit certificates for different blocks at height {height}.\n\
         More than a third of the validators broke the rules, or a key was stolen. This node signs nothing\n\
         and follows nothing until this file is moved away. Compare with other operators which block the\n\
         network stands on before you do that, and keep the file: it is evidence.\n\n\
         ours {} round {}\n{}\n\ntheirs {} round {}\n{}\n",
        ours.block_hash,
        ours.round,
        bytes(ours),
        theirs.block_hash,
        theirs.round,
        bytes(theirs),
    );
    atomic_file::write(&path, text.as_bytes())
}

/// True if a conflict was kept, or nobody can tell.
pub(super) fn is_kept(log_dir: &Path) -> bool {
    match log_dir.join(CONFLICT_FILE).try_exists() {
        Ok(exists) => exists,
        Err(error) => {
            tracing::error!(%error, file = CONFLICT_FILE, "cannot be looked for; taken as present");
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{chain::BlockHash, crypto::Signature};

    fn certificate(block: u8) -> CommitCertificate {
        CommitCertificate {
            height: Height::new(7),
            round: 0,
            block_hash: BlockHash::from_bytes([block; 32]),
            signatures: (0..3).map(|n| (n, Signature::from_bytes([block; 64]))).collect(),
        }
    }

    #[test]
    fn dos_26_both_certificates_are_kept_across_a_restart_and_the_first_pair_stays() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_kept(dir.path()));
        let (ours, theirs, third) = (certificate(1), certificate(2), certificate(3));
        keep(dir.path(), Height::new(7), &ours, &theirs).unwrap();
        assert!(is_kept(dir.path()));
        keep(dir.path(), Height::new(7), &ours, &third).unwrap();
        let text = std::fs::read_to_string(dir.path().join(CONFLICT_FILE)).unwrap();
        let kept: Vec<CommitCertificate> = text
            .lines()
            .filter_map(|line| schema::decode(&const_hex::decode(line).ok()?).ok())
            .collect();
        assert_eq!(kept, [ours, theirs]);
    }
}

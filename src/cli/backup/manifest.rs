//! What a backup says of itself: which node it is of, and the size and hash of each of its files. Written
//! last, so a directory without it is no backup.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::super::failure::{Code, Failure};
use crate::crypto::{Hash256, PublicKey};

/// Name of the file.
pub(super) const MANIFEST_FILE: &str = "backup.json";
const WHAT: &str = "backup of a timed node";
const SCHEMA: u32 = 1;
/// A manifest has about two thousand bytes; more than this is not read.
const MANIFEST_BYTES_MAX: u64 = 64 * 1024;
/// Longest file of a backup: bans are the only list in it.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Everything that a backup may hold, by its name in the backup and in the data directory; in the order in
/// which it is restored. Consensus log, guard and chain are not in it and never will be.
pub(super) const NAMES: [&str; 8] = [
    "genesis.toml",
    "keys/node.key",
    "keys/validator.key",
    "keys/validator.pub",
    "keys/wallet.key.json",
    "peers/bans.json",
    "tokens.json",
    "config.toml",
];

/// The names of key files among them.
pub(super) const KEYS: [&str; 3] = ["keys/node.key", "keys/validator.key", "keys/wallet.key.json"];

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) bytes: u64,
    /// As `sha256sum` prints it.
    pub(super) sha256: Hash256,
}

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    what: String,
    schema: u32,
    /// Version of the program that made it.
    pub(super) version: String,
    pub(super) network: String,
    pub(super) chain_id: Hash256,
    pub(super) made_ms: u64,
    pub(super) node_id: Option<PublicKey>,
    pub(super) validator_id: Option<PublicKey>,
    /// In the order of [`NAMES`].
    pub(super) files: Vec<Entry>,
}

impl Manifest {
    /// Of the files that lie in `dir` now.
    pub(super) fn of(
        dir: &Path,
        network: &str,
        chain_id: Hash256,
        made_ms: u64,
        keys: [Option<PublicKey>; 2],
    ) -> Result<Self, Failure> {
        let mut files = Vec::new();
        for name in NAMES.iter().filter(|name| dir.join(name).exists()) {
            files.push(entry(dir, name)?);
        }
        Ok(Self {
            what: WHAT.to_owned(),
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            network: network.to_owned(),
            chain_id,
            made_ms,
            node_id: keys[0],
            validator_id: keys[1],
            files,
        })
    }

    /// Its text.
    pub(super) fn to_text(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// That of the backup in `dir`, with every file it names looked at.
    pub(super) fn read_whole(dir: &Path) -> Result<Self, Failure> {
        let path = dir.join(MANIFEST_FILE);
        let text = read(&path, MANIFEST_BYTES_MAX).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => damaged(
                &path,
                "it is missing: this is no backup, or one that was not finished",
            ),
            _ => Failure::io(&path, &error),
        })?;
        let found: serde_json::Value =
            serde_json::from_slice(&text).map_err(|error| damaged(&path, error))?;
        match found.get("schema").and_then(serde_json::Value::as_u64) {
            Some(schema) if schema > u64::from(SCHEMA) => {
                return Err(Failure::new(
                    Code::Newer,
                    format!(
                        "{} is of layout {schema}, and this version reads {SCHEMA}; restore it with the version that made it",
                        path.display()
                    ),
                ));
            }
            _ => {}
        }
        let manifest: Self = serde_json::from_value(found).map_err(|error| damaged(&path, error))?;
        if manifest.what != WHAT {
            return Err(damaged(&path, "it is something else"));
        }
        for entry in &manifest.files {
            manifest.check(dir, entry)?;
        }
        Ok(manifest)
    }

    fn check(&self, dir: &Path, promised: &Entry) -> Result<(), Failure> {
        // Nothing but what we write is read, whatever the manifest names.
        if !NAMES.contains(&promised.name.as_str()) {
            return Err(damaged(
                &dir.join(MANIFEST_FILE),
                "it names a file that no backup has",
            ));
        }
        let path = dir.join(&promised.name);
        if !path.exists() {
            return Err(damaged(&path, "it is missing"));
        }
        match entry(dir, &promised.name)? == *promised {
            true => Ok(()),
            false => Err(damaged(&path, "it is not what was backed up")),
        }
    }

    pub(super) fn holds(&self, name: &str) -> bool {
        self.files.iter().any(|entry| entry.name == name)
    }
}

/// A backup that cannot be used.
pub(super) fn damaged(path: &Path, reason: impl std::fmt::Display) -> Failure {
    Failure::new(
        Code::Backup,
        format!(
            "{}: {reason}; take another copy of this backup, or an older backup",
            path.display()
        ),
    )
}

/// A file of at most `limit` bytes.
pub(super) fn read(path: &Path, limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    let file = File::open(path)?;
    if file.metadata()?.len() > limit {
        return Err(io::Error::other(format!("it has more than {limit} bytes")));
    }
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The content of a file that goes into a backup or comes out of one.
pub(super) fn content(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    read(path, FILE_BYTES_MAX).map_err(|error| Failure::io(path, &error))
}

fn entry(dir: &Path, name: &str) -> Result<Entry, Failure> {
    let content = content(&dir.join(name))?;
    let hash: [u8; 32] = Sha256::digest(content.as_slice()).into();
    Ok(Entry {
        name: name.to_owned(),
        bytes: content.len() as u64,
        sha256: Hash256::from_bytes(hash),
    })
}

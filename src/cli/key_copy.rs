//! `timed keys export`, `import` and `check`: keys that leave a data directory and arrive in one.
//!
//! A consensus key is never brought in alone: with it comes what it has signed, or the word that it
//! never signed, or the decision to let the node observe first.

use std::{
    fs::{self, DirBuilder},
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    args::{KeyCheckArguments, KeyExportArguments, KeyImportArguments, KeyKind},
    client::load_place,
    config::load_chain,
    failure::{Code, Failure},
    identity,
    init::genesis_of,
    keys::file_of,
    output,
    passphrase::{Passphrases, new_passphrase},
};
use crate::{
    config::DataDir,
    node::handover::{self, StateFile},
    signer::{
        NODE_KEY_FILE, SignerError, VALIDATOR_KEY_FILE, WalletFile, copy_key_file, create_key_dir,
        is_key_file_encrypted, public_key_of,
    },
};

/// Only the owner looks into a data directory.
const DIR_MODE: u32 = 0o700;
/// Permission bits of anybody but the owner.
const OTHERS: u32 = 0o077;

/// Writes a copy of a key to a file that must not exist.
pub(super) fn export(arguments: &KeyExportArguments) -> Result<(), Failure> {
    let loaded = load_place(&arguments.place)?;
    let from = loaded.data_dir()?.keys().join(file_of(arguments.kind));
    let to = &arguments.file;
    if to.exists() {
        return Err(SignerError::Exists { path: to.clone() }.into());
    }
    let passphrases = Passphrases::of(arguments.passphrase.passphrase_file.as_deref(), &loaded);
    let new = arguments.new_passphrase_file.as_deref();
    let is_encrypted = is_key_file_encrypted(&from)?;
    let how = if arguments.unencrypted {
        WalletFile::open(&from, &passphrases)?.create_copy(to, None)?;
        "not encrypted: whoever reads it has the key"
    } else if is_encrypted && new.is_none() {
        copy_key_file(&from, to, &passphrases)?;
        "under the same passphrase"
    } else {
        let key = WalletFile::open(&from, &passphrases)?;
        key.create_copy(to, Some(&new_passphrase(new, to)?))?;
        "under the new passphrase"
    };
    output::line(&format!("{} holds {}, {how}", to.display(), public_key_of(to)?))?;
    if arguments.kind == KeyKind::Validator {
        output::diagnostic(
            "a copy to keep is enough; to sign elsewhere with it, stop this node and take `timed signer state export` along",
        );
    }
    Ok(())
}

/// Brings a key into the data directory. Never overwrites one.
pub(super) fn import(arguments: &KeyImportArguments) -> Result<(), Failure> {
    let loaded = load_chain(&arguments.chain)?;
    let dir = loaded.data_dir()?;
    let to = dir.keys().join(file_of(arguments.kind));
    let from = &arguments.file;
    if to.exists() {
        return Err(SignerError::Exists { path: to }.into());
    }
    let memory = &arguments.memory;
    let is_named = memory.state.is_some() || memory.fresh_key || memory.observe;
    match arguments.kind {
        KeyKind::Validator if !is_named => {
            return Err(Failure::new(
                Code::SignGuard,
                "a consensus key without what it has signed could sign twice; bring that along with --state FILE (`timed signer state export` on the old node, stopped), or say --fresh-key if it never signed anything anywhere, or --observe to let the node watch the chain until it is safe",
            ));
        }
        KeyKind::Node | KeyKind::Wallet if is_named => {
            return Err(Failure::new(
                Code::Argument,
                "--state, --fresh-key and --observe are about the consensus key; leave them out for this one",
            ));
        }
        KeyKind::Validator | KeyKind::Node | KeyKind::Wallet => {}
    }
    let passphrases = Passphrases::of(arguments.passphrase.passphrase_file.as_deref(), &loaded);
    // Opened before anything is made, so that a wrong passphrase leaves nothing behind.
    let key = WalletFile::open(from, &passphrases)?.key.public_key();
    let made = DirBuilder::new()
        .recursive(true)
        .mode(DIR_MODE)
        .create(dir.root());
    made.map_err(|error| Failure::io(dir.root(), &error))?;
    create_key_dir(&dir.keys())?;
    if arguments.kind == KeyKind::Validator {
        remember(arguments, &dir, key, &genesis_of(&loaded.config)?)?;
    }
    copy_key_file(from, &to, &passphrases)?;
    output::line(&format!("{} holds {key}", to.display()))?;
    if !is_key_file_encrypted(&to)? {
        output::diagnostic("it is not encrypted; `timed keys encrypt` changes that");
    }
    output::diagnostic(&format!(
        "{} is still there; remove it once this one was tried",
        from.display()
    ));
    Ok(())
}

/// The log before the key: a key without its log observes, while a log without a key is harmless.
fn remember(
    arguments: &KeyImportArguments,
    dir: &DataDir,
    key: crate::crypto::PublicKey,
    genesis: &crate::chain::Genesis,
) -> Result<(), Failure> {
    let memory = &arguments.memory;
    if let Some(state) = &memory.state {
        let state = StateFile::read(state)?;
        let imported = handover::import(dir.root(), genesis, key, &state, false)?;
        return output::line(&format!("it signs above height {}", imported.signs_above));
    }
    if memory.observe {
        handover::begin_lost(dir.root())?;
        return output::line("the node observes until the chain has moved on, and then signs");
    }
    identity::create_log(dir)
}

#[derive(Debug, Serialize)]
struct Checked {
    file: PathBuf,
    ok: bool,
    problem: Option<String>,
    fixed: bool,
}

/// Looks at mode, owner and content of the keys; with `--fix` takes other people's permissions away.
pub(super) fn check(arguments: &KeyCheckArguments) -> Result<bool, Failure> {
    let dir = load_place(&arguments.place)?.data_dir()?.keys();
    let mut checked = vec![check_dir(&dir, arguments.fix)?];
    for name in [NODE_KEY_FILE, VALIDATOR_KEY_FILE, identity::WALLET_FILE] {
        let path = dir.join(name);
        if path.exists() {
            checked.push(check_file(&path, arguments.fix)?);
        }
    }
    let is_ok = checked.iter().all(|found| found.ok);
    if arguments.json {
        output::json(&serde_json::json!({ "schema": 1, "ok": is_ok, "files": checked }))?;
        return Ok(is_ok);
    }
    for found in &checked {
        let state = match (&found.problem, found.fixed) {
            (None, _) => "ok".to_owned(),
            (Some(problem), true) => format!("fixed: {problem}"),
            (Some(problem), false) => format!("FAIL: {problem}"),
        };
        output::line(&format!("{}  {state}", found.file.display()))?;
    }
    Ok(is_ok)
}

fn check_dir(dir: &Path, fix: bool) -> Result<Checked, Failure> {
    let metadata = fs::metadata(dir).map_err(|error| Failure::io(dir, &error))?;
    let mode = metadata.mode() & 0o7777;
    let problem = (mode & OTHERS != 0).then(|| format!("mode {mode:04o}, others can look into it"));
    settle(dir, problem, fix, DIR_MODE)
}

fn check_file(path: &Path, fix: bool) -> Result<Checked, Failure> {
    match public_key_of(path)
        .map(|_| ())
        .or_else(|error| wallet_or(path, error))
    {
        Ok(()) => settle(path, None, fix, 0o600),
        Err(error @ SignerError::Permissions { .. }) => settle(path, Some(error.to_string()), fix, 0o600),
        Err(error) => settle(path, Some(error.to_string()), false, 0o600),
    }
}

/// A wallet file says who it is in another form.
fn wallet_or(path: &Path, error: SignerError) -> Result<(), SignerError> {
    match error {
        SignerError::Format { .. } => crate::signer::WalletLabel::read(path).map(|_| ()),
        error => Err(error),
    }
}

fn settle(path: &Path, problem: Option<String>, fix: bool, mode: u32) -> Result<Checked, Failure> {
    let fixed = problem.is_some() && fix;
    if fixed {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
            .map_err(|error| Failure::io(path, &error))?;
    }
    Ok(Checked {
        file: path.to_owned(),
        ok: problem.is_none() || fixed,
        problem,
        fixed,
    })
}

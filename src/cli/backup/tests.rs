//! Backups of real directories, and what comes back from them.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use clap::Parser;

use super::{
    super::{
        args::{Arguments, Command},
        failure::{Code, Failure},
        identity::WALLET_FILE,
        init::init,
        run::prepare,
    },
    at_home, backup,
    manifest::{KEYS, MANIFEST_FILE, NAMES},
    names_genesis,
};
use crate::{
    node::{signer_state, signer_state::SignerMemory},
    signer::{NODE_KEY_FILE, VALIDATOR_KEY_FILE, VALIDATOR_PUBLIC_FILE, is_key_file_encrypted},
};

const PASSPHRASE: &str = "correct horse battery";

fn run(line: &str) -> Result<(), Failure> {
    match Arguments::try_parse_from(line.split_whitespace())
        .unwrap()
        .command
    {
        Some(Command::Init(arguments)) => init(&arguments).map(|_| ()),
        Some(Command::Backup(command)) => backup(&command).map(|_| ()),
        other => panic!("{other:?}"),
    }
}

fn code(result: Result<(), Failure>) -> Code {
    result.unwrap_err().code()
}

/// A node that was made and never ran, and a home for what tests make beside it.
fn node() -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("node");
    run(&format!(
        "timed init --non-interactive --network testnet --moniker alpha --data-dir {}",
        dir.display()
    ))
    .unwrap();
    (home, dir)
}

fn secret(path: PathBuf, text: &str) -> PathBuf {
    use std::io::Write;
    let mut file = fs::OpenOptions::new();
    let mut file = file.write(true).create_new(true).mode(0o600).open(&path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    path
}

fn files(dir: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        match entry.path().is_dir() {
            true => found.extend(
                files(&entry.path())
                    .into_iter()
                    .map(|inner| format!("{name}/{inner}")),
            ),
            false => drop(found.insert(name)),
        }
    }
    found
}

#[test]
fn the_names_are_those_of_a_data_directory() {
    let keys = [
        NODE_KEY_FILE,
        VALIDATOR_KEY_FILE,
        VALIDATOR_PUBLIC_FILE,
        WALLET_FILE,
    ];
    assert_eq!(NAMES[1..5], keys.map(|name| format!("keys/{name}")));
    assert!(KEYS.iter().all(|key| NAMES.contains(key)));
    assert!(
        NAMES
            .iter()
            .all(|name| !name.contains("consensus") && !name.contains("blocks"))
    );
}

#[test]
fn a_backup_holds_keys_and_configuration_and_comes_back_as_a_node_that_observes() {
    let (home, dir) = node();
    fs::create_dir(dir.join("peers")).unwrap();
    secret(dir.join("peers/bans.json"), "[]");
    secret(dir.join("mempool.dat"), "not worth keeping");
    let (kept, back) = (home.path().join("backup"), home.path().join("back"));
    let (node, dir, kept, back) = (&dir, dir.display(), kept.display(), back.display());
    // Keys without a passphrase leave the machine only if somebody says so.
    assert_eq!(
        code(run(&format!("timed backup create {kept} --data-dir {dir}"))),
        Code::KeyLocked
    );
    assert!(
        !Path::new(&kept.to_string()).exists(),
        "something was left behind"
    );
    run(&format!(
        "timed backup create {kept} --data-dir {dir} --unencrypted"
    ))
    .unwrap();
    let held = files(Path::new(&kept.to_string()));
    let wanted = ["backup.json", "config.toml", "peers/bans.json"].map(str::to_owned);
    let keys = KEYS.map(str::to_owned);
    assert_eq!(held, wanted.into_iter().chain(keys).collect());
    for name in &held {
        let mode = fs::metadata(format!("{kept}/{name}"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{name}");
    }
    run(&format!("timed backup verify {kept}")).unwrap();
    assert_eq!(
        code(run(&format!(
            "timed backup create {kept} --data-dir {dir} --unencrypted"
        ))),
        Code::AlreadyInitialised
    );

    run(&format!("timed backup restore {kept} --data-dir {back}")).unwrap();
    for name in KEYS {
        let [old, new] = [node.join(name), PathBuf::from(format!("{back}/{name}"))];
        assert_eq!(fs::read(old).unwrap(), fs::read(new).unwrap(), "{name}");
    }
    let line = format!("timed run --headless --data-dir {back}");
    let arguments = Arguments::try_parse_from(line.split_whitespace()).unwrap();
    let Some(Command::Run(arguments)) = arguments.command else {
        panic!("not run")
    };
    let prepared = prepare(&arguments).unwrap();
    assert_eq!(prepared.loaded.config.node.moniker, "alpha");
    assert!(prepared.signer.is_some());
    let state = signer_state::read(Path::new(&back.to_string())).unwrap();
    assert!(
        matches!(state.memory, SignerMemory::Lost),
        "nobody knows what the key signed: {:?}",
        state.memory
    );
    // Never over anything.
    let before = files(Path::new(&back.to_string()));
    for taken in [back.to_string(), dir.to_string()] {
        let refused = run(&format!("timed backup restore {kept} --data-dir {taken}"));
        assert_eq!(code(refused), Code::AlreadyInitialised);
    }
    assert_eq!(files(Path::new(&back.to_string())), before);
}

#[test]
fn keys_go_under_the_passphrase_of_the_backup_and_verify_tries_it() {
    let (home, dir) = node();
    let passphrase = secret(home.path().join("passphrase"), PASSPHRASE);
    let wrong = secret(home.path().join("wrong"), "another passphrase");
    let (kept, dir) = (home.path().join("backup"), dir.display());
    let (passphrase, wrong) = (passphrase.display(), wrong.display());
    run(&format!(
        "timed backup create {} --data-dir {dir} --new-passphrase-file {passphrase}",
        kept.display()
    ))
    .unwrap();
    for name in KEYS {
        assert!(is_key_file_encrypted(&kept.join(name)).unwrap(), "{name}");
        let text = fs::read_to_string(kept.join(name)).unwrap();
        let original = fs::read_to_string(format!("{dir}/{name}")).unwrap();
        assert!(!text.contains("BEGIN PRIVATE KEY") && original.contains("BEGIN PRIVATE KEY"));
    }
    let verify = |file: &dyn std::fmt::Display| {
        run(&format!(
            "timed backup verify {} --passphrase-file {file} --json",
            kept.display()
        ))
    };
    verify(&passphrase).unwrap();
    assert_eq!(code(verify(&wrong)), Code::WrongPassphrase);
    // It is restored without it: the keys stay as they are.
    let back = home.path().join("back");
    let line = format!(
        "timed backup restore {} --data-dir {}",
        kept.display(),
        back.display()
    );
    run(&line).unwrap();
    assert!(is_key_file_encrypted(&back.join(KEYS[1])).unwrap());
}

#[test]
fn a_damaged_backup_is_refused_before_anything_is_made() {
    let (home, dir) = node();
    let kept = home.path().join("backup");
    run(&format!(
        "timed backup create {} --data-dir {} --unencrypted",
        kept.display(),
        dir.display()
    ))
    .unwrap();
    let back = home.path().join("back");
    let refused = |what: &str, expected: Code| {
        for line in [
            format!("timed backup verify {}", kept.display()),
            format!(
                "timed backup restore {} --data-dir {}",
                kept.display(),
                back.display()
            ),
        ] {
            assert_eq!(code(run(&line)), expected, "{what}");
        }
        assert!(!back.exists(), "{what}: something was made");
    };
    let manifest = fs::read_to_string(kept.join(MANIFEST_FILE)).unwrap();
    let put = |text: &str| fs::write(kept.join(MANIFEST_FILE), text).unwrap();
    put(&manifest.replace("keys/node.key", "../node/keys/node.key"));
    refused("a name that leads out of it", Code::Backup);
    put(&manifest.replace("\"schema\": 1", "\"schema\": 2"));
    refused("a newer layout", Code::Newer);
    put("{}");
    refused("another kind of file", Code::Backup);
    fs::remove_file(kept.join(MANIFEST_FILE)).unwrap();
    refused("one that was not finished", Code::Backup);
    fs::write(kept.join(MANIFEST_FILE), &manifest).unwrap();
    let config = fs::read_to_string(kept.join("config.toml")).unwrap();
    fs::write(kept.join("config.toml"), config.replace("alpha", "omega")).unwrap();
    refused("a file that was changed", Code::Backup);
    fs::remove_file(kept.join("config.toml")).unwrap();
    refused("a file that is missing", Code::Backup);
}

#[test]
fn a_restored_configuration_is_that_of_the_place_where_it_lies() {
    let text = "data_dir = \"/var/lib/timed\"\n[network] # of tests\nname = \"devnet\"\ngenesis = \"/etc/g.toml\"\n[rpc]\ngenesis = 1\n";
    let here = at_home(text.as_bytes(), true).unwrap();
    assert!(here.starts_with("data_dir = \".\"\n[network]"), "{here}");
    assert!(
        here.contains("\ngenesis = \"genesis.toml\"\n[rpc]\ngenesis = 1\n"),
        "{here}"
    );
    assert!(names_genesis(&here));
    assert!(!names_genesis(text));
    let without = at_home(text.as_bytes(), false).unwrap();
    assert!(without.contains("/etc/g.toml"), "{without}");
}

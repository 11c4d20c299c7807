//! A masternode that moves to another place, comes back from a backup, or runs on another program, under
//! traffic: nothing is signed twice, and no final transaction is lost.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use timecoin::{
    devnet::process::NodeProcess,
    storage::{
        backend::{Backend, Op, Table},
        disk::RealDisk,
        generation, schema,
        sled_backend::{CACHE_BYTES, SledBackend},
    },
};

use super::{
    lost_logs::{quick, signs_again},
    net::{Load, Net, TIMED, copy_dir, limit},
};

const ALL: [u16; 4] = [0, 1, 2, 3];
/// Transactions a second: enough that every block has some.
const RATE: f64 = 20.0;

/// Runs `timed` and gives its exit code and all that it said.
pub(super) fn timed(arguments: &[&str]) -> (i32, String) {
    let output = Command::new(TIMED)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    (output.status.code().unwrap_or(-1), text.concat())
}

pub(super) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Every file below a directory, with its content.
fn content(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(content(&path));
        } else {
            found.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    found
}

/// Copies a key of the data directory `dir` out, as it is to be used elsewhere.
fn export_key(kind: &str, file: &Path, dir: &Path) -> (i32, String) {
    timed(&[
        "keys",
        "export",
        kind,
        text(file),
        "--unencrypted",
        "--data-dir",
        text(dir),
    ])
}

/// The end of each of these tests: four nodes that agree, nothing signed twice in any log that there ever
/// was, nothing lost of what the load sent or of what was ever final.
fn nothing_was_lost(net: &mut Net, load: Load) {
    let report = net.finish(load);
    assert!(report.made_final > 0 && report.lost == 0, "{report:?}");
    let tip = net.height(0);
    net.wait_height(&ALL, tip, limit(20));
    net.check_again(&ALL);
    net.check_no_evidence(&ALL);
    for node in ALL {
        net.stop(node);
    }
    net.check_logs();
}

#[test]
fn a_masternode_moves_with_its_state_and_the_old_copy_started_by_mistake_signs_nothing() {
    let mut net = quick(4);
    let load = net.load(0, RATE);
    let (new, old) = (net.layout.node_dir(3), net.layout.dir().join("old"));
    let bag = tempfile::tempdir().unwrap();
    let [state, key, node_key] =
        ["state.json", "validator.key", "node.key"].map(|name| bag.path().join(name));
    let export = |dir: &Path| {
        let config = dir.join("config.toml");
        timed(&[
            "signer",
            "state",
            "export",
            text(&state),
            "--config",
            text(&config),
        ])
    };
    let (code, said) = export(&new);
    assert_eq!(code, 66, "while it runs: {said}");
    net.stop(3);
    net.check_logs();
    let (code, said) = export(&new);
    assert_eq!(code, 0, "{said}");
    for (kind, file) in [("validator", &key), ("node", &node_key)] {
        let (code, said) = export_key(kind, file, &new);
        assert_eq!(code, 0, "{said}");
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    // The old place is now elsewhere, and the node's own place is empty: another machine.
    fs::rename(&new, &old).unwrap();
    fs::create_dir(&new).unwrap();
    fs::copy(old.join("config.toml"), new.join("config.toml")).unwrap();
    let config = new.join("config.toml");
    let import = |more: &[&str]| {
        let mut arguments = vec!["keys", "import"];
        arguments.extend(more);
        arguments.extend(["--config", text(&config)]);
        timed(&arguments)
    };
    assert_eq!(import(&["node", text(&node_key)]).0, 0);
    let (code, said) = import(&["validator", text(&key)]);
    assert_eq!(code, 68, "a key alone: {said}");
    assert!(
        said.contains("error[TD-6801]") && said.contains("--state"),
        "{said}"
    );
    let (code, said) = import(&["validator", text(&key), "--state", text(&state)]);
    assert_eq!(code, 0, "{said}");
    let (code, said) = import(&["validator", text(&key), "--fresh-key"]);
    assert_eq!(code, 64, "it is there: {said}");

    net.start(3);
    let before = net.height(0);
    assert!(signs_again(&net, 3, before + 1) > before);
    // Somebody starts the old copy.
    let held = content(&old.join("consensus"));
    let (code, said) = timed(&["run", "--headless", "--config", text(&old.join("config.toml"))]);
    assert_eq!(code, 68, "{said}");
    assert!(
        said.contains("error[TD-6803]") && said.contains("timed signer state import"),
        "{said}"
    );
    let (code, said) = timed(&[
        "signer",
        "state",
        "import",
        text(&state),
        "--config",
        text(&old.join("config.toml")),
    ]);
    assert_eq!(code, 68, "its own export: {said}");
    assert!(content(&old.join("consensus")) == held, "it was touched");
    let before = net.height(0);
    signs_again(&net, 3, before + 1);
    nothing_was_lost(&mut net, load);
}

#[test]
fn a_masternode_restored_from_its_backup_observes_and_signs_nothing_twice() {
    let mut net = quick(4);
    let load = net.load(0, RATE);
    let dir = net.layout.node_dir(3);
    let config = dir.join("config.toml");
    let home = tempfile::tempdir().unwrap();
    let backup = home.path().join("backup");
    let create = [
        "backup",
        "create",
        text(&backup),
        "--unencrypted",
        "--config",
        text(&config),
    ];
    let (code, said) = timed(&create);
    assert_eq!(code, 0, "a running node can be backed up: {said}");
    signs_again(&net, 3, net.height(0));
    net.kill(3);
    net.check_logs();
    fs::remove_dir_all(&dir).unwrap();

    let (code, said) = timed(&["backup", "verify", text(&backup)]);
    assert_eq!(code, 0, "{said}");
    let (code, said) = timed(&["backup", "restore", text(&backup), "--data-dir", text(&dir)]);
    assert_eq!(code, 0, "{said}");
    let (code, said) = timed(&["keys", "check", "--data-dir", text(&dir)]);
    assert_eq!(code, 0, "{said}");
    let before = net.height(0);
    net.start(3);
    assert!(signs_again(&net, 3, before + 1) >= before + 3);
    nothing_was_lost(&mut net, load);
}

/// Sets the layout number that a database says it has.
fn set_schema(blocks: &Path, schema: u32) {
    let current = generation::current(&RealDisk, blocks).unwrap().unwrap_or(0);
    let backend = SledBackend::open(&generation::dir(blocks, current), CACHE_BYTES).unwrap();
    backend
        .apply(&[Op::put(Table::Meta, schema::META_SCHEMA, schema::encode(&schema))])
        .unwrap();
    backend.flush().unwrap();
}

#[test]
fn an_upgrade_and_a_rollback_sign_nothing_twice_and_lose_nothing() {
    let mut net = quick(4);
    let load = net.load(0, RATE);
    let dir = net.layout.node_dir(3);
    let signs = |net: &Net| {
        let before = net.height(0);
        assert!(signs_again(net, 3, before + 1) > before);
    };

    // Up: the program is another file, the data is the same.
    let program = net.layout.dir().join("timed.new");
    fs::copy(TIMED, &program).unwrap();
    net.stop(3);
    net.check_logs();
    let old = std::mem::replace(&mut net.nodes[3], NodeProcess::new(&program, &net.layout, 3));
    net.start(3);
    signs(&net);

    // The new version has moved the database on, and turns out to be a mistake.
    net.stop(3);
    net.check_logs();
    let blocks = dir.join("blocks");
    set_schema(&blocks, schema::SCHEMA + 1);
    net.nodes[3] = old;
    let private = || [content(&dir.join("consensus")), content(&dir.join("keys"))];
    let held = private();
    let (code, said) = timed(&["run", "--headless", "--config", text(&dir.join("config.toml"))]);
    assert_eq!(code, 69, "{said}");
    assert!(said.contains("error[TD-6901]") && said.contains("move"), "{said}");
    assert!(private() == held, "keys or log were touched");

    // Forward again: what the newer version wrote is whole.
    let aside = net.layout.dir().join("blocks.newer");
    copy_dir(&blocks, &aside);
    set_schema(&blocks, schema::SCHEMA);
    net.start(3);
    signs(&net);
    net.stop(3);
    net.check_logs();

    // Back: without the newer database the chain is fetched and judged again. The log stays.
    fs::remove_dir_all(&blocks).unwrap();
    net.start(3);
    net.wait_height(&[3], net.height(0), Duration::from_secs(60));
    signs(&net);
    nothing_was_lost(&mut net, load);
}

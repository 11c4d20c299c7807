//! The chain database is built anew, is killed while at it, and nothing else is touched.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use timecoin::{
    control::ResyncMode,
    rpc::{CommandJson, client::ClientError},
};

use super::net::{Net, TIMED, limit};

fn timed(net: &Net, node: u16, arguments: &[&str]) -> (Option<i32>, String) {
    let done = Command::new(TIMED)
        .args(arguments)
        .arg("--config")
        .arg(net.layout.config(node))
        .output()
        .unwrap();
    let text = [done.stdout, done.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (done.status.code(), text.concat())
}

fn blocks(net: &Net, node: u16) -> PathBuf {
    net.layout.node_dir(node).join("blocks")
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// What no resync may touch, byte for byte.
fn private(net: &Net, node: u16) -> BTreeMap<PathBuf, Vec<u8>> {
    let dir = net.layout.node_dir(node);
    let keys = names(&dir.join("keys"))
        .into_iter()
        .map(|name| dir.join("keys").join(name));
    keys.chain([dir.join("config.toml")])
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

/// True once node 3 runs on `generation` alone.
fn switched(net: &Net, generation: u64) -> bool {
    let dir = blocks(net, 3);
    let current = fs::read_to_string(dir.join("CURRENT")).unwrap_or_default();
    let states: Vec<String> = names(&dir)
        .into_iter()
        .filter(|name| name.starts_with("state-"))
        .collect();
    current.trim() == format!("state-{generation}")
        && states == [format!("state-{generation}")]
        && !dir.join("resync.intent").exists()
}

/// Nodes write a snapshot each so many blocks.
fn snapshots_every(net: &Net, blocks: u64) {
    for node in net.all() {
        net.edit_config(node, |config| {
            let storage = config.entry("storage").or_insert(toml::Table::new().into());
            let storage = storage.as_table_mut().unwrap();
            storage.insert("snapshot_every".to_owned(), toml::Value::Integer(blocks as i64));
        });
    }
}

/// Waits until the certificate of a block above `height` holds node 3's signature.
fn node3_signs_above(net: &Net, height: u64) {
    // A signer is known by its place in the set of genesis.
    assert_eq!(net.status(0).validators.len(), net.all().len());
    let mut at = height;
    net.wait("node3 signs", limit(60), |net| {
        at += u64::from(net.block(0, at + 1).is_some());
        at > height && net.block(0, at).is_some_and(|block| net.has_signed(&block, 3))
    });
}

/// Node 3 has the same block and the same state at a height as node 0.
fn agree_at(net: &Net, height: u64) {
    let (ours, theirs) = (net.block(3, height).unwrap(), net.block(0, height).unwrap());
    assert_eq!(
        (ours.hash, ours.utxo_commitment),
        (theirs.hash, theirs.utxo_commitment)
    );
}

/// A chain of some length, and node 3 stopped.
fn stopped_in_a_network() -> Net {
    let mut net = Net::new(4);
    snapshots_every(&net, 10);
    net.start_all();
    let load = net.load(0, 100.0);
    net.wait_height(&[0, 1, 2, 3], 30, limit(30));
    net.finish(load);
    net.stop(3);
    net
}

fn rebuild(mode: &str, kills: u64) {
    let mut net = stopped_in_a_network();
    let all = [0, 1, 2, 3];
    let before = private(&net, 3);
    net.check_logs();

    let (code, told) = timed(&net, 3, &["resync", "--mode", mode, "--dry-run"]);
    assert_eq!(code, Some(0), "{told}");
    for part in ["devnet", "casts no vote", "keys, consensus log", "height"] {
        assert!(told.contains(part), "{part} in {told}");
    }
    assert!(!blocks(&net, 3).join("resync.intent").exists());
    let (code, told) = timed(&net, 3, &["resync", "--mode", mode, "--yes"]);
    assert_eq!(code, Some(0), "{told}");
    let (code, told) = timed(&net, 3, &["resync", "--mode", mode, "--yes"]);
    assert_eq!(code, Some(1), "a second one: {told}");

    // Later and later, so that they meet every step of it. Those after its end are kills like others.
    let mut while_at_it = 0;
    for kill in 0..kills {
        net.node(3).start().unwrap();
        std::thread::sleep(Duration::from_millis(150 + 170 * kill));
        net.kill(3);
        net.check_logs();
        while_at_it += u64::from(blocks(&net, 3).join("resync.intent").exists());
    }
    println!("{while_at_it} of {kills} kills while at it");
    assert!(while_at_it > 0);
    net.start(3);
    net.wait("the switch", limit(60), |net| switched(net, 1));
    assert_eq!(private(&net, 3), before);
    let goal = net.height(0);
    net.wait_height(&all, goal, limit(30));
    net.check(&all);
    agree_at(&net, goal);
    // It votes again, and never against what it signed before.
    node3_signs_above(&net, goal);
    net.check_logs();
    net.check_no_evidence(&all);
    net.check(&all);
}

#[test]
fn dos_43_reindex_is_killed_again_and_again_and_comes_to_its_end() {
    rebuild("reindex", 4);
}

#[test]
fn a_full_resync_fetches_the_chain_and_switches() {
    rebuild("full", 1);
}

#[test]
fn dos_43_a_snapshot_resync_is_killed_again_and_again_and_comes_to_its_end() {
    rebuild("snapshot", 6);
}

/// Node 3 begins with nothing, by blocks and then by a snapshot of some height: the same commitments,
/// and it votes.
fn join(height: u64, every: u64) {
    let all = [0, 1, 2, 3];
    let is_long = height > 1_000;
    let mut net = Net::with(4, |params| {
        if is_long {
            // Blocks about as fast as they come, most of them empty.
            params.block_interval_ms = 20;
            params.min_block_interval_ms = 1;
            params.batch_window_ms = 0;
            // Node 3 comes so late that it would have been taken out of the set for its silence.
            params.reward_period_ms = 3_600_000;
        }
    });
    snapshots_every(&net, every);
    for node in [0, 1, 2] {
        net.node(node).start().unwrap();
    }
    for node in [0, 1, 2] {
        net.start(node);
    }
    let load = net.load(0, if is_long { 20.0 } else { 100.0 });
    let took = net.wait_height(&[0, 1, 2], height, limit(60 + height / 4));
    net.finish(load);
    println!("{height} blocks made within {took:?}");
    // By blocks.
    let began = std::time::Instant::now();
    net.start(3);
    let goal = net.height(0);
    net.wait_height(&all, goal, limit(60 + height / 10));
    println!("joined at {goal} by blocks within {:?}", began.elapsed());
    agree_at(&net, goal);
    node3_signs_above(&net, goal);
    if !is_long {
        net.check(&all);
    }
    // By a snapshot.
    net.stop(3);
    let (code, told) = timed(&net, 3, &["resync", "--mode", "snapshot", "--yes"]);
    assert_eq!(code, Some(0), "{told}");
    let began = std::time::Instant::now();
    net.node(3).start().unwrap();
    net.wait("the switch to the snapshot", limit(120), |net| switched(net, 1));
    let goal = net.height(0);
    net.wait("the tip", limit(120), |net| net.block(3, goal).is_some());
    println!("joined at {goal} by a snapshot within {:?}", began.elapsed());
    agree_at(&net, goal);
    assert!(net.block(3, 1).is_none(), "it began with the snapshot");
    node3_signs_above(&net, goal);
    net.check_logs();
    net.check_no_evidence(&all);
    net.stop(3);
    let (code, told) = timed(&net, 3, &["db", "check"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("whole"), "{told}");
}

#[test]
fn a_node_joins_by_blocks_and_by_a_snapshot() {
    join(45, 20);
}

#[test]
#[ignore = "takes minutes: cargo test --release --test it -- --ignored a_node_joins_at_height_10_000 --nocapture"]
fn a_node_joins_at_height_10_000_by_blocks_and_by_a_snapshot() {
    join(10_000, 1_000);
}

/// Node 3 fell silent for six periods and is no validator any more: the certificates of its time away are none of
/// genesis' validators. Its own database knows whose they are.
#[test]
fn a_snapshot_certified_by_validators_that_genesis_did_not_know_is_taken_by_who_saw_them_come() {
    let mut net = Net::with(4, |params| params.reward_period_ms = 500);
    snapshots_every(&net, 10);
    net.start_all();
    net.wait_height(&[0, 1, 2, 3], 2, limit(30));
    net.stop(3);
    let load = net.load(0, 50.0);
    let is_out = |net: &Net| net.status(0).validators.len() == 3;
    net.wait("a set of three", limit(60), is_out);
    let above = net.height(0) + 20;
    net.wait_height(&[0, 1, 2], above, limit(60));
    net.finish(load);
    net.start(3);
    net.wait_height(&[3], above, limit(30));
    net.stop(3);
    let (code, told) = timed(&net, 3, &["resync", "--mode", "snapshot", "--yes"]);
    assert_eq!(code, Some(0), "{told}");
    net.node(3).start().unwrap();
    net.wait("the switch to the snapshot", limit(60), |net| switched(net, 1));
    let goal = net.height(0);
    net.wait("the tip", limit(60), |net| net.block(3, goal).is_some());
    agree_at(&net, goal);
    assert!(net.block(3, 1).is_none(), "it began with the snapshot");
    net.check_no_evidence(&[0, 1, 2, 3]);
}

#[test]
fn a_resync_is_given_up_and_the_old_database_serves_again() {
    let mut net = stopped_in_a_network();
    let (code, told) = timed(&net, 3, &["resync", "--mode", "full", "--yes"]);
    assert_eq!(code, Some(0), "{told}");
    // Begun, with a new generation on the disk, and killed.
    net.node(3).start().unwrap();
    net.wait("the new generation", limit(30), |net| {
        blocks(net, 3).join("state-1").exists()
    });
    net.kill(3);
    if !switched(&net, 1) {
        let (code, told) = timed(&net, 3, &["resync", "--cancel"]);
        assert_eq!(code, Some(0), "{told}");
        assert!(switched(&net, 0));
    }
    net.start(3);
    let goal = net.height(0);
    net.wait_height(&[0, 1, 2, 3], goal, limit(30));
    net.check(&[0, 1, 2, 3]);
    net.check_no_evidence(&[0, 1, 2, 3]);
}

/// `POST /command` to a node that runs.
fn command(net: &Net, node: u16, command: &CommandJson) -> Result<String, ClientError> {
    let cookie = fs::read_to_string(net.layout.node_dir(node).join(".cookie")).unwrap();
    let asked = net.client(node).command(command, &cookie);
    net.runtime().block_on(asked).map(|done| done.consequence)
}

#[test]
fn a_running_node_is_resynced_over_http_and_comes_back_by_itself() {
    let all = [0, 1, 2, 3];
    let mut net = Net::started(4);
    let load = net.load(0, 50.0);
    net.wait_height(&all, 12, limit(30));
    net.finish(load);
    let pid = net.node(3).pid().unwrap();
    let ban = CommandJson::Ban {
        target: "203.0.113.0/24".parse().unwrap(),
        seconds: 3_600,
        reason: "stays".to_owned(),
    };
    command(&net, 3, &ban).unwrap();
    net.check(&all);
    let (keys, bans, wrote) = (private(&net, 3), net.bans(3), net.height(3));
    let mode = ResyncMode::Reindex;
    let told = command(&net, 3, &CommandJson::PlanResync { mode }).unwrap();
    assert!(told.contains("casts no vote"), "{told}");
    let (code, told) = timed(&net, 3, &["resync", "--mode", "reindex", "--dry-run"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(
        told.contains("the node that runs") && told.contains("casts no vote"),
        "{told}"
    );
    let resync = |network: &str| CommandJson::Resync {
        mode,
        network: network.to_owned(),
    };
    let refused = command(&net, 3, &resync("mainnet")).unwrap_err();
    assert!(
        refused.to_string().contains("\"network\": \"devnet\""),
        "{refused}"
    );
    assert!(!blocks(&net, 3).join("resync.intent").exists());

    command(&net, 3, &resync("devnet")).unwrap();
    net.wait("the switch", limit(60), |net| switched(net, 1));
    assert_eq!(net.node(3).pid(), Some(pid), "the same process");
    let goal = net.height(0).max(wrote);
    net.wait_height(&all, goal, limit(30));
    // Every block and commitment from the first on, against what it showed before.
    net.check_again(&all);
    assert_eq!(private(&net, 3), keys);
    assert_eq!(net.bans(3), bans);
    assert_eq!(bans.len(), 1);
    node3_signs_above(&net, goal);
    net.check_no_evidence(&all);
    // Its log was kept: no position is signed twice across the two lives.
    net.stop(3);
    net.check_logs();
}

/// Blocks up to node 3's tip that it lacks, as its status says; `None` while it says nothing of them.
fn missing(net: &Net) -> Option<u64> {
    let line = net.try_status(3)?.backfill;
    let (here, all) = line.strip_prefix("backfill ")?.split_once(" of ")?;
    let number = |text: &str| {
        let digits = text.split(',').next()?.replace(' ', "");
        digits.parse::<u64>().ok()
    };
    number(all)?.checked_sub(number(here)?)
}

#[test]
fn a_node_that_began_with_a_snapshot_fetches_the_older_blocks_too_and_a_kill_only_delays_it() {
    let all = [0, 1, 2, 3];
    let mut net = Net::with_links_and(4, |params| {
        params.block_interval_ms = 20;
        params.min_block_interval_ms = 1;
        params.batch_window_ms = 0;
    });
    snapshots_every(&net, 25);
    net.edit_config(3, |config| {
        let backfill = toml::Table::from_iter([("backfill".to_owned(), true.into())]);
        config.insert("sync".to_owned(), backfill.into());
    });
    net.start_all();
    let load = net.load(0, 20.0);
    net.wait_height(&all, 110, limit(60));
    net.finish(load);
    net.check(&[0]);
    assert_eq!(net.status(3).backfill, "", "nothing is missing");
    net.stop(3);
    let (code, told) = timed(&net, 3, &["resync", "--mode", "snapshot", "--yes"]);
    assert_eq!(code, Some(0), "{told}");
    net.node(3).start().unwrap();
    net.wait("the switch to the snapshot", limit(60), |net| switched(net, 1));
    let mut lacks = None;
    net.wait("a word about what is missing", limit(30), |net| {
        lacks = missing(net).filter(|missing| *missing > 0);
        lacks.is_some()
    });
    let top = lacks.unwrap();
    assert!(top >= 99, "the snapshot stands at 100 or above: {top}");
    // Killed after the first range and before the last.
    net.wait("the first old block", limit(60), |net| {
        net.block(3, top).is_some()
    });
    net.kill(3);
    net.check_logs();
    let (code, told) = timed(&net, 3, &["db", "stats", "--json"]);
    assert_eq!(code, Some(0), "{told}");
    let stats: serde_json::Value = serde_json::from_str(&told).unwrap();
    let lowest = stats["bodies_from"].as_u64().unwrap();
    println!("killed with blocks from {lowest} on, of {top} that it lacked");
    assert!((2..=top).contains(&lowest), "in the middle: {told}");
    // Another life goes on below it.
    net.node(3).start().unwrap();
    net.wait("block 1", limit(60), |net| net.block(3, 1).is_some());
    net.wait("its end is told", limit(10), |net| {
        net.status(3).backfill == "backfill complete"
    });
    assert_eq!(net.metric(3, "timed_backfill_blocks_left"), 0.0);
    assert!(net.log(3).contains("backfill complete"), "{}", net.log(3));
    // Every block and every transaction, on all nodes.
    let goal = net.check_again(&all);
    node3_signs_above(&net, goal);
    net.check_no_evidence(&all);
    // Whoever meets nobody but node 3 gets the whole chain from it.
    net.stop(0);
    fs::remove_dir_all(blocks(&net, 0)).unwrap();
    net.partition(&[0], &[1, 2]);
    net.node(0).start().unwrap();
    net.wait("the chain from node 3", limit(60), |net| {
        net.block(0, goal).is_some()
    });
    net.check_again(&[0, 3]);
    net.stop(3);
    let (code, told) = timed(&net, 3, &["db", "check"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("whole"), "{told}");
}

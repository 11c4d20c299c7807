//! Starts that cannot succeed: each has its exit code and a sentence that helps.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt, path::Path};

use timecoin::chain::{Genesis, TimestampMs};

use super::net::{Net, limit, run_timed};

fn run(config: &Path) -> (i32, String) {
    let (code, out, err) = run_timed(&["run", "--headless", "--config", &config.to_string_lossy()]);
    (code, format!("{out}{err}"))
}

#[test]
fn a_port_in_use_is_named() {
    let net = Net::new(1);
    let taken = TcpListener::bind(net.layout.p2p(0)).unwrap();
    let (code, text) = run(&net.layout.config(0));
    assert_eq!(code, 73, "{text}");
    assert!(text.contains(&net.layout.p2p(0).port().to_string()), "{text}");
    drop(taken);
    let taken = TcpListener::bind(net.layout.http(0)).unwrap();
    let (code, text) = run(&net.layout.config(0));
    assert_eq!(code, 73, "{text}");
    assert!(text.contains(&net.layout.http(0).port().to_string()), "{text}");
    assert!(text.contains("rpc"), "{text}");
    drop(taken);
}

#[test]
fn a_second_instance_on_one_data_directory_names_the_first() {
    let mut net = Net::started(1);
    let pid = net.node(0).pid().unwrap();
    let (code, text) = run(&net.layout.config(0));
    assert_eq!(code, 66, "{text}");
    assert!(text.contains(&pid.to_string()), "{text}");
    net.wait_height(&[0], 1, limit(10));
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let net = Net::new(1);
    for key in ["validator.key", "node.key"] {
        let path = net.layout.node_dir(0).join("keys").join(key);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let (code, text) = run(&net.layout.config(0));
        assert_eq!(code, 67, "{text}");
        assert!(text.contains("chmod 600") && text.contains(key), "{text}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn an_unknown_config_key_is_named_with_a_suggestion() {
    let net = Net::new(1);
    net.edit_config(0, |config| {
        let network = config["network"].as_table_mut().unwrap();
        network.insert("discovry".to_owned(), toml::Value::Boolean(false));
    });
    let (code, text) = run(&net.layout.config(0));
    assert_eq!(code, 64, "{text}");
    assert!(
        text.contains("network.discovry") && text.contains("network.discovery"),
        "{text}"
    );
}

#[test]
fn peers_of_another_genesis_are_refused_with_both_hashes() {
    let mut net = Net::new(2);
    let ours = Genesis::from_toml(&fs::read_to_string(net.layout.genesis()).unwrap()).unwrap();
    let mut theirs = ours.clone();
    theirs.timestamp_ms = TimestampMs::new(theirs.timestamp_ms.get() + 1);
    let path = net.layout.dir().join("other.toml");
    fs::write(&path, theirs.to_toml()).unwrap();
    net.edit_config(1, |config| config["network"]["genesis"] = "../other.toml".into());
    net.start_all();
    // Of the other's hash, the handshake carries the first eight bytes.
    let hashes = [ours.chain_id(), theirs.chain_id()].map(|hash| hash.to_string()[..16].to_owned());
    net.wait("both hashes stand in the logs", limit(20), |net| {
        [0, 1]
            .iter()
            .any(|node| hashes.iter().all(|hash| net.log(*node).contains(hash)))
    });
    assert_eq!(net.status(0).peers, 0);
    assert_eq!(net.height(0), 0);
}

#[test]
fn bad_transactions_get_typed_refusals_and_change_nothing() {
    let net = Net::started(1);
    net.wait_height(&[0], 1, limit(10));
    let code_of = |net: &Net, bytes: &[u8]| net.refusal(0, bytes);

    let (good, _) = net.spend(0, 0);
    let bytes = good.canonical_bytes();
    let mut broken = good.clone();
    broken.witnesses[0].signature = timecoin::crypto::Signature::from_bytes([7; 64]);
    assert_eq!(code_of(&net, &broken.canonical_bytes()), "bad_signature");
    net.ask(net.client(0).submit(&bytes)).unwrap();
    assert_eq!(code_of(&net, &bytes), "duplicate");
    let (rival, _) = net.spend(0, 1);
    let refused = code_of(&net, &rival.canonical_bytes());
    // Depends on whether a block has taken the first one already.
    assert!(
        ["double_spend", "missing_inputs"].contains(&refused.as_str()),
        "{refused}"
    );
    assert_eq!(code_of(&net, &[1, 2, 3]), "malformed");
    let txid = *good.txid().as_hash();
    net.wait("the good one is final", limit(10), |net| net.is_final(0, txid));
}

/// What a test can break a node with must not be in the binary that people run.
#[test]
fn a_release_build_has_no_points_of_failure() {
    let binary = fs::read(super::net::TIMED).unwrap();
    let name: Vec<u8> = b"FAIL".iter().chain(b"POINT").copied().collect();
    let is_there = binary.windows(name.len()).any(|window| window == name);
    let may_be_there = cfg!(any(debug_assertions, feature = "failpoints"));
    assert_eq!(is_there, may_be_there);
}

//! Nodes that lost the memory of their signatures, or have too much of it: a log that is gone, damaged
//! or old, and two nodes with one key. None of them may ever contradict what it signed before.

use std::{
    collections::HashSet,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use timecoin::{
    consensus::{ConsensusMessage, Position},
    control::{Mode, status_json::StatusJson},
    devnet::{Layout, PortRange, process::NodeProcess},
    rpc::client::Client,
};

use super::net::{Net, TIMED, copy_dir, health_status, limit, signed_messages};

const ALL: [u16; 4] = [0, 1, 2, 3];

pub(super) fn quick(nodes: u16) -> Net {
    let mut net = Net::with(nodes, |params| params.block_interval_ms = 300);
    net.start_all();
    let all: Vec<u16> = net.all().collect();
    net.wait_height(&all, 3, limit(10));
    net
}

fn log_dir(net: &Net, node: u16) -> PathBuf {
    net.layout.node_dir(node).join("consensus")
}

/// Runs `timed` on a node's configuration with something typed; exit code and all that it said.
fn typed(net: &Net, arguments: &[&str], input: &str) -> (i32, String) {
    let config = net.layout.config(0);
    let mut child = Command::new(TIMED)
        .args(arguments)
        .arg("--config")
        .arg(config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end before it reads.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    (output.status.code().unwrap_or(-1), text.concat())
}

/// Waits for the first block from `from` on whose certificate holds the node's signature.
pub(super) fn signs_again(net: &Net, node: u16, from: u64) -> u64 {
    let mut at = from;
    net.wait(&format!("node{node} signs again"), limit(40), |net| {
        at += u64::from(net.block(0, at + 1).is_some());
        net.block(0, at).is_some_and(|block| net.has_signed(&block, node))
    });
    at
}

#[test]
fn a_node_whose_log_is_gone_observes_and_signs_three_heights_later() {
    let mut net = quick(4);
    net.stop(3);
    net.check_logs();
    fs::remove_dir_all(log_dir(&net, 3)).unwrap();
    // Nobody moves on while it comes back, so that its state can be seen.
    net.node(1).pause();
    std::thread::sleep(Duration::from_millis(500));
    let frozen = net.height(0);
    net.start(3);
    net.wait("it says what it waits for", limit(10), |net| {
        let status = net.status(3);
        status.mode == Mode::Observer && status.signing_reason.contains("of 3 have answered")
    });
    net.node(1).resume();
    let first = signs_again(&net, 3, frozen + 1);
    assert!(
        first >= frozen + 3,
        "signed {first}, and {frozen} was final before"
    );
    let log = net.log(3);
    assert!(
        log.contains("the consensus log is missing: observer mode"),
        "{log}"
    );
    assert!(log.contains("this node does not know what it signed"), "{log}");
    net.wait("it is a validator again", limit(10), |net| {
        net.status(3).mode == Mode::Validator
    });
    net.check(&ALL);
    net.check_no_evidence(&ALL);
    // What it signed then it remembers.
    net.stop(3);
    net.check_logs();
    let before = net.height(0);
    net.start(3);
    // The tip may still bear what it signed before it stopped.
    assert!(signs_again(&net, 3, before + 1) > before);
    net.check_again(&ALL);
    net.check_no_evidence(&ALL);
}

#[test]
fn a_directory_restored_from_an_old_copy_signs_nothing_twice() {
    let mut net = quick(4);
    net.stop(3);
    net.check_logs();
    let (dir, copy) = (net.layout.node_dir(3), net.layout.dir().join("copy"));
    copy_dir(&dir, &copy);
    net.start(3);
    let signed = signs_again(&net, 3, net.height(0));
    net.wait_height(&ALL, signed + 4, limit(20));
    net.kill(3);
    net.check_logs();
    for part in ["consensus", "blocks"] {
        fs::remove_dir_all(dir.join(part)).unwrap();
        copy_dir(&copy.join(part), &dir.join(part));
    }
    let before = net.height(0);
    net.start(3);
    // The tip may still bear what it signed before it was killed.
    let again = signs_again(&net, 3, before + 1);
    assert!(again > before);
    let log = net.log(3);
    assert!(log.contains("this node does not know what it signed"), "{log}");
    net.stop(3);
    // Two lives of one key: no position twice among all that either log held.
    net.check_logs();
    net.start(3);
    net.wait_height(&ALL, net.height(0) + 2, limit(20));
    net.check_again(&ALL);
    net.check_no_evidence(&ALL);
}

/// A second node with the key of node 3, with its log and its chain; with a port and a network identity of
/// its own. It is not started.
struct Thief {
    dir: PathBuf,
    http: std::net::SocketAddr,
    process: NodeProcess,
    client: Client,
    /// What the owner had signed when it was copied.
    held: HashSet<Position>,
    _ports: PortRange,
}

impl Thief {
    /// Node 3 has to be stopped.
    fn of_node_3(net: &Net) -> Self {
        let ports = PortRange::find(26_800, 1).unwrap();
        let thief = Layout::new(net.layout.dir().join("thief"), 1, ports.base());
        let dir = thief.node_dir(0);
        copy_dir(&net.layout.node_dir(3), &dir);
        let node_key = fs::read(net.layout.node_dir(3).join("keys/node.key")).unwrap();
        fs::remove_file(dir.join("keys/node.key")).unwrap();
        let (code, text) = typed_at(
            &dir,
            &["keys", "generate", "node", "--network", "devnet", "--data-dir"],
        );
        assert_eq!(code, 0, "{text}");
        assert_ne!(fs::read(dir.join("keys/node.key")).unwrap(), node_key);
        let config = thief.config(0);
        let mut table: toml::Table = fs::read_to_string(&config).unwrap().parse().unwrap();
        table["network"]["listen"] = thief.p2p(0).to_string().into();
        table["rpc"]["listen"] = thief.http(0).to_string().into();
        let genesis = net.layout.genesis().to_string_lossy().into_owned();
        table["network"]["genesis"] = genesis.into();
        fs::write(&config, table.to_string()).unwrap();
        let process = NodeProcess::new(Path::new(TIMED), &thief, 0);
        Self {
            http: thief.http(0),
            client: Client::new(process.url()).unwrap(),
            process,
            held: net.signed(3).iter().map(ConsensusMessage::position).collect(),
            dir,
            _ports: ports,
        }
    }

    fn start(&mut self, net: &Net) {
        self.process.start().unwrap();
        let ready = self.process.wait_ready(Duration::from_secs(60));
        net.runtime().block_on(ready).unwrap();
    }

    fn has_noticed(&self, net: &Net) -> bool {
        net.ask(self.client.status())
            .is_some_and(|status| has_noticed(&status))
    }

    /// What was signed in a directory since the copy was made.
    fn new_in(&self, dir: &Path) -> Vec<ConsensusMessage> {
        let mut messages = signed_messages(dir);
        messages.retain(|message| !self.held.contains(&message.position()));
        messages
    }
}

fn has_noticed(status: &StatusJson) -> bool {
    !status.signing && status.signing_reason.contains("another node signs")
}

#[test]
fn a_copied_key_signs_nothing_while_its_owner_lives() {
    let mut net = quick(4);
    net.stop(3);
    net.check_logs();
    let mut thief = Thief::of_node_3(&net);
    net.start(3);
    // The tip may still bear what it signed before it stopped.
    net.wait("the owner signs", limit(10), |net| net.status(3).signing);
    signs_again(&net, 3, net.height(0) + 1);

    thief.start(&net);
    net.wait("the thief notices", limit(30), |net| thief.has_noticed(net));
    // The verdict follows with the next look at the node.
    net.wait("the thief is unhealthy", limit(5), |_| {
        health_status(thief.http) == Some(503)
    });
    // The owner signs on, and the thief never signed.
    signs_again(&net, 3, net.height(0) + 1);
    thief.process.kill();
    assert_eq!(thief.new_in(&thief.dir), []);
    net.check(&ALL);
    net.check_no_evidence(&ALL);
}

/// Mainnet's blocks come every ten minutes, and between two of them nobody votes.
fn slow() -> Net {
    let mut net = Net::with(4, |params| params.block_interval_ms = 600_000);
    net.start_all();
    // A payment waits for no interval. Two, because the first may be decided without node 3.
    for height in 1..=2 {
        net.pay(0, limit(10));
        net.wait_height(&ALL, height, limit(10));
    }
    net
}

#[test]
fn a_copied_key_is_noticed_while_no_block_is_due() {
    let mut net = slow();
    net.stop(3);
    net.check_logs();
    let mut thief = Thief::of_node_3(&net);
    net.start(3);
    net.wait("the owner signs", limit(10), |net| net.status(3).signing);
    let before = net.height(0);
    thief.start(&net);
    net.wait("the thief notices", limit(10), |net| thief.has_noticed(net));
    net.wait("the owner's people are warned", limit(5), |net| {
        net.log(3)
            .contains("another node has started with this node's key")
    });
    assert!(net.status(3).signing, "the owner goes on");
    assert_eq!(net.height(0), before, "no vote can have told");
    thief.process.kill();
    assert_eq!(thief.new_in(&thief.dir), []);
}

/// After a power cut, say: both are silent at first, and neither can hear the other's votes.
#[test]
fn two_nodes_with_one_key_that_start_together_never_both_sign() {
    let mut net = slow();
    net.stop(3);
    net.check_logs();
    let mut thief = Thief::of_node_3(&net);
    thief.process.start().unwrap();
    net.start(3);
    net.wait("one of them notices", limit(30), |net| {
        has_noticed(&net.status(3)) || thief.has_noticed(net)
    });
    for _ in 0..5 {
        net.pay(0, limit(10));
    }
    let owner_stopped = has_noticed(&net.status(3));
    let thief_stopped = thief.has_noticed(&net);
    thief.process.kill();
    net.kill(3);
    let (owner, stolen) = (thief.new_in(&net.layout.node_dir(3)), thief.new_in(&thief.dir));
    // Who stopped signed nothing; who did not is alone.
    assert!(
        owner_stopped && owner.is_empty() || thief_stopped && stolen.is_empty(),
        "{owner:?} {stolen:?}"
    );
    net.check(&[0, 1, 2]);
    net.check_no_evidence(&[0, 1, 2]);
}

fn typed_at(dir: &Path, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(TIMED)
        .args(arguments)
        .arg(dir)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    (output.status.code().unwrap_or(-1), text.concat())
}

#[test]
fn a_single_validator_without_its_log_is_lifted_by_its_operator_only() {
    let mut net = quick(1);
    let init = |net: &Net, more: &[&str], input: &str| {
        let mut arguments = vec!["signer", "state", "init"];
        arguments.extend(more);
        typed(net, &arguments, input)
    };
    const STOPPED: &str = "--i-have-stopped-every-other-node";
    let (code, text) = init(&net, &["--above", "9", STOPPED], "9\n");
    assert_eq!(code, 66, "while it runs: {text}");
    net.stop(0);
    let (code, text) = init(&net, &["--above", "1000", STOPPED], "1000\n");
    assert_eq!(code, 68, "a whole log: {text}");
    let (code, text) = typed(&net, &["signer", "state", "show"], "");
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("whole") && text.contains("COMMIT at height"),
        "{text}"
    );

    fs::remove_dir_all(log_dir(&net, 0)).unwrap();
    let (_, text) = typed(&net, &["signer", "state", "show"], "");
    assert!(text.contains("missing"), "{text}");
    net.start(0);
    let height = net.height(0);
    net.wait("it says who can help", limit(10), |net| {
        let status = net.status(0);
        status.mode == Mode::Observer && status.signing_reason.contains("timed signer state init")
    });
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(net.height(0), height, "it signed without its log");
    net.stop(0);
    let (_, text) = typed(&net, &["signer", "state", "show", "--json"], "");
    assert!(text.contains("\"lost\""), "{text}");

    let above = height.to_string();
    let (code, text) = init(&net, &["--above", &above], &above);
    assert_eq!(code, 68, "without the promise: {text}");
    let (code, text) = init(&net, &["--above", &above, STOPPED], "yes\n");
    assert_eq!(code, 68, "another word: {text}");
    assert!(text.contains("can fork"), "{text}");
    let (code, text) = init(&net, &["--above", "1", STOPPED], "1\n");
    assert_eq!(code, 68, "below what is final: {text}");
    assert!(text.contains("too low"), "{text}");
    let (code, text) = init(&net, &["--above", &above, STOPPED], &format!("{above}\n"));
    assert_eq!(code, 0, "{text}");
    let (code, text) = init(&net, &["--above", &above, STOPPED], &format!("{above}\n"));
    assert_eq!(code, 68, "twice: {text}");
    net.start(0);
    net.wait_height(&[0], height + 2, limit(20));
    net.check_again(&[0]);
}

#[test]
fn a_damaged_log_names_file_place_and_what_to_do_and_moved_aside_it_is_a_lost_one() {
    let mut net = quick(4);
    net.stop(3);
    let segment = fs::read_dir(log_dir(&net, 3))
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .min()
        .unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    bytes[200] ^= 0x10;
    fs::write(&segment, bytes).unwrap();
    let config = net.layout.config(3);
    for arguments in [
        &["run", "--headless"][..],
        &["signer", "state", "show"],
        &[
            "signer",
            "state",
            "init",
            "--above",
            "5000",
            "--i-have-stopped-every-other-node",
        ],
    ] {
        let mut child = Command::new(TIMED)
            .args(arguments)
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(b"5000\n");
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(65), "{text}");
        assert!(text.contains(&*segment.to_string_lossy()), "{text}");
        assert!(
            text.contains("offset") && text.contains("timed signer state init"),
            "{text}"
        );
    }
    fs::rename(log_dir(&net, 3), net.layout.node_dir(3).join("consensus.damaged")).unwrap();
    let before = net.height(0);
    net.start(3);
    assert!(signs_again(&net, 3, before + 1) >= before + 3);
    net.check(&ALL);
    net.check_no_evidence(&ALL);
}

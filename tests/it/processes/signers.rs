//! A consensus key in a process of its own: the node votes through it, says when it is gone, and votes
//! again when it is back; and two nodes at one signer never get two signatures that contradict each other.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use timecoin::{
    consensus::{ConsensusMessage, Position},
    devnet::{Layout, PortRange, process::NodeProcess},
};

use super::{
    lost_logs::{quick, signs_again},
    moves::{text, timed},
    net::{Net, TIMED, copy_dir, limit, signed_messages},
};

/// A running `timed signer serve`; ends with this value.
struct SignerProcess {
    child: Child,
}

impl SignerProcess {
    fn start(net: &Net, dir: &Path) -> Self {
        let said = File::create(dir.join("said")).unwrap();
        let child = Command::new(TIMED)
            .args(["signer", "serve", "--network", "devnet", "--data-dir"])
            .arg(dir)
            .arg("--genesis")
            .arg(net.layout.genesis())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()
            .unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        while UnixStream::connect(dir.join("signer.sock")).is_err() {
            let said = || fs::read_to_string(dir.join("said")).unwrap();
            assert!(Instant::now() < until, "the signer does not start: {}", said());
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child }
    }
}

impl Drop for SignerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Takes the key and the state of node 3, which does not run, to a signer's directory.
fn give_to_signer(net: &Net) -> PathBuf {
    let (node, dir) = (net.layout.node_dir(3), net.layout.dir().join("s"));
    let [state, key] = ["state.json", "v.key"].map(|name| net.layout.dir().join(name));
    let config = net.layout.config(3);
    let genesis = net.layout.genesis();
    let steps: [&[&str]; 3] = [
        &[
            "signer",
            "state",
            "export",
            text(&state),
            "--config",
            text(&config),
        ],
        &[
            "keys",
            "export",
            "validator",
            text(&key),
            "--unencrypted",
            "--config",
            text(&config),
        ],
        &[
            "keys",
            "import",
            "validator",
            text(&key),
            "--state",
            text(&state),
            "--network",
            "devnet",
            "--genesis",
            text(&genesis),
            "--data-dir",
            text(&dir),
        ],
    ];
    for step in steps {
        let (code, said) = timed(step);
        assert_eq!(code, 0, "{said}");
    }
    let socket = format!("unix:{}", dir.join("signer.sock").display());
    net.edit_config(3, |config| {
        let mut section = toml::Table::new();
        section.insert("signer".to_owned(), socket.into());
        config.insert("keys".to_owned(), section.into());
    });
    let (code, said) = timed(&["run", "--headless", "--config", text(&config)]);
    assert_eq!(code, 64, "the key in two places: {said}");
    fs::remove_file(node.join("keys/validator.key")).unwrap();
    dir
}

#[test]
fn a_node_votes_through_its_signer_says_when_it_is_gone_and_votes_again() {
    let mut net = quick(4);
    net.stop(3);
    net.check_logs();
    let dir = give_to_signer(&net);
    let config = net.layout.config(3);
    let (code, said) = timed(&["run", "--headless", "--config", text(&config)]);
    assert_eq!(code, 67, "nobody says which key it is: {said}");
    assert!(
        said.contains("error[TD-6706]") && said.contains("timed signer serve"),
        "{said}"
    );

    let signer = SignerProcess::start(&net, &dir);
    net.start(3);
    let before = net.height(0);
    assert!(signs_again(&net, 3, before + 1) > before);
    drop(signer);
    let is_told = |net: &Net| {
        net.wait("it says what it waits for", limit(10), |net| {
            let status = net.status(3);
            !status.signing && status.signing_reason.contains("the signer does not answer")
        });
    };
    is_told(&net);
    assert_eq!(
        net.health_status(3),
        Some(200),
        "a restart of the node would not help"
    );
    let before = net.height(0);
    net.wait_height(&[0, 1, 2, 3], before + 3, limit(20));

    // A node that starts meanwhile knows whose key it is, follows, and is taken for what it is once the
    // signer is there: sessions that began without a proof begin again.
    net.stop(3);
    net.check_logs();
    net.start(3);
    is_told(&net);
    let _signer = SignerProcess::start(&net, &dir);
    let before = net.height(0);
    assert!(signs_again(&net, 3, before + 1) > before);
    net.wait("it is well", limit(10), |net| net.status(3).signing);
    let log = net.log(3);
    assert!(log.contains("the signer answers: this node signs again"), "{log}");
    net.check(&[0, 1, 2, 3]);
    net.check_no_evidence(&[0, 1, 2, 3]);
    net.stop(3);
    net.check_logs();
    // The old place cannot sign any more, even if the key is put back.
    fs::copy(
        net.layout.dir().join("v.key"),
        net.layout.node_dir(3).join("keys/validator.key"),
    )
    .unwrap();
    net.edit_config(3, |config| {
        config.remove("keys");
    });
    let (code, said) = timed(&["run", "--headless", "--config", text(&config)]);
    assert_eq!(code, 68, "{said}");
}

#[test]
fn two_nodes_at_one_signer_contradict_nothing() {
    let mut net = quick(4);
    net.stop(3);
    net.check_logs();
    let dir = give_to_signer(&net);
    let _signer = SignerProcess::start(&net, &dir);
    let ports = PortRange::find(26_900, 1).unwrap();
    let twin = Layout::new(net.layout.dir().join("twin"), 1, ports.base());
    let twin_dir = twin.node_dir(0);
    copy_dir(&net.layout.node_dir(3), &twin_dir);
    fs::remove_file(twin_dir.join("keys/node.key")).unwrap();
    let (code, said) = timed(&[
        "keys",
        "generate",
        "node",
        "--network",
        "devnet",
        "--data-dir",
        text(&twin_dir),
    ]);
    assert_eq!(code, 0, "{said}");
    let mut table: toml::Table = fs::read_to_string(twin.config(0)).unwrap().parse().unwrap();
    table["network"]["listen"] = twin.p2p(0).to_string().into();
    table["rpc"]["listen"] = twin.http(0).to_string().into();
    table["network"]["genesis"] = net.layout.genesis().to_string_lossy().into_owned().into();
    fs::write(twin.config(0), table.to_string()).unwrap();

    let mut twin = NodeProcess::new(Path::new(TIMED), &twin, 0);
    twin.start().unwrap();
    net.start(3);
    net.runtime()
        .block_on(twin.wait_ready(Duration::from_secs(60)))
        .unwrap();
    // Both came up at once and hear each other: what matters is what they got signed.
    let before = net.height(0);
    net.wait_height(&[0, 1, 2], before + 10, limit(30));
    net.stop(3);
    twin.kill();
    let mut said: BTreeMap<Position, ConsensusMessage> = BTreeMap::new();
    for message in [net.layout.node_dir(3), twin_dir]
        .iter()
        .flat_map(|dir| signed_messages(dir))
    {
        let known = said.entry(message.position()).or_insert_with(|| message.clone());
        assert_eq!(*known, message, "signed twice at {:?}", message.position());
    }
    for node in [0, 1, 2] {
        let evidence = net.ask(net.client(node).evidence()).unwrap();
        assert!(evidence.is_empty(), "{evidence:?}");
    }
    net.check(&[0, 1, 2]);
}

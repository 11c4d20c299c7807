//! The Debian package: built, unpacked into an empty root, and used from there.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::ops::{must_succeed as run, tool};

/// A package that was built and unpacked.
struct Unpacked {
    dir: tempfile::TempDir,
    file: PathBuf,
}

impl Unpacked {
    /// Builds and unpacks it; `None`, with a word to whoever runs the test, where that cannot be done.
    fn new() -> Option<Self> {
        tool("dpkg-deb")?;
        let dir = tempfile::tempdir().unwrap();
        let built = dir.path().join("built");
        fs::create_dir(&built).unwrap();
        run(
            Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/deb"))
                .args([Path::new(env!("CARGO_BIN_EXE_timed")), &built])
                .env("DEB_FLAGS", "-Zgzip -z1"),
        );
        let files: Vec<_> = fs::read_dir(&built)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert_eq!(files.len(), 1, "{files:?}");
        let unpacked = Self {
            file: files[0].clone(),
            dir,
        };
        for (flag, name) in [("-x", "root"), ("-e", "control")] {
            run(Command::new("dpkg-deb")
                .arg(flag)
                .arg(&unpacked.file)
                .arg(unpacked.dir.path().join(name)));
        }
        Some(unpacked)
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    fn control(&self) -> PathBuf {
        self.dir.path().join("control")
    }

    fn timed(&self) -> PathBuf {
        self.root().join("usr/bin/timed")
    }
}

#[test]
fn the_package_holds_what_an_operator_needs_and_restarts_nothing() {
    let Some(package) = Unpacked::new() else { return };
    let (root, control) = (package.root(), package.control());
    for file in [
        "etc/timed/config.toml",
        "lib/systemd/system/timed.service",
        "lib/systemd/system/timed@.service",
        "usr/lib/sysusers.d/timed.conf",
        "usr/share/timed/alerts.yml",
        "usr/share/man/man1/timed.1.gz",
        "usr/share/man/man1/timed-keys-encrypt.1.gz",
        "usr/share/man/man7/timed-console.7.gz",
        "usr/share/bash-completion/completions/timed",
        "usr/share/doc/timed/changelog.gz",
        "usr/share/doc/timed/changelog.Debian.gz",
    ] {
        assert!(root.join(file).is_file(), "{file}");
    }
    let conffiles = fs::read_to_string(control.join("conffiles")).unwrap();
    assert_eq!(conffiles.trim(), "/etc/timed/config.toml");
    // A validator goes down when its operator says so, never because a package was upgraded.
    let mut scripts: Vec<String> = fs::read_dir(&control)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with("inst") || name.ends_with("rm"))
        .collect();
    scripts.sort();
    assert_eq!(scripts, ["postinst"]);
    let script = fs::read_to_string(control.join("postinst")).unwrap();
    for word in ["start", "stop", "try-restart", "enable"] {
        let acts = script.lines().filter(|line| !line.trim().starts_with('#'));
        assert!(
            acts.clone().all(|line| !line.contains(word)),
            "postinst says {word}"
        );
    }

    // What was installed works: a node is made, and the packaged configuration is valid for it.
    let timed = package.timed();
    assert_eq!(fs::metadata(&timed).unwrap().permissions().mode() & 0o777, 0o755);
    let data = package.dir.path().join("data");
    let node = |arguments: &[&str]| {
        run(Command::new(&timed)
            .args(arguments)
            .arg("--data-dir")
            .arg(&data)
            .args(["--network", "testnet"])
            .current_dir(package.dir.path()))
    };
    node(&["init", "--non-interactive"]);
    let config = root.join("etc/timed/config.toml");
    node(&["config", "check", "--config", config.to_str().unwrap()]);
    let keys = node(&["keys", "show"]);
    assert!(keys.contains("validator id"), "{keys}");
}

/// Names of commands that a maintainer script could act on a running node with.
const WATCHED: [&str; 7] = [
    "systemctl",
    "deb-systemd-invoke",
    "deb-systemd-helper",
    "invoke-rc.d",
    "service",
    "kill",
    "pkill",
];

#[test]
fn an_upgrade_asks_nobody_to_stop_or_start_the_node() {
    let Some(package) = Unpacked::new() else { return };
    let bin = package.dir.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let heard = package.dir.path().join("heard");
    fs::write(&heard, "").unwrap();
    for name in WATCHED {
        let path = bin.join(name);
        let script = format!("#!/bin/sh\necho {name} \"$@\" >> {}\n", heard.display());
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    for name in ["systemd-sysusers", "getent"] {
        let path = bin.join(name);
        fs::write(&path, "#!/bin/sh\nexit 1\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    // As on a machine with a service manager: what the script looks for is there.
    let postinst = package.control().join("postinst");
    let script = fs::read_to_string(&postinst).unwrap();
    assert!(script.contains("/run/systemd/system"), "{script}");
    fs::write(&postinst, script.replace("/run/systemd/system", "/tmp")).unwrap();
    for version in ["", "0.0.1"] {
        // A sysusers that fails is a failed installation, and says so.
        let failed = Command::new(&postinst)
            .args(["configure", version])
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
            .output()
            .unwrap();
        assert!(!failed.status.success());
    }
    fs::write(bin.join("systemd-sysusers"), "#!/bin/sh\n").unwrap();
    for version in ["", "0.0.1"] {
        run(Command::new(&postinst)
            .args(["configure", version])
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display())));
    }
    let heard = fs::read_to_string(&heard).unwrap();
    assert_eq!(
        heard.lines().collect::<Vec<_>>(),
        ["systemctl daemon-reload"; 2],
        "first installation and upgrade"
    );
}

#[test]
fn lintian_has_no_objection() {
    /// The project has no mail address that the package could name, and Debian has no bug that asks
    /// for it.
    const NOT_FOR_US: &str =
        "bogus-mail-host,bogus-mail-host-in-debian-changelog,initial-upload-closes-no-bugs";
    let Some(lintian) = tool("lintian") else { return };
    let Some(package) = Unpacked::new() else { return };
    let output = Command::new(lintian.get_program())
        .args(["--allow-root", "--no-cfg", "--fail-on", "error,warning"])
        .args(["--suppress-tags", NOT_FOR_US])
        .arg(&package.file)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
}

/// From the package to a node whose service manager notices that its engine stands still.
#[cfg(any(debug_assertions, feature = "failpoints"))]
#[test]
fn a_packaged_node_is_ready_pings_and_stops_pinging_when_its_engine_stands_still() {
    use timecoin::storage::failpoint::{PLAN_FILE, STALL_FILE};

    use crate::processes::{manager::Manager, net::Net};

    let Some(package) = Unpacked::new() else { return };
    // The network: a genesis whose only masternode has the key that `init` makes.
    let net = Net::new(1);
    let data = package.dir.path().join("data");
    let genesis = net.layout.genesis();
    let config = package.root().join("etc/timed/config.toml");
    let timed = |arguments: &[&str]| {
        let mut command = Command::new(package.timed());
        command
            .args(arguments)
            .arg("--data-dir")
            .arg(&data)
            .args(["--network", "devnet", "--genesis"])
            .arg(&genesis)
            .current_dir(package.dir.path())
            .stdin(std::process::Stdio::null());
        command
    };
    run(&mut timed(&["init", "--non-interactive"]));
    let shown = run(Command::new(package.timed())
        .args(["keys", "show", "--json", "--data-dir"])
        .arg(&data));
    let keys: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let mut founded = net.genesis().clone();
    founded.masternodes[0].validator_key = keys["validator_id"].as_str().unwrap().parse().unwrap();
    founded.masternodes[0].node_key = None;
    fs::write(&genesis, founded.to_toml()).unwrap();
    fs::write(data.join(PLAN_FILE), "stall").unwrap();

    let start = || {
        let mut command = timed(&["run", "--headless", "--config", config.to_str().unwrap()]);
        command
            .args(["--listen", &net.layout.p2p(0).to_string()])
            .args(["--rpc-listen", &net.layout.http(0).to_string()]);
        Manager::start(command)
    };
    let mut manager = start();
    manager.hear("READY=1");
    let status = net.status(0);
    assert!(status.validators.len() == 1, "{status:?}");
    for _ in 0..3 {
        manager.hear("WATCHDOG=1");
    }
    net.wait_height(&[0], 2, super::processes::net::limit(20));

    fs::write(data.join(STALL_FILE), "").unwrap();
    manager.hear("STATUS=a critical loop is stuck");
    manager.must_not_hear("WATCHDOG=1", std::time::Duration::from_secs(4));
    let stalled_at = net.status(0).height;

    // What systemd does then; and after that the chain goes on where it was.
    fs::remove_file(data.join(STALL_FILE)).unwrap();
    manager.abort();
    let mut manager = start();
    manager.hear("READY=1");
    net.wait_height(&[0], stalled_at + 2, super::processes::net::limit(20));
    manager.hear("WATCHDOG=1");
    net.check_no_evidence(&[0]);
    manager.stop();
}

//! The Debian package: built, unpacked into an empty root, and used from there.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use crate::ops::must_succeed as run;

#[test]
fn the_package_holds_what_an_operator_needs_and_restarts_nothing() {
    if Command::new("dpkg-deb").arg("--version").output().is_err() {
        println!("dpkg-deb is not installed: the package was not built");
        return;
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = tempfile::tempdir().unwrap();
    run(Command::new(source.join("scripts/deb"))
        .args([Path::new(env!("CARGO_BIN_EXE_timed")), dir.path()])
        .env("DEB_FLAGS", "-Znone"));
    let built: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(built.len(), 1, "{built:?}");
    let package = &built[0];

    let [root, control] = ["root", "control"].map(|name| dir.path().join(name));
    run(Command::new("dpkg-deb").arg("-x").args([package, &root]));
    run(Command::new("dpkg-deb").arg("-e").args([package, &control]));
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
    let timed = root.join("usr/bin/timed");
    assert_eq!(fs::metadata(&timed).unwrap().permissions().mode() & 0o777, 0o755);
    let data = dir.path().join("data");
    let node = |arguments: &[&str]| {
        run(Command::new(&timed)
            .args(arguments)
            .arg("--data-dir")
            .arg(&data)
            .args(["--network", "testnet"])
            .current_dir(dir.path()))
    };
    node(&["init", "--non-interactive"]);
    let config = root.join("etc/timed/config.toml");
    node(&["config", "check", "--config", config.to_str().unwrap()]);
    let keys = node(&["keys", "show"]);
    assert!(keys.contains("validator id"), "{keys}");
}

//! Encrypted keys in the real binary: it starts with the passphrase, from each place it may come from, and
//! with nothing else; and the passphrase shows nowhere.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::net::{Net, TIMED, limit, run_timed};

const PASSPHRASE: &str = "battery staple 7";

fn secret_file(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn keys(net: &Net, command: &str, more: &[&str]) -> (i32, String) {
    let dir = net.layout.node_dir(0);
    let mut arguments = vec!["keys", command, "--data-dir", dir.to_str().unwrap()];
    arguments.extend(more);
    let (code, out, err) = run_timed(&arguments);
    (code, format!("{out}{err}"))
}

fn run(net: &Net, more: &[&str]) -> (i32, String) {
    let config = net.layout.config(0);
    let mut arguments = vec!["run", "--headless", "--config", config.to_str().unwrap()];
    arguments.extend(more);
    let (code, out, err) = run_timed(&arguments);
    (code, format!("{out}{err}"))
}

#[test]
fn a_node_with_encrypted_keys_starts_with_its_passphrase_and_with_nothing_else() {
    let mut net = Net::new(1);
    let secrets = tempfile::tempdir().unwrap();
    let file = secret_file(secrets.path(), "passphrase", &format!("{PASSPHRASE}\n"));
    let file_text = file.to_str().unwrap();
    let (code, before) = keys(&net, "show", &["--json"]);
    assert_eq!(code, 0, "{before}");

    let (code, text) = keys(&net, "encrypt", &["--passphrase-file", file_text]);
    assert_eq!(code, 0, "{text}");
    for name in ["validator.key", "node.key"] {
        let path = net.layout.node_dir(0).join("keys").join(name);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("BEGIN ENCRYPTED PRIVATE KEY"), "{name}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    // The public halves are told without the passphrase, and are what they were.
    let (_, after) = keys(&net, "show", &["--json"]);
    let ids = |text: &str| {
        let shown: serde_json::Value = serde_json::from_str(text).unwrap();
        (shown["node_id"].clone(), shown["validator_id"].clone())
    };
    assert_eq!(ids(&before), ids(&after));

    let (code, text) = run(&net, &[]);
    assert_eq!(code, 67, "{text}");
    assert!(text.contains("error[TD-6704]"), "{text}");
    let wrong = secret_file(secrets.path(), "wrong", "battery staple 8");
    let (code, text) = run(&net, &["--passphrase-file", wrong.to_str().unwrap()]);
    assert_eq!(code, 67, "{text}");
    assert!(
        text.contains("error[TD-6705]") && !text.contains("staple"),
        "{text}"
    );
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let (code, text) = run(&net, &["--passphrase-file", file_text]);
    assert_eq!(code, 67, "{text}");
    assert!(text.contains("chmod 600"), "{text}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();

    // From the configuration; and nobody who looks at the process sees it.
    net.edit_config(0, |config| {
        let mut section = toml::Table::new();
        section.insert("passphrase_file".to_owned(), file_text.into());
        config.insert("keys".to_owned(), section.into());
    });
    net.start(0);
    net.wait_height(&[0], 2, limit(20));
    let pid = net.node(0).pid().unwrap();
    for name in ["cmdline", "environ"] {
        let seen = fs::read(format!("/proc/{pid}/{name}")).unwrap();
        assert!(!String::from_utf8_lossy(&seen).contains("staple"), "{name}");
    }
    assert!(!net.log(0).contains("staple"));
}

#[test]
fn the_passphrase_comes_as_a_credential_or_through_a_descriptor_and_can_be_changed() {
    let net = Net::new(1);
    let secrets = tempfile::tempdir().unwrap();
    let first = secret_file(secrets.path(), "first", PASSPHRASE);
    let second = secret_file(secrets.path(), "second", "another staple 9");
    let (code, text) = keys(&net, "encrypt", &["--passphrase-file", first.to_str().unwrap()]);
    assert_eq!(code, 0, "{text}");

    // Standard input is a descriptor like any other.
    let dir = net.layout.node_dir(0);
    let mut child = Command::new(TIMED)
        .args(["keys", "change-passphrase", "--passphrase-file", "/dev/fd/0"])
        .arg("--new-passphrase-file")
        .arg(&second)
        .arg("--data-dir")
        .arg(&dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(PASSPHRASE.as_bytes())
        .unwrap();
    let ended = child.wait_with_output().unwrap();
    assert!(
        ended.status.success(),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    let (code, text) = keys(&net, "decrypt", &["--passphrase-file", first.to_str().unwrap()]);
    assert_eq!(code, 67, "{text}");
    assert!(text.contains("error[TD-6705]"), "{text}");

    // A credential named for the key goes before the common one.
    let credentials = secrets.path().join("credentials");
    fs::create_dir(&credentials).unwrap();
    fs::write(credentials.join("passphrase"), "another staple 9\n").unwrap();
    fs::write(credentials.join("validator-passphrase"), "wrong for sure").unwrap();
    let decrypt = || {
        let ended = Command::new(TIMED)
            .args(["keys", "decrypt", "--data-dir"])
            .arg(&dir)
            .env("CREDENTIALS_DIRECTORY", &credentials)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (
            ended.status.code(),
            String::from_utf8_lossy(&ended.stderr).into_owned(),
        )
    };
    let (code, text) = decrypt();
    assert_eq!(code, Some(67), "{text}");
    fs::remove_file(credentials.join("validator-passphrase")).unwrap();
    let (code, text) = decrypt();
    assert_eq!(code, Some(0), "{text}");
    for name in ["validator.key", "node.key"] {
        timecoin::signer::read_key_file(&dir.join("keys").join(name)).unwrap();
    }
}

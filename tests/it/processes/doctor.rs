//! What an operator sends to somebody who helps: the doctor's answer, and one file without a secret in it.

use std::{fs, io::Write, net::TcpListener, os::unix::fs::PermissionsExt};

use super::net::{Net, limit, run_timed};

fn doctor(net: &Net) -> (i32, serde_json::Value) {
    let dir = net.layout.node_dir(0);
    let (code, out, err) = run_timed(&["doctor", "--json", "--data-dir", dir.to_str().unwrap()]);
    (
        code,
        serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}")),
    )
}

/// The verdict and the words of one check.
fn check(answer: &serde_json::Value, name: &str) -> (String, String) {
    let found = answer["checks"].as_array().unwrap();
    let found = found
        .iter()
        .find(|found| found["check"] == name)
        .unwrap_or_else(|| panic!("no {name} in {answer}"));
    let text = |key: &str| found[key].as_str().unwrap().to_owned();
    (text("verdict"), text("says"))
}

#[test]
fn the_doctor_names_what_keeps_a_node_from_starting_and_what_to_do() {
    let mut net = Net::new(1);
    let (code, answer) = doctor(&net);
    assert_eq!(code, 0, "{answer}");
    assert_eq!(check(&answer, "p2p port").0, "ok");
    assert_eq!(check(&answer, "sign guard").0, "ok");
    let (verdict, says) = check(&answer, "validator key");
    assert!(verdict == "warn" && says.contains("timed keys encrypt"), "{says}");

    let key = net.layout.node_dir(0).join("keys/validator.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let taken = TcpListener::bind(net.layout.http(0)).unwrap();
    let (code, answer) = doctor(&net);
    assert_eq!(code, 1, "{answer}");
    let (verdict, says) = check(&answer, "validator key");
    assert!(verdict == "fail" && says.contains("chmod 600"), "{says}");
    let (verdict, says) = check(&answer, "http port");
    assert!(verdict == "fail" && says.contains("rpc.listen"), "{says}");
    drop(taken);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();

    net.start(0);
    net.wait_height(&[0], 1, limit(20));
    let pid = net.node(0).pid().unwrap();
    let (code, answer) = doctor(&net);
    assert_eq!(code, 0, "{answer}");
    assert!(check(&answer, "node").1.contains(&pid.to_string()), "{answer}");
}

#[test]
fn a_dump_holds_what_helps_and_no_secret() {
    let mut net = Net::new(1);
    net.start(0);
    net.wait_height(&[0], 1, limit(20));
    let dir = net.layout.node_dir(0);
    let dir_text = dir.to_str().unwrap();
    let (code, token, err) = run_timed(&["token", "add", "desk", "--data-dir", dir_text]);
    assert_eq!(code, 0, "{err}");
    let cookie = fs::read_to_string(dir.join(".cookie")).unwrap();
    let pem = fs::read_to_string(dir.join("keys/validator.key")).unwrap();
    let body = pem.lines().nth(1).unwrap();
    // Somebody was careless: even what stands in the log does not get out.
    let careless = format!("INFO {cookie}\nINFO {token}\n{pem}INFO after the key\n");
    let mut log = fs::OpenOptions::new()
        .append(true)
        .open(dir.join("logs/timed.log"))
        .unwrap();
    log.write_all(careless.as_bytes()).unwrap();

    let out = net.layout.dir().join("dump.tar");
    let dump = [
        "debug",
        "dump",
        "--data-dir",
        dir_text,
        "--output",
        out.to_str().unwrap(),
    ];
    let (code, text, err) = run_timed(&dump);
    assert_eq!(code, 0, "{text}{err}");
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    let bytes = fs::read(&out).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    for name in [
        "about.json",
        "config.json",
        "doctor.json",
        "status.json",
        "timed.log",
        "files.txt",
    ] {
        assert!(text.contains(name), "{name}");
    }
    assert!(text.contains("\"utxo_commitment\"") && text.contains("after the key"));
    let cookie = cookie.trim().trim_start_matches("__cookie__:");
    for secret in [cookie, token.trim().trim_start_matches("timed_"), body] {
        assert!(secret.len() > 30 && !text.contains(secret), "{secret}");
    }
    // It is never overwritten.
    assert_ne!(run_timed(&dump).0, 0);
    // Any tar reads it.
    let listed = std::process::Command::new("tar").arg("tf").arg(&out).output();
    if let Ok(listed) = listed {
        let names = String::from_utf8_lossy(&listed.stdout).into_owned();
        assert!(
            listed.status.success() && names.contains("status.json"),
            "{names}"
        );
    }
}

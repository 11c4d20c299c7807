//! What a node keeps to itself: it listens beyond this machine only where peers come in, and no secret of
//! its own stands in a log, an environment, a list of processes, a recording or a dump.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use timecoin::devnet::process::NodeProcess;

use super::net::{Net, TIMED, limit, run_timed};

const PASSPHRASE: &str = "correct horse battery";

/// Addresses of the sockets that `pid` listens on, as the kernel has them.
fn listening(pid: u32) -> BTreeSet<String> {
    let inodes: BTreeSet<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
        .filter_map(|target| {
            let text = target.to_string_lossy().into_owned();
            Some(text.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
        })
        .collect();
    let mut found = BTreeSet::new();
    for (table, state) in [("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")] {
        let text = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if fields[3] != state || !inodes.contains(fields[9]) {
                continue;
            }
            let (address, port) = fields[1].split_once(':').unwrap();
            let port = u16::from_str_radix(port, 16).unwrap();
            let shown = match u32::from_str_radix(address, 16) {
                Ok(address) => Ipv4Addr::from(address.swap_bytes()).to_string(),
                Err(_) => address.to_owned(),
            };
            found.insert(format!("{table} {shown}:{port}"));
        }
    }
    found
}

#[test]
fn only_the_port_for_peers_is_open_to_other_machines() {
    let mut net = Net::new(1);
    let p2p = net.layout.p2p(0).port();
    // As the default is: all addresses.
    net.edit_config(0, |config| {
        config["network"]["listen"] = format!("0.0.0.0:{p2p}").into();
    });
    net.start(0);
    let pid = net.node(0).pid().unwrap();
    let http = net.layout.http(0).port();
    let expected = BTreeSet::from([format!("tcp 0.0.0.0:{p2p}"), format!("tcp 127.0.0.1:{http}")]);
    assert_eq!(listening(pid), expected);
    net.kill(0);
    // HTTP elsewhere needs a word in the configuration, whatever the flag says.
    let config = net.layout.config(0);
    let (code, _, err) = run_timed(&[
        "run",
        "--headless",
        "--config",
        config.to_str().unwrap(),
        "--rpc-listen",
        &format!("0.0.0.0:{http}"),
    ]);
    assert_eq!(code, 64, "{err}");
    assert!(
        err.contains("TD-6402") && err.contains("rpc.allow_remote"),
        "{err}"
    );
}

fn post(to: SocketAddr, path: &str, token: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {to}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The bytes that base64 text stands for.
fn decoded(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        let digit = ALPHABET.iter().position(|letter| *letter == byte).unwrap();
        (bits, count) = ((bits << 6) | digit as u32, count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

/// A secret key file's key in the forms in which it could stand somewhere.
fn forms_of(key: &Path) -> Vec<Vec<u8>> {
    let pem = fs::read_to_string(key).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = decoded(body.split_whitespace().last().unwrap());
    // PKCS#8 of Ed25519: a head of 16 bytes, then the seed.
    let seed = der[16..48].to_vec();
    let hex = const_hex::encode(&seed);
    let list = format!("{seed:?}");
    let inner = list.trim_matches(['[', ']']).to_owned();
    vec![
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
        inner.into_bytes(),
        body.split_whitespace().last().unwrap().as_bytes().to_vec(),
        seed,
    ]
}

/// Files below `dir` that hold one of `secrets`.
fn holders(dir: &Path, secrets: &[(String, Vec<u8>)]) -> Vec<String> {
    let (mut found, mut open) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap().flatten() {
            let path = entry.path();
            let Ok(metadata) = fs::symlink_metadata(&path) else {
                continue;
            };
            if metadata.is_dir() {
                open.push(path);
            } else if metadata.is_file() {
                let bytes = fs::read(&path).unwrap_or_default();
                found.extend(named_in(&bytes, secrets).map(|name| format!("{name} in {}", path.display())));
            }
        }
    }
    found
}

fn named_in<'a>(bytes: &'a [u8], secrets: &'a [(String, Vec<u8>)]) -> impl Iterator<Item = &'a str> {
    secrets
        .iter()
        .filter(|(_, secret)| bytes.windows(secret.len()).any(|window| window == secret))
        .map(|(name, _)| name.as_str())
}

#[test]
fn no_secret_stands_in_logs_environment_process_list_recordings_or_dumps() {
    let mut net = Net::new(1);
    let dir = net.layout.node_dir(0);
    let dir_text = dir.to_str().unwrap();
    let apart = tempfile::tempdir().unwrap();
    let mut secrets = vec![("passphrase".to_owned(), PASSPHRASE.as_bytes().to_vec())];
    for name in ["validator.key", "node.key"] {
        let forms = forms_of(&dir.join("keys").join(name));
        secrets.extend(forms.into_iter().map(|form| (name.to_owned(), form)));
    }
    // The search finds what is there.
    assert_eq!(holders(&dir, &secrets).len(), 2, "each key once, in its own file");

    let file = apart.path().join("passphrase");
    fs::write(&file, PASSPHRASE).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let file = file.to_str().unwrap();
    let (code, out, err) = run_timed(&[
        "keys",
        "encrypt",
        "--data-dir",
        dir_text,
        "--passphrase-file",
        file,
    ]);
    assert_eq!(code, 0, "{out}{err}");
    let (code, token, err) = run_timed(&["token", "add", "desk", "--scope", "admin", "--data-dir", dir_text]);
    assert_eq!(code, 0, "{err}");
    let token = token.trim().to_owned();
    net.nodes[0] = NodeProcess::new(Path::new(TIMED), &net.layout, 0).with_arguments(&[
        "--passphrase-file",
        file,
        "--log-level",
        "trace",
    ]);
    net.start(0);
    net.wait_height(&[0], 2, limit(40));
    let cookie = fs::read_to_string(dir.join(".cookie")).unwrap().trim().to_owned();
    let digits = |text: &str| text.rsplit([':', '_']).next().unwrap().as_bytes().to_vec();
    secrets.push(("token".to_owned(), digits(&token)));
    secrets.push(("cookie".to_owned(), digits(&cookie)));
    assert!(secrets.iter().all(|(_, secret)| secret.len() >= 20));

    // Everything that takes a secret is used, rightly and wrongly.
    let http = net.layout.http(0);
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"setloglevel","params":["trace"]}"#;
    let wrong = format!("{}x", &token[..token.len() - 1]);
    secrets.push(("wrong token".to_owned(), wrong.clone().into_bytes()));
    for (path, secret, body, expected) in [
        ("/rpc", token.as_str(), call, "200"),
        ("/rpc", cookie.as_str(), call, "200"),
        ("/rpc", wrong.as_str(), call, "401"),
        ("/rpc", token.as_str(), token.as_str(), "400"),
        ("/command", cookie.as_str(), r#"{"command":"clear_bans"}"#, "200"),
        ("/command", token.as_str(), r#"{"command":"clear_bans"}"#, ""),
    ] {
        let answer = post(http, path, secret, body);
        let status = answer.split(' ').nth(1).unwrap_or("");
        assert!(expected.is_empty() || status == expected, "{path}: {answer}");
        assert_eq!(
            named_in(answer.as_bytes(), &secrets).collect::<Vec<_>>(),
            Vec::<&str>::new(),
            "{answer}"
        );
    }
    let pid = net.node(0).pid().unwrap();
    for name in ["environ", "cmdline", "comm", "status"] {
        let bytes = fs::read(format!("/proc/{pid}/{name}")).unwrap();
        assert_eq!(named_in(&bytes, &secrets).count(), 0, "/proc/{pid}/{name}");
    }
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    let fields: Vec<&str> = core.split_whitespace().collect();
    assert_eq!(fields[4..6], ["0", "0"], "{core}");
    for path in [
        "/status",
        "/health",
        "/peers",
        "/metrics",
        "/metrics.json",
        "/bans",
    ] {
        let text = net.ask(net.client(0).text(path)).unwrap();
        assert_eq!(named_in(text.as_bytes(), &secrets).count(), 0, "{path}");
    }
    // Both dumps: by command and by signal.
    let dump = apart.path().join("dump.tar");
    let dump = dump.to_str().unwrap();
    let (code, out, err) = run_timed(&["debug", "dump", "--data-dir", dir_text, "-o", dump]);
    assert_eq!(code, 0, "{out}{err}");
    let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
    kill_process(pid, Signal::QUIT).unwrap();
    net.wait("the dump is written", limit(60), |net| {
        net.log(0).contains("SIGQUIT: debug dump written")
    });
    let holders_now = holders(&dir, &secrets);
    assert_eq!(net.stop(0).1, Some(0));
    assert_eq!(
        holders_now,
        [format!("cookie in {}", dir.join(".cookie").display())]
    );
    assert_eq!(holders(&dir, &secrets), Vec::<String>::new());
    assert_eq!(named_in(&fs::read(dump).unwrap(), &secrets).count(), 0);
    // The log was written at its most talkative.
    assert!(net.log(0).contains(" DEBUG ") && net.log(0).contains("Block finalized"));
}

//! `timed doctor`: looks at everything that keeps a node from working, and says of each what to do. Changes
//! nothing but for one temporary file, with which it times the disk. Exit 1 if anything fails.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    net::{SocketAddr, TcpListener},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use serde::Serialize;
use serde_json::json;

use super::{
    args::DoctorArguments,
    client::block_on,
    config::load_chain,
    failure::{Code, Failure},
    init::genesis_of,
    output,
};
use crate::{
    config::{DataDir, Loaded},
    control::Clock,
    node::{resync::free_bytes, signer_state, signer_state::SignerMemory},
    rpc::client::Client,
    signer::{
        NODE_KEY_FILE, SignerError, VALIDATOR_KEY_FILE, VALIDATOR_PUBLIC_FILE, is_key_file_encrypted,
        public_key_of,
    },
    storage::lock::{DataDirLock, LOCK_FILE, LockError},
};

/// Below this a node signs nothing (docs/OPERATIONS.md, Disk).
const FREE_BYTES_FAIL: u64 = 1_000_000_000;
/// Below this it will soon.
const FREE_BYTES_WARN: u64 = 5_000_000_000;
/// Writes that are timed.
const SYNCS: usize = 20;
/// A vote waits for one sync: slower than this is felt.
const SYNC_WARN: Duration = Duration::from_millis(20);
/// Open files that sessions, storage and HTTP may need together.
const FILES_WARN: u64 = 1_024;

/// How one thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// One line of the answer.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Finding {
    pub(super) check: &'static str,
    pub(super) verdict: Verdict,
    /// What was found and, unless it is well, what to do.
    pub(super) says: String,
}

fn finding(check: &'static str, verdict: Verdict, says: impl Into<String>) -> Finding {
    Finding {
        check,
        verdict,
        says: says.into(),
    }
}

pub(super) fn doctor(arguments: &DoctorArguments) -> Result<ExitCode, Failure> {
    let findings = examine(arguments);
    let failed = findings
        .iter()
        .filter(|found| found.verdict == Verdict::Fail)
        .count();
    if arguments.json {
        output::json(&json!({ "schema": 1, "ok": failed == 0, "checks": findings }))?;
    } else {
        for found in &findings {
            let word = match found.verdict {
                Verdict::Ok => "ok  ",
                Verdict::Warn => "warn",
                Verdict::Fail => "FAIL",
            };
            output::line(&format!("{word}  {:<12} {}", found.check, found.says))?;
        }
    }
    Ok(match failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// Looks at everything, in the order in which a start would stumble.
pub(super) fn examine(arguments: &DoctorArguments) -> Vec<Finding> {
    let loaded = match load_chain(&arguments.chain) {
        Ok(loaded) => loaded,
        Err(failure) => return vec![finding("config", Verdict::Fail, failure.to_string())],
    };
    let mut all = vec![config(&loaded)];
    let dir = match loaded.data_dir() {
        Ok(dir) => dir,
        Err(error) => {
            all.push(finding("directory", Verdict::Fail, error.to_string()));
            return all;
        }
    };
    let is_there = directory(&dir, &mut all);
    all.push(genesis_and_clock(&loaded));
    if !is_there {
        return all;
    }
    keys(&dir, &mut all);
    // Without the file no node ever ran here, and making it would be a change: as root, one that the
    // node's own user cannot open.
    let is_locked_once = dir.root().join(LOCK_FILE).exists();
    let running = match is_locked_once.then(|| DataDirLock::acquire(dir.root())) {
        None | Some(Ok(_)) => None,
        Some(Err(LockError::Held { pid, .. })) => Some(pid),
        Some(Err(error)) => {
            all.push(finding("directory", Verdict::Fail, error.to_string()));
            return all;
        }
    };
    all.extend(disk(dir.root()));
    all.push(files());
    match running {
        None => {
            all.push(guard(&dir));
            all.extend(ports(&loaded));
            all.push(finding(
                "node",
                Verdict::Warn,
                "does not run; start it with `timed run`",
            ));
        }
        Some(pid) => all.extend(node(&loaded, pid)),
    }
    all
}

fn config(loaded: &Loaded) -> Finding {
    let file = loaded.file.as_ref().map_or_else(
        || "no file, defaults apply".to_owned(),
        |path| path.display().to_string(),
    );
    match loaded.warnings.first() {
        None => finding("config", Verdict::Ok, file),
        Some(warning) => finding("config", Verdict::Warn, format!("{file}: {warning}")),
    }
}

fn directory(dir: &DataDir, all: &mut Vec<Finding>) -> bool {
    let root = dir.root();
    let metadata = match fs::metadata(root) {
        Ok(metadata) => metadata,
        Err(error) => {
            let says = format!("{}: {error}; make it with `timed init`", root.display());
            all.push(finding("directory", Verdict::Fail, says));
            return false;
        }
    };
    let mode = metadata.mode() & 0o777;
    all.push(if mode & 0o077 == 0 {
        finding("directory", Verdict::Ok, root.display().to_string())
    } else {
        let says = format!(
            "{0} has mode {mode:04o}, so others can look into it; run `chmod 700 {0}`",
            root.display()
        );
        finding("directory", Verdict::Warn, says)
    });
    true
}

/// Nothing here asks the network for the time; a running node compares with its peers.
fn genesis_and_clock(loaded: &Loaded) -> Finding {
    match genesis_of(&loaded.config) {
        Err(failure) => finding("genesis", Verdict::Fail, failure.to_string()),
        Ok(genesis) if Clock::start().now().unix_ms < genesis.timestamp_ms.get() => finding(
            "clock",
            Verdict::Fail,
            "this machine's clock is before the genesis of the chain; set it, and run NTP",
        ),
        Ok(genesis) => finding(
            "genesis",
            Verdict::Ok,
            format!("{}, chain {}", genesis.network, genesis.chain_id()),
        ),
    }
}

fn keys(dir: &DataDir, all: &mut Vec<Finding>) {
    for (check, name) in [("node key", NODE_KEY_FILE), ("validator key", VALIDATOR_KEY_FILE)] {
        let path = dir.keys().join(name);
        all.push(match (public_key_of(&path), is_key_file_encrypted(&path)) {
            (Ok(key), Ok(true)) => finding(check, Verdict::Ok, format!("{}, encrypted", key.short())),
            (Ok(key), Ok(false)) if name == NODE_KEY_FILE => finding(check, Verdict::Ok, key.short()),
            (Ok(key), Ok(false)) => finding(
                check,
                Verdict::Warn,
                format!(
                    "{} is not encrypted; `timed keys encrypt` puts it under a passphrase",
                    key.short()
                ),
            ),
            (Err(SignerError::Missing { .. }), _)
                if name == VALIDATOR_KEY_FILE && dir.keys().join(VALIDATOR_PUBLIC_FILE).exists() =>
            {
                finding(check, Verdict::Ok, "a signer of its own holds it (keys.signer)")
            }
            (Err(SignerError::Missing { .. }), _) if name == VALIDATOR_KEY_FILE => {
                finding(check, Verdict::Ok, "none: the node follows and does not vote")
            }
            (Err(error), _) | (_, Err(error)) => finding(check, Verdict::Fail, error.to_string()),
        });
    }
}

fn guard(dir: &DataDir) -> Finding {
    let check = "sign guard";
    match signer_state::read(dir.root()) {
        Err(error) => finding(check, Verdict::Fail, error.to_string()),
        Ok(state) if state.given_away => finding(
            check,
            Verdict::Fail,
            "the signing state was exported from here, so no node starts here with this key: docs/upgrade.md, Another machine",
        ),
        Ok(state) => match state.memory {
            SignerMemory::Whole => finding(check, Verdict::Ok, "the log knows all that was signed"),
            SignerMemory::New => finding(check, Verdict::Ok, "nothing was signed with this key yet"),
            SignerMemory::Missing | SignerMemory::Lost => finding(
                check,
                Verdict::Warn,
                "the log is missing or was lost: the node observes before it signs; put the real one back if it exists (docs/OPERATIONS.md, Observer mode)",
            ),
        },
    }
}

fn disk(root: &Path) -> [Finding; 2] {
    let space = match free_bytes(root) {
        None => finding("disk space", Verdict::Warn, "the system does not tell"),
        Some(free) => {
            let says = format!("{} MB free", free / 1_000_000);
            if free < FREE_BYTES_FAIL {
                let says = format!("{says}: the node signs and writes nothing below 1000 MB; free some");
                finding("disk space", Verdict::Fail, says)
            } else if free < FREE_BYTES_WARN {
                finding("disk space", Verdict::Warn, format!("{says}; free some soon"))
            } else {
                finding("disk space", Verdict::Ok, says)
            }
        }
    };
    let speed = match time_syncs(root) {
        Err(error) => {
            let says = format!("{error}; check the disk and who owns the directory");
            finding("disk speed", Verdict::Fail, says)
        }
        Ok(slowest) => {
            let says = format!(
                "the slowest of {SYNCS} syncs took {:.1} ms",
                slowest.as_secs_f64() * 1e3
            );
            if slowest > SYNC_WARN {
                let says = format!("{says}; every vote waits for one: use a faster disk");
                finding("disk speed", Verdict::Warn, says)
            } else {
                finding("disk speed", Verdict::Ok, says)
            }
        }
    };
    [space, speed]
}

/// Times appends that are synced, as the consensus log makes them.
fn time_syncs(root: &Path) -> io::Result<Duration> {
    let path = root.join(format!(".doctor-{}", std::process::id()));
    let timed = || -> io::Result<Duration> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let mut slowest = Duration::ZERO;
        for _ in 0..SYNCS {
            let began = Instant::now();
            file.write_all(&[0; 512])?;
            file.sync_data()?;
            slowest = slowest.max(began.elapsed());
        }
        Ok(slowest)
    };
    let slowest = timed();
    // If it was never made there is nothing to remove.
    let _ = fs::remove_file(&path);
    slowest
}

fn files() -> Finding {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    match limit.current {
        Some(files) if files < FILES_WARN => finding(
            "open files",
            Verdict::Warn,
            format!("at most {files}; raise it (`ulimit -n`, LimitNOFILE=)"),
        ),
        Some(files) => finding("open files", Verdict::Ok, format!("at most {files}")),
        None => finding("open files", Verdict::Ok, "no limit"),
    }
}

fn ports(loaded: &Loaded) -> Vec<Finding> {
    let listened = [
        ("p2p port", loaded.config.p2p_listen(), "network.listen"),
        ("http port", loaded.config.rpc_listen(), "rpc.listen"),
    ];
    let look = |(check, address, key): (&'static str, Option<SocketAddr>, &str)| {
        let address = address?;
        Some(match TcpListener::bind(address) {
            Ok(_) => finding(check, Verdict::Ok, format!("{address} is free")),
            Err(error) => finding(
                check,
                Verdict::Fail,
                format!("{address}: {error}; stop who has it (`ss -ltnp`), or change {key}"),
            ),
        })
    };
    listened.into_iter().filter_map(look).collect()
}

/// What a running node says of itself.
fn node(loaded: &Loaded, pid: Option<u32>) -> Vec<Finding> {
    let name = pid.map_or("runs".to_owned(), |pid| format!("runs as process {pid}"));
    let asked = loaded
        .config
        .rpc_listen()
        .ok_or_else(|| Failure::new(Code::Config, "rpc.listen is no address; correct it"))
        .and_then(|address| Ok(Client::new(&address.to_string())?))
        .and_then(|client| block_on(async { Ok((client.status().await?, client.ready().await?)) }));
    let (status, health) = match asked {
        Ok(answers) => answers,
        Err(failure) => {
            let says = format!("{name}, and does not answer: {failure}; see its log");
            return vec![finding("node", Verdict::Fail, says)];
        }
    };
    let verdict = match (health.live, health.ready) {
        (false, _) => Verdict::Fail,
        (true, false) => Verdict::Warn,
        (true, true) => Verdict::Ok,
    };
    let mut says = format!(
        "{name}: {}, height {}, {} peers",
        health.status.word(),
        status.height,
        status.peers
    );
    if !status.waiting_for.is_empty() {
        says += &format!("; waiting: {}", status.waiting_for);
    }
    let mut all = vec![finding("node", verdict, says)];
    let failing = health.checks.iter().filter(|check| !check.ok);
    all.extend(failing.map(|check| {
        finding(
            "readiness",
            Verdict::Warn,
            format!("{}: {}", check.name, check.detail),
        )
    }));
    // What the node itself knows of keys, its set, a halt height, and whether peers can dial it.
    let warnings = health.warnings.iter();
    all.extend(warnings.map(|warning| finding("warning", Verdict::Warn, warning.clone())));
    let alarms = health.alarms.iter();
    all.extend(alarms.map(|alarm| finding("alarm", Verdict::Warn, alarm.text.clone())));
    all
}

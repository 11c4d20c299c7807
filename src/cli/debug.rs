//! `timed debug dump`: what somebody else needs to understand a node, in one file.
//!
//! Nothing from `keys/` or `consensus/` is opened, nor the cookie but to cut it out of what is shown. Log
//! lines are cut where they hold a token or a key all the same. Addresses of peers and public keys stay:
//! the message says so.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::{Value, json};

use super::{
    args::{Asked, DumpArguments, RunArguments},
    client::{block_on, client, load_place, local},
    doctor,
    failure::Failure,
    output,
};
use crate::{
    config::DataDir,
    control::{Clock, words::grouped},
    rpc,
};

/// The end of the log that is taken.
const LOG_BYTES_MAX: u64 = 8 << 20;
/// Lines of it.
const LOG_LINES_MAX: usize = 10_000;
/// Entries of the data directory that are listed.
const LISTED_MAX: usize = 1_000;
/// What a node answers of itself.
const ASKED: [&str; 6] = [
    "/status",
    "/health",
    "/peers",
    "/bans",
    "/metrics.json",
    "/evidence",
];
/// What stands where a secret was.
const CUT: &str = "<cut>";

pub(super) fn dump(arguments: &DumpArguments) -> Result<ExitCode, Failure> {
    let path = arguments.output.clone();
    let path = path.unwrap_or_else(|| PathBuf::from(file_name(Clock::start().now().unix_ms)));
    write(&arguments.asked, &path)?;
    output::line(&path.display().to_string())?;
    output::diagnostic(
        "it holds addresses of peers, public keys and the end of the log, and no secret; look at it before you send it",
    );
    Ok(ExitCode::SUCCESS)
}

fn file_name(unix_ms: u64) -> String {
    format!("timed-debug-{}.tar", unix_ms / 1_000)
}

/// Writes the archive; a file that is there already is not overwritten.
fn write(asked: &Asked, path: &Path) -> Result<(), Failure> {
    let loaded = load_place(&asked.place)?;
    let dir = loaded.data_dir()?;
    let secrets = Secrets::of(&dir);
    let now_ms = Clock::start().now().unix_ms;
    let mut parts = vec![
        ("about.json", about(now_ms)),
        ("config.json", text(&super::config::shown(&loaded)?)),
        ("doctor.json", examined(asked)),
        ("files.txt", listing(dir.root())),
        ("timed.log", log_tail(&dir)),
    ];
    parts.extend(answers(asked));
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(path);
    let written = opened.and_then(|mut file| {
        for (name, content) in &parts {
            let clean = secrets.cut_from(content);
            file.write_all(&entry(name, clean.as_bytes(), now_ms / 1_000))?;
        }
        file.write_all(&[0; 1_024])?;
        file.sync_all()
    });
    written.map_err(|error| Failure::io(path, &error))
}

/// SIGQUIT: a running node writes its own archive into its data directory and goes on. A thread asks it over
/// HTTP like anybody else, so that a node that does not answer is what the archive says.
pub(super) struct Dumper {
    asked: Asked,
    dir: PathBuf,
    is_busy: Arc<AtomicBool>,
}

impl Dumper {
    pub(super) fn new(arguments: &RunArguments, dir: &DataDir, http: &rpc::Config) -> Self {
        let mut place = arguments.chain.place.clone();
        place.data_dir = Some(dir.root().to_owned());
        let rpc = Some(local(http.listen).to_string());
        Self {
            asked: Asked { rpc, place },
            dir: dir.root().to_owned(),
            is_busy: Arc::default(),
        }
    }

    /// Begins an archive, unless one is being written.
    pub(super) fn dump(&self) {
        if self.is_busy.swap(true, Ordering::AcqRel) {
            tracing::info!("SIGQUIT: a debug dump is being written already");
            return;
        }
        let (asked, is_busy) = (self.asked.clone(), Arc::clone(&self.is_busy));
        let path = self.dir.join(file_name(Clock::start().now().unix_ms));
        let begun = std::thread::Builder::new()
            .name("dump".to_owned())
            .spawn(move || {
                match write(&asked, &path) {
                    Ok(()) => tracing::info!(path = %path.display(), "SIGQUIT: debug dump written"),
                    Err(failure) => tracing::warn!(%failure, "SIGQUIT: no debug dump"),
                }
                is_busy.store(false, Ordering::Release);
            });
        if let Err(error) = begun {
            tracing::warn!(%error, "SIGQUIT: no debug dump");
            self.is_busy.store(false, Ordering::Release);
        }
    }
}

fn text(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn about(now_ms: u64) -> String {
    text(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "made_ms": now_ms,
        "system": fs::read_to_string("/proc/version").unwrap_or_default().trim(),
        "load": fs::read_to_string("/proc/loadavg").unwrap_or_default().trim(),
    }))
}

fn examined(asked: &Asked) -> String {
    let asked = super::args::DoctorArguments {
        chain: super::args::ChainPlace {
            place: asked.place.clone(),
            genesis: None,
        },
        json: true,
    };
    text(&json!(doctor::examine(&asked)))
}

/// What the running node says; of one that does not run, why not.
fn answers(asked: &Asked) -> Vec<(&'static str, String)> {
    let names = [
        "status.json",
        "health.json",
        "peers.json",
        "bans.json",
        "metrics.json",
        "evidence.json",
    ];
    let client = match client(asked) {
        Ok(client) => client,
        Err(failure) => return vec![("node.txt", failure.to_string())],
    };
    let asked = block_on(async {
        let mut all = Vec::new();
        for (name, path) in names.into_iter().zip(ASKED) {
            let content = match client.get::<Value>(path).await {
                Ok(answer) => text(&answer),
                Err(error) => error.to_string(),
            };
            all.push((name, content));
        }
        Ok(all)
    });
    asked.unwrap_or_else(|failure| vec![("node.txt", failure.to_string())])
}

/// Names and sizes below the data directory. Nothing is opened.
fn listing(root: &Path) -> String {
    let (mut lines, mut open) = (Vec::new(), vec![root.to_owned()]);
    while let Some(dir) = open.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries.flatten() {
            if lines.len() >= LISTED_MAX {
                return lines.join("\n") + "\n…\n";
            }
            let Ok(metadata) = entry.metadata() else { continue };
            let path = entry.path();
            let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            lines.push(format!("{:>16}  {name}", grouped(metadata.len())));
            if metadata.is_dir() {
                open.push(path);
            }
        }
    }
    lines.sort();
    lines.join("\n") + "\n"
}

/// The last lines of the newest log file.
fn log_tail(dir: &DataDir) -> String {
    let path = dir.logs().join("timed.log");
    let read = || -> std::io::Result<String> {
        let mut file = File::open(&path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_BYTES_MAX)))?;
        let mut bytes = Vec::new();
        file.take(LOG_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    match read() {
        Ok(text) => {
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(LOG_LINES_MAX)..].join("\n") + "\n"
        }
        Err(error) => format!("{}: {error}\n", path.display()),
    }
}

/// What must not leave the machine, though nothing should have written it anywhere.
pub(super) struct Secrets {
    cookie: Option<String>,
}

impl Secrets {
    fn of(dir: &DataDir) -> Self {
        let cookie = fs::read_to_string(dir.cookie()).ok();
        Self {
            cookie: cookie
                .map(|text| text.trim().to_owned())
                .filter(|text| !text.is_empty()),
        }
    }

    /// The text without the cookie, tokens and keys in PEM.
    pub(super) fn cut_from(&self, text: &str) -> String {
        let mut clean = match &self.cookie {
            Some(cookie) => text.replace(cookie.as_str(), CUT),
            None => text.to_owned(),
        };
        for mark in ["__cookie__:", "timed_", "Bearer "] {
            clean = cut_after(&clean, mark);
        }
        let mut inside = false;
        let mut lines = Vec::new();
        for line in clean.lines() {
            let begins = line.contains("PRIVATE KEY");
            if begins || inside {
                if begins {
                    lines.push(CUT);
                }
                inside = (begins && line.contains("-----BEGIN") && !line.contains("-----END"))
                    || (inside && !line.contains("-----END"));
                continue;
            }
            lines.push(line);
        }
        lines.join("\n") + "\n"
    }
}

/// Cuts the hex digits after a mark, if there are as many as a token has.
fn cut_after(text: &str, mark: &str) -> String {
    const DIGITS_MIN: usize = 32;
    let (mut clean, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(mark) {
        let after = &rest[at + mark.len()..];
        let digits = after.bytes().take_while(u8::is_ascii_hexdigit).count();
        clean.push_str(&rest[..at + mark.len()]);
        if digits >= DIGITS_MIN {
            clean.push_str(CUT);
            rest = &after[digits..];
        } else {
            rest = after;
        }
    }
    clean.push_str(rest);
    clean
}

/// A file in an archive that `tar` reads (POSIX ustar).
fn entry(name: &str, content: &[u8], unix_s: u64) -> Vec<u8> {
    const BLOCK: usize = 512;
    let mut head = [0_u8; BLOCK];
    let mut put = |at: usize, text: &str| head[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000600\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{:011o}\0", content.len()));
    put(136, &format!("{unix_s:011o}\0"));
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut all = head.to_vec();
    all.extend_from_slice(content);
    all.resize(all.len().next_multiple_of(BLOCK), 0);
    all
}

#[cfg(test)]
pub(super) fn secrets(cookie: &str) -> Secrets {
    Secrets {
        cookie: Some(cookie.to_owned()),
    }
}

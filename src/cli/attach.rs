//! `timed attach`: the console on nodes that run already, or one frame of it.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use serde_json::json;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, timeout_at},
};

use super::{
    args::{AttachArguments, Place},
    client::{block_on, load_place},
    failure::{Code, Failure},
    output,
};
use crate::{
    attach::{Connection, Link, Notice, Places, SocketPaths, Subscribe},
    config::{Config, DataDir, Environment},
    console,
    control::{Event, Status},
};

/// Where the unit file's `RuntimeDirectory=timed` puts the sockets.
const SYSTEM_DIR: &str = "/run/timed";
/// Most nodes side by side: as many rows as a screen has.
const NODES_MAX: usize = 64;
/// How long `--once` waits for the first snapshot.
const FIRST: Duration = Duration::from_secs(10);
/// How long it waits for the events that come beside it.
const EVENTS: Duration = Duration::from_millis(400);
/// What `--once` draws on.
const FRAME: (u16, u16) = (120, 36);
/// How long the console has to give the terminal back.
const CONSOLE_PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn attach(arguments: &AttachArguments) -> Result<ExitCode, Failure> {
    let sockets = sockets(arguments)?;
    if arguments.once {
        let [only] = sockets.as_slice() else {
            return Err(Failure::new(
                Code::Argument,
                "--once shows one node; name one socket",
            ));
        };
        return once(only, arguments.json);
    }
    if !output::has_terminal() {
        return Err(Failure::new(
            Code::Argument,
            "stdin or stdout is no terminal; use --once, or `timed status`",
        ));
    }
    // One node that is not there is an error; of several, the others are worth looking at.
    if let [only] = sockets.as_slice() {
        block_on(async { Ok(Connection::open(only).await?) })?;
    }
    let sources = sockets
        .iter()
        .map(|path| {
            Ok(console::Source::Socket {
                link: Arc::new(Link::start(path)?),
                read_only: arguments.read_only,
            })
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    watch(sources, load_place(&arguments.place)?.config.console)
}

/// Runs a console that is no node's until it ends or a signal does it.
pub(super) fn watch(sources: Vec<console::Source>, config: console::Config) -> Result<ExitCode, Failure> {
    let options = console::Options {
        config,
        environment: console::Environment::read(Environment::variable),
        on_terminal: None,
        panic_on_key: None,
        socket: None,
        fleet: None,
    };
    let cannot = |error: console::NoScreen| {
        Failure::new(Code::Argument, format!("{error}; use --once, or `timed status`"))
    };
    console::can_draw(&options.environment).map_err(cannot)?;
    block_on(async {
        let signals = |error| Failure::new(Code::Unexpected, format!("signals: {error}"));
        let mut terminate = signal(SignalKind::terminate()).map_err(signals)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(signals)?;
        let mut hang_up = signal(SignalKind::hangup()).map_err(signals)?;
        let console = console::spawn_all(sources, options).map_err(cannot)?;
        let outcome = tokio::select! {
            outcome = console.ended() => outcome,
            _ = terminate.recv() => console.join(CONSOLE_PATIENCE),
            _ = interrupt.recv() => console.join(CONSOLE_PATIENCE),
            _ = hang_up.recv() => console.join(CONSOLE_PATIENCE),
        };
        Ok(match outcome {
            console::Outcome::Panicked => ExitCode::FAILURE,
            _ => ExitCode::SUCCESS,
        })
    })
}

/// One frame or one snapshot, and out.
fn once(path: &Path, as_json: bool) -> Result<ExitCode, Failure> {
    let (status, events) = block_on(async {
        let mut connection = Connection::open(path).await?;
        let wanted = Subscribe {
            log_level: None,
            ..Subscribe::everything()
        };
        connection.subscribe(wanted).await?;
        let mut status: Option<Status> = None;
        let mut events: Vec<Event> = Vec::new();
        let mut deadline = Instant::now() + FIRST;
        // The first snapshot, and what comes with it; a busy node would go on for ever.
        while let Ok(notice) = timeout_at(deadline, connection.next()).await {
            match notice? {
                Notice::Update(delta) if status.is_none() => {
                    deadline = Instant::now() + EVENTS;
                    delta.apply(status.get_or_insert_default());
                }
                Notice::Events { items, .. } => {
                    events.extend(items);
                    if status.is_some() {
                        break;
                    }
                }
                Notice::Update(_) | Notice::Logs { .. } | Notice::Reply { .. } | Notice::Bye { .. } => {}
            }
        }
        let status = status.ok_or_else(|| {
            Failure::new(
                Code::Unreachable,
                format!(
                    "no snapshot within {} s; the node may be stopped",
                    FIRST.as_secs()
                ),
            )
        })?;
        Ok((status, events))
    })?;
    if as_json {
        output::json(&json!({ "status": status, "events": events }))?;
    } else {
        let environment = console::Environment::read(Environment::variable);
        output::raw(&console::frame_text(
            console::Picture {
                status: Arc::new(status),
                events,
                is_recorded: false,
            },
            FRAME,
            !environment.utf8,
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The sockets that are named, or the one of the configured node.
fn sockets(arguments: &AttachArguments) -> Result<Vec<PathBuf>, Failure> {
    if arguments.sockets.len() > NODES_MAX {
        return Err(Failure::new(
            Code::Argument,
            format!("at most {NODES_MAX} nodes fit side by side; name fewer"),
        ));
    }
    if arguments.sockets.is_empty() {
        return Ok(vec![socket_of(&arguments.place, arguments.read_only)?]);
    }
    Ok(arguments
        .sockets
        .iter()
        .map(|path| match path.is_dir() {
            true => in_dir(path, arguments.read_only),
            false => path.clone(),
        })
        .collect())
}

/// The socket of the node in a data directory, or in the directory of its sockets.
fn in_dir(dir: &Path, read_only: bool) -> PathBuf {
    let direct = SocketPaths::in_dir(dir);
    let places = Places {
        data_dir: dir.to_owned(),
        user_runtime_dir: directory("XDG_RUNTIME_DIR"),
        ..Places::default()
    };
    places.sockets().unwrap_or(direct).pick(read_only)
}

/// Where the sockets of a configured node may be, likeliest first.
pub(super) fn socket_of(place: &Place, read_only: bool) -> Result<PathBuf, Failure> {
    let loaded = load_place(place)?;
    let dir = loaded.data_dir()?;
    let places = places(&loaded.config, &dir)?;
    let in_data_dir = Places {
        runtime_dir: None,
        ..places.clone()
    };
    let system = SocketPaths::in_dir(Path::new(SYSTEM_DIR)).pick(read_only);
    let likely: Vec<PathBuf> = [places.sockets(), in_data_dir.sockets()]
        .into_iter()
        .flatten()
        .map(|paths| paths.pick(read_only))
        .collect();
    let candidates = likely.iter().chain((place.data_dir.is_none()).then_some(&system));
    let found = candidates.clone().find(|path| path.exists()).or(likely.first());
    found.cloned().ok_or_else(|| {
        Failure::new(
            Code::Config,
            format!(
                "{} is too long for a socket; set attach.dir to a shorter path",
                dir.root().display()
            ),
        )
    })
}

/// What decides where a node's sockets are: for the node itself and for whoever looks for them.
pub(super) fn places(config: &Config, dir: &DataDir) -> Result<Places, Failure> {
    let absolute = |path: &Path| std::path::absolute(path).map_err(|error| Failure::io(path, &error));
    Ok(Places {
        configured: match config.attach.dir.as_os_str().is_empty() {
            true => PathBuf::new(),
            false => absolute(&config.attach.dir)?,
        },
        runtime_dir: directory("RUNTIME_DIRECTORY"),
        user_runtime_dir: directory("XDG_RUNTIME_DIR"),
        data_dir: absolute(dir.root())?,
    })
}

/// A directory that a variable names; of several the first.
fn directory(variable: &str) -> Option<PathBuf> {
    let value = Environment::variable(variable)?;
    let first = value.split(':').next().filter(|first| !first.is_empty())?;
    Some(PathBuf::from(first))
}

//! One client: what it is sent, and what is done with what it sends.
//!
//! The task owns both directions and awaits nothing of the node but answers. While a write waits for
//! a slow client nothing is gathered for it: afterwards the newest snapshot goes out, and the rings'
//! cursors tell how many events and lines were gone by then.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt,
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    AttachError,
    frame::{self, FrameReader, REQUEST_MAX},
    protocol::{About, CAP_COMMANDS, Hello, Notice, PROTO, Request, Subscribe},
    user,
};
use crate::control::{Caller, Command, CommandError, NodeHandle, PeersStatus, Reply, Status, WatchGuard};

/// How long a client has for its hello and for saying what it wants.
const INTRODUCTION: Duration = Duration::from_secs(5);
/// A client that takes nothing for this long is let go.
const UNWRITABLE: Duration = Duration::from_secs(10);
/// The least time between two snapshots to one client.
const SNAPSHOT_GAP: Duration = Duration::from_millis(50);
/// How often the rings are looked at.
const RINGS: Duration = Duration::from_millis(100);
/// Events in one notice.
const EVENTS_MAX: usize = 512;
/// Log lines in one notice.
const LINES_MAX: usize = 1_000;
/// Bytes of log text in one notice, so that the frame stays far below its limit.
const LINES_BYTES_MAX: usize = 1 << 20;
/// Commands of one client under way at once.
const COMMANDS_MAX: usize = 16;

/// What a client may do, by the socket it came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Admin,
    ReadOnly,
}

/// One client and what it has been sent.
pub(super) struct Session {
    node: NodeHandle,
    access: Access,
    caller: Caller,
    uid: Option<u32>,
    pid: Option<i32>,
    refused: u64,
}

/// Why a connection ends.
type Ending = Result<(), AttachError>;

/// A hello that says only what protocol we speak, and a goodbye.
pub(super) fn full_house() -> Result<Vec<u8>, AttachError> {
    let mut bytes = hello(About::default()).to_frame()?;
    bytes.extend(frame::encode(&Notice::Bye {
        reason: format!("{} consoles are attached already", super::CLIENTS_MAX),
    })?);
    Ok(bytes)
}

pub(super) fn hello(about: About) -> Hello {
    Hello {
        proto: PROTO,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        about,
    }
}

impl Session {
    pub(super) fn new(
        stream: &UnixStream,
        node: NodeHandle,
        access: Access,
        numbers: &Arc<AtomicU64>,
    ) -> Self {
        let cred = stream.peer_cred().ok();
        let uid = cred.map(|cred| cred.uid());
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let name = uid.map_or_else(|| "somebody".to_owned(), user::name);
        Self {
            node,
            access,
            caller: Caller::Socket {
                user: format!("{name} #{number}"),
            },
            uid,
            pid: cred.and_then(|cred| cred.pid()),
            refused: 0,
        }
    }

    /// Serves the client until one of the three ends: the client, the node, the server.
    pub(super) async fn run(mut self, stream: UnixStream, stop: CancellationToken) {
        let caller = self.caller.word();
        let (uid, pid) = (self.uid, self.pid);
        let read_only = self.access == Access::ReadOnly;
        tracing::info!(caller, uid, pid, read_only, "console attached");
        let (reader, writer) = stream.into_split();
        let ended = self
            .converse(FrameReader::new(reader, REQUEST_MAX), writer, stop)
            .await;
        // What a client does wrong is its own affair; our log only says that it has gone.
        if let Err(error) = ended {
            tracing::debug!(caller, %error, "console connection");
        }
        tracing::info!(caller, refused = self.refused, "console detached");
    }

    async fn converse(
        &mut self,
        mut reader: FrameReader<OwnedReadHalf>,
        mut writer: OwnedWriteHalf,
        stop: CancellationToken,
    ) -> Ending {
        write(&mut writer, &self.hello().to_frame()?).await?;
        let introduction = async {
            let Some(bytes) = reader.next().await? else {
                return Ok(None);
            };
            Hello::from_frame(&bytes)?;
            match reader.next().await? {
                Some(bytes) => frame::decode::<Request>(&bytes).map(Some),
                None => Ok(None),
            }
        };
        let wanted = timeout(INTRODUCTION, introduction)
            .await
            .map_err(|_| AttachError::Silent {
                seconds: INTRODUCTION.as_secs(),
            })??;
        let wanted = match wanted {
            None => return Ok(()),
            Some(Request::Subscribe(wanted)) => wanted,
            Some(Request::Command { .. }) => return bye(&mut writer, "subscribe first").await,
        };
        let guard = self.node.watchers.watch();
        let mut view = View::new(wanted, self.node.clone(), guard);
        let mut answers: JoinSet<Notice> = JoinSet::new();
        let mut status = self.node.status.clone();
        let mut rings = interval(RINGS);
        rings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        view.snapshot(&mut writer).await?;
        loop {
            let gap = tokio::time::sleep_until(view.sent + SNAPSHOT_GAP);
            tokio::select! {
                () = stop.cancelled() => {
                    view.rings(&mut writer).await?;
                    view.snapshot(&mut writer).await?;
                    return bye(&mut writer, "the node has stopped").await;
                }
                request = reader.next() => match request? {
                    None => return Ok(()),
                    Some(bytes) => match frame::decode::<Request>(&bytes)? {
                        Request::Subscribe(_) => return bye(&mut writer, "subscribed already").await,
                        Request::Command { id, command } => {
                            if let Some(notice) = self.take(id, command, &mut answers) {
                                send(&mut writer, &notice).await?;
                            }
                        }
                    },
                },
                Some(answer) = answers.join_next() => {
                    if let Ok(notice) = answer {
                        send(&mut writer, &notice).await?;
                    }
                }
                changed = async { gap.await; status.changed().await } => match changed {
                    Ok(()) => {
                        status.mark_unchanged();
                        view.snapshot(&mut writer).await?;
                    }
                    Err(_) => {
                        view.rings(&mut writer).await?;
                        return bye(&mut writer, "the node has stopped").await;
                    }
                },
                _ = rings.tick() => view.rings(&mut writer).await?,
            }
        }
    }

    fn hello(&self) -> Hello {
        let status = self.node.status();
        let caps = match self.access {
            Access::Admin => vec![CAP_COMMANDS.to_owned()],
            Access::ReadOnly => Vec::new(),
        };
        hello(About {
            network: status.node.network.clone(),
            node_id: status.node.node_id.map(|id| id.to_string()).unwrap_or_default(),
            run: status.node.started.unix_ms.rotate_left(20) ^ u64::from(status.node.pid),
            me: self.caller.word(),
            caps,
        })
    }

    /// Hands a command to the node. The answer comes later, a refusal at once.
    fn take(&mut self, id: u64, command: Command, answers: &mut JoinSet<Notice>) -> Option<Notice> {
        let refuse = |error| {
            Some(Notice::Reply {
                id,
                outcome: Err(error),
            })
        };
        if self.access == Access::ReadOnly {
            self.refused += 1;
            // The first one is for the log; a script gone wild is not.
            if self.refused == 1 {
                let (caller, command) = (self.caller.word(), command.name());
                tracing::info!(
                    caller,
                    command,
                    outcome = "refused: read only",
                    "operator command"
                );
            }
            return refuse(CommandError::Invalid {
                reason: "this socket is read only; use timed.sock to change the node".to_owned(),
            });
        }
        if answers.len() >= COMMANDS_MAX {
            return refuse(CommandError::Busy);
        }
        match self.node.send(command, self.caller.clone()) {
            Ok(answer) => {
                answers.spawn(async move {
                    let outcome: Result<Reply, CommandError> =
                        answer.await.unwrap_or(Err(CommandError::Stopping));
                    Notice::Reply { id, outcome }
                });
                None
            }
            Err(error) => refuse(error),
        }
    }
}

/// What a client has seen.
struct View {
    wanted: Subscribe,
    node: NodeHandle,
    shown: Status,
    sent: Instant,
    events: Option<u64>,
    logs: u64,
    _watch: WatchGuard,
}

impl View {
    fn new(wanted: Subscribe, node: NodeHandle, guard: WatchGuard) -> Self {
        Self {
            events: wanted.events_from,
            logs: wanted.logs_from,
            wanted,
            node,
            shown: Status::default(),
            sent: Instant::now(),
            _watch: guard,
        }
    }

    /// Sends what changed since the last snapshot.
    async fn snapshot(&mut self, writer: &mut OwnedWriteHalf) -> Ending {
        let mut status = (*self.node.status()).clone();
        if status.peers.rows.len() > self.wanted.peers_max as usize {
            status.peers = Arc::new(PeersStatus {
                rows: status.peers.rows[..self.wanted.peers_max as usize].to_vec(),
                ..(*status.peers).clone()
            });
        }
        self.sent = Instant::now();
        if status.revision == self.shown.revision {
            return Ok(());
        }
        let delta = self.wanted.sections.delta(&self.shown, &status);
        self.shown = status;
        send(writer, &Notice::Update(Box::new(delta))).await
    }

    /// Sends events and log lines that are new.
    async fn rings(&mut self, writer: &mut OwnedWriteHalf) -> Ending {
        if let Some(from) = self.events {
            let batch = self.node.events.since(from, EVENTS_MAX);
            if batch.next != from || batch.missed > 0 {
                self.events = Some(batch.next);
                let notice = Notice::Events {
                    // From before the client asked for the beginning is not missed.
                    missed: if from == 0 { 0 } else { batch.missed },
                    next: batch.next,
                    items: batch.items,
                };
                send(writer, &notice).await?;
            }
        }
        let Some(level) = self.wanted.log_level else {
            return Ok(());
        };
        let mut batch = self.node.logs.since(self.logs, LINES_MAX);
        if batch.next == self.logs && batch.missed == 0 {
            return Ok(());
        }
        let mut bytes = 0;
        let fits = batch.items.iter().position(|line| {
            bytes += line.message.len() + line.fields.len() + line.target.len();
            bytes > LINES_BYTES_MAX
        });
        if let Some(fits) = fits {
            // At least one: a single line is far shorter than a frame.
            let keep = fits.max(1);
            batch.next -= (batch.items.len() - keep) as u64;
            batch.items.truncate(keep);
        }
        let missed = if self.logs == 0 { 0 } else { batch.missed };
        self.logs = batch.next;
        batch.items.retain(|line| line.level <= level);
        if batch.items.is_empty() && missed == 0 {
            return Ok(());
        }
        let notice = Notice::Logs {
            items: batch.items,
            missed,
            next: batch.next,
        };
        send(writer, &notice).await
    }
}

async fn bye(writer: &mut OwnedWriteHalf, reason: &str) -> Ending {
    let notice = Notice::Bye {
        reason: reason.to_owned(),
    };
    send(writer, &notice).await
}

async fn send(writer: &mut OwnedWriteHalf, notice: &Notice) -> Ending {
    write(writer, &frame::encode(notice)?).await
}

/// Writes as long as the client takes something.
async fn write(writer: &mut OwnedWriteHalf, mut bytes: &[u8]) -> Ending {
    while !bytes.is_empty() {
        let written = timeout(UNWRITABLE, writer.write(bytes))
            .await
            .map_err(|_| AttachError::Silent {
                seconds: UNWRITABLE.as_secs(),
            })??;
        if written == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::WriteZero).into());
        }
        bytes = &bytes[written..];
    }
    Ok(())
}

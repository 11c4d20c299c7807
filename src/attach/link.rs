//! A connection that comes back: on a thread of its own it connects, reads, and after a loss tries
//! again; whoever draws takes what has come and never waits.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tokio::{runtime::Builder, sync::mpsc, time::timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    AttachError, Connection,
    protocol::{Hello, Notice, Request, Subscribe},
};
use crate::control::{
    Batch, Command, CommandError, Event, EventRing, LogLine, LogRing, Moment, Reply, Status,
};

/// The first wait after a loss; it doubles up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_millis(500);
/// The longest wait between two attempts.
const RETRY_MAX: Duration = Duration::from_secs(5);
/// A connection that lasted this long was a good one: the next wait starts small again.
const GOOD: Duration = Duration::from_secs(2);
/// Commands that may wait for the connection's thread.
const COMMANDS_MAX: usize = 16;

/// How the link stands.
#[derive(Clone, Debug)]
pub enum LinkState {
    /// The first attempt is under way.
    Connecting,
    /// It stands.
    Up(Hello),
    /// It is down.
    Down {
        /// Since when.
        since: Instant,
        /// When the next attempt comes; past while one is under way.
        retry_at: Instant,
        /// What the last attempt met.
        reason: String,
    },
}

/// What has come since it was last taken.
#[derive(Debug, Default)]
pub struct News {
    /// What follows belongs to another run of the node than what came before.
    pub fresh: bool,
    /// The newest snapshot, if there is a new one.
    pub status: Option<Arc<Status>>,
    /// Events.
    pub events: Option<Batch<Event>>,
    /// Log lines.
    pub logs: Option<Batch<Arc<LogLine>>>,
}

/// A command and what came of it.
pub type Answer = (u64, Result<Reply, CommandError>);

/// A link to one node. Dropping it ends it.
pub struct Link {
    path: PathBuf,
    mailbox: Arc<Mutex<Mailbox>>,
    commands: mpsc::Sender<(u64, Command)>,
    _end: DropGuard,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

struct Mailbox {
    state: LinkState,
    fresh: bool,
    status: Option<Arc<Status>>,
    /// The newest snapshot's stamp, and when it came.
    stamp: Option<(Moment, Instant)>,
    events: VecDeque<Event>,
    events_missed: u64,
    logs: VecDeque<Arc<LogLine>>,
    logs_missed: u64,
    answers: Vec<Answer>,
}

impl Link {
    /// Begins to connect.
    ///
    /// # Errors
    /// [`AttachError::Thread`] if the system gives no thread.
    pub fn start(path: &Path) -> Result<Self, AttachError> {
        let mailbox = Arc::new(Mutex::new(Mailbox {
            state: LinkState::Connecting,
            fresh: false,
            status: None,
            stamp: None,
            events: VecDeque::new(),
            events_missed: 0,
            logs: VecDeque::new(),
            logs_missed: 0,
            answers: Vec::new(),
        }));
        let (commands, taken) = mpsc::channel(COMMANDS_MAX);
        let end = CancellationToken::new();
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(AttachError::Thread)?;
        let keeper = Keeper {
            path: path.to_owned(),
            mailbox: Arc::clone(&mailbox),
            commands: taken,
            run: None,
            events_from: 0,
            logs_from: 0,
        };
        let token = end.clone();
        thread::Builder::new()
            .name("attach-link".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = token.cancelled() => {}
                        () = keeper.run() => {}
                    }
                });
            })
            .map_err(AttachError::Thread)?;
        Ok(Self {
            path: path.to_owned(),
            mailbox,
            commands,
            _end: end.drop_guard(),
        })
    }

    /// The socket.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How it stands.
    pub fn state(&self) -> LinkState {
        lock(&self.mailbox).state.clone()
    }

    /// What has come since last time.
    pub fn take(&self) -> News {
        let mut mailbox = lock(&self.mailbox);
        let events: Vec<Event> = mailbox.events.drain(..).collect();
        let logs: Vec<Arc<LogLine>> = mailbox.logs.drain(..).collect();
        let events_missed = std::mem::take(&mut mailbox.events_missed);
        let logs_missed = std::mem::take(&mut mailbox.logs_missed);
        News {
            fresh: std::mem::take(&mut mailbox.fresh),
            status: mailbox.status.take(),
            events: (!events.is_empty() || events_missed > 0).then(|| Batch {
                next: events.last().map_or(0, |event| event.seq + 1),
                missed: events_missed,
                items: events,
            }),
            logs: (!logs.is_empty() || logs_missed > 0).then(|| Batch {
                next: logs.last().map_or(0, |line| line.seq + 1),
                missed: logs_missed,
                items: logs,
            }),
        }
    }

    /// Answers to commands that have come.
    pub fn answers(&self) -> Vec<Answer> {
        std::mem::take(&mut lock(&self.mailbox).answers)
    }

    /// Sends a command; its answer comes with a later [`Link::answers`]. False if too many wait.
    pub fn send(&self, id: u64, command: Command) -> bool {
        self.commands.try_send((id, command)).is_ok()
    }

    /// Now, by the node's clock; `None` before the first snapshot.
    pub fn now(&self) -> Option<Moment> {
        let (at, received) = lock(&self.mailbox).stamp?;
        let since = received.elapsed().as_millis() as u64;
        Some(Moment {
            unix_ms: at.unix_ms + since,
            mono_ms: at.mono_ms + since,
        })
    }
}

fn lock(mailbox: &Mutex<Mailbox>) -> MutexGuard<'_, Mailbox> {
    mailbox.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds to a bounded queue and counts what leaves it unread.
fn keep<T>(queue: &mut VecDeque<T>, items: Vec<T>, max: usize, missed: &mut u64) {
    for item in items {
        if queue.len() == max {
            queue.pop_front();
            *missed += 1;
        }
        queue.push_back(item);
    }
}

/// What runs on the link's thread.
struct Keeper {
    path: PathBuf,
    mailbox: Arc<Mutex<Mailbox>>,
    commands: mpsc::Receiver<(u64, Command)>,
    /// Which run of the node the cursors below belong to.
    run: Option<u64>,
    events_from: u64,
    logs_from: u64,
}

impl Keeper {
    async fn run(mut self) {
        let mut wait = RETRY_MIN;
        let mut down_since = None;
        loop {
            let began = Instant::now();
            // A connection ends only with an error.
            let Err(error) = self.attend().await else {
                return;
            };
            let was_up = matches!(lock(&self.mailbox).state, LinkState::Up(_));
            if was_up {
                down_since = None;
            }
            let since = *down_since.get_or_insert_with(Instant::now);
            if was_up && began.elapsed() >= GOOD {
                wait = RETRY_MIN;
            }
            lock(&self.mailbox).state = LinkState::Down {
                since,
                retry_at: Instant::now() + wait,
                reason: error.to_string(),
            };
            if self.refuse_for(wait).await {
                return;
            }
            wait = (wait * 2).min(RETRY_MAX);
        }
    }

    /// Waits, and refuses what is asked meanwhile. True if nobody can ask any more.
    async fn refuse_for(&mut self, wait: Duration) -> bool {
        let refusing = async {
            while let Some((id, _)) = self.commands.recv().await {
                let reason = "the node is not connected; wait for it to come back".to_owned();
                let refusal = Err(CommandError::Invalid { reason });
                lock(&self.mailbox).answers.push((id, refusal));
            }
        };
        timeout(wait, refusing).await.is_ok()
    }

    /// One connection, from hello to loss. `Ok` if nobody can ask any more.
    async fn attend(&mut self) -> Result<(), AttachError> {
        let mut connection = Connection::open(&self.path).await?;
        let hello = connection.hello().clone();
        let is_new = self.run != Some(hello.about.run);
        if is_new {
            (self.events_from, self.logs_from) = (0, 0);
        }
        let wanted = Subscribe {
            events_from: Some(self.events_from),
            logs_from: self.logs_from,
            ..Subscribe::everything()
        };
        connection.subscribe(wanted).await?;
        let mut current = Status::default();
        let mut is_up = false;
        loop {
            let notice = tokio::select! {
                notice = connection.next() => notice?,
                asked = self.commands.recv() => match asked {
                    Some((id, command)) => {
                        connection.send(&Request::Command { id, command }).await?;
                        continue;
                    }
                    None => return Ok(()),
                },
            };
            let mut mailbox = lock(&self.mailbox);
            match notice {
                Notice::Update(delta) => {
                    delta.apply(&mut current);
                    // Only a snapshot shows that the other side is more than a socket.
                    if !is_up {
                        is_up = true;
                        if is_new && self.run.is_some() {
                            mailbox.fresh = true;
                            mailbox.events.clear();
                            mailbox.logs.clear();
                        }
                        self.run = Some(hello.about.run);
                        mailbox.state = LinkState::Up(hello.clone());
                    }
                    mailbox.stamp = Some((current.at, Instant::now()));
                    mailbox.status = Some(Arc::new(current.clone()));
                }
                Notice::Events { items, missed, next } => {
                    self.events_from = next;
                    let mailbox = &mut *mailbox;
                    mailbox.events_missed += missed;
                    keep(
                        &mut mailbox.events,
                        items,
                        EventRing::EVENTS_MAX,
                        &mut mailbox.events_missed,
                    );
                }
                Notice::Logs { items, missed, next } => {
                    self.logs_from = next;
                    let mailbox = &mut *mailbox;
                    mailbox.logs_missed += missed;
                    keep(
                        &mut mailbox.logs,
                        items,
                        LogRing::LINES_MAX,
                        &mut mailbox.logs_missed,
                    );
                }
                Notice::Reply { id, outcome } => mailbox.answers.push((id, outcome)),
                // Handled where it is read.
                Notice::Bye { .. } => {}
            }
        }
    }
}

//! Carries commands out: one arm each. Whatever an operator does by hand is a line in the log and an
//! event, with who asked and what came of it.
//!
//! Transactions are checked in batches beside this loop, so that thousands of submissions a second
//! neither wait for each other's verdict nor hold up a stop.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use crossbeam_channel::{Sender, TrySendError};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch},
    time::{Instant, sleep_until, timeout_at},
};

use crate::{
    chain::{SharedTransaction, TRANSACTION_BYTES_MAX, Transaction, check_alone},
    control::{
        Caller, Clock, Command, CommandError, CommandRequest, EventKind, EventRing, LOG_FILTER_REVERTS_MS,
        LogFilter, Reply, Status, StopStatus, words::printable,
    },
    crypto::{Hash256, Verified},
    engine::{Arrival, Event, Source},
    mempool::{DuplicateOf, Refusal},
};

mod peers;

use super::{
    bodies::Bodies,
    resync::Resync,
    screen::{Refused, Screen},
    spawner::Tasks,
    status::Alarms,
    tickets::Tickets,
};
pub(super) use peers::PeerControl;

/// Commands taken from the queue at once.
const TAKE_MAX: usize = 512;
/// Transactions checked as one batch: about 10 ms of one core.
const BATCH_MAX: usize = 256;
/// Batches under way at once, those that wait for the engine's verdict included.
const BATCHES_MAX: usize = 8;
/// Submissions that may wait for a batch; more are told that the node is busy.
const WAITING_MAX: usize = 4_096;
/// How long a submission may wait for the engine's verdict.
const VERDICT_DEADLINE: Duration = Duration::from_secs(5);

type Answer = oneshot::Sender<Result<Reply, CommandError>>;

/// Who carries commands out.
pub(super) struct Operator {
    pub(super) clock: Clock,
    pub(super) events: Arc<EventRing>,
    pub(super) alarms: Arc<Alarms>,
    pub(super) log_filter: Arc<dyn LogFilter>,
    pub(super) peers: Arc<dyn PeerControl>,
    /// The newest snapshot, for what a command would mean.
    pub(super) status: watch::Receiver<Arc<Status>>,
    pub(super) resync: Arc<Resync>,
    /// Where a stop is asked for, with its reason.
    pub(super) ask_stop: watch::Sender<Option<String>>,
    /// Present once a stop has begun, whoever asked for it.
    pub(super) stop: watch::Receiver<Option<Arc<StopStatus>>>,
    pub(super) pool: Arc<Submissions>,
    pub(super) tasks: Arc<Tasks>,
}

/// The way of a transaction from its bytes to the engine's verdict.
pub(super) struct Submissions {
    pub(super) chain_id: Hash256,
    pub(super) bodies: Arc<Bodies>,
    pub(super) tickets: Arc<Tickets>,
    /// Refuses what can be refused without looking at signatures.
    pub(super) screen: Arc<Screen>,
    /// The engine's queue for everything but votes.
    pub(super) engine: Sender<Event>,
}

/// What the log's filter was set to at the start, and when a change of it ends.
struct LogLevelChange {
    configured: String,
    ends: Option<Instant>,
}

/// One transaction that somebody waits for.
struct Submission {
    bytes: Vec<u8>,
    answer: Answer,
}

impl Operator {
    /// Carries commands out until nobody can send any.
    pub(super) async fn run(self, mut commands: mpsc::Receiver<CommandRequest>) {
        let slots = Arc::new(Semaphore::new(BATCHES_MAX));
        let mut arrived = Vec::with_capacity(TAKE_MAX);
        let mut waiting: VecDeque<Submission> = VecDeque::new();
        let mut level = LogLevelChange {
            configured: self.log_filter.current(),
            ends: None,
        };
        loop {
            let ends = level.ends;
            tokio::select! {
                () = async { sleep_until(ends.unwrap_or_else(Instant::now)).await }, if ends.is_some() => {
                    self.end_level_change(&mut level);
                }
                taken = commands.recv_many(&mut arrived, TAKE_MAX) => {
                    if taken == 0 {
                        return;
                    }
                    for request in arrived.drain(..) {
                        self.take(request, &mut waiting, &slots, &mut level);
                    }
                }
                Ok(slot) = Arc::clone(&slots).acquire_owned(), if !waiting.is_empty() => {
                    self.begin_batch(&mut waiting, slot);
                }
            }
            while !waiting.is_empty()
                && let Ok(slot) = Arc::clone(&slots).try_acquire_owned()
            {
                self.begin_batch(&mut waiting, slot);
            }
        }
    }

    fn begin_batch(&self, waiting: &mut VecDeque<Submission>, slot: OwnedSemaphorePermit) {
        let batch: Vec<Submission> = waiting.drain(..waiting.len().min(BATCH_MAX)).collect();
        let (pool, tasks) = (Arc::clone(&self.pool), Arc::clone(&self.tasks));
        self.tasks.start("submissions", async move {
            pool.submit(batch, &tasks).await;
            drop(slot);
        });
    }

    /// Judges a batch that came as one. As many may wait for a slot as HTTP takes requests.
    fn judge_batch(&self, batch: Vec<Vec<u8>>, slots: &Arc<Semaphore>, answer: Answer) {
        let (pool, tasks, slots) = (Arc::clone(&self.pool), Arc::clone(&self.tasks), Arc::clone(slots));
        self.tasks.start("submissions", async move {
            let Ok(slot) = slots.acquire_owned().await else {
                return;
            };
            let verdicts = Arc::clone(&pool).judge(batch, &tasks).await;
            // A caller that went away does not undo the submission.
            let _ = answer.send(Ok(Reply::Judged { verdicts }));
            drop(slot);
        });
    }

    fn take(
        &self,
        request: CommandRequest,
        waiting: &mut VecDeque<Submission>,
        slots: &Arc<Semaphore>,
        level: &mut LogLevelChange,
    ) {
        let CommandRequest {
            command,
            caller,
            reply: answer,
        } = request;
        let name = command.name();
        let is_audited = command.is_audited();
        let outcome = match command {
            Command::Stop { reason } => self.stop(&caller, reason),
            _ if self.is_stopping() => Err(CommandError::Stopping),
            Command::AckAlarms => {
                self.alarms.acknowledge();
                Ok(Reply::Done)
            }
            Command::SetLogFilter { filter } => self.set_log_filter(&filter, level),
            Command::DisconnectPeer { peer } => match self.peers.disconnect(&peer) {
                true => Ok(Reply::Done),
                false => Err(CommandError::NotFound {
                    what: format!("a session with {}", peer.short()),
                }),
            },
            Command::PlanResync { .. } | Command::Resync { .. } | Command::CancelResync => {
                self.resync(command, caller, answer);
                return;
            }
            Command::AddPeer { address } => peers::add(&*self.peers, &address),
            Command::RemovePeer { address } => peers::remove(&*self.peers, &address),
            command if peers::writes_bans(&command) => {
                return self.change_bans(command, caller, name, answer);
            }
            Command::BanPeer { .. } | Command::UnbanPeer { .. } | Command::ClearBans => {
                Err(CommandError::Busy)
            }
            Command::SubmitTransactions { batch } => {
                self.judge_batch(batch, slots, answer);
                return;
            }
            Command::SubmitTransaction { .. } if waiting.len() >= WAITING_MAX => Err(CommandError::Busy),
            Command::SubmitTransaction { bytes } => {
                waiting.push_back(Submission { bytes, answer });
                return;
            }
        };
        if is_audited {
            audit(&self.clock, &self.events, &caller, name, &outcome);
        }
        // A caller that went away does not undo the command.
        let _ = answer.send(outcome);
    }

    fn is_stopping(&self) -> bool {
        self.stop.borrow().is_some() || self.ask_stop.borrow().is_some()
    }

    fn stop(&self, caller: &Caller, reason: String) -> Result<Reply, CommandError> {
        let reason = match reason.trim() {
            "" => caller.word(),
            given => given.to_owned(),
        };
        self.resync.stay_down();
        self.ask_stop.send_if_modified(|asked| match asked {
            Some(_) => false,
            None => {
                *asked = Some(reason);
                true
            }
        });
        Ok(Reply::Stopping)
    }

    /// Plans and intents read and write the disk, so they run beside this loop.
    fn resync(&self, command: Command, caller: Caller, answer: Answer) {
        let (resync, peers) = (Arc::clone(&self.resync), self.status.borrow().peers.rows.len());
        let (tasks, ask_stop) = (Arc::clone(&self.tasks), self.ask_stop.clone());
        let (clock, events) = (self.clock, Arc::clone(&self.events));
        self.tasks.start("resync command", async move {
            let (name, is_audited) = (command.name(), command.is_audited());
            let acting = move || match command {
                Command::PlanResync { mode } => Ok(Reply::Plan(Box::new(resync.plan(mode, peers)))),
                Command::Resync { mode } => resync.begin(mode, peers).map(|()| Reply::Restarting),
                _ => resync.cancel().map(|()| Reply::Restarting),
            };
            let outcome = tasks
                .blocking(acting)
                .await
                .unwrap_or(Err(CommandError::Stopping));
            if is_audited {
                audit(&clock, &events, &caller, name.clone(), &outcome);
            }
            let restarts = matches!(outcome, Ok(Reply::Restarting));
            let _ = answer.send(outcome);
            if restarts {
                ask_stop.send_if_modified(|asked| asked.replace(name).is_none());
            }
        });
    }

    fn set_log_filter(&self, filter: &str, level: &mut LogLevelChange) -> Result<Reply, CommandError> {
        if level.ends.is_none() {
            // A reload may have configured another one since.
            level.configured = self.log_filter.current();
        }
        match self.log_filter.set(filter) {
            Ok(()) => {
                level.ends = (filter != level.configured)
                    .then(|| Instant::now() + Duration::from_millis(LOG_FILTER_REVERTS_MS));
                Ok(Reply::Done)
            }
            Err(error) => Err(CommandError::Invalid {
                reason: error.to_string(),
            }),
        }
    }

    /// Puts the configured filter in force again.
    fn end_level_change(&self, level: &mut LogLevelChange) {
        let filter = level.configured.clone();
        let name = Command::SetLogFilter {
            filter: filter.clone(),
        }
        .name();
        let outcome = self.set_log_filter(&filter, level);
        level.ends = None;
        audit(&self.clock, &self.events, &Caller::Process, name, &outcome);
    }

    /// In order of arrival, beside this loop: the disk may be slow.
    fn change_bans(&self, command: Command, caller: Caller, name: String, answer: Answer) {
        let (peers, tasks) = (Arc::clone(&self.peers), Arc::clone(&self.tasks));
        let (clock, events) = (self.clock, Arc::clone(&self.events));
        let status = self.status.borrow().clone();
        self.tasks.start("bans", async move {
            let now_ms = clock.now().unix_ms;
            let asked = caller.clone();
            let outcome = tasks
                .blocking(move || peers::on_bans(&*peers, command, &asked, &status, now_ms))
                .await
                .unwrap_or(Err(CommandError::Stopping));
            audit(&clock, &events, &caller, name, &outcome);
            let _ = answer.send(outcome);
        });
    }
}

/// Characters of a command, and of what came of it, that are written down.
const AUDIT_CHARS_MAX: usize = 1_024;

fn audit(
    clock: &Clock,
    events: &EventRing,
    caller: &Caller,
    command: String,
    outcome: &Result<Reply, CommandError>,
) {
    // What a caller names may be as long as a request; log and events are not theirs to fill.
    let short = |text: String| -> String { printable(&text).chars().take(AUDIT_CHARS_MAX).collect() };
    let (caller, command) = (caller.word(), short(command));
    let outcome = match outcome {
        Ok(Reply::Done | Reply::Accepted { .. } | Reply::Judged { .. }) => "done".to_owned(),
        Ok(Reply::DoneWith { consequence }) => format!("done: {consequence}"),
        Ok(Reply::Plan(_)) => "told".to_owned(),
        Ok(Reply::Stopping | Reply::Restarting) => "begun".to_owned(),
        Err(error) => error.to_string(),
    };
    let outcome = short(outcome);
    tracing::info!(caller, command, outcome, "operator command");
    events.push(
        clock.now(),
        EventKind::Command {
            caller,
            command,
            outcome,
        },
    );
}

impl Submissions {
    /// Judges a batch and answers everybody.
    async fn submit(self: Arc<Self>, batch: Vec<Submission>, tasks: &Tasks) {
        let (bytes, answers): (Vec<Vec<u8>>, Vec<Answer>) = batch
            .into_iter()
            .map(|submission| (submission.bytes, submission.answer))
            .unzip();
        let verdicts = self.judge(bytes, tasks).await;
        for (verdict, answer) in verdicts.into_iter().zip(answers) {
            let _ = answer.send(verdict.map(|txid| Reply::Accepted { txid }));
        }
    }

    /// Checks a batch on a thread that may compute, hands what holds to the engine at once, and waits
    /// for its verdicts; in the order of `batch`. Empty if the node stops.
    async fn judge(
        self: Arc<Self>,
        batch: Vec<Vec<u8>>,
        tasks: &Tasks,
    ) -> Vec<Result<Hash256, CommandError>> {
        let this = Arc::clone(&self);
        let Some(checked) = tasks.blocking(move || this.check(batch)).await else {
            return Vec::new();
        };
        let mut arrivals = Vec::with_capacity(checked.len());
        let mut open = Vec::with_capacity(checked.len());
        for transaction in checked {
            if let Ok(transaction) = &transaction {
                self.bodies.note_checked(transaction);
            }
            open.push(transaction.and_then(|transaction| {
                let (ticket, verdict) = self.tickets.open().ok_or(CommandError::Busy)?;
                arrivals.push(Arrival {
                    transaction,
                    source: Source::Local(ticket),
                });
                Ok((ticket, verdict))
            }));
        }
        let mut not_taken = None;
        if !arrivals.is_empty()
            && let Err(error) = self.engine.try_send(Event::Transactions(arrivals))
        {
            not_taken = Some(match error {
                TrySendError::Full(_) => CommandError::Busy,
                TrySendError::Disconnected(_) => CommandError::Stopping,
            });
        }
        // The engine judges the batch in one step: waiting in order holds nobody up.
        let deadline = Instant::now() + VERDICT_DEADLINE;
        let mut verdicts = Vec::with_capacity(open.len());
        for one in open {
            verdicts.push(match (one, &not_taken) {
                (Err(error), _) => Err(error),
                (Ok((ticket, _)), Some(error)) => {
                    self.tickets.close(ticket);
                    Err(error.clone())
                }
                (Ok((ticket, verdict)), None) => match timeout_at(deadline, verdict).await {
                    Ok(Ok(Ok(txid))) => Ok(*txid.as_hash()),
                    Ok(Ok(Err(refusal))) => Err(refused(&refusal)),
                    Ok(Err(_)) => Err(CommandError::Stopping),
                    Err(_) => {
                        self.tickets.close(ticket);
                        Err(CommandError::Busy)
                    }
                },
            });
        }
        verdicts
    }

    /// Decodes each, refuses what can be refused alone or by the coins it spends, and checks the signatures
    /// of the rest together. The verdicts stand in the order of `batch`.
    fn check(&self, batch: Vec<Vec<u8>>) -> Vec<Result<Verified<SharedTransaction>, CommandError>> {
        let (mut sound, mut screened) = (Vec::with_capacity(batch.len()), Refused::new());
        let alone: Vec<Result<(), CommandError>> = batch
            .iter()
            .map(|bytes| {
                let transaction = self.check_one(bytes)?;
                if let Some(refusal) = self.screen.refusal(&transaction, &mut screened) {
                    return Err(refused(&refusal));
                }
                sound.push(transaction);
                Ok(())
            })
            .collect();
        if let Some(told) = Screen::told(screened) {
            // Full: figures for people are all that is lost.
            let _ = self.engine.try_send(told);
        }
        let mut signed = Verified::check_all(sound, &self.chain_id).into_iter();
        alone
            .into_iter()
            .map(|verdict| {
                verdict?;
                match signed.next() {
                    Some(Ok(transaction)) => Ok(transaction),
                    Some(Err((_, error))) => Err(refused(&Refusal::from(error))),
                    None => Err(CommandError::Busy),
                }
            })
            .collect()
    }

    fn check_one(&self, bytes: &[u8]) -> Result<SharedTransaction, CommandError> {
        if bytes.len() > TRANSACTION_BYTES_MAX {
            return Err(refused(&Refusal::TooLarge { size: bytes.len() }));
        }
        let transaction = Transaction::from_canonical(bytes).map_err(|error| CommandError::Refused {
            code: "malformed".to_owned(),
            reason: format!("not a transaction: {error}; send its canonical bytes, witnesses included"),
        })?;
        check_alone(&transaction).map_err(|error| refused(&Refusal::from(error)))?;
        let transaction = SharedTransaction::new(transaction);
        // Sparing the signatures: whoever repeats a transaction wants to know that it is here.
        if self.bodies.contains(&transaction.txid()) {
            return Err(refused(&Refusal::Duplicate {
                of: DuplicateOf::Pool,
            }));
        }
        Ok(transaction)
    }
}

fn refused(refusal: &Refusal) -> CommandError {
    CommandError::Refused {
        code: refusal.code().to_owned(),
        reason: refusal.to_string(),
    }
}

#[cfg(test)]
mod tests;

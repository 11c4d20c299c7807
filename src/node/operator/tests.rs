//! Commands and what comes of them; submissions from bytes to verdict.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use super::*;
use crate::{
    chain::{OutPoint, TxId, testing::TestChain},
    control::{LogFilterError, Moment, ResyncMode},
    crypto::PublicKey,
    network::{BanError, PeerAddress, Unbanned},
    storage::{Store, StoreOptions, rebuild::INTENT_FILE},
    wire::{Ban, BanTarget},
};

#[derive(Default)]
struct Filter(Mutex<String>);

impl LogFilter for Filter {
    fn current(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    fn set(&self, filter: &str) -> Result<(), LogFilterError> {
        if filter == "nonsense" {
            return Err(LogFilterError {
                filter: filter.to_owned(),
                cause: "no level".to_owned(),
            });
        }
        filter.clone_into(&mut self.0.lock().unwrap());
        Ok(())
    }
}

/// A session with [`PEER`], and bans that are kept nowhere.
#[derive(Default)]
struct TestPeers(Mutex<Vec<Ban>>);

impl PeerControl for TestPeers {
    fn disconnect(&self, peer: &PublicKey) -> bool {
        *peer == PEER
    }

    fn dial(&self, _: PeerAddress) -> bool {
        true
    }

    fn undial(&self, _: &PeerAddress) -> bool {
        false
    }

    fn own_id(&self) -> PublicKey {
        PublicKey::from_bytes([9; 32])
    }

    fn ban(&self, ban: Ban) -> Result<usize, BanError> {
        self.0.lock().unwrap().push(ban);
        Ok(1)
    }

    fn unban(&self, target: &BanTarget) -> Result<Unbanned, BanError> {
        let mut bans = self.0.lock().unwrap();
        let lifted = bans.extract_if(.., |ban| ban.target == *target).collect();
        Ok(Unbanned {
            lifted,
            ..Unbanned::default()
        })
    }

    fn clear_bans(&self) -> Result<usize, BanError> {
        Ok(self.0.lock().unwrap().drain(..).count())
    }
}

struct Fixture {
    chain: TestChain,
    commands: mpsc::Sender<CommandRequest>,
    filter: Arc<Filter>,
    events: Arc<EventRing>,
    asked: watch::Receiver<Option<String>>,
    stop: watch::Sender<Option<Arc<StopStatus>>>,
    bodies: Arc<Bodies>,
    tickets: Arc<Tickets>,
    engine: Option<crossbeam_channel::Receiver<Event>>,
    blocks: tempfile::TempDir,
    resync: Arc<Resync>,
}

/// The peer that there is a session with.
const PEER: PublicKey = PublicKey::from_bytes([7; 32]);

impl Fixture {
    fn start(outputs: u64, engine_queue: usize) -> Self {
        let chain = TestChain::new(4, outputs);
        let tasks = Arc::new(Tasks::new(tokio::runtime::Handle::current()));
        let (engine, engine_in) = crossbeam_channel::bounded(engine_queue);
        let (commands, commands_in) = mpsc::channel(4_096);
        let (ask_stop, asked) = watch::channel(None);
        let (stop, stopping) = watch::channel(None);
        let (events, filter) = (Arc::new(EventRing::new()), Arc::new(Filter::default()));
        let (bodies, tickets) = (Arc::new(Bodies::new()), Arc::new(Tickets::default()));
        let blocks = tempfile::tempdir().unwrap();
        let store = Store::open(blocks.path(), &chain.genesis, StoreOptions::default(), |_| {}).unwrap();
        let reader = store.reader();
        let resync = Arc::new(Resync::new(
            blocks.path().to_owned(),
            "devnet".to_owned(),
            Arc::new(store),
            Moment::default(),
            true,
            None,
        ));
        let operator = Operator {
            resync: Arc::clone(&resync),
            clock: Clock::start(),
            events: Arc::clone(&events),
            alarms: Arc::new(Alarms::default()),
            log_filter: filter.clone(),
            peers: Arc::new(TestPeers::default()),
            status: watch::channel(Arc::new(Status::default())).1,
            ask_stop,
            stop: stopping,
            pool: Arc::new(Submissions {
                chain_id: chain.chain_id,
                bodies: Arc::clone(&bodies),
                tickets: Arc::clone(&tickets),
                screen: Arc::new(Screen {
                    reader,
                    floor_per_kb: Arc::new(1_000.into()),
                    bodies: Arc::clone(&bodies),
                    metrics: crate::metrics::Metrics::new("devnet"),
                }),
                engine,
            }),
            tasks: Arc::clone(&tasks),
        };
        tasks.start("operator", operator.run(commands_in));
        Self {
            chain,
            commands,
            filter,
            events,
            asked,
            stop,
            bodies,
            tickets,
            engine: Some(engine_in),
            blocks,
            resync,
        }
    }

    async fn ask(&self, command: Command) -> Result<Reply, CommandError> {
        let (request, answer) = CommandRequest::new(command, Caller::Console);
        self.commands.send(request).await.unwrap();
        answer.await.unwrap()
    }

    async fn submit(&self, bytes: Vec<u8>) -> Result<Reply, CommandError> {
        self.ask(Command::SubmitTransaction { bytes }).await
    }

    /// An engine that gives every arrival the verdict of `judge`; counts its steps.
    fn run_engine(
        &mut self,
        judge: impl Fn(TxId) -> Result<TxId, Refusal> + Send + 'static,
    ) -> Arc<AtomicUsize> {
        let (events, tickets) = (self.engine.take().unwrap(), Arc::clone(&self.tickets));
        let steps = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&steps);
        std::thread::spawn(move || {
            for event in events {
                let Event::Transactions(arrivals) = event else {
                    continue;
                };
                counted.fetch_add(1, Ordering::Relaxed);
                for arrival in arrivals {
                    let Source::Local(ticket) = arrival.source else {
                        continue;
                    };
                    tickets.answer(ticket, judge(arrival.transaction.txid()));
                }
            }
        });
        steps
    }

    fn transaction(&self, owner: u64) -> SharedTransaction {
        self.chain
            .transfer(&[(self.chain.coin(owner as u32), owner)], &[(owner, 900_000)])
    }

    fn outcomes(&self) -> Vec<String> {
        let line = |event: crate::control::Event| match event.kind {
            EventKind::Command {
                caller,
                command,
                outcome,
            } => format!("{caller}: {command}: {outcome}"),
            other => format!("{other:?}"),
        };
        self.events.last(100).into_iter().map(line).collect()
    }
}

fn code(outcome: Result<Reply, CommandError>) -> String {
    match outcome {
        Err(CommandError::Refused { code, reason }) => {
            assert!(!reason.is_empty());
            code
        }
        other => format!("{other:?}"),
    }
}

/// A forgotten `trace` must not fill a disk.
#[tokio::test(start_paused = true)]
async fn a_changed_log_filter_ends_by_itself() {
    let fixture = Fixture::start(1, 1);
    let set = |filter: &str| Command::SetLogFilter {
        filter: filter.to_owned(),
    };
    let configured = fixture.filter.current();
    let limit = Duration::from_millis(LOG_FILTER_REVERTS_MS);
    assert_eq!(fixture.ask(set("trace")).await, Ok(Reply::Done));
    tokio::time::sleep(limit / 2).await;
    // A second change begins the time anew.
    assert_eq!(fixture.ask(set("debug")).await, Ok(Reply::Done));
    tokio::time::sleep(limit - Duration::from_millis(10)).await;
    assert_eq!(fixture.filter.current(), "debug");
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(fixture.filter.current(), configured);
    let last = fixture.outcomes().pop().unwrap();
    assert_eq!(last, format!("process: set log filter to {configured}: done"));
    // Put back by hand, nothing is left to end.
    assert_eq!(fixture.ask(set("trace")).await, Ok(Reply::Done));
    assert_eq!(fixture.ask(set(&configured)).await, Ok(Reply::Done));
    let count = fixture.outcomes().len();
    tokio::time::sleep(limit * 2).await;
    assert_eq!(fixture.outcomes().len(), count);
}

#[tokio::test]
async fn what_an_operator_does_is_written_down() {
    let fixture = Fixture::start(1, 8);
    let filter = |text: &str| Command::SetLogFilter {
        filter: text.to_owned(),
    };
    assert_eq!(fixture.ask(Command::AckAlarms).await, Ok(Reply::Done));
    assert_eq!(fixture.ask(filter("debug")).await, Ok(Reply::Done));
    assert_eq!(fixture.filter.current(), "debug");
    assert!(matches!(
        fixture.ask(filter("nonsense")).await,
        Err(CommandError::Invalid { .. })
    ));
    assert_eq!(
        fixture.ask(Command::DisconnectPeer { peer: PEER }).await,
        Ok(Reply::Done)
    );
    let stranger = Command::DisconnectPeer {
        peer: PublicKey::from_bytes([8; 32]),
    };
    assert!(matches!(
        fixture.ask(stranger).await,
        Err(CommandError::NotFound { .. })
    ));
    let lines = fixture.outcomes();
    assert_eq!(lines.len(), 5);
    assert_eq!(lines[0], "console: acknowledge alarms: done");
    assert_eq!(lines[1], "console: set log filter to debug: done");
    assert!(lines[4].contains("is not known here"), "{}", lines[4]);
}

#[tokio::test]
async fn a_stop_is_asked_for_once_and_ends_everything_else() {
    let mut fixture = Fixture::start(1, 8);
    let stop = |reason: &str| Command::Stop {
        reason: reason.to_owned(),
    };
    assert_eq!(fixture.ask(stop("maintenance")).await, Ok(Reply::Stopping));
    assert_eq!(fixture.ask(stop("again")).await, Ok(Reply::Stopping));
    fixture.asked.wait_for(Option::is_some).await.unwrap();
    assert_eq!(fixture.asked.borrow().as_deref(), Some("maintenance"));
    assert_eq!(fixture.ask(Command::AckAlarms).await, Err(CommandError::Stopping));
    assert_eq!(fixture.outcomes()[0], "console: stop: begun");
}

#[tokio::test]
async fn a_node_that_stops_for_another_reason_takes_no_commands() {
    let fixture = Fixture::start(1, 8);
    fixture.stop.send_replace(Some(Arc::new(StopStatus {
        started: Moment::default(),
        budget_ms: 1,
        reason: "SIGTERM".to_owned(),
        steps: Vec::new(),
    })));
    let bytes = fixture.transaction(0).canonical_bytes();
    assert_eq!(fixture.submit(bytes).await, Err(CommandError::Stopping));
}

#[tokio::test]
async fn what_can_be_refused_alone_never_reaches_the_engine() {
    let fixture = Fixture::start(2, 8);
    assert_eq!(code(fixture.submit(vec![1, 2, 3]).await), "malformed");
    assert_eq!(
        code(fixture.submit(vec![0; TRANSACTION_BYTES_MAX + 1]).await),
        "too_large"
    );
    let dust = fixture.chain.transfer(&[(fixture.chain.coin(0), 0)], &[(1, 1)]);
    assert_eq!(code(fixture.submit(dust.canonical_bytes()).await), "dust");
    let mut forged = fixture.transaction(0).transaction().clone();
    forged.witnesses[0].signature = fixture.transaction(1).witnesses[0].signature;
    assert_eq!(
        code(fixture.submit(forged.canonical_bytes()).await),
        "bad_signature"
    );
    let pooled = fixture.transaction(1);
    fixture.bodies.pooled(vec![pooled.clone()], Default::default());
    assert_eq!(code(fixture.submit(pooled.canonical_bytes()).await), "duplicate");
    let engine = fixture.engine.as_ref().unwrap();
    assert!(engine.is_empty());
    // By the coin that it spends, whatever its signature; the engine only counts it.
    forged.outputs[0].amount = crate::chain::Amount::from_units(crate::chain::testing::GENESIS_UNITS - 1);
    assert_eq!(
        code(fixture.submit(forged.canonical_bytes()).await),
        "fee_too_low"
    );
    let told = engine.try_recv().unwrap();
    assert!(
        matches!(&told, Event::Refused(refused) if refused.get("fee_too_low") == Some(&1)),
        "{told:?}"
    );
    assert!(engine.is_empty());
    assert!(
        fixture.outcomes().is_empty(),
        "transactions are no operator's acts"
    );
}

#[tokio::test]
async fn the_engine_has_the_last_word() {
    let mut fixture = Fixture::start(2, 8);
    let (good, bad) = (fixture.transaction(0), fixture.transaction(1));
    let missing = OutPoint::new(good.txid(), 9);
    let accepted = good.txid();
    fixture.run_engine(move |txid| match txid == accepted {
        true => Ok(txid),
        false => Err(Refusal::MissingInputs { first: missing }),
    });
    let txid = *good.txid().as_hash();
    assert_eq!(
        fixture.submit(good.canonical_bytes()).await,
        Ok(Reply::Accepted { txid })
    );
    let refused = fixture.submit(bad.canonical_bytes()).await;
    let expected = Refusal::MissingInputs { first: missing };
    assert_eq!(
        refused,
        Err(CommandError::Refused {
            code: "missing_inputs".to_owned(),
            reason: expected.to_string(),
        })
    );
}

#[tokio::test]
async fn a_full_or_ended_engine_is_said_at_once() {
    let fixture = Fixture::start(2, 1);
    let tickets = Arc::clone(&fixture.tickets);
    fixture.tickets.answer(0, Ok(TxId::ZERO));
    let waiting = CommandRequest::new(
        Command::SubmitTransaction {
            bytes: fixture.transaction(0).canonical_bytes(),
        },
        Caller::Console,
    );
    fixture.commands.send(waiting.0).await.unwrap();
    while fixture.engine.as_ref().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let second = fixture.transaction(1).canonical_bytes();
    assert_eq!(fixture.submit(second.clone()).await, Err(CommandError::Busy));
    drop((tickets, waiting.1));
    let Fixture { engine, .. } = &fixture;
    assert_eq!(engine.as_ref().unwrap().len(), 1);
    let mut fixture = fixture;
    fixture.engine = None;
    assert_eq!(fixture.submit(second).await, Err(CommandError::Stopping));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_submissions_share_batches() {
    const COUNT: u64 = 600;
    let mut fixture = Fixture::start(COUNT, 1_024);
    let steps = fixture.run_engine(Ok);
    let mut answers = Vec::new();
    for owner in 0..COUNT {
        let bytes = fixture.transaction(owner).canonical_bytes();
        let (request, answer) = CommandRequest::new(Command::SubmitTransaction { bytes }, Caller::Console);
        answers.push((request, answer));
    }
    let mut waiting = Vec::new();
    for (request, answer) in answers {
        fixture.commands.send(request).await.unwrap();
        waiting.push(answer);
    }
    for answer in waiting {
        assert!(matches!(answer.await.unwrap(), Ok(Reply::Accepted { .. })));
    }
    let steps = steps.load(Ordering::Relaxed) as u64;
    assert!(steps < COUNT, "{steps} steps for {COUNT} transactions");
}

#[tokio::test]
async fn a_ban_is_told_with_its_consequence_and_an_unban_of_nobody_is_refused() {
    let fixture = Fixture::start(0, 1);
    let target = BanTarget::Node(PEER);
    let ban = Command::BanPeer {
        target,
        seconds: Some(60),
        reason: "\u{1b}[31mloud".to_owned(),
    };
    let consequence = "no session is closed".to_owned();
    assert_eq!(fixture.ask(ban).await, Ok(Reply::DoneWith { consequence }));
    let unban = Command::UnbanPeer { target };
    assert!(matches!(
        fixture.ask(unban.clone()).await,
        Ok(Reply::DoneWith { .. })
    ));
    assert!(matches!(
        fixture.ask(unban).await,
        Err(CommandError::NotFound { .. })
    ));
    let ourselves = Command::BanPeer {
        target: BanTarget::Node(PublicKey::from_bytes([9; 32])),
        seconds: None,
        reason: String::new(),
    };
    assert!(matches!(
        fixture.ask(ourselves).await,
        Err(CommandError::Invalid { .. })
    ));
}

#[tokio::test]
async fn a_resync_says_what_it_costs_and_begins_with_a_durable_intent() {
    let fixture = Fixture::start(1, 8);
    let mode = ResyncMode::Reindex;
    let Ok(Reply::Plan(plan)) = fixture.ask(Command::PlanResync { mode }).await else {
        panic!("no plan");
    };
    assert_eq!((plan.mode, plan.height, plan.obstacle), (mode, 0, None));
    assert!(plan.needed_bytes > plan.db_bytes);
    assert_eq!(plan.votes_stop_ms, None, "nobody measured it");
    assert!(
        plan.consequences
            .iter()
            .any(|line| line.contains("casts no vote"))
    );
    assert!(fixture.asked.borrow().is_none(), "a plan changes nothing");
    assert!(!fixture.blocks.path().join(INTENT_FILE).exists());

    // Nobody could serve it, so it is refused before anything is written.
    let refused = fixture
        .ask(Command::Resync {
            mode: ResyncMode::Full,
        })
        .await;
    assert!(matches!(refused, Err(CommandError::Invalid { reason }) if reason.contains("peer")));
    assert!(!fixture.blocks.path().join(INTENT_FILE).exists());

    assert_eq!(fixture.ask(Command::Resync { mode }).await, Ok(Reply::Restarting));
    assert!(fixture.blocks.path().join(INTENT_FILE).exists());
    assert!(fixture.resync.wants_restart());
    let mut asked = fixture.asked.clone();
    let reason = asked.wait_for(Option::is_some).await.unwrap().clone();
    assert_eq!(reason.as_deref(), Some("resync reindex"));
}

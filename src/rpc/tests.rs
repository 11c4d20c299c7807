//! The server over loopback, against a node that is only a Status, a few answers and a queue.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, mpsc},
    time::Duration,
};

use tokio::sync::watch;

use super::{
    Config, MetricsJson, RpcError, Server,
    client::{Client, ClientError},
};
use crate::{
    chain::{Address, Network, OutPoint, TxId, testing::TestChain},
    control::{
        BalanceView, BlockView, Clock, CommandError, CommandRequest, Direction, EventRing, EvidenceView,
        HealthStatus, HealthWord, LogRing, MasternodeView, NodeHandle, NodeStatus, OutputState, Page,
        PeerRow, PeersStatus, Query, QueryError, Reply, Status, TaskTick, TransactionState, TransactionView,
        UtxoEntry, Watchers,
    },
    crypto::{Hash256, PublicKey},
    metrics::Metrics,
};

/// How long a look-up of height 99 takes: longer than any test waits.
const SLOW: Duration = Duration::from_secs(3);

struct FakeQuery;

impl Query for FakeQuery {
    fn block(&self, height: u64) -> Result<Option<BlockView>, QueryError> {
        if height == 99 {
            std::thread::sleep(SLOW);
        }
        Ok((height <= 7).then(|| BlockView {
            height,
            hash: Hash256::from_bytes([height as u8; 32]),
            prev_hash: Hash256::ZERO,
            proposer: None,
            created_round: 0,
            timestamp_ms: 1,
            tx_count: 0,
            txids: vec![],
            utxo_commitment: Hash256::ZERO,
            certificate: None,
        }))
    }

    fn height_of(&self, hash: Hash256) -> Result<Option<u64>, QueryError> {
        let height = u64::from(hash.as_bytes()[0]);
        Ok((height <= 7).then_some(height))
    }

    fn transaction(&self, _: Hash256) -> Result<TransactionView, QueryError> {
        Ok(TransactionView {
            state: TransactionState::Final,
            height: Some(7),
            finalized_at_ms: Some(5),
            reason: None,
        })
    }

    fn mempool_has(&self, _: Hash256) -> bool {
        false
    }

    fn evidence(&self, _: Page) -> Result<Vec<EvidenceView>, QueryError> {
        Err(QueryError::Storage("it is closing".to_owned()))
    }

    fn balance(&self, address: &str) -> Result<BalanceView, QueryError> {
        Ok(BalanceView {
            address: address.to_owned(),
            amount: 5,
            utxos: 1,
            spendable: 5,
            height: 7,
            ..BalanceView::default()
        })
    }

    fn utxos(&self, _: &str, after: Option<OutPoint>, page: Page) -> Result<Vec<UtxoEntry>, QueryError> {
        let first = after.map_or(0, |after| after.index + 1) + page.skip;
        let entry = |index| UtxoEntry {
            txid: Hash256::ZERO,
            index,
            amount: 1,
            height: 1,
            matures: None,
            locked_for: None,
            state: OutputState::Unspent,
            spent_by: None,
        };
        Ok((first..first + page.limit).map(entry).collect())
    }

    fn masternodes(&self, page: Page) -> Result<Vec<MasternodeView>, QueryError> {
        let chain = TestChain::new(5, 0);
        let nodes = chain.state.registry.iter();
        let nodes = nodes.skip(page.skip as usize).take(page.limit as usize);
        Ok(nodes
            .map(|node| MasternodeView::of(node, &chain.state, Network::Devnet))
            .collect())
    }

    fn masternode(&self, id: Hash256) -> Result<Option<MasternodeView>, QueryError> {
        let all = self.masternodes(Page::new(0, Page::LIMIT_MAX))?;
        Ok(all.into_iter().find(|node| node.id == id))
    }
}

pub(super) struct Fixture {
    server: Option<Server>,
    status: watch::Sender<Arc<Status>>,
    commands: tokio::sync::mpsc::Receiver<CommandRequest>,
    pub(super) handle: NodeHandle,
    pub(super) metrics: Arc<Metrics>,
}

impl Fixture {
    pub(super) fn start() -> Self {
        let clock = Clock::start();
        let (status, status_rx) = watch::channel(Arc::new(healthy(&clock)));
        let (sender, commands) = tokio::sync::mpsc::channel(1);
        let handle = NodeHandle {
            status: status_rx,
            commands: sender,
            events: Arc::new(EventRing::new()),
            logs: Arc::new(LogRing::new()),
            query: Arc::new(FakeQuery),
            watchers: Watchers::new(),
            clock,
        };
        let metrics = Metrics::new("devnet");
        let server = Server::start(config("127.0.0.1:0"), handle.clone(), metrics.clone()).unwrap();
        Self {
            server: Some(server),
            status,
            commands,
            handle,
            metrics,
        }
    }

    /// The commands that reach the node from now on.
    pub(super) fn take_commands(&mut self) -> tokio::sync::mpsc::Receiver<CommandRequest> {
        std::mem::replace(&mut self.commands, tokio::sync::mpsc::channel(1).1)
    }

    fn address(&self) -> SocketAddr {
        self.server.as_ref().unwrap().address()
    }

    fn client(&self) -> Client {
        Client::new(&format!("http://{}", self.address())).unwrap()
    }

    fn change(&self, change: impl FnOnce(&mut Status)) {
        self.status.send_modify(|status| change(Arc::make_mut(status)));
    }

    /// One raw request, so that headers and codes can be seen as they are.
    fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn get(&self, path: &str) -> String {
        self.raw(&format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        ))
    }
}

pub(super) fn config(listen: &str) -> Config {
    Config {
        cookie: None,
        tokens: None,
        listen: listen.parse().unwrap(),
        allowed_hosts: vec!["node.example.org".to_owned()],
        network: Network::Devnet,
    }
}

fn healthy(clock: &Clock) -> Status {
    let at = clock.now();
    Status {
        at,
        node: Arc::new(NodeStatus {
            network: "devnet".to_owned(),
            name: "node0".to_owned(),
            started: at,
            ..NodeStatus::default()
        }),
        health: Arc::new(HealthStatus {
            word: HealthWord::Ok,
            live: true,
            ready: true,
            checks: vec![],
        }),
        tasks: Arc::new(vec![TaskTick {
            name: "consensus".to_owned(),
            critical: true,
            tick_mono_ms: 0,
        }]),
        ..Status::default()
    }
}

pub(super) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

#[test]
fn health_and_readiness_follow_the_verdict() {
    let fixture = Fixture::start();
    assert!(fixture.get("/health").starts_with("HTTP/1.1 200"));
    assert!(fixture.get("/ready").starts_with("HTTP/1.1 200"));
    // Quorum lost: restarting would not help, so it is live but not ready.
    fixture.change(|status| {
        status.health = Arc::new(HealthStatus {
            word: HealthWord::Stalled,
            live: true,
            ready: false,
            checks: vec![],
        });
    });
    let health = fixture.get("/health");
    assert!(
        health.starts_with("HTTP/1.1 200") && health.contains("\"status\":\"stalled\""),
        "{health}"
    );
    assert!(fixture.get("/ready").starts_with("HTTP/1.1 503"));
    fixture.change(|status| {
        status.health = Arc::new(HealthStatus {
            word: HealthWord::Unhealthy,
            ..HealthStatus::default()
        });
    });
    assert!(fixture.get("/health").starts_with("HTTP/1.1 503"));
    for key in ["status", "consensus_phase", "peers_connected", "blocks_behind"] {
        assert!(health.contains(&format!("\"{key}\":")), "{key}");
    }
}

#[test]
fn the_client_reads_what_the_server_says() {
    let fixture = Fixture::start();
    let client = fixture.client();
    run(async {
        fixture.change(|status| Arc::make_mut(&mut status.chain).height = 7);
        assert_eq!(client.status().await.unwrap().height, 7);
        assert!(client.ready().await.unwrap().ready);
        assert_eq!(client.block(7).await.unwrap().hash, Hash256::from_bytes([7; 32]));
        let above = client.block(8).await.unwrap_err();
        assert!(matches!(&above, ClientError::Refused { status: 404, code, .. } if code == "not_found"));
        assert_eq!(
            client.transaction(Hash256::ZERO).await.unwrap().state,
            TransactionState::Final
        );
        let storage = client.evidence().await.unwrap_err();
        assert!(matches!(&storage, ClientError::Refused { status: 503, code, .. } if code == "storage"));
        let address = Address::from_bytes([3; 20]).to_text(Network::Devnet);
        assert_eq!(client.balance(&address).await.unwrap().amount, 5);
        let first = async |after, page| client.utxos(&address, after, page).await.unwrap()[0].index;
        assert_eq!(first(None, Page::new(10, 3)).await, 10);
        let last = OutPoint::new(TxId::from_hash(Hash256::ZERO), 41);
        assert_eq!(first(Some(last), Page::new(0, 3)).await, 42);
        assert!(client.peers().await.unwrap().is_empty());
        let figures: MetricsJson = client.get("/metrics.json").await.unwrap();
        assert_eq!((figures.height, figures.consensus_latency_ms), (7, None));
    });
    assert!(
        fixture
            .metrics
            .encode()
            .contains("timed_rpc_requests_total{route=\"/status\"} 1")
    );
}

#[test]
fn a_foreign_address_is_refused_with_the_reason() {
    let fixture = Fixture::start();
    let mainnet = Address::from_bytes([3; 20]).to_text(Network::Mainnet);
    let answer = fixture.get(&format!("/address/{mainnet}/balance"));
    assert!(
        answer.starts_with("HTTP/1.1 400") && answer.contains("address is for mainnet"),
        "{answer}"
    );
    for path in ["/blocks/x", "/tx/12"] {
        let answer = fixture.get(path);
        assert!(
            answer.starts_with("HTTP/1.1 400") && answer.contains("\"code\":\"bad_request\""),
            "{answer}"
        );
    }
    assert!(fixture.get("/nothing").starts_with("HTTP/1.1 404"));
}

#[test]
fn a_transaction_goes_to_the_node_and_its_answer_comes_back() {
    let mut fixture = Fixture::start();
    let client = fixture.client();
    let txid = Hash256::from_bytes([9; 32]);
    run(async {
        let answer_next = |request: CommandRequest, answer| {
            assert!(
                matches!(&request.command, crate::control::Command::SubmitTransaction { bytes } if bytes == &[1, 2])
            );
            request.reply.send(answer).unwrap();
        };
        let (accepted, ()) = tokio::join!(client.submit(&[1, 2]), async {
            answer_next(
                fixture.commands.recv().await.unwrap(),
                Ok(Reply::Accepted { txid }),
            );
        });
        assert_eq!(accepted.unwrap(), txid);
        let refusal = CommandError::Refused {
            code: "double_spend".to_owned(),
            reason: "spent by another".to_owned(),
        };
        let (refused, ()) = tokio::join!(client.submit(&[1, 2]), async {
            answer_next(fixture.commands.recv().await.unwrap(), Err(refusal));
        });
        assert!(
            matches!(refused, Err(ClientError::Refused { status: 422, code, .. }) if code == "double_spend")
        );
    });
    for body in ["", "zz", "0", "\"abc\""] {
        let answer = fixture.raw(&format!(
            "POST /tx HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        assert!(
            answer.starts_with("HTTP/1.1 400") && answer.contains("malformed"),
            "{answer}"
        );
    }
}

#[test]
fn a_full_queue_is_503_at_once() {
    let fixture = Fixture::start();
    // Nobody reads the queue of one; fill it, then ask.
    let (request, _answer) = CommandRequest::new(
        crate::control::Command::AckAlarms,
        crate::control::Caller::Process,
    );
    fixture.handle.commands.try_send(request).unwrap();
    let busy = run(fixture.client().submit(&[1])).unwrap_err();
    assert!(
        matches!(&busy, ClientError::Refused { status: 503, code, .. } if code == "busy"),
        "{busy}"
    );
}

#[test]
fn a_body_above_the_limit_is_refused() {
    let fixture = Fixture::start();
    let answer = fixture.raw(&format!(
        "POST /tx HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        super::limits::BODY_BYTES_MAX + 1
    ));
    assert!(
        answer.starts_with("HTTP/1.1 413") && answer.contains("too_large"),
        "{answer}"
    );
    assert!(
        fixture
            .metrics
            .encode()
            .contains("timed_rpc_rejected_total{reason=\"oversize\"} 1")
    );
}

#[test]
fn a_foreign_host_name_is_refused_and_addresses_are_not() {
    let fixture = Fixture::start();
    let with_host = |host: &str| {
        fixture.raw(&format!(
            "GET /status HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        ))
    };
    for ours in [
        "localhost:1",
        "127.0.0.1:24101",
        "[::1]:5",
        "192.0.2.7",
        "node.example.org:80",
        "NODE.example.org",
    ] {
        assert!(with_host(ours).starts_with("HTTP/1.1 200"), "{ours}");
    }
    for foreign in [
        "evil.example",
        "evil.example:24101",
        "localhost.evil.example",
        "127.0.0.1.evil.example:80",
    ] {
        let answer = with_host(foreign);
        assert!(
            answer.starts_with("HTTP/1.1 403") && answer.contains("foreign_host"),
            "{foreign}: {answer}"
        );
    }
}

#[test]
fn slow_look_ups_do_not_hold_up_health() {
    let fixture = Fixture::start();
    let address = fixture.address();
    let (done, finished) = mpsc::channel();
    for _ in 0..super::limits::LOOKUPS_MAX + 2 {
        let done = done.clone();
        std::thread::spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream
                .write_all(b"GET /blocks/99 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                .unwrap();
            let mut answer = String::new();
            let _ = stream.read_to_string(&mut answer);
            let _ = done.send(());
        });
    }
    std::thread::sleep(Duration::from_millis(200));
    assert!(fixture.get("/health").starts_with("HTTP/1.1 200"));
    assert!(finished.try_recv().is_err(), "health had to wait for a look-up");
}

#[test]
fn a_scrape_shows_the_status_and_is_openmetrics() {
    let fixture = Fixture::start();
    fixture.change(|status| {
        Arc::make_mut(&mut status.resources).log_lines_dropped = 3;
        let consensus = Arc::make_mut(&mut status.consensus);
        consensus.height = 8;
        consensus.overdue_ms = 1500;
        status.peers = Arc::new(PeersStatus {
            rows: vec![peer(Direction::Inbound), peer(Direction::Outbound)],
            ..PeersStatus::default()
        });
    });
    let answer = fixture.get("/metrics");
    assert!(
        answer.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"),
        "{answer}"
    );
    for line in [
        "timed_consensus_height 8",
        "timed_log_lines_dropped_total 3",
        "timed_consensus_overdue_seconds 1.5",
        "timed_p2p_peers 2",
        "timed_p2p_sessions{direction=\"inbound\"} 1",
        "timed_node_state{state=\"ready\"} 1",
        "timed_ready 1",
        "timed_task_running{task=\"consensus\"} 1",
    ] {
        assert!(answer.lines().any(|found| found == line), "no `{line}`");
    }
    assert!(answer.ends_with("# EOF\n"));
    // Scraping twice counts nothing twice.
    assert!(
        fixture
            .get("/metrics")
            .contains("timed_log_lines_dropped_total 3\n")
    );
    let json = fixture.raw(
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nConnection: close\r\n\r\n",
    );
    assert!(json.contains("\"peer_count\":2"), "{json}");
}

fn peer(direction: Direction) -> PeerRow {
    PeerRow {
        id: PublicKey::from_bytes([1; 32]),
        name: None,
        direction,
        address: "127.0.0.1:1".to_owned(),
        height: Some(8),
        rtt_ms: None,
        rx_bytes: 0,
        tx_bytes: 0,
        rx_rate: 0,
        tx_rate: 0,
        connected_mono_ms: 0,
        agent: "timed".to_owned(),
        validator: None,
        capabilities: vec![],
        score: 0,
    }
}

#[test]
fn a_taken_port_names_address_and_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let fixture = Fixture::start();
    let refused = Server::start(
        config(&address.to_string()),
        fixture.handle.clone(),
        fixture.metrics.clone(),
    );
    let error = refused.unwrap_err();
    assert!(matches!(error, RpcError::PortInUse { .. }));
    let text = error.to_string();
    assert!(
        text.contains(&address.to_string()) && text.contains("--rpc-listen"),
        "{text}"
    );
}

#[test]
fn stopping_frees_the_port_and_the_client_says_so() {
    let mut fixture = Fixture::start();
    let (address, client) = (fixture.address(), fixture.client());
    run(client.status()).unwrap();
    fixture.server.take().unwrap().stop();
    let error = run(client.status()).unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains(&address.to_string()));
    TcpListener::bind(address).unwrap();
}

#[test]
fn only_addresses_of_nodes_are_taken() {
    for good in [
        "http://127.0.0.1:24101",
        "127.0.0.1:24101",
        "http://node.example.org:80/",
        "[::1]:5",
    ] {
        assert!(Client::new(good).is_ok(), "{good}");
    }
    for bad in ["https://a:1", "http://a", "a:0", "http://a:1/path", "a:b", ""] {
        assert!(matches!(Client::new(bad), Err(ClientError::Url { .. })), "{bad}");
    }
}

/// A server that answers one request per connection and then closes it without a word, as a process
/// does that is killed.
fn closes_after_every_answer() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(3) {
            let mut stream = stream.unwrap();
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).unwrap();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
                .unwrap();
            // Not in the same breath: the client has put the connection aside by then.
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    address
}

#[test]
fn a_kept_connection_that_was_closed_is_replaced_at_once() {
    let client = Client::new(&closes_after_every_answer().to_string()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    for _ in 0..3 {
        let asked = async { tokio::time::timeout(Duration::from_secs(5), client.evidence()).await };
        let answer = runtime.block_on(asked).expect("it does not hang");
        assert!(answer.unwrap().is_empty());
        // Outside of the runtime: the connection learns of its end only when it is used again.
        std::thread::sleep(Duration::from_millis(150));
    }
}

#[test]
fn commands_want_the_cookie_of_this_run() {
    let directory = tempfile::tempdir().unwrap();
    let cookie = directory.path().join(".cookie");
    std::fs::write(&cookie, "__cookie__:of an earlier run").unwrap();
    let mut fixture = Fixture::start();
    let with_cookie = Config {
        cookie: Some(cookie.clone()),
        ..config("127.0.0.1:0")
    };
    let server = Server::start(with_cookie, fixture.handle.clone(), fixture.metrics.clone()).unwrap();
    let text = std::fs::read_to_string(&cookie).unwrap();
    assert_eq!(text.len(), "__cookie__:".len() + 64);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&cookie).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let client = Client::new(&format!("http://{}", server.address())).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let ban = super::CommandJson::Ban {
        target: "203.0.113.0/24".parse().unwrap(),
        seconds: 60,
        reason: "test".to_owned(),
    };
    for wrong in [
        "",
        "__cookie__:of an earlier run",
        &text.replace("__cookie__:", "__cookie__;"),
    ] {
        let refused = runtime.block_on(client.command(&ban, wrong)).unwrap_err();
        assert_eq!(refused.code(), Some("unauthorized"), "{wrong}");
    }
    assert!(fixture.commands.try_recv().is_err(), "nothing reached the node");
    let carried_out = runtime.block_on(async {
        let answer = async {
            let request = fixture.commands.recv().await.unwrap();
            assert_eq!(
                request.command,
                crate::control::Command::BanPeer {
                    target: "203.0.113.0/24".parse().unwrap(),
                    seconds: Some(60),
                    reason: "test".to_owned(),
                }
            );
            let consequence = "closes 1 session".to_owned();
            request.reply.send(Ok(Reply::DoneWith { consequence })).unwrap();
        };
        tokio::join!(client.command(&ban, &text), answer).0
    });
    assert_eq!(carried_out.unwrap().consequence, "closes 1 session");
    let plan = runtime.block_on(client.ban_plan(&"2001:db8::/32".parse().unwrap()));
    assert_eq!(plan.unwrap().consequence, "no session is closed");
    server.stop();
    assert!(!cookie.exists());
    // A server without a cookie takes no commands.
    let refused = runtime
        .block_on(fixture.client().command(&ban, &text))
        .unwrap_err();
    assert_eq!(refused.code(), Some("unauthorized"));
}

/// Its answers fill the buffers of both sides, and then its place.
#[test]
fn who_never_reads_its_answers_is_cut_off() {
    let fixture = Fixture::start();
    let mut stream = TcpStream::connect(fixture.address()).unwrap();
    stream
        .set_write_timeout(Some(super::limits::UNREAD_TIMEOUT * 10))
        .unwrap();
    let questions = "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".repeat(100);
    let cut = loop {
        if let Err(error) = stream.write_all(questions.as_bytes()) {
            break error;
        }
    };
    assert!(
        matches!(
            cut.kind(),
            std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe
        ),
        "{cut}: its own write timed out, so nobody cut it off"
    );
}
